//! Room for the data directory.

use std::path::Path;

use millrace_service_kit::checkup::Finding;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use crate::settings::Settings;

const CHECK: &str = "disk";
const MIB: u64 = 1 << 20;
/// Below this a write-ahead log and a backup of the larger files do not fit any more.
const LEAST: u64 = 1024 * MIB;

pub(super) fn examine(settings: &Settings) -> Finding {
    if settings.database_is_a_server() {
        return Finding::skipped(CHECK, "data is in PostgreSQL: nothing is kept on this disk");
    }
    let folder = &settings.data_dir;
    // One that is not there yet is made below the nearest that is.
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    let Some(there) = absolute.ancestors().find(|path| path.exists()) else {
        let found = format!("{} cannot be reached", folder.display());
        return Finding::wrong(CHECK, found, "data_dir: a directory of this machine");
    };
    look(there)
}

fn look(folder: &Path) -> Finding {
    let name = folder.display();
    if let Err(error) = access(folder, AccessFlags::W_OK) {
        let found = format!("{name} cannot be written: {}", error.desc());
        let mend = format!(
            "let this user write there (chown, or mount a volume), or set data_dir; now it is {name}"
        );
        return Finding::wrong(CHECK, found, mend);
    }
    match statvfs(folder) {
        Ok(disk) => judge(
            &name.to_string(),
            disk.blocks_available() * disk.fragment_size(),
        ),
        Err(error) => Finding::skipped(CHECK, format!("{name}: {}", error.desc())),
    }
}

fn judge(folder: &str, free: u64) -> Finding {
    let found = format!("{} MiB are free below {folder}", free / MIB);
    if free >= LEAST {
        return Finding::right(CHECK, found);
    }
    let mend = format!(
        "make room for {} MiB at least, or move data_dir",
        LEAST / MIB
    );
    Finding::wrong(CHECK, found, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_wrong() {
        assert!(judge("data", 100 * MIB).is_wrong());
        assert!(!judge("data", 100 * LEAST).is_wrong());
    }

    #[test]
    fn a_directory_that_nobody_may_write_is_wrong() {
        assert!(look(Path::new("/proc/self/fd")).is_wrong());
    }
}
