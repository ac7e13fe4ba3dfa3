//! One look at a return that waits for something: check it again, or hand it over. Everything here may be repeated at any point: the
//! ERP takes a return once per (channel, return number).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millrace_contract::returns::v1::Remarks;
use millrace_erp::return_order::{NewReturn, ReturnKey, ReturnObserved};
use millrace_erp::{Erp, ErpError};
use millrace_erp_poster::Look;
use millrace_event_store::{SealError, Sealer, StoreError};
use millrace_service_kit::metrics::Counter;
use millrace_values::Channels;
use thiserror::Error;
use tracing::info;

use super::content::new_return;
use super::there;
use crate::domain::{Command, HoldKind, HoldReason, Phase, Taken};
use crate::judge::Judge;
use crate::returns::{Actor, Loaded, ReturnError};
use crate::wire;

const TRIES: usize = 8;

#[derive(Debug, Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Return(ReturnError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReturnError> for LookError {
    fn from(error: ReturnError) -> Self {
        match error {
            ReturnError::Store(error) => Self::Store(error),
            other @ (ReturnError::Rejected(_)
            | ReturnError::Conflict
            | ReturnError::Superseded
            | ReturnError::Unfit(_)) => Self::Return(other),
        }
    }
}

impl From<LookError> for millrace_erp_poster::LookError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Return(error) => Self::Document(error.to_string()),
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
    pub judge: Judge,
    pub erp: Arc<dyn Erp>,
    pub sealer: Arc<Sealer>,
    pub channels: Arc<Channels>,
    pub limit: Duration,
    pub figures: Figures,
}

#[async_trait]
impl millrace_erp_poster::Attempt for Attempt {
    async fn look(&self, stream: &str) -> Result<Look, millrace_erp_poster::LookError> {
        for _ in 0..TRIES {
            match self.once(stream).await {
                Err(LookError::Return(ReturnError::Conflict)) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(LookError::Return(ReturnError::Conflict).into())
    }
}

impl Attempt {
    async fn once(&self, stream: &str) -> Result<Look, LookError> {
        let Some(loaded) = self.judge.returns.load(stream).await? else {
            return Ok(NOTHING);
        };
        let goods = &loaded.taken.goods;
        match loaded.taken.phase {
            Phase::Held | Phase::Cleared => {}
            Phase::Posted | Phase::Refused | Phase::Cancelled(_) => {
                return self.follow(loaded).await;
            }
        }
        if self.channels.find(&goods.channel).is_none() {
            let channel = &goods.channel;
            return Ok(later(format!("channel {channel} is not in the settings")));
        }
        if goods.erp != *self.erp.code() {
            return Ok(later(format!("erp {} is not in the settings", goods.erp)));
        }
        match loaded.taken.phase {
            Phase::Held => self.check(loaded).await,
            Phase::Cleared => self.hand_over(loaded).await,
            Phase::Posted | Phase::Refused | Phase::Cancelled(_) => Ok(NOTHING),
        }
    }

    async fn check(&self, loaded: Loaded) -> Result<Look, LookError> {
        let Taken {
            goods, taken_at, ..
        } = &loaded.taken;
        let (verdict, standing) = self.judge.verdict(goods, *taken_at).await?;
        let command = Command::CheckAgain { verdict };
        self.judge
            .returns
            .carry_out(loaded, Some(standing), command, &Actor::service())
            .await?;
        Ok(Look::Done { asked: false })
    }

    async fn hand_over(&self, loaded: Loaded) -> Result<Look, LookError> {
        let has_return_orders = match self.erp.capabilities().await {
            Ok(capabilities) => capabilities.return_orders,
            Err(error) => return Ok(self.not_now(&error)),
        };
        if !has_return_orders && !loaded.taken.has_received() {
            // The ERP has no room for goods that are expected: it gets the return when somebody says that they are here.
            return Ok(NOTHING);
        }
        let goods = &loaded.taken.goods;
        let Some(sold) = self.judge.knowledge.sold(goods).await? else {
            let order = &goods.order;
            return Ok(later(format!(
                "order {order} is not known, or cannot be read"
            )));
        };
        let Some(customer) = sold.customer.clone() else {
            return Ok(later(format!(
                "the ERP's customer of order {} is not known yet",
                goods.order
            )));
        };
        let remarks = match self.remarks(&loaded).await {
            Ok(remarks) => remarks,
            // Forgotten for good; the goods come back all the same.
            Err(SealError::Erased) => None,
            Err(SealError::Store(error)) => return Err(error.into()),
            Err(error @ SealError::Broken) => {
                return Ok(later(format!("its remarks cannot be opened: {error}")));
            }
        };
        let said = remarks.clone();
        let Some(new) = new_return(&loaded.taken, &sold, customer, said) else {
            return Ok(later(format!("order {} has lost a line", goods.order)));
        };
        let placed = tokio::time::timeout(self.limit, self.erp.place_return(&new)).await;
        // What became of an attempt that has not ended is as unknown as a lost answer.
        let unended = if has_return_orders {
            ErpError::Unknown
        } else {
            ErpError::InDoubt { wait: self.limit }
        };
        match placed.unwrap_or(Err(unended)) {
            Ok(placed) => self.posted(loaded, placed.observed).await,
            Err(ErpError::Refused { code, message }) => {
                let reason = wire::reason_of_refusal(&code, &message, remarks.as_ref());
                self.refused(loaded, reason).await
            }
            Err(ErpError::Contradiction { .. }) => self.contradicted(loaded, &new).await,
            Err(error) => Ok(self.not_now(&error)),
        }
    }

    /// What an attempt sent whose answer was lost may differ from what goes out now: an order's item or a customer has another number
    /// by now, a person was erased. Then the return is there.
    async fn contradicted(&self, loaded: Loaded, new: &NewReturn) -> Result<Look, LookError> {
        match self.erp.find_return(&new.key).await {
            Ok(Some(there)) if there::is_the_same(&there, new) => self.posted(loaded, there).await,
            Ok(_) => self.refused(loaded, other_content(&new.key)).await,
            Err(error) => Ok(self.not_now(&error)),
        }
    }

    async fn remarks(&self, loaded: &Loaded) -> Result<Option<Remarks>, SealError> {
        match &loaded.taken.goods.remarks {
            Some(sealed) => wire::open(&self.sealer, sealed, &loaded.stream)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    async fn posted(&self, loaded: Loaded, there: ReturnObserved) -> Result<Look, LookError> {
        let document = there.document_number.clone();
        let command = Command::Observed(wire::seen(there));
        let taken = self.write_down(loaded, command).await?;
        self.figures.posted.inc();
        let (number, channel) = (&taken.goods.number, &taken.goods.channel);
        info!(return.number = %number, return.channel = %channel, document, "return {number} is {document} in the erp");
        Ok(Look::Done { asked: true })
    }

    async fn refused(&self, loaded: Loaded, reason: HoldReason) -> Result<Look, LookError> {
        let taken = self
            .write_down(loaded, Command::ErpRefused { reason })
            .await?;
        self.figures.refused.inc();
        let number = &taken.goods.number;
        info!(return.number = %number, "return {number} was refused by the erp and is held");
        Ok(Look::Done { asked: true })
    }

    /// What the ERP said is not asked again because the return, or another of its order, changed meanwhile.
    pub(super) async fn write_down(
        &self,
        mut loaded: Loaded,
        command: Command,
    ) -> Result<Taken, LookError> {
        let returns = &self.judge.returns;
        let stream = loaded.stream.clone();
        for _ in 0..TRIES {
            match returns
                .carry_out(loaded, None, command.clone(), &Actor::service())
                .await
            {
                Err(ReturnError::Conflict) => {}
                outcome => return Ok(outcome?),
            }
            let again = returns.load(&stream).await?;
            loaded = again.ok_or(ReturnError::Conflict)?;
        }
        Err(ReturnError::Conflict.into())
    }

    pub(super) fn not_now(&self, error: &ErpError) -> Look {
        let at_least = match error {
            ErpError::InDoubt { wait } => {
                self.figures.unknown.inc();
                return Look::NotBefore {
                    why: error.to_string(),
                    wait: *wait,
                };
            }
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
            | ErpError::Denied(_)
            | ErpError::Unreadable(_) => Duration::ZERO,
        };
        Look::Later {
            // Displayed, no error says more than codes and what is wrong with the connection.
            why: error.to_string(),
            at_least,
            away: error.is_transient(),
        }
    }
}

/// Nothing is left to do, and nobody was asked.
pub(super) const NOTHING: Look = Look::Done { asked: false };

fn later(why: String) -> Look {
    Look::Later {
        why,
        at_least: Duration::ZERO,
        away: false,
    }
}

fn other_content(key: &ReturnKey) -> HoldReason {
    let message =
        "the ERP holds another return, or other content of this one, under this number".to_owned();
    HoldReason::of_return(HoldKind::ErpRefused, key.number.as_str(), message)
}
