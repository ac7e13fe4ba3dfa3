//! The tour's visit to the return desk: goods come back, and what they were sold for is credited.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use millrace_contract::changes::v1::Change;
use millrace_contract::order::v1::GetOrderRequest;
use millrace_contract::returns::v1::{
    GetReturnRequest, ListReturnReasonsRequest, Return, ReturnLine, ReturnState, ReturnView,
    SubmitReturnRequest,
};
use millrace_service_kit::{Clock, SystemClock};

use super::screen::took;
use super::shop::{CHANNEL, number};
use super::tour::{Told, Tour, next};

/// So long a return may be held for what is still on its way to the service.
const HEALS: Duration = Duration::from_secs(15);

const REASON: &str = "DEFECT";

impl Tour {
    /// Everything of the order comes back.
    pub(super) async fn give_back(&mut self, order_number: &str) -> Told<()> {
        let return_number = format!("RET-{}", self.run);
        let mut feed = self.live_feed(&["returns"]).await?;
        let reason = self.reason().await?;
        let order = self.order(order_number).await?;
        let order = order.order.context("an answer without an order")?;
        let whole = order.lines.iter().map(|line| ReturnLine {
            line_number: line.line_number,
            order_line: line.line_number,
            quantity: line.quantity.clone(),
            reason_code: REASON.to_owned(),
            condition: "unopened".to_owned(),
        });
        let wish = SubmitReturnRequest {
            shop_return: Some(Return {
                channel: CHANNEL.to_owned(),
                return_number: return_number.clone(),
                order_number: order_number.to_owned(),
                submitted_at: Some(prost_types::Timestamp {
                    seconds: SystemClock.now().as_second(),
                    nanos: 0,
                }),
                shop_customer_number: format!("SHOP-{}", self.run),
                lines: whole.collect(),
                ..Return::default()
            }),
            remarks: None,
        };
        let began = Instant::now();
        let answer = self.shop.returns.submit_return(wish.clone()).await?;
        let taken = answer.into_inner().shop_return;
        ensure!(taken.is_some(), "an answer without a return");
        let accepted = took(began.elapsed());
        let posted = self
            .return_in(&return_number, ReturnState::Posted)
            .await?
            .document
            .context("a posted return without its document")?;
        let posted_after = took(began.elapsed());
        let repeated = self.shop.returns.submit_return(wish).await?.into_inner();
        ensure!(
            repeated.repeated_submission,
            "the second submission was taken for a new return"
        );
        let orders = self.office.return_orders(order_number).await?;
        ensure!(
            orders == 1,
            "the ERP holds {orders} return orders for order {order_number}"
        );
        let began = Instant::now();
        for act in ["receive-return", "inspect-return", "credit-return"] {
            self.office.take_back(act, &return_number).await?;
        }
        let credited = self
            .return_in(&return_number, ReturnState::Credited)
            .await?;
        let credited_after = took(began.elapsed());
        let sold = order
            .totals
            .and_then(|totals| totals.gross)
            .context("an order without a total")?;
        let paid = credited
            .credited
            .and_then(|credit| credit.gross)
            .context("a credited return without an amount")?;
        ensure!(
            number(&paid) == number(&sold),
            "sold for {}, credited {}",
            number(&sold),
            number(&paid)
        );
        for event in [
            "Submitted",
            "Cleared",
            "Posted",
            "Received",
            "Credited",
            "RefundAnnounced",
        ] {
            let kind = format!("millrace.returns.v1.Return{event}");
            next(&mut feed, |change: &Change| {
                let envelope = change.envelope.as_ref()?;
                let is_it = envelope.r#type == kind && envelope.key.ends_with(&return_number);
                is_it.then_some(())
            })
            .await?;
        }
        self.order_shows(order_number, &return_number).await?;
        Ok((
            (),
            vec![
                format!(
                    "{reason:?}: return {return_number} durable after {accepted}, return order {} after {posted_after}",
                    posted.number
                ),
                format!(
                    "received, looked at, credited with {}: {} EUR, as sold, {credited_after} after the ERP began; the feed told each step",
                    credited.credit_memo_numbers.join(", "),
                    number(&paid)
                ),
            ],
        ))
    }

    /// In words for this shop's customers.
    async fn reason(&mut self) -> Result<String> {
        let asked = ListReturnReasonsRequest {
            channel: CHANNEL.to_owned(),
            language: "de-DE".to_owned(),
        };
        loop {
            let answer = self.shop.returns.list_return_reasons(asked.clone()).await?;
            let reasons = answer.into_inner().reasons;
            if let Some(found) = reasons.iter().find(|reason| reason.code == REASON) {
                return Ok(found.description.clone());
            }
            if !reasons.is_empty() {
                bail!("the ERP has no reason {REASON} for returns");
            }
            // They were not asked of the ERP yet.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn order(
        &mut self,
        order_number: &str,
    ) -> Result<millrace_contract::order::v1::OrderView> {
        let asked = GetOrderRequest {
            channel: CHANNEL.to_owned(),
            order_number: order_number.to_owned(),
            include_personal: false,
        };
        let answer = self.shop.orders.get_order(asked).await?.into_inner();
        answer.order.context("an answer without an order")
    }

    /// The order says what became of its goods.
    async fn order_shows(&mut self, order_number: &str, return_number: &str) -> Result<()> {
        loop {
            let returns = self.order(order_number).await?.returns;
            let shown = returns.iter().find(|it| it.return_number == return_number);
            if shown.is_some_and(|it| it.state() == ReturnState::Credited) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn return_in(&mut self, return_number: &str, state: ReturnState) -> Result<ReturnView> {
        let asked = GetReturnRequest {
            channel: CHANNEL.to_owned(),
            return_number: return_number.to_owned(),
            include_personal: false,
        };
        let began = Instant::now();
        loop {
            let answer = self.shop.returns.get_return(asked.clone()).await?;
            let view = answer.into_inner().shop_return;
            let view = view.context("an answer without a return")?;
            if view.state() == state {
                return Ok(view);
            }
            // That the goods were delivered may have come through elsewhere first; it is judged again then.
            ensure!(
                view.hold_reasons.is_empty() || began.elapsed() < HEALS,
                "the return is held: {:?}",
                view.hold_reasons
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
