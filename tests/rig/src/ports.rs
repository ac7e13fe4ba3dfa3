//! Free ports that stay free: outside the range from which the kernel takes ports for outgoing connections, so that a server
//! that is stopped for a while finds its port again.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use anyhow::{Context, Result};

const RANGE: Range<u16> = 15_000..31_000;

/// A port on 127.0.0.1 that nobody listens on now, for a process that cannot be handed a listener. Somebody else may be quicker.
pub fn free() -> Result<u16> {
    let random = RandomState::new();
    (0..1000_u32)
        .map(|attempt| RANGE.start + (random.hash_one(attempt) % RANGE.len() as u64) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("found no free port on 127.0.0.1")
}
