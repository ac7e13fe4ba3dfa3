//! `catalog.v1.CatalogService`: what one channel may know of items and prices, from the rows.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, TryStreamExt, stream};
use millrace_contract::catalog::v1 as contract;
use millrace_contract::catalog::v1::catalog_service_server::CatalogService;
use millrace_contract::items::v1::Item;
use millrace_contract::prices::v1::Price;
use millrace_event_store::StoreError;
use millrace_service_kit::Shutdown;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::rejection::{bad_request, broken, not_found, stopping, unavailable};
use millrace_values::{Channel, ChannelCode, Channels, ErpCode, Sku, SystemId, Timestamp};
use prost::Message;
use tonic::{Request, Response, Status};
use tracing::error;

use crate::inbound::page_token;
use crate::read_model::{Catalog, ItemRow, PriceAfter};

const SCOPE: &str = "catalog:read";
const DEFAULT_PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1_000;
/// Rows an export holds in memory.
const EXPORT_PAGE: usize = 200;

#[derive(Debug, Clone)]
pub struct CatalogApi {
    pub(crate) catalog: Catalog,
    pub(crate) channels: Arc<Channels>,
    /// Ends exports when the process stops.
    pub(crate) shutdown: Shutdown,
}

#[tonic::async_trait]
impl CatalogService for CatalogApi {
    async fn get_item(
        &self,
        request: Request<contract::GetItemRequest>,
    ) -> Result<Response<contract::GetItemResponse>, Status> {
        let channel = self.channel(&request, &request.get_ref().channel)?;
        let (row, name) = match request.into_inner().by {
            Some(contract::get_item_request::By::Number(number)) => {
                let sku = Sku::parse(&number)
                    .map_err(|error| bad_request("number", error.to_string()))?;
                (
                    self.catalog.item_by_number(&channel.erp, &sku).await,
                    number,
                )
            }
            Some(contract::get_item_request::By::SystemId(text)) => {
                let id = SystemId::parse(&text)
                    .map_err(|error| bad_request("system_id", error.to_string()))?;
                (self.catalog.item_by_id(&channel.erp, id).await, text)
            }
            None => return Err(bad_request("by", "number or system_id is missing")),
        };
        let row = row.map_err(away)?.ok_or_else(|| not_found("item", name))?;
        Ok(Response::new(contract::GetItemResponse {
            item: Some(item(row)?),
        }))
    }

    async fn list_items(
        &self,
        request: Request<contract::ListItemsRequest>,
    ) -> Result<Response<contract::ListItemsResponse>, Status> {
        let channel = self.channel(&request, &request.get_ref().channel)?;
        let request = request.into_inner();
        let size = page_size(request.page_size)?;
        let question = [
            "items",
            channel.code.as_str(),
            if request.include_unreleased {
                "all"
            } else {
                "released"
            },
        ];
        let [number, id] = place(&question, &request.page_token)?;
        let rows = self.catalog.items(
            &channel.erp,
            request.include_unreleased,
            (&number, &id),
            size + 1,
        );
        let mut rows = rows.await.map_err(away)?;
        let next_page_token = cut(&mut rows, size, |(number, id, ..)| {
            page_token::write(&question, &[number, id])
        });
        let items: Result<Vec<_>, Status> = rows.into_iter().map(item).collect();
        Ok(Response::new(contract::ListItemsResponse {
            items: items?,
            next_page_token,
        }))
    }

    type ExportItemsStream =
        Pin<Box<dyn Stream<Item = Result<contract::ExportItemsResponse, Status>> + Send>>;

    async fn export_items(
        &self,
        request: Request<contract::ExportItemsRequest>,
    ) -> Result<Response<Self::ExportItemsStream>, Status> {
        let channel = self.channel(&request, &request.get_ref().channel)?;
        let export = Export {
            catalog: self.catalog.clone(),
            erp: channel.erp.clone(),
            include_unreleased: request.get_ref().include_unreleased,
            after: (String::new(), String::new()),
            shutdown: self.shutdown.clone(),
        };
        // The next page is read when the caller has taken the one before: a slow caller costs one page of memory.
        let items = stream::try_unfold(export, Export::page)
            .map_ok(stream::iter)
            .try_flatten();
        Ok(Response::new(Box::pin(items)))
    }

    async fn list_prices(
        &self,
        request: Request<contract::ListPricesRequest>,
    ) -> Result<Response<contract::ListPricesResponse>, Status> {
        let channel = self.channel(&request, &request.get_ref().channel)?;
        let request = request.into_inner();
        let size = page_size(request.page_size)?;
        let item_number = Sku::parse_optional(&request.item_number)
            .map_err(|error| bad_request("item_number", error.to_string()))?
            .map(|number| number.to_string())
            .unwrap_or_default();
        let question = ["prices", channel.code.as_str(), &item_number];
        let [number, system_id, variant, group, unit] = place(&question, &request.page_token)?;
        let after = PriceAfter {
            number,
            system_id,
            variant,
            group,
            unit,
        };
        let rows = self.catalog.prices(
            &channel.erp,
            &channel.price_groups,
            &item_number,
            &after,
            size + 1,
        );
        let mut rows = rows.await.map_err(away)?;
        let next_page_token = cut(&mut rows, size, |(number, id, variant, group, unit, _)| {
            page_token::write(&question, &[number, id, variant, group, unit])
        });
        if rows.is_empty() && !item_number.is_empty() && request.page_token.is_empty() {
            self.known(&channel.erp, &item_number).await?;
        }
        let prices: Result<Vec<_>, Status> = rows
            .into_iter()
            .map(|(number, .., price)| self::price(number, &price))
            .collect();
        Ok(Response::new(contract::ListPricesResponse {
            prices: prices?,
            next_page_token,
        }))
    }
}

impl CatalogApi {
    /// The channel, if the caller may ask about it.
    fn channel<T>(&self, request: &Request<T>, code: &str) -> Result<&Channel, Status> {
        let caller = Caller::of(request)?;
        let parsed =
            ChannelCode::parse(code).map_err(|error| bad_request("channel", error.to_string()))?;
        caller.may(SCOPE, parsed.as_str())?;
        self.channels
            .find(&parsed)
            .ok_or_else(|| not_found("channel", code))
    }

    /// Tells an item without prices from no item.
    async fn known(&self, erp: &ErpCode, number: &str) -> Result<(), Status> {
        let sku =
            Sku::parse(number).map_err(|error| bad_request("item_number", error.to_string()))?;
        match self.catalog.item_by_number(erp, &sku).await.map_err(away)? {
            Some(_) => Ok(()),
            None => Err(not_found("item", number)),
        }
    }
}

/// An export between two pages.
struct Export {
    catalog: Catalog,
    erp: ErpCode,
    include_unreleased: bool,
    after: (String, String),
    shutdown: Shutdown,
}

type ExportPage = Vec<Result<contract::ExportItemsResponse, Status>>;

impl Export {
    async fn page(mut self) -> Result<Option<(ExportPage, Self)>, Status> {
        if self.shutdown.is_cancelled() {
            return Err(stopping("this process is stopping, ask again"));
        }
        let after = (self.after.0.as_str(), self.after.1.as_str());
        let rows = self
            .catalog
            .items(&self.erp, self.include_unreleased, after, EXPORT_PAGE)
            .await
            .map_err(away)?;
        let Some((number, id, ..)) = rows.last() else {
            return Ok(None);
        };
        self.after = (number.clone(), id.clone());
        let page = rows.into_iter().map(|row| {
            Ok(contract::ExportItemsResponse {
                item: Some(item(row)?),
            })
        });
        Ok(Some((page.collect(), self)))
    }
}

fn page_size(asked: u32) -> Result<usize, Status> {
    match asked {
        0 => Ok(DEFAULT_PAGE as usize),
        1..=LARGEST_PAGE => Ok(asked as usize),
        _ => Err(bad_request("page_size", format!("at most {LARGEST_PAGE}"))),
    }
}

fn place<const N: usize>(question: &[&str], token: &str) -> Result<[String; N], Status> {
    if token.is_empty() {
        return Ok([const { String::new() }; N]);
    }
    page_token::read(question, token).map_err(|error| bad_request("page_token", error.to_string()))
}

/// Drops the row that only showed that there are more; the token to go on with, empty at the end.
fn cut<R>(rows: &mut Vec<R>, size: usize, token: impl FnOnce(&R) -> String) -> String {
    if rows.len() <= size {
        return String::new();
    }
    rows.truncate(size);
    rows.last().map(token).unwrap_or_default()
}

fn item(
    (_, _, released, version, recorded_at, bytes): ItemRow,
) -> Result<contract::CatalogItem, Status> {
    let recorded_at = jiff::Timestamp::from_microsecond(recorded_at).map_err(unreadable)?;
    Ok(contract::CatalogItem {
        item: Some(Item::decode(bytes.as_slice()).map_err(unreadable)?),
        released: released == 1,
        version: u64::try_from(version).unwrap_or_default(),
        recorded_at: Some(Timestamp(recorded_at).into()),
    })
}

/// With the number the item has now.
fn price(number: String, bytes: &[u8]) -> Result<Price, Status> {
    let mut price = Price::decode(bytes).map_err(unreadable)?;
    if let Some(key) = &mut price.key {
        key.item_number = number;
    }
    Ok(price)
}

fn away(error: StoreError) -> Status {
    error!(
        error = &error as &dyn std::error::Error,
        "the catalog cannot be read"
    );
    unavailable("database", "the catalog cannot be read now, try again")
}

fn unreadable(error: impl std::error::Error + 'static) -> Status {
    error!(
        error = &error as &dyn std::error::Error,
        "a row of the catalog cannot be read"
    );
    broken("ROW_UNREADABLE", "a row of the catalog cannot be read")
}
