//! `reservation.v1.ReservationService`.

mod create;
mod desk;
mod refusal;
mod underway;

use std::collections::HashSet;

use millrace_contract::reservation::v1 as proto;
use millrace_contract::reservation::v1::reservation_service_server::ReservationService;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Faults, page, rejection};
use millrace_values::{CustomerNumber, Quantity};
use tonic::{Request, Response, Status};
use tracing::instrument;

use crate::domain::{CancelReason, Command, Phase, Rejection};
use crate::outbound::CarryError;
use crate::read_model::Which;
use crate::reservations::ReservationError;
use crate::wire;
pub use desk::Desk;
use desk::{location_of, note_of, number_of};
pub use underway::Underway;

const CREATE: &str = "reservation:create";
const READ: &str = "reservation:read";
const STORE: &str = "reservation:store";
const PERSONAL: &str = "reservation:personal";

#[derive(Clone)]
pub struct ReservationApi {
    desk: Desk,
}

impl ReservationApi {
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

#[tonic::async_trait]
impl ReservationService for ReservationApi {
    #[instrument(skip_all)]
    async fn create_reservation(
        &self,
        request: Request<proto::CreateReservationRequest>,
    ) -> Result<Response<proto::CreateReservationResponse>, Status> {
        self.create(request).await.map(Response::new)
    }

    #[instrument(skip_all)]
    async fn get_reservation(
        &self,
        request: Request<proto::GetReservationRequest>,
    ) -> Result<Response<proto::GetReservationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let desk = &self.desk;
        let channel = desk.channel(&caller, &[READ], "channel", &request.channel)?;
        if request.include_personal {
            caller.may(PERSONAL, channel.code.as_str())?;
        }
        let loaded = desk.load(channel, &request.reservation_number).await?;
        let mut view = wire::view(&loaded.taken);
        if request.include_personal {
            view.contact = desk.contact(&loaded.taken).await?;
        }
        Ok(Response::new(proto::GetReservationResponse {
            reservation: Some(view),
        }))
    }

    #[instrument(skip_all)]
    async fn list_reservations(
        &self,
        request: Request<proto::ListReservationsRequest>,
    ) -> Result<Response<proto::ListReservationsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let desk = &self.desk;
        let channel = match request.channel.as_str() {
            "" => {
                caller.may_anywhere(READ)?;
                caller.channel().map(str::to_owned)
            }
            code => {
                let channel = desk.channel(&caller, &[READ], "channel", code)?;
                Some(channel.code.to_string())
            }
        };
        let store = match request.store.trim() {
            "" => None,
            store => Some(location_of(store)?),
        };
        let state = proto::ReservationState::try_from(request.state).map_err(|_| {
            let why = format!("{} is no state of a reservation", request.state);
            rejection::bad_request("state", why)
        })?;
        let limit = page::size(request.page_size)?;
        let which = Which {
            channel,
            store,
            state,
            after: page::position(&request.page_token, 0)?,
            limit,
        };
        let page = desk.listing.page(&which).await;
        let page = page.map_err(|error| refusal::away(&error))?;
        let next_page_token = page::token(page.next);
        Ok(Response::new(proto::ListReservationsResponse {
            reservations: page.reservations,
            next_page_token,
        }))
    }

    #[instrument(skip_all)]
    async fn post_reservation(
        &self,
        request: Request<proto::PostReservationRequest>,
    ) -> Result<Response<proto::PostReservationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let desk = &self.desk;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, &[STORE], "channel", &request.channel)?;
        let mut faults = Faults::default();
        check_lines(&request.found, &mut faults);
        let found = request
            .found
            .iter()
            .enumerate()
            .filter_map(|(index, line)| {
                let field = format!("found[{index}].quantity");
                let quantity = wire::read_quantity(line.quantity.as_ref(), &field, &mut faults)?;
                Some((line.line_number, quantity))
            });
        let found: Vec<(u32, Quantity)> = found.collect();
        if !faults.is_empty() {
            return Err(faults.into_status());
        }
        let number = &request.reservation_number;
        let loaded = desk.load(channel, number).await?;
        let reservation = &loaded.taken.reservation;
        let store = desk.stores.of_reservation(reservation);
        let command = Command::Post {
            found: found.clone(),
            document_number: reservation.number.to_string(),
            collect_by: store.collect_by(&channel.code, desk.reservations.now()),
        };
        let taken = match desk.erp_side(&reservation.erp).await? {
            Some(side) => {
                // What the ERP would do with it need not be asked where it is wrong, or done.
                match loaded.taken.would(command) {
                    Ok(true) => side.post(loaded.taken, &found).await,
                    Ok(false) => Ok(loaded.taken),
                    Err(rejection) => Err(ReservationError::Rejected(rejection).into()),
                }
                .map_err(|error| refusal::carried(error, number))?
            }
            None if loaded.taken.transfer.is_some() => {
                return Err(refusal::carried(CarryError::NoPart, number));
            }
            None => desk.carry_out(channel, number, command, &actor).await?,
        };
        match taken.phase {
            Phase::Cancelled(CancelReason::RefusedByErp) => {
                let why = format!("the erp refuses reservation {number}; it is cancelled");
                return Err(rejection::precondition("ERP_REFUSED", why));
            }
            Phase::Requested | Phase::Posted | Phase::Cancelled(CancelReason::NotFound) => {}
            // It ended while the store looked.
            Phase::PickedUp | Phase::Cancelled(_) | Phase::Expired => {
                let ended = ReservationError::Rejected(Rejection::Ended);
                return Err(refusal::failed(ended, number));
            }
        }
        Ok(Response::new(proto::PostReservationResponse {
            reservation: Some(wire::view(&taken)),
        }))
    }

    #[instrument(skip_all)]
    async fn cancel_reservation(
        &self,
        request: Request<proto::CancelReservationRequest>,
    ) -> Result<Response<proto::CancelReservationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let desk = &self.desk;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, &[CREATE, STORE], "channel", &request.channel)?;
        let by_shop = caller.may(CREATE, channel.code.as_str()).is_ok();
        let command = Command::Cancel {
            reason: if by_shop {
                CancelReason::ByShop
            } else {
                CancelReason::ByStore
            },
            note: note_of(&request.note)?,
        };
        let number = &request.reservation_number;
        let taken = desk.carry_out(channel, number, command, &actor).await?;
        Ok(Response::new(proto::CancelReservationResponse {
            reservation: Some(wire::view(&taken)),
        }))
    }

    #[instrument(skip_all)]
    async fn pick_up_reservation(
        &self,
        request: Request<proto::PickUpReservationRequest>,
    ) -> Result<Response<proto::PickUpReservationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let desk = &self.desk;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, &[STORE], "channel", &request.channel)?;
        let location = location_of(&request.store)?;
        let document = number_of("document_number", &request.document_number)?;
        let customer = CustomerNumber::parse_optional(&request.customer_number)
            .map_err(|error| rejection::bad_request("customer_number", error.to_string()))?;
        // Its bar code says the same.
        let stream = desk
            .with_document(channel, &location, document.as_str())
            .await?;
        let taken = desk
            .reservations
            .carry_out(&stream, Command::PickUp { customer }, &actor)
            .await
            .map_err(|error| refusal::failed(error, document.as_str()))?;
        Ok(Response::new(proto::PickUpReservationResponse {
            reservation: Some(wire::view(&taken)),
        }))
    }
}

/// No more lines than a reservation may have, and none twice.
fn check_lines(found: &[proto::FoundLine], faults: &mut Faults) {
    if found.len() > wire::MOST_LINES {
        let (count, most) = (found.len(), wire::MOST_LINES);
        faults.add("found", format_args!("{count} lines are more than {most}"));
        return;
    }
    let mut numbers = HashSet::new();
    for (index, line) in found.iter().enumerate() {
        if !numbers.insert(line.line_number) {
            let number = line.line_number;
            let field = format!("found[{index}].line_number");
            faults.add(field, format_args!("{number} is there twice"));
        }
    }
}
