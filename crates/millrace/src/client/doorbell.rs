//! `millrace doorbell`.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use millrace_contract::changes::v1::doorbell_service_client::DoorbellServiceClient;
use millrace_contract::changes::v1::{
    DoorbellState, DoorbellStatus, ListDoorbellsRequest, OpenChannelRequest, ReplayDoorbellRequest,
    SwitchDoorbellRequest, TestDoorbellRequest,
};

use super::{Authorized, connect, print};
use crate::cli::{Output, ServerArgs};

#[derive(Debug, Subcommand)]
pub enum DoorbellCommand {
    /// Every doorbell of a channel and how it is with it.
    List {
        #[arg(long)]
        channel: String,
    },
    /// End the silent first load: from here on the channel's doorbells ring for every change.
    Open {
        #[arg(long)]
        channel: String,
    },
    /// Ring once, now, with a made-up change, and say what the shop answered.
    Test(Named),
    /// Ring again for one change, or for those of a range.
    Replay {
        #[command(flatten)]
        doorbell: Named,
        /// Position of the first, as `millrace feed` shows it.
        #[arg(long, value_name = "POSITION")]
        from: u64,
        /// Position of the last; without it: only the first.
        #[arg(long, value_name = "POSITION", default_value_t = 0)]
        to: u64,
    },
    /// Switch a doorbell on again, or have one that fails try at once.
    On {
        #[command(flatten)]
        doorbell: Named,
        /// Give up what it owes, and begin with the next change.
        #[arg(long, requires = "note")]
        pass_over: bool,
        /// Why.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Switch a doorbell off. What it owes is kept.
    Off {
        #[command(flatten)]
        doorbell: Named,
        /// Why.
        #[arg(long)]
        note: String,
    },
}

#[derive(Debug, Args)]
pub struct Named {
    /// Its name in the settings.
    doorbell: String,
    #[arg(long)]
    channel: String,
}

type Client = DoorbellServiceClient<Authorized>;

pub async fn run(command: DoorbellCommand, server: &ServerArgs) -> Result<()> {
    let output = server.output;
    let mut client = DoorbellServiceClient::new(connect(server).await?);
    match command {
        DoorbellCommand::List { channel } => list(&mut client, channel, output).await,
        DoorbellCommand::Open { channel } => {
            let request = OpenChannelRequest { channel };
            let answer = client.open_channel(request).await?.into_inner();
            match output {
                Output::Json => print::json("millrace.changes.v1.OpenChannelResponse", &answer),
                Output::Text => print::line(&format!(
                    "its doorbells ring for what comes after position {}",
                    answer.position
                )),
            }
        }
        DoorbellCommand::Test(Named { doorbell, channel }) => {
            let request = TestDoorbellRequest { channel, doorbell };
            let answer = client.test_doorbell(request).await?.into_inner();
            match output {
                Output::Json => print::json("millrace.changes.v1.TestDoorbellResponse", &answer)?,
                Output::Text if answer.taken => print::line("the shop took it")?,
                Output::Text => {}
            }
            if !answer.taken {
                bail!("the shop did not take it: {}", answer.failure);
            }
            Ok(())
        }
        DoorbellCommand::Replay { doorbell, from, to } => {
            let request = ReplayDoorbellRequest {
                channel: doorbell.channel,
                doorbell: doorbell.doorbell,
                first_position: from,
                last_position: to,
            };
            let answer = client.replay_doorbell(request).await?.into_inner();
            match output {
                Output::Json => print::json("millrace.changes.v1.ReplayDoorbellResponse", &answer),
                Output::Text => print::line(&format!(
                    "of {} positions those it is for are rung again",
                    answer.positions
                )),
            }
        }
        DoorbellCommand::On {
            doorbell,
            pass_over,
            note,
        } => {
            let request = switch(doorbell, true, pass_over, note);
            client.switch_doorbell(request).await?;
            switched(output, "it rings")
        }
        DoorbellCommand::Off { doorbell, note } => {
            let request = switch(doorbell, false, false, note);
            client.switch_doorbell(request).await?;
            switched(output, "it is off; what it owes is kept")
        }
    }
}

fn switch(doorbell: Named, on: bool, pass_over: bool, note: String) -> SwitchDoorbellRequest {
    SwitchDoorbellRequest {
        channel: doorbell.channel,
        doorbell: doorbell.doorbell,
        on,
        pass_over,
        note,
    }
}

fn switched(output: Output, words: &str) -> Result<()> {
    match output {
        Output::Json => print::line("{}"),
        Output::Text => print::line(words),
    }
}

async fn list(client: &mut Client, channel: String, output: Output) -> Result<()> {
    let request = ListDoorbellsRequest { channel };
    let answer = client.list_doorbells(request).await?.into_inner();
    if output == Output::Json {
        return print::json("millrace.changes.v1.ListDoorbellsResponse", &answer);
    }
    for doorbell in &answer.doorbells {
        print::line(&row(doorbell))?;
    }
    if answer.doorbells.is_empty() {
        print::line("this channel has no doorbells")?;
    }
    Ok(())
}

fn row(status: &DoorbellStatus) -> String {
    let state = match status.state() {
        DoorbellState::Ringing => "rings",
        DoorbellState::Failing => "failing",
        DoorbellState::Off => "off",
        DoorbellState::WaitingForOpening => "waits for opening",
        DoorbellState::Staging => "staging",
        DoorbellState::Unspecified => "unknown",
    };
    let (name, origin, kinds) = (&status.name, &status.origin, status.kinds.join(","));
    let mut row = format!("{name:<20} {state:<18} {origin} {kinds}");
    if let Some(lag) = &status.lag {
        row += &format!(", {} pending for {} s", status.pending, lag.seconds);
    }
    if status.pending_replays > 0 {
        row += &format!(", {} to replay", status.pending_replays);
    }
    match status.state() {
        DoorbellState::Off => row += &format!(", {}", status.off_reason),
        DoorbellState::Failing => {
            let (attempts, failure) = (status.failed_attempts, &status.last_failure);
            row += &format!(", failed {attempts} times: {failure}");
        }
        DoorbellState::Ringing
        | DoorbellState::WaitingForOpening
        | DoorbellState::Staging
        | DoorbellState::Unspecified => {}
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doorbell_is_shown_with_what_is_the_matter() {
        let mut status = DoorbellStatus {
            name: "shop".into(),
            origin: "https://shop.example".into(),
            kinds: vec!["items".into(), "prices".into()],
            state: DoorbellState::Failing.into(),
            pending: 3,
            lag: Some(prost_types::Duration {
                seconds: 90,
                nanos: 0,
            }),
            last_failure: "answered 503".into(),
            failed_attempts: 2,
            ..Default::default()
        };
        assert_eq!(
            row(&status),
            "shop                 failing            https://shop.example items,prices, 3 pending for 90 s, failed 2 times: answered 503"
        );
        status.set_state(DoorbellState::Off);
        status.off_reason = "the shop answered 410: it wants no more".into();
        assert_eq!(
            row(&status),
            "shop                 off                https://shop.example items,prices, 3 pending for 90 s, the shop answered 410: it wants no more"
        );
    }
}
