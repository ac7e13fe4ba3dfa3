//! What became of an order, told by a feed, or by its documents, or by both, in any order and more than once.

use millrace_event_store::Decider;
use millrace_values::{Quantity, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

use super::acts::{document, post, submit};
use super::sales::{line, order_of};
use crate::domain::{Command, Document, DocumentKind, LineQuantity, LineStatus, ShopOrder, State};

/// Pieces of the only line that the story is about.
const ORDERED: u32 = 6;

/// A day in the ERP.
#[derive(Debug, Clone, Copy)]
enum Act {
    Ship,
    Invoice,
    Credit,
    Cancel,
    /// A person makes the line of the sales order shorter.
    Shorten,
    Release,
}

/// The sales order in the ERP, and what is told of it.
#[derive(Default)]
struct Desk {
    shipped: u32,
    invoiced: u32,
    credited: u32,
    cancelled: u32,
    told: Vec<Command>,
}

impl Desk {
    fn stands(&self) -> u32 {
        ORDERED - self.cancelled
    }

    fn act(&mut self, act: Act) {
        let open = self.stands() - self.shipped;
        let (kind, possible, quantity) = match act {
            Act::Ship => (DocumentKind::Shipment, open > 0, 1),
            Act::Invoice => (DocumentKind::Invoice, self.shipped > self.invoiced, 1),
            Act::Credit => (DocumentKind::CreditMemo, self.invoiced > self.credited, 1),
            Act::Cancel => (DocumentKind::Cancellation, open > 0, 1),
            Act::Shorten => (
                DocumentKind::SalesOrder,
                open > 0,
                self.stands().saturating_sub(1),
            ),
            Act::Release => (DocumentKind::SalesOrder, true, self.stands()),
        };
        if !possible {
            return;
        }
        match act {
            Act::Ship => self.shipped += 1,
            Act::Invoice => self.invoiced += 1,
            Act::Credit => self.credited += 1,
            Act::Cancel | Act::Shorten => self.cancelled += 1,
            Act::Release => {}
        }
        let told = self.tell(kind, quantity, self.told.len() * 2);
        self.told.push(told);
    }

    fn tell(&self, kind: DocumentKind, quantity: u32, nth: usize) -> Command {
        let nth = u32::try_from(nth).unwrap_or(u32::MAX);
        let system_id = match kind {
            DocumentKind::SalesOrder | DocumentKind::Cancellation => 1,
            DocumentKind::Shipment | DocumentKind::Invoice | DocumentKind::CreditMemo => {
                100 + u128::from(nth)
            }
        };
        let minute = jiff::SignedDuration::from_mins(i64::from(nth));
        let document = Document {
            row_version: Some(50 + u64::from(nth)),
            posted_at: Timestamp(document(kind, 1).posted_at.0 + minute),
            ..document(kind, system_id)
        };
        let lines = vec![LineQuantity {
            line: 1,
            quantity: quantity.into(),
        }];
        Command::Observed {
            document,
            lines,
            carrier: String::new(),
            tracking_number: String::new(),
        }
    }

    /// What the documents themselves tell: what was posted, and the order as it stands.
    fn history(&self) -> Vec<Command> {
        let posted = self.told.iter().filter(|command| {
            let Command::Observed { document, .. } = command else {
                return false;
            };
            match document.kind {
                DocumentKind::Shipment | DocumentKind::Invoice | DocumentKind::CreditMemo => true,
                DocumentKind::SalesOrder | DocumentKind::Cancellation => false,
            }
        });
        let mut history: Vec<Command> = posted.cloned().collect();
        // After all that was told, and before what comes next.
        let nth = (self.told.len() * 2).saturating_sub(1);
        history.push(self.tell(DocumentKind::SalesOrder, self.stands(), nth));
        history
    }

    fn lines(&self) -> (Quantity, Quantity, Quantity, Quantity) {
        (
            self.shipped.into(),
            self.invoiced.into(),
            self.credited.into(),
            self.cancelled.into(),
        )
    }
}

fn lines(line: &LineStatus) -> (Quantity, Quantity, Quantity, Quantity) {
    (line.shipped, line.invoiced, line.credited, line.cancelled)
}

fn after(commands: impl IntoIterator<Item = Command>) -> State {
    let order = order_of(vec![line(1, "1896-S", &ORDERED.to_string(), "100", "19")]);
    let mut state = State::default();
    for command in [submit(order), post("714.00")].into_iter().chain(commands) {
        for event in ShopOrder::decide(&state, command).unwrap() {
            state = ShopOrder::evolve(state, &event);
        }
    }
    state
}

fn some_acts() -> impl Strategy<Value = Vec<Act>> {
    use Act::{Cancel, Credit, Invoice, Release, Ship, Shorten};
    let act = prop::sample::select(vec![Ship, Invoice, Credit, Cancel, Shorten, Release]);
    prop::collection::vec(act, 0..20)
}

proptest! {
    /// FAULTS.md F9: the feed forgot its beginning, the documents are asked for meanwhile, and everything crosses.
    #[test]
    fn feed_and_documents_tell_the_same_in_any_order(
        acts in some_acts(),
        asked in any::<Index>(),
        forgotten in any::<Index>(),
        crossed in any::<Index>(),
        seed in prop::collection::vec(any::<u32>(), 64),
    ) {
        let mut desk = Desk::default();
        let (first, later) = acts.split_at(asked.index(acts.len() + 1));
        first.iter().for_each(|act| desk.act(*act));
        let early = desk.history();
        let forgotten = forgotten.index(desk.told.len() + 1);
        later.iter().for_each(|act| desk.act(*act));
        let feed = &desk.told[forgotten..];
        let mut told: Vec<Command> = feed.iter().chain(&early).chain(feed).cloned().collect();
        // Read before, up to some place.
        let before = crossed.index(desk.told.len() + 1);
        told.extend_from_slice(&desk.told[..before]);
        let mut shuffled: Vec<(u32, Command)> = seed.iter().copied().cycle().zip(told).collect();
        shuffled.sort_by_key(|(place, _)| *place);
        let state = after(shuffled.into_iter().map(|(_, command)| command));
        let taken = state.0.unwrap();
        prop_assert_eq!(lines(&taken.lines[0]), desk.lines());

        // And nothing of it is news.
        for command in early.into_iter().chain(desk.told) {
            prop_assert_eq!(ShopOrder::decide(&State(Some(taken.clone())), command), Ok(vec![]));
        }
    }
}

#[test]
fn a_sales_order_that_was_read_before_a_cancellation_does_not_count_it() {
    let mut desk = Desk::default();
    desk.act(Act::Shorten);
    let late = desk.history();
    desk.act(Act::Cancel);
    let cancelled = desk.told.pop().unwrap();
    let state = after([cancelled].into_iter().chain(late));
    assert_eq!(lines(&state.0.unwrap().lines[0]), desk.lines());
}

/// FAULTS.md F9: row versions begin anew where the ERP was restored.
#[test]
fn a_cancellation_after_a_restore_is_one_more() {
    let mut desk = Desk::default();
    (0..3).for_each(|_| desk.act(Act::Release));
    desk.act(Act::Shorten);
    let mut state = after(desk.told.clone());
    desk.act(Act::Cancel);
    let Some(Command::Observed {
        mut document,
        lines: moved,
        carrier,
        tracking_number,
    }) = desk.told.pop()
    else {
        unreachable!()
    };
    document.row_version = Some(1);
    let command = Command::Observed {
        document,
        lines: moved,
        carrier,
        tracking_number,
    };
    for event in ShopOrder::decide(&state, command).unwrap() {
        state = ShopOrder::evolve(state, &event);
    }
    let taken = state.0.unwrap();
    assert_eq!(lines(&taken.lines[0]), desk.lines());
}
