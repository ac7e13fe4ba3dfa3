//! Where a reader stands, as an opaque text: log, incarnation, shard, position, and within which snapshot.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use thiserror::Error;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

const VERSION: u8 = 1;
const LIVE: u8 = 0;
const SNAPSHOT: u8 = 1;

/// What has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Every change up to this position.
    Live { position: u64 },
    /// Of the latest changes per key up to `up_to`, those up to `after`.
    Snapshot { up_to: u64, after: u64 },
}

impl Place {
    /// What the feed held at least when this place was told.
    pub(crate) fn read_up_to(self) -> u64 {
        match self {
            Self::Live { position } => position,
            Self::Snapshot { up_to, .. } => up_to,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub log: String,
    pub epoch: Uuid,
    pub shard: u16,
    pub place: Place,
}

#[derive(Debug, PartialEq, Eq, Error)]
#[error("this is no token of a feed")]
pub(crate) struct NoToken;

impl Token {
    pub(crate) fn write(&self) -> String {
        let mut body = vec![VERSION];
        body.extend(self.epoch.as_bytes());
        body.extend(self.shard.to_be_bytes());
        let (tag, one, other) = match self.place {
            Place::Live { position } => (LIVE, position, 0),
            Place::Snapshot { up_to, after } => (SNAPSHOT, up_to, after),
        };
        body.push(tag);
        body.extend(one.to_be_bytes());
        body.extend(other.to_be_bytes());
        body.extend(self.log.as_bytes());
        let check = xxh3_64(&body).to_be_bytes();
        body.extend(check);
        BASE64.encode(body)
    }

    pub(crate) fn read(text: &str) -> Result<Self, NoToken> {
        Self::parse(text).ok_or(NoToken)
    }

    fn parse(text: &str) -> Option<Self> {
        let body = BASE64.decode(text).ok()?;
        let (body, check) = body.split_last_chunk::<8>()?;
        if xxh3_64(body).to_be_bytes() != *check {
            return None;
        }
        let (&version, body) = body.split_first()?;
        let (epoch, body) = body.split_first_chunk::<16>()?;
        let (shard, body) = body.split_first_chunk::<2>()?;
        let (&tag, body) = body.split_first()?;
        let (one, body) = body.split_first_chunk::<8>()?;
        let (other, log) = body.split_first_chunk::<8>()?;
        let (one, other) = (u64::from_be_bytes(*one), u64::from_be_bytes(*other));
        let place = match (version, tag) {
            (VERSION, LIVE) => Place::Live { position: one },
            (VERSION, SNAPSHOT) => Place::Snapshot {
                up_to: one,
                after: other,
            },
            _ => return None,
        };
        Some(Self {
            log: String::from_utf8(log.to_vec()).ok()?,
            epoch: Uuid::from_bytes(*epoch),
            shard: u16::from_be_bytes(*shard),
            place,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_brings_back_where_it_was_made(position: u64, after: u64, snapshot: bool, epoch: u128) {
            let place = if snapshot { Place::Snapshot { up_to: position, after } } else { Place::Live { position } };
            let token = Token { log: "feed-furniture".into(), epoch: Uuid::from_u128(epoch), shard: 0, place };
            prop_assert_eq!(Token::read(&token.write()), Ok(token));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            prop_assert_eq!(Token::read(&text), Err(NoToken));
        }
    }
}
