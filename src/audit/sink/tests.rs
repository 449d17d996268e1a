use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::task::{Context, Waker};
use std::time::SystemTime;

use super::*;
use crate::audit::line::Line;

const SOON: Duration = Duration::from_secs(10);

fn record(number: u64) -> Record {
    let mut line = Line::new(SystemTime::UNIX_EPOCH, "test");
    line.number("connection", number);
    line.finish()
}

fn settings(file: &Path, on_full: OnFull, max_queue: usize) -> Audit {
    Audit { file: Some(file.to_owned()), on_full, max_queue }
}

fn numbers(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["connection"].as_u64().unwrap())
        .collect()
}

fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < SOON, "waited in vain");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn records_arrive_in_order_and_all_are_written_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    fs::write(&file, record(0).as_bytes()).unwrap();
    let (sink, writer) = open(&settings(&file, OnFull::Block, 4)).unwrap();
    let mut waited = 0;
    for number in 1..=5000 {
        let mut next = record(number);
        while let Err(Full(back)) = sink.try_send(next) {
            waited += 1;
            next = back;
            thread::yield_now();
        }
    }
    assert_eq!(writer.finish(SOON), Totals { written: 5000, ..Totals::default() });
    assert!(waited > 0, "a queue of 4 was never full");
    assert_eq!(numbers(&file), (0..=5000).collect::<Vec<_>>(), "what the file held before is kept");
}

#[test]
fn a_line_that_a_crash_left_unfinished_is_not_glued_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    fs::write(&file, "{\"time\":\"2026").unwrap();
    let (sink, writer) = open(&settings(&file, OnFull::Block, 4)).unwrap();
    sink.try_send(record(1)).unwrap();
    assert_eq!(writer.finish(SOON).written, 1);
    let expected = format!("{{\"time\":\"2026\n{}\n", record(1).as_str());
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
}

#[test]
fn a_new_file_is_not_for_everyone_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let (_sink, writer) = open(&settings(&file, OnFull::Block, 4)).unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & !0o640 & 0o777, 0, "{mode:o}");
    let _ = writer.finish(SOON);
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let error = open(&settings(Path::new("/nowhere/audit.jsonl"), OnFull::Block, 4)).err().unwrap();
    assert_eq!(error.to_string(), "cannot open the audit file `/nowhere/audit.jsonl`");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn after_rotation_records_go_to_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, old) = (folder.path().join("audit.jsonl"), folder.path().join("audit.jsonl.1"));
    let (sink, writer) = open(&settings(&file, OnFull::Block, 4)).unwrap();
    sink.try_send(record(1)).unwrap();
    until(|| sink.totals().written == 1);
    fs::rename(&file, &old).unwrap();
    sink.reopen();
    until(|| file.exists());
    sink.try_send(record(2)).unwrap();
    assert_eq!(writer.finish(SOON).written, 2);
    assert_eq!((numbers(&old), numbers(&file)), (vec![1], vec![2]));
}

#[test]
fn a_new_file_that_cannot_be_opened_leaves_the_old_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("deep");
    fs::create_dir(&deep).unwrap();
    let (file, moved) = (deep.join("audit.jsonl"), folder.path().join("moved"));
    let (sink, writer) = open(&settings(&file, OnFull::Block, 4)).unwrap();
    fs::rename(&deep, &moved).unwrap();
    sink.reopen();
    sink.try_send(record(1)).unwrap();
    assert_eq!(writer.finish(SOON).written, 1);
    assert_eq!(numbers(&moved.join("audit.jsonl")), [1]);
}

#[test]
fn a_full_disk_holds_records_back_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (link, real) = (folder.path().join("audit.jsonl"), folder.path().join("real"));
    symlink("/dev/full", &link).unwrap();
    let (sink, writer) = open(&settings(&link, OnFull::Block, 2)).unwrap();
    sink.try_send(record(1)).unwrap();
    until(|| sink.totals().write_errors > 0);
    sink.try_send(record(2)).unwrap();
    sink.try_send(record(3)).unwrap();
    assert!(sink.try_send(record(4)).is_err());
    assert_eq!(sink.queued(), 2);
    fs::remove_file(&link).unwrap();
    symlink(&real, &link).unwrap();
    sink.reopen();
    let totals = writer.finish(SOON);
    assert_eq!((totals.written, totals.dropped), (3, 0));
    assert_eq!(numbers(&real), [1, 2, 3]);
}

#[test]
fn where_records_may_be_dropped_nobody_waits_and_the_lost_are_counted() {
    let (sink, writer) = open(&settings(Path::new("/dev/full"), OnFull::Drop, 2)).unwrap();
    for number in 0..1000 {
        sink.try_send(record(number)).unwrap();
    }
    // Polled once, it is through.
    let sent = std::pin::pin!(sink.send(record(1000))).poll(&mut Context::from_waker(Waker::noop()));
    assert!(sent.is_ready());
    let totals = writer.finish(SOON);
    assert_eq!((totals.written, totals.dropped), (0, 1001));
    assert!(totals.write_errors > 0);
}

#[test]
fn the_end_does_not_wait_for_a_file_that_never_takes_anything() {
    let (sink, writer) = open(&settings(Path::new("/dev/full"), OnFull::Block, 2)).unwrap();
    sink.try_send(record(1)).unwrap();
    sink.try_send(record(2)).unwrap();
    let start = Instant::now();
    let totals = writer.finish(Duration::from_millis(50));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!((totals.written, totals.dropped), (0, 2));
    sink.try_send(record(3)).unwrap();
    assert_eq!(sink.totals().dropped, 3, "after the end");
}

#[tokio::test]
async fn a_sender_waits_for_room() {
    let folder = tempfile::tempdir().unwrap();
    let (link, real) = (folder.path().join("audit.jsonl"), folder.path().join("real"));
    symlink("/dev/full", &link).unwrap();
    let (sink, writer) = open(&settings(&link, OnFull::Block, 1)).unwrap();
    sink.send(record(1)).await;
    until(|| sink.totals().write_errors > 0);
    sink.send(record(2)).await;
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { sink.send(record(3)).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    fs::remove_file(&link).unwrap();
    symlink(&real, &link).unwrap();
    sink.reopen();
    waiting.await.unwrap();
    let totals = tokio::task::spawn_blocking(move || writer.finish(SOON)).await.unwrap();
    assert_eq!(totals.written, 3);
}

#[test]
fn without_a_file_records_go_to_the_log() {
    let (sink, writer) = open(&Audit { file: None, on_full: OnFull::Block, max_queue: 4 }).unwrap();
    sink.try_send(record(1)).unwrap();
    assert_eq!(writer.finish(SOON).written, 1);
}

/// Takes `room` bytes in all, in pieces of 7.
struct Narrow {
    taken: Vec<u8>,
    room: usize,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(7).min(self.room - self.taken.len());
        if length == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.taken.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_written_in_part_goes_on_where_it_stopped_or_whole_to_another_file() {
    let (first, second) = (record(1), record(2));
    let whole = [first.as_bytes(), second.as_bytes()].concat();
    let mut batch = Batch { bytes: whole.clone(), done: 0 };
    let mut narrow = Narrow { taken: Vec::new(), room: first.as_bytes().len() + 10 };
    assert!(batch.write_to(&mut narrow).is_err());
    assert!(batch.is_torn());
    assert_eq!((batch.records(batch.done), batch.records(whole.len())), (1, 2));
    narrow.room = usize::MAX;
    batch.write_to(&mut narrow).unwrap();
    assert_eq!(narrow.taken, whole);
    batch.done = first.as_bytes().len() + 10;
    batch.rewind();
    assert_eq!(batch.done, first.as_bytes().len());
    batch.done = 10;
    batch.rewind();
    assert_eq!(batch.done, 0);
    batch.bytes.insert(0, b'\n');
    assert_eq!((batch.records(0), batch.records(1), batch.records(whole.len() + 1)), (0, 0, 2));
}
