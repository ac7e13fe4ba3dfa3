//! A reader that keeps what it is told, and what the simulator really holds: they must be equal in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use millrace_erp::document::DocumentObserved;
use millrace_erp::return_order::ReturnObserved;
use millrace_erp::transfer::TransferObserved;
use millrace_erp::{Cursor, Erp, ErpError, Flow, Observed};
use millrace_erp_simulator::Simulator;
use millrace_erp_simulator::database::PriceSource;
use millrace_values::{Decimal, SystemId};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFacts {
    pub number: String,
    pub name: String,
    pub blocked: bool,
    /// Code, description, blocked.
    pub variants: BTreeSet<(String, String, bool)>,
}

/// Variant, group, unit, minimum quantity, price, discount.
pub type Price = (String, String, String, Decimal, Decimal, Decimal);
/// Variant, location, on hand, allocated, reserved, safety stock.
pub type Shelf = (String, String, Decimal, Decimal, Decimal, Decimal);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub items: BTreeMap<Uuid, ItemFacts>,
    pub prices: BTreeMap<Uuid, BTreeSet<Price>>,
    pub stock: BTreeMap<Uuid, BTreeSet<Shelf>>,
    /// Number, name, mail, blocked, price group.
    pub customers: BTreeMap<Uuid, (String, String, String, bool, String)>,
}

#[derive(Debug, Default)]
pub struct Mirror {
    pub facts: Facts,
    pub documents: Vec<DocumentObserved>,
    pub transfers: Vec<TransferObserved>,
    pub returns: Vec<ReturnObserved>,
    pub unreadable: Vec<String>,
    cursors: HashMap<Flow, Cursor>,
    pub resyncs: usize,
    pub told: usize,
}

pub const FLOWS: [Flow; 4] = [Flow::Items, Flow::Prices, Flow::Stock, Flow::Customers];

impl Mirror {
    pub async fn catch_up_all(&mut self, erp: &dyn Erp) {
        for flow in FLOWS {
            self.catch_up(erp, flow).await;
        }
    }

    /// Reads until nothing is new; a broken world is tried again, as a service would.
    pub async fn catch_up(&mut self, erp: &dyn Erp, flow: Flow) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let mut trouble = None;
        loop {
            match self.step(erp, flow).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    assert!(error.is_transient(), "{error}");
                    trouble = Some(error);
                }
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{flow:?} does not come to an end, last trouble: {trouble:?}"
            );
        }
    }

    /// One page; true: more is waiting.
    pub async fn step(&mut self, erp: &dyn Erp, flow: Flow) -> Result<bool, ErpError> {
        let page = match erp.read(flow, self.cursors.get(&flow)).await {
            Err(ErpError::ResyncNeeded { .. }) => {
                self.resyncs += 1;
                self.cursors.remove(&flow);
                return Ok(true);
            }
            page => page?,
        };
        self.told += page.observations.len();
        for observed in page.observations {
            self.take(observed);
        }
        if page.snapshot_complete && matches!(flow, Flow::Items | Flow::Customers) {
            self.compare(erp, flow).await?;
        }
        self.cursors.insert(flow, page.next);
        Ok(page.more)
    }

    pub fn cursor(&self, flow: Flow) -> Option<Cursor> {
        self.cursors.get(&flow).cloned()
    }

    /// What is known here and not there is gone.
    pub async fn compare(&mut self, erp: &dyn Erp, flow: Flow) -> Result<(), ErpError> {
        let there: BTreeSet<Uuid> = erp
            .system_ids(flow)
            .await?
            .into_iter()
            .map(|id| id.0)
            .collect();
        match flow {
            Flow::Customers => self.facts.customers.retain(|id, _| there.contains(id)),
            _ => {
                self.facts.items.retain(|id, _| there.contains(id));
                self.facts.prices.retain(|id, _| there.contains(id));
                self.facts.stock.retain(|id, _| there.contains(id));
            }
        }
        Ok(())
    }

    fn take(&mut self, observed: Observed) {
        match observed {
            Observed::Item(item) => {
                let variants = item.variants.iter();
                let facts = ItemFacts {
                    number: item.number.to_string(),
                    name: item.display_name,
                    blocked: item.blocked,
                    variants: variants
                        .map(|variant| {
                            (
                                variant.code.to_string(),
                                variant.description.clone(),
                                variant.blocked,
                            )
                        })
                        .collect(),
                };
                self.facts.items.insert(item.system_id.0, facts);
            }
            Observed::ItemGone(SystemId(id)) => {
                self.facts.items.remove(&id);
            }
            Observed::Prices(prices) => {
                let text = |text: Option<String>| text.unwrap_or_default();
                let lines = prices.lines.iter().map(|line| {
                    (
                        text(line.variant.as_ref().map(ToString::to_string)),
                        text(line.group.as_ref().map(ToString::to_string)),
                        text(line.unit.as_ref().map(ToString::to_string)),
                        line.minimum_quantity.value().normalize(),
                        line.price.value().normalize(),
                        line.line_discount.value().normalize(),
                    )
                });
                replace(&mut self.facts.prices, prices.item.0, lines.collect());
            }
            Observed::Stock(stock) => {
                let figures = stock.figures.iter().map(|figure| {
                    (
                        figure
                            .variant
                            .as_ref()
                            .map(ToString::to_string)
                            .unwrap_or_default(),
                        figure.location.to_string(),
                        figure.on_hand.value().normalize(),
                        figure.allocated.value().normalize(),
                        figure.reserved.value().normalize(),
                        figure.safety_stock.value().normalize(),
                    )
                });
                replace(&mut self.facts.stock, stock.item.0, figures.collect());
            }
            Observed::Customer(customer) => {
                let facts = (
                    customer.number.to_string(),
                    customer.address.name,
                    customer.email,
                    customer.block != millrace_erp::master::CustomerBlock::None,
                    customer
                        .price_group
                        .map(|group| group.to_string())
                        .unwrap_or_default(),
                );
                self.facts.customers.insert(customer.system_id.0, facts);
            }
            Observed::CustomerGone(SystemId(id)) => {
                self.facts.customers.remove(&id);
            }
            Observed::Document(document) => self.documents.push(document),
            Observed::Transfer(transfer) => self.transfers.push(transfer),
            Observed::Return(returned) => self.returns.push(returned),
            Observed::Unreadable { entity, reason, .. } => {
                self.unreadable.push(format!("{entity}: {reason}"))
            }
        }
    }
}

fn replace<T>(all: &mut BTreeMap<Uuid, BTreeSet<T>>, id: Uuid, values: BTreeSet<T>) {
    if values.is_empty() {
        all.remove(&id);
        return;
    }
    all.insert(id, values);
}

/// What the simulator really holds.
pub fn truth(simulator: &Simulator) -> Facts {
    simulator.read(|tables| {
        let mut facts = Facts::default();
        for item in tables.items.iter() {
            let variants = tables.variants.children(item.id);
            let own = ItemFacts {
                number: item.number.clone(),
                name: item.name.clone(),
                blocked: item.blocked,
                variants: variants
                    .map(|variant| {
                        (
                            variant.code.clone(),
                            variant.description.clone(),
                            variant.blocked,
                        )
                    })
                    .collect(),
            };
            facts.items.insert(item.id, own);
            let mut prices: BTreeSet<Price> = tables
                .price_lines
                .children(item.id)
                .filter_map(|line| {
                    let group = match &line.source {
                        PriceSource::All => String::new(),
                        PriceSource::Group(group) => group.clone(),
                        PriceSource::Customer(_) => return None,
                    };
                    Some((
                        line.variant.clone(),
                        group,
                        line.unit.clone(),
                        line.minimum.normalize(),
                        line.price.normalize(),
                        line.discount_percent.normalize(),
                    ))
                })
                .collect();
            if !item.unit_price.is_zero() {
                let sales_unit = if item.sales_unit == item.base_unit {
                    String::new()
                } else {
                    item.sales_unit.clone()
                };
                let price = item.unit_price.normalize();
                prices.insert((
                    String::new(),
                    String::new(),
                    sales_unit,
                    Decimal::ZERO,
                    price,
                    Decimal::ZERO,
                ));
            }
            replace(&mut facts.prices, item.id, prices);
            let figures = tables.figures.children(item.id).map(|figure| {
                (
                    figure.variant.clone(),
                    figure.location.clone(),
                    figure.on_hand.normalize(),
                    figure.on_orders.normalize(),
                    figure.reserved.normalize(),
                    figure.safety.normalize(),
                )
            });
            replace(&mut facts.stock, item.id, figures.collect());
        }
        for customer in tables.customers.iter() {
            let own = (
                customer.number.clone(),
                customer.address.name.clone(),
                customer.email.clone(),
                !customer.blocked.replace("_x0020_", "").trim().is_empty(),
                customer.price_group.clone(),
            );
            facts.customers.insert(customer.id, own);
        }
        facts
    })
}

#[track_caller]
pub fn assert_equal(mirror: &Mirror, simulator: &Simulator) {
    let truth = truth(simulator);
    assert!(mirror.unreadable.is_empty(), "{:?}", mirror.unreadable);
    assert_eq!(mirror.facts.items, truth.items);
    assert_eq!(mirror.facts.prices, truth.prices);
    assert_eq!(mirror.facts.stock, truth.stock);
    assert_eq!(mirror.facts.customers, truth.customers);
}
