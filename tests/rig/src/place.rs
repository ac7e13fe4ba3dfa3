//! Where things are: the checkout, the packages, the folder of this process, and what a killed run left behind.

use std::fs::{self, File, Permissions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Uid, User};

use crate::{process, report};

/// The root of the checkout.
pub fn workspace() -> PathBuf {
    let rig = Path::new(env!("CARGO_MANIFEST_DIR"));
    rig.ancestors()
        .nth(2)
        .expect("the rig stands two levels below the root")
        .to_path_buf()
}

/// The material beside the checkout: `$MILLRACE_SHARED`, else `../shared`. `None` when there is none: say so and skip.
pub fn shared_dir() -> Option<PathBuf> {
    let folder = match std::env::var_os("MILLRACE_SHARED") {
        Some(given) => PathBuf::from(given),
        None => workspace().parent()?.join("shared"),
    };
    folder.is_dir().then_some(folder)
}

/// Whom PostgreSQL runs as when we are root, who it refuses to be.
pub fn unprivileged() -> Option<(Uid, Gid)> {
    if !Uid::effective().is_root() {
        return None;
    }
    match User::from_name("nobody") {
        Ok(Some(nobody)) => Some((nobody.uid, nobody.gid)),
        Ok(None) | Err(_) => Some((Uid::from_raw(65534), Gid::from_raw(65534))),
    }
}

/// `.test` of the checkout, or, where the unprivileged user cannot reach that, a folder of this checkout in `/var/tmp`.
pub fn base() -> Result<PathBuf> {
    static BASE: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut known = held(&BASE);
    if let Some(base) = known.as_ref() {
        return Ok(base.clone());
    }
    let base = choose_base(&workspace().join(".test"))?;
    Ok(known.insert(base).clone())
}

/// Both values behind such a lock are set once and then only read: a panic in between leaves them as they were.
fn held<T>(once: &Mutex<T>) -> MutexGuard<'_, T> {
    once.lock().unwrap_or_else(PoisonError::into_inner)
}

fn choose_base(wanted: &Path) -> Result<PathBuf> {
    create(wanted)?;
    if unprivileged().is_none() || everybody_reaches(wanted)? {
        return Ok(wanted.to_path_buf());
    }
    let mut name = DefaultHasher::new();
    wanted.hash(&mut name);
    let instead = PathBuf::from(format!("/var/tmp/millrace-test-{:016x}", name.finish()));
    create(&instead)?;
    if !everybody_reaches(&instead)? {
        bail!(
            "PostgreSQL cannot run as root, and its user reaches neither {} nor {}",
            wanted.display(),
            instead.display()
        );
    }
    report(&format!(
        "{} is closed to the user PostgreSQL runs as; using {}",
        wanted.display(),
        instead.display()
    ));
    Ok(instead)
}

fn everybody_reaches(folder: &Path) -> Result<bool> {
    let folder = folder
        .canonicalize()
        .with_context(|| format!("could not resolve {}", folder.display()))?;
    for part in folder.ancestors() {
        let mode = fs::metadata(part)
            .with_context(|| format!("could not look at {}", part.display()))?
            .permissions()
            .mode();
        if mode & 0o001 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a folder that others may enter, whatever the umask says.
pub fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o755)))
        .with_context(|| format!("could not create {}", folder.display()))
}

/// A fresh folder for one server of this process. It is held by a lock as long as the process lives.
pub fn server_folder(kind: &str) -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let folder = own_folder()?.join(format!("{kind}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    create(&folder)?;
    Ok(folder)
}

fn own_folder() -> Result<PathBuf> {
    static OWN: Mutex<Option<(PathBuf, File)>> = Mutex::new(None);
    let mut own = held(&OWN);
    if let Some((folder, _lock)) = own.as_ref() {
        return Ok(folder.clone());
    }
    let runs = base()?.join("run");
    create(&runs)?;
    // One at a time: a folder made but not yet locked must not be swept by a neighbour.
    let door = locked(&runs.join("door"))?;
    sweep(&runs);
    let folder = runs.join(crate::unique("run"));
    create(&folder)?;
    let lock = locked(&folder.join("held"))?;
    drop(door);
    Ok(own.insert((folder, lock)).0.clone())
}

/// Waits for the exclusive lock on a file, which it creates.
pub fn locked(path: &Path) -> Result<File> {
    let file =
        File::create(path).with_context(|| format!("could not create {}", path.display()))?;
    file.lock()
        .with_context(|| format!("could not lock {}", path.display()))?;
    Ok(file)
}

/// Ends the servers and removes the folders of processes that are gone.
fn sweep(runs: &Path) {
    for folder in fs::read_dir(runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        let abandoned = match File::open(folder.join("held")).map(|file| file.try_lock()) {
            Ok(Ok(())) | Err(_) => true,
            Ok(Err(TryLockError::WouldBlock | TryLockError::Error(_))) => false,
        };
        if abandoned {
            let ended = process::end_left_behind(&folder);
            if ended > 0 {
                report(&format!(
                    "ended {ended} servers that a killed run had left behind"
                ));
            }
            remove(&folder);
        }
    }
}

/// Removes this process's folder, as far as its servers are gone.
pub fn leave() {
    if let Ok(folder) = own_folder() {
        remove(&folder);
    }
}

/// Removes a folder; what cannot be removed now is swept at a later start.
pub fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        report(&format!("could not remove {}: {error}", folder.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_the_folder_with_the_workspace_manifest() {
        let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
        assert!(manifest.starts_with("[workspace]"));
    }

    #[test]
    fn a_folder_behind_a_closed_door_is_not_reached_by_everybody() {
        let outer = std::env::temp_dir().join(crate::unique("rig_door"));
        let inner = outer.join("inner");
        create(&inner).unwrap();
        assert!(everybody_reaches(&inner).unwrap());
        fs::set_permissions(&outer, Permissions::from_mode(0o700)).unwrap();
        assert!(!everybody_reaches(&inner).unwrap());
        fs::remove_dir_all(&outer).unwrap();
    }

    #[test]
    fn behind_a_closed_door_the_servers_live_elsewhere() {
        let outer = std::env::temp_dir().join(crate::unique("rig_closed"));
        let wanted = outer.join("checkout/.test");
        create(&wanted).unwrap();
        fs::set_permissions(&outer, Permissions::from_mode(0o700)).unwrap();
        let chosen = choose_base(&wanted).unwrap();
        assert_eq!(
            chosen != wanted,
            Uid::effective().is_root(),
            "only root needs another user, and so another place"
        );
        if chosen != wanted {
            fs::remove_dir_all(&chosen).unwrap();
        }
        fs::remove_dir_all(&outer).unwrap();
    }
}
