//! What an operator does and sees, in words of the tests.

use millrace_contract::changes::v1::{
    DoorbellState, DoorbellStatus, ListDoorbellsRequest, OpenChannelRequest, ReplayDoorbellRequest,
    SwitchDoorbellRequest,
};
use millrace_shop_delivery::Config;
use millrace_test_rig::until;

use crate::harness::{Ground, OPERATOR, PATIENCE, World, furniture};
use crate::source::*;

pub const CHANNEL: &str = "furniture";

impl World {
    pub async fn ringing(config: Config) -> Self {
        Self::ringing_on(Ground::embedded(), config).await
    }

    /// Opened, and every doorbell seen for the first time.
    pub async fn ringing_on(ground: Ground, config: Config) -> Self {
        let world = Self::closed_on(ground, config).await;
        world.open().await;
        world
    }

    pub async fn closed_on(ground: Ground, config: Config) -> Self {
        let wanted = config.channels[0].doorbells.len();
        let world = Self::with(ground, furniture("'DEALER'", "'EAST'"), config).await;
        until(PATIENCE, "every doorbell is looked after", async || {
            let shown = world.metrics.text();
            let seen = shown.matches("millrace_doorbell_pending{").count();
            (seen == wanted).then_some(())
        })
        .await;
        world
    }

    pub async fn open(&self) -> u64 {
        let request = OpenChannelRequest {
            channel: CHANNEL.into(),
        };
        let mut bells = self.bells(Some(OPERATOR)).await;
        bells
            .open_channel(request)
            .await
            .unwrap()
            .into_inner()
            .position
    }

    pub async fn status(&self, name: &str) -> DoorbellStatus {
        let request = ListDoorbellsRequest {
            channel: CHANNEL.into(),
        };
        let mut bells = self.bells(Some(OPERATOR)).await;
        let listed = bells.list_doorbells(request).await.unwrap().into_inner();
        let mut listed = listed.doorbells.into_iter();
        listed.find(|doorbell| doorbell.name == name).unwrap()
    }

    pub async fn reaches(&self, name: &str, state: DoorbellState) -> DoorbellStatus {
        let what = format!("doorbell {name} is {state:?}");
        until(PATIENCE, &what, async || {
            let status = self.status(name).await;
            (status.state() == state).then_some(status)
        })
        .await
    }

    pub async fn has_nothing_pending(&self, name: &str) {
        until(PATIENCE, "nothing is pending", async || {
            let status = self.status(name).await;
            (status.pending == 0 && status.pending_replays == 0).then_some(())
        })
        .await;
    }

    pub async fn switch(&self, name: &str, on: bool, pass_over: bool) {
        let request = SwitchDoorbellRequest {
            channel: CHANNEL.into(),
            doorbell: name.into(),
            on,
            pass_over,
            note: "a test".into(),
        };
        let mut bells = self.bells(Some(OPERATOR)).await;
        bells.switch_doorbell(request).await.unwrap();
    }

    pub async fn replay(&self, name: &str, first: u64, last: u64) -> Result<u64, tonic::Status> {
        let request = ReplayDoorbellRequest {
            channel: CHANNEL.into(),
            doorbell: name.into(),
            first_position: first,
            last_position: last,
        };
        let mut bells = self.bells(Some(OPERATOR)).await;
        let answer = bells.replay_doorbell(request).await?;
        Ok(answer.into_inner().positions)
    }

    pub async fn say_items(&self, numbers: std::ops::RangeInclusive<u32>) {
        for number in numbers {
            self.sources.say([item(number, "Chair")]).await;
        }
    }
}

pub async fn postgres() -> Ground {
    let postgres = millrace_test_rig::postgres().await;
    Ground {
        url: postgres.create_database("doorbells").await.unwrap(),
        ..Ground::embedded()
    }
}

pub fn keys(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(item_key).collect()
}
