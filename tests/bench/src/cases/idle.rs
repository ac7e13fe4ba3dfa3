//! What `run all` keeps in memory when nothing happens, with the demo's data and without the simulator.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use async_trait::async_trait;

use super::lookup::known_skus;
use crate::case::{Arm, Better, Card, Case, Floor, Length};
use crate::system::{ALL, System, resident_mib};

/// Long enough that what the first sync needed has been given back.
const IDLE: Duration = Duration::from_secs(15);

pub struct IdleCase {
    fewest_skus: usize,
}

impl IdleCase {
    pub fn new() -> IdleCase {
        IdleCase {
            fewest_skus: usize::MAX,
        }
    }
}

#[async_trait]
impl Case for IdleCase {
    fn card(&self) -> Card {
        Card {
            name: "idle-rss-mib",
            unit: "MiB",
            better: Better::Lower,
            floor: Floor::Value(80.0),
            goal: 40.0,
            length: Length::Long,
            baseline: "nothing: the resident memory of `run all` on SQLite, idle for 15 s with the demo's data, the simulator in another process",
        }
    }

    async fn run(&mut self, arm: Arm) -> Result<f64> {
        match arm {
            Arm::Subject => {}
            Arm::Baseline => bail!("this case has no baseline"),
        }
        let system = System::start(ALL, &[], |_| Vec::new()).await?;
        let skus = known_skus(system.addresses.grpc).await?;
        self.fewest_skus = self.fewest_skus.min(skus.len());
        tokio::time::sleep(IDLE).await;
        resident_mib(system.millrace.id())
    }

    /// The demo's data were there: a process without data is small.
    async fn check(&mut self) -> Result<()> {
        ensure!(
            self.fewest_skus >= 40,
            "only {} items and variants had a figure",
            self.fewest_skus
        );
        Ok(())
    }
}
