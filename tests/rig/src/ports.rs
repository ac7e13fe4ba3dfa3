//! Free ports that stay free: outside the range from which the kernel takes ports for outgoing connections, so that a server
//! that is stopped for a while finds its port again.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

const RANGE: Range<u16> = 15_000..31_000;

/// A port on 127.0.0.1 that nobody listens on now, for a process that cannot be handed a listener. Somebody else may be quicker.
/// No process is given the same one twice: nobody listens yet on the first when the second is asked for.
pub fn free() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let random = RandomState::new();
    let port = (0..1000_u32)
        .map(|attempt| RANGE.start + (random.hash_one(attempt) % RANGE.len() as u64) as u16)
        .find(|port| {
            !given.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
        })
        .context("found no free port on 127.0.0.1")?;
    given.insert(port);
    Ok(port)
}
