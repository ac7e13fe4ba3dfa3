//! What one channel sees of the index.

use millrace_values::Channel;

use super::names::{Name, Names};

/// A channel's company and location group, as numbers.
#[derive(Debug, Clone)]
pub struct View {
    erp: Name,
    channel: Name,
    deducts: bool,
    /// One bit per location number.
    group: Box<[u64]>,
}

impl View {
    /// `None` when there are more than 65,536 companies, channels or locations.
    #[must_use]
    pub fn new(channel: &Channel, names: &Names) -> Option<Self> {
        let mut group = Vec::new();
        for location in &channel.location_group {
            let number = usize::from(names.locations.number(location.as_str())?);
            if group.len() <= number / 64 {
                group.resize(number / 64 + 1, 0_u64);
            }
            group[number / 64] |= 1 << (number % 64);
        }
        Some(Self {
            erp: names.erps.number(channel.erp.as_str())?,
            channel: names.channels.number(channel.code.as_str())?,
            deducts: channel.deducts_own_orders,
            group: group.into(),
        })
    }

    #[must_use]
    pub fn erp(&self) -> Name {
        self.erp
    }

    /// Whether the channel subtracts its own orders itself.
    #[must_use]
    pub fn deducts(&self) -> bool {
        self.deducts
    }

    pub(super) fn is_channel(&self, channel: Name) -> bool {
        self.channel == channel
    }

    #[inline]
    pub fn sells_from(&self, location: Name) -> bool {
        let number = usize::from(location);
        self.group
            .get(number / 64)
            .is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }
}
