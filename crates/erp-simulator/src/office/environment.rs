//! What administrators do: restore, copy, let the retention pass.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Subscription;
use crate::refusal::Refusal;
use crate::sales::series::SERIES;
use crate::simulator::World;

/// What stands in Sales & Receivables Setup.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NumberSeries {
    series: String,
    is_set: bool,
}

pub(super) fn set_number_series(
    world: &Arc<World>,
    wanted: &NumberSeries,
) -> Result<Value, Refusal> {
    let NumberSeries { series, is_set } = wanted;
    if !SERIES.iter().any(|known| known.name == series) {
        return Err(Refusal::no_such_record("No. Series", series));
    }
    world.with_database(|database| {
        database.change_marks(|marks| {
            if *is_set {
                marks.without_series.remove(series);
            } else {
                marks.without_series.insert(series.clone());
            }
        });
    });
    Ok(json!({ "series": series, "isSet": is_set }))
}

pub(super) fn act(world: &Arc<World>, name: &str) -> Result<Value, Refusal> {
    let fresh = || world.ids.uuid_at(world.now());
    match name {
        "backup" => {
            let backup = world.with_database(|database| database.backup());
            let version = backup.1.version;
            world.keep_backup(backup);
            Ok(json!({ "rowVersion": version }))
        }
        "restore" => {
            let backup = world
                .backup()
                .ok_or_else(|| Refusal::business("There is no backup."))?;
            let version = backup.1.version;
            let restored = world.with_database(|database| database.restore(backup, fresh()));
            restored.map_err(|error| Refusal::business(error.to_string()))?;
            Ok(json!({ "rowVersion": version }))
        }
        "copy-environment" => {
            let (environment, epoch) = (fresh(), fresh());
            world.with_database(|database| {
                database.change_marks(|marks| {
                    marks.environment = environment;
                    marks.epoch = epoch;
                });
            });
            let ids: Vec<Uuid> =
                world.read(|tables, _| tables.subscriptions.iter().map(|row| row.id).collect());
            world.write_now("copy", |tx| {
                for id in &ids {
                    tx.delete::<Subscription>(*id);
                }
            });
            Ok(json!({ "environmentId": environment, "epoch": epoch }))
        }
        _ => {
            let oldest = world.with_database(|database| {
                let oldest = database.boundary() - 1;
                database.change_marks(|marks| marks.oldest_cursor = oldest);
                oldest
            });
            Ok(json!({ "oldestCursor": oldest }))
        }
    }
}
