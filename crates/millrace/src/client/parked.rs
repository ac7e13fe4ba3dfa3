//! `millrace parked`.

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use millrace_contract::operations::v1::parked_service_client::ParkedServiceClient;
use millrace_contract::operations::v1::{
    DropParkedRequest, ListParkedRequest, ListStalledRequest, ParkedRecord, RestartFrom,
    RestartStalledRequest, RetryParkedRequest, StalledPartition,
};

use super::{Authorized, connect, print};
use crate::cli::{Output, ServerArgs};

#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// What is parked, unresolved or waiting, and why; records of the ERP that cannot be read (negative ids); partitions that wait
    /// for `parked restart`.
    List {
        /// Only of this service.
        #[arg(long, default_value = "")]
        service: String,
    },
    /// Process again at once.
    Retry {
        #[arg(long)]
        service: String,
        /// Without any: all.
        #[arg(allow_negative_numbers = true)]
        ids: Vec<i64>,
    },
    /// Give records up for ever.
    Drop {
        #[arg(long)]
        service: String,
        #[arg(required = true, allow_negative_numbers = true)]
        ids: Vec<i64>,
        /// Why.
        #[arg(long)]
        note: String,
    },
    /// Let partitions go on whose log was rebuilt or whose records are gone.
    Restart(RestartArgs),
}

#[derive(Debug, Args)]
pub struct RestartArgs {
    #[arg(long)]
    service: String,
    /// The consumer, as `parked list` names it.
    #[arg(long)]
    group: String,
    #[arg(long)]
    topic: String,
    /// Only these; without any: all of the topic that are stalled.
    #[arg(long = "partition", value_name = "NUMBER")]
    partitions: Vec<i32>,
    #[arg(long, value_enum)]
    from: From,
    /// Only say what would go on.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// With the oldest that is there; what was taken already in this life of the log is not taken again.
    Beginning,
    /// Where it stopped, or, when that is gone, with the oldest that is there.
    Here,
}

type Client = ParkedServiceClient<Authorized>;

pub async fn run(command: ParkedCommand, server: &ServerArgs) -> Result<()> {
    let output = server.output;
    let mut client = ParkedServiceClient::new(connect(server).await?);
    match command {
        ParkedCommand::List { service } => list(&mut client, service, output).await,
        ParkedCommand::Retry { service, ids } => {
            let request = RetryParkedRequest { service, ids };
            let answer = client.retry_parked(request).await?.into_inner();
            match output {
                Output::Json => print::json("millrace.operations.v1.RetryParkedResponse", &answer),
                Output::Text => print::line(&format!(
                    "{} records will be processed again",
                    answer.retried
                )),
            }
        }
        ParkedCommand::Drop { service, ids, note } => {
            let request = DropParkedRequest { service, ids, note };
            let answer = client.drop_parked(request).await?.into_inner();
            match output {
                Output::Json => print::json("millrace.operations.v1.DropParkedResponse", &answer),
                Output::Text => print::line(&format!("{} records dropped", answer.dropped)),
            }
        }
        ParkedCommand::Restart(args) if args.dry_run => {
            would_go_on(&mut client, args, output).await
        }
        ParkedCommand::Restart(args) => {
            let answer = client.restart_stalled(request(args)).await?.into_inner();
            show_stalled(&answer.restarted, output, "goes on")
        }
    }
}

async fn list(client: &mut Client, service: String, output: Output) -> Result<()> {
    let request = ListStalledRequest {
        service: service.clone(),
    };
    let stalled = client.list_stalled(request).await?.into_inner().partitions;
    show_stalled(&stalled, output, "waits for `parked restart`")?;
    let mut page_token = String::new();
    loop {
        let request = ListParkedRequest {
            service: service.clone(),
            page_size: 100,
            page_token,
        };
        let answer = client.list_parked(request).await?.into_inner();
        for record in &answer.records {
            match output {
                Output::Json => print::json("millrace.operations.v1.ParkedRecord", record)?,
                Output::Text => print::line(&parked_row(record))?,
            }
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn would_go_on(client: &mut Client, args: RestartArgs, output: Output) -> Result<()> {
    let request = ListStalledRequest {
        service: args.service.clone(),
    };
    let mut stalled = client.list_stalled(request).await?.into_inner().partitions;
    stalled.retain(|stalled| is_meant(&args, stalled));
    if stalled.is_empty() {
        bail!(
            "no partition of {} that {} reads is stalled",
            args.topic,
            args.group
        );
    }
    show_stalled(&stalled, output, "would go on")
}

fn request(args: RestartArgs) -> RestartStalledRequest {
    let from = match args.from {
        From::Beginning => RestartFrom::Beginning,
        From::Here => RestartFrom::Here,
    };
    RestartStalledRequest {
        service: args.service,
        group: args.group,
        topic: args.topic,
        partitions: args.partitions,
        from: from.into(),
    }
}

fn is_meant(args: &RestartArgs, stalled: &StalledPartition) -> bool {
    stalled.group == args.group
        && stalled.topic == args.topic
        && (args.partitions.is_empty() || args.partitions.contains(&stalled.partition))
}

fn show_stalled(stalled: &[StalledPartition], output: Output, what: &str) -> Result<()> {
    for partition in stalled {
        match output {
            Output::Json => print::json("millrace.operations.v1.StalledPartition", partition)?,
            Output::Text => print::line(&stalled_row(partition, what))?,
        }
    }
    Ok(())
}

pub(super) fn parked_row(record: &ParkedRecord) -> String {
    let state = match record.source.as_str() {
        "erp" => "unreadable".to_owned(),
        _ => record
            .state()
            .as_str_name()
            .trim_start_matches("PARKED_STATE_")
            .to_lowercase(),
    };
    let ParkedRecord {
        id,
        service,
        group,
        topic,
        key,
        reason,
        ..
    } = record;
    format!("{id:>6} {service:<20} {group:<20} {topic}/{key} {state}: {reason}")
}

pub(super) fn stalled_row(stalled: &StalledPartition, what: &str) -> String {
    let StalledPartition {
        service,
        group,
        topic,
        partition,
        reason,
        ..
    } = stalled;
    format!(
        "{:>6} {service:<20} {group:<20} {topic} {partition} {what}: {reason}",
        "-"
    )
}
