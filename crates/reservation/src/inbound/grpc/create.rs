//! A reservation is made: once, within the limits, all lines or none. Whoever made it is answered as before, whatever has changed
//! since.

use millrace_contract::personal::v1::Personal;
use millrace_contract::reservation::v1 as proto;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Faults, rejection};
use millrace_values::{Channel, Timestamp};
use tonic::{Code, Request, Status};
use tracing::info;

use super::underway::Place;
use super::{CREATE, ReservationApi, refusal};
use crate::domain::shelf::NotThere;
use crate::domain::{Requested, Reservation, Store, Taken};
use crate::reservations::{Actor, ReservationError};
use crate::wire;

/// What a shop asks for, well-formed.
struct Wish {
    /// Without the contact.
    reservation: Reservation,
    contact: Option<Personal>,
    content_hash: Vec<u8>,
}

impl ReservationApi {
    pub(super) async fn create(
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
        let (Some(reservation), Some(contact)) = (read, contact) else {
            return Err(faults.into_status());
        };
        let wish = Wish {
            content_hash: wire::content_hash(&reservation),
            reservation,
            contact,
        };
        let number = &wish.reservation.number;
        let refused = match self.make(channel, &wish, &actor).await {
            Ok(taken) => {
                desk.made.inc();
                info!(reservation.number = %number, "reservation {number} is made");
                return Ok(answer(&taken, false));
            }
            Err(refused) => refused,
        };
        if !matches!(
            refused.code(),
            Code::NotFound | Code::FailedPrecondition | Code::Aborted
        ) {
            return Err(refused);
        }
        match self.seen_before(&wish).await? {
            Some(seen) => Ok(answer(&seen, true)),
            None => {
                desk.refused.inc();
                Err(refused)
            }
        }
    }

    async fn make(&self, channel: &Channel, wish: &Wish, actor: &Actor) -> Result<Taken, Status> {
        let desk = &self.desk;
        let mut reservation = wish.reservation.clone();
        let store = desk.store(channel, &reservation.store)?;
        let side = desk.erp.as_ref();
        let side = side.filter(|side| side.erp.code() == &reservation.erp);
        if side.is_some_and(|side| side.warehouses.is_missing(&store.location)) {
            let store = &store.location;
            return Err(rejection::precondition(
                "NO_RESERVATION_WAREHOUSE",
                format!("store {store} has no warehouse where it could put goods aside"),
            ));
        }
        if let Some((reason, why)) = store.beyond(&reservation.lines) {
            return Err(rejection::precondition(reason, why));
        }
        let lines = desk.lines(&reservation, false).await?;
        let place = self.within_the_limit(&reservation, store).await?;
        if let Some(contact) = &wish.contact {
            let sealed = wire::seal(&desk.sealer, &reservation, contact).await;
            reservation.contact = Some(sealed.map_err(refusal::not_sealed)?);
        }
        let number = reservation.number.clone();
        let now = desk.reservations.now();
        let mut requested = Requested {
            reservation: Box::new(reservation),
            content_hash: wish.content_hash.clone(),
            at: Timestamp(now),
            answer_by: store.answer_by(now),
            lines,
            same_person: true,
        };
        let mut outcome = desk.reservations.request(requested.clone(), actor).await;
        let unknown = matches!(
            &outcome,
            Err(ReservationError::NotThere {
                why: NotThere::Unknown,
                ..
            })
        );
        if unknown {
            // The number may stand for another item by now.
            requested.lines = desk.lines(&requested.reservation, true).await?;
            outcome = desk.reservations.request(requested, actor).await;
        }
        let made = outcome
            .map_err(|error| refusal::failed(error, number.as_str()))?
            .ok_or_else(|| rejection::conflict("changed meanwhile, try again"))?;
        if let Some(place) = place {
            place.keep();
        }
        Ok(made)
    }

    /// A customer may have so many that have not ended. His place among them; `None`: nobody counts.
    async fn within_the_limit(
        &self,
        reservation: &Reservation,
        store: &Store,
    ) -> Result<Option<Place>, Status> {
        let (Some(customer), Some(most)) = (&reservation.customer, store.limits.open_per_customer)
        else {
            return Ok(None);
        };
        let desk = &self.desk;
        let who = (reservation.channel.clone(), customer.clone());
        let now = desk.reservations.now();
        // Before rows are looked at: whoever is not among the others yet sees this one.
        let (place, others) = desk.underway.join(who, &reservation.stream(), now);
        let open = desk
            .listing
            .open_of(&reservation.channel, customer, &others);
        let open = open.await.map_err(|error| refusal::away(&error))?;
        if open < most {
            return Ok(Some(place));
        }
        Err(rejection::precondition(
            "TOO_MANY_OPEN",
            format!("this customer has {open} open reservations already"),
        ))
    }

    /// The reservation of this number, if it is this one. `None`: there is none.
    async fn seen_before(&self, wish: &Wish) -> Result<Option<Taken>, Status> {
        let desk = &self.desk;
        let loaded = desk.reservations.load(&wish.reservation.stream()).await;
        let Some(loaded) = loaded.map_err(|error| refusal::away(&error))? else {
            return Ok(None);
        };
        // What was erased nobody can compare any more.
        let same_person = match (&loaded.taken.reservation.contact, &wish.contact) {
            (None, None) => true,
            (Some(_), Some(contact)) => desk
                .contact(&loaded.taken)
                .await?
                .is_none_or(|known| known == *contact),
            (Some(_), None) | (None, Some(_)) => false,
        };
        match loaded.taken.made_again(&wish.content_hash, same_person) {
            Ok(()) => Ok(Some(loaded.taken)),
            Err(rejection) => {
                let number = wish.reservation.number.as_str();
                Err(refusal::failed(
                    ReservationError::Rejected(rejection),
                    number,
                ))
            }
        }
    }
}

fn answer(taken: &Taken, repeated: bool) -> proto::CreateReservationResponse {
    proto::CreateReservationResponse {
        reservation: Some(wire::view(taken)),
        repeated,
    }
}
