//! `--fresh`: forgets what earlier demos left in their folder, and nothing else. Only files a demo makes are deleted, only in a
//! folder that a demo began, and only while nobody uses them. The key of personal data stays: it opens nothing that is left.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Stands in a folder that a demo began.
const MARK: &str = "made-by-millrace-demo";

/// Where the pretend ERP keeps its company.
pub fn company(folder: &Path) -> PathBuf {
    folder.join("erp")
}

/// Notes that a demo began this folder, unless databases were there before.
pub fn begin(folder: &Path, databases: &[String]) -> Result<()> {
    let begin = || {
        std::fs::create_dir_all(folder)?;
        if folder.join(MARK).exists() || kept(folder, databases).iter().any(|file| file.exists()) {
            return Ok(());
        }
        std::fs::write(folder.join(MARK), "millrace demo --fresh empties this\n")
    };
    begin().with_context(|| format!("folder {} cannot be used", folder.display()))
}

pub fn forget(folder: &Path, databases: &[String]) -> Result<()> {
    let files = kept(folder, databases);
    if !files.iter().any(|file| file.exists()) {
        return Ok(());
    }
    if !folder.join(MARK).exists() {
        bail!(
            "the data in {} was not begun by a demo: --fresh does not delete it (data_dir names another folder)",
            folder.display()
        );
    }
    // All of them before the first file goes.
    let mut locks = Vec::new();
    for path in locks_of(folder, databases) {
        locks.extend(locked(&path)?);
    }
    for file in files {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{} cannot be deleted", file.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Every file with data.
fn kept(folder: &Path, databases: &[String]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = databases
        .iter()
        .flat_map(|name| ["db", "db-wal", "db-shm"].map(|end| folder.join(format!("{name}.{end}"))))
        .collect();
    files.extend(["company.jsonl", "company.jsonl.new"].map(|name| company(folder).join(name)));
    files
}

fn locks_of(folder: &Path, databases: &[String]) -> Vec<PathBuf> {
    let mut locks: Vec<PathBuf> = databases
        .iter()
        .map(|name| folder.join(format!("{name}.lock")))
        .collect();
    locks.push(company(folder).join("company.lock"));
    locks
}

/// `None`: nobody ever used it.
fn locked(path: &Path) -> Result<Option<File>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be opened", path.display()));
        }
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => bail!(
            "the data cannot be forgotten: {} says that another process uses it",
            path.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [&str; 4] = [
        "catalog-sync.db",
        "catalog-sync.db-wal",
        "feed-furniture.db",
        "erp/company.jsonl",
    ];
    const OTHERS: [&str; 3] = ["personal.key", "notes.txt", "erp/notes.txt"];

    fn databases() -> Vec<String> {
        ["catalog-sync", "feed-furniture"]
            .map(str::to_owned)
            .to_vec()
    }

    fn write(folder: &Path, files: &[&str]) {
        std::fs::create_dir_all(company(folder)).unwrap();
        for file in files {
            std::fs::write(folder.join(file), "something").unwrap();
        }
    }

    fn are_there(folder: &Path, files: &[&str]) -> bool {
        files.iter().all(|file| folder.join(file).exists())
    }

    #[test]
    fn what_a_demo_made_is_forgotten_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        begin(folder, &databases()).unwrap();
        write(folder, &OWN);
        write(folder, &OTHERS);
        forget(folder, &databases()).unwrap();
        assert!(OWN.iter().all(|file| !folder.join(file).exists()));
        assert!(are_there(folder, &OTHERS));
        forget(folder, &databases()).unwrap();
    }

    #[test]
    fn data_that_no_demo_began_is_not_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, &OWN);
        begin(folder, &databases()).unwrap();
        let refused = forget(folder, &databases()).unwrap_err();
        assert!(refused.to_string().contains("was not begun by a demo"));
        assert!(are_there(folder, &OWN));
    }

    #[test]
    fn data_in_use_is_not_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        begin(folder, &databases()).unwrap();
        write(folder, &OWN);
        let lock = File::create(folder.join("feed-furniture.lock")).unwrap();
        lock.try_lock().unwrap();
        let refused = forget(folder, &databases()).unwrap_err();
        assert!(refused.to_string().contains("another process uses it"));
        assert!(are_there(folder, &OWN));
    }
}
