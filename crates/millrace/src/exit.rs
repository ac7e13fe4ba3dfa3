//! How the process ends: one line on standard error, and a code a script can tell apart.

use std::error::Error;
use std::process::ExitCode;

use millrace_service_kit::settings::SettingsError;

/// Wrong settings or a wrong call (`EX_USAGE`).
pub const SETTINGS: u8 = 64;
/// A neighbour is away (`EX_UNAVAILABLE`).
pub const UNAVAILABLE: u8 = 69;
/// Everything else.
pub const FAILURE: u8 = 1;

/// Settings that are well-formed but cannot be meant; the message names the key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongSettings(pub String);

#[expect(
    clippy::print_stderr,
    reason = "the last word to whoever started the process"
)]
pub fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("millrace: {}", line(error));
    ExitCode::from(code(error))
}

/// The error and its causes, in one line.
pub fn line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Transparent errors repeat their cause.
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a script sees.
pub fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<SettingsError>() || cause.is::<WrongSettings>() {
            return SETTINGS;
        }
        if is_away(cause) {
            return UNAVAILABLE;
        }
    }
    FAILURE
}

fn is_away(cause: &(dyn Error + 'static)) -> bool {
    cause
        .downcast_ref::<tonic::Status>()
        .is_some_and(|status| status.code() == tonic::Code::Unavailable)
        || cause.is::<tonic::transport::Error>()
}
