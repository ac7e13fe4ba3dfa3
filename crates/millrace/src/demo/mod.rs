//! `millrace demo`: the simulator with a small furniture company, all services in this process, a scripted shop, and a tour.

mod office;
mod orders;
mod screen;
mod shop;
mod tour;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use millrace_erp_simulator::{Config, Simulator};
use millrace_service_kit::{Clock, SystemClock, telemetry};
use tokio::net::TcpListener;
use tracing::info;

use crate::cli::SettingsArgs;
use crate::settings::{DEFAULTS, Settings};
use crate::system::{Selection, System};
use crate::{exit, stop};
use office::Office;
use screen::Screen;
use shop::{CHANNEL, OPERATOR_TOKEN, SHOP_TOKEN, Shop};
use tour::Tour;

/// What the demo sets over the defaults.
const DEMO: &str = include_str!("../../demo.toml");

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Forget the data of earlier demos and start anew.
    #[arg(long)]
    fresh: bool,
    /// End after the tour: 0 when every step held.
    #[arg(long)]
    exit_after_tour: bool,
    /// Where the pretend Business Central listens.
    #[arg(long, default_value = "127.0.0.1:7048", value_name = "ADDRESS")]
    simulator: SocketAddr,
}

pub async fn run(args: &DemoArgs, files: &SettingsArgs) -> Result<()> {
    let mut settings = Settings::load_over(&[DEFAULTS, DEMO], files.config.as_deref())?;
    // The tour speaks for itself; what the services log is for those who ask (MILLRACE_TELEMETRY__FILTER).
    if std::env::var_os("MILLRACE_TELEMETRY__FILTER").is_none() {
        settings.telemetry.filter = "error".into();
    }
    telemetry::init(&settings.telemetry)
        .map_err(|error| exit::WrongSettings(format!("telemetry: {error}")))?;
    if args.fresh {
        forget(&settings.data_dir)?;
    }
    let shutdown = stop::on_signal();
    let listener = TcpListener::bind(args.simulator).await.with_context(|| {
        format!(
            "address {} of the pretend erp cannot be used; --simulator takes another",
            args.simulator
        )
    })?;
    let folder = settings.data_dir.join("erp");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("folder {} cannot be made", folder.display()))?;
    let simulator = Simulator::start(
        Config {
            data: Some(folder),
            ..Config::default()
        },
        listener,
    )
    .await?;
    if let Some(erp) = settings.erp.as_mut() {
        erp.address = format!("{}/v2.0", simulator.url());
        erp.sign_in_address = simulator.url();
    }
    let system = System::build(&settings, Selection::all()).await?;
    let addresses = system.addresses();
    let server = format!("http://{}", addresses.grpc);
    let erp = simulator.url();
    let running = tokio::spawn(system.run(shutdown.clone()));
    let toured = tokio::select! {
        toured = tour(&server, &erp) => toured,
        () = shutdown.cancelled() => Ok(()),
    };
    if toured.is_ok() && !args.exit_after_tour && !shutdown.is_cancelled() {
        invite(&server, &erp, &addresses.monitoring.to_string());
        shutdown.cancelled().await;
    }
    shutdown.cancel();
    let ended = running.await.context("the services panicked")?;
    simulator.stop().await;
    toured?;
    ended
}

async fn tour(server: &str, simulator: &str) -> Result<()> {
    let mut screen = Screen::new();
    screen.line(
        "Millrace: a pretend Business Central, all services in this process, a scripted shop.",
    );
    let mut tour = Tour {
        shop: Shop::open(server).await?,
        office: Office::open(simulator).await?,
        run: SystemClock.now().as_second().to_string(),
    };
    tour.take(&mut screen).await?;
    info!("the tour is over");
    screen.line("\nEvery step held.");
    Ok(())
}

fn forget(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| {
                format!(
                    "data in {} cannot be forgotten",
                    PathBuf::from(folder).display()
                )
            })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn invite(server: &str, simulator: &str, monitoring: &str) {
    let plain = server.trim_start_matches("http://");
    let text = format!(
        "
gRPC        {plain}   (reflection is on)
health      http://{monitoring}/ready   http://{monitoring}/metrics
the ERP     {simulator}   (/_office: what people do there, /_faults: what goes wrong)
tokens      shop {SHOP_TOKEN}   operator {OPERATOR_TOKEN}

Try, in another terminal:
  export MILLRACE_SERVER={server} MILLRACE_TOKEN={OPERATOR_TOKEN}
  millrace stock 1000/NATUR 1104 1503 --channel {CHANNEL} --by-location
  millrace feed --channel {CHANNEL} --kinds items,prices
  millrace order list --channel {CHANNEL}
  curl -s {simulator}/_office/change-item -d '{{\"number\":\"1503\",\"name\":\"LED warm\"}}'
  curl -s {simulator}/_office/move-stock -d '{{\"item\":\"1503\",\"location\":\"MAIN\",\"quantity\":100}}'
  grpcurl -plaintext -H 'authorization: Bearer {SHOP_TOKEN}' -d '{{\"channel\":\"{CHANNEL}\",\"number\":\"1503\"}}' {plain} millrace.catalog.v1.CatalogService/GetItem

(millrace is target/debug/millrace.) Ctrl-C stops everything; the next demo goes on with this data, --fresh starts anew."
    );
    Screen::new().line(&text);
}
