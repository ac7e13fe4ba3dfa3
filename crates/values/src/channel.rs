//! A channel: one webshop, as the settings describe it.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::code::{ChannelCode, ErpCode, LanguageTag, LocationCode, PriceGroup};
use crate::number::Currency;

/// One webshop. Every service reads the same list from the settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    pub code: ChannelCode,
    /// Which ERP and company it sells for.
    pub erp: ErpCode,
    /// The first is the default.
    pub languages: Vec<LanguageTag>,
    /// Whose prices it sees, besides everybody's.
    #[serde(default)]
    pub price_groups: Vec<PriceGroup>,
    /// The locations whose stock it may sell.
    pub location_group: Vec<LocationCode>,
    /// Where an order line without a location is taken from; absent: the first of the location group.
    #[serde(default)]
    pub default_location: Option<LocationCode>,
    /// The only currency its orders may have.
    pub currency: Currency,
    /// Whether its prices contain VAT.
    pub prices_include_tax: bool,
    /// The shop subtracts its own orders between two stock messages by itself.
    #[serde(default)]
    pub deducts_own_orders: bool,
    #[serde(default)]
    pub rounding: Rounding,
    /// The shop's payment methods → the ERP's codes.
    #[serde(default)]
    pub payment_methods: BTreeMap<String, String>,
    /// The shop's shipment methods → the ERP's codes.
    #[serde(default)]
    pub shipment_methods: BTreeMap<String, String>,
    /// The ERP's payment terms for its orders; empty: the customer's own.
    #[serde(default)]
    pub payment_terms: String,
}

impl Channel {
    /// Where a line without a location is taken from.
    #[must_use]
    pub fn location(&self) -> Option<&LocationCode> {
        self.default_location
            .as_ref()
            .or(self.location_group.first())
    }
}

/// How a shop rounds VAT, and on which side it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// Each line's net and gross are rounded; totals are their sums.
    #[default]
    PerLine,
    /// VAT is rounded once per rate over the document; lines are exact on the side that prices are given in.
    PerDocument,
}

/// All channels, by code.
#[derive(Debug, Clone, Default)]
pub struct Channels(BTreeMap<ChannelCode, Channel>);

/// Why a list of channels makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChannelsError {
    #[error("channel {0} is there twice")]
    Twice(ChannelCode),
    #[error("channel {0} has no languages")]
    NoLanguage(ChannelCode),
    #[error("channel {0} has an empty location_group")]
    NoLocation(ChannelCode),
    #[error("default_location of channel {0} is not in its location_group")]
    DefaultElsewhere(ChannelCode),
    #[error(
        "channel {code} has a code of more than {most} characters, which the erp does not take"
    )]
    LongCode { code: ChannelCode, most: usize },
}

/// Of a channel's code: the key of an order in the ERP's buffer has no more room.
const MOST_CODE: usize = 20;

impl Channels {
    /// # Errors
    /// A code that is there twice, or a channel without language or location.
    pub fn new(list: impl IntoIterator<Item = Channel>) -> Result<Self, ChannelsError> {
        let mut channels = BTreeMap::new();
        for channel in list {
            let code = channel.code.clone();
            if code.as_str().len() > MOST_CODE {
                let most = MOST_CODE;
                return Err(ChannelsError::LongCode { code, most });
            }
            if channel.languages.is_empty() {
                return Err(ChannelsError::NoLanguage(code));
            }
            if channel.location_group.is_empty() {
                return Err(ChannelsError::NoLocation(code));
            }
            if channel
                .default_location
                .as_ref()
                .is_some_and(|location| !channel.location_group.contains(location))
            {
                return Err(ChannelsError::DefaultElsewhere(code));
            }
            if channels.insert(code.clone(), channel).is_some() {
                return Err(ChannelsError::Twice(code));
            }
        }
        Ok(Self(channels))
    }

    #[must_use]
    pub fn find(&self, code: &ChannelCode) -> Option<&Channel> {
        self.0.get(code)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(code: &str) -> Channel {
        Channel {
            code: ChannelCode::parse(code).unwrap(),
            erp: ErpCode::parse("bc-main").unwrap(),
            languages: vec![LanguageTag::parse("de").unwrap()],
            price_groups: Vec::new(),
            location_group: vec![LocationCode::parse("MAIN").unwrap()],
            default_location: None,
            currency: Currency::parse("EUR").unwrap(),
            prices_include_tax: false,
            deducts_own_orders: false,
            rounding: Rounding::PerLine,
            payment_methods: BTreeMap::new(),
            shipment_methods: BTreeMap::new(),
            payment_terms: String::new(),
        }
    }

    #[test]
    fn a_channel_whose_orders_the_erp_could_not_take_is_refused() {
        assert!(Channels::new([channel("a-code-of-20-letters")]).is_ok());
        let refused = Channels::new([channel("a-code-of-21-letters-")]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "channel a-code-of-21-letters- has a code of more than 20 characters, which the erp does not take"
        );
    }
}
