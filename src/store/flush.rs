//! Writing what must outlive the process, on a thread of its own.
//!
//! What a crash loses is what happened since the last flush: a message of that time that is played again afterwards, while
//! it is not yet too old, is taken once more. An end in order loses nothing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime};

use super::counters::CounterRow;
use super::folder::{Folder, Open, OpenError};
use super::nonces::NonceRow;
use super::shards::Place;
use super::{Bounds, Store};
use crate::config::State;

/// Entries that are copied under one lock.
const PIECE: usize = 256;

/// How the writing went.
#[derive(Debug, Default)]
pub struct Written {
    errors: AtomicU64,
    last_success: AtomicI64,
}

impl Written {
    /// Flushes that failed; what they were to write is kept for the next one.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// When all was on disk, in seconds since 1970.
    #[must_use]
    pub fn last_success(&self) -> i64 {
        self.last_success.load(Ordering::Relaxed)
    }
}

/// The thread that writes. Keep it, and call [`Writer::finish`] at the end.
#[must_use = "what happened since the last flush is lost unless `finish` is called"]
#[derive(Debug)]
pub struct Writer {
    stop: Sender<()>,
    done: Receiver<()>,
    written: Arc<Written>,
}

/// What is remembered, as the settings want it; with a folder also what writes it.
///
/// # Errors
/// When the folder can't be used, another process has it, or what is in it can't be read.
pub fn open(settings: &State) -> Result<(Arc<Store>, Option<Writer>), OpenError> {
    let bounds = Bounds::from(settings);
    let Some(path) = &settings.folder else { return Ok((Arc::new(Store::new(&bounds)), None)) };
    let flusher = Flusher::open(path, &bounds)?;
    let store = Arc::clone(&flusher.store);
    let writer = Writer::start(flusher, settings.flush).map_err(OpenError::Thread)?;
    Ok((store, Some(writer)))
}

impl Writer {
    fn start(mut flusher: Flusher, every: Duration) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        let written = Arc::clone(&flusher.written);
        thread::Builder::new().name("state".to_owned()).spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                flusher.flush(unix_millis());
            }
            flusher.flush(unix_millis());
            drop(flusher);
            // Nobody waits for it unless the gateway is ending.
            let _ = finished.send(());
        })?;
        Ok(Self { stop, done, written })
    }

    /// How the writing went so far.
    #[must_use]
    pub fn written(&self) -> Arc<Written> {
        Arc::clone(&self.written)
    }

    /// Writes what is not on disk yet and closes the file. Blocks the thread, at most for `timeout`; says whether all
    /// is on disk.
    pub fn finish(self, timeout: Duration) -> bool {
        let before = self.written.errors();
        drop(self.stop);
        self.done.recv_timeout(timeout).is_ok() && self.written.errors() == before
    }
}

/// The state of the thread.
#[derive(Debug)]
pub(super) struct Flusher {
    pub(super) store: Arc<Store>,
    pub(super) written: Arc<Written>,
    /// None after a failure: redb wants to be opened anew then. Closed before the folder is given up.
    open: Option<Open>,
    folder: Folder,
    /// What is to be written. Bounded as its tables are.
    counters: HashMap<Place, CounterRow>,
    nonces: Vec<NonceRow>,
    has_complained: bool,
}

impl Flusher {
    pub(super) fn open(path: &Path, bounds: &Bounds) -> Result<Self, OpenError> {
        let folder = Folder::take(path)?;
        let (open, found) = folder.open()?;
        let store = Store::with(bounds, found.seed, true);
        let (counters, nonces) = (found.counters.len(), found.nonces.len());
        found.counters.into_iter().for_each(|row| store.counters.restore(row));
        found.nonces.iter().for_each(|row| store.nonces.restore(row));
        if let Some(forgotten) = found.forgotten {
            store.nonces.forget_until(forgotten);
        }
        tracing::info!(folder = %path.display(), counters, nonces, "state read back");
        if counters > bounds.max_counters || nonces > bounds.max_nonces {
            tracing::warn!(counters, nonces, "more than `[state]` has room for: all are kept, and no new ones taken");
        }
        Ok(Self {
            store: Arc::new(store),
            written: Arc::default(),
            folder,
            open: Some(open),
            counters: HashMap::new(),
            nonces: Vec::new(),
            has_complained: false,
        })
    }

    /// Puts on disk what is not there yet. What fails is tried again with the next flush; the gateway goes on.
    pub(super) fn flush(&mut self, now_millis: i64) {
        let mut counters = Vec::new();
        self.store.counters.take_unsaved(PIECE, &mut counters);
        self.counters.extend(counters.into_iter().map(|row| (row.group, row)));
        self.store.nonces.take_unsaved(PIECE, &mut self.nonces);
        if !self.counters.is_empty() || !self.nonces.is_empty() {
            if let Err(error) = self.write(now_millis) {
                return self.complain(&*error, now_millis);
            }
            self.counters.clear();
            self.nonces = Vec::new();
        }
        if std::mem::take(&mut self.has_complained) {
            tracing::info!("state is written again");
        }
        self.written.last_success.store(now_millis / 1000, Ordering::Relaxed);
    }

    fn write(&mut self, now_millis: i64) -> Result<(), Box<dyn std::error::Error>> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.folder.reopen()?,
        };
        let forgotten = self.store.nonces.forgotten();
        open.write(self.counters.values(), self.nonces.iter(), forgotten, now_millis)?;
        self.open = Some(open);
        Ok(())
    }

    fn complain(&mut self, error: &dyn std::error::Error, now_millis: i64) {
        // Of what has expired nobody asks any more; what has not is bounded by its table.
        self.nonces.retain(|row| row.expires_millis > now_millis);
        self.written.errors.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.has_complained, true) {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(%error, cause, "state can't be written; the gateway goes on, and what is new is lost if it ends now");
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_millis() -> i64 {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(unix.as_millis()).unwrap_or(i64::MAX)
}
