//! Reading collections: page by page, or all rows of given keys.

use futures::{StreamExt, TryStreamExt, stream};
use millrace_values::SystemId;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;
use uuid::Uuid;

use super::cursor::resync;
use super::governor::Priority;
use super::http::{Answer, Call, Http};
use super::odata::{KEYS, Query, Rows, Value};
use super::problem::Failure;
use crate::{ErpError, Observed};

/// Requests of one read that go side by side; the governor allows five in all.
pub(crate) const SIDE_BY_SIDE: usize = 4;

/// Who asks how.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub http: &'a Http,
    pub priority: Priority,
    pub page_size: u32,
}

impl Reader<'_> {
    pub async fn page(&self, url: Url) -> Result<(Rows, Answer), Failure> {
        let answer = self
            .http
            .send(&Call::get(url, self.priority).paged(self.page_size))
            .await?;
        let rows = answer.json()?;
        Ok((rows, answer))
    }

    /// The page a reader stands at; a link that leads nowhere any more means to begin anew.
    pub async fn page_at(
        &self,
        start: Url,
        next: Option<&str>,
    ) -> Result<(Rows, Answer), ErpError> {
        let url = match next {
            Some(link) => self.http.follow(link)?,
            None => start,
        };
        self.page(url).await.map_err(|failure| match failure {
            Failure::Problem(problem) if next.is_some() && problem.lost_its_place() => {
                resync("business central no longer knows the next page")
            }
            failure => failure.into(),
        })
    }

    /// Every row, following the links.
    pub async fn all(&self, url: Url) -> Result<Vec<Box<RawValue>>, ErpError> {
        let (mut rows, _) = self.page(url).await?;
        let mut all = rows.value;
        while let Some(link) = rows.next {
            (rows, _) = self.page(self.http.follow(&link)?).await?;
            all.append(&mut rows.value);
        }
        Ok(all)
    }

    /// Every row of which `field` has one of `keys`.
    pub async fn of_keys(
        &self,
        url: &Url,
        field: &str,
        keys: &[Value],
        query: &Query,
    ) -> Result<Vec<Box<RawValue>>, ErpError> {
        let asked: Vec<Url> = keys
            .chunks(KEYS)
            .map(|keys| query.clone().any_of(field, keys).on(url.clone()))
            .collect();
        let parts: Vec<Vec<Box<RawValue>>> =
            stream::iter(asked.into_iter().map(|url| self.all(url)))
                .buffered(SIDE_BY_SIDE)
                .try_collect()
                .await?;
        Ok(parts.into_iter().flatten().collect())
    }
}

pub(crate) fn guids(ids: impl IntoIterator<Item = Uuid>) -> Vec<Value> {
    ids.into_iter().map(Value::Guid).collect()
}

/// A row that has another shape, by its id where it has one, and without its content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub entity: &'static str,
    pub system_id: Option<SystemId>,
    pub reason: String,
}

impl From<Unreadable> for Observed {
    fn from(unreadable: Unreadable) -> Self {
        let Unreadable {
            entity,
            system_id,
            reason,
        } = unreadable;
        Self::Unreadable {
            entity,
            system_id,
            reason,
        }
    }
}

pub(crate) fn row<T: DeserializeOwned>(
    entity: &'static str,
    id_field: &str,
    raw: &RawValue,
) -> Result<T, Unreadable> {
    serde_json::from_str(raw.get()).map_err(|error| Unreadable {
        entity,
        system_id: id_of(id_field, raw).map(SystemId),
        reason: format!("the record has another shape, at column {}", error.column()),
    })
}

/// The rows of a page, each read once.
pub(crate) fn rows<'a, T: DeserializeOwned>(
    entity: &'static str,
    id_field: &str,
    raws: impl Iterator<Item = &'a RawValue>,
) -> Vec<Result<T, Unreadable>> {
    raws.map(|raw| row(entity, id_field, raw)).collect()
}

pub(crate) fn id_of(field: &str, raw: &RawValue) -> Option<Uuid> {
    let fields: std::collections::HashMap<&str, &RawValue> =
        serde_json::from_str(raw.get()).ok()?;
    let text: &str = serde_json::from_str(fields.get(field)?.get()).ok()?;
    Uuid::try_parse(text).ok().filter(|id| !id.is_nil())
}
