//! Where a page ended, as an opaque text. It belongs to one question: asked another one, it is refused.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Debug, PartialEq, Eq, Error)]
#[error("this page token does not belong to this request; begin with an empty one")]
pub(crate) struct WrongToken;

const VERSION: u8 = 1;

/// `question`: everything of the request that decides which rows there are. `place`: the last row's keys.
pub(crate) fn write(question: &[&str], place: &[&str]) -> String {
    let mut body = vec![VERSION];
    body.extend(hash(question).to_be_bytes());
    for part in place {
        let length = u16::try_from(part.len()).expect("codes and ids are shorter than 64 KiB");
        body.extend(length.to_be_bytes());
        body.extend(part.as_bytes());
    }
    let check = xxh3_64(&body).to_be_bytes();
    body.extend(check);
    BASE64.encode(body)
}

/// The `N` parts of the place.
pub(crate) fn read<const N: usize>(
    question: &[&str],
    token: &str,
) -> Result<[String; N], WrongToken> {
    parse(question, token)
        .and_then(|parts| parts.try_into().ok())
        .ok_or(WrongToken)
}

fn parse(question: &[&str], token: &str) -> Option<Vec<String>> {
    let body = BASE64.decode(token).ok()?;
    let (body, check) = body.split_last_chunk::<8>()?;
    if xxh3_64(body).to_be_bytes() != *check {
        return None;
    }
    let (&version, body) = body.split_first()?;
    let (asked, mut body) = body.split_first_chunk::<8>()?;
    if version != VERSION || hash(question).to_be_bytes() != *asked {
        return None;
    }
    let mut parts = Vec::new();
    while let Some((length, rest)) = body.split_first_chunk::<2>() {
        let (part, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        parts.push(String::from_utf8(part.to_vec()).ok()?);
        body = rest;
    }
    body.is_empty().then_some(parts)
}

fn hash(question: &[&str]) -> u64 {
    let mut bytes = Vec::new();
    for part in question {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_brings_back_the_place_it_was_made_of() {
        let token = write(&["items", "furniture"], &["1896-S", "some-id"]);
        assert_eq!(
            read(&["items", "furniture"], &token),
            Ok(["1896-S".to_owned(), "some-id".to_owned()])
        );
    }

    #[test]
    fn a_token_of_another_question_is_refused() {
        let token = write(&["items", "furniture"], &["1896-S", "some-id"]);
        assert_eq!(read::<2>(&["items", "toys"], &token), Err(WrongToken));
        assert_eq!(read::<2>(&["itemsf", "urniture"], &token), Err(WrongToken));
        assert_eq!(read::<3>(&["items", "furniture"], &token), Err(WrongToken));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            prop_assert_eq!(read::<2>(&["items"], &text), Err(WrongToken));
        }
    }
}
