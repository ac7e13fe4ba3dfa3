//! What the process can be started for.

use std::time::Duration;

use anyhow::{Context, Result};
use millrace_erp_simulator::{Args as SimulateArgs, Simulator};
use millrace_json_door::Catalogue;
use millrace_service_kit::telemetry;
use tokio::net::TcpListener;
use tracing::info;

use crate::cli::{ConfigAction, MigrateArgs, RunArgs, SettingsArgs, selection};
use crate::settings::{DEFAULTS, Settings};
use crate::system::{self, System};
use crate::{exit, stop};

/// `millrace run …`
pub async fn run(args: &RunArgs, files: &SettingsArgs) -> Result<()> {
    let settings = Settings::load(files.config.as_deref())?;
    let names = args.services.join("-");
    let service = format!("millrace-{names}");
    let _telling = telemetry::init(&settings.telemetry, &service, &settings.trace_key())
        .map_err(|error| exit::WrongSettings(format!("telemetry: {error}")))?;
    let shutdown = stop::on_signal();
    let system = System::build(&settings, selection(&args.services)).await?;
    let addresses = system.addresses();
    let system::Addresses {
        grpc,
        http,
        monitoring,
    } = addresses;
    let http = http.map_or_else(|| "no address".to_owned(), |http| http.to_string());
    info!(%grpc, http, %monitoring, "listening for grpc at {grpc}, json over http at {http}, health at {monitoring}");
    system.run(shutdown).await
}

/// `millrace simulate …`
#[expect(clippy::print_stdout, reason = "tells where to find it")]
pub async fn simulate(args: SimulateArgs) -> Result<()> {
    let listen = args.listen;
    let config = args.into_config().map_err(exit::WrongSettings)?;
    let shutdown = stop::on_signal();
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("address {listen} cannot be used; --listen takes another"))?;
    let simulator = Simulator::start(config, listener).await?;
    println!("a pretend Business Central answers at {}", simulator.url());
    println!("  API        {}/api/v2.0", simulator.base_url());
    println!(
        "  companion  {}/api/millrace/commerce/v1.0",
        simulator.base_url()
    );
    println!("  tokens     {}", simulator.token_url());
    println!("  people     {}/_office", simulator.url());
    println!("  faults     {}/_faults", simulator.url());
    simulator.run(shutdown).await;
    Ok(())
}

/// `millrace migrate …`
#[expect(clippy::print_stdout, reason = "the answer to the command")]
pub async fn migrate(args: &MigrateArgs, files: &SettingsArgs) -> Result<()> {
    let settings = Settings::load(files.config.as_deref())?;
    let chosen = selection(&args.services);
    let work = system::migrate(&settings, &chosen, args);
    let done = tokio::time::timeout(Duration::from_secs(600), work)
        .await
        .context("took longer than ten minutes")??;
    for step in &done {
        println!("{step}");
    }
    match (done.is_empty(), args.dry_run) {
        (true, _) => println!("nothing to do"),
        (false, true) => println!("{} steps would be taken", done.len()),
        (false, false) => println!("{} steps taken", done.len()),
    }
    Ok(())
}

/// `millrace openapi`
#[expect(clippy::print_stdout, reason = "the answer to the command")]
pub fn openapi() -> Result<()> {
    let catalogue = Catalogue::read(millrace_contract::DESCRIPTORS)?;
    println!("{:#}", millrace_json_door::document(&catalogue));
    Ok(())
}

/// `millrace config …`
#[expect(clippy::print_stdout, reason = "the answer to the command")]
pub fn config(action: &ConfigAction, args: &SettingsArgs) -> Result<()> {
    match action {
        ConfigAction::Defaults => print!("{DEFAULTS}"),
        ConfigAction::Print => println!("{:#?}", Settings::load(args.config.as_deref())?),
        ConfigAction::Check => {
            Settings::load(args.config.as_deref())?.doorbells()?;
            println!("the settings can be read");
        }
    }
    Ok(())
}
