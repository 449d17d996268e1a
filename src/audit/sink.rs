//! Where records go: a bounded queue and one thread that writes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::line::Record;
use crate::config::{Audit, OnFull};

/// Most bytes that one write takes from the queue.
const BATCH_BYTES: usize = 64 << 10;
/// After the first record of a batch, for more to come while there is room: one waking of the thread for many records.
const LINGER: Duration = Duration::from_millis(5);
/// Wait between two tries of a write that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Failing writes are logged at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The audit file can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the audit file `{}`", path.display())]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

/// The queue is full; the record is given back, to be sent with [`Sink::send`].
#[derive(Debug)]
pub struct Full(pub Record);

/// How many records went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Handed to the kernel (or to the log).
    pub written: u64,
    /// Lost: the queue was full or closed, or the file could not be written.
    pub dropped: u64,
    /// Writes that failed.
    pub write_errors: u64,
}

#[derive(Default)]
struct Shared {
    written: AtomicU64,
    dropped: AtomicU64,
    write_errors: AtomicU64,
    reopen: AtomicBool,
    closing: AtomicBool,
    abandon: AtomicBool,
}

impl Shared {
    fn totals(&self) -> Totals {
        Totals {
            written: self.written.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            write_errors: self.write_errors.load(Ordering::Relaxed),
        }
    }

    fn lose(&self, records: u64) {
        self.dropped.fetch_add(records, Ordering::Relaxed);
    }
}

enum Message {
    Record(Record),
    /// Look at the flags.
    Wake,
}

/// Takes records; cheap to clone, one for each who has any.
#[derive(Clone)]
pub struct Sink {
    queue: Sender<Message>,
    on_full: OnFull,
    shared: Arc<Shared>,
    writer: Thread,
}

/// The other end: the thread that writes. Keep it, and call [`Writer::finish`] at the end.
#[must_use = "records still queued are lost unless `finish` is called"]
pub struct Writer {
    sink: Sink,
    done: std::sync::mpsc::Receiver<()>,
}

/// Opens the file and starts the thread. The file is made with mode 0640 where there is none, and only ever appended to;
/// without one, records go to the log, at level info with target `audit`.
///
/// # Errors
/// When the file can't be opened for appending, or the thread can't be started.
pub fn open(settings: &Audit) -> Result<(Sink, Writer), OpenError> {
    let path = settings.file.clone();
    let failed = |source| OpenError { path: path.clone().unwrap_or_default(), source };
    let output = match &settings.file {
        Some(path) => Output::File { path: path.clone(), file: append_to(path).map_err(failed)? },
        None => Output::Log,
    };
    let (queue, records) = mpsc::channel(settings.max_queue.max(1));
    let (finished, done) = std::sync::mpsc::channel();
    let shared = Arc::new(Shared::default());
    let pump = Pump::new(records, output, settings.on_full, Arc::clone(&shared));
    let handle = thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || {
            pump.run();
            // Nobody waits for it unless the gateway is ending.
            let _ = finished.send(());
        })
        .map_err(failed)?;
    let sink = Sink { queue, on_full: settings.on_full, shared, writer: handle.thread().clone() };
    Ok((sink.clone(), Writer { sink, done }))
}

impl Sink {
    /// Hands a record over without waiting. With [`OnFull::Drop`] it never fails: the record is lost and counted.
    ///
    /// # Errors
    /// With [`OnFull::Block`] when the queue is full: stop reading, and wait in [`Sink::send`].
    pub fn try_send(&self, record: Record) -> Result<(), Full> {
        match self.queue.try_send(Message::Record(record)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(Message::Record(record))) if self.on_full == OnFull::Block => Err(Full(record)),
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.shared.lose(1);
                Ok(())
            }
        }
    }

    /// Hands a record over and, with [`OnFull::Block`], waits for room. Cancelled, the record is lost and not counted.
    pub async fn send(&self, record: Record) {
        let Err(Full(record)) = self.try_send(record) else { return };
        if self.queue.send(Message::Record(record)).await.is_err() {
            self.shared.lose(1);
        }
    }

    /// Opens the file anew, after log rotation has moved it. The old one stays in use when the new one can't be opened.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.wake();
    }

    /// How many records went which way so far.
    pub fn totals(&self) -> Totals {
        self.shared.totals()
    }

    /// Records that wait.
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// A full queue needs no waking message: its writer looks at the flags before it takes more.
    fn wake(&self) {
        let _ = self.queue.try_send(Message::Wake);
        self.writer.unpark();
    }
}

impl Writer {
    /// Writes what is queued, syncs the file, and closes: later records are lost and counted. Blocks the thread, at
    /// most for about `timeout`; what is unwritten by then counts as dropped.
    pub fn finish(self, timeout: Duration) -> Totals {
        self.sink.shared.closing.store(true, Ordering::Release);
        self.sink.wake();
        if self.done.recv_timeout(timeout).is_err() {
            self.sink.shared.abandon.store(true, Ordering::Release);
            self.sink.wake();
            let _ = self.done.recv_timeout(Duration::from_millis(200));
        }
        self.sink.totals()
    }
}

enum Output {
    File { path: PathBuf, file: File },
    Log,
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let mut file = options.open(path)?;
    if is_torn(&file, path).unwrap_or(false) {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Whether the file ends within a line, as a crash or a full disk leaves it.
fn is_torn(file: &File, path: &Path) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let (mut readable, mut last) = (File::open(path)?, [0]);
    readable.seek(SeekFrom::End(-1))?;
    readable.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Lines on their way to the file.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Bytes that the file has.
    done: usize,
}

impl Batch {
    /// Writes what is left; an error leaves `done` where the file is.
    fn write_to(&mut self, file: &mut impl Write) -> io::Result<()> {
        while let Some(rest) = self.bytes.get(self.done..).filter(|rest| !rest.is_empty()) {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Goes back to the start of a line that is written in part: another file must hold it whole.
    fn rewind(&mut self) {
        let done = self.bytes.get(..self.done).unwrap_or_default();
        self.done = memchr::memrchr(b'\n', done).map_or(0, |end| end + 1);
    }

    /// Records that end in the first `length` bytes. A newline in front of all of them ends no record.
    fn records(&self, length: usize) -> u64 {
        let bytes = self.bytes.get(..length).unwrap_or_default();
        let bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        memchr::memchr_iter(b'\n', bytes).count() as u64
    }

    fn is_torn(&self) -> bool {
        self.done > 0 && self.bytes.get(self.done - 1) != Some(&b'\n')
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BATCH_BYTES);
        self.done = 0;
    }
}

/// The thread's own state.
struct Pump {
    records: Receiver<Message>,
    output: Output,
    on_full: OnFull,
    shared: Arc<Shared>,
    batch: Batch,
    complained: Option<Instant>,
}

impl Pump {
    fn new(records: Receiver<Message>, output: Output, on_full: OnFull, shared: Arc<Shared>) -> Self {
        Self { records, output, on_full, shared, batch: Batch::default(), complained: None }
    }

    fn run(mut self) {
        while let Some(message) = self.records.blocking_recv() {
            if self.may_linger() {
                thread::park_timeout(LINGER);
            }
            self.take(message);
            self.fill();
            if self.shared.closing.load(Ordering::Acquire) {
                self.records.close();
            }
            self.reopen_if_asked();
            self.write();
        }
        self.sync();
    }

    /// Whether nobody waits for what is queued: not the end, not a file moved away, not a sender without room.
    fn may_linger(&self) -> bool {
        let flags = [&self.shared.closing, &self.shared.reopen];
        let asked = flags.iter().any(|flag| flag.load(Ordering::Acquire));
        !asked && self.records.len() < self.records.max_capacity() / 4
    }

    fn fill(&mut self) {
        while self.batch.bytes.len() < BATCH_BYTES {
            match self.records.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, message: Message) {
        match (message, &self.output) {
            (Message::Wake, _) => {}
            (Message::Record(record), Output::File { .. }) => self.batch.bytes.extend_from_slice(record.as_bytes()),
            (Message::Record(record), Output::Log) => {
                tracing::info!(target: "audit", "{}", record.as_str());
                self.shared.written.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Writes the batch, however often it takes, unless records may be dropped.
    fn write(&mut self) {
        while !self.shared.abandon.load(Ordering::Acquire) {
            let Output::File { file, .. } = &mut self.output else { return };
            let Err(error) = self.batch.write_to(file) else { break };
            self.shared.write_errors.fetch_add(1, Ordering::Relaxed);
            self.complain("cannot write the audit file", &error);
            if self.on_full == OnFull::Drop {
                break;
            }
            thread::park_timeout(RETRY);
            self.reopen_if_asked();
        }
        let written = self.batch.records(self.batch.done);
        self.shared.written.fetch_add(written, Ordering::Relaxed);
        self.shared.lose(self.batch.records(self.batch.bytes.len()) - written);
        let torn = self.batch.is_torn();
        self.batch.clear();
        if torn {
            // The next line must not be glued to the half one that the file holds.
            self.batch.bytes.push(b'\n');
        }
    }

    fn reopen_if_asked(&mut self) {
        if !self.shared.reopen.swap(false, Ordering::AcqRel) {
            return;
        }
        let Output::File { path, file } = &mut self.output else { return };
        match append_to(path) {
            Ok(new) => {
                *file = new;
                self.batch.rewind();
                tracing::info!(path = %path.display(), "audit file opened anew");
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot open the audit file anew, the old one stays");
            }
        }
    }

    fn complain(&mut self, what: &'static str, error: &io::Error) {
        let now = Instant::now();
        if self.complained.is_none_or(|last| now.duration_since(last) >= COMPLAIN_EVERY) {
            self.complained = Some(now);
            let Totals { written, dropped, write_errors } = self.shared.totals();
            tracing::error!(%error, written, dropped, write_errors, "{what}");
        }
    }

    fn sync(&mut self) {
        let Output::File { file, .. } = &mut self.output else { return };
        // A pipe or a device has nothing to sync.
        if file.metadata().is_ok_and(|metadata| metadata.is_file())
            && let Err(error) = file.sync_data()
        {
            self.complain("cannot sync the audit file", &error);
        }
    }
}

#[cfg(test)]
mod tests;
