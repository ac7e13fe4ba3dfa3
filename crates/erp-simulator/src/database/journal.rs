//! `--data`: every commit is a line of JSON in one file, read back at the start and written anew then.
//!
//! Lines reach the operating system with each commit, so a killed simulator loses nothing; a power cut may cost the last
//! lines, which a pretend ERP can afford.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Marks;
use super::row::Tables;
use super::transaction::Change;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("could not use {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is in use by another simulator")]
    InUse { path: PathBuf },
    #[error("line {line} of {path} cannot be read")]
    Damaged {
        path: PathBuf,
        line: usize,
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Debug)]
pub(super) struct Journal {
    file: BufWriter<File>,
    folder: PathBuf,
    /// Held as long as the journal is: two simulators would write over each other.
    lock: File,
}

#[derive(Serialize, Deserialize)]
struct Line {
    marks: Option<Marks>,
    rows: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    table: String,
    id: Uuid,
    row: Option<serde_json::Value>,
}

const FILE: &str = "company.jsonl";

impl Journal {
    /// Begins the file anew with what is there now.
    pub(super) fn restart(self, marks: &Marks, tables: &Tables) -> Result<Self, JournalError> {
        Self::write(&self.folder, self.lock, marks, tables)
    }

    pub(super) fn read(folder: &Path) -> Result<Option<(Tables, Marks)>, JournalError> {
        let path = folder.join(FILE);
        let failed = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut tables = Tables::default();
        let mut marks = None;
        let mut lines = BufReader::new(file).lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let line = line.map_err(failed)?;
            let damaged = |source| JournalError::Damaged {
                path: path.clone(),
                line: number + 1,
                source,
            };
            let line: Line = match serde_json::from_str(&line) {
                Ok(line) => line,
                // Killed in the middle of a write: that commit was never answered.
                Err(_) if lines.peek().is_none() => break,
                Err(error) => return Err(damaged(error)),
            };
            for entry in line.rows {
                match entry.row {
                    Some(row) => tables.load(&entry.table, row).map_err(damaged)?,
                    None => tables.unload(&entry.table, entry.id),
                }
            }
            marks = line.marks.or(marks);
        }
        Ok(marks.map(|marks| (tables, marks)))
    }

    /// Takes the folder and writes everything into a new file, then goes on appending to it.
    pub(super) fn create(
        folder: &Path,
        marks: &Marks,
        tables: &Tables,
    ) -> Result<Self, JournalError> {
        let path = folder.join("company.lock");
        let failed = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::create(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Self::write(folder, lock, marks, tables),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse {
                path: folder.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    fn write(
        folder: &Path,
        lock: File,
        marks: &Marks,
        tables: &Tables,
    ) -> Result<Self, JournalError> {
        let (path, fresh) = (folder.join(FILE), folder.join("company.jsonl.new"));
        let failed = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let mut file = BufWriter::new(File::create(&fresh).map_err(failed)?);
        write_line(
            &mut file,
            &Line {
                marks: Some(marks.clone()),
                rows: Vec::new(),
            },
        )
        .map_err(failed)?;
        tables
            .each(|row| {
                let entry = Entry {
                    table: row.table().to_owned(),
                    id: row.id(),
                    row: Some(row.to_json()?),
                };
                write_line(
                    &mut file,
                    &Line {
                        marks: None,
                        rows: vec![entry],
                    },
                )
            })
            .map_err(failed)?;
        file.flush().map_err(failed)?;
        std::fs::rename(&fresh, &path).map_err(failed)?;
        let file = BufWriter::new(
            OpenOptions::new()
                .append(true)
                .open(&path)
                .map_err(failed)?,
        );
        Ok(Self {
            file,
            folder: folder.to_owned(),
            lock,
        })
    }

    pub(super) fn append(&mut self, marks: &Marks, changes: &[Change]) -> std::io::Result<()> {
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            let Some(row) = change.after.as_ref().or(change.before.as_ref()) else {
                continue;
            };
            let after = change.after.as_ref().map(|row| row.to_json()).transpose()?;
            rows.push(Entry {
                table: row.table().to_owned(),
                id: row.id(),
                row: after,
            });
        }
        write_line(
            &mut self.file,
            &Line {
                marks: Some(marks.clone()),
                rows,
            },
        )?;
        self.file.flush()
    }
}

fn write_line(file: &mut BufWriter<File>, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}
