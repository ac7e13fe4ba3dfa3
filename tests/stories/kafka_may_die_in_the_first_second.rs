//! Kafka gone the moment everybody says they are ready, before anybody has caught up with the others; PostgreSQL restarted right
//! after it is back. An order gets through all the same.

use std::time::{Duration, Instant};

use millrace_contract::order::v1::OrderState;
use millrace_test_rig::{Kafka, Postgres};

use crate::orders_survive_everything::{documents, submit};
use crate::tables::Tables;
use crate::world::{Plan, World};

/// After everything is back.
const AGAIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_die_in_the_first_second_and_postgres_right_after() {
    let server = Postgres::start().await.unwrap();
    let kafka = Kafka::start().await.unwrap();
    let postgres = server.create_database("first_second").await.unwrap();
    let world = World::distributed(Plan::default(), &postgres, &kafka.bootstrap()).await;
    kafka.kill().await.unwrap();
    let mut shop = world.shop().await;
    submit(&mut shop, "WEB-WITHOUT-KAFKA").await;
    kafka.start_again().await.unwrap();
    server.restart().await.unwrap();
    let back = Instant::now();

    let numbers = ["WEB-WITHOUT-KAFKA", "WEB-AFTER-RESTART"];
    let posted = async {
        submit(&mut shop, numbers[1]).await;
        for number in numbers {
            shop.reaches(number, OrderState::Posted).await;
        }
    };
    if tokio::time::timeout(AGAIN, posted).await.is_err() {
        for number in numbers {
            println!("{number}: {:?}", shop.view(number).await);
        }
        println!("{}", Tables::open(&postgres).await.standing().await);
        panic!("no order was posted within {AGAIN:?} after everything was back");
    }
    println!(
        "posted {:.1} s after everything was back",
        back.elapsed().as_secs_f64()
    );
    for number in numbers {
        assert_eq!(documents(&world, number).await, 1, "documents of {number}");
    }
}
