//! The companion level: full sets behind a boundary, then the extension's change queue, which is gap-free, ordered, and
//! tells of deletions and renames. The queue carries keys; what stands under them is read again, so a repeat is harmless
//! and an unknown kind of change is one more reason to look.

mod history;
mod items;
pub(super) mod mapping;
mod orders;
mod queue;
mod return_mapping;
mod return_rows;
mod returns;
mod rows;
mod shelf;
mod stock_now;
mod touched;
mod transfer_rows;
mod transfers;

use std::sync::Arc;

use jiff::Timestamp;
use millrace_values::{LocationCode, SystemId};
use serde_json::value::RawValue;
use url::Url;
use uuid::Uuid;

use self::items::{Belongings, page_of};
pub(super) use self::queue::Shared;
use self::queue::usable;
use self::rows::{CustomerRow, ItemRow, StatusEntry, Window};
use self::shelf::Shelf;
use self::touched::Touched;
use super::collection::{Reader, Unreadable, guids, id_of, row, rows};
use super::cursor::{At, Place, resync};
use super::discovery::{self, Companion};
use super::governor::Priority;
use super::http::Http;
use super::odata::Query;
use crate::{ErpError, Flow, Observed, Page};

/// Entries of one look at the queue: bounds what one step reads again.
const ENTRIES: u32 = 1000;
const STATUS_ENTRIES: u32 = 500;

/// One company with the companion.
pub(crate) struct CompanionLevel<'a> {
    pub http: &'a Arc<Http>,
    pub shared: &'a Shared,
    /// When this read began: what was hinted at later is no business of it.
    pub hints_given: u64,
    pub company: Uuid,
    pub companion: &'a Companion,
    pub page_size: u32,
    pub blank_location: Option<&'a LocationCode>,
    pub now: Timestamp,
}

impl CompanionLevel<'_> {
    fn url(&self, page: &str) -> Url {
        self.http.url(&[
            "api",
            "millrace",
            "commerce",
            "v1.0",
            &format!("companies({})", self.company),
            page,
        ])
    }

    fn reader(&self, priority: Priority) -> Reader<'_> {
        Reader {
            http: self.http,
            priority,
            page_size: self.page_size,
        }
    }

    pub async fn read(&self, flow: Flow, place: Option<Place>) -> Result<Page, ErpError> {
        let Some(place) = place else {
            return self.begin(flow).await;
        };
        match &place.at {
            At::Full { boundary, next } => {
                self.full(flow, &place, *boundary, next.as_deref()).await
            }
            At::Queue { after } => match flow {
                Flow::Documents => self.status(&place, *after).await,
                Flow::Transfers => self.transfer_status(&place, *after).await,
                Flow::Returns => self.return_status(&place, *after).await,
                Flow::Items | Flow::Prices | Flow::Stock | Flow::Customers => {
                    self.queue(flow, &place, *after).await
                }
            },
            At::Sweep { .. } | At::Poll(_) => Err(resync("the companion was installed since")),
        }
    }

    async fn begin(&self, flow: Flow) -> Result<Page, ErpError> {
        let info = discovery::info(self.http, self.company).await?;
        let at = match flow {
            Flow::Documents | Flow::Transfers | Flow::Returns => At::Queue {
                after: info.oldest_cursor,
            },
            Flow::Items | Flow::Prices | Flow::Stock | Flow::Customers => At::Full {
                boundary: info.boundary,
                next: None,
            },
        };
        let place = Place::new(
            info.environment_id.to_string(),
            self.company,
            Some(info.epoch),
            at,
        );
        match flow {
            Flow::Documents => self.status(&place, info.oldest_cursor).await,
            Flow::Transfers => self.transfer_status(&place, info.oldest_cursor).await,
            Flow::Returns => self.return_status(&place, info.oldest_cursor).await,
            Flow::Items | Flow::Prices | Flow::Stock | Flow::Customers => {
                self.full(flow, &place, info.boundary, None).await
            }
        }
    }

    async fn full(
        &self,
        flow: Flow,
        place: &Place,
        boundary: i64,
        next: Option<&str>,
    ) -> Result<Page, ErpError> {
        let reader = self.reader(Priority::Bulk);
        let set = if flow == Flow::Customers {
            "customers"
        } else {
            "items"
        };
        let (page, _) = reader.page_at(self.url(set), next).await?;
        let raws = page.value.iter().map(|raw| &**raw);
        let observations = match flow {
            Flow::Customers => rows("customer", "systemId", raws)
                .into_iter()
                .map(observe_customer)
                .collect(),
            Flow::Items
            | Flow::Prices
            | Flow::Stock
            | Flow::Documents
            | Flow::Transfers
            | Flow::Returns => {
                let items = rows("item", "systemId", raws);
                let belongings = self.belongings(&reader, flow, &items).await?;
                self.observe(flow, items, belongings, &Touched::default())
            }
        };
        let last = page.next.is_none();
        let at = match page.next {
            Some(link) => At::Full {
                boundary,
                next: Some(link),
            },
            // Everything below the boundary was there before the first page was read.
            None => At::Queue {
                after: (boundary - 1).max(0),
            },
        };
        Ok(Page {
            observations,
            next: place.at(at).cursor(),
            more: true,
            snapshot: true,
            snapshot_complete: last,
        })
    }

    async fn belongings(
        &self,
        reader: &Reader<'_>,
        flow: Flow,
        items: &[Result<ItemRow, Unreadable>],
    ) -> Result<Belongings, ErpError> {
        // A full read asks for variants only where there are some: most items have none.
        let owners = items
            .iter()
            .flatten()
            .filter(|item| flow != Flow::Items || item.has_variants)
            .map(|item| item.system_id);
        let url = self.url(page_of(flow));
        let raws = reader
            .of_keys(&url, "itemId", &guids(owners), &Query::new())
            .await?;
        Ok(Belongings::read(flow, raws.iter().map(|raw| &**raw)))
    }

    async fn status(&self, place: &Place, after: i64) -> Result<Page, ErpError> {
        let expand = format!("entries($top={STATUS_ENTRIES};$expand=lines)");
        let url = self.window_url("statusWindows", after, expand);
        let window: Window<Box<RawValue>> = self.http.get(url, Priority::Follow).await?;
        usable(&window, place)?;
        let mut observations = Vec::with_capacity(window.entries.len());
        for raw in &window.entries {
            let entry: StatusEntry = match row("document", "documentId", raw) {
                Ok(entry) => entry,
                Err(unreadable) => {
                    observations.push(unreadable.into());
                    continue;
                }
            };
            match mapping::document(&entry) {
                Ok(document) => observations.extend(document.map(Observed::Document)),
                Err(reason) => observations.push(Observed::Unreadable {
                    entity: "document",
                    system_id: mapping::id(entry.document_id).ok(),
                    reason,
                }),
            }
        }
        let next = place.at(At::Queue {
            after: window.upper_bound.max(after),
        });
        Ok(Page {
            observations,
            more: window.has_more,
            ..nothing(next)
        })
    }

    pub async fn system_ids(&self, flow: Flow) -> Result<Vec<SystemId>, ErpError> {
        let page = match flow {
            Flow::Items => "items",
            Flow::Customers => "customers",
            Flow::Prices | Flow::Stock | Flow::Documents | Flow::Transfers | Flow::Returns => {
                return Err(ErpError::Unsupported("list the ids of this flow"));
            }
        };
        let reader = Reader {
            page_size: 5000,
            ..self.reader(Priority::Bulk)
        };
        let rows = reader
            .all(
                // By what never changes: in BC's own order, by number, who is renamed meanwhile may be passed by.
                Query::new()
                    .select("systemId")
                    .order_by("systemId")
                    .on(self.url(page)),
            )
            .await?;
        rows.iter()
            .map(|raw| id_of("systemId", raw).map(SystemId))
            .collect::<Option<_>>()
            .ok_or_else(|| ErpError::Unreadable("a record has no id".into()))
    }
}

fn observe_customer(row: Result<CustomerRow, Unreadable>) -> Observed {
    let customer = match row {
        Ok(customer) => customer,
        Err(unreadable) => return unreadable.into(),
    };
    let system_id = Some(SystemId(customer.system_id));
    mapping::customer(customer).map_or_else(
        |reason| Observed::Unreadable {
            entity: "customer",
            system_id,
            reason,
        },
        Observed::Customer,
    )
}

fn nothing(next: Place) -> Page {
    Page {
        observations: Vec::new(),
        next: next.cursor(),
        more: false,
        snapshot: false,
        snapshot_complete: false,
    }
}
