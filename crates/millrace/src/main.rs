//! The one binary. Everything worth a test lives in the crates it wires together.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::cli::{Cli, Command};

mod cli;
mod client;
mod commands;
mod demo;
mod doctor;
mod exit;
mod settings;
mod stop;
mod system;

/// Every call is many small allocations, freed by another thread than made them: the system's allocator spends a quarter of a busy
/// service on that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::failed(&anyhow::Error::new(error).context("could not start the runtime"));
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => commands::run(&args, &cli.settings).await,
            Command::Demo(args) => demo::run(&args, &cli.settings).await,
            Command::Simulate(args) => commands::simulate(args).await,
            Command::Migrate(args) => commands::migrate(&args, &cli.settings).await,
            Command::Config(action) => commands::config(&action, &cli.settings),
            Command::Openapi => commands::openapi(),
            Command::Doctor(args) => doctor::run(&args, &cli.settings, &cli.server).await,
            Command::Order(command) => client::order::run(command, &cli.server).await,
            Command::Reservation(command) => client::reservation::run(command, &cli.server).await,
            Command::Return(command) => client::returns::run(command, &cli.server).await,
            Command::Stock(command) => client::stock::run(command, &cli.server).await,
            Command::Feed(command) => client::feed::run(command, &cli.server).await,
            Command::Doorbell(command) => client::doorbell::run(command, &cli.server).await,
            Command::Parked(command) => client::parked::run(command, &cli.server).await,
        }
    });
    // A thread may still wait for a Kafka that is away; nothing depends on what it would say.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::failed(&error),
    }
}
