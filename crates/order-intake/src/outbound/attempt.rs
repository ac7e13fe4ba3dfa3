//! One look at an order that waits for something: check it again, post it, or ask what became of it. Everything here may be
//! repeated at any point: the ERP takes an order once per (channel, order number).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millrace_erp::document::PlacedOrder;
use millrace_erp::{Erp, ErpError};
use millrace_erp_poster::Look;
use millrace_event_store::{SealError, Sealer, StoreError};
use millrace_service_kit::health::Component;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::trace::{Kind, Work};
use millrace_values::{Channel, Channels, CustomerNumber};
use thiserror::Error;
use tracing::{error, info, warn};

use super::content::{new_lines, new_order};
use super::customers::{Customers, Newcomer, RegisterError};
use crate::domain::check::Verdict;
use crate::domain::{
    Command, HoldKind, HoldReason, LineStatus, OTHER_CUSTOMER, Order, Phase, Taken,
};
use crate::orders::{Actor, Loaded, OrderError, Orders};
use crate::read_model::Knowledge;
use crate::wire;

const TRIES: usize = 8;

#[derive(Debug, Error)]
enum LookError {
    #[error(transparent)]
    Order(OrderError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<OrderError> for LookError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Store(error) => Self::Store(error),
            other @ (OrderError::Rejected(_)
            | OrderError::Conflict
            | OrderError::Superseded
            | OrderError::Unfit(_)) => Self::Order(other),
        }
    }
}

impl From<LookError> for millrace_erp_poster::LookError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Order(error) => Self::Document(error.to_string()),
            LookError::Store(error) => Self::Store(error),
        }
    }
}

/// Counted since the start of the process.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub posted: Counter,
    pub refused: Counter,
    /// Attempts whose outcome nobody knows; each was repeated.
    pub unknown: Counter,
    pub away: Counter,
}

#[derive(Clone)]
pub struct Attempt {
    pub orders: Orders,
    pub knowledge: Knowledge,
    pub erp: Arc<dyn Erp>,
    pub customers: Arc<dyn Customers>,
    pub sealer: Arc<Sealer>,
    pub channels: Arc<Channels>,
    pub limit: Duration,
    pub figures: Figures,
    /// Who creates customers; only orders of new ones wait for them.
    pub newcomers: Component,
}

#[async_trait]
impl millrace_erp_poster::Attempt for Attempt {
    async fn look(&self, stream: &str) -> Result<Look, millrace_erp_poster::LookError> {
        for _ in 0..TRIES {
            match self.once(stream).await {
                Err(LookError::Order(OrderError::Conflict)) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(LookError::Order(OrderError::Conflict).into())
    }
}

impl Attempt {
    async fn once(&self, stream: &str) -> Result<Look, LookError> {
        let Some(loaded) = self.orders.load(stream).await? else {
            return Ok(Look::Done { asked: false });
        };
        let order = &loaded.taken.order;
        let Some(channel) = self.channels.find(&order.channel) else {
            return Ok(later(format!(
                "channel {} is not in the settings",
                order.channel
            )));
        };
        if order.erp != *self.erp.code() {
            return Ok(later(format!("erp {} is not in the settings", order.erp)));
        }
        match loaded.taken.phase {
            Phase::Held => self.check(loaded, channel).await,
            Phase::Cleared => self.post(loaded, channel).await,
            Phase::Posted if loaded.taken.is_unconfirmed() => self.confirm(loaded).await,
            Phase::Posted | Phase::Dropped => Ok(Look::Done { asked: false }),
        }
    }

    /// What the ERP refused is tried again only when that may have become another answer.
    async fn check(&self, loaded: Loaded, channel: &Channel) -> Result<Look, LookError> {
        let verdict = self.knowledge.verdict(&loaded.taken.order, channel).await?;
        let command = if self.may_be_taken_now(&loaded, &verdict).await? {
            Command::Retry { verdict }
        } else {
            Command::CheckAgain { verdict }
        };
        self.orders
            .carry_out(loaded, command, &Actor::service())
            .await?;
        Ok(Look::Done { asked: false })
    }

    /// Whether the ERP may say yes to what it refused: what the refusal is about was told of since the order was cleared, or the
    /// order would go out otherwise than it did.
    async fn may_be_taken_now(
        &self,
        loaded: &Loaded,
        verdict: &Verdict,
    ) -> Result<bool, StoreError> {
        let Loaded {
            taken, cleared_at, ..
        } = loaded;
        let is_refused = taken.reasons.iter().any(|reason| reason.kind.is_refusal());
        let may_heal = taken.reasons.iter().all(HoldReason::heals_by_itself);
        let Some(cleared_at) = cleared_at.filter(|_| is_refused && may_heal) else {
            return Ok(false);
        };
        if verdict.lines != taken.lines {
            return Ok(true);
        }
        let is_newcomer = taken
            .reasons
            .iter()
            .any(|reason| reason.kind == HoldKind::CustomerRefused);
        if is_newcomer {
            // Once the customer is known here, nobody is asked to create it.
            return Ok(self.knowledge.customer(&taken.order).await?.is_some());
        }
        self.knowledge.has_news(taken, cleared_at).await
    }

    /// The ERP's status came before the answer to our own request; ask for what that answer would have said.
    async fn confirm(&self, loaded: Loaded) -> Result<Look, LookError> {
        let order = &loaded.taken.order;
        match self.erp.find_order(&order.channel, &order.number).await {
            Ok(Some(placed)) => self.posted(loaded, placed).await,
            Ok(None) => Ok(later(
                "the erp has a document of the order but does not find the order".to_owned(),
            )),
            Err(error) => Ok(self.not_now(&error)),
        }
    }

    async fn post(&self, loaded: Loaded, channel: &Channel) -> Result<Look, LookError> {
        let _work = Work::follow("post order", loaded.traceparent()).of(Kind::Client);
        match self.erp.capabilities().await {
            Ok(capabilities) if capabilities.order_buffer => {}
            Ok(_) => {
                return Ok(later(
                    "the erp has no order buffer, which posting needs".to_owned(),
                ));
            }
            Err(error) => return Ok(self.not_now(&error)),
        }
        let personal = match self.personal(&loaded).await {
            Ok(personal) => personal,
            Err(SealError::Store(error)) => return Err(error.into()),
            Err(error) => return self.refused(loaded, cannot_be_opened(&error)).await,
        };
        let customer = match self
            .customer(
                &loaded.taken,
                channel,
                personal.as_ref(),
                loaded.traceparent(),
            )
            .await?
        {
            Ok(customer) => customer,
            Err(error @ RegisterError::Contradicts) => {
                let reason = HoldReason::of_order(
                    HoldKind::CustomerRefused,
                    OTHER_CUSTOMER,
                    error.to_string(),
                );
                return self.refused(loaded, reason).await;
            }
            Err(RegisterError::Refused(why)) => {
                let reason = HoldReason::of_order(
                    HoldKind::CustomerRefused,
                    "",
                    format!("the new customer cannot be created: {why}"),
                );
                return self.refused(loaded, reason).await;
            }
            Err(error @ RegisterError::Away(_)) => return Ok(later(error.to_string())),
        };
        let statuses = self.statuses(&loaded.taken, channel).await?;
        let lines = match new_lines(&loaded.taken, &statuses, channel) {
            Ok(lines) => lines,
            Err(reason) => return self.refused(loaded, reason).await,
        };
        let parties = personal.clone().map(wire::parties).unwrap_or_default();
        let order = new_order(&loaded.taken, channel, customer, parties, lines);
        let placed = tokio::time::timeout(self.limit, self.erp.place_order(&order)).await;
        match placed.unwrap_or(Err(ErpError::Unknown)) {
            Ok(placed) => self.posted(loaded, placed).await,
            Err(ErpError::Refused { code, message }) => {
                let reason = wire::reason_of_refusal(&code, &message, personal.as_ref());
                self.refused(loaded, reason).await
            }
            Err(ErpError::Contradiction { .. }) => {
                let message =
                    "the ERP holds another order, or other content of this one, under this number";
                let number = order.number.as_str();
                self.refused(
                    loaded,
                    HoldReason::of_order(HoldKind::ErpRefused, number, message),
                )
                .await
            }
            Err(error) => Ok(self.not_now(&error)),
        }
    }

    async fn personal(
        &self,
        loaded: &Loaded,
    ) -> Result<Option<millrace_contract::personal::v1::Personal>, SealError> {
        match &loaded.taken.order.personal {
            Some(sealed) => wire::open(&self.sealer, sealed, &loaded.stream)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// The ERP's number of the buyer; customers come first.
    async fn customer(
        &self,
        taken: &Taken,
        channel: &Channel,
        personal: Option<&millrace_contract::personal::v1::Personal>,
        traceparent: Option<&str>,
    ) -> Result<Result<CustomerNumber, RegisterError>, LookError> {
        let order = &taken.order;
        if let Some(number) = &order.buyer.customer {
            return Ok(Ok(number.clone()));
        }
        if let Some(known) = self.knowledge.customer(order).await? {
            return Ok(Ok(known.number));
        }
        let mut personal = personal.cloned().unwrap_or_default();
        // Where this one order goes says nothing of who the customer is.
        personal.ship_to = None;
        let newcomer = Newcomer {
            channel: &order.channel,
            shop_customer_number: order.buyer.shop_customer.as_deref().unwrap_or_default(),
            personal,
            currency: order.currency,
            language: channel.languages.first(),
        };
        let registered = self.customers.register(newcomer, traceparent).await;
        match &registered {
            Ok(_) | Err(RegisterError::Contradicts | RegisterError::Refused(_)) => {
                self.newcomers.ready()
            }
            Err(error @ RegisterError::Away(_)) => {
                if self.newcomers.trouble(error.to_string()) {
                    error!(
                        error = error as &dyn std::error::Error,
                        "orders of new customers wait, trying again"
                    );
                }
            }
        }
        Ok(registered)
    }

    /// The order's lines with their units.
    async fn statuses(
        &self,
        taken: &Taken,
        channel: &Channel,
    ) -> Result<Vec<LineStatus>, LookError> {
        if taken.lines.iter().all(|line| line.unit.is_some()) {
            return Ok(taken.lines.clone());
        }
        // Cleared by a version that did not write down what the shop left out.
        Ok(self.knowledge.verdict(&taken.order, channel).await?.lines)
    }

    async fn posted(&self, loaded: Loaded, placed: PlacedOrder) -> Result<Look, LookError> {
        let document = placed.document.number.clone();
        let command = Command::Posted {
            document: placed.document.into(),
            customer_system_id: placed.customer_system_id,
            customer: placed.customer,
            booked_gross: placed.gross,
        };
        let taken = self.write_down(loaded, command).await?;
        self.figures.posted.inc();
        let Order {
            number, channel, ..
        } = &taken.order;
        info!(order.number = %number, order.channel = %channel, document, "order {number} is {document} in the erp");
        if let Some(difference) = taken.total_difference {
            warn!(order.number = %number, %difference, "the erp booked order {number} with another total than the shop sold");
        }
        Ok(Look::Done { asked: true })
    }

    async fn refused(&self, loaded: Loaded, reason: HoldReason) -> Result<Look, LookError> {
        let kind = reason.kind;
        let taken = self.write_down(loaded, Command::Refused { reason }).await?;
        self.figures.refused.inc();
        let number = &taken.order.number;
        info!(order.number = %number, reason = ?kind, "order {number} was refused and is held");
        Ok(Look::Done { asked: true })
    }

    /// What the ERP said is not asked again because the order changed meanwhile: the ERP's status may have come first.
    async fn write_down(&self, mut loaded: Loaded, command: Command) -> Result<Taken, LookError> {
        let stream = loaded.stream.clone();
        for _ in 0..TRIES {
            match self
                .orders
                .carry_out(loaded, command.clone(), &Actor::service())
                .await
            {
                Err(OrderError::Conflict) => {}
                outcome => return Ok(outcome?),
            }
            let again = self.orders.load(&stream).await?;
            loaded = again.ok_or(OrderError::Conflict)?;
        }
        Err(OrderError::Conflict.into())
    }

    fn not_now(&self, error: &ErpError) -> Look {
        let at_least = match error {
            ErpError::Away { retry_after, .. } => {
                self.figures.away.inc();
                retry_after.unwrap_or_default()
            }
            ErpError::Unknown => {
                self.figures.unknown.inc();
                Duration::ZERO
            }
            ErpError::Refused { .. }
            | ErpError::Contradiction { .. }
            | ErpError::ResyncNeeded { .. }
            | ErpError::Unsupported(_)
            | ErpError::InDoubt { .. }
            | ErpError::Denied(_)
            | ErpError::Unreadable(_) => Duration::ZERO,
        };
        // A refusal names records and perhaps people; the other errors speak of the connection.
        let why = match error {
            ErpError::Refused { code, .. } => format!("the erp refuses to be asked: {code}"),
            other => other.to_string(),
        };
        Look::Later {
            why,
            at_least,
            away: error.is_transient(),
        }
    }
}

fn later(why: String) -> Look {
    Look::Later {
        why,
        at_least: Duration::ZERO,
        away: false,
    }
}

fn cannot_be_opened(error: &SealError) -> HoldReason {
    HoldReason::of_order(
        HoldKind::CustomerRefused,
        "personal",
        format!("the buyer's data cannot be used: {error}"),
    )
}
