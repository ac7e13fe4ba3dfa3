//! What one channel may see.

use std::collections::BTreeSet;

use millrace_values::{Channel, ChannelCode, ErpCode, LocationCode, PriceGroup};

/// The part of a channel's settings that decides what it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    channel: ChannelCode,
    erp: ErpCode,
    price_groups: BTreeSet<PriceGroup>,
    locations: BTreeSet<LocationCode>,
}

impl View {
    #[must_use]
    pub fn of(channel: &Channel) -> Self {
        Self {
            channel: channel.code.clone(),
            erp: channel.erp.clone(),
            price_groups: channel.price_groups.iter().cloned().collect(),
            locations: channel.location_group.iter().cloned().collect(),
        }
    }

    #[must_use]
    pub fn channel(&self) -> &ChannelCode {
        &self.channel
    }

    #[must_use]
    pub fn erp(&self) -> &ErpCode {
        &self.erp
    }

    /// Items, prices and stock of another ERP are another company's.
    #[must_use]
    pub fn sees_erp(&self, erp: Option<&str>) -> bool {
        erp == Some(self.erp.as_str())
    }

    /// Documents and in-flight figures of another channel are nobody else's business.
    #[must_use]
    pub fn sees_channel(&self, channel: Option<&str>) -> bool {
        channel == Some(self.channel.as_str())
    }

    /// An item that is blocked, or whose sale is, is not there for a shop. A blocked variant is marked on its item.
    #[must_use]
    pub fn sees_item(&self, blocked: bool, sales_blocked: bool) -> bool {
        !blocked && !sales_blocked
    }

    /// Everybody's prices and those of its groups.
    #[must_use]
    pub fn sees_price_group(&self, group: &str) -> bool {
        group.is_empty() || self.price_groups.iter().any(|own| own.as_str() == group)
    }

    /// Only stock it may sell.
    #[must_use]
    pub fn sees_location(&self, location: &str) -> bool {
        self.locations.iter().any(|own| own.as_str() == location)
    }

    /// The same text for the same view: tells whether the settings changed.
    #[must_use]
    pub fn signature(&self) -> String {
        let groups: Vec<&str> = self.price_groups.iter().map(PriceGroup::as_str).collect();
        let locations: Vec<&str> = self.locations.iter().map(LocationCode::as_str).collect();
        format!(
            "{}\u{1}{}\u{1}{}",
            self.erp,
            groups.join("\u{2}"),
            locations.join("\u{2}")
        )
    }
}

#[cfg(test)]
mod tests {
    use millrace_values::{Currency, LanguageTag, Rounding};

    use super::*;

    /// Row 12.
    #[test]
    fn a_channel_sees_everybodys_prices_and_those_of_its_groups() {
        let view = View::of(&channel());
        assert!(view.sees_price_group(""));
        assert!(view.sees_price_group("DEALER"));
        assert!(!view.sees_price_group("STAFF"));
    }

    #[test]
    fn a_channel_sees_the_stock_it_may_sell() {
        let view = View::of(&channel());
        assert!(view.sees_location("EAST"));
        assert!(!view.sees_location("WEST"));
    }

    #[test]
    fn a_channel_sees_its_own_company_and_its_own_documents() {
        let view = View::of(&channel());
        assert!(
            view.sees_erp(Some("bc-main"))
                && !view.sees_erp(Some("bc-toys"))
                && !view.sees_erp(None)
        );
        assert!(
            view.sees_channel(Some("furniture"))
                && !view.sees_channel(Some("toys"))
                && !view.sees_channel(None)
        );
    }

    /// Row 26.
    #[test]
    fn a_blocked_item_is_not_seen() {
        let view = View::of(&channel());
        assert!(view.sees_item(false, false));
        assert!(!view.sees_item(true, false) && !view.sees_item(false, true));
    }

    #[test]
    fn another_price_group_or_location_is_another_view() {
        let before = View::of(&channel()).signature();
        let groups = Channel {
            price_groups: vec![],
            ..channel()
        };
        let names = Channel {
            languages: vec![LanguageTag::parse("de").unwrap()],
            ..channel()
        };
        assert_ne!(View::of(&groups).signature(), before);
        assert_eq!(View::of(&names).signature(), before);
    }

    fn channel() -> Channel {
        Channel {
            code: ChannelCode::parse("furniture").unwrap(),
            erp: ErpCode::parse("bc-main").unwrap(),
            languages: vec![LanguageTag::parse("en").unwrap()],
            price_groups: vec![PriceGroup::parse("DEALER").unwrap()],
            location_group: vec![LocationCode::parse("EAST").unwrap()],
            default_location: None,
            currency: Currency::parse("EUR").unwrap(),
            prices_include_tax: false,
            deducts_own_orders: false,
            rounding: Rounding::PerLine,
            payment_methods: [].into(),
            shipment_methods: [].into(),
            payment_terms: String::new(),
        }
    }
}
