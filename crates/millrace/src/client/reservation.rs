//! `millrace reservation`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use millrace_contract::reservation::v1::reservation_service_client::ReservationServiceClient;
use millrace_contract::reservation::v1::{
    CancelReservationRequest, CreateReservationRequest, FoundLine, GetReservationRequest,
    ListReservationsRequest, PickUpReservationRequest, PostReservationRequest, ReservationState,
    ReservationView,
};
use millrace_contract::values::v1::Quantity;
use millrace_service_kit::{Clock, SystemClock, Timestamp};

use super::{Authorized, connect, document, print};
use crate::cli::{Output, ServerArgs};

const VIEW: &str = "millrace.reservation.v1.ReservationView";

#[derive(Debug, Subcommand)]
pub enum ReservationCommand {
    /// One reservation with its lines.
    Show {
        number: String,
        #[arg(long)]
        channel: String,
    },
    /// The channel's reservations, oldest first.
    List {
        #[arg(long)]
        channel: String,
        /// Only this store's, by the ERP's code of its location.
        #[arg(long)]
        store: Option<String>,
        /// Only those that stand there.
        #[arg(long)]
        state: Option<State>,
    },
    /// What a store is to look for, to be printed and taken along.
    PickList {
        #[arg(long)]
        channel: String,
        #[arg(long)]
        store: String,
    },
    /// Reserve, as JSON of `millrace.reservation.v1.CreateReservationRequest`.
    Create { file: PathBuf },
    /// Goods were found and put aside; nothing found cancels the reservation.
    Post {
        number: String,
        #[arg(long)]
        channel: String,
        /// What was found of a line, e.g. `1=2`; a line that is not named was found whole.
        #[arg(long, value_parser = found)]
        found: Vec<FoundLine>,
    },
    /// The customer is here: hand the goods over, found by the number of the posting.
    PickUp {
        document_number: String,
        #[arg(long)]
        channel: String,
        #[arg(long)]
        store: String,
        /// The ERP's number of the customer, to be compared.
        #[arg(long)]
        customer: Option<String>,
    },
    /// Give a reservation up for ever; the shop sees it cancelled.
    Cancel {
        number: String,
        #[arg(long)]
        channel: String,
        /// Why, without personal data.
        #[arg(long)]
        note: String,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum State {
    Requested,
    Posted,
    PickedUp,
    Cancelled,
    Expired,
}

impl From<State> for ReservationState {
    fn from(state: State) -> Self {
        match state {
            State::Requested => Self::Requested,
            State::Posted => Self::Posted,
            State::PickedUp => Self::PickedUp,
            State::Cancelled => Self::Cancelled,
            State::Expired => Self::Expired,
        }
    }
}

pub async fn run(command: ReservationCommand, server: &ServerArgs) -> Result<()> {
    let output = server.output;
    match command {
        ReservationCommand::Show { number, channel } => {
            let view = get(server, channel, number).await?;
            show(view.as_ref(), output)
        }
        ReservationCommand::List {
            channel,
            store,
            state,
        } => {
            let state = state.map(ReservationState::from).unwrap_or_default();
            for view in list(server, channel, store.unwrap_or_default(), state).await? {
                row(&view, output)?;
            }
            Ok(())
        }
        ReservationCommand::PickList { channel, store } => {
            let requested = ReservationState::Requested;
            let waiting = list(server, channel, store.clone(), requested).await?;
            if output == Output::Json {
                return waiting.iter().try_for_each(|view| print::json(VIEW, view));
            }
            for line in pick_list(&store, &waiting, SystemClock.now()) {
                print::line(&line)?;
            }
            Ok(())
        }
        ReservationCommand::Create { file } => {
            let request: CreateReservationRequest =
                document::read(&file, "millrace.reservation.v1.CreateReservationRequest")?;
            let answer = service(server).await?.create_reservation(request).await?;
            show(answer.into_inner().reservation.as_ref(), output)
        }
        ReservationCommand::Post {
            number,
            channel,
            found,
        } => {
            let request = PostReservationRequest {
                channel,
                reservation_number: number,
                found,
            };
            let answer = service(server).await?.post_reservation(request).await?;
            show(answer.into_inner().reservation.as_ref(), output)
        }
        ReservationCommand::PickUp {
            document_number,
            channel,
            store,
            customer,
        } => {
            let request = PickUpReservationRequest {
                channel,
                store,
                document_number,
                customer_number: customer.unwrap_or_default(),
            };
            let answer = service(server).await?.pick_up_reservation(request).await?;
            show(answer.into_inner().reservation.as_ref(), output)
        }
        ReservationCommand::Cancel {
            number,
            channel,
            note: _,
            dry_run: true,
        } => {
            let view = get(server, channel, number).await?;
            if output == Output::Text {
                print::line("would be given up for ever:")?;
            }
            show(view.as_ref(), output)
        }
        ReservationCommand::Cancel {
            number,
            channel,
            note,
            dry_run: false,
        } => {
            let request = CancelReservationRequest {
                channel,
                reservation_number: number,
                note,
            };
            let answer = service(server).await?.cancel_reservation(request).await?;
            show(answer.into_inner().reservation.as_ref(), output)
        }
    }
}

async fn service(server: &ServerArgs) -> Result<ReservationServiceClient<Authorized>> {
    Ok(ReservationServiceClient::new(connect(server).await?))
}

async fn get(
    server: &ServerArgs,
    channel: String,
    number: String,
) -> Result<Option<ReservationView>> {
    let request = GetReservationRequest {
        channel,
        reservation_number: number,
        include_personal: false,
    };
    let answer = service(server).await?.get_reservation(request).await?;
    Ok(answer.into_inner().reservation)
}

async fn list(
    server: &ServerArgs,
    channel: String,
    store: String,
    state: ReservationState,
) -> Result<Vec<ReservationView>> {
    let mut service = service(server).await?;
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListReservationsRequest {
            channel: channel.clone(),
            store: store.clone(),
            state: state.into(),
            page_size: 100,
            page_token,
        };
        let answer = service.list_reservations(request).await?.into_inner();
        all.extend(answer.reservations);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// `1=2`: two of line 1.
fn found(text: &str) -> Result<FoundLine, String> {
    let wrong = || format!("{text:?} is not like 1=2 (line=pieces)");
    let (line, pieces) = text.split_once('=').ok_or_else(wrong)?;
    let units: u32 = pieces.trim().parse().map_err(|_| wrong())?;
    Ok(FoundLine {
        line_number: line.trim().parse().map_err(|_| wrong())?,
        quantity: Some(Quantity {
            units: units.into(),
            nanos: 0,
            unit: String::new(),
        }),
    })
}

/// A page to take along: each line with a place to write what was found.
fn pick_list(store: &str, waiting: &[ReservationView], now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!(
        "{store}: {} reservations to look for, {}",
        waiting.len(),
        now.strftime("%Y-%m-%d %H:%M UTC")
    )];
    for view in waiting {
        let reservation = view.reservation.clone().unwrap_or_default();
        lines.push(String::new());
        lines.push(format!(
            "{:<24} waits {:<10} look by {}",
            reservation.reservation_number,
            age(view, now),
            view.answer_by
        ));
        for (line, status) in reservation.lines.iter().zip(&view.lines) {
            let item = match line.variant_code.as_str() {
                "" => line.item_number.clone(),
                variant => format!("{} {variant}", line.item_number),
            };
            let short = match status.short.as_ref() {
                Some(short) => format!("  ({} may be gone)", print::quantity(Some(short))),
                None => String::new(),
            };
            lines.push(format!(
                "  {:>3}  {item:<32} {:>6} × found: ______{short}",
                line.line_number,
                print::quantity(line.quantity.as_ref()),
            ));
        }
    }
    lines
}

/// Since it was made, in the largest unit that is not zero.
fn age(view: &ReservationView, now: Timestamp) -> String {
    let Some(at) = view.requested_at.as_ref() else {
        return "-".to_owned();
    };
    let seconds = (now.as_second() - at.seconds).max(0);
    match seconds {
        86_400.. => format!("{} d", seconds / 86_400),
        3_600.. => format!("{} h", seconds / 3_600),
        60.. => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

fn row(view: &ReservationView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print::json(VIEW, view);
    }
    let reservation = view.reservation.clone().unwrap_or_default();
    print::line(&format!(
        "{:<20} {:<10} {:<10} {:>8}  {} lines",
        reservation.reservation_number,
        reservation.store,
        state(view),
        age(view, SystemClock.now()),
        reservation.lines.len()
    ))
}

fn show(view: Option<&ReservationView>, output: Output) -> Result<()> {
    let Some(view) = view else { return Ok(()) };
    row(view, output)?;
    if output == Output::Json {
        return Ok(());
    }
    if !view.document_number.is_empty() {
        print::line(&format!(
            "  put aside as {}, kept until {}",
            view.document_number, view.collect_by
        ))?;
    }
    if view.in_millrace_alone {
        print::line("  the ERP has no part in it, or does not know it yet")?;
    }
    for line in &view.lines {
        let part = |name: &str, quantity: &Option<Quantity>| match quantity {
            Some(quantity) if quantity.units != 0 => {
                format!(", {name} {}", print::quantity(Some(quantity)))
            }
            Some(_) | None => String::new(),
        };
        print::line(&format!(
            "  line {}: requested {}{}{}{}{}{}",
            line.line_number,
            print::quantity(line.requested.as_ref()),
            part("found", &line.found),
            part("cancelled", &line.cancelled),
            part("picked up", &line.picked_up),
            part("returned", &line.returned),
            part("missing in the store", &line.short),
        ))?;
    }
    Ok(())
}

fn state(view: &ReservationView) -> String {
    let name = view.state().as_str_name();
    name.trim_start_matches("RESERVATION_STATE_").to_lowercase()
}

#[cfg(test)]
mod tests {
    use millrace_contract::reservations::v1::{LineStatus, Reservation, ReservationLine};

    use super::*;

    fn pieces(units: i64) -> Option<Quantity> {
        Some(Quantity {
            units,
            nanos: 0,
            unit: String::new(),
        })
    }

    #[test]
    fn a_pick_list_says_what_to_look_for_how_long_it_waits_and_what_may_be_gone() {
        let view = ReservationView {
            reservation: Some(Reservation {
                reservation_number: "R-1".to_owned(),
                lines: vec![ReservationLine {
                    line_number: 1,
                    item_number: "1000".to_owned(),
                    variant_code: "WEISS".to_owned(),
                    quantity: pieces(3),
                }],
                ..Reservation::default()
            }),
            lines: vec![LineStatus {
                line_number: 1,
                short: pieces(1),
                ..LineStatus::default()
            }],
            answer_by: "2026-11-30".to_owned(),
            requested_at: Some(prost_types::Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            ..ReservationView::default()
        };
        let now = Timestamp::from_second(7_300).unwrap();
        let list = pick_list("STORE-HH", &[view], now).join("\n");
        assert_eq!(
            list,
            "STORE-HH: 1 reservations to look for, 1970-01-01 02:01 UTC\n\
             \n\
             R-1                      waits 2 h        look by 2026-11-30\n\
             \u{20}   1  1000 WEISS                            3 × found: ______  (1 may be gone)"
        );
    }

    #[test]
    fn what_was_found_is_said_by_line() {
        let line = found("2=0").unwrap();
        assert_eq!((line.line_number, line.quantity), (2, pieces(0)));
        assert!(found("2").is_err() && found("1=-1").is_err() && found("x=1").is_err());
    }
}
