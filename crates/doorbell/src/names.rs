//! From names to addresses that were checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use crate::address::Guard;

/// Who knows the addresses of names.
#[async_trait]
pub trait Names: Send + Sync {
    /// Every address `name` has now.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Why a name is not connected to.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    #[error("{name} is not found")]
    Unknown { name: String, source: io::Error },
    #[error("{name} has no address")]
    Nowhere { name: String },
    #[error("{name} has {address}, {why}")]
    Address {
        name: String,
        address: IpAddr,
        why: &'static str,
    },
}

/// What the HTTP client connects to is what was checked here: it does not ask again.
pub(crate) struct Guarded {
    pub names: Arc<dyn Names>,
    pub guard: Guard,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, guard) = (self.names.clone(), self.guard.clone());
        Box::pin(async move {
            let checked = checked(&*names, &guard, name.as_str()).await?;
            // Port 0: the one of the url.
            let found = checked
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            let found: Addrs = Box::new(found);
            Ok(found)
        })
    }
}

/// One bad address spoils the answer: a name that points inside as well as outside is nothing a shop needs.
async fn checked(names: &dyn Names, guard: &Guard, name: &str) -> Result<Vec<IpAddr>, Refused> {
    let found = names.addresses(name).await;
    let found = found.map_err(|source| Refused::Unknown {
        name: name.to_owned(),
        source,
    })?;
    if found.is_empty() {
        return Err(Refused::Nowhere {
            name: name.to_owned(),
        });
    }
    for &address in &found {
        guard.check(address).map_err(|why| Refused::Address {
            name: name.to_owned(),
            address,
            why,
        })?;
    }
    Ok(found)
}
