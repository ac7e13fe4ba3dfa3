//! Where somebody else looks after Kafka's topics, such as Strimzi's operator, a migration makes tables alone.

use crate::world::{Plan, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_with_topics_off_makes_tables_and_leaves_kafka_alone() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("topics")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let prefix = format!("{}.", millrace_test_rig::unique("topics"));
    let world = World::empty(Plan::default()).await;
    let environment = [
        ("MILLRACE_DATABASE__URL", postgres.as_str()),
        ("MILLRACE_BUS__KIND", "kafka"),
        ("MILLRACE_BUS__KAFKA__BOOTSTRAP", &bootstrap),
        ("MILLRACE_BUS__KAFKA__PREFIX", &prefix),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));

    let tables = world.runs(&["migrate", "--topics=off"], &environment);
    assert!(tables.contains("order-intake: "), "{tables}");
    assert!(!tables.contains("kafka: topic"), "{tables}");

    let topics = world.runs(&["migrate"], &environment);
    assert!(!topics.contains("order-intake: "), "{topics}");
    assert!(
        topics.contains(&format!("kafka: topic {prefix}webshop-orders")),
        "{topics}"
    );
}
