//! The companion level: full sets behind a boundary, then the extension's change queue, which is gap-free, ordered, and
//! tells of deletions and renames. The queue carries keys; what stands under them is read again, so a repeat is harmless
//! and an unknown kind of change is one more reason to look.

pub(super) mod mapping;
mod orders;
mod rows;
mod shelf;
mod stock_now;
mod touched;

use std::collections::HashMap;

use jiff::Timestamp;
use millrace_values::{Currency, LocationCode, Sku, SystemId, UnitCode};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;
use uuid::Uuid;

use self::mapping::Misfit;
use self::rows::{
    ChangeEntry, CustomerRow, FigureRow, ItemRow, PriceRow, StatusEntry, VariantRow, Window,
};
use self::shelf::Shelf;
use self::touched::{Touched, touched};
use super::collection::{Reader, guids, id_of, row};
use super::cursor::{At, Place, resync};
use super::discovery::{self, Companion};
use super::governor::Priority;
use super::http::Http;
use super::odata::Query;
use crate::master::PricesObserved;
use crate::stock::StockObserved;
use crate::{ErpError, Flow, Observed, Page};

/// Entries of one look at the queue: bounds what one step reads again.
const ENTRIES: u32 = 1000;
const STATUS_ENTRIES: u32 = 500;

/// One company with the companion.
pub(crate) struct CompanionLevel<'a> {
    pub http: &'a Http,
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
            At::Queue { after } if flow == Flow::Documents => self.status(&place, *after).await,
            At::Queue { after } => self.queue(flow, &place, *after).await,
            At::Sweep { .. } | At::Poll(_) => Err(resync("the companion was installed since")),
        }
    }

    async fn begin(&self, flow: Flow) -> Result<Page, ErpError> {
        let info = discovery::info(self.http, self.company).await?;
        let at = match flow {
            Flow::Documents => At::Queue {
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
        let page = if flow == Flow::Customers {
            "customers"
        } else {
            "items"
        };
        let (rows, _) = reader.page_at(self.url(page), next).await?;
        let observations = match flow {
            Flow::Customers => rows.value.iter().map(|raw| observe_customer(raw)).collect(),
            Flow::Items | Flow::Prices | Flow::Stock | Flow::Documents => {
                let children = match flow {
                    Flow::Items => owners_of_variants(&rows.value),
                    _ => rows
                        .value
                        .iter()
                        .filter_map(|raw| id_of("systemId", raw))
                        .collect(),
                };
                let children = self.children(&reader, flow, &children).await?;
                self.observe(flow, &rows.value, children, &Touched::default())
            }
        };
        let last = rows.next.is_none();
        let at = match rows.next {
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

    async fn window<E: DeserializeOwned>(
        &self,
        place: &Place,
        page: &str,
        after: i64,
        expand: String,
    ) -> Result<Window<E>, ErpError> {
        let url = Query::new()
            .expand(expand)
            .on(self.url(&format!("{page}({after})")));
        let window: Window<E> = self.http.get(url, Priority::Follow).await?;
        if place.epoch != Some(window.epoch) {
            return Err(resync("the row versions have begun anew"));
        }
        match window.state.as_str() {
            "ok" => Ok(window),
            "expired" => Err(resync("the queue no longer reaches back to the cursor")),
            _ => Err(resync("the cursor is ahead of the queue")),
        }
    }

    async fn queue(&self, flow: Flow, place: &Place, after: i64) -> Result<Page, ErpError> {
        let window: Window<ChangeEntry> = self
            .window(
                place,
                "changeWindows",
                after,
                format!("entries($top={ENTRIES})"),
            )
            .await?;
        let mut touched = touched(flow, &window.entries);
        touched.boundary = Some(window.boundary);
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
        if touched.ids.is_empty() {
            return Ok(Page {
                more: window.has_more,
                ..nothing(next)
            });
        }
        let reader = self.reader(Priority::Follow);
        let keys = guids(touched.ids.iter().copied());
        let observations = if flow == Flow::Customers {
            let rows = reader
                .of_keys(&self.url("customers"), "systemId", &keys, &Query::new())
                .await?;
            let observed: Vec<Observed> = rows.iter().map(|raw| observe_customer(raw)).collect();
            let gone = touched
                .missing_from(&rows)
                .map(|id| Observed::CustomerGone(SystemId(id)));
            observed.into_iter().chain(gone).collect()
        } else {
            let url = self.url("items");
            let query = Query::new();
            let (rows, children) = futures::try_join!(
                reader.of_keys(&url, "systemId", &keys, &query),
                self.children(&reader, flow, &touched.ids),
            )?;
            self.observe(flow, &rows, children, &touched)
        };
        Ok(Page {
            observations,
            more: window.has_more,
            ..nothing(next)
        })
    }

    /// What belongs to the items: variants, price lines or figures.
    async fn children(
        &self,
        reader: &Reader<'_>,
        flow: Flow,
        items: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<Box<RawValue>>>, ErpError> {
        let page = match flow {
            Flow::Items => "itemVariants",
            Flow::Prices => "priceLines",
            Flow::Stock => "stockFigures",
            Flow::Customers | Flow::Documents => return Ok(HashMap::new()),
        };
        let rows = reader
            .of_keys(
                &self.url(page),
                "itemId",
                &guids(items.iter().copied()),
                &Query::new(),
            )
            .await?;
        let mut by_item: HashMap<Uuid, Vec<Box<RawValue>>> = HashMap::new();
        for raw in rows {
            if let Some(item) = id_of("itemId", &raw) {
                by_item.entry(item).or_default().push(raw);
            }
        }
        Ok(by_item)
    }

    fn observe(
        &self,
        flow: Flow,
        items: &[Box<RawValue>],
        mut children: HashMap<Uuid, Vec<Box<RawValue>>>,
        touched: &Touched,
    ) -> Vec<Observed> {
        let mut observations = Vec::with_capacity(items.len());
        for raw in items {
            let item: ItemRow = match row("item", "systemId", raw) {
                Ok(item) => item,
                Err(unreadable) => {
                    observations.push(unreadable);
                    continue;
                }
            };
            let own = children.remove(&item.system_id).unwrap_or_default();
            observations.push(self.observe_item(flow, &item, &own, touched));
        }
        observations.extend(
            touched
                .missing_from(items)
                .filter_map(|id| self.gone(flow, id, touched)),
        );
        observations
    }

    fn observe_item(
        &self,
        flow: Flow,
        item: &ItemRow,
        own: &[Box<RawValue>],
        touched: &Touched,
    ) -> Observed {
        let by = touched.by.get(&item.system_id).map(String::as_str);
        let observed = match flow {
            Flow::Items => parts::<VariantRow>(own)
                .and_then(|variants| mapping::item(item, &variants, by))
                .map(Observed::Item),
            Flow::Prices => parts::<PriceRow>(own)
                .and_then(|lines| mapping::prices(item, &lines, self.local_currency()))
                .map(Observed::Prices),
            Flow::Stock | Flow::Customers | Flow::Documents => parts::<FigureRow>(own)
                .and_then(|figures| {
                    shelf::stock(self.shelf(item, touched)?, &figures, self.blank_location)
                })
                .map(Observed::Stock),
        };
        let entity = match flow {
            Flow::Items | Flow::Customers | Flow::Documents => "item",
            Flow::Prices => "prices",
            Flow::Stock => "stock",
        };
        observed.unwrap_or_else(|reason| Observed::Unreadable {
            entity,
            system_id: Some(SystemId(item.system_id)),
            reason,
        })
    }

    fn shelf(&self, item: &ItemRow, touched: &Touched) -> Result<Shelf, Misfit> {
        Ok(Shelf {
            item: mapping::id(item.system_id)?,
            number: Sku::parse(&item.number).map_err(|error| error.to_string())?,
            unit: UnitCode::parse_optional(&item.base_unit_of_measure_code)
                .map_err(|error| error.to_string())?,
            looked_at: millrace_values::Timestamp(self.now),
            // Item and figures are read side by side here: only what was committed before both is surely contained.
            boundary: u64::try_from(touched.boundary.unwrap_or(item.boundary)).ok(),
        })
    }

    fn gone(&self, flow: Flow, id: Uuid, touched: &Touched) -> Option<Observed> {
        let item = SystemId(id);
        let at = millrace_values::Timestamp(self.now);
        match flow {
            Flow::Items => Some(Observed::ItemGone(item)),
            Flow::Prices => Some(Observed::Prices(PricesObserved {
                item,
                number: None,
                lines: Vec::new(),
                modified_at: at,
            })),
            Flow::Stock => {
                let number = Sku::parse(touched.number.get(&id)?).ok()?;
                let figures = Vec::new();
                Some(Observed::Stock(StockObserved {
                    item,
                    number,
                    unit: None,
                    figures,
                    as_of: at,
                    boundary: touched
                        .boundary
                        .and_then(|boundary| u64::try_from(boundary).ok()),
                }))
            }
            Flow::Customers | Flow::Documents => None,
        }
    }

    fn local_currency(&self) -> Currency {
        self.companion.local_currency
    }

    async fn status(&self, place: &Place, after: i64) -> Result<Page, ErpError> {
        let expand = format!("entries($top={STATUS_ENTRIES};$expand=lines)");
        let window: Window<Box<RawValue>> =
            self.window(place, "statusWindows", after, expand).await?;
        let mut observations = Vec::with_capacity(window.entries.len());
        for raw in &window.entries {
            let entry: StatusEntry = match row("document", "documentId", raw) {
                Ok(entry) => entry,
                Err(unreadable) => {
                    observations.push(unreadable);
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
            Flow::Prices | Flow::Stock | Flow::Documents => {
                return Err(ErpError::Unsupported("list the ids of this flow"));
            }
        };
        let reader = Reader {
            page_size: 5000,
            ..self.reader(Priority::Bulk)
        };
        let rows = reader
            .all(Query::new().select("systemId").on(self.url(page)))
            .await?;
        rows.iter()
            .map(|raw| id_of("systemId", raw).map(SystemId))
            .collect::<Option<_>>()
            .ok_or_else(|| ErpError::Unreadable("a record has no id".into()))
    }
}

/// A full read asks for variants only where there are some: most items have none.
fn owners_of_variants(items: &[Box<RawValue>]) -> Vec<Uuid> {
    let read = items
        .iter()
        .filter_map(|raw| serde_json::from_str::<ItemRow>(raw.get()).ok());
    read.filter(|item| item.has_variants)
        .map(|item| item.system_id)
        .collect()
}

/// All of an item's rows, or none: one that is left out would be taken for deleted.
fn parts<T: DeserializeOwned>(rows: &[Box<RawValue>]) -> Result<Vec<T>, Misfit> {
    rows.iter()
        .map(|raw| serde_json::from_str(raw.get()))
        .collect::<Result<_, _>>()
        .map_err(|error| {
            format!(
                "a record of this item has another shape, at column {}",
                error.column()
            )
        })
}

fn observe_customer(raw: &RawValue) -> Observed {
    let customer: CustomerRow = match row("customer", "systemId", raw) {
        Ok(customer) => customer,
        Err(unreadable) => return unreadable,
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
