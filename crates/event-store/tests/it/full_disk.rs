//! F19: no room left. What was acknowledged stays, what could not be written is refused, and nothing is half there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use millrace_event_store::{Append, AppendError, DatabaseSettings, Expected, StoreError};

use crate::world::{On, World, append, on_stream, open, text, whole_feed};

const CHILD: &str = "MILLRACE_STORE_FULL";

/// Not a test: what a child process runs whose files may not grow. It says what was taken, and ends once everybody was refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_writes_until_there_is_no_room() {
    let Ok(url) = std::env::var(CHILD) else {
        return;
    };
    let database = open(&DatabaseSettings::new(url, "test-log")).await;
    let log = database.log().await.unwrap();
    let payload = "x".repeat(2_000);
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (log, payload) = (log.clone(), payload.clone());
            tokio::spawn(async move {
                for round in 0.. {
                    let said = format!("{caller}/{round}/{payload}");
                    let streams = ["a", "b"]
                        .map(|side| {
                            on_stream(
                                &format!("{caller}/{side}"),
                                Expected::Version(round),
                                &[&said],
                            )
                        })
                        .to_vec();
                    let line = match log
                        .append(Append {
                            streams,
                            ..Append::default()
                        })
                        .await
                    {
                        Ok(appended) => format!("taken {caller} {round} {}\n", appended.first),
                        Err(AppendError::Store(StoreError::Away(_))) => "refused\n".to_owned(),
                        Err(other) => panic!("{other}"),
                    };
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                    if line == "refused\n" {
                        return;
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let world = World::new(On::File).await;
    world.database.close().await;
    // A limit on the size of files is the full disk that needs no rights; its signal is ignored, so that writing fails instead.
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -f 2000; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    limited.args([
        "full_disk::a_child_writes_until_there_is_no_room",
        "--exact",
        "--nocapture",
        "--quiet",
    ]);
    limited
        .env(CHILD, &world.settings.url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = limited.spawn().unwrap();
    let heard = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<String> =
        tokio::task::spawn_blocking(|| heard.lines().map_while(Result::ok).collect())
            .await
            .unwrap();
    assert!(child.wait().unwrap().success());
    let taken: Vec<Vec<&str>> = lines
        .iter()
        .filter(|line| line.starts_with("taken"))
        .map(|line| line.split(' ').collect())
        .collect();
    assert_eq!(
        lines.iter().filter(|line| *line == "refused").count(),
        4,
        "everybody was refused in the end"
    );
    assert!(taken.len() > 50, "only {} were taken", taken.len());

    let again = World::reopened(&world.settings).await;
    let feed = whole_feed(again.log.as_ref()).await;
    for line in taken {
        let [_, caller, round, first] = line.as_slice() else {
            panic!("{line:?}")
        };
        let first: usize = first.parse().unwrap();
        for event in &feed[first - 1..=first] {
            assert!(text(event).starts_with(&format!("{caller}/{round}/")));
        }
    }
    assert_eq!(feed.len() % 2, 0, "nothing is half there");
    again
        .log
        .append(append(
            "after",
            Expected::Version(0),
            &["there is room again"],
        ))
        .await
        .unwrap();
}
