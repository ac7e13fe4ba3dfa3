//! Which services a process runs.

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum ServiceName {
    CatalogSync,
    CustomerSync,
    OrderIntake,
    StockAvailability,
    Reservation,
    Returns,
    ShopDelivery,
}

impl ServiceName {
    const ALL: [Self; 7] = [
        Self::CatalogSync,
        Self::CustomerSync,
        Self::OrderIntake,
        Self::StockAvailability,
        Self::Reservation,
        Self::Returns,
        Self::ShopDelivery,
    ];

    /// As on the command line, in settings and in database names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CatalogSync => "catalog-sync",
            Self::CustomerSync => "customer-sync",
            Self::OrderIntake => "order-intake",
            Self::StockAvailability => "stock-availability",
            Self::Reservation => "reservation",
            Self::Returns => "returns",
            Self::ShopDelivery => "shop-delivery",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(BTreeSet<ServiceName>);

impl Selection {
    pub fn all() -> Self {
        Self(ServiceName::ALL.into())
    }

    pub fn of(names: impl IntoIterator<Item = ServiceName>) -> Self {
        Self(names.into_iter().collect())
    }

    pub fn is_all(&self) -> bool {
        self.0.len() == ServiceName::ALL.len()
    }

    pub fn has(&self, service: ServiceName) -> bool {
        self.0.contains(&service)
    }

    pub fn iter(&self) -> impl Iterator<Item = ServiceName> {
        self.0.iter().copied()
    }
}
