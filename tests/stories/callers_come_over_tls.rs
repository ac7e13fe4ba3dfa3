//! A process that speaks TLS and asks its callers for certificates: the commands get in with theirs, services inside need none.

use std::path::Path;
use std::process::Output;

use millrace_contract::order::v1::OrderState;
use millrace_service_kit::tls::{Server, TlsClientSettings};
use millrace_test_rig::until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::{Certificate, Client, ClientBuilder, Identity};

use crate::process::{free_address, millrace};
use crate::shop::{Shop, order};
use crate::world::{CHANNEL, OPERATOR_TOKEN, PATIENCE, Plan, SHOP_TOKEN, World};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// `ca.crt`, `another.crt`, and a certificate of the first for localhost, good for both sides.
fn certificates(folder: &Path) {
    let (ours, another) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ours).unwrap();
    for (name, pem) in [
        ("ca.crt", ours.pem()),
        ("another.crt", another.pem()),
        ("tls.crt", certificate.pem()),
        ("tls.key", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), pem).unwrap();
    }
}

fn settings(folder: &Path, certificate: &str) -> String {
    let folder = folder.display();
    format!(
        "[grpc.tls]\ncertificate = \"{folder}/{certificate}\"\nkey = \"{folder}/tls.key\"\nclient_ca = \"{folder}/ca.crt\"\n"
    )
}

/// Row 123.
#[tokio::test(flavor = "multi_thread")]
async fn commands_and_shops_get_in_with_their_certificates_and_nobody_else() {
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path();
    certificates(folder);
    let plan = Plan {
        more_settings: settings(folder, "tls.crt"),
        ..Plan::default()
    };
    let world = World::in_one_process(plan).await;
    let port = world.process("all").grpc.port();
    let server = format!("https://localhost:{port}");
    let file = |name: &str| folder.join(name).display().to_string();

    let stock = |server: &str, options: &[(&str, &str)]| -> Output {
        let options = options
            .iter()
            .map(|(name, file)| ((*name).to_owned(), (*file).to_owned()));
        let common = [
            ("MILLRACE_SERVER", server),
            ("MILLRACE_TOKEN", OPERATOR_TOKEN),
        ];
        let common = common.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment: Vec<_> = common.into_iter().chain(options).collect();
        let arguments = ["stock", "1004", "--channel", CHANNEL];
        millrace(&world.settings(), &arguments, &environment)
            .output()
            .unwrap()
    };
    let (ca, another) = (file("ca.crt"), file("another.crt"));
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    let own = [
        ("MILLRACE_CERTIFICATE", &*certificate),
        ("MILLRACE_KEY", &*key),
    ];
    let with = |ca: &str| -> Output { stock(&server, &[("MILLRACE_CA", ca), own[0], own[1]]) };
    until(PATIENCE, "the command is answered", async || {
        with(&ca).status.success().then_some(())
    })
    .await;
    let clear = format!("http://localhost:{port}");
    for (what, output, code) in [
        ("another authority", with(&another), 69),
        (
            "no certificate",
            stock(&server, &[("MILLRACE_CA", &ca)]),
            69,
        ),
        ("in the clear", stock(&clear, &[]), 69),
        (
            "an authority for nothing",
            stock(&clear, &[("MILLRACE_CA", &ca)]),
            64,
        ),
        ("a file that is gone", with("/nowhere"), 64),
    ] {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{what}: {said}");
        assert_eq!(said.lines().count(), 1, "{what}: {said}");
    }

    // JSON is behind the same lock.
    let port = world.process("all").http.port();
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let trusting = || {
        let ours = Certificate::from_pem(&read("ca.crt")).unwrap();
        Client::builder().tls_certs_only([ours])
    };
    let shown = Identity::from_pem(&[read("tls.crt"), read("tls.key")].concat()).unwrap();
    let description = async |scheme: &str, client: ClientBuilder| {
        let address = format!("{scheme}://localhost:{port}/openapi.json");
        let answer = client.build().unwrap().get(address).send().await;
        answer.map(|answer| answer.status().as_u16()).ok()
    };
    let with = description("https", trusting().identity(shown)).await;
    assert_eq!(with, Some(200));
    assert_eq!(
        description("https", trusting()).await,
        None,
        "no certificate"
    );
    assert_eq!(description("http", trusting()).await, None, "in the clear");

    // The order of a new customer: order-intake asks customer-sync, inside the process.
    let tls = TlsClientSettings {
        ca: ca.into(),
        certificate: certificate.into(),
        key: key.into(),
    };
    let channel = Server::new(&server, &tls).unwrap().connect_lazy();
    let mut shop = Shop::over(channel, SHOP_TOKEN);
    until(PATIENCE, "stock is known", async || {
        shop.available("1004").await
    })
    .await;
    shop.orders
        .submit_order(order("WEB-TLS", "S-TLS", &[("1004", 1, 10690)]))
        .await
        .unwrap();
    shop.reaches("WEB-TLS", OrderState::Posted).await;
}

#[test]
fn a_certificate_that_cannot_be_used_ends_the_start_in_one_line() {
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path();
    certificates(folder);
    let file = folder.join("millrace.toml");
    let text = format!(
        "[erp]\ncode = 'bc-main'\naddress = 'http://127.0.0.1:1'\nsign_in_address = 'http://127.0.0.1:1'\ntenant = 'demo'\n\
         environment = 'production'\nclient_id = 'x'\nclient_secret = 'x'\n\
         [[channels]]\ncode = 'furniture'\nerp = 'bc-main'\nlanguages = ['de']\nlocation_group = ['MAIN']\ncurrency = 'EUR'\n\
         prices_include_tax = true\n{}",
        settings(folder, "another.crt")
    );
    std::fs::write(&file, text).unwrap();
    let mut environment = vec![("MILLRACE_DATA_DIR".to_owned(), folder.display().to_string())];
    // Nowhere: a further process on one machine does without.
    environment.push(("MILLRACE_HTTP__LISTEN".to_owned(), String::new()));
    for part in ["GRPC", "MONITORING", "HOOKS"] {
        environment.push((
            format!("MILLRACE_{part}__LISTEN"),
            free_address().to_string(),
        ));
    }
    let output = millrace(&file, &["run", "all"], &environment)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(
        said.starts_with("millrace: grpc.tls.certificate: "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}
