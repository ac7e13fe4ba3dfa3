//! How a shop reads its feed.

use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::{
    AcknowledgeRequest, Change, ListConsumersRequest, PullRequest, PullResponse, Start,
    SubscribeRequest,
};
use millrace_event_store::NewEvent;
use millrace_test_rig::until;
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{BLIND, PATIENCE, SHOP, Shown, TOYS, World, apply, furniture, shown};
use crate::source::*;

/// Row 112.
#[tokio::test]
async fn a_newcomer_gets_the_latest_of_everything_and_then_goes_on_live() {
    let world = World::embedded().await;
    world
        .sources
        .say((1..=5).map(|number| item(number, "old")))
        .await;
    let items: Vec<NewEvent> = (1..=5).map(|number| item(number, "new")).collect();
    world.sources.say(items.clone()).await;
    world.until_shown(&shown(items)).await;
    let mut live = world.subscribe(At::Snapshot(true)).await;
    let (changes, _) = live.caught_up().await;
    assert_eq!(changes.len(), 5, "one change per key");
    let bench = item(6, "Bench");
    world.sources.say([bench.clone()]).await;
    assert_eq!(live.change().await.payload, bench.payload);
    world.end().await;
}

/// Row 112: any number of independent readers, each from where it stands, in order, without gaps.
#[tokio::test]
async fn every_token_goes_on_exactly_behind_its_change() {
    let world = World::embedded().await;
    let items: Vec<NewEvent> = (1..=30).map(|number| item(number, "Chair")).collect();
    world.sources.say(items.clone()).await;
    world.until_shown(&shown(items)).await;
    let all = keys(&world.pulled(At::Beginning(true), &[]).await);
    assert_eq!(all.len(), 30);
    for start in [At::Beginning(true), At::Snapshot(true)] {
        let changes = world.pulled(start, &[]).await;
        for (index, change) in changes.iter().enumerate() {
            let rest = world
                .subscribe(At::AfterToken(change.token.clone()))
                .await
                .caught_up()
                .await
                .0;
            assert_eq!(keys(&rest), all[index + 1..], "after change {index}");
        }
    }
    let positions: Vec<u64> = world
        .pulled(At::Beginning(true), &[])
        .await
        .iter()
        .map(|change| change.envelope.as_ref().unwrap().position)
        .collect();
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
    world.end().await;
}

#[tokio::test]
async fn pages_of_a_pull_bring_everything_once_while_the_feed_grows() {
    let world = World::embedded().await;
    let items: Vec<NewEvent> = (1..=20).map(|number| item(number, "Chair")).collect();
    world.sources.say(items.clone()).await;
    world.until_shown(&shown(items.clone())).await;
    let mut seen = Shown::new();
    let mut answer = pull(&world, Some(At::Snapshot(true)), 3, 0).await;
    let more: Vec<NewEvent> = (18..=24).map(|number| item(number, "Throne")).collect();
    world.sources.say(more.clone()).await;
    let wanted = shown(items.into_iter().chain(more));
    loop {
        assert!(answer.changes.len() <= 3);
        answer
            .changes
            .iter()
            .for_each(|change| apply(&mut seen, change));
        if seen == wanted {
            break;
        }
        answer = pull(&world, Some(At::AfterToken(answer.next_token)), 3, 5).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_pull_waits_for_the_next_change_and_not_longer() {
    let world = World::embedded().await;
    let empty = pull(&world, Some(At::Beginning(true)), 10, 0).await;
    assert!(empty.changes.is_empty() && empty.caught_up);
    let waiting = pull(&world, Some(At::AfterToken(empty.next_token)), 10, 30);
    let saying = world.sources.say([item(1, "Chair")]);
    let (answer, ()) = tokio::join!(waiting, saying);
    assert_eq!(keys(&answer.changes), [item_key(1)]);
    world.end().await;
}

#[tokio::test]
async fn a_reader_goes_on_behind_what_it_acknowledged_and_may_go_back() {
    let world = World::embedded().await;
    let items: Vec<NewEvent> = (1..=4).map(|number| item(number, "Chair")).collect();
    world.sources.say(items.clone()).await;
    world.until_shown(&shown(items)).await;
    // Never acknowledged: from the snapshot.
    let all = pull(&world, None, 10, 0).await;
    assert_eq!(all.changes.len(), 4);
    assert_eq!(acknowledge(&world, &all.changes[1].token).await.unwrap(), 2);
    let rest = pull(&world, None, 10, 0).await;
    assert_eq!(keys(&rest.changes), keys(&all.changes[2..]));
    assert_eq!(acknowledge(&world, &rest.next_token).await.unwrap(), 0);
    assert!(
        pull(&world, Some(At::Acknowledged(true)), 10, 0)
            .await
            .changes
            .is_empty()
    );
    assert_eq!(acknowledge(&world, &all.changes[0].token).await.unwrap(), 3);
    assert_eq!(pull(&world, None, 10, 0).await.changes.len(), 3);
    world.end().await;
}

/// Row 112.
#[tokio::test]
async fn each_named_consumer_goes_its_own_way_and_its_lag_is_shown() {
    let world = World::embedded().await;
    let items: Vec<NewEvent> = (1..=4).map(|number| item(number, "Chair")).collect();
    world.sources.say(items.clone()).await;
    world.until_shown(&shown(items)).await;
    let all = pull(&world, None, 10, 0).await;
    for (consumer, token) in [("search", &all.changes[0].token), ("shop", &all.next_token)] {
        let acknowledge = AcknowledgeRequest {
            channel: "furniture".into(),
            consumer: consumer.into(),
            token: token.clone(),
        };
        world
            .client(Some(SHOP))
            .await
            .acknowledge(acknowledge)
            .await
            .unwrap();
    }
    let request = ListConsumersRequest {
        channel: "furniture".into(),
    };
    let listed = world
        .client(Some(SHOP))
        .await
        .list_consumers(request.clone())
        .await;
    let listed = listed.unwrap().into_inner().consumers;
    let behind: Vec<_> = listed
        .iter()
        .map(|one| (one.name.as_str(), one.behind))
        .collect();
    assert_eq!(behind, [("search", 3), ("shop", 0)]);
    assert!(
        listed
            .iter()
            .all(|one| !one.resync_needed && one.acknowledged_at.is_some())
    );
    until(PATIENCE, "the lag is at /metrics", async || {
        let lag = r#"millrace_feed_consumer_behind{channel="furniture",consumer="search"} 3"#;
        world.metrics.text().contains(lag).then_some(())
    })
    .await;
    let stranger = world.client(Some(TOYS)).await.list_consumers(request).await;
    assert_eq!(stranger.unwrap_err().code(), Code::PermissionDenied);
    world.end().await;
}

#[tokio::test]
async fn only_the_kinds_asked_for_come() {
    let world = World::embedded().await;
    world
        .sources
        .say([
            item(1, "Chair"),
            price(1, "", 100),
            order("furniture", "A-1"),
        ])
        .await;
    world
        .until_shown(&shown([
            item(1, "Chair"),
            price(1, "", 100),
            order("furniture", "A-1"),
        ]))
        .await;
    for start in [At::Beginning(true), At::Snapshot(true)] {
        let prices = world.pulled(start.clone(), &["prices"]).await;
        assert_eq!(keys(&prices), [price_key(1, "")]);
        let orders = world.pulled(start, &["webshop-orders"]).await;
        assert_eq!(keys(&orders), ["order/furniture/A-1"]);
    }
    world.end().await;
}

#[tokio::test]
async fn personal_data_stays_sealed() {
    let world = World::embedded().await;
    let accepted = order("furniture", "A-1");
    world.sources.say([accepted.clone()]).await;
    let told = world.subscribe(At::Beginning(true)).await.change().await;
    assert_eq!(told.payload, accepted.payload);
    world.end().await;
}

#[tokio::test]
async fn a_feed_is_read_with_its_own_token_only() {
    let world = World::embedded().await;
    for (token, code) in [
        (None, Code::Unauthenticated),
        (Some("no-such-token-at-all"), Code::Unauthenticated),
        (Some(TOYS), Code::PermissionDenied),
        (Some(BLIND), Code::PermissionDenied),
    ] {
        let mut client = world.client(token).await;
        assert_eq!(client.pull(request()).await.unwrap_err().code(), code);
        let subscribe = SubscribeRequest {
            channel: "furniture".into(),
            consumer: "test".into(),
            ..Default::default()
        };
        assert_eq!(client.subscribe(subscribe).await.unwrap_err().code(), code);
        let acknowledge = AcknowledgeRequest {
            channel: "furniture".into(),
            consumer: "test".into(),
            token: String::new(),
        };
        assert_eq!(
            client.acknowledge(acknowledge).await.unwrap_err().code(),
            code
        );
    }
    world.end().await;
}

#[tokio::test]
async fn a_place_in_another_channels_feed_is_refused() {
    let world = World::embedded().await;
    let toys = PullRequest {
        channel: "toys".into(),
        ..request()
    };
    let toys = world
        .client(Some(TOYS))
        .await
        .pull(toys)
        .await
        .unwrap()
        .into_inner();
    let refused = try_pull(&world, Some(At::AfterToken(toys.next_token.clone())))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (
            Code::InvalidArgument,
            "start.after_token: this token belongs to another feed"
        )
    );
    assert_eq!(
        acknowledge(&world, &toys.next_token)
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
    world.end().await;
}

#[tokio::test]
async fn a_place_in_an_earlier_life_of_the_feed_asks_for_a_resync() {
    let world = World::embedded().await;
    let chair = item(1, "Chair");
    world.sources.say([chair.clone()]).await;
    world.until_shown(&shown([chair])).await;
    let old = pull(&world, None, 10, 0).await.next_token;
    acknowledge(&world, &old).await.unwrap();
    let rebuilt = World::on(crate::harness::Ground::embedded(), furniture("", "'EAST'")).await;
    let refused = try_pull(&rebuilt, Some(At::AfterToken(old)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(
        refused.get_details_error_info().unwrap().reason,
        "RESYNC_NEEDED"
    );
    rebuilt.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_malformed_question_is_refused_naming_the_field() {
    let world = World::embedded().await;
    let mut client = world.client(Some(SHOP)).await;
    for (request, field) in [
        (
            PullRequest {
                channel: "Furniture!".into(),
                ..request()
            },
            "channel",
        ),
        (
            PullRequest {
                consumer: String::new(),
                ..request()
            },
            "consumer",
        ),
        (
            PullRequest {
                consumer: "Search Index".into(),
                ..request()
            },
            "consumer",
        ),
        (
            PullRequest {
                consumer: "x".repeat(65),
                ..request()
            },
            "consumer",
        ),
        (
            PullRequest {
                max_changes: 1_001,
                ..request()
            },
            "max_changes",
        ),
        (
            PullRequest {
                wait_seconds: 31,
                ..request()
            },
            "wait_seconds",
        ),
        (
            PullRequest {
                kinds: vec!["item".into()],
                ..request()
            },
            "kinds",
        ),
        (
            PullRequest {
                start: Some(Start {
                    at: Some(At::AfterToken("x".into())),
                }),
                ..request()
            },
            "start.after_token",
        ),
    ] {
        let refused = client.pull(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(
            refused.get_details_bad_request().unwrap().field_violations[0].field,
            field
        );
    }
    world.end().await;
}

#[tokio::test]
async fn a_stream_ends_with_a_reason_when_the_process_stops() {
    let mut world = World::embedded().await;
    let live = world.subscribe(At::Snapshot(true)).await;
    let (ended, ()) = tokio::join!(live.end(), world.stop());
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    world.end().await;
}

async fn pull(world: &World, at: Option<At>, max_changes: u32, wait_seconds: u32) -> PullResponse {
    let start = at.map(|at| Start { at: Some(at) });
    let request = PullRequest {
        start,
        max_changes,
        wait_seconds,
        ..request()
    };
    world
        .client(Some(SHOP))
        .await
        .pull(request)
        .await
        .unwrap()
        .into_inner()
}

async fn try_pull(world: &World, at: Option<At>) -> Result<PullResponse, tonic::Status> {
    let start = at.map(|at| Start { at: Some(at) });
    Ok(world
        .client(Some(SHOP))
        .await
        .pull(PullRequest { start, ..request() })
        .await?
        .into_inner())
}

async fn acknowledge(world: &World, token: &str) -> Result<u64, tonic::Status> {
    let request = AcknowledgeRequest {
        channel: "furniture".into(),
        consumer: "search-index".into(),
        token: token.into(),
    };
    Ok(world
        .client(Some(SHOP))
        .await
        .acknowledge(request)
        .await?
        .into_inner()
        .behind)
}

fn request() -> PullRequest {
    PullRequest {
        channel: "furniture".into(),
        consumer: "search-index".into(),
        ..PullRequest::default()
    }
}

fn keys(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| change.envelope.as_ref().unwrap().key.clone())
        .collect()
}
