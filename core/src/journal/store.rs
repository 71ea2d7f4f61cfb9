//! Where records live: an embedded transactional store, one file a run. The only file I/O in
//! this crate.

use super::record::{Entry, Record};
use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

/// How long to wait for another process that is just reading the journal.
const BUSY: Duration = Duration::from_secs(2);

/// What can be wrong with a journal.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say what each field is")]
pub enum JournalError {
    #[error("the journal {path} is in use by another process")]
    InUse { path: PathBuf },
    #[error("cannot use the journal {path}: {cause}")]
    Store { path: PathBuf, cause: String },
    #[error("record {number} of the journal {path} cannot be read: {cause}")]
    Record {
        path: PathBuf,
        number: u64,
        cause: String,
    },
    #[error("the journal does not say how its run began")]
    NoBeginning,
    #[error("the journal is of version {found}; this phaul reads version {known}")]
    Version { found: u32, known: u32 },
    #[error("the graph in the journal is not valid: {}", broken.join("; "))]
    Graph { broken: Vec<String> },
    #[error("the graph in the journal does not match its digest")]
    Digest,
}

/// A journal of one run.
pub trait Journal: Send {
    /// Adds a record; it is durable when this returns.
    fn write(&mut self, record: Record) -> Result<Entry, JournalError>;
    /// All records, oldest first.
    fn entries(&self) -> Result<Vec<Entry>, JournalError>;
}

/// A journal in a file of its own.
#[derive(Debug)]
pub struct RedbJournal {
    path: PathBuf,
    database: Database,
    next: u64,
}

impl RedbJournal {
    /// Makes the journal of a run that begins. Whoever is killed on the way, it is there whole
    /// and with its beginning, or not at all.
    pub fn create(path: &Path, beginning: Record) -> Result<Self, JournalError> {
        let new = path.with_extension("new");
        match std::fs::remove_file(&new) {
            // Somebody was killed on the way before.
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(store(&new, error)),
        }
        let mut journal = Self::with(&new, |path| Database::create(path))?;
        journal.write(beginning)?;
        std::fs::rename(&new, path).map_err(|error| store(path, error))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| store(path, error))?;
        journal.path = path.into();
        Ok(journal)
    }

    /// Opens the journal of a run that has begun. One process at a time has it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::with(path, |path| Database::open(path))
    }

    fn with(
        path: &Path,
        open: fn(&Path) -> Result<Database, redb::DatabaseError>,
    ) -> Result<Self, JournalError> {
        let deadline = Instant::now() + BUSY;
        let database = loop {
            match open(path) {
                Ok(database) => break database,
                Err(redb::DatabaseError::DatabaseAlreadyOpen) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                    return Err(JournalError::InUse { path: path.into() });
                }
                Err(error) => return Err(store(path, error)),
            }
        };
        let mut journal = Self {
            path: path.into(),
            database,
            next: 0,
        };
        journal.next = journal.last()?.map_or(0, |number| number + 1);
        Ok(journal)
    }

    fn last(&self) -> Result<Option<u64>, JournalError> {
        let read = self.database.begin_read().map_err(|e| self.error(e))?;
        match read.open_table(RECORDS) {
            Ok(table) => {
                let last = table.last().map_err(|e| self.error(e))?;
                Ok(last.map(|(number, _)| number.value()))
            }
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    fn error(&self, cause: impl std::fmt::Display) -> JournalError {
        store(&self.path, cause)
    }
}

fn store(path: &Path, cause: impl std::fmt::Display) -> JournalError {
    JournalError::Store {
        path: path.into(),
        cause: cause.to_string(),
    }
}

/// The time, in whole milliseconds: they are what reports show.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

impl Journal for RedbJournal {
    fn write(&mut self, record: Record) -> Result<Entry, JournalError> {
        let entry = Entry { at: now(), record };
        let bytes = serde_json::to_vec(&entry).map_err(|e| self.error(e))?;
        let write = self.database.begin_write().map_err(|e| self.error(e))?;
        {
            let mut table = write.open_table(RECORDS).map_err(|e| self.error(e))?;
            table
                .insert(self.next, bytes.as_slice())
                .map_err(|e| self.error(e))?;
        }
        write.commit().map_err(|e| self.error(e))?;
        self.next += 1;
        Ok(entry)
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        let read = self.database.begin_read().map_err(|e| self.error(e))?;
        let table = match read.open_table(RECORDS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(self.error(error)),
        };
        let mut entries = Vec::new();
        for row in table.iter().map_err(|e| self.error(e))? {
            let (number, bytes) = row.map_err(|e| self.error(e))?;
            let entry =
                serde_json::from_slice(bytes.value()).map_err(|e| JournalError::Record {
                    path: self.path.clone(),
                    number: number.value(),
                    cause: e.to_string(),
                })?;
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// A journal in memory, for tests and for looking at entries that came from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    entries: std::sync::Arc<std::sync::Mutex<Vec<Entry>>>,
}

impl Journal for MemoryJournal {
    fn write(&mut self, record: Record) -> Result<Entry, JournalError> {
        let entry = Entry { at: now(), record };
        if let Ok(mut entries) = self.entries.lock() {
            entries.push(entry.clone());
        }
        Ok(entry)
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        Ok(self
            .entries
            .lock()
            .map(|entries| entries.clone())
            .unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Side;

    #[test]
    fn records_survive_closing_and_come_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.redb");
        let runs = |side| Record::Runs { side, ago_ms: 0 };
        drop(RedbJournal::create(&path, runs(Side::Source)).unwrap());
        let mut journal = RedbJournal::open(&path).unwrap();
        journal.write(runs(Side::Target)).unwrap();
        let records: Vec<Record> = journal
            .entries()
            .unwrap()
            .into_iter()
            .map(|e| e.record)
            .collect();
        assert_eq!(records, [runs(Side::Source), runs(Side::Target)]);
    }

    #[test]
    fn a_second_writer_and_a_file_of_noise_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.redb");
        let beginning = Record::Runs {
            side: Side::Source,
            ago_ms: 0,
        };
        let _first = RedbJournal::create(&path, beginning).unwrap();
        assert!(matches!(
            RedbJournal::open(&path),
            Err(JournalError::InUse { .. })
        ));
        let noise = dir.path().join("noise.redb");
        std::fs::write(
            &noise,
            b"this is not a journal, and it is longer than a header",
        )
        .unwrap();
        assert!(matches!(
            RedbJournal::open(&noise),
            Err(JournalError::Store { .. })
        ));
    }

    #[test]
    fn a_journal_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.redb");
        assert!(
            RedbJournal::open(&path).is_err(),
            "nothing is made by looking"
        );
        assert!(!path.exists());
        // As a process leaves it that is killed while it makes one.
        std::fs::write(path.with_extension("new"), b"half a jour").unwrap();
        let beginning = Record::Runs {
            side: Side::Source,
            ago_ms: 0,
        };
        drop(RedbJournal::create(&path, beginning).unwrap());
        assert_eq!(
            RedbJournal::open(&path).unwrap().entries().unwrap().len(),
            1
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
