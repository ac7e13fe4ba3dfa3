//! A real Kafka that lets in over TLS only, and by SCRAM: `make test-kafka-tls`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millrace_event_bus::{Bus, KafkaBus, KafkaSettings};
use millrace_test_rig::{Guard, Kafka};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::contract;
use crate::world::World;

const PASSWORD: &str = "a-password-of-the-test";

/// A guarded Kafka, and the folder with the authority of its certificate and with that of another.
struct Guarded {
    kafka: Kafka,
    folder: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let (ours, another) = (authority(), authority());
        let folder = tempfile::tempdir().expect("a folder");
        for (name, authority) in [("ours", &ours), ("another", &another)] {
            std::fs::write(folder.path().join(name), authority.pem()).expect("written");
        }
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        let guard = Guard {
            certificate: params.signed_by(&key, &ours).expect("signed").pem(),
            key: key.serialize_pem(),
            user: "millrace".into(),
            password: PASSWORD.into(),
        };
        let kafka = Kafka::start_guarded(guard).await.expect("a kafka");
        Self { kafka, folder }
    }

    fn bus(&self, prefix: &str, authority: &Path, password: &str) -> KafkaBus {
        let librdkafka = [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "millrace"),
            ("sasl.password", password),
            ("ssl.ca.location", authority.to_str().expect("a path")),
        ];
        let librdkafka = librdkafka.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings = KafkaSettings {
            librdkafka: BTreeMap::from(librdkafka),
            ..KafkaSettings::new(self.kafka.bootstrap(), format!("{prefix}."))
        };
        KafkaBus::new(settings, millrace_test_rig::unique("holder")).expect("a bus")
    }

    fn world(&self) -> World {
        let world = World::embedded();
        let trusted = self.folder.path().join("ours");
        World {
            bus: Arc::new(self.bus(&world.prefix, &trusted, PASSWORD)),
            ..world
        }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes whom it signs for itself where both have the same name.
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// Row 123.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_over_tls_and_scram_keeps_the_contract_and_lets_in_nobody_else() {
    let guarded = Guarded::start().await;
    guarded.world().bus.check().await.expect("lets us in");
    contract::records_of_a_key_come_in_order_and_every_event_once(guarded.world()).await;
    contract::a_newcomer_sees_the_latest_of_every_key_then_what_comes(guarded.world()).await;
    contract::a_handler_appends_to_its_own_log_once(guarded.world()).await;

    let [ours, another] = ["ours", "another"].map(|name| guarded.folder.path().join(name));
    for (what, authority, password) in [
        ("another password", &ours, "a-wrong-password"),
        ("another authority", &another, PASSWORD),
    ] {
        let bus = guarded.bus("nobody", authority, password);
        assert!(bus.check().await.is_err(), "{what}");
    }
    let clear = KafkaSettings::new(guarded.kafka.bootstrap(), "nobody.");
    let bus = KafkaBus::new(clear, "holder").expect("a bus");
    assert!(bus.check().await.is_err(), "in the clear");
}
