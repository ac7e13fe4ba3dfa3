//! Returns of one order at the same instant: whatever order their loads and appends come in, no line comes back more often than
//! it was delivered.

use millrace_event_store::Decider;
use millrace_values::ReturnNumber;
use proptest::prelude::*;

use super::chairs::*;
use crate::domain::check::check;
use crate::domain::{
    Command, GivenUp, Known, Phase, Return, Returnable, ShopReturn, State, Submitted, Takes,
};

/// The log, as far as one order is concerned.
#[derive(Default)]
struct Log {
    returnable: Returnable,
    version: u64,
}

impl Log {
    /// One append: both streams, or nothing.
    fn append(&mut self, expected: u64, stream: &str, before: &Takes, after: &Takes) -> bool {
        if before == after {
            return true;
        }
        if expected != self.version {
            return false;
        }
        self.returnable = self.returnable.moved(stream, before, after);
        self.version += 1;
        true
    }
}

/// One caller: what it has loaded, and its return.
struct Caller {
    goods: Return,
    state: State,
    loaded: Option<(Returnable, u64)>,
}

impl Caller {
    fn takes(&self) -> Takes {
        self.state
            .0
            .as_ref()
            .map(|taken| taken.takes())
            .unwrap_or_default()
    }

    fn load(&mut self, log: &Log) {
        self.loaded = Some((log.returnable.clone(), log.version));
    }

    /// Decides on what it loaded, and appends if that still stands.
    fn go_on(&mut self, log: &mut Log, give_up: bool) {
        let Some((returnable, version)) = self.loaded.take() else {
            return;
        };
        let known = Known {
            returnable,
            ..known()
        };
        let verdict = check(&self.goods, &rules(), &known, at());
        let phase = self.state.0.as_ref().map(|taken| taken.phase);
        let command = match phase {
            None => Command::Submit(Submitted {
                verdict,
                ..submitted(self.goods.clone())
            }),
            Some(_) if give_up => Command::Cancel {
                note: String::new(),
                given_up: GivenUp::InErp,
            },
            Some(Phase::Held) => Command::CheckAgain { verdict },
            Some(_) => return,
        };
        let Ok(events) = ShopReturn::decide(&self.state, command) else {
            return;
        };
        let before = self.takes();
        let after = events.iter().fold(self.state.clone(), ShopReturn::evolve);
        let taken = after
            .0
            .as_ref()
            .map(|taken| taken.takes())
            .unwrap_or_default();
        if log.append(version, &self.goods.stream(), &before, &taken) {
            self.state = after;
        }
    }
}

proptest! {
    #[test]
    fn no_line_comes_back_more_often_than_it_was_delivered(
        wanted in prop::collection::vec(1..4_u32, 2..7),
        steps in prop::collection::vec((0..7_usize, 0..5_u8), 1..120),
    ) {
        let mut log = Log::default();
        let mut callers: Vec<Caller> = wanted.iter().zip(1..).map(|(count, number)| Caller {
            goods: Return {
                number: ReturnNumber::parse(&format!("R-{number}")).unwrap(),
                ..chairs(*count)
            },
            state: State::default(),
            loaded: None,
        }).collect();
        for (who, what) in steps {
            let count = callers.len();
            let caller = &mut callers[who % count];
            match what {
                0 | 1 => caller.load(&log),
                2 | 3 => caller.go_on(&mut log, false),
                _ => caller.go_on(&mut log, true),
            }
            let takes = callers.iter().map(Caller::takes);
            let together: Vec<_> = takes.filter_map(|takes| takes.lines.get(&1).copied()).collect();
            let sum = together.iter().map(|taken| taken.quantity).sum();
            prop_assert_eq!(log.returnable.taken(1), sum, "the balance is what returns have");
            prop_assert!(sum <= pieces(4), "{} of 4 came back", sum);
        }
    }
}
