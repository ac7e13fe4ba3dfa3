//! Sizes and tokens of pages.

use tonic::Status;

use crate::rejection;

const MOST: u32 = 1000;
const USUAL: u32 = 100;

/// How many are asked for; 0 means the usual.
///
/// # Errors
/// `INVALID_ARGUMENT`: more than a page may hold.
pub fn size(asked: u32) -> Result<usize, Status> {
    match asked {
        0 => Ok(USUAL as usize),
        1..=MOST => Ok(asked as usize),
        _ => Err(rejection::bad_request(
            "page_size",
            format!("{asked} is above {MOST}"),
        )),
    }
}

/// A token is opaque to callers: the position to go on from. Empty begins at `begin`.
///
/// # Errors
/// `INVALID_ARGUMENT`: no token of ours.
pub fn position(token: &str, begin: i64) -> Result<i64, Status> {
    if token.is_empty() {
        return Ok(begin);
    }
    let position = token
        .strip_prefix('p')
        .and_then(|digits| i64::from_str_radix(digits, 16).ok());
    position
        .filter(|position| *position > 0)
        .ok_or_else(|| rejection::bad_request("page_token", "was not given out by this call"))
}

/// To go on from `position`; empty: there is no more.
#[must_use]
pub fn token(position: Option<i64>) -> String {
    position
        .map(|position| format!("p{position:x}"))
        .unwrap_or_default()
}
