//! `millrace-bench [case…]`: measures Millrace against baselines in the same run. `make bench` builds and runs it under the rig.
//!
//! A case compares the real thing with the least that could do the same work (a raw loop, a bare echo), interleaved so that a
//! machine that slows down harms both, and ends with a correctness check: a fast wrong answer is a failure.
//! Deliberately absent: absolute targets for throughput. They say more about the machine than about us.

mod case;
mod cases;
mod echo;
mod hints;
mod load;
mod method;
mod oracle;
mod raw;
mod report;
mod stages;
mod statistics;
mod system;

use std::process::ExitCode;

use anyhow::{Result, bail};
use mimalloc::MiMalloc;

use crate::case::{Card, Outcome, Verdict};

/// As in the binary that is measured: neither arm shall win by its allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("could not start the runtime: {error}")),
    };
    if let [verb, address, folder] = wanted.as_slice()
        && verb == "echo-server"
    {
        return match address.parse().map_err(Into::into).and_then(|address| {
            runtime.block_on(echo::run(address, folder.as_ref(), system::SHOP_TOKEN))
        }) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("{error:#}")),
        };
    }
    match runtime.block_on(run(&wanted)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => complain(&format!("{error:#}")),
    }
}

/// Runs the cases; `true` when all passed.
async fn run(wanted: &[String]) -> Result<bool> {
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !cases::NAMES.contains(&name.as_str()))
    {
        bail!(
            "no case is called {unknown}; there are: {}",
            cases::NAMES.join(", ")
        );
    }
    let mut rows: Vec<(Card, Outcome)> = Vec::new();
    for name in cases::NAMES
        .into_iter()
        .filter(|name| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name))
    {
        tell(name, "preparing");
        let mut case = cases::prepare(name).await?;
        let outcome = method::measure(case.as_mut(), &mut |words| tell(name, words)).await?;
        rows.push((case.card(), outcome));
        // After every case: a long run that is interrupted has not measured in vain.
        let outcomes: Vec<Outcome> = rows.iter().map(|(_, outcome)| outcome.clone()).collect();
        report::write(&outcomes)?;
    }
    say(&report::table(&rows));
    Ok(rows
        .iter()
        .all(|(_, outcome)| outcome.verdict == Verdict::Pass))
}

fn tell(case: &str, words: &str) {
    say(&format!("{case}: {words}"));
}

#[expect(
    clippy::print_stdout,
    reason = "a command line tool; its output is its purpose"
)]
fn say(words: &str) {
    println!("{words}");
}

#[expect(
    clippy::print_stderr,
    reason = "a command line tool says what went wrong"
)]
fn complain(words: &str) -> ExitCode {
    eprintln!("bench: {words}");
    ExitCode::from(70)
}
