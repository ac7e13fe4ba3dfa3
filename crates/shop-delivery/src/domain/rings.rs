//! Which changes one ring stands for.

use std::collections::HashMap;

use uuid::Uuid;

/// What changes have in common that ring together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Nothing: each rings by itself.
    Never,
    /// They are about the same record.
    ByKey,
    /// They are of one topic.
    ByKind,
    /// They are of the channel.
    All,
}

/// A change that a doorbell is for, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    pub position: u64,
    pub id: Uuid,
    /// Topic.
    pub kind: &'a str,
    pub key: &'a str,
}

/// One ring: told as the last of its changes, known by the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    pub first: u64,
    pub first_id: Uuid,
    pub last: u64,
    pub count: u64,
}

/// The rings of a stretch of the feed, in the order of their first changes. The same stretch always makes the same rings.
#[derive(Debug)]
pub struct Gathering {
    together: Together,
    most: usize,
    rings: Vec<Ring>,
    by_what: HashMap<String, usize>,
}

impl Gathering {
    /// At most so many rings.
    #[must_use]
    pub fn new(together: Together, most: usize) -> Self {
        Self {
            together,
            most,
            rings: Vec::new(),
            by_what: HashMap::new(),
        }
    }

    /// Takes the next change of the feed; `false`: it needs a ring more than there may be, so the stretch ends before it.
    pub fn take(&mut self, change: Change<'_>) -> bool {
        let common = match self.together {
            Together::Never => None,
            Together::ByKey => Some(change.key),
            Together::ByKind => Some(change.kind),
            Together::All => Some(""),
        };
        if let Some(&known) = common.and_then(|common| self.by_what.get(common)) {
            let ring = &mut self.rings[known];
            ring.last = change.position;
            ring.count += 1;
            return true;
        }
        if self.rings.len() == self.most {
            return false;
        }
        if let Some(common) = common {
            self.by_what.insert(common.to_owned(), self.rings.len());
        }
        self.rings.push(Ring {
            first: change.position,
            first_id: change.id,
            last: change.position,
            count: 1,
        });
        true
    }

    #[must_use]
    pub fn rings(self) -> Vec<Ring> {
        self.rings
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const KINDS: [&str; 2] = ["items", "prices"];
    const KEYS: [&str; 3] = ["a", "b", "c"];

    #[derive(Debug, Clone)]
    struct Told {
        kind: usize,
        key: usize,
    }

    fn change(told: &Told, position: u64) -> Change<'static> {
        Change {
            position,
            id: Uuid::from_u128(position.into()),
            kind: KINDS[told.kind],
            key: KEYS[told.key],
        }
    }

    fn common(together: Together, told: &Told, position: u64) -> String {
        match together {
            Together::Never => position.to_string(),
            Together::ByKey => KEYS[told.key].to_owned(),
            Together::ByKind => KINDS[told.kind].to_owned(),
            Together::All => String::new(),
        }
    }

    fn any_together() -> impl Strategy<Value = Together> {
        prop_oneof![
            Just(Together::Never),
            Just(Together::ByKey),
            Just(Together::ByKind),
            Just(Together::All)
        ]
    }

    fn feed() -> impl Strategy<Value = Vec<Told>> {
        let told = (0..KINDS.len(), 0..KEYS.len()).prop_map(|(kind, key)| Told { kind, key });
        proptest::collection::vec(told, 0..40)
    }

    /// Stretch by stretch to the feed's end: each ends before the change that found no room.
    fn stretches(feed: &[Told], together: Together, most: usize) -> Vec<(Vec<Ring>, u64, u64)> {
        let (mut stretches, mut after) = (Vec::new(), 0);
        while after < feed.len() as u64 {
            let mut gathering = Gathering::new(together, most);
            let mut up_to = after;
            while up_to < feed.len() as u64 {
                let position = up_to + 1;
                if !gathering.take(change(&feed[up_to as usize], position)) {
                    break;
                }
                up_to = position;
            }
            stretches.push((gathering.rings(), after, up_to));
            after = up_to;
        }
        stretches
    }

    proptest! {
        #[test]
        fn every_change_is_in_one_ring_with_its_like_and_in_no_other(
            feed in feed(), together in any_together(), most in 1_usize..6,
        ) {
            let mut counted = 0;
            for (rings, after, up_to) in stretches(&feed, together, most) {
                prop_assert!(up_to > after && rings.len() <= most);
                prop_assert!(rings.windows(2).all(|pair| pair[0].first < pair[1].first));
                let mut seen = BTreeSet::new();
                for ring in rings {
                    let what = |position: u64| common(together, &feed[position as usize - 1], position);
                    let like: Vec<u64> =
                        (after + 1..=up_to).filter(|&position| what(position) == what(ring.first)).collect();
                    prop_assert_eq!(like.first(), Some(&ring.first));
                    prop_assert_eq!(like.last(), Some(&ring.last));
                    prop_assert_eq!(like.len() as u64, ring.count);
                    prop_assert_eq!(ring.first_id, Uuid::from_u128(ring.first.into()));
                    prop_assert!(seen.insert(what(ring.first)));
                    counted += ring.count;
                }
            }
            prop_assert_eq!(counted, feed.len() as u64);
        }
    }

    #[test]
    fn changes_that_have_nothing_in_common_ring_in_the_order_of_the_feed() {
        let feed = [Told { kind: 0, key: 0 }, Told { kind: 0, key: 0 }];
        let (rings, ..) = stretches(&feed, Together::Never, 10).remove(0);
        assert_eq!(
            rings.iter().map(|ring| ring.last).collect::<Vec<_>>(),
            [1, 2]
        );
        let (rings, ..) = stretches(&feed, Together::ByKey, 10).remove(0);
        assert_eq!((rings.len(), rings[0].last, rings[0].count), (1, 2, 2));
    }
}
