//! A real PostgreSQL that speaks TLS: its certificate is checked, and its name.

use std::sync::Arc;

use millrace_event_store::{Database, DatabaseSettings, Expected, StoreError};
use millrace_service_kit::{Ids, SystemClock};
use millrace_test_rig::Postgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::world::{append, open, whole_feed};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Row 123.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_over_tls_is_used_when_it_is_the_one_it_should_be() {
    let (ours, another) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    // For the name, not for the address.
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ours).unwrap().pem();
    let postgres = Postgres::start_encrypted(&certificate, &key.serialize_pem())
        .await
        .unwrap();
    let by_address = postgres.create_database("encrypted").await.unwrap();
    let by_name = by_address.replace("127.0.0.1", "localhost");

    let folder = tempfile::tempdir().unwrap();
    let trusting = |name: &str, authority: &CertifiedIssuer<'_, KeyPair>| {
        let file = folder.path().join(name);
        std::fs::write(&file, authority.pem()).unwrap();
        format!("sslmode=verify-full&sslrootcert={}", file.display())
    };
    let (trusted, stranger) = (trusting("ours", &ours), trusting("another", &another));

    let settings = DatabaseSettings::new(format!("{by_name}?{trusted}"), "test-log");
    let database = open(&settings).await;
    database.migrate(&[]).await.unwrap();
    let log = database.log().await.unwrap();
    log.append(append("item/1", Expected::Any, &["one"]))
        .await
        .unwrap();
    assert_eq!(whole_feed(log.as_ref()).await.len(), 1);
    let (encrypted,): (bool,) =
        sqlx::query_as("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = current_database()")
            .fetch_one(database.pool())
            .await
            .unwrap();
    assert!(encrypted, "every connection of the log and the read model");

    for (url, why) in [
        (format!("{by_name}?{stranger}"), "invalid peer certificate"),
        (
            format!("{by_address}?{trusted}"),
            "invalid peer certificate",
        ),
        (format!("{by_name}?sslmode=disable"), "no encryption"),
    ] {
        let settings = DatabaseSettings::new(url, "test-log");
        let opened = Database::open(&settings, Arc::new(SystemClock), Ids::random()).await;
        let refused: StoreError = opened.expect_err(why);
        let said = millrace_service_kit::health::chain(&refused);
        assert!(said.contains(why), "{said}");
    }
}
