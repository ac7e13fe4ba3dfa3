//! Settings of this service.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use millrace_values::{ChannelCode, Channels, ErpCode, LocationCode, Quantity};
use serde::Deserialize;
use thiserror::Error;

use crate::domain::{Limits, OpeningHours, Reservation, Store};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The stores where customers may reserve; none: nobody can.
    pub stores: Vec<StoreSettings>,
    /// How often goods that nobody fetched are looked for.
    #[serde(with = "humantime_serde")]
    pub look_every: Duration,
    /// How long another process waits before it takes over looking for them, and what is carried to the ERP.
    #[serde(with = "humantime_serde")]
    pub takeover_after: Duration,
    /// How long a store must have less than is reserved there before the shops are told.
    #[serde(with = "humantime_serde")]
    pub short_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stores: Vec::new(),
            look_every: Duration::from_secs(60),
            takeover_after: Duration::from_secs(15),
            short_after: Duration::from_secs(10),
        }
    }
}

/// A store of one company.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// The ERP's code of its location.
    pub location: LocationCode,
    /// Shops whose customers may reserve here; all of one company.
    pub channels: BTreeSet<ChannelCode>,
    /// Where it puts aside what is reserved, by the ERP's code of that location; absent: as the ERP says.
    #[serde(default)]
    pub reservation_warehouse: Option<LocationCode>,
    /// IANA name, e.g. "Europe/Berlin".
    pub time_zone: String,
    /// Weekdays, e.g. ["monday", "tuesday"]; Monday to Saturday when absent.
    #[serde(default = "monday_to_saturday")]
    pub open_on: Vec<String>,
    /// Days on which it is closed all the same, YYYY-MM-DD.
    #[serde(default)]
    pub closed: BTreeSet<Date>,
    /// Open days within which somebody looks for the goods, the day they are asked for not counted; then it is cancelled.
    #[serde(default = "two")]
    pub answer_within: u16,
    /// Open days on which goods wait, the day they are put aside not counted.
    #[serde(default = "three")]
    pub keep_for: u16,
    /// Where a channel's customers have longer, or less long.
    #[serde(default)]
    pub keep_for_channel: BTreeMap<ChannelCode, u16>,
    /// So many open days before the last one the customer is reminded; 0: never.
    #[serde(default = "one")]
    pub remind_before: u16,
    /// Most lines of one reservation.
    #[serde(default = "ten")]
    pub lines: usize,
    /// Most pieces of one line.
    #[serde(default = "five")]
    pub quantity: u32,
    /// Most reservations of one customer that have not ended; 0: as many as he likes.
    #[serde(default = "five_open")]
    pub open_per_customer: usize,
}

fn monday_to_saturday() -> Vec<String> {
    [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ]
    .map(str::to_owned)
    .to_vec()
}

const fn one() -> u16 {
    1
}

const fn two() -> u16 {
    2
}

const fn three() -> u16 {
    3
}

const fn five() -> u32 {
    5
}

const fn five_open() -> usize {
    5
}

const fn ten() -> usize {
    10
}

/// Why the stores of the settings make no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoresError {
    #[error("reservation.stores: {0} is there twice")]
    Twice(LocationCode),
    #[error("reservation.stores: {location} has a channel that is not in channels: {channel}")]
    UnknownChannel {
        location: LocationCode,
        channel: ChannelCode,
    },
    #[error("reservation.stores: {0} has no channels")]
    NoChannel(LocationCode),
    #[error("reservation.stores: {0} has channels of several companies")]
    SeveralCompanies(LocationCode),
    #[error("reservation.stores: {location} has a time zone nobody knows: {time_zone}")]
    UnknownTimeZone {
        location: LocationCode,
        time_zone: String,
    },
    #[error("reservation.stores: {location} is open on {day}, which is no weekday")]
    NoWeekday { location: LocationCode, day: String },
    #[error("reservation.stores: {0} is never open")]
    NeverOpen(LocationCode),
}

/// All stores, by location.
#[derive(Debug, Clone, Default)]
pub struct Stores(BTreeMap<LocationCode, Store>);

impl Stores {
    /// # Errors
    /// See [`StoresError`].
    pub fn new(settings: &[StoreSettings], channels: &Channels) -> Result<Self, StoresError> {
        let mut stores = BTreeMap::new();
        for settings in settings {
            let store = store(settings, channels)?;
            if stores.insert(settings.location.clone(), store).is_some() {
                return Err(StoresError::Twice(settings.location.clone()));
            }
        }
        Ok(Self(stores))
    }

    /// The store, if customers of this channel may reserve there.
    #[must_use]
    pub fn of(&self, channel: &ChannelCode, location: &LocationCode) -> Option<&Store> {
        self.0
            .get(location)
            .filter(|store| store.channels.contains(channel))
    }

    /// The store at this location.
    #[must_use]
    pub fn at(&self, location: &LocationCode) -> Option<&Store> {
        self.0.get(location)
    }

    /// The store of a reservation; one that has left the settings ends what it has begun.
    #[must_use]
    pub fn of_reservation(&self, reservation: &Reservation) -> Cow<'_, Store> {
        self.or_given_up(&reservation.store, &reservation.erp)
    }

    /// The store at this location, also where it has left the settings.
    #[must_use]
    pub fn or_given_up(&self, location: &LocationCode, erp: &ErpCode) -> Cow<'_, Store> {
        match self.at(location) {
            Some(store) => Cow::Borrowed(store),
            None => Cow::Owned(Store::given_up(location, erp)),
        }
    }
}

fn store(settings: &StoreSettings, channels: &Channels) -> Result<Store, StoresError> {
    let location = || settings.location.clone();
    let mut erp = None;
    for code in &settings.channels {
        let channel = channels
            .find(code)
            .ok_or_else(|| StoresError::UnknownChannel {
                location: location(),
                channel: code.clone(),
            })?;
        if erp.get_or_insert(&channel.erp) != &&channel.erp {
            return Err(StoresError::SeveralCompanies(location()));
        }
    }
    let erp = erp.ok_or_else(|| StoresError::NoChannel(location()))?;
    let time_zone =
        TimeZone::get(&settings.time_zone).map_err(|_| StoresError::UnknownTimeZone {
            location: location(),
            time_zone: settings.time_zone.clone(),
        })?;
    let open_on = settings.open_on.iter().map(|day| {
        weekday(day).ok_or_else(|| StoresError::NoWeekday {
            location: location(),
            day: day.clone(),
        })
    });
    let open_on: BTreeSet<_> = open_on
        .map(|day| day.map(Into::into))
        .collect::<Result<_, _>>()?;
    if open_on.is_empty() {
        return Err(StoresError::NeverOpen(location()));
    }
    Ok(Store {
        location: location(),
        erp: erp.clone(),
        channels: settings.channels.clone(),
        reservation_warehouse: settings.reservation_warehouse.clone(),
        hours: OpeningHours {
            time_zone,
            open_on,
            closed: settings.closed.clone(),
        },
        answer_within: settings.answer_within,
        keep_for: settings.keep_for,
        keep_for_channel: settings.keep_for_channel.clone(),
        remind_before: settings.remind_before,
        limits: Limits {
            lines: settings.lines,
            quantity_per_line: Quantity::from(settings.quantity),
            open_per_customer: (settings.open_per_customer > 0)
                .then_some(settings.open_per_customer),
        },
    })
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

/// How long work in hand may take when the process stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);
