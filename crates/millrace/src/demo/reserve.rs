//! The tour's visit to a store: goods held for a customer, found, fetched.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_contract::changes::v1::Change;
use millrace_contract::personal::v1::Personal;
use millrace_contract::reservation::v1::{
    CreateReservationRequest, PickUpReservationRequest, PostReservationRequest, ReservationState,
};
use millrace_contract::reservations::v1::{Reservation, ReservationLine};
use millrace_contract::values::v1::Quantity;
use millrace_service_kit::{Clock, SystemClock};
use rust_decimal::Decimal;
use tonic::Code;

use super::screen::took;
use super::shop::CHANNEL;
use super::tour::{Told, Tour, next};

const STORE: &str = "STORE-HH";
const ITEM: &str = "1700";
const PIECES: i64 = 2;

impl Tour {
    pub(super) async fn reserve(&mut self) -> Told<()> {
        let number = format!("RES-{}", self.run);
        let mut feed = self.live_feed(&["reservations"]).await?;
        let pieces = Decimal::from(PIECES);
        self.office.move_stock(ITEM, "", STORE, pieces).await?;
        let began = Instant::now();
        // The store has them once its figure has come through.
        loop {
            let answer = self
                .shop
                .reservations
                .create_reservation(wish(&number, PIECES))
                .await;
            match answer {
                Ok(_) => break,
                Err(refused) if refused.code() == Code::FailedPrecondition => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        let held = took(began.elapsed());
        let greedy = format!("{number}-MORE");
        let refused = self
            .shop
            .reservations
            .create_reservation(wish(&greedy, 1_000))
            .await;
        ensure!(
            refused.is_err_and(|refused| refused.code() == Code::FailedPrecondition),
            "a thousand pieces were reserved"
        );
        let found = PostReservationRequest {
            channel: CHANNEL.to_owned(),
            reservation_number: number.clone(),
            found: vec![],
        };
        let posted = self.shop.staff.post_reservation(found).await?.into_inner();
        let posted = posted
            .reservation
            .context("an answer without a reservation")?;
        ensure!(
            !posted.in_millrace_alone,
            "the erp does not know of the reservation"
        );
        let fetched = self.fetch(&posted.document_number).await?;
        ensure!(
            fetched == ReservationState::PickedUp,
            "the reservation is {fetched:?} after it was fetched"
        );
        for event in ["Requested", "Placed", "Posted", "PickedUp", "Settled"] {
            let kind = format!("millrace.reservations.v1.Reservation{event}");
            next(&mut feed, |change: &Change| {
                let envelope = change.envelope.as_ref()?;
                let is_it = envelope.r#type == kind && envelope.key.ends_with(&number);
                is_it.then_some(())
            })
            .await?;
        }
        let lines = vec![
            format!(
                "{PIECES} × item {ITEM} held in {STORE}, {held} after they came in; a thousand refused"
            ),
            format!(
                "asked for in the ERP, found, posted there as {} and kept until {}; fetched with that number and moved back; the shop's feed told each step",
                posted.document_number, posted.collect_by
            ),
        ];
        Ok(((), lines))
    }

    async fn fetch(&mut self, document_number: &str) -> Result<ReservationState> {
        let pick_up = PickUpReservationRequest {
            channel: CHANNEL.to_owned(),
            store: STORE.to_owned(),
            document_number: document_number.to_owned(),
            customer_number: String::new(),
        };
        let answer = self.shop.staff.pick_up_reservation(pick_up).await?;
        let view = answer.into_inner().reservation;
        Ok(view.context("an answer without a reservation")?.state())
    }
}

fn wish(number: &str, pieces: i64) -> CreateReservationRequest {
    let now = SystemClock.now();
    CreateReservationRequest {
        reservation: Some(Reservation {
            channel: CHANNEL.to_owned(),
            reservation_number: number.to_owned(),
            store: STORE.to_owned(),
            // The same each time it is asked for.
            placed_at: Some(prost_types::Timestamp {
                seconds: now.as_second() / 86_400 * 86_400,
                nanos: 0,
            }),
            lines: vec![ReservationLine {
                line_number: 1,
                item_number: ITEM.to_owned(),
                variant_code: String::new(),
                quantity: Some(Quantity {
                    units: pieces,
                    nanos: 0,
                    unit: String::new(),
                }),
            }],
            ..Reservation::default()
        }),
        contact: Some(Personal {
            email: "frieda@example.com".to_owned(),
            ..Personal::default()
        }),
    }
}
