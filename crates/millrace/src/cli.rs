//! What can be said on the command line.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::client;
use crate::demo::DemoArgs;
use crate::system::{Selection, ServiceName};

/// Carries items, prices, stock and customers from an ERP to webshops, and orders back, once.
///
/// Settings: compiled-in defaults < --config file < MILLRACE_… environment (`millrace config print` shows them all).
/// Exit codes: 0 done, 64 wrong settings or call, 69 a neighbour is away, 1 anything else.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Args)]
pub struct SettingsArgs {
    /// Settings file (TOML).
    #[arg(
        long,
        short,
        global = true,
        env = "MILLRACE_CONFIG",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
}

/// Where and as whom client commands call.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Address of the gRPC server; https:// where it has a certificate.
    #[arg(
        long,
        global = true,
        env = "MILLRACE_SERVER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        hide_env_values = true
    )]
    pub server: String,
    /// Bearer token.
    #[arg(
        long,
        global = true,
        env = "MILLRACE_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub token: Option<String>,
    /// Authorities of the server's certificate (PEM); absent: those this machine trusts.
    #[arg(long, global = true, env = "MILLRACE_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Certificate to show to a server that asks for one (PEM).
    #[arg(
        long,
        global = true,
        env = "MILLRACE_CERTIFICATE",
        requires = "key",
        value_name = "FILE"
    )]
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(
        long,
        global = true,
        env = "MILLRACE_KEY",
        requires = "certificate",
        value_name = "FILE"
    )]
    pub key: Option<PathBuf>,
    /// How to print answers.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For machines: one JSON document per answer, fields as in the protos.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run services in this process: `all`, or some by name.
    Run(RunArgs),
    /// A guided tour: the pretend ERP with a furniture company, all services, a scripted shop.
    Demo(DemoArgs),
    /// A pretend Business Central over HTTP, with switchable faults.
    Simulate(millrace_erp_simulator::Args),
    /// Make or change tables and topics. Safe to repeat and to run beside others.
    Migrate(MigrateArgs),
    /// Look at the settings.
    #[command(subcommand)]
    Config(ConfigAction),
    /// Print the description of JSON over HTTP (OpenAPI 3.1).
    Openapi,
    /// Look whether settings, databases, Kafka and the ERP are as they have to be; every trouble comes with its mend. Changes
    /// nothing. Exit code 1 when something is wrong.
    Doctor(DoctorArgs),
    /// Shop orders: show, list, mend, retry, drop.
    #[command(subcommand)]
    Order(client::order::OrderCommand),
    /// Goods held for customers in stores: show, list, pick list, post, pick up, cancel.
    #[command(subcommand)]
    Reservation(client::reservation::ReservationCommand),
    /// Goods that come back: submit, show, list, mend, retry, refuse, receive, cancel.
    #[command(subcommand)]
    Return(client::returns::ReturnCommand),
    /// How many of an item may be sold.
    Stock(client::stock::StockCommand),
    /// Follow a channel's change feed.
    Feed(client::feed::FeedCommand),
    /// Doorbells of a channel, which tell its shop of changes: list, open, test, replay, on, off.
    #[command(subcommand)]
    Doorbell(client::doorbell::DoorbellCommand),
    /// Records that could not be processed: list, retry, drop.
    #[command(subcommand)]
    Parked(client::parked::ParkedCommand),
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// `all`, or services by name.
    #[arg(required = true, value_name = "SERVICE", value_parser = service_names())]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Only these services; without any: all.
    #[arg(value_name = "SERVICE", value_parser = service_names())]
    pub services: Vec<String>,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// The databases of these services were restored to an earlier point: begin a new epoch of their logs, so that everything is
    /// published again and readers do not take new events for old ones. Stop the services first.
    #[arg(long, requires = "services")]
    pub new_epoch: bool,
    /// Whether Kafka's topics are made as well: off where somebody else does, such as Strimzi's operator.
    #[arg(long, value_enum, default_value_t = Topics::On)]
    pub topics: Topics,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Only these services; without any: all.
    #[arg(value_name = "SERVICE", value_parser = service_names())]
    pub services: Vec<String>,
    /// Before going live: also every page of the ERP that is read, its number series, posting groups and the rest of its setup.
    #[arg(long)]
    pub erp: bool,
    /// The databases were restored from a backup: compare logs, Kafka, consumers and the ERP's cursors, and say what to do.
    #[arg(long)]
    pub after_restore: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Topics {
    /// Those that are missing are made.
    On,
    /// Kafka is left alone.
    Off,
}

fn service_names() -> PossibleValuesParser {
    let names = ServiceName::value_variants()
        .iter()
        .map(|name| name.as_str());
    PossibleValuesParser::new(std::iter::once("all").chain(names))
}

/// What the command line names.
pub fn selection(names: &[String]) -> Selection {
    if names.is_empty() || names.iter().any(|name| name == "all") {
        return Selection::all();
    }
    Selection::of(
        ServiceName::value_variants()
            .iter()
            .copied()
            .filter(|service| names.iter().any(|name| name == service.as_str())),
    )
}

#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Read the settings and say whether they can be meant.
    Check,
    /// Print every setting with its comment and default.
    Defaults,
    /// Print the settings as they are now; secrets as ***.
    Print,
}
