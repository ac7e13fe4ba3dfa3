//! Whatever comes in whatever order.

use millrace_event_store::Decider;
use proptest::prelude::*;

use super::*;
use crate::domain::StoreReservation as R;
use crate::domain::shelf::Shelf;

/// What the ERP may say, in any order: of what was found, always the same.
fn any_observation() -> impl Strategy<Value = Command> {
    use TransferState::{Cancelled, Open, Posted, Returned};
    (
        prop::sample::select(vec![Open, Posted, Cancelled, Returned]),
        prop::option::of(1..9_u64),
    )
        .prop_map(|(state, version)| {
            let mut command = observe(state);
            if let Command::Observe { observed, .. } = &mut command {
                observed.transfer.row_version = version;
            }
            command
        })
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Request(asked())),
        (0..5_u32, 0..3_u32).prop_map(|(one, two)| post(&[(1, one), (2, two)])),
        Just(pick_up()),
        Just(cancel()),
        Just(Command::Remind),
        any_observation(),
        Just(Command::RefusedByErp {
            code: "X".to_owned()
        }),
        (0..4_u32).prop_map(|count| Command::Miss {
            missing: vec![(1, pieces(count))]
        }),
        (0..10_i8).prop_map(|day| expire(LAST.saturating_add(jiff::Span::new().days(day - 3)))),
    ]
}

proptest! {
    /// FAULTS.md F25: messages cross in any order. Every line adds up after each, an end stays the end, and then nothing is held.
    #[test]
    fn whatever_crosses_every_line_adds_up_and_an_end_is_final(commands in prop::collection::vec(any_command(), 1..30)) {
        let mut state = State::default();
        let mut held = vec![pieces(0), pieces(0)];
        let mut shelves = vec![Shelf::default(); 2];
        for command in commands {
            let before = state.clone();
            let Ok(events) = R::decide(&state, command) else { continue };
            for event in &events {
                if let Some(taken) = &state.0 {
                    let settles = matches!(event, Event::Settled { .. });
                    prop_assert!(!taken.phase.is_the_end() || settles);
                    for moving in taken.moves(event, Timestamp(jiff::Timestamp::UNIX_EPOCH)) {
                        let at = usize::try_from(moving.shelf.item.0.as_u128()).unwrap() - 1;
                        held[at] = held[at] + moving.moved.quantity();
                        shelves[at] = shelves[at].clone().after(&moving.moved, None).unwrap();
                    }
                }
                state = R::evolve(state, event);
            }
            let Some(taken) = &state.0 else { continue };
            if before.0.is_none() {
                held = taken.lines.iter().map(LineStatus::held).collect();
                for (shelf, held) in shelves.iter_mut().zip(&held) {
                    shelf.held = *held;
                }
            }
            for (shelf, held) in shelves.iter().zip(&held) {
                prop_assert_eq!(shelf.held, *held);
                prop_assert!(shelf.told.iter().map(|(_, quantity)| *quantity).sum::<Quantity>() <= shelf.held);
            }
            if taken.phase.is_the_end() && (taken.transfer.is_none() || taken.is_settled()) {
                // Nothing is left that only the ERP could end.
                prop_assert!(shelves.iter().all(|shelf| shelf.fetched.iter().all(|(since, _)| since.is_some())));
            }
            for (line, held) in taken.lines.iter().zip(&held) {
                prop_assert!(line.found + line.cancelled <= line.requested);
                prop_assert!(line.picked_up + line.returned <= line.found);
                prop_assert_eq!(line.held(), *held);
                prop_assert!(line.held() >= pieces(0));
                prop_assert!(!taken.phase.is_the_end() || line.held().is_zero());
            }
        }
    }
}
