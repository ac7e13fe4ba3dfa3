//! The tour's second half: orders on their way into the ERP and back.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use millrace_contract::order::v1::{MendOrderRequest, OrderState, OrderView, SubmitOrderRequest};
use millrace_contract::webshop_orders::v1::LineState;
use rust_decimal::Decimal;

use super::screen::took;
use super::shop::{BUYER, CHANNEL, Wish, euro, number};
use super::tour::{SILENCE, Told, Tour};

const WISHES: [Wish; 2] = [
    Wish {
        item: "1004",
        variant: "",
        pieces: 4,
    },
    Wish {
        item: "1102",
        variant: "",
        pieces: 1,
    },
];

impl Tour {
    pub(super) async fn first_order(&mut self) -> Told<SubmitOrderRequest> {
        let number = self.order_number(1);
        let request = self
            .shop
            .order(&number, &format!("SHOP-{}", self.run), &WISHES)
            .await?;
        let began = Instant::now();
        self.shop.orders.submit_order(request.clone()).await?;
        let accepted = took(began.elapsed());
        let order = self.shop.posted(&number).await?;
        let posted = took(began.elapsed());
        let line = self.compare_with_erp(&number, &order).await?;
        let customer = self.customer_in_erp(&order.customer_number).await?;
        Ok((
            request,
            vec![
                format!("order {number} durable after {accepted}, posted after {posted}"),
                customer,
                line,
            ],
        ))
    }

    pub(super) async fn same_order_again(&mut self, request: &SubmitOrderRequest) -> Told<()> {
        let number = self.order_number(1);
        let answer = self
            .shop
            .orders
            .submit_order(request.clone())
            .await?
            .into_inner();
        ensure!(
            answer.repeated_submission,
            "the second submission was taken for a new order"
        );
        let documents = self.office.sales_documents(&number).await?;
        ensure!(
            documents == 1,
            "the ERP holds {documents} documents for order {number}"
        );
        let mut other = request.clone();
        if let Some(line) = other
            .order
            .as_mut()
            .and_then(|order| order.lines.first_mut())
        {
            line.quantity = Some(millrace_contract::values::v1::Quantity {
                units: 5,
                nanos: 0,
                unit: String::new(),
            });
        }
        let Err(refused) = self.shop.orders.submit_order(other).await else {
            anyhow::bail!("other content under the same number was taken");
        };
        ensure!(
            refused.code() == tonic::Code::AlreadyExists,
            "other content was answered with {:?}",
            refused.code()
        );
        Ok((
            (),
            vec![
                "recognised as a repeat; the ERP holds 1 document".into(),
                "other content under the same number: ALREADY_EXISTS".into(),
            ],
        ))
    }

    pub(super) async fn ship_and_invoice(&mut self, number: &str) -> Told<()> {
        let tracking = format!("00340434{}", self.run);
        let began = Instant::now();
        self.office.ship(number, "DHL", &tracking).await?;
        let shipped = |order: &OrderView| {
            !order.lines.is_empty()
                && order
                    .lines
                    .iter()
                    .all(|line| line.state() == LineState::Delivered)
        };
        let order = self
            .shop
            .watch(number, |order| shipped(order) || all_invoiced(order))
            .await?;
        let parcel = order.parcels.first().context("the order shows no parcel")?;
        ensure!(
            parcel.tracking_number == tracking,
            "the parcel's tracking number is {:?}",
            parcel.tracking_number
        );
        let first = format!(
            "delivered with {} {}, {} after posting",
            parcel.carrier,
            parcel.tracking_number,
            took(began.elapsed())
        );
        let began = Instant::now();
        self.office.invoice(number).await?;
        let order = self.shop.watch(number, all_invoiced).await?;
        let invoice = order
            .documents
            .iter()
            .find(|document| document.kind == "invoice")
            .context("the order shows no invoice")?;
        Ok((
            (),
            vec![
                first,
                format!(
                    "invoiced with {}, {} after posting",
                    invoice.number,
                    took(began.elapsed())
                ),
            ],
        ))
    }

    pub(super) async fn bad_order(&mut self) -> Told<()> {
        let number = self.order_number(2);
        let mut request = self
            .shop
            .order(&number, &format!("SHOP-{}", self.run), &WISHES)
            .await?;
        let good = request.order.clone().context("an order")?;
        if let Some(order) = request.order.as_mut() {
            order.lines[0].item_number = "NO-SUCH-ITEM".into();
            if let Some(totals) = order.totals.as_mut() {
                totals.gross = totals
                    .gross
                    .as_ref()
                    .map(|gross| euro(crate::demo::shop::number(gross) + Decimal::ONE));
            }
        }
        let answer = self.shop.orders.submit_order(request).await?.into_inner();
        let held = answer.order.context("answer without an order")?;
        ensure!(
            held.state() == OrderState::Held,
            "the order is {:?}",
            held.state()
        );
        ensure!(
            held.hold_reasons.len() >= 2,
            "only {} reasons are given",
            held.hold_reasons.len()
        );
        let mut lines: Vec<_> = held
            .hold_reasons
            .iter()
            .map(|reason| format!("held: {}", reason.message))
            .collect();
        let began = Instant::now();
        let mend = MendOrderRequest {
            channel: CHANNEL.into(),
            order_number: number.clone(),
            order: Some(good),
            personal: None,
            note: "wrong item number and total corrected with the shop".into(),
            expected_version: held.version,
        };
        self.shop.admin.mend_order(mend).await?;
        let order = self.shop.posted(&number).await?;
        lines.push(format!(
            "mended by an operator; posted {} later",
            took(began.elapsed())
        ));
        lines.push(self.compare_with_erp(&number, &order).await?);
        Ok(((), lines))
    }

    pub(super) async fn silence(&mut self) -> Told<()> {
        let number = self.order_number(3);
        let request = self
            .shop
            .order(&number, &format!("SHOP-{}", self.run), &WISHES)
            .await?;
        let began = Instant::now();
        self.office.fall_silent(SILENCE).await?;
        self.shop.orders.submit_order(request).await?;
        let accepted = took(began.elapsed());
        let order = self.shop.posted(&number).await?;
        let posted = took(began.elapsed());
        let documents = self.office.sales_documents(&number).await?;
        ensure!(
            documents == 1,
            "the ERP holds {documents} documents for order {number}"
        );
        let line = self.compare_with_erp(&number, &order).await?;
        Ok((
            (),
            vec![
                format!(
                    "order {number} durable after {accepted} although the ERP was silent, posted after {posted}"
                ),
                line,
            ],
        ))
    }

    /// The customer in the ERP, against who bought.
    async fn customer_in_erp(&self, number: &str) -> Result<String> {
        let customer = self.office.customer(number).await?;
        let customer = customer.with_context(|| format!("the ERP has no customer {number:?}"))?;
        let mail = format!("shop-{}@example.com", self.run);
        for (field, expected) in [("displayName", BUYER), ("email", &mail)] {
            ensure!(
                customer[field] == expected,
                "{field} of customer {number} is {} in the ERP, {expected:?} bought",
                customer[field]
            );
        }
        Ok(format!("new customer {number} in the ERP: {BUYER}"))
    }

    /// The order in the ERP, line by line and total by total, against what the shop sold.
    async fn compare_with_erp(&mut self, order_number: &str, view: &OrderView) -> Result<String> {
        let sold = view
            .order
            .as_ref()
            .and_then(|order| order.totals.as_ref())
            .context("order without totals")?;
        let gross = sold
            .gross
            .as_ref()
            .map(number)
            .context("order without a gross total")?;
        let net = sold
            .net
            .as_ref()
            .map(number)
            .context("order without a net total")?;
        let booked = self.office.booked(order_number).await?;
        ensure!(
            booked.gross == gross && booked.net == net,
            "sold {net} / {gross}, booked {} / {}",
            booked.net,
            booked.gross
        );
        Ok(format!(
            "sales order {}: net {net} EUR, gross {gross} EUR, as sold",
            booked.number
        ))
    }
}

fn all_invoiced(order: &OrderView) -> bool {
    !order.lines.is_empty()
        && order
            .lines
            .iter()
            .all(|line| line.state() == LineState::Invoiced)
}
