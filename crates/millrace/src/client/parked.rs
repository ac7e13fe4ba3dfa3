//! `millrace parked`.

use anyhow::Result;
use clap::Subcommand;
use millrace_contract::operations::v1::parked_service_client::ParkedServiceClient;
use millrace_contract::operations::v1::{DropParkedRequest, ListParkedRequest, RetryParkedRequest};

use super::{connect, print};
use crate::cli::{Output, ServerArgs};

#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// What is parked, unresolved or waiting, and why.
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
        ids: Vec<i64>,
    },
    /// Give records up for ever.
    Drop {
        #[arg(long)]
        service: String,
        #[arg(required = true)]
        ids: Vec<i64>,
        /// Why.
        #[arg(long)]
        note: String,
    },
}

pub async fn run(command: ParkedCommand, server: &ServerArgs) -> Result<()> {
    let mut client = ParkedServiceClient::new(connect(server).await?);
    match command {
        ParkedCommand::List { service } => {
            let mut page_token = String::new();
            loop {
                let request = ListParkedRequest {
                    service: service.clone(),
                    page_size: 100,
                    page_token,
                };
                let answer = client.list_parked(request).await?.into_inner();
                for record in &answer.records {
                    match server.output {
                        Output::Json => print::json("millrace.operations.v1.ParkedRecord", record)?,
                        Output::Text => {
                            let state = record
                                .state()
                                .as_str_name()
                                .trim_start_matches("PARKED_STATE_")
                                .to_lowercase();
                            print::line(&format!(
                                "{:>6} {:<24} {}/{} {state}: {}",
                                record.id, record.group, record.topic, record.key, record.reason
                            ))?;
                        }
                    }
                }
                page_token = answer.next_page_token;
                if page_token.is_empty() {
                    return Ok(());
                }
            }
        }
        ParkedCommand::Retry { service, ids } => {
            let answer = client
                .retry_parked(RetryParkedRequest { service, ids })
                .await?
                .into_inner();
            match server.output {
                Output::Json => print::json("millrace.operations.v1.RetryParkedResponse", &answer),
                Output::Text => print::line(&format!(
                    "{} records will be processed again",
                    answer.retried
                )),
            }
        }
        ParkedCommand::Drop { service, ids, note } => {
            let answer = client
                .drop_parked(DropParkedRequest { service, ids, note })
                .await?
                .into_inner();
            match server.output {
                Output::Json => print::json("millrace.operations.v1.DropParkedResponse", &answer),
                Output::Text => print::line(&format!("{} records dropped", answer.dropped)),
            }
        }
    }
}
