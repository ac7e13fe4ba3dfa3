//! What the ERP has of a return that was handed over: asked for where its feed may have left something out, because it was restored,
//! its feed expired, or people deleted the document.

use millrace_erp::ErpError;
use millrace_erp::return_order::{NewReturn, ReturnObserved, ReturnState};
use millrace_erp_poster::Look;
use tracing::{error, info, warn};

use super::attempt::{Attempt, LookError, NOTHING};
use crate::domain::{CancelReason, Command, Phase, Taken};
use crate::returns::Loaded;
use crate::wire;

impl Attempt {
    /// Takes note of what became of it there; what ended here ends there, too.
    pub(super) async fn follow(&self, loaded: Loaded) -> Result<Look, LookError> {
        let taken = &loaded.taken;
        let is_done = match taken.phase {
            Phase::Posted => taken.is_credited(),
            Phase::Cancelled(CancelReason::ByShop) => false,
            Phase::Held | Phase::Cleared | Phase::Refused => true,
            Phase::Cancelled(CancelReason::InErp) => true,
        };
        if is_done || taken.goods.erp != *self.erp.code() {
            return Ok(NOTHING);
        }
        let has_return_orders = match self.erp.capabilities().await {
            Ok(capabilities) => capabilities.return_orders,
            Err(error) => return Ok(self.not_now(&error)),
        };
        let number = &taken.goods.number;
        if taken.phase == Phase::Posted && taken.is_draft() == has_return_orders {
            warn!(return.number = %number, "return {number} is a document of another kind than the erp has now: what becomes of it is not told");
            return Ok(NOTHING);
        }
        match (
            self.erp.find_return(&wire::key(&taken.goods)).await,
            taken.phase,
        ) {
            (Ok(Some(there)), Phase::Posted) => {
                let command = Command::Observed(wire::seen(there));
                self.write_down(loaded, command).await?;
                Ok(ASKED)
            }
            (Ok(None), Phase::Posted) => self.lost(loaded).await,
            (Ok(Some(there)), _) if there.state == ReturnState::Open => self.take_back(taken).await,
            (Ok(_), _) => Ok(ASKED),
            (Err(error), _) => Ok(self.not_now(&error)),
        }
    }

    async fn lost(&self, loaded: Loaded) -> Result<Look, LookError> {
        let taken = self.write_down(loaded, Command::Gone).await?;
        let number = &taken.goods.number;
        if taken.phase == Phase::Cleared {
            warn!(return.number = %number, "the erp does not have return {number} any more: it gets it anew");
        } else if taken.has_begun_there() {
            error!(return.number = %number, "the erp does not have return {number} any more, of which goods came back or were credited there: a person has to look");
        }
        Ok(ASKED)
    }

    /// An attempt whose answer nobody waited for made it after all.
    async fn take_back(&self, taken: &Taken) -> Result<Look, LookError> {
        let number = &taken.goods.number;
        match self.erp.cancel_return(&wire::key(&taken.goods)).await {
            Ok(_) => {
                info!(return.number = %number, "return {number}, which was given up here, is given up in the erp");
                Ok(ASKED)
            }
            Err(ErpError::Refused { code, .. }) => {
                error!(return.number = %number, code, "the erp does not give up return {number}, which was given up here: a person has to look");
                Ok(ASKED)
            }
            Err(error) => Ok(self.not_now(&error)),
        }
    }
}

const ASKED: Look = Look::Done { asked: true };

/// Whether what the ERP has under the key is this return, however its lines are called by now.
pub(super) fn is_the_same(there: &ReturnObserved, new: &NewReturn) -> bool {
    let order = there.order_number.as_ref();
    let lines = new.lines.iter().all(|line| {
        let same = there
            .lines
            .iter()
            .find(|there| there.line_number == line.line_number);
        same.is_some_and(|same| same.requested == line.quantity)
    });
    order.is_none_or(|order| *order == new.order_number) && lines
}
