//! Settings of a simulator, and the command line that fills them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::company::CompanyData;

/// How a pretend Business Central behaves. The default is the real one's documented behaviour.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder the company is kept in; `None` = memory only.
    pub data: Option<PathBuf>,
    /// What an empty tenant is filled with.
    pub company: CompanyData,
    pub clients: Vec<Client>,
    pub budget: Budget,
    /// Requests of one client served at once, and waiting.
    pub at_once: usize,
    pub queued: usize,
    /// A request that waits longer for its turn is answered 503.
    pub queue_limit: Duration,
    /// BC ends an operation after this and answers 408.
    pub operation_limit: Duration,
    /// The gateway in front answers 504 after this.
    pub gateway_limit: Duration,
    pub token_lifetime: Duration,
    /// How long changes are gathered before subscribers are told.
    pub webhook_delay: Duration,
    /// Waits before the attempts after the first; BC: 1, 1, 1, 10, 100 minutes.
    pub webhook_retries: Vec<Duration>,
    pub subscription_lifetime: Duration,
    /// Whether the tenant has the companion extension.
    pub companion: bool,
    /// Whether it has Microsoft's analytics API.
    pub analytics: bool,
    /// Whether processing a buffered order releases it.
    pub release_orders: bool,
}

/// An Entra application that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub id: String,
    pub secret: String,
}

/// Requests a client may make in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub requests: usize,
    pub window: Duration,
}

impl Default for Config {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            data: None,
            company: crate::company::demo(),
            clients: vec![Client {
                id: "millrace-demo".to_owned(),
                secret: "millrace-demo".to_owned(),
            }],
            budget: Budget {
                requests: 6000,
                window: Duration::from_secs(300),
            },
            at_once: 5,
            queued: 95,
            queue_limit: 8 * MINUTE,
            operation_limit: 8 * MINUTE,
            gateway_limit: 10 * MINUTE,
            token_lifetime: Duration::from_secs(3599),
            webhook_delay: Duration::from_secs(30),
            webhook_retries: [1, 1, 1, 10, 100].map(|minutes| minutes * MINUTE).to_vec(),
            subscription_lifetime: 3 * 24 * 60 * MINUTE,
            companion: true,
            analytics: true,
            release_orders: true,
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("'{text}' is not a budget such as 6000/300s");
        let (requests, window) = text.split_once('/').ok_or_else(wrong)?;
        Ok(Self {
            requests: requests.trim().parse().map_err(|_| wrong())?,
            window: humantime::parse_duration(window.trim()).map_err(|_| wrong())?,
        })
    }
}

/// `millrace simulate`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address to listen at
    #[arg(long, default_value = "127.0.0.1:7048")]
    pub listen: SocketAddr,
    /// Folder to keep the company in; without it everything is forgotten at the end
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Add this many items with prices and stock
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub scale: usize,
    /// How long changes are gathered before webhooks are sent
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub webhook_delay: Duration,
    /// Client that may call; repeatable, each with its secret in the same order
    #[arg(long = "client-id", value_name = "ID", default_value = "millrace-demo")]
    pub client_ids: Vec<String>,
    /// Secret of the client at the same place
    #[arg(
        long = "client-secret",
        value_name = "SECRET",
        default_value = "millrace-demo"
    )]
    pub client_secrets: Vec<String>,
    /// Requests per client and sliding window
    #[arg(long, default_value = "6000/300s")]
    pub budget: Budget,
    /// Time after which BC gives an operation up
    #[arg(long, default_value = "8m", value_parser = humantime::parse_duration)]
    pub operation_limit: Duration,
    /// Time after which the gateway answers 504
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    pub gateway_limit: Duration,
    /// Lifetime of access tokens
    #[arg(long, default_value = "3599s", value_parser = humantime::parse_duration)]
    pub token_lifetime: Duration,
    /// Play a tenant without the companion extension
    #[arg(long)]
    pub without_companion: bool,
    /// Play a tenant without Microsoft's analytics API
    #[arg(long)]
    pub without_analytics: bool,
}

impl Args {
    /// The settings they stand for; the text says what does not fit together.
    pub fn into_config(self) -> Result<Config, String> {
        if self.client_ids.len() != self.client_secrets.len() {
            return Err(format!(
                "{} client ids but {} client secrets were given: each client needs both",
                self.client_ids.len(),
                self.client_secrets.len()
            ));
        }
        let mut company = crate::company::demo();
        crate::company::scale(&mut company, self.scale);
        let clients = self
            .client_ids
            .into_iter()
            .zip(self.client_secrets)
            .map(|(id, secret)| Client { id, secret })
            .collect();
        Ok(Config {
            data: self.data,
            company,
            clients,
            budget: self.budget,
            operation_limit: self.operation_limit,
            queue_limit: self.operation_limit,
            gateway_limit: self.gateway_limit,
            token_lifetime: self.token_lifetime,
            webhook_delay: self.webhook_delay,
            companion: !self.without_companion,
            analytics: !self.without_analytics,
            ..Config::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches};

    use super::*;

    fn parse(line: &str) -> Result<Config, String> {
        let command = Args::augment_args(clap::Command::new("simulate"));
        let words = std::iter::once("simulate").chain(line.split_whitespace());
        let matches = command
            .try_get_matches_from(words)
            .map_err(|error| error.to_string())?;
        Args::from_arg_matches(&matches)
            .map_err(|error| error.to_string())?
            .into_config()
    }

    #[test]
    fn the_command_line_fills_the_settings() {
        let config = parse("--webhook-delay 2s --client-id a --client-secret 1 --client-id b --client-secret 2 --budget 60/10s --scale 3")
            .expect("fits");
        assert_eq!(config.webhook_delay, Duration::from_secs(2));
        assert_eq!(
            config.clients[1],
            Client {
                id: "b".to_owned(),
                secret: "2".to_owned()
            }
        );
        assert_eq!(
            config.budget,
            Budget {
                requests: 60,
                window: Duration::from_secs(10)
            }
        );
        assert!(
            config
                .company
                .items
                .iter()
                .any(|item| item.number == "G0000002")
        );
        let plain = parse("").expect("fits");
        assert_eq!(
            (plain.clients.len(), plain.webhook_delay),
            (1, Duration::from_secs(30))
        );
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert!(
            parse("--client-id a --client-id b --client-secret 1")
                .is_err_and(|text| text.contains("secret"))
        );
        assert!(parse("--budget lots").is_err_and(|text| text.contains("6000/300s")));
    }
}
