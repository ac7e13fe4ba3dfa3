//! What brokers do on bad days, with librdkafka's pretend cluster: quick. It keeps what an aborted transaction wrote, so a
//! fault must meet all of a transaction or none of it.

use std::sync::Arc;
use std::time::Duration;

use millrace_event_bus::{Bus, KafkaBus, KafkaSettings, Routes, list_parked, topics};
use millrace_event_store::Database;
use millrace_service_kit::Shutdown;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::handler::{self, Obedient};
use crate::world::{World, append, item, taken, until};

struct Pretend {
    cluster: MockCluster<'static, DefaultProducerContext>,
    bus: Arc<KafkaBus>,
    world: World,
    log: Database,
    sink: Database,
}

impl Pretend {
    async fn new(change: impl FnOnce(&mut KafkaSettings)) -> Self {
        let cluster = MockCluster::new(3).expect("a cluster");
        let plain = World::embedded();
        for topic in &topics::TOPICS {
            cluster
                .create_topic(
                    &format!("{}.{}", plain.prefix, topic.name),
                    topic.partitions,
                    3,
                )
                .expect("a topic");
        }
        cluster
            .create_topic(&format!("{}.relay.source", plain.prefix), 1, 3)
            .expect("a topic");
        let mut settings =
            KafkaSettings::new(cluster.bootstrap_servers(), format!("{}.", plain.prefix));
        change(&mut settings);
        let bus = Arc::new(KafkaBus::new(settings, "me").expect("a bus"));
        let (log, sink) = (plain.log().await, plain.sink().await);
        Self {
            cluster,
            bus: bus.clone(),
            world: World { bus, ..plain },
            log,
            sink,
        }
    }

    /// Publishes and reads 60 events while `faults` happen; each must arrive once.
    async fn goes_well(&self, faults: impl FnOnce(&MockCluster<'static, DefaultProducerContext>)) {
        let relay = self.world.relay(&self.log).await;
        let (consumer, _) = self.world.consume(self.world.consumer(
            &["items"],
            &self.sink,
            Arc::new(Obedient::default()),
        ));
        append(
            &self.log,
            (0..30).map(|n| item(&self.log, &format!("{}", n % 4), &n.to_string())),
        )
        .await;
        taken(&self.sink, 30).await;
        faults(&self.cluster);
        append(
            &self.log,
            (30..60).map(|n| item(&self.log, &format!("{}", n % 4), &n.to_string())),
        )
        .await;
        let taken = taken(&self.sink, 60).await;
        assert_eq!(taken.len(), 60);
        for key in 0..4 {
            let numbers: Vec<i32> = taken
                .iter()
                .filter(|(of, _)| *of == key.to_string())
                .map(|(_, body)| body.parse().expect("a number"))
                .collect();
            assert!(numbers.is_sorted(), "{key}: {numbers:?}");
        }
        consumer.stop().await;
        relay.stop().await;
    }
}

/// FAULTS F11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_replicas_for_a_while_lose_nothing() {
    let pretend = Pretend::new(|_| {}).await;
    pretend
        .goes_well(|cluster| {
            let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
            cluster.request_errors(RDKafkaApiKey::Produce, &[error; 4]);
        })
        .await;
}

/// FAULTS F11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_at_an_acknowledgement_loses_and_doubles_nothing() {
    let pretend = Pretend::new(|_| {}).await;
    pretend
        .goes_well(|cluster| {
            let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT;
            cluster.request_errors(RDKafkaApiKey::Produce, &[error; 3]);
            cluster.request_errors(RDKafkaApiKey::EndTxn, &[error]);
        })
        .await;
}

/// A transaction that cannot be committed is published anew by another producer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_commit_begins_anew_from_the_checkpoint() {
    let pretend = Pretend::new(|_| {}).await;
    pretend
        .goes_well(|cluster| {
            cluster.request_errors(
                RDKafkaApiKey::EndTxn,
                &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE],
            );
        })
        .await;
    assert!(pretend.bus.relays()[0].failures > 0, "the fault was met");
}

/// A relay whose producer is fenced asks for the lease again before it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_producer_is_given_up() {
    let pretend = Pretend::new(|_| {}).await;
    pretend
        .goes_well(|cluster| {
            cluster.request_errors(
                RDKafkaApiKey::EndTxn,
                &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH],
            );
        })
        .await;
}

/// FAULTS F11: the broker refuses a batch, but takes its records one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_too_large_is_sent_in_pieces() {
    let pretend = Pretend::new(|_| {}).await;
    let (log, sink) = (&pretend.log, &pretend.sink);
    let relay = pretend.world.relay(log).await;
    let (consumer, _) = pretend.world.consume(pretend.world.consumer(
        &["items"],
        sink,
        Arc::new(Obedient::default()),
    ));
    append(log, [item(log, "a", "1")]).await;
    taken(sink, 1).await;
    // One for the record's partition, one for the checkpoint's.
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    pretend
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &[error; 2]);
    append(log, [item(log, "a", "2")]).await;
    taken(sink, 2).await;
    assert_eq!(pretend.bus.relays()[0].omitted, Vec::<u64>::new());
    consumer.stop().await;
    relay.stop().await;
}

/// FAULTS F11: too large → parked, not a stuck partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_is_parked_by_its_readers() {
    let pretend = Pretend::new(|settings| settings.max_record_bytes = 4_000).await;
    let (log, sink) = (&pretend.log, &pretend.sink);
    append(
        log,
        [
            item(log, "a", "1"),
            item(log, "b", &"b".repeat(5_000)),
            item(log, "c", "3"),
        ],
    )
    .await;
    let relay = pretend.world.relay(log).await;
    let (consumer, _) = pretend.world.consume(pretend.world.consumer(
        &["items"],
        sink,
        Arc::new(Obedient::default()),
    ));
    taken(sink, 2).await;
    until("it is kept aside", async || {
        list_parked(sink, 0, 10).await.expect("readable").len() == 1
    })
    .await;
    let parked = list_parked(sink, 0, 10).await.expect("readable").remove(0);
    assert_eq!(parked.key, "b");
    assert!(
        parked
            .reason
            .contains("larger than kafka takes (4000 bytes)"),
        "{}",
        parked.reason
    );
    let relays = pretend.bus.relays();
    assert_eq!(relays[0].omitted.len(), 1);
    consumer.stop().await;
    relay.stop().await;
}

/// FAULTS F10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_relay_does_not_wait_for_brokers_that_are_away() {
    let pretend = Pretend::new(|_| {}).await;
    let relay = pretend.world.relay(&pretend.log).await;
    append(&pretend.log, [item(&pretend.log, "a", "1")]).await;
    until("it publishes", async || {
        pretend
            .bus
            .relays()
            .iter()
            .any(|relay| relay.published == 1)
    })
    .await;
    pretend.cluster.broker_down(-1).expect("down");
    append(&pretend.log, [item(&pretend.log, "a", "2")]).await;
    tokio::time::timeout(Duration::from_secs(60), relay.stop())
        .await
        .expect("it ends");
}

/// A bus that was never reached says so, and waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kafka_that_is_not_there_is_told_and_waited_for() {
    let world = World::embedded();
    let bus: Arc<dyn Bus> = Arc::new(
        KafkaBus::new(KafkaSettings::new("127.0.0.1:1", "nowhere."), "me").expect("a bus"),
    );
    assert!(bus.check().await.is_err());
    let world = World {
        bus: bus.clone(),
        ..world
    };
    let (log, sink) = (world.log().await, world.sink().await);
    append(&log, [item(&log, "a", "1")]).await;
    let shutdown = Shutdown::new();
    let relay = tokio::spawn({
        let (bus, log, shutdown) = (bus, log.log().await.expect("a log"), shutdown.clone());
        async move { bus.relay(log, Routes::Internal, shutdown).await }
    });
    let (consumer, _) =
        world.consume(world.consumer(&["items"], &sink, Arc::new(Obedient::default())));
    tokio::task::yield_now().await;
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(120), relay)
        .await
        .expect("in time")
        .expect("did not panic")
        .expect("ended well");
    consumer.stop().await;
    assert!(handler::taken(&sink).await.is_empty());
}
