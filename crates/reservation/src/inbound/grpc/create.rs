//! A reservation is made: once, within the limits, all lines or none.

use millrace_contract::personal::v1::Personal;
use millrace_contract::reservation::v1 as proto;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Faults, rejection};
use millrace_values::Timestamp;
use tonic::{Request, Status};
use tracing::info;

use super::{CREATE, ReservationApi, refusal};
use crate::domain::shelf::NotThere;
use crate::domain::{Rejection, Requested, Store, Taken};
use crate::reservations::ReservationError;
use crate::wire;

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
        let (Some(mut reservation), Some(contact)) = (read, contact) else {
            return Err(faults.into_status());
        };
        let store = desk.store(channel, &reservation.store)?;
        if let Some((reason, why)) = store.beyond(&reservation.lines) {
            return Err(rejection::precondition(reason, why));
        }
        let content_hash = wire::content_hash(&reservation);
        let lines = desk.lines(&reservation, false).await?;
        if let Some(contact) = &contact {
            let sealed = wire::seal(&desk.sealer, &reservation, contact).await;
            reservation.contact = Some(sealed.map_err(refusal::not_sealed)?);
        }
        let number = reservation.number.clone();
        let mut requested = Requested {
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
        let mut outcome = desk.reservations.request(requested.clone(), &actor).await;
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
            outcome = desk.reservations.request(requested.clone(), &actor).await;
        }
        match outcome {
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
        let (Some(customer), Some(most)) = (&reservation.customer, store.limits.open_per_customer)
        else {
            return Ok(None);
        };
        let open = self
            .desk
            .listing
            .open_of(&reservation.channel, customer)
            .await
            .map_err(|error| refusal::away(&error))?;
        if open < most {
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
        let rejected = ReservationError::Rejected(Rejection::OtherContent);
        Err(refusal::failed(rejected, reservation.number.as_str()))
    }
}

fn answer(taken: &Taken, repeated: bool) -> proto::CreateReservationResponse {
    proto::CreateReservationResponse {
        reservation: Some(wire::view(taken)),
        repeated,
    }
}
