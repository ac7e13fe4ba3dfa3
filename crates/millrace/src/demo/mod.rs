//! `millrace demo`: the simulator with a small furniture company, all services in this process, a scripted shop, and a tour.

mod assortment;
mod doorbell;
mod fresh;
mod give_back;
mod office;
mod orders;
mod places;
mod reserve;
mod screen;
mod shop;
mod tour;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use millrace_erp_simulator::{Config, Simulator};
use millrace_service_kit::{Clock, SystemClock, telemetry};
use tokio::net::TcpListener;
use tracing::info;

use crate::cli::SettingsArgs;
use crate::settings::{DEFAULTS, Settings};
use crate::system::{self, Addresses, Selection, System};
use crate::{exit, stop};
use doorbell::Door;
use office::Office;
use places::{Place, Places};
use screen::{Screen, took};
use shop::{CHANNEL, OPERATOR_TOKEN, SHOP_TOKEN, Shop};
use tour::Tour;

/// What the demo sets over the defaults.
const DEMO: &str = include_str!("../../demo.toml");

/// How long the pretend ERP gathers changes before it tells of them; the real one takes 30 seconds.
const WEBHOOK_DELAY: Duration = Duration::from_millis(50);

/// The scripted shop listens where nobody else does.
const ANY_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

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
    /// With --at: where the scripted shop listens for the doorbell `tour` of those services. Without it the tour rings none.
    #[arg(long, requires = "at", value_name = "ADDRESS")]
    doorbell: Option<SocketAddr>,
    /// Start nothing: take the tour at services that run already, with the demo's channel and tokens and an ERP at
    /// --simulator. An address for all, or `service=address` for each.
    #[arg(long, value_name = "ADDRESS")]
    at: Vec<Place>,
}

pub async fn run(args: &DemoArgs, files: &SettingsArgs) -> Result<()> {
    if !args.at.is_empty() {
        let simulator = format!("http://{}", args.simulator);
        let door = match args.doorbell {
            Some(address) => Some(Door::at(address).await?),
            None => None,
        };
        return tour(&Places::new(args.at.clone()), &simulator, door).await;
    }
    let door = Door::at(ANY_ADDRESS).await?;
    let defaults = [DEFAULTS, DEMO, &door.settings()];
    let mut settings = Settings::load_over(&defaults, files.config.as_deref())?;
    // The tour speaks for itself; what the services log is for those who ask (MILLRACE_TELEMETRY__FILTER).
    if std::env::var_os("MILLRACE_TELEMETRY__FILTER").is_none() {
        settings.telemetry.filter = "error".into();
    }
    let _telling = telemetry::init(&settings.telemetry, "millrace-demo", &settings.trace_key())
        .map_err(|error| exit::WrongSettings(format!("telemetry: {error}")))?;
    if args.fresh && settings.database_is_a_server() {
        let why = "--fresh forgets files, but database.url names a server";
        return Err(exit::WrongSettings(why.into()).into());
    }
    let shutdown = stop::on_signal();
    let listener = TcpListener::bind(args.simulator).await.with_context(|| {
        format!(
            "address {} of the pretend erp cannot be used; --simulator takes another",
            args.simulator
        )
    })?;
    let erp = format!("http://{}", listener.local_addr()?);
    let hooks = settings.hooks.listen;
    if let Some(settings) = settings.erp.as_mut() {
        settings.address = format!("{erp}/v2.0");
        settings.sign_in_address = erp.clone();
        // So that a change is seen in milliseconds instead of at the next look.
        settings.webhooks.public_address = Some(format!("http://{hooks}/hooks"));
    }
    let system = System::build(&settings, Selection::all()).await?;
    // Every address is ours: no other demo runs on this data, unless it was told to use other addresses; then its locks say so.
    let (folder, databases) = (&settings.data_dir, system::database_names(&settings)?);
    if args.fresh {
        fresh::forget(folder, &databases)?;
    }
    fresh::begin(folder, &databases)?;
    let simulator = Simulator::start(
        Config {
            data: Some(fresh::company(folder)),
            webhook_delay: WEBHOOK_DELAY,
            ..Config::default()
        },
        listener,
    )
    .await?;
    let addresses = system.addresses();
    let server = format!("http://{}", addresses.grpc);
    let places = Places::one(&server);
    let asked = shutdown.clone();
    let running = tokio::spawn(async move {
        let ended = system.run(asked.clone()).await;
        // However it ended: there is nothing left to tour.
        asked.cancel();
        ended
    });
    let toured = tokio::select! {
        // First: a tour fails when the services go down under it, and that is not what went wrong.
        biased;
        () = shutdown.cancelled() => None,
        toured = tour(&places, &erp, Some(door)) => Some(toured),
    };
    if matches!(toured, Some(Ok(()))) && !args.exit_after_tour {
        invite(&server, &erp, addresses);
        shutdown.cancelled().await;
    }
    shutdown.cancel();
    let ended = running.await.context("the services panicked")?;
    simulator.stop().await;
    match toured {
        Some(toured) => toured.and(ended),
        None => ended.and_then(|()| stopped(args.exit_after_tour)),
    }
}

async fn tour(places: &Places, simulator: &str, door: Option<Door>) -> Result<()> {
    let began = Instant::now();
    let mut screen = Screen::new();
    screen.line("Millrace: a pretend Business Central, all services, a scripted shop.");
    let mut tour = Tour {
        shop: Shop::open(places).await?,
        office: Office::open(simulator).await?,
        door,
        run: SystemClock.now().as_second().to_string(),
    };
    tour.take(&mut screen).await?;
    info!("the tour is over");
    screen.line(&format!(
        "\nEvery step held. The tour took {}.",
        took(began.elapsed())
    ));
    Ok(())
}

/// Whoever asked for the tour and its verdict is told that there is none.
fn stopped(wants_verdict: bool) -> Result<()> {
    if wants_verdict {
        bail!("asked to stop before the tour was through");
    }
    Ok(())
}

/// Where JSON is spoken, and a call in it.
fn in_json(http: SocketAddr) -> (String, String) {
    (
        format!("\nJSON        http://{http}   (/openapi.json describes it)"),
        format!(
            "\n  curl -s http://{http}/millrace.catalog.v1.CatalogService/GetItem -H 'authorization: Bearer {SHOP_TOKEN}' -H 'content-type: application/json' -d '{{\"channel\":\"{CHANNEL}\",\"number\":\"1503\"}}'"
        ),
    )
}

fn invite(server: &str, simulator: &str, addresses: Addresses) {
    let Addresses {
        grpc,
        http,
        monitoring,
    } = addresses;
    let (json, in_json) = http.map(in_json).unwrap_or_default();
    let text = format!(
        "
gRPC        {grpc}   (reflection is on){json}
health      http://{monitoring}/ready   http://{monitoring}/metrics
the ERP     {simulator}   (/_office: what people do there, /_faults: what goes wrong)
tokens      shop {SHOP_TOKEN}   operator {OPERATOR_TOKEN}

Try, in another terminal:
  export MILLRACE_SERVER={server} MILLRACE_TOKEN={OPERATOR_TOKEN}
  millrace stock 1000/NATUR 1104 1503 --channel {CHANNEL} --by-location
  millrace feed --channel {CHANNEL} --kinds items,prices
  millrace doorbell list --channel {CHANNEL}
  millrace order list --channel {CHANNEL}
  curl -s {simulator}/_office/change-item -d '{{\"number\":\"1503\",\"name\":\"LED warm\"}}'
  curl -s {simulator}/_office/move-stock -d '{{\"item\":\"1503\",\"location\":\"MAIN\",\"quantity\":100}}'
  grpcurl -plaintext -H 'authorization: Bearer {SHOP_TOKEN}' -d '{{\"channel\":\"{CHANNEL}\",\"number\":\"1503\"}}' {grpc} millrace.catalog.v1.CatalogService/GetItem{in_json}

(millrace is target/debug/millrace.) Ctrl-C stops everything; the next demo goes on with this data, --fresh starts anew."
    );
    Screen::new().line(&text);
}
