//! Settings of this service.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millrace_values::{ChannelCode, Channels, LanguageTag, LocationCode, ReturnReasonCode, Sku};
use serde::Deserialize;
use thiserror::Error;

use crate::domain::{FreightRule, HoldKind, RefundWay, Rules};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Returns on their way into the ERP at once, per process.
    pub posting_at_once: usize,
    /// An attempt to hand a return over that has not ended after this long counts as unknown and is repeated.
    #[serde(with = "humantime_serde")]
    pub attempt_limit: Duration,
    /// Pause before the second attempt; doubles with every further one.
    #[serde(with = "humantime_serde")]
    pub first_pause: Duration,
    #[serde(with = "humantime_serde")]
    pub longest_pause: Duration,
    /// How long a return claimed by a process that died waits for another one.
    #[serde(with = "humantime_serde")]
    pub claim: Duration,
    /// How often held returns are checked again, some at a time, whether or not something they lack was seen to arrive.
    #[serde(with = "humantime_serde")]
    pub recheck_every: Duration,
    /// How long another process waits before it takes over reading what became of returns, and their reasons.
    #[serde(with = "humantime_serde")]
    pub takeover_after: Duration,
    /// How often the ERP is asked for its return reasons.
    #[serde(with = "humantime_serde")]
    pub reasons_every: Duration,
    /// Reasons, where the ERP cannot be asked for them.
    pub reasons: Vec<ReasonSettings>,
    /// How channels take goods back; one that is not here does as is usual.
    pub channels: Vec<ChannelSettings>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            posting_at_once: 2,
            attempt_limit: Duration::from_secs(10 * 60),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
            claim: Duration::from_secs(30),
            recheck_every: Duration::from_secs(30),
            takeover_after: Duration::from_secs(15),
            reasons_every: Duration::from_secs(10 * 60),
            reasons: Vec::new(),
            channels: Vec::new(),
        }
    }
}

/// Why goods may come back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonSettings {
    pub code: ReturnReasonCode,
    pub description: String,
    /// By BCP 47 language.
    #[serde(default)]
    pub translations: BTreeMap<LanguageTag, String>,
}

/// How one channel takes goods back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    pub channel: ChannelCode,
    /// Rules that are not asked: customer-mismatch, not-delivered, too-many, period-over, reason-unknown, reason-not-allowed.
    #[serde(default)]
    pub off: Vec<String>,
    /// Days after the shipment within which goods may come back.
    #[serde(default = "thirty")]
    pub period: u16,
    /// Whether the order's freight is paid back.
    #[serde(default)]
    pub freight: Freight,
    /// How goods are paid back.
    #[serde(default = "money")]
    pub refund: Way,
    /// How goods are paid back to whoever was given them.
    #[serde(default = "voucher")]
    pub gift_refund: Way,
    /// Items that are vouchers.
    #[serde(default)]
    pub voucher_items: BTreeSet<Sku>,
    /// How vouchers are paid back.
    #[serde(default = "nothing")]
    pub voucher_refund: Way,
    /// Items a reason is for; a reason that is not in here is for everything.
    #[serde(default)]
    pub reason_items: BTreeMap<ReturnReasonCode, BTreeSet<Sku>>,
    /// Where goods are expected; absent: where they came from.
    #[serde(default)]
    pub location: Option<LocationCode>,
}

/// How a customer is paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    Money,
    Voucher,
    Nothing,
}

/// Whether freight is paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freight {
    #[default]
    Never,
    WhenEverythingComesBack,
}

const fn thirty() -> u16 {
    30
}

const fn money() -> Way {
    Way::Money
}

const fn voucher() -> Way {
    Way::Voucher
}

const fn nothing() -> Way {
    Way::Nothing
}

impl From<Way> for RefundWay {
    fn from(way: Way) -> Self {
        match way {
            Way::Money => Self::Money,
            Way::Voucher => Self::Voucher,
            Way::Nothing => Self::Nothing,
        }
    }
}

/// Why the channels of these settings make no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RulesError {
    #[error("returns.channels: {0} is there twice")]
    Twice(ChannelCode),
    #[error("returns.channels: {0} is not in channels")]
    UnknownChannel(ChannelCode),
    #[error("returns.channels: {channel} switches off {rule}, which is no rule that may be")]
    NoRule { channel: ChannelCode, rule: String },
    #[error("returns.reasons: {0} is there twice")]
    ReasonTwice(ReturnReasonCode),
}

/// How each channel takes goods back.
#[derive(Debug, Clone)]
pub struct ChannelRules {
    channels: BTreeMap<ChannelCode, Rules>,
    usual: Rules,
}

impl ChannelRules {
    /// # Errors
    /// See [`RulesError`].
    pub fn new(config: &Config, channels: &Channels) -> Result<Self, RulesError> {
        let mut codes = BTreeSet::new();
        for reason in &config.reasons {
            if !codes.insert(&reason.code) {
                return Err(RulesError::ReasonTwice(reason.code.clone()));
            }
        }
        let mut rules = BTreeMap::new();
        for settings in &config.channels {
            let code = &settings.channel;
            if channels.find(code).is_none() {
                return Err(RulesError::UnknownChannel(code.clone()));
            }
            if rules.insert(code.clone(), rules_of(settings)?).is_some() {
                return Err(RulesError::Twice(code.clone()));
            }
        }
        Ok(Self {
            channels: rules,
            usual: usual(),
        })
    }

    #[must_use]
    pub fn of(&self, channel: &ChannelCode) -> &Rules {
        self.channels.get(channel).unwrap_or(&self.usual)
    }
}

fn usual() -> Rules {
    Rules {
        off: BTreeSet::new(),
        period: thirty(),
        freight: FreightRule::Never,
        refund: money().into(),
        gift_refund: voucher().into(),
        voucher_items: BTreeSet::new(),
        voucher_refund: nothing().into(),
        reason_items: BTreeMap::new(),
        location: None,
    }
}

fn rules_of(settings: &ChannelSettings) -> Result<Rules, RulesError> {
    let off = settings.off.iter().map(|name| {
        rule(name).ok_or_else(|| RulesError::NoRule {
            channel: settings.channel.clone(),
            rule: name.clone(),
        })
    });
    Ok(Rules {
        off: off.collect::<Result<_, _>>()?,
        period: settings.period,
        freight: match settings.freight {
            Freight::Never => FreightRule::Never,
            Freight::WhenEverythingComesBack => FreightRule::WhenEverythingComesBack,
        },
        refund: settings.refund.into(),
        gift_refund: settings.gift_refund.into(),
        voucher_items: settings.voucher_items.clone(),
        voucher_refund: settings.voucher_refund.into(),
        reason_items: settings.reason_items.clone(),
        location: settings.location.clone(),
    })
}

fn rule(name: &str) -> Option<HoldKind> {
    let kind = match name {
        "order-unknown" => HoldKind::OrderUnknown,
        "customer-mismatch" => HoldKind::CustomerMismatch,
        "not-delivered" => HoldKind::NotDelivered,
        "unknown-line" => HoldKind::UnknownLine,
        "too-many" => HoldKind::TooMany,
        "period-over" => HoldKind::PeriodOver,
        "reason-unknown" => HoldKind::ReasonUnknown,
        "reason-not-allowed" => HoldKind::ReasonNotAllowed,
        "wrong-unit" => HoldKind::WrongUnit,
        _ => return None,
    };
    Some(kind).filter(|kind| kind.may_be_off())
}

/// How long work in hand may take when the process stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;

    fn channels() -> Channels {
        let channel = toml::from_str(
            "code = 'furniture'\nerp = 'bc-main'\nlanguages = ['en']\nlocation_group = ['EAST']\ncurrency = 'EUR'\nprices_include_tax = false",
        );
        Channels::new([channel.unwrap()]).unwrap()
    }

    fn rules(text: &str) -> Result<ChannelRules, RulesError> {
        ChannelRules::new(&toml::from_str(text).unwrap(), &channels())
    }

    #[test]
    fn a_channel_says_how_it_takes_goods_back() {
        let text = "[[channels]]\nchannel = 'furniture'\noff = ['period-over']\nfreight = 'when-everything-comes-back'\nvoucher_items = ['V']\nvoucher_refund = 'voucher'\nreason_items = { DEFECT = ['1000'] }";
        let rules = rules(text).unwrap();
        let own = rules.of(&ChannelCode::parse("furniture").unwrap());
        assert_eq!(own.off, [HoldKind::PeriodOver].into());
        assert_eq!(own.freight, FreightRule::WhenEverythingComesBack);
        assert_eq!(own.voucher_refund, RefundWay::Voucher);
        assert_eq!(own.reason_items.len(), 1);
        let usual = rules.of(&ChannelCode::parse("garden").unwrap());
        assert_eq!((usual.period, usual.refund), (30, RefundWay::Money));
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let failed = |text: &str| rules(text).unwrap_err().to_string();
        assert_eq!(
            failed("[[channels]]\nchannel = 'furniture'\noff = ['order-unknown']"),
            "returns.channels: furniture switches off order-unknown, which is no rule that may be"
        );
        assert_eq!(
            failed("[[channels]]\nchannel = 'toys'"),
            "returns.channels: toys is not in channels"
        );
        assert_eq!(
            failed("[[channels]]\nchannel = 'furniture'\n[[channels]]\nchannel = 'furniture'"),
            "returns.channels: furniture is there twice"
        );
        assert_eq!(
            failed(
                "reasons = [{ code = 'A', description = 'a' }, { code = 'A', description = 'b' }]"
            ),
            "returns.reasons: A is there twice"
        );
    }
}
