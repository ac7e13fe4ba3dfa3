//! The change queue: what it tells of is read again by its key. All flows look at the same queue, and a change of an item
//! concerns three of them, so what they ask at the same moment is asked once; see [`super::super::flights`].

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use millrace_values::SystemId;
use serde_json::value::RawValue;
use url::Url;
use uuid::Uuid;

use super::items::{Belongings, page_of};
use super::rows::{ChangeEntry, CustomerRow, ItemRow, Window};
use super::touched::touched;
use super::{CompanionLevel, ENTRIES, nothing, observe_customer};
use crate::business_central::collection::{Reader, SIDE_BY_SIDE, guids, rows};
use crate::business_central::cursor::{At, Place, resync};
use crate::business_central::flights::{Flights, Key, Since};
use crate::business_central::governor::Priority;
use crate::business_central::odata::{KEYS, Query};
use crate::{ErpError, Flow, Observed, Page};

/// Rows of some keys, as they came.
type Raws = Vec<Box<RawValue>>;

/// What the flows of one company share.
#[derive(Default)]
pub(crate) struct Shared {
    windows: Flights<Window<ChangeEntry>>,
    rows: Flights<Raws>,
}

impl CompanionLevel<'_> {
    pub(super) async fn queue(
        &self,
        flow: Flow,
        place: &Place,
        after: i64,
    ) -> Result<Page, ErpError> {
        let window = &*self.change_window(after).await?;
        usable(window, place)?;
        let touched = touched(flow, window);
        if touched.everything {
            let at = At::Full {
                boundary: window.boundary,
                next: None,
            };
            return Ok(Page {
                more: true,
                ..nothing(place.at(at))
            });
        }
        let next = place.at(At::Queue {
            after: window.upper_bound.max(after),
        });
        let observations = if touched.ids.is_empty() {
            Vec::new()
        } else if flow == Flow::Customers {
            let read = self.rows("customers", "systemId", &touched.ids, window);
            let customers = rows::<CustomerRow>("customer", "systemId", all(&read.await?));
            let gone: Vec<Uuid> = touched.missing_from(&customers).collect();
            let gone = gone
                .into_iter()
                .map(|id| Observed::CustomerGone(SystemId(id)));
            customers
                .into_iter()
                .map(observe_customer)
                .chain(gone)
                .collect()
        } else {
            let (items, belongings) = futures::try_join!(
                self.rows("items", "systemId", &touched.ids, window),
                self.rows(page_of(flow), "itemId", &touched.ids, window),
            )?;
            let items = rows::<ItemRow>("item", "systemId", all(&items));
            let belongings = Belongings::read(flow, all(&belongings));
            self.observe(flow, items, belongings, &touched)
        };
        Ok(Page {
            observations,
            more: window.has_more,
            ..nothing(next)
        })
    }

    async fn change_window(&self, after: i64) -> Result<Arc<Window<ChangeEntry>>, ErpError> {
        let url = self.window_url("changeWindows", after, format!("entries($top={ENTRIES})"));
        let key = Key {
            url: url.clone(),
            since: Since::Hints(self.hints_given),
        };
        let read = || {
            let http = self.http.clone();
            async move { Ok(Arc::new(http.get(url, Priority::Follow).await?)) }
        };
        self.shared.windows.join(key, read).await
    }

    pub(super) fn window_url(&self, page: &str, after: i64, expand: String) -> Url {
        Query::new()
            .expand(expand)
            .on(self.url(&format!("{page}({after})")))
    }

    /// The rows of `page` whose `field` is one of `ids`, as they are at the window or later.
    async fn rows(
        &self,
        page: &str,
        field: &str,
        ids: &[Uuid],
        window: &Window<ChangeEntry>,
    ) -> Result<Vec<Arc<Raws>>, ErpError> {
        let since = Since::Window {
            epoch: window.epoch,
            upper_bound: window.upper_bound,
            boundary: window.boundary,
        };
        // Flows find the same records touched in an order of their own.
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        let asked: Vec<Url> = ids
            .chunks(KEYS)
            .map(|ids| {
                Query::new()
                    .any_of(field, &guids(ids.iter().copied()))
                    .on(self.url(page))
            })
            .collect();
        stream::iter(asked.into_iter().map(|url| {
            let key = Key {
                url: url.clone(),
                since,
            };
            let (http, page_size) = (self.http.clone(), self.page_size);
            self.shared.rows.join(key, || async move {
                let reader = Reader {
                    http: &http,
                    priority: Priority::Follow,
                    page_size,
                };
                Ok(Arc::new(reader.all(url).await?))
            })
        }))
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await
    }
}

/// Whether the window goes on where the cursor stands.
pub(super) fn usable<E>(window: &Window<E>, place: &Place) -> Result<(), ErpError> {
    if place.epoch != Some(window.epoch) {
        return Err(resync("the row versions have begun anew"));
    }
    match window.state.as_str() {
        "ok" => Ok(()),
        "expired" => Err(resync("the queue no longer reaches back to the cursor")),
        _ => Err(resync("the cursor is ahead of the queue")),
    }
}

fn all(parts: &[Arc<Raws>]) -> impl Iterator<Item = &RawValue> {
    parts.iter().flat_map(|part| part.iter()).map(|raw| &**raw)
}
