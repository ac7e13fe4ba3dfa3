//! Seals personal data with a key per person, so that erasing a person everywhere, Kafka and backups of the log included, is
//! deleting one small key. The keys stand wrapped in the owner's database; the key that wraps them comes from the settings.
//!
//! A backup of the key table brings erased people back: keep such backups shorter than the time you have to erase.

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use jiff::Timestamp;
use thiserror::Error;

use crate::database::{Database, Tx};
use crate::log::StoreError;

/// How long an unwrapped key stays in memory; so long a person erased by another process can still be read by this one.
const REMEMBERED: Duration = Duration::from_secs(30);
const REMEMBERED_PEOPLE: usize = 10_000;
/// The first byte of everything sealed, so that a later way of sealing can stand beside this one.
const FORMAT: u8 = 1;

const INSERT: &str = "INSERT INTO personal_keys (person, wrapped, created_at) VALUES ($1, $2, $3) ON CONFLICT (person) DO NOTHING";

#[derive(Debug, Error)]
pub enum SealError {
    /// The person's key was deleted: what was sealed with it is gone for good.
    #[error("the person was erased")]
    Erased,
    #[error("sealed for another person, altered, or wrapped with another key")]
    Broken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SealError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Seals and opens what belongs to persons. Cheap to share behind an `Arc`.
pub struct Sealer {
    database: Database,
    wrapping: LessSafeKey,
    remembered: Mutex<HashMap<String, (Timestamp, [u8; 32])>>,
}

impl Debug for Sealer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// `wrapping_key` wraps the keys of persons; it never leaves this process.
    #[must_use]
    pub fn new(database: Database, wrapping_key: &[u8; 32]) -> Self {
        Self {
            database,
            wrapping: key(wrapping_key),
            remembered: Mutex::default(),
        }
    }

    /// Seals `plaintext` for `person`, whose key is made at the first use. `bound` (the stream, a field's name) must be given again
    /// to open it, so that sealed bytes cannot be moved elsewhere.
    ///
    /// # Errors
    /// [`SealError::Erased`]: nobody writes about an erased person again under the same id.
    pub async fn seal(
        &self,
        person: &str,
        plaintext: &[u8],
        bound: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let secret = match self.secret(person).await? {
            Some(secret) => secret,
            None => self.create(person).await?,
        };
        Ok(self.sealed(&key(&secret), plaintext, &bound_to(person, bound)))
    }

    /// # Errors
    /// [`SealError::Erased`] when the key is gone, [`SealError::Broken`] when this was not sealed for this person and place.
    pub async fn open(
        &self,
        person: &str,
        sealed: &[u8],
        bound: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let Some(secret) = self.secret(person).await? else {
            return Err(SealError::Broken);
        };
        opened(&key(&secret), sealed, &bound_to(person, bound))
    }

    /// A keyed digest: equal for equal plaintexts of one person, so that a change is seen without opening anything; says nothing once
    /// the person's key is gone.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub async fn fingerprint(&self, person: &str, plaintext: &[u8]) -> Result<[u8; 32], SealError> {
        let secret = match self.secret(person).await? {
            Some(secret) => secret,
            None => self.create(person).await?,
        };
        let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), b"fingerprint");
        let digest = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()), plaintext);
        Ok(digest
            .as_ref()
            .try_into()
            .expect("a SHA-256 tag has 32 bytes"))
    }

    /// Makes the keys that are missing among `persons` in one transaction: a page of people costs one commit, not one each.
    ///
    /// # Errors
    /// The database did not do its part.
    pub async fn prepare(&self, persons: &[String]) -> Result<(), SealError> {
        let mut missing = Vec::new();
        for person in persons {
            match self.secret(person).await {
                Ok(None) => missing.push(person),
                Ok(Some(_)) | Err(SealError::Erased) => {}
                Err(error) => return Err(error),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let now = self.database.clock().now();
        let mut tx = self.database.begin().await?;
        for person in missing {
            let secret: [u8; 32] = self.database.ids().bytes();
            let wrapped = self.sealed(&self.wrapping, &secret, &bound_to(person, b"key"));
            sqlx::query(INSERT)
                .bind(person)
                .bind(wrapped)
                .bind(now.as_microsecond())
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Deletes the person's key in a transaction of the owner. Erasing twice, or somebody unknown, is no error; nothing can be sealed
    /// for this id afterwards.
    ///
    /// # Errors
    /// The database did not do its part.
    pub async fn erase(&self, tx: &mut Tx, person: &str) -> Result<(), SealError> {
        let now = self.database.clock().now().as_microsecond();
        sqlx::query(include_str!("database/erase_person.sql"))
            .bind(person)
            .bind(now)
            .execute(&mut **tx)
            .await?;
        self.remembered
            .lock()
            .expect("no holder of this lock panics")
            .remove(person);
        Ok(())
    }

    /// The person's key; `None` when there never was one.
    async fn secret(&self, person: &str) -> Result<Option<[u8; 32]>, SealError> {
        let now = self.database.clock().now();
        if let Some(secret) = self.recall(person, now) {
            return Ok(Some(secret));
        }
        let query =
            sqlx::query_as("SELECT wrapped FROM personal_keys WHERE person = $1").bind(person);
        let row: Option<(Option<Vec<u8>>,)> = query.fetch_optional(self.database.pool()).await?;
        let Some((wrapped,)) = row else {
            return Ok(None);
        };
        let secret = self.unwrapped(person, wrapped)?;
        self.remember(person, now, secret);
        Ok(Some(secret))
    }

    async fn create(&self, person: &str) -> Result<[u8; 32], SealError> {
        let now = self.database.clock().now();
        let secret: [u8; 32] = self.database.ids().bytes();
        let wrapped = self.sealed(&self.wrapping, &secret, &bound_to(person, b"key"));
        let mut tx = self.database.begin().await?;
        sqlx::query(INSERT)
            .bind(person)
            .bind(wrapped)
            .bind(now.as_microsecond())
            .execute(&mut *tx)
            .await?;
        // Somebody else may have been quicker: theirs counts.
        let query =
            sqlx::query_as("SELECT wrapped FROM personal_keys WHERE person = $1").bind(person);
        let (wrapped,): (Option<Vec<u8>>,) = query.fetch_one(&mut *tx).await?;
        let secret = self.unwrapped(person, wrapped)?;
        tx.commit().await?;
        self.remember(person, now, secret);
        Ok(secret)
    }

    fn unwrapped(&self, person: &str, wrapped: Option<Vec<u8>>) -> Result<[u8; 32], SealError> {
        let wrapped = wrapped.ok_or(SealError::Erased)?;
        opened(&self.wrapping, &wrapped, &bound_to(person, b"key"))?
            .try_into()
            .map_err(|_| SealError::Broken)
    }

    fn recall(&self, person: &str, now: Timestamp) -> Option<[u8; 32]> {
        let remembered = self
            .remembered
            .lock()
            .expect("no holder of this lock panics");
        let (since, secret) = remembered.get(person)?;
        let fresh = now.duration_since(*since).unsigned_abs() < REMEMBERED;
        fresh.then_some(*secret)
    }

    fn remember(&self, person: &str, now: Timestamp, secret: [u8; 32]) {
        let mut remembered = self
            .remembered
            .lock()
            .expect("no holder of this lock panics");
        if remembered.len() >= REMEMBERED_PEOPLE {
            remembered.clear();
        }
        remembered.insert(person.to_owned(), (now, secret));
    }

    /// Format, nonce, ciphertext with its tag. A random nonce is safe far beyond what is ever sealed for one person.
    fn sealed(&self, key: &LessSafeKey, plaintext: &[u8], bound: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.database.ids().bytes();
        let mut sealed =
            Vec::with_capacity(1 + NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        let mut body = plaintext.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound),
            &mut body,
        )
        .expect("only a plaintext of many gigabytes cannot be sealed");
        sealed.extend_from_slice(&body);
        sealed
    }
}

fn key(secret: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).expect("32 bytes are an AES-256 key"))
}

fn opened(key: &LessSafeKey, sealed: &[u8], bound: &[u8]) -> Result<Vec<u8>, SealError> {
    let Some((&FORMAT, rest)) = sealed.split_first() else {
        return Err(SealError::Broken);
    };
    let (nonce, body) = rest
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(SealError::Broken)?;
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plaintext = key
        .open_in_place(nonce, Aad::from(bound), &mut body)
        .map_err(|_| SealError::Broken)?;
    Ok(plaintext.to_vec())
}

/// The person and the place, told apart by the length of the first.
fn bound_to(person: &str, bound: &[u8]) -> Vec<u8> {
    let length = u32::try_from(person.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    [&length, person.as_bytes(), bound].concat()
}
