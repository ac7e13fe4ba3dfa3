//! Asks the rules about a return, with everything they need to know as it is at this moment.

use std::sync::Arc;

use millrace_event_store::StoreError;
use millrace_values::Timestamp;

use crate::config::ChannelRules;
use crate::domain::check::check;
use crate::domain::{Known, Return, Verdict};
use crate::read_model::{Knowledge, Reasons};
use crate::returns::{Returns, Standing};

#[derive(Clone)]
pub struct Judge {
    pub returns: Returns,
    pub knowledge: Knowledge,
    pub reasons: Reasons,
    pub rules: Arc<ChannelRules>,
}

impl Judge {
    /// What the rules find, and what of the order they found taken: it must still stand when the verdict is written.
    ///
    /// # Errors
    /// The database is away.
    pub async fn verdict(
        &self,
        goods: &Return,
        taken_at: Timestamp,
    ) -> Result<(Verdict, Standing), StoreError> {
        let returnable = goods.returnable();
        let (sold, reasons, standing) = tokio::try_join!(
            self.knowledge.sold(goods),
            self.reasons.codes(&goods.erp),
            self.returns.standing(&returnable),
        )?;
        let known = Known {
            sold,
            reasons,
            returnable: standing.returnable.clone(),
        };
        let rules = self.rules.of(&goods.channel);
        Ok((check(goods, rules, &known, taken_at), standing))
    }
}
