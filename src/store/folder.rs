//! The state folder: `state.redb`, which holds what outlives the process, and `lock`, which keeps other processes out.
//!
//! Nothing is emptied or made anew where there was something: a file that can't be read stops the start.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::counters::{Counter, CounterRow, RECENT};
use super::nonces::NonceRow;
use super::shards::Seed;

/// How the tables are laid out. Another number is another program's.
const LAYOUT: u64 = 1;

/// Group to last value, when it moved, marks of the messages that moved it: numbers of 8 bytes, little endian.
const COUNTERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("counters-1");
/// End, group and nonce to the mark of the message.
const NONCES: TableDefinition<'_, (i64, u128, u128), u64> = TableDefinition::new("nonces-1");
/// What is said of the rest.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");

/// Memory that redb takes for pages.
const CACHE_BYTES: usize = 4 << 20;

/// Why what outlives the process can't be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder, or the lock in it.
    #[error("can't use the state folder `{}` (`state.folder`)", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the state folder `{}` (`state.folder`) is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file can't be made.
    #[error("can't make the state file `{}`", path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// What the system or redb said.
        source: Box<redb::Error>,
    },
    /// The file can't be read.
    #[error("can't read the state file `{}`; it is left as it is: put back a copy, or move it away, which permits every recorded message once more", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What redb said.
        source: Box<redb::Error>,
    },
    /// The file holds something else.
    #[error("the state file `{}` is not one of this version: {what}; it is left as it is", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is in it.
        what: &'static str,
    },
    /// The thread that writes.
    #[error("can't start the thread that writes state")]
    Thread(#[source] io::Error),
}

/// What was in the file.
pub(super) struct Found {
    pub(super) seed: Seed,
    pub(super) forgotten: Option<i64>,
    pub(super) counters: Vec<CounterRow>,
    pub(super) nonces: Vec<NonceRow>,
}

/// A state folder that this process has for itself.
#[derive(Debug)]
pub(super) struct Folder {
    file: PathBuf,
    /// Held as long as this is.
    _lock: File,
}

/// The file, open.
#[derive(Debug)]
pub(super) struct Open {
    database: Database,
    path: PathBuf,
    /// Device and number: what lies at `path` later may be another.
    inode: (u64, u64),
}

impl Folder {
    /// Takes a folder, and makes the file in it where there is none.
    pub(super) fn take(folder: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { path: folder.to_owned(), source };
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"));
        let lock = lock.map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse { path: folder.to_owned() },
            TryLockError::Error(source) => failed(source),
        })?;
        let taken = Self { file: folder.join("state.redb"), _lock: lock };
        if !taken.file.try_exists().map_err(failed)? {
            let unmade = |error| OpenError::Make { path: taken.file.clone(), source: Box::new(error) };
            taken.make(folder).map_err(unmade)?;
        }
        Ok(taken)
    }

    /// Made whole under another name first: a file that is there was never half made.
    fn make(&self, folder: &Path) -> Result<(), redb::Error> {
        let new = folder.join("state.redb.new");
        if new.try_exists()? {
            fs::remove_file(&new)?;
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&new)?;
        let mut database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(FileBackend::new(file)?)?;
        begin(&mut database)?;
        drop(database);
        fs::rename(&new, &self.file)?;
        Ok(File::open(folder)?.sync_all()?)
    }

    /// Opens the file, every page of it looked at, and reads what is in it.
    pub(super) fn open(&self) -> Result<(Open, Found), OpenError> {
        let open = self.reopen()?;
        let found = read(&open.database).map_err(|error| self.unreadable(error))?;
        let found = found.map_err(|what| OpenError::Foreign { path: self.file.clone(), what })?;
        Ok((open, found))
    }

    /// Opens the file.
    pub(super) fn reopen(&self) -> Result<Open, OpenError> {
        let length = fs::metadata(&self.file).map_err(|error| self.unreadable(error.into()))?;
        if length.len() == 0 {
            // redb would take it for a new one.
            return Err(OpenError::Foreign { path: self.file.clone(), what: "it is empty" });
        }
        let mut builder = Builder::new();
        let database = builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).open(&self.file);
        let database = database.map_err(|error| self.unreadable(error.into()))?;
        let path = self.file.clone();
        Ok(Open { database, path, inode: (length.dev(), length.ino()) })
    }

    fn unreadable(&self, error: redb::Error) -> OpenError {
        if matches!(error, redb::Error::DatabaseAlreadyOpen) {
            return OpenError::InUse { path: self.file.clone() };
        }
        OpenError::File { path: self.file.clone(), source: Box::new(error) }
    }
}

/// Tables of a new file.
pub(super) fn begin(database: &mut Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.open_table(COUNTERS)?;
    transaction.open_table(NONCES)?;
    let Seed([state, by]) = Seed::random();
    {
        let mut about = transaction.open_table(ABOUT)?;
        for (name, value) in [("layout", LAYOUT), ("seed-0", state), ("seed-1", by)] {
            about.insert(name, value)?;
        }
    }
    Ok(transaction.commit()?)
}

/// All that is there; or what is wrong with it.
fn read(database: &Database) -> Result<Result<Found, &'static str>, redb::Error> {
    let transaction = database.begin_read()?;
    let about = transaction.open_table(ABOUT)?;
    let number = |name: &str| -> Result<Option<u64>, redb::Error> { Ok(about.get(name)?.map(|value| value.value())) };
    if number("layout")? != Some(LAYOUT) {
        return Ok(Err("its layout is another"));
    }
    let (Some(state), Some(by)) = (number("seed-0")?, number("seed-1")?) else {
        return Ok(Err("its seed is missing"));
    };
    let forgotten = number("forgotten")?.map(u64::cast_signed);
    let mut found = Found { seed: Seed([state, by]), forgotten, counters: Vec::new(), nonces: Vec::new() };
    for entry in transaction.open_table(COUNTERS)?.iter()? {
        let (group, value) = entry?;
        let Some(counter) = decode(value.value()) else { return Ok(Err("a counter can't be understood")) };
        found.counters.push(CounterRow { group: group.value().into(), counter });
    }
    for entry in transaction.open_table(NONCES)?.iter()? {
        let (key, mark) = entry?;
        let (expires_millis, group, nonce) = key.value();
        found.nonces.push(NonceRow { expires_millis, group: group.into(), nonce: nonce.into(), mark: mark.value() });
    }
    Ok(Ok(found))
}

impl Open {
    /// Writes rows, and takes away what has expired; all of it is on disk afterwards, or nothing.
    pub(super) fn write<'r>(
        &mut self,
        counters: impl Iterator<Item = &'r CounterRow>,
        nonces: impl Iterator<Item = &'r NonceRow>,
        forgotten_millis: i64,
        now_millis: i64,
    ) -> Result<(), redb::Error> {
        let found = fs::metadata(&self.path)?;
        if (found.dev(), found.ino()) != self.inode {
            return Err(io::Error::other("another file lies in its place").into());
        }
        let mut transaction = self.database.begin_write()?;
        transaction.set_two_phase_commit(true);
        {
            let mut table = transaction.open_table(COUNTERS)?;
            for row in counters {
                table.insert(u128::from(row.group), encode(&row.counter).as_slice())?;
            }
            let mut table = transaction.open_table(NONCES)?;
            for row in nonces {
                table.insert((row.expires_millis, row.group.into(), row.nonce.into()), row.mark)?;
            }
            let mut forgotten = forgotten_millis;
            table.retain_in(..=(now_millis, u128::MAX, u128::MAX), |(expires, _, _), _| {
                forgotten = forgotten.max(expires);
                false
            })?;
            if forgotten > i64::MIN {
                transaction.open_table(ABOUT)?.insert("forgotten", forgotten.cast_unsigned())?;
            }
        }
        Ok(transaction.commit()?)
    }
}

fn encode(counter: &Counter) -> Vec<u8> {
    let numbers = [counter.last, counter.moved_millis.cast_unsigned()].into_iter().chain(counter.marks());
    numbers.flat_map(u64::to_le_bytes).collect()
}

fn decode(bytes: &[u8]) -> Option<Counter> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let mut numbers = numbers.iter().copied().map(u64::from_le_bytes);
    let (last, moved) = (numbers.next()?, numbers.next()?);
    let is_whole = rest.is_empty() && numbers.len() <= RECENT;
    is_whole.then(|| Counter::new(last, moved.cast_signed(), numbers))
}
