//! Doorbells as they are set, checked before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use millrace_doorbell::{Endpoint, EndpointError, Names, Wishes};
use millrace_service_kit::Secret;
use millrace_values::{ChannelCode, Channels};
use thiserror::Error;

use crate::config::{By, Config, DoorbellSettings, Payload};
use crate::domain::rhythm::Rhythm;
use crate::domain::rings::Together;
use crate::inbound::kinds::{Catalogue, Chosen};

/// Every channel's doorbells.
#[derive(Debug, Default)]
pub struct Doorbells(BTreeMap<ChannelCode, Arc<OfChannel>>);

#[derive(Debug, Default)]
pub(crate) struct OfChannel {
    pub staging: bool,
    /// By name.
    pub bells: BTreeMap<String, Arc<Doorbell>>,
}

#[derive(Debug)]
pub(crate) struct Doorbell {
    pub name: String,
    pub endpoint: Endpoint,
    pub chosen: Chosen,
    pub full_payload: bool,
    pub rhythm: Rhythm,
    pub together: Together,
    /// How long a change waits for others to ring with.
    pub within: SignedDuration,
}

/// One line that names the setting. Nothing of the settings is repeated that may be a secret.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum DoorbellsError {
    #[error("shop_delivery.channels: {0} is no channel")]
    UnknownChannel(ChannelCode),
    #[error("shop_delivery.channels: {0} is there twice")]
    ChannelTwice(ChannelCode),
    #[error("shop_delivery.channels: {channel}: doorbell {name:?}: {setting}: {reason}")]
    Doorbell {
        channel: ChannelCode,
        name: String,
        setting: String,
        reason: String,
    },
}

impl Doorbells {
    /// # Errors
    /// The first setting that cannot be meant: a template, a secret, an address, a schedule …
    pub fn new(
        config: &Config,
        channels: &Channels,
        names: &Arc<dyn Names>,
    ) -> Result<Self, DoorbellsError> {
        let catalogue = Catalogue::of_the_contract();
        let mut all = BTreeMap::new();
        for settings in &config.channels {
            let channel = &settings.channel;
            if channels.find(channel).is_none() {
                return Err(DoorbellsError::UnknownChannel(channel.clone()));
            }
            let mut bells = BTreeMap::new();
            for doorbell in &settings.doorbells {
                let name = doorbell.name.clone();
                let checked = checked(doorbell, &catalogue, names).and_then(|checked| match bells
                    .insert(name.clone(), Arc::new(checked))
                {
                    Some(_) => Err(wrong("name", "is there twice")),
                    None => Ok(()),
                });
                checked.map_err(|error| DoorbellsError::Doorbell {
                    channel: channel.clone(),
                    name,
                    setting: error.setting,
                    reason: error.reason,
                })?;
            }
            let staging = settings.staging;
            let of_channel = Arc::new(OfChannel { staging, bells });
            if all.insert(channel.clone(), of_channel).is_some() {
                return Err(DoorbellsError::ChannelTwice(channel.clone()));
            }
        }
        Ok(Self(all))
    }

    pub(crate) fn of(&self, channel: &ChannelCode) -> Arc<OfChannel> {
        self.0.get(channel).cloned().unwrap_or_default()
    }
}

fn checked(
    settings: &DoorbellSettings,
    catalogue: &Catalogue,
    names: &Arc<dyn Names>,
) -> Result<Doorbell, EndpointError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &settings.name;
    if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
        return Err(wrong("name", "1 to 40 of a-z, 0-9 and -"));
    }
    let chosen = catalogue.choose_for_bells(&settings.kinds);
    let chosen = chosen.map_err(|error| wrong("kinds", error))?;
    let coalesce = settings.coalesce;
    let within = coalesce.map_or(std::time::Duration::ZERO, |coalesce| coalesce.within);
    let within = SignedDuration::try_from(within).ok();
    let within = within.filter(|within| *within <= SignedDuration::from_hours(24));
    Ok(Doorbell {
        name: name.clone(),
        endpoint: Endpoint::new(wishes(settings)?, names.clone())?,
        chosen,
        full_payload: settings.payload == Payload::Full,
        rhythm: rhythm(settings)?,
        together: coalesce.map_or(Together::Never, |coalesce| together(coalesce.by)),
        within: within.ok_or_else(|| wrong("coalesce.within", "at most 24h"))?,
    })
}

fn together(by: By) -> Together {
    match by {
        By::Key => Together::ByKey,
        By::Kind => Together::ByKind,
        By::Channel => Together::All,
    }
}

fn wishes(settings: &DoorbellSettings) -> Result<Wishes, EndpointError> {
    let mut secrets = settings.secrets.clone();
    for file in &settings.secret_files {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let file = file.display();
            wrong("secret_files", format!("{file} cannot be read: {error}"))
        })?;
        secrets.push(Secret::new(text.trim()));
    }
    Ok(Wishes {
        method: settings.method.clone(),
        url: settings.url.clone(),
        headers: settings.headers.clone().into_iter().collect(),
        body: settings.body.clone(),
        full_payload: settings.payload == Payload::Full,
        secrets,
        allow_internal: settings.allow_internal.clone(),
        timeout: settings.timeout,
    })
}

fn rhythm(settings: &DoorbellSettings) -> Result<Rhythm, EndpointError> {
    match (settings.every, settings.at.as_slice()) {
        (None, []) if settings.time_zone.is_some() => {
            Err(wrong("time_zone", "is for a doorbell with times (at)"))
        }
        (None, []) => Ok(Rhythm::AtOnce),
        (Some(_), [_, ..]) => Err(wrong("every", "stands beside at; one of them says when")),
        (Some(every), []) => {
            let every = SignedDuration::try_from(every).ok();
            let every = every.filter(|every| {
                *every >= SignedDuration::from_secs(1) && *every <= SignedDuration::from_hours(24)
            });
            let every = every.ok_or_else(|| wrong("every", "1s to 24h"))?;
            Ok(Rhythm::Every(every))
        }
        (None, times) => {
            let parsed = times.iter().map(|text| {
                let time: Result<Time, _> = text.parse();
                time.map_err(|_| wrong("at", format!("{text:?} is no time of day like 06:30")))
            });
            let times: BTreeSet<Time> = parsed.collect::<Result<_, _>>()?;
            let zone = settings.time_zone.as_deref();
            let zone = zone.ok_or_else(|| wrong("time_zone", "is missing beside at"))?;
            let zone = TimeZone::get(zone)
                .map_err(|_| wrong("time_zone", format!("nobody knows {zone:?}")))?;
            Ok(Rhythm::At {
                times: times.into_iter().collect(),
                zone,
            })
        }
    }
}

fn wrong(setting: &str, reason: impl ToString) -> EndpointError {
    EndpointError {
        setting: setting.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
