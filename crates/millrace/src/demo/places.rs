//! Where the services of the tour answer: all at one address, or each at its own.

use std::str::FromStr;

use anyhow::Result;
use clap::ValueEnum;

use crate::exit::WrongSettings;
use crate::system::ServiceName;

/// `http://127.0.0.1:50051`, or `order-intake=http://127.0.0.1:50052` for one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `None`: every service that is not named.
    service: Option<ServiceName>,
    address: String,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None => Ok(Self {
                service: None,
                address: text.to_owned(),
            }),
            Some((service, address)) => Ok(Self {
                service: Some(ServiceName::from_str(service, false)?),
                address: address.to_owned(),
            }),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Places(Vec<Place>);

impl Places {
    pub fn new(places: Vec<Place>) -> Self {
        Self(places)
    }

    pub fn one(address: &str) -> Self {
        Self(vec![Place {
            service: None,
            address: address.to_owned(),
        }])
    }

    /// # Errors
    /// Nobody said where the service answers.
    pub fn of(&self, service: ServiceName) -> Result<&str> {
        let own = self.0.iter().find(|place| place.service == Some(service));
        let place = own.or_else(|| self.0.iter().find(|place| place.service.is_none()));
        let place = place
            .ok_or_else(|| WrongSettings(format!("--at does not say where {service} answers")))?;
        Ok(&place.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_answers_at_its_own_address_or_where_all_do() {
        let places = ["http://all", "order-intake=http://orders"];
        let places = Places::new(places.map(|place| place.parse().unwrap()).to_vec());
        assert_eq!(
            places.of(ServiceName::OrderIntake).unwrap(),
            "http://orders"
        );
        assert_eq!(places.of(ServiceName::CatalogSync).unwrap(), "http://all");
    }

    #[test]
    fn a_service_nobody_told_of_is_named() {
        let places = Places::new(vec!["order-intake=http://orders".parse().unwrap()]);
        let missing = places.of(ServiceName::CatalogSync).unwrap_err();
        assert!(missing.to_string().contains("catalog-sync"), "{missing}");
        assert!("nobody=http://orders".parse::<Place>().is_err());
    }
}
