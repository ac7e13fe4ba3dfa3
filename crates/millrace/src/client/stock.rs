//! `millrace stock`.

use anyhow::Result;
use clap::Args;
use millrace_contract::stock::v1::stock_service_client::StockServiceClient;
use millrace_contract::stock::v1::{
    Availability, BatchGetAvailabilityRequest, Sku, Source, WatchAvailabilityRequest,
};

use super::{connect, print};
use crate::cli::{Output, ServerArgs};

/// How many of an item may be sold.
#[derive(Debug, Args)]
pub struct StockCommand {
    /// Item numbers; a variant after a slash: `1896-S/BLUE`.
    #[arg(required = true)]
    items: Vec<String>,
    #[arg(long)]
    channel: String,
    /// Ask the ERP itself instead of the index.
    #[arg(long)]
    live: bool,
    /// Also per location.
    #[arg(long)]
    by_location: bool,
    /// Stay and print every change.
    #[arg(long, conflicts_with = "live")]
    watch: bool,
}

pub async fn run(command: StockCommand, server: &ServerArgs) -> Result<()> {
    let mut client = StockServiceClient::new(connect(server).await?);
    let skus = command.items.iter().map(|item| sku(item)).collect();
    if command.watch {
        let request = WatchAvailabilityRequest {
            channel: command.channel,
            skus,
            by_location: command.by_location,
        };
        let mut answers = client.watch_availability(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            show(answer.availability.as_ref(), server.output)?;
        }
        return Ok(());
    }
    let source = if command.live {
        Source::Live
    } else {
        Source::Index
    };
    let request = BatchGetAvailabilityRequest {
        channel: command.channel,
        skus,
        source: source.into(),
        by_location: command.by_location,
    };
    let answer = client.batch_get_availability(request).await?.into_inner();
    for availability in &answer.availabilities {
        show(Some(availability), server.output)?;
    }
    Ok(())
}

fn sku(text: &str) -> Sku {
    let (item, variant) = text.split_once('/').unwrap_or((text, ""));
    Sku {
        item_number: item.into(),
        variant_code: variant.into(),
    }
}

fn show(availability: Option<&Availability>, output: Output) -> Result<()> {
    let Some(availability) = availability else {
        return Ok(());
    };
    if output == Output::Json {
        return print::json("millrace.stock.v1.Availability", availability);
    }
    let sku = availability.sku.clone().unwrap_or_default();
    let name = if sku.variant_code.is_empty() {
        sku.item_number
    } else {
        format!("{}/{}", sku.item_number, sku.variant_code)
    };
    if !availability.known {
        return print::line(&format!("{name:<24} unknown"));
    }
    let stale = if availability.stale { "  (stale)" } else { "" };
    print::line(&format!(
        "{name:<24} {:>10} {}{stale}",
        print::number(availability.available.as_ref()),
        availability.unit
    ))?;
    for location in &availability.locations {
        print::line(&format!(
            "  {:<22} {:>10}",
            location.location_code,
            print::number(location.available.as_ref())
        ))?;
    }
    Ok(())
}
