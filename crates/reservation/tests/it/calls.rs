//! Calls as shops and stores make them.

use millrace_contract::reservation::v1 as proto;
use millrace_contract::reservation::v1::ReservationState;

use crate::world::{CHANNEL, Instance, STORE, pieces};

pub fn get(number: &str) -> proto::GetReservationRequest {
    proto::GetReservationRequest {
        channel: CHANNEL.to_owned(),
        reservation_number: number.to_owned(),
        include_personal: false,
    }
}

pub fn post(number: &str, found: &[(u32, i64)]) -> proto::PostReservationRequest {
    let found = found.iter().map(|(line, count)| proto::FoundLine {
        line_number: *line,
        quantity: Some(pieces(*count)),
    });
    proto::PostReservationRequest {
        channel: CHANNEL.to_owned(),
        reservation_number: number.to_owned(),
        found: found.collect(),
    }
}

pub fn pick_up(document: &str) -> proto::PickUpReservationRequest {
    proto::PickUpReservationRequest {
        channel: CHANNEL.to_owned(),
        store: STORE.to_owned(),
        document_number: document.to_owned(),
        customer_number: String::new(),
    }
}

pub fn cancel(number: &str) -> proto::CancelReservationRequest {
    proto::CancelReservationRequest {
        channel: CHANNEL.to_owned(),
        reservation_number: number.to_owned(),
        note: "changed my mind".to_owned(),
    }
}

pub fn work() -> proto::ListReservationsRequest {
    proto::ListReservationsRequest {
        channel: CHANNEL.to_owned(),
        store: STORE.to_owned(),
        state: ReservationState::Requested.into(),
        ..Default::default()
    }
}

pub async fn view_of(instance: &Instance, number: &str) -> proto::ReservationView {
    let answer = instance.shop.clone().get_reservation(get(number)).await;
    answer.unwrap().into_inner().reservation.unwrap()
}

pub async fn state_of(instance: &Instance, number: &str) -> ReservationState {
    view_of(instance, number).await.state()
}
