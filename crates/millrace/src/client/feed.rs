//! `millrace feed`.

use anyhow::Result;
use clap::Args;
use millrace_contract::changes::v1::change_feed_service_client::ChangeFeedServiceClient;
use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::subscribe_response::Message;
use millrace_contract::changes::v1::{
    AcknowledgeRequest, Change, FeedConsumer, ListConsumersRequest, Start, SubscribeRequest,
};
use serde_json::{Value, json};

use super::{connect, print};
use crate::cli::{Output, ServerArgs};

/// Follow a channel's change feed.
#[derive(Debug, Args)]
pub struct FeedCommand {
    #[arg(long)]
    channel: String,
    /// Name of the consumer, whose acknowledgement is remembered.
    #[arg(long, default_value = "millrace-cli")]
    consumer: String,
    /// Only these kinds: items, prices, inventories, webshop-orders, reservations, returns.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Go on after this token; without it: the latest of every key first, then live.
    #[arg(long)]
    after: Option<String>,
    /// Go on after the last acknowledgement, and acknowledge what is printed.
    #[arg(long, conflicts_with = "after")]
    acknowledge: bool,
    /// End when everything that is there now was printed.
    #[arg(long)]
    once: bool,
    /// Only list the channel's named consumers and how far behind each is.
    #[arg(long, conflicts_with_all = ["kinds", "after", "acknowledge", "once"])]
    consumers: bool,
}

pub async fn run(command: FeedCommand, server: &ServerArgs) -> Result<()> {
    let mut client = ChangeFeedServiceClient::new(connect(server).await?);
    if command.consumers {
        return list(&mut client, command.channel, server.output).await;
    }
    let at = match (&command.after, command.acknowledge) {
        (Some(token), _) => At::AfterToken(token.clone()),
        (None, true) => At::Acknowledged(true),
        (None, false) => At::Snapshot(true),
    };
    let request = SubscribeRequest {
        channel: command.channel.clone(),
        consumer: command.consumer.clone(),
        start: Some(Start { at: Some(at) }),
        kinds: command.kinds,
    };
    let mut changes = client.subscribe(request).await?.into_inner();
    while let Some(answer) = changes.message().await? {
        let token = match answer.message {
            Some(Message::Change(change)) => {
                show(&change, server.output)?;
                change.token
            }
            Some(Message::CaughtUpToken(token)) if command.once => {
                acknowledge(
                    &mut client,
                    &command.channel,
                    &command.consumer,
                    command.acknowledge,
                    token,
                )
                .await?;
                return Ok(());
            }
            Some(Message::CaughtUpToken(token)) => token,
            None => continue,
        };
        acknowledge(
            &mut client,
            &command.channel,
            &command.consumer,
            command.acknowledge,
            token,
        )
        .await?;
    }
    Ok(())
}

async fn list(
    client: &mut ChangeFeedServiceClient<super::Authorized>,
    channel: String,
    output: Output,
) -> Result<()> {
    let request = ListConsumersRequest { channel };
    let answer = client.list_consumers(request).await?.into_inner();
    if output == Output::Json {
        return print::json("millrace.changes.v1.ListConsumersResponse", &answer);
    }
    for consumer in &answer.consumers {
        print::line(&standing(consumer))?;
    }
    Ok(())
}

pub(super) fn standing(consumer: &FeedConsumer) -> String {
    let how_far = match consumer.resync_needed {
        true => "has to begin again: the feed was rebuilt".to_owned(),
        false => format!("{} changes behind", consumer.behind),
    };
    format!("{:<24} {how_far}", consumer.name)
}

async fn acknowledge(
    client: &mut ChangeFeedServiceClient<super::Authorized>,
    channel: &str,
    consumer: &str,
    wanted: bool,
    token: String,
) -> Result<()> {
    if wanted {
        client
            .acknowledge(AcknowledgeRequest {
                channel: channel.into(),
                consumer: consumer.into(),
                token,
            })
            .await?;
    }
    Ok(())
}

fn show(change: &Change, output: Output) -> Result<()> {
    match output {
        Output::Json => print::value(&document(change)?),
        Output::Text => print::line(&row(change)?),
    }
}

/// Read with the type the envelope names; nothing of a deletion.
fn payload(change: &Change) -> Result<Value> {
    match &change.envelope {
        Some(envelope) if !change.deleted => print::to_json(&envelope.r#type, &change.payload),
        Some(_) | None => Ok(Value::Null),
    }
}

pub(super) fn document(change: &Change) -> Result<Value> {
    let envelope = change.envelope.clone().unwrap_or_default();
    let envelope = prost::Message::encode_to_vec(&envelope);
    Ok(json!({
        "envelope": print::to_json("millrace.events.v1.Envelope", &envelope)?,
        "payload": payload(change)?,
        "deleted": change.deleted,
        "token": change.token,
    }))
}

pub(super) fn row(change: &Change) -> Result<String> {
    let envelope = change.envelope.clone().unwrap_or_default();
    let kind = envelope.r#type.rsplit('.').next().unwrap_or_default();
    let payload = payload(change)?;
    Ok(format!(
        "{:>8}  {kind:<20} {}  {payload}",
        envelope.position, envelope.key
    ))
}
