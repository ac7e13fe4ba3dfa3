//! Where questions are asked: who may ask, what a channel sees, and where the answer comes from.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::Guard;
use millrace_contract::stock::v1::Source;
use millrace_service_kit::Shutdown;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::rejection::{bad_request, not_found};
use millrace_values::{Channel, ChannelCode, Channels};
use thiserror::Error;
use tonic::Status;

use super::live::Live;
use super::question::Asked;
use super::reply::Reply;
use crate::freshness::Freshness;
use crate::index::{Index, Names, Shown, View};

/// Scope of every call.
pub const SCOPE: &str = "stock:read";

#[derive(Debug, Error)]
#[error("there are too many channels or locations")]
pub struct TooManyChannels;

/// What one channel sees.
pub struct Window {
    pub channel: Channel,
    pub view: View,
}

/// Answers questions.
pub struct Desk {
    shown: Arc<Shown>,
    windows: HashMap<Box<str>, Arc<Window>>,
    freshness: Arc<Freshness>,
    live: Option<Live>,
    pub(super) shutdown: Shutdown,
}

impl Desk {
    /// Without `live`, a question for a live figure is answered from the index, saying so.
    ///
    /// # Errors
    /// More channels or locations than can be numbered.
    pub fn new(
        shown: Arc<Shown>,
        channels: &Channels,
        freshness: Arc<Freshness>,
        live: Option<Live>,
        shutdown: Shutdown,
    ) -> Result<Arc<Self>, TooManyChannels> {
        let mut windows = HashMap::new();
        for channel in channels.iter() {
            let view = View::new(channel, shown.names()).ok_or(TooManyChannels)?;
            windows.insert(
                channel.code.as_str().into(),
                Arc::new(Window {
                    channel: channel.clone(),
                    view,
                }),
            );
        }
        Ok(Arc::new(Self {
            shown,
            windows,
            freshness,
            live,
            shutdown,
        }))
    }

    #[inline]
    pub fn index(&self) -> Guard<Arc<Index>> {
        self.shown.index()
    }

    pub fn names(&self) -> &Names {
        self.shown.names()
    }

    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }

    #[inline]
    pub fn is_stale(&self, window: &Window) -> bool {
        self.freshness.is_stale(&window.channel.erp)
    }

    pub(super) fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// The channel's window, if the question may be asked.
    pub fn admit(&self, caller: &Caller, asked: &Asked) -> Result<Arc<Window>, Status> {
        let channel = asked.channel();
        caller.may(SCOPE, channel)?;
        let Some(window) = self.windows.get(channel) else {
            return Err(match ChannelCode::parse(channel) {
                Ok(channel) => not_found("channel", channel.as_str()),
                Err(error) => bad_request("channel", error.to_string()),
            });
        };
        asked.check()?;
        Ok(window.clone())
    }

    /// Answers from the index.
    pub fn from_index(
        self: &Arc<Self>,
        asked: Asked,
        window: Arc<Window>,
        source: Source,
    ) -> Reply {
        Reply::Index {
            asked,
            window,
            desk: self.clone(),
            source,
        }
    }
}
