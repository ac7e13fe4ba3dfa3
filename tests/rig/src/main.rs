//! `millrace-test-rig fetch` gets the tests' servers; `millrace-test-rig run -- <command…>` runs a command with both around it.

use std::ffi::OsString;
use std::process::ExitCode;

const USAGE: &str =
    "usage: millrace-test-rig fetch\n       millrace-test-rig run -- <command> [argument…]";

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = match words.as_slice() {
        [verb] if verb == "fetch" => millrace_test_rig::fetch().map(|_| 0),
        [verb, dashes, program, arguments @ ..] if verb == "run" && dashes == "--" => {
            millrace_test_rig::run(program, arguments)
        }
        _ => {
            complain(USAGE);
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("rig: {error:#}"));
            ExitCode::from(70)
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a command line tool says what went wrong"
)]
fn complain(words: &str) {
    eprintln!("{words}");
}
