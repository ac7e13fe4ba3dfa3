//! The shape of a rule: pure functions that decide and record (STYLE.md §1), and how a test speaks to them (§3).

use std::fmt::Debug;

/// `decide` holds every rule and writes nothing; `evolve` records and has no rules.
pub trait Decider {
    type State: Default;
    type Command;
    type Event;
    type Rejection;

    /// # Errors
    /// The business says no, by name.
    fn decide(
        state: &Self::State,
        command: Self::Command,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;

    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    fn replay<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Self::State
    where
        Self::Event: 'a,
    {
        events
            .into_iter()
            .fold(Self::State::default(), Self::evolve)
    }
}

/// What happened so far, in a rule test.
pub struct Given<D: Decider>(D::State);

/// What the rule answered.
pub struct Then<D: Decider>(Result<Vec<D::Event>, D::Rejection>);

/// Begins a rule test: `given::<Order>([accepted()]).when(cancel()).then([cancelled()])`.
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given(
        events
            .into_iter()
            .fold(D::State::default(), |state, event| D::evolve(state, &event)),
    )
}

impl<D: Decider> Given<D> {
    pub fn when(self, command: D::Command) -> Then<D> {
        Then(D::decide(&self.0, command))
    }
}

impl<D: Decider> Then<D>
where
    D::Event: PartialEq + Debug,
    D::Rejection: PartialEq + Debug,
{
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = D::Event>) {
        assert_eq!(self.0, Ok(events.into_iter().collect()));
    }

    #[track_caller]
    pub fn then_nothing(self) {
        assert_eq!(self.0, Ok(vec![]));
    }

    #[track_caller]
    pub fn then_rejected(self, rejection: D::Rejection) {
        assert_eq!(self.0, Err(rejection));
    }
}
