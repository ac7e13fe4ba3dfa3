//! Real handshakes with certificates that the test made, from files as Kubernetes mounts a Secret.

use std::path::PathBuf;
use std::time::Duration;

use millrace_test_rig::until;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::Shutdown;
use crate::auth::Tokens;
use crate::grpc::{self, Entrance, Limits, Listener, arrivals, inside};
use crate::health::{Health, chain};
use crate::metrics::Metrics;

const PATIENCE: Duration = Duration::from_secs(20);

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key as PEM.
struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn signs(&self, usage: ExtendedKeyUsagePurpose, until_year: i32) -> Signed {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        Signed {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn server(&self) -> Signed {
        self.signs(ExtendedKeyUsagePurpose::ServerAuth, 4000)
    }

    fn client(&self) -> Signed {
        self.signs(ExtendedKeyUsagePurpose::ClientAuth, 4000)
    }
}

/// A folder as Kubernetes mounts a Secret: the files are links into `..data`, which is a link that is swapped.
struct Mount {
    folder: TempDir,
    versions: usize,
}

impl Mount {
    fn of(files: &[(&str, &str)]) -> Self {
        let mut mount = Self {
            folder: tempfile::tempdir().unwrap(),
            versions: 0,
        };
        mount.swap(files);
        for (name, _) in files {
            let data = PathBuf::from("..data").join(name);
            std::os::unix::fs::symlink(data, mount.path(name)).unwrap();
        }
        mount
    }

    fn of_server(signed: &Signed) -> Self {
        Self::of(&[("tls.crt", &signed.certificate), ("tls.key", &signed.key)])
    }

    fn swap(&mut self, files: &[(&str, &str)]) {
        self.versions += 1;
        let version = format!("..version-{}", self.versions);
        std::fs::create_dir(self.path(&version)).unwrap();
        for (name, content) in files {
            std::fs::write(self.path(&version).join(name), content).unwrap();
        }
        std::os::unix::fs::symlink(version, self.path("..data_tmp")).unwrap();
        std::fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
    }

    fn swap_server(&mut self, signed: &Signed) {
        self.swap(&[("tls.crt", &signed.certificate), ("tls.key", &signed.key)]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self) -> TlsServerSettings {
        TlsServerSettings {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            client_ca: PathBuf::new(),
            look_every: Duration::from_millis(20),
        }
    }
}

/// A server that runs.
struct Running {
    address: String,
    metrics: Metrics,
    health: Health,
    shutdown: Shutdown,
}

impl Running {
    async fn with(settings: &TlsServerSettings) -> Self {
        let tls = TlsServer::load(settings).unwrap().unwrap();
        let (metrics, health) = (Metrics::default(), Health::default());
        tls.show(&metrics);
        let shutdown = Shutdown::new();
        let component = health.component("certificates");
        tokio::spawn(tls.clone().watch(component, shutdown.clone()));
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        let listener = Listener {
            tcp,
            tls: Some(tls),
        };
        let serving = grpc::serve(listener, Routes::default(), entrance(), shutdown.clone());
        tokio::spawn(serving);
        Self {
            address: format!("https://localhost:{port}"),
            metrics,
            health,
            shutdown,
        }
    }

    /// A client that trusts this authority, and shows this.
    fn client(&self, authority: &Authority, shown: Option<&Signed>) -> Client {
        let mut files = vec![("ca.crt", authority.pem())];
        if let Some(shown) = shown {
            files.push(("tls.crt", shown.certificate.clone()));
            files.push(("tls.key", shown.key.clone()));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, pem)| (*name, &**pem)).collect();
        let mount = Mount::of(&files);
        let settings = TlsClientSettings {
            ca: mount.path("ca.crt"),
            certificate: shown.map(|_| mount.path("tls.crt")).unwrap_or_default(),
            key: shown.map(|_| mount.path("tls.key")).unwrap_or_default(),
        };
        Client {
            server: Server::new(&self.address, &settings).unwrap(),
            _mount: mount,
        }
    }

    fn shows(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|shown| shown == line)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

struct Client {
    server: Server,
    _mount: Mount,
}

impl Client {
    /// Opens a connection and makes a call over it.
    async fn calls(&self) -> Result<(), String> {
        let connected = self.server.connect().await;
        ask(connected.map_err(|error| chain(&error))?).await
    }
}

async fn ask(channel: Channel) -> Result<(), String> {
    let mut health = HealthClient::new(channel);
    let answered = health.check(HealthCheckRequest::default()).await;
    answered.map(drop).map_err(|status| chain(&status))
}

fn entrance() -> Entrance {
    Entrance {
        tokens: Tokens::default(),
        limits: Limits::default(),
        health: Health::default(),
        metrics: Metrics::default(),
        descriptors: tonic_health::pb::FILE_DESCRIPTOR_SET,
        quick: &[],
    }
}

/// Row 123.
#[tokio::test]
async fn only_who_trusts_the_authority_calls() {
    let (ours, another) = (Authority::new(), Authority::new());
    let mount = Mount::of_server(&ours.server());
    let running = Running::with(&mount.settings()).await;
    running.client(&ours, None).calls().await.unwrap();
    let refused = running.client(&another, None).calls().await.unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
}

#[tokio::test]
async fn a_server_whose_certificate_is_expired_is_not_trusted() {
    let authority = Authority::new();
    let expired = authority.signs(ExtendedKeyUsagePurpose::ServerAuth, 2021);
    let mount = Mount::of_server(&expired);
    let running = Running::with(&mount.settings()).await;
    let refused = running.client(&authority, None).calls().await.unwrap_err();
    assert!(refused.contains("expired"), "{refused}");
}

/// Row 123.
#[tokio::test]
async fn new_certificates_are_shown_without_a_restart_and_open_connections_live_on() {
    let (before, after) = (Authority::new(), Authority::new());
    let mut mount = Mount::of_server(&before.server());
    let running = Running::with(&mount.settings()).await;
    let old = running.client(&before, None);
    let open = old.server.connect().await.unwrap();
    ask(open.clone()).await.unwrap();

    mount.swap_server(&after.server());
    let new = running.client(&after, None);
    until(PATIENCE, "the new certificate is shown", async || {
        new.calls().await.ok()
    })
    .await;
    assert!(old.calls().await.is_err(), "the old one is shown no more");
    ask(open).await.unwrap();
    assert!(running.shows("millrace_grpc_tls_reloads_total 1"));
}

/// Row 123.
#[tokio::test]
async fn files_that_break_leave_the_certificate_as_it_was_and_are_shown() {
    let authority = Authority::new();
    let (one, two) = (authority.server(), authority.server());
    let mut mount = Mount::of_server(&one);
    let running = Running::with(&mount.settings()).await;
    let client = running.client(&authority, None);
    let key_of_another = [("tls.crt", &*one.certificate), ("tls.key", &*two.key)];
    for broken in [&[("tls.crt", "?"), ("tls.key", "?")], &key_of_another, &[]] as [&[_]; 3] {
        mount.swap(broken);
        until(PATIENCE, "the broken files are shown", async || {
            running
                .shows("millrace_grpc_tls_files_broken 1")
                .then_some(())
        })
        .await;
        let report = serde_json::to_string(&running.health.report()).unwrap();
        assert!(report.contains("certificates cannot be used"), "{report}");
        assert!(running.health.report().ready);
        client.calls().await.unwrap();
        mount.swap_server(&one);
        until(PATIENCE, "the files are well again", async || {
            running
                .shows("millrace_grpc_tls_files_broken 0")
                .then_some(())
        })
        .await;
    }
    client.calls().await.unwrap();
}

/// Row 123.
#[tokio::test]
async fn where_clients_need_a_certificate_only_a_valid_one_of_the_authority_gets_in() {
    let (authority, another) = (Authority::new(), Authority::new());
    let signed = authority.server();
    let mount = Mount::of(&[
        ("tls.crt", &signed.certificate),
        ("tls.key", &signed.key),
        ("ca.crt", &authority.pem()),
    ]);
    let settings = TlsServerSettings {
        client_ca: mount.path("ca.crt"),
        ..mount.settings()
    };
    let running = Running::with(&settings).await;
    let expired = authority.signs(ExtendedKeyUsagePurpose::ClientAuth, 2021);
    let refused = [
        ("no certificate", None),
        ("an expired one", Some(&expired)),
        ("another authority's", Some(&another.client())),
        ("one for servers", Some(&signed)),
    ];
    for (what, shown) in refused {
        let answer = running.client(&authority, shown).calls().await;
        assert!(answer.is_err(), "{what}");
    }
    assert!(running.shows("millrace_grpc_tls_handshakes_refused_total 4"));
    let client = running.client(&authority, Some(&authority.client()));
    client.calls().await.unwrap();
}

#[tokio::test]
async fn whoever_opens_a_connection_and_says_nothing_holds_up_nobody() {
    let authority = Authority::new();
    let mount = Mount::of_server(&authority.server());
    let running = Running::with(&mount.settings()).await;
    let address = running.address.replace("https://localhost", "127.0.0.1");
    let mut silent = Vec::new();
    for _ in 0..arrivals::AT_ONCE + 50 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    let client = running.client(&authority, None);
    let called = tokio::time::timeout(Duration::from_secs(5), client.calls()).await;
    called.expect("nobody waits for the silent ones").unwrap();
}

#[tokio::test]
async fn a_client_in_the_clear_gets_nowhere() {
    let authority = Authority::new();
    let mount = Mount::of_server(&authority.server());
    let running = Running::with(&mount.settings()).await;
    let clear = running.address.replace("https", "http");
    let server = Server::new(&clear, &TlsClientSettings::default()).unwrap();
    let asked = async { ask(server.connect().await.map_err(|error| chain(&error))?).await };
    let refused = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert!(refused.is_err());
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    let authority = Authority::new();
    let (signed, another) = (authority.server(), authority.server());
    let mount = Mount::of(&[
        ("tls.crt", &signed.certificate),
        ("tls.key", &signed.key),
        ("another.key", &another.key),
        ("nothing", "canary"),
    ]);
    let refused = |change: &dyn Fn(&mut TlsServerSettings)| {
        let mut settings = mount.settings();
        change(&mut settings);
        chain(&TlsServer::load(&settings).unwrap_err())
    };
    let said = [
        refused(&|settings| settings.key = PathBuf::new()),
        refused(&|settings| settings.certificate = PathBuf::new()),
        refused(&|settings| settings.certificate = mount.path("gone")),
        refused(&|settings| settings.certificate = mount.path("nothing")),
        refused(&|settings| settings.key = mount.path("nothing")),
        refused(&|settings| settings.key = mount.path("another.key")),
        refused(&|settings| settings.client_ca = mount.path("nothing")),
    ];
    let begins = [
        "certificate needs key beside it",
        "key needs certificate beside it",
        "certificate: ",
        "certificate: ",
        "key: ",
        "certificate: ",
        "client_ca: ",
    ];
    for (said, begins) in said.iter().zip(begins) {
        assert!(said.starts_with(begins), "{said}");
        assert!(!said.contains("canary") && !said.contains('\n'), "{said}");
    }
    let no_certificate = TlsServerSettings {
        certificate: PathBuf::new(),
        key: PathBuf::new(),
        client_ca: mount.path("tls.crt"),
        ..mount.settings()
    };
    let said = TlsServer::load(&no_certificate).unwrap_err().to_string();
    assert_eq!(said, "client_ca needs certificate beside it");
}

#[test]
fn a_check_of_certificates_is_not_forgotten_for_an_address_in_the_clear() {
    let settings = TlsClientSettings {
        ca: "/run/secrets/ca.crt".into(),
        ..TlsClientSettings::default()
    };
    let refused = Server::new("http://millrace:50051", &settings).unwrap_err();
    assert!(refused.to_string().starts_with("ca is for"), "{refused}");
    for nonsense in ["millrace", "ftp://millrace", "https://", ""] {
        let refused = Server::new(nonsense, &TlsClientSettings::default());
        assert!(
            matches!(refused, Err(ServerError::Address(_))),
            "{nonsense}"
        );
    }
}

#[tokio::test]
async fn services_of_one_process_call_each_other_without_a_port() {
    let (inside, visitors) = inside::way();
    let server = Server::inside(inside);
    let shutdown = Shutdown::new();
    let entrance = entrance();
    let calls = grpc::Calls::new(Routes::default(), &entrance);
    let serving = grpc::serve_inside(visitors, calls, entrance, shutdown.clone());
    let serving = tokio::spawn(serving);
    ask(server.connect_lazy()).await.unwrap();
    shutdown.cancel();
    serving.await.unwrap().unwrap();
    assert!(ask(server.connect_lazy()).await.is_err());
}
