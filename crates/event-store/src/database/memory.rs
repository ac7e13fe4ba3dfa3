//! A database in memory is a file nobody else knows on the memory file system: the same code, the same locking, no disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::log::StoreError;

const PREFIX: &str = "millrace-store-";
/// Younger folders may belong to somebody who has not locked his file yet.
const YOUNG: Duration = Duration::from_secs(60);

/// A folder of its own, gone with the last user of the database.
pub(super) fn place() -> Result<(PathBuf, Option<TempDir>), StoreError> {
    static SWEPT: Once = Once::new();
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(PREFIX);
    let folder = builder
        .tempdir_in("/dev/shm")
        .or_else(|_| builder.tempdir());
    let folder = folder.map_err(|error| {
        StoreError::Address(format!("no place for a database in memory: {error}"))
    })?;
    SWEPT.call_once(|| sweep(folder.path()));
    Ok((folder.path().to_owned(), Some(folder)))
}

/// Removes what killed processes left beside `own`: memory that nobody would ever give back.
fn sweep(own: &Path) {
    let (Some(now), Some(base)) = (changed(own), own.parent()) else {
        return;
    };
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for folder in entries.flatten().map(|entry| entry.path()) {
        let named = folder
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let old = || changed(&folder).is_some_and(|then| then + YOUNG < now);
        if named && old() && nobody_holds(&folder) {
            // Somebody else may sweep too; what is left is left for the next one.
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

fn changed(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder)
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// Locks go with their process.
fn nobody_holds(folder: &Path) -> bool {
    let Ok(files) = fs::read_dir(folder) else {
        return false;
    };
    let mut locks = files
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "lock"));
    locks.all(|lock| File::open(lock).is_ok_and(|lock| lock.try_lock().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_and_held_by_nobody_is_swept() {
        let base = tempfile::tempdir().unwrap();
        let made = |name: &str, age: u64| {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            let lock = File::create(folder.join("log.lock")).unwrap();
            let now = changed(base.path()).unwrap();
            File::open(&folder)
                .unwrap()
                .set_modified(now - Duration::from_secs(age))
                .unwrap();
            (folder, lock)
        };
        let (own, _) = made("millrace-store-own", 0);
        let (young, _) = made("millrace-store-young", 30);
        let (left, _) = made("millrace-store-left", 90);
        let (held, lock) = made("millrace-store-held", 90);
        let (stranger, _) = made("stranger", 90);
        lock.lock().unwrap();
        sweep(&own);
        let there: Vec<bool> = [&own, &young, &left, &held, &stranger]
            .map(|folder| folder.exists())
            .to_vec();
        assert_eq!(there, [true, true, false, true, true]);
    }
}
