//! A standard tenant: overlapping polls on `lastModifiedDateTime`, webhooks as hints at most. Seconds to a minute behind
//! and eventually complete: a stamp is set when a row is written, not when it is committed, so every poll reaches back
//! further than the longest posting; deletions of what nobody polled lately come out of the comparison of ids alone, which
//! the reader makes; and rows that are rolled back may show for one cycle.
//! Orders and customers are not written on this level; a return becomes the draft of a credit memo.
//! Stock is what is on hand, nothing deducted ([`crate::Capabilities::stock_allocated`] says so). What sales orders bind
//! cannot be read here: Microsoft lists the lines of one order only, so a figure would need every open order; a line is in
//! its sales unit, and API v2.0 tells no item's factor to the base unit; and an order moves the stamp of no item, so
//! a figure would stay wrong until the next full read.

mod credit_memo;
pub(crate) mod doubts;
mod mapping;
pub(crate) mod recent;
mod records;
mod returns;
mod rows;

use std::collections::HashMap;
use std::time::Duration;

use jiff::SignedDuration;
use millrace_values::{Currency, LocationCode, SystemId, Timestamp};
use serde_json::value::RawValue;
use url::Url;
use uuid::Uuid;

use self::doubts::Doubts;
use self::recent::{Recent, Row, Stand};
use super::collection::{Reader, id_of};
use super::cursor::{At, Place, Poll, UnderWay, resync};
use super::governor::Priority;
use super::http::Http;
use super::odata::{Query, Value};
use crate::{ErpError, Flow, Page};

const MODIFIED: &str = "lastModifiedDateTime";
const MEMOS: &str = "salesCreditMemos";

pub(crate) struct StandardLevel<'a> {
    pub http: &'a Http,
    pub company: Uuid,
    pub environment: &'a str,
    pub page_size: u32,
    pub overlap: Duration,
    pub full_read_every: Duration,
    pub local_currency: Option<Currency>,
    pub location: Option<&'a LocationCode>,
    /// The ledger account of freight that is paid back.
    pub freight_account: Option<&'a str>,
    pub recent: &'a Recent,
    pub doubts: &'a Doubts,
    /// When Business Central has given up on a write that it did not answer.
    pub operation_limit: Duration,
    /// A number nobody else has, for a reader that begins.
    pub newcomer: u64,
    pub now: Timestamp,
}

/// The pages a flow polls, and by what their rows name the record to tell.
fn sources(flow: Flow) -> &'static [Source] {
    match flow {
        Flow::Items => &[
            Source::ITEMS,
            Source {
                page: "itemVariants",
                owner: "itemId",
                owner_is_id: true,
            },
        ],
        Flow::Prices => &[Source::ITEMS],
        // An item's stamp does not move with its stock; the ledger's does.
        Flow::Stock => &[
            Source {
                page: "itemLedgerEntries",
                owner: "itemNumber",
                owner_is_id: false,
            },
            Source {
                page: "items",
                owner: "number",
                owner_is_id: false,
            },
        ],
        Flow::Customers => &[Source {
            page: "customers",
            owner: "id",
            owner_is_id: true,
        }],
        Flow::Returns => &[Source {
            page: MEMOS,
            owner: "id",
            owner_is_id: true,
        }],
        Flow::Documents | Flow::Transfers => &[],
    }
}

/// The page with the records of a flow.
fn set(flow: Flow) -> &'static str {
    match flow {
        Flow::Customers => "customers",
        Flow::Returns => MEMOS,
        Flow::Items | Flow::Prices | Flow::Stock | Flow::Documents | Flow::Transfers => "items",
    }
}

/// What is asked of it: of the credit memos only ours, with their lines.
fn what(flow: Flow) -> Query {
    match flow {
        Flow::Returns => Query::new()
            .begins_with("externalDocumentNumber", credit_memo::MARK)
            .expand("salesCreditMemoLines"),
        Flow::Items
        | Flow::Prices
        | Flow::Stock
        | Flow::Customers
        | Flow::Documents
        | Flow::Transfers => Query::new(),
    }
}

struct Source {
    page: &'static str,
    owner: &'static str,
    owner_is_id: bool,
}

impl Source {
    const ITEMS: Self = Self {
        page: "items",
        owner: "id",
        owner_is_id: true,
    };
}

impl StandardLevel<'_> {
    fn url(&self, page: &str) -> Url {
        self.http
            .url(&["api", "v2.0", &format!("companies({})", self.company), page])
    }

    fn reader(&self, priority: Priority) -> Reader<'_> {
        Reader {
            http: self.http,
            priority,
            page_size: self.page_size,
        }
    }

    fn currency(&self) -> Result<Currency, ErpError> {
        self.local_currency
            .ok_or_else(|| ErpError::Denied("local_currency is not set".into()))
    }

    fn location(&self) -> Result<&LocationCode, ErpError> {
        self.location
            .ok_or_else(|| ErpError::Denied("default_location is not set".into()))
    }

    pub async fn read(&self, flow: Flow, place: Option<Place>) -> Result<Page, ErpError> {
        if matches!(flow, Flow::Documents | Flow::Transfers) {
            return Ok(self.no_documents(place));
        }
        let Some(place) = place else {
            let place = Place::new(
                self.environment.to_owned(),
                self.company,
                None,
                At::Queue { after: 0 },
            );
            return self.sweep(flow, &place, None, self.newcomer, 0, None).await;
        };
        if place.environment != self.environment {
            return Err(resync("the cursor belongs to another environment"));
        }
        match &place.at {
            At::Sweep {
                began,
                reader,
                step,
                next,
            } => {
                self.sweep(flow, &place, Some(*began), *reader, *step, next.as_deref())
                    .await
            }
            At::Poll(poll) => self.poll(flow, &place, poll).await,
            At::Full { .. } | At::Queue { .. } => Err(resync("the companion is gone since")),
        }
    }

    /// Orders are not written on this level, so nothing can have become of them; see [`crate::Capabilities::status_feed`].
    fn no_documents(&self, place: Option<Place>) -> Page {
        let begin = || {
            Place::new(
                self.environment.to_owned(),
                self.company,
                None,
                At::Queue { after: 0 },
            )
        };
        Page {
            observations: Vec::new(),
            next: place.unwrap_or_else(begin).cursor(),
            more: false,
            snapshot: false,
            snapshot_complete: false,
        }
    }

    async fn sweep(
        &self,
        flow: Flow,
        place: &Place,
        began: Option<Timestamp>,
        reader: u64,
        step: u64,
        next: Option<&str>,
    ) -> Result<Page, ErpError> {
        let page = set(flow);
        let (rows, answer) = self
            .reader(Priority::Bulk)
            .page_at(what(flow).on(self.url(page)), next)
            .await?;
        let read_at = answer.date.map_or(self.now, Timestamp);
        let began = began.unwrap_or(read_at);
        let stand = Stand {
            flow,
            reader,
            step,
            poll: began,
        };
        // Where rows of this page stand among the flow's sources: what is polled later must know them by the same name.
        if let Some(at) = sources(flow).iter().position(|source| source.page == page) {
            let bound = self.bound(began);
            for raw in &rows.value {
                if let Some(row) =
                    recent_row(&sources(flow)[at], at, raw).filter(|row| row.modified >= bound)
                {
                    self.recent.is_news(stand, row);
                }
            }
        }
        let observations = self
            .observe(flow, &rows.value, read_at, Priority::Bulk)
            .await?;
        let last = rows.next.is_none();
        let at = match rows.next {
            Some(next) => At::Sweep {
                began,
                reader,
                step: step + 1,
                next: Some(next),
            },
            None => At::Poll(Poll {
                since: began,
                swept: began,
                reader,
                step: step + 1,
                under_way: None,
            }),
        };
        Ok(Page {
            observations,
            next: place.at(at).cursor(),
            more: true,
            snapshot: true,
            snapshot_complete: last,
        })
    }

    /// Whether it is time for another full read.
    fn is_due(&self, swept: Timestamp, now: Timestamp) -> bool {
        let every = SignedDuration::try_from(self.full_read_every).unwrap_or(SignedDuration::MAX);
        now.0.duration_since(swept.0) >= every
    }

    /// How far back a poll reaches.
    fn bound(&self, since: Timestamp) -> Timestamp {
        let overlap =
            SignedDuration::try_from(self.overlap).unwrap_or(SignedDuration::from_mins(10));
        Timestamp(since.0.checked_sub(overlap).unwrap_or(since.0))
    }

    async fn poll(&self, flow: Flow, place: &Place, poll: &Poll) -> Result<Page, ErpError> {
        let at = poll
            .under_way
            .as_ref()
            .map_or(0, |under_way| usize::from(under_way.source));
        let Some(source) = sources(flow).get(at) else {
            return Err(resync("the cursor names a page that is not polled"));
        };
        let bound = self.bound(poll.since);
        let query = if source.page == set(flow) {
            what(flow)
        } else {
            Query::new()
        };
        let start = query
            .at_least(MODIFIED, &Value::Moment(bound))
            .order_by(MODIFIED)
            .on(self.url(source.page));
        let next = poll
            .under_way
            .as_ref()
            .and_then(|under_way| under_way.next.as_deref());
        let (rows, answer) = self.reader(Priority::Follow).page_at(start, next).await?;
        let read_at = answer.date.map_or(self.now, Timestamp);
        let began = poll
            .under_way
            .as_ref()
            .map_or(read_at, |under_way| under_way.began);
        let stand = Stand {
            flow,
            reader: poll.reader,
            step: poll.step,
            poll: began,
        };
        let mut news = Vec::new();
        let mut owners = Vec::new();
        for raw in &rows.value {
            let Some(row) = recent_row(source, at, raw) else {
                news.push(raw.clone());
                continue;
            };
            let owner = row.owner.clone();
            if !self.recent.is_news(stand, row) {
                continue;
            }
            news.push(raw.clone());
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
        let direct = matches!(
            (flow, source.page),
            (Flow::Items | Flow::Prices, "items")
                | (Flow::Customers, "customers")
                | (Flow::Returns, MEMOS)
        );
        let mut observations = if direct {
            self.observe(flow, &news, read_at, Priority::Follow).await?
        } else {
            self.observe_owners(flow, &owners).await?
        };
        let under_way = match rows.next {
            Some(next) => Some(UnderWay {
                began,
                source: source_number(at),
                next: Some(next),
            }),
            None => {
                let vanished = self.recent.vanished(stand, source_number(at), bound);
                observations.extend(self.observe_owners(flow, &vanished).await?);
                let another = at + 1 < sources(flow).len();
                another.then(|| UnderWay {
                    began,
                    source: source_number(at + 1),
                    next: None,
                })
            }
        };
        let (reader, step, swept) = (poll.reader, poll.step + 1, poll.swept);
        let (at, more) = match under_way {
            Some(under_way) => {
                let since = poll.since;
                let under_way = Some(under_way);
                (
                    At::Poll(Poll {
                        since,
                        swept,
                        reader,
                        step,
                        under_way,
                    }),
                    true,
                )
            }
            None if self.is_due(swept, began) => (
                At::Sweep {
                    began,
                    reader,
                    step,
                    next: None,
                },
                true,
            ),
            None => {
                let since = poll.since.max(began);
                (
                    At::Poll(Poll {
                        since,
                        swept,
                        reader,
                        step,
                        under_way: None,
                    }),
                    false,
                )
            }
        };
        Ok(Page {
            observations,
            next: place.at(at).cursor(),
            more,
            snapshot: false,
            snapshot_complete: false,
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
                Query::new().select("id").order_by("id").on(self.url(page)),
            )
            .await?;
        rows.iter()
            .map(|raw| id_of("id", raw).map(SystemId))
            .collect::<Option<_>>()
            .ok_or_else(|| ErpError::Unreadable("a record has no id".into()))
    }
}

fn source_number(at: usize) -> u8 {
    u8::try_from(at).unwrap_or(u8::MAX)
}

fn recent_row<'a>(source: &Source, at: usize, raw: &'a RawValue) -> Option<Row<'a>> {
    let fields: HashMap<&str, &RawValue> = serde_json::from_str(raw.get()).ok()?;
    let text = |name: &str| serde_json::from_str::<String>(fields.get(name)?.get()).ok();
    let owner = text(source.owner)?;
    Some(Row {
        source: source_number(at),
        id: Uuid::try_parse(&text("id")?).ok()?,
        modified: Timestamp::parse(&text(MODIFIED)?).ok()?,
        text: raw.get(),
        owner: if source.owner_is_id {
            Value::Guid(Uuid::try_parse(&owner).ok()?)
        } else {
            Value::text(owner)
        },
    })
}
