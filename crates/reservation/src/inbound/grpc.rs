//! `reservation.v1.ReservationService`.

use std::sync::Arc;

use millrace_contract::personal::v1::Personal;
use millrace_contract::reservation::v1 as proto;
use millrace_contract::reservation::v1::reservation_service_server::ReservationService;
use millrace_event_store::{SealError, Sealer};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::trace::TraceContext;
use millrace_service_kit::{Ids, rejection};
use millrace_values::{
    Channel, ChannelCode, Channels, CustomerNumber, LocationCode, Quantity, ReservationNumber,
    Timestamp,
};
use tonic::{Request, Response, Status};
use tracing::{info, instrument};

use super::refusal;
use crate::config::Stores;
use crate::domain::{
    CancelReason, Command, LineStatus, Requested, Reservation, Store, Taken, stream,
};
use crate::read_model::{Figures, Listing, Which, asked};
use crate::reservations::{Actor, Loaded, ReservationError, Reservations};
use crate::wire::{self, Faults};

const CREATE: &str = "reservation:create";
const READ: &str = "reservation:read";
const STORE: &str = "reservation:store";
const PERSONAL: &str = "reservation:personal";

const MOST: u32 = 1000;
const USUAL: u32 = 100;
const LONGEST_NOTE: usize = 250;

/// What the calls need. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub reservations: Reservations,
    pub figures: Figures,
    pub listing: Listing,
    pub stores: Arc<Stores>,
    pub sealer: Arc<Sealer>,
    pub channels: Arc<Channels>,
    pub ids: Ids,
    pub made: Counter,
    pub refused: Counter,
}

#[derive(Clone)]
pub struct ReservationApi {
    desk: Desk,
}

impl Desk {
    /// The channel named in a request, if the caller may use one of `scopes` there.
    fn channel(
        &self,
        caller: &Caller,
        scopes: &[&str],
        field: &str,
        name: &str,
    ) -> Result<&Channel, Status> {
        let code = ChannelCode::parse(name)
            .map_err(|error| rejection::bad_request(field, error.to_string()))?;
        let mut refused = None;
        for scope in scopes {
            match caller.may(scope, code.as_str()) {
                Ok(()) => {
                    return self
                        .channels
                        .find(&code)
                        .ok_or_else(|| rejection::not_found("channel", code.as_str()));
                }
                Err(status) => refused = refused.or(Some(status)),
            }
        }
        Err(refused.unwrap_or_else(|| rejection::denied("MISSING_SCOPE", "no scope allows it")))
    }

    fn store(&self, channel: &Channel, location: &LocationCode) -> Result<&Store, Status> {
        self.stores
            .of(&channel.code, location)
            .ok_or_else(|| rejection::not_found("store", location.as_str()))
    }

    fn actor<T>(&self, caller: &Caller, request: &Request<T>) -> Actor {
        let trace = TraceContext::of_request(request, &self.ids);
        Actor {
            name: caller.name().to_owned(),
            traceparent: Some(trace.to_string()),
        }
    }

    async fn load(&self, channel: &Channel, number: &str) -> Result<Loaded, Status> {
        let number = number_of("reservation_number", number)?;
        let loaded = self
            .reservations
            .load(&stream(&channel.code, &number))
            .await;
        loaded
            .map_err(|error| refusal::away(&error))?
            .ok_or_else(|| rejection::not_found("reservation", number.as_str()))
    }

    /// The items that lines stand for, as the figures know them.
    async fn lines(&self, reservation: &Reservation) -> Result<Vec<LineStatus>, Status> {
        let keys: Vec<String> = reservation
            .lines
            .iter()
            .map(|line| asked(&reservation.erp, &line.item, line.variant.as_ref()))
            .collect();
        let shown = self.figures.of(&keys).await;
        let shown = shown.map_err(|error| refusal::away(&error))?;
        let lines = reservation.lines.iter().zip(&keys).map(|(line, key)| {
            let shown = shown.get(key).ok_or_else(|| {
                rejection::precondition(
                    "UNKNOWN_ITEM",
                    format!("line {}: nobody knows item {}", line.number, line.item),
                )
            })?;
            Ok(LineStatus {
                line: line.number,
                requested: line.quantity,
                unit: shown.unit.clone(),
                found: Quantity::ZERO,
                cancelled: Quantity::ZERO,
                picked_up: Quantity::ZERO,
                returned: Quantity::ZERO,
                item: shown.item,
                variant: line.variant.clone(),
            })
        });
        lines.collect()
    }

    async fn contact(&self, taken: &Taken) -> Result<Option<Personal>, Status> {
        let Some(sealed) = &taken.reservation.contact else {
            return Ok(None);
        };
        match wire::open(&self.sealer, sealed, &taken.reservation.stream()).await {
            Ok(contact) => Ok(Some(contact)),
            Err(SealError::Erased) => Ok(None),
            Err(error) => Err(refusal::not_sealed(error)),
        }
    }

    /// Carries out a command on one reservation.
    async fn carry_out(
        &self,
        channel: &Channel,
        number: &str,
        command: Command,
        actor: &Actor,
    ) -> Result<Taken, Status> {
        let number = number_of("reservation_number", number)?;
        self.reservations
            .carry_out(&stream(&channel.code, &number), command, actor)
            .await
            .map_err(|error| refusal::failed(error, number.as_str()))
    }
}

fn number_of(field: &str, number: &str) -> Result<ReservationNumber, Status> {
    ReservationNumber::parse(number)
        .map_err(|error| rejection::bad_request(field, error.to_string()))
}

fn location_of(store: &str) -> Result<LocationCode, Status> {
    LocationCode::parse(store).map_err(|error| rejection::bad_request("store", error.to_string()))
}

fn note_of(note: &str) -> Result<String, Status> {
    let note = note.trim();
    if note.chars().count() > LONGEST_NOTE || note.chars().any(char::is_control) {
        let why =
            format!("is longer than {LONGEST_NOTE} characters, or holds one that is not allowed");
        return Err(rejection::bad_request("note", why));
    }
    Ok(note.to_owned())
}

impl ReservationApi {
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    async fn create(
        &self,
        request: Request<proto::CreateReservationRequest>,
    ) -> Result<proto::CreateReservationResponse, Status> {
        let desk = &self.desk;
        let caller = Caller::of(&request)?;
        let actor = desk.actor(&caller, &request);
        let proto::CreateReservationRequest {
            reservation,
            contact,
        } = request.into_inner();
        let mut reservation =
            reservation.ok_or_else(|| rejection::bad_request("reservation", "is missing"))?;
        let channel = desk.channel(
            &caller,
            &[CREATE],
            "reservation.channel",
            &reservation.channel,
        )?;
        reservation.contact = None;
        let mut faults = Faults::default();
        let is_guest = reservation.customer_number.trim().is_empty();
        let read = faults.gather(wire::read_reservation(&reservation, &channel.erp));
        let contact = faults.gather(wire::read_contact(contact.as_ref(), is_guest));
        let (Some(mut reservation), Some(contact)) = (read, contact) else {
            return Err(faults.into_status());
        };
        let store = desk.store(channel, &reservation.store)?;
        if let Some((reason, why)) = store.beyond(&reservation.lines) {
            return Err(rejection::precondition(reason, why));
        }
        let content_hash = wire::content_hash(&reservation);
        let lines = desk.lines(&reservation).await?;
        if let Some(contact) = &contact {
            let sealed = wire::seal(&desk.sealer, &reservation, contact).await;
            reservation.contact = Some(sealed.map_err(refusal::not_sealed)?);
        }
        let number = reservation.number.clone();
        let requested = Requested {
            reservation: Box::new(reservation),
            content_hash,
            at: Timestamp(desk.reservations.now()),
            lines,
            same_person: true,
        };
        if let Some(seen) = self
            .over_the_limit(&requested, contact.as_ref(), store)
            .await?
        {
            return Ok(answer(&seen, true));
        }
        match desk.reservations.request(requested.clone(), &actor).await {
            Ok(Some(taken)) => {
                desk.made.inc();
                info!(reservation.number = %number, "reservation {number} is made");
                Ok(answer(&taken, false))
            }
            Ok(None) => {
                let seen = self.seen_before(&requested, contact.as_ref()).await?;
                let seen = seen.ok_or_else(|| rejection::conflict("changed meanwhile, try again"));
                Ok(answer(&seen?, true))
            }
            // Made before, it holds what is not there for others.
            Err(error @ ReservationError::NotThere { .. }) => {
                match self.seen_before(&requested, contact.as_ref()).await? {
                    Some(seen) => Ok(answer(&seen, true)),
                    None => {
                        desk.refused.inc();
                        Err(refusal::failed(error, number.as_str()))
                    }
                }
            }
            Err(error) => Err(refusal::failed(error, number.as_str())),
        }
    }

    /// A customer may have so many that have not ended, this one not counted when it is made again: then it is the answer.
    async fn over_the_limit(
        &self,
        requested: &Requested,
        contact: Option<&Personal>,
        store: &Store,
    ) -> Result<Option<Taken>, Status> {
        let reservation = &requested.reservation;
        let Some(customer) = &reservation.customer else {
            return Ok(None);
        };
        let open = self
            .desk
            .listing
            .open_of(&reservation.channel, customer)
            .await
            .map_err(|error| refusal::away(&error))?;
        if open < store.limits.open_per_customer {
            return Ok(None);
        }
        if let Some(seen) = self.seen_before(requested, contact).await? {
            return Ok(Some(seen));
        }
        Err(rejection::precondition(
            "TOO_MANY_OPEN",
            format!("this customer has {open} open reservations already"),
        ))
    }

    /// The reservation of this number, if it is this one. `None`: there is none.
    async fn seen_before(
        &self,
        requested: &Requested,
        contact: Option<&Personal>,
    ) -> Result<Option<Taken>, Status> {
        let desk = &self.desk;
        let reservation = &requested.reservation;
        let loaded = desk.reservations.load(&reservation.stream()).await;
        let Some(loaded) = loaded.map_err(|error| refusal::away(&error))? else {
            return Ok(None);
        };
        // What was erased nobody can compare any more.
        let same_person = match (&loaded.taken.reservation.contact, contact) {
            (None, None) => true,
            (Some(_), Some(contact)) => desk
                .contact(&loaded.taken)
                .await?
                .is_none_or(|known| known == *contact),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if loaded.taken.content_hash == requested.content_hash && same_person {
            return Ok(Some(loaded.taken));
        }
        let rejected = ReservationError::Rejected(crate::domain::Rejection::OtherContent);
        Err(refusal::failed(rejected, reservation.number.as_str()))
    }
}

fn answer(taken: &Taken, repeated: bool) -> proto::CreateReservationResponse {
    proto::CreateReservationResponse {
        reservation: Some(wire::view(taken)),
        repeated,
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
        let channel = desk.channel(&caller, &[READ], "channel", &request.channel)?;
        let store = match request.store.trim() {
            "" => None,
            store => Some(desk.store(channel, &location_of(store)?)?.location.clone()),
        };
        let state = proto::ReservationState::try_from(request.state).map_err(|_| {
            let why = format!("{} is no state of a reservation", request.state);
            rejection::bad_request("state", why)
        })?;
        let limit = match request.page_size {
            0 => USUAL,
            asked @ 1..=MOST => asked,
            asked => {
                let why = format!("{asked} is above {MOST}");
                return Err(rejection::bad_request("page_size", why));
            }
        };
        let which = Which {
            channel: channel.code.clone(),
            store,
            state,
            after: position(&request.page_token)?,
            limit: limit as usize,
        };
        let page = desk.listing.page(&which).await;
        let page = page.map_err(|error| refusal::away(&error))?;
        Ok(Response::new(proto::ListReservationsResponse {
            reservations: page.reservations,
            next_page_token: page
                .next
                .map(|position| format!("p{position:x}"))
                .unwrap_or_default(),
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
        let loaded = desk.load(channel, &request.reservation_number).await?;
        let reservation = &loaded.taken.reservation;
        let store = desk.store(channel, &reservation.store)?;
        let command = Command::Post {
            found,
            document_number: reservation.number.to_string(),
            collect_by: store.collect_by(&channel.code, desk.reservations.now()),
        };
        let number = &request.reservation_number;
        let taken = desk.carry_out(channel, number, command, &actor).await?;
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
        let store = desk.store(channel, &location)?;
        let document = number_of("document_number", &request.document_number)?;
        let customer = CustomerNumber::parse_optional(&request.customer_number)
            .map_err(|error| rejection::bad_request("customer_number", error.to_string()))?;
        let found = desk
            .listing
            .with_document(&channel.code, &store.location, document.as_str())
            .await
            .map_err(|error| refusal::away(&error))?;
        let Some(stream) = found else {
            return Err(rejection::not_found("reservation", document.as_str()));
        };
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

/// A token is opaque to callers: the position to go on from.
fn position(token: &str) -> Result<i64, Status> {
    if token.is_empty() {
        return Ok(0);
    }
    token
        .strip_prefix('p')
        .and_then(|digits| i64::from_str_radix(digits, 16).ok())
        .filter(|position| *position > 0)
        .ok_or_else(|| rejection::bad_request("page_token", "was not given out by this call"))
}
