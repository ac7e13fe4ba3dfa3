//! SIGKILL of writing processes, again and again: what was acknowledged is there, and what is there is whole.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use millrace_event_store::{Append, DatabaseSettings, Expected, Recorded, checkpoint, project};
use millrace_service_kit::Shutdown;
use millrace_test_rig::{seeds, soak_result, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::projecting::{TALLY, Tally};
use crate::world::{On, World, append, on_stream, open, owner, text, whole_feed};

/// Set in a child: its name, the url, the database's name.
const CHILD: &str = "MILLRACE_STORE_CHILD";

/// What one child was told: stream, version and text of an event, and its position.
type Acknowledged = (String, u64, String, u64);

/// Not a test: what a child process runs. Callers append to two streams of their own atomically, and say so once it is durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_writes_until_it_is_killed() {
    let Ok(told) = std::env::var(CHILD) else {
        return;
    };
    let [who, url, name] = told.split('|').collect::<Vec<_>>().try_into().unwrap();
    let database = open(&DatabaseSettings::new(url, name)).await;
    let log = database.log().await.unwrap();
    let projecting = project(&database, log.clone(), Tally::failing(0), Shutdown::new());
    let callers = (0..8).map(|caller| {
        let (log, who) = (log.clone(), who.to_owned());
        tokio::spawn(async move {
            for round in 0.. {
                let streams = ["a", "b"].map(|side| format!("{who}/{caller}/{side}"));
                let said = format!("{who}/{caller}/{round}");
                let appends = streams
                    .iter()
                    .map(|stream| on_stream(stream, Expected::Version(round), &[&said]))
                    .collect();
                let appended = log
                    .append(Append {
                        streams: appends,
                        ..Append::default()
                    })
                    .await
                    .unwrap();
                let mut line = String::new();
                for (place, stream) in streams.iter().enumerate() {
                    line += &format!(
                        "{stream} {} {said} {}\n",
                        appended.versions[place],
                        appended.first + place as u64
                    );
                }
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    projecting.await.unwrap();
    drop(callers);
}

fn child_command(who: &str, settings: &DatabaseSettings) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "crashes::a_child_writes_until_it_is_killed",
        "--exact",
        "--nocapture",
        "--quiet",
    ]);
    command
        .env(CHILD, format!("{who}|{}|{}", settings.url, settings.name))
        .stdin(Stdio::null());
    command
}

fn child(who: &str, settings: &DatabaseSettings) -> Child {
    child_command(who, settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Reads what the child says until it has said `lines`, kills it, and returns everything it had said.
fn kill_after(mut child: Child, lines: usize) -> Vec<Acknowledged> {
    let mut said = Vec::new();
    let heard = child.stdout.take().unwrap();
    for acknowledged in acknowledgements(heard) {
        said.push(acknowledged);
        if said.len() == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(said.len() >= lines, "the child ended by itself");
    said
}

fn everything_said(heard: ChildStdout) -> Vec<Acknowledged> {
    acknowledgements(heard).collect()
}

/// The harness speaks too, and the last line may be half.
fn acknowledgements(heard: ChildStdout) -> impl Iterator<Item = Acknowledged> {
    let mut heard = BufReader::new(heard);
    let lines = std::iter::from_fn(move || {
        let mut line = String::new();
        (heard.read_line(&mut line).unwrap() > 0).then_some(line)
    });
    lines.filter_map(|line| {
        let words: [&str; 4] = line
            .strip_suffix('\n')?
            .split_whitespace()
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        let [stream, version, text, position] = words;
        Some((
            stream.to_owned(),
            version.parse().ok()?,
            text.to_owned(),
            position.parse().ok()?,
        ))
    })
}

fn everything_is_where_it_was_said_to_be(feed: &[Recorded], acknowledged: &[Acknowledged]) {
    for (stream, version, said, position) in acknowledged {
        let event = &feed[usize::try_from(*position).unwrap() - 1];
        assert_eq!(
            (event.stream.as_ref(), event.version, text(event)),
            (stream.as_str(), *version, said.as_str())
        );
    }
}

fn every_append_is_whole(feed: &[Recorded]) {
    let mut sides: HashMap<&str, Vec<&str>> = HashMap::new();
    for event in feed {
        sides
            .entry(text(event))
            .or_default()
            .push(event.stream.rsplit('/').next().unwrap());
    }
    assert!(
        sides.values().all(|sides| *sides == ["a", "b"]),
        "an append is there whole, once, or not at all"
    );
}

async fn the_rows_are_where_the_checkpoint_is(world: &World) {
    let position = i64::try_from(checkpoint(&world.database, "tally").await.unwrap()).unwrap();
    assert_eq!(
        crate::projecting::tally(world).await,
        (position, position * (position + 1) / 2)
    );
}

async fn killed_again_and_again(on: On, writers: usize, share: u64, whole: u64) {
    let world = World::new(on).await;
    world
        .database
        .migrate(&[&owner("tally", &[TALLY])])
        .await
        .unwrap();
    world.database.close().await;
    let (mut acknowledged, mut kills) = (Vec::new(), 0);
    for seed in seeds("kills of a writing process", share, whole) {
        let mut rng = StdRng::seed_from_u64(seed);
        let children = (0..writers).map(|writer| {
            let child = child(&format!("{kills}-{writer}"), &world.settings);
            let lines = rng.random_range(1..600);
            std::thread::spawn(move || kill_after(child, lines))
        });
        for killed in children.collect::<Vec<_>>() {
            acknowledged.extend(
                tokio::task::spawn_blocking(|| killed.join().unwrap())
                    .await
                    .unwrap(),
            );
        }
        kills += 1;
        let again = World::reopened(&world.settings).await;
        let feed = whole_feed(again.log.as_ref()).await;
        everything_is_where_it_was_said_to_be(&feed, &acknowledged);
        every_append_is_whole(&feed);
        the_rows_are_where_the_checkpoint_is(&again).await;
        again.database.close().await;
    }
    let outcome = format!(
        "{on:?}: {} kills of {writers} writers at once, {} appends acknowledged, none lost, none half",
        kills,
        acknowledged.len() / 2
    );
    soak_result(
        &format!("event-store-kills-{on:?}").to_lowercase(),
        &outcome,
    )
    .unwrap();
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged_on_sqlite() {
    killed_again_and_again(On::File, 1, 6, 300).await;
}

#[tokio::test]
async fn killed_processes_lose_nothing_they_acknowledged_on_postgres() {
    killed_again_and_again(On::Postgres, 3, 3, 100).await;
}

/// F19: two processes on one file.
#[tokio::test]
async fn a_second_process_on_a_sqlite_file_is_refused_and_does_no_harm() {
    let world = World::new(On::File).await;
    world
        .log
        .append(append("s", Expected::Any, &["1"]))
        .await
        .unwrap();
    let mut command = child_command("second", &world.settings);
    let second = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("InUse"), "{said}");
    world
        .log
        .append(append("s", Expected::Version(1), &["2"]))
        .await
        .unwrap();
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 2);
}

/// F19: the write-ahead log ends anywhere, as after a power cut on a disk that lied.
#[tokio::test]
async fn a_truncated_write_ahead_log_leaves_a_whole_prefix() {
    let world = World::new(On::File).await;
    for round in 0..40 {
        let streams = ["a", "b"]
            .map(|side| on_stream(side, Expected::Version(round), &[&round.to_string()]))
            .to_vec();
        world
            .log
            .append(Append {
                streams,
                ..Append::default()
            })
            .await
            .unwrap();
    }
    let source = std::path::Path::new(world.settings.url.strip_prefix("sqlite:").unwrap());
    let length = std::fs::metadata(source.join("test-log.db-wal"))
        .unwrap()
        .len();
    let mut lengths = Vec::new();
    for seed in seeds("truncated write-ahead logs", 8, 200) {
        let directory = tempfile::tempdir().unwrap();
        for file in ["test-log.db", "test-log.db-wal"] {
            std::fs::copy(source.join(file), directory.path().join(file)).unwrap();
        }
        // Not into the schema itself: a log that was never there is another story.
        let kept = StdRng::seed_from_u64(seed).random_range(length / 2..length);
        let wal = std::fs::File::options()
            .write(true)
            .open(directory.path().join("test-log.db-wal"))
            .unwrap();
        wal.set_len(kept).unwrap();
        let settings =
            DatabaseSettings::new(format!("sqlite:{}", directory.path().display()), "test-log");
        let cut = World::reopened(&settings).await;
        let feed = whole_feed(cut.log.as_ref()).await;
        assert_eq!(feed.len() % 2, 0);
        assert_eq!(cut.log.head().await.unwrap(), feed.len() as u64);
        cut.log
            .append(crate::world::append(
                "after",
                Expected::Version(0),
                &["goes on"],
            ))
            .await
            .unwrap();
        lengths.push(feed.len());
    }
    assert!(
        lengths.iter().any(|length| *length < 80),
        "some were cut: {lengths:?}"
    );
    let outcome = format!(
        "{} logs cut anywhere, {} to {} of 80 events left, each a whole prefix that goes on",
        lengths.len(),
        lengths.iter().min().unwrap(),
        lengths.iter().max().unwrap()
    );
    soak_result("event-store-truncated-logs", &outcome).unwrap();
}

/// A process that is stopped (SIGSTOP, a paused machine) in the middle of its work holds nobody up for long, and what it does when it
/// wakes up is right.
#[tokio::test]
async fn a_process_that_falls_asleep_while_writing_does_not_stop_the_others() {
    let world = World::new(On::Postgres).await;
    world
        .database
        .migrate(&[&owner("tally", &[TALLY])])
        .await
        .unwrap();
    let mut sleeper = child("sleeper", &world.settings);
    let pid = Pid::from_raw(i32::try_from(sleeper.id()).unwrap());
    let head = async |more: u64| (world.log.head().await.unwrap() > more).then_some(());
    for round in 0..3 {
        let before = world.log.head().await.unwrap();
        until(
            Duration::from_secs(30),
            "the other process writes",
            async || head(before + 20).await,
        )
        .await;
        kill(pid, Signal::SIGSTOP).unwrap();
        // Whatever it was in the middle of, the log goes on; at worst after the server has lost patience with it.
        for number in 0..5 {
            let awake = append(
                &format!("awake-{round}"),
                Expected::Version(number),
                &[&format!("{round}/{number}")],
            );
            let appended =
                tokio::time::timeout(Duration::from_secs(60), world.log.append(awake)).await;
            appended.expect("nobody is held up").unwrap();
        }
        kill(pid, Signal::SIGCONT).unwrap();
    }
    let before = world.log.head().await.unwrap();
    until(Duration::from_secs(60), "the sleeper goes on", async || {
        head(before + 20).await
    })
    .await;
    let heard = sleeper.stdout.take().unwrap();
    sleeper.kill().unwrap();
    let acknowledged = tokio::task::spawn_blocking(|| everything_said(heard))
        .await
        .unwrap();
    sleeper.wait().unwrap();
    let mut feed = whole_feed(world.log.as_ref()).await;
    everything_is_where_it_was_said_to_be(&feed, &acknowledged);
    feed.retain(|event| !event.stream.starts_with("awake"));
    every_append_is_whole(&feed);
}
