//! Whether the cluster is as this binary needs it, and how far its topics have come: looked at from outside, nothing is changed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use uuid::Uuid;

use crate::bus::{BusError, Routes};
use crate::kafka::checkpoint::{self, relay_name};
use crate::kafka::client::{Quiet, ends};
use crate::kafka::settings::KafkaSettings;
use crate::kafka::topic_admin::{self, Wish};
use crate::kafka::{KafkaBus, blocking};
use crate::topics::Topic;

const PATIENCE: Duration = Duration::from_secs(8);
/// Not every broker knows at once of a topic that was just made.
const MADE_A_MOMENT_AGO: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// A topic that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTrouble {
    /// Its full name.
    pub topic: String,
    pub trouble: Trouble,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    Missing,
    Partitions {
        wanted: i32,
        found: i32,
    },
    Replication {
        wanted: i32,
        found: i32,
    },
    Setting {
        key: &'static str,
        wanted: String,
        found: String,
    },
    /// Whether its settings are right is not shown to this user.
    Hidden,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "is missing"),
            Self::Partitions { wanted, found } => {
                write!(f, "has {found} partitions instead of {wanted}")
            }
            Self::Replication { wanted, found } => {
                write!(f, "has {found} copies instead of {wanted}")
            }
            Self::Setting { key, wanted, found } => {
                write!(f, "has {key} = {found} instead of {wanted}")
            }
            Self::Hidden => write!(
                f,
                "does not show its settings: this user needs DescribeConfigs"
            ),
        }
    }
}

/// How far a relay has published its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub epoch: Uuid,
    /// The last position that was published or passed over.
    pub position: u64,
    /// Which event that was, where it is known.
    pub last: Option<Uuid>,
}

/// Where a partition of a topic begins and ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    pub first: i64,
    pub next: i64,
}

impl KafkaBus {
    /// Those of `topics` that are not as this binary needs them. One that this user may not even see counts as missing.
    ///
    /// # Errors
    /// Kafka is away, or does not let us look.
    pub async fn examine_topics(
        &self,
        topics: &[(Routes, &'static Topic)],
    ) -> Result<Vec<TopicTrouble>, BusError> {
        let settings = &self.0.settings;
        let wishes: Vec<(Wish, &Topic)> = topics
            .iter()
            .map(|(routes, topic)| (topic_admin::wish(settings, routes, topic), *topic))
            .collect();
        let mut shapes = shapes(&self.0.inquirer).await?;
        let asked_until = Instant::now() + MADE_A_MOMENT_AGO;
        while !wishes
            .iter()
            .all(|(wish, _)| shapes.contains_key(&wish.name))
            && Instant::now() < asked_until
        {
            tokio::time::sleep(ASK_AGAIN).await;
            shapes = self::shapes(&self.0.inquirer).await?;
        }
        let there = wishes
            .iter()
            .filter(|(wish, _)| shapes.contains_key(&wish.name));
        let names: Vec<&str> = there.map(|(wish, _)| wish.name.as_str()).collect();
        let configs = configs(settings, &names).await?;
        let mut troubles = Vec::new();
        for (wish, topic) in &wishes {
            let shape = shapes.get(&wish.name);
            let config = configs.get(&wish.name);
            let found = judge(wish, settings.replication(topic), shape, config);
            troubles.extend(found.into_iter().map(|trouble| TopicTrouble {
                topic: wish.name.clone(),
                trouble,
            }));
        }
        Ok(troubles)
    }

    /// What the relay of `log` has written down last; `None`: it has published nothing yet.
    ///
    /// # Errors
    /// Kafka is away.
    pub async fn published(
        &self,
        log: &str,
        routes: &Routes,
    ) -> Result<Option<Published>, BusError> {
        let settings = self.0.settings.clone();
        let name = relay_name(&settings, log, routes);
        if !topic_admin::existing(self.0.inquirer.clone())
            .await?
            .contains_key(&name)
        {
            return Ok(None);
        }
        let read = blocking(move || checkpoint::read(&settings, &name)).await?;
        Ok(read.map(|checkpoint| Published {
            epoch: checkpoint.epoch,
            position: checkpoint.position,
            last: checkpoint.last,
        }))
    }

    /// Where the partitions of `topics`, by short name and number, begin and end; one that is not there is left out.
    ///
    /// # Errors
    /// Kafka is away.
    pub async fn partition_ends(
        &self,
        partitions: Vec<(&'static str, i32)>,
    ) -> Result<BTreeMap<(&'static str, i32), Ends>, BusError> {
        let there = topic_admin::existing(self.0.inquirer.clone()).await?;
        let (settings, inquirer) = (self.0.settings.clone(), self.0.inquirer.clone());
        let found = blocking(move || {
            let mut found = BTreeMap::new();
            for (name, number) in partitions {
                let Some(topic) = crate::topics::named(name) else {
                    continue;
                };
                let full = settings.topic_name(&Routes::Internal, topic);
                if there.get(&full).is_some_and(|count| number < *count) {
                    let (first, next) = ends(&inquirer, &full, number)?;
                    found.insert((name, number), Ends { first, next });
                }
            }
            Ok::<_, KafkaError>(found)
        });
        Ok(found.await?)
    }
}

/// Partitions, and copies of the partition that has the fewest.
struct Shape {
    partitions: i32,
    copies: i32,
}

async fn shapes(inquirer: &Arc<BaseConsumer<Quiet>>) -> Result<HashMap<String, Shape>, BusError> {
    let inquirer = inquirer.clone();
    let shapes = blocking(move || {
        let metadata = inquirer.fetch_metadata(None, PATIENCE)?;
        let topics = metadata.topics().iter().map(|topic| {
            let copies = topic.partitions().iter().map(|part| part.replicas().len());
            let shape = Shape {
                partitions: count(topic.partitions().len()),
                copies: count(copies.min().unwrap_or_default()),
            };
            (topic.name().to_owned(), shape)
        });
        Ok::<_, KafkaError>(topics.collect())
    });
    Ok(shapes.await?)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Of those of `topics` that show them to this user.
async fn configs(
    settings: &KafkaSettings,
    topics: &[&str],
) -> Result<HashMap<String, HashMap<String, String>>, BusError> {
    if topics.is_empty() {
        return Ok(HashMap::new());
    }
    let admin: AdminClient<DefaultClientContext> = settings.client("admin").create()?;
    let wanted: Vec<ResourceSpecifier<'_>> = topics
        .iter()
        .map(|topic| ResourceSpecifier::Topic(topic))
        .collect();
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let mut configs = HashMap::new();
    for (described, topic) in admin
        .describe_configs(&wanted, &options)
        .await?
        .into_iter()
        .zip(topics)
    {
        let described = match described {
            Ok(described) => described,
            Err(RDKafkaErrorCode::TopicAuthorizationFailed) => continue,
            Err(error) => return Err(KafkaError::AdminOp(error).into()),
        };
        let entries = described.entries.into_iter();
        let entries = entries.filter_map(|entry| Some((entry.name, entry.value?)));
        configs.insert((*topic).to_owned(), entries.collect());
    }
    blocking(move || drop(admin)).await;
    Ok(configs)
}

fn judge(
    wish: &Wish,
    replication: i32,
    shape: Option<&Shape>,
    config: Option<&HashMap<String, String>>,
) -> Vec<Trouble> {
    let Some(shape) = shape else {
        return vec![Trouble::Missing];
    };
    let mut troubles = Vec::new();
    if shape.partitions != wish.partitions {
        troubles.push(Trouble::Partitions {
            wanted: wish.partitions,
            found: shape.partitions,
        });
    }
    if shape.copies < replication {
        troubles.push(Trouble::Replication {
            wanted: replication,
            found: shape.copies,
        });
    }
    let Some(config) = config else {
        troubles.push(Trouble::Hidden);
        return troubles;
    };
    for (key, wanted) in &wish.config {
        let found = config.get(*key).map_or("", String::as_str);
        if !does(key, wanted, found) {
            troubles.push(Trouble::Setting {
                key,
                wanted: wanted.clone(),
                found: found.to_owned(),
            });
        }
    }
    troubles
}

/// More is no harm: a longer time, a larger record; -1 is for ever.
fn does(key: &str, wanted: &str, found: &str) -> bool {
    if key == "cleanup.policy" {
        return wanted == found;
    }
    match (wanted.parse::<i64>(), found.parse::<i64>()) {
        (Ok(wanted), Ok(found)) => found == -1 || found >= wanted,
        _ => wanted == found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::named;

    fn wish() -> Wish {
        let topic = named("webshop-orders").unwrap();
        topic_admin::wish(&KafkaSettings::default(), &Routes::Internal, topic)
    }

    fn config(change: impl FnOnce(&mut HashMap<String, String>)) -> HashMap<String, String> {
        let entries = wish().config.into_iter();
        let mut config = entries
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        change(&mut config);
        config
    }

    const SHAPE: Shape = Shape {
        partitions: 12,
        copies: 1,
    };

    #[test]
    fn a_topic_as_migrate_makes_it_is_right() {
        let config = config(|_| {});
        assert_eq!(judge(&wish(), -1, Some(&SHAPE), Some(&config)), []);
        assert_eq!(judge(&wish(), -1, None, None), [Trouble::Missing]);
    }

    #[test]
    fn a_topic_that_does_not_show_its_settings_says_so_and_no_more() {
        assert_eq!(judge(&wish(), -1, Some(&SHAPE), None), [Trouble::Hidden]);
    }

    #[test]
    fn what_keeps_longer_does_no_harm_and_what_forgets_sooner_does() {
        let retention = |value: &str| {
            let value = value.to_owned();
            let config = config(|config| drop(config.insert("retention.ms".to_owned(), value)));
            judge(&wish(), -1, Some(&SHAPE), Some(&config)).len()
        };
        assert_eq!((retention("-1"), retention("9999999999")), (0, 0));
        assert_eq!(retention("1000"), 1);
    }

    #[test]
    fn a_topic_of_another_shape_is_named() {
        let config = config(|config| {
            drop(config.insert("cleanup.policy".to_owned(), "compact".to_owned()));
        });
        let shape = Shape {
            partitions: 6,
            copies: 1,
        };
        let troubles = judge(&wish(), 3, Some(&shape), Some(&config));
        let said: Vec<_> = troubles.iter().map(Trouble::to_string).collect();
        assert_eq!(
            said,
            [
                "has 6 partitions instead of 12",
                "has 1 copies instead of 3",
                "has cleanup.policy = compact instead of delete"
            ]
        );
    }
}
