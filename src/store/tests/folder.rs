//! What outlives the process, and what does not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tempfile::{TempDir, tempdir};

use super::super::flush::Flusher;
use super::*;

fn flusher(folder: &Path) -> Flusher {
    Flusher::open(folder, &BOUNDS).unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

fn refusal(folder: &Path) -> OpenError {
    Flusher::open(folder, &BOUNDS).expect_err("a folder that is refused")
}

/// What a process that is killed now leaves behind.
fn killed(folder: &Path) -> TempDir {
    let left = tempdir().unwrap();
    for name in ["state.redb", "lock"] {
        fs::copy(folder.join(name), left.path().join(name)).unwrap();
    }
    left
}

#[test]
fn a_restart_in_the_middle_of_a_counter_sequence_goes_on_where_it_was() {
    let folder = tempdir().unwrap();
    let mut value = 0;
    for _run in 0..3 {
        let mut flusher = flusher(folder.path());
        for group in 0..3 {
            // What is still in flight is known again, older and altered messages are not taken.
            if value > 0 {
                assert_eq!(flusher.store.advance(&count(group, value, value)), Used::Redelivered);
                assert_eq!(flusher.store.advance(&count(group, value, 999)), Used::Replayed);
            }
            for next in value + 1..=value + 40 {
                assert_eq!(flusher.store.advance(&count(group, next, next)), Used::First);
                assert_eq!(flusher.store.advance(&count(group, next, 999)), Used::Replayed);
            }
        }
        value += 40;
        flusher.flush(1_000);
        assert_eq!(flusher.written.errors(), 0);
    }
    assert_eq!(flusher(folder.path()).store.entries(Table::Counters), 3);
}

#[test]
fn a_used_nonce_stays_used_over_a_restart_until_it_has_expired() {
    let folder = tempdir().unwrap();
    let first = nonce(1, 1, 0);
    {
        let mut flusher = flusher(folder.path());
        for number in 0..30 {
            assert_eq!(flusher.store.use_nonce(&nonce(1, number, 0)), Used::First);
        }
        flusher.flush(500);
    }
    let mut again = flusher(folder.path());
    assert_eq!(again.store.entries(Table::Nonces), 30);
    assert_eq!(again.store.use_nonce(&first), Used::Redelivered);
    assert_eq!(again.store.use_nonce(&NonceUse { digest: 9, ..first }), Used::Replayed);
    assert_eq!(again.store.use_nonce(&nonce(1, 100, 2_000)), Used::First);
    again.flush(2_000);
    drop(again);
    // What has expired is gone from the file, and with a clock that was set back still not taken.
    let last = flusher(folder.path());
    assert_eq!(last.store.entries(Table::Nonces), 1);
    assert_eq!(last.store.use_nonce(&first), Used::Full);
}

#[test]
fn a_crash_loses_what_happened_since_the_last_flush_and_no_more() {
    let folder = tempdir().unwrap();
    let mut flusher = flusher(folder.path());
    assert_eq!(flusher.store.advance(&count(1, 5, 5)), Used::First);
    assert_eq!(flusher.store.use_nonce(&nonce(1, 5, 0)), Used::First);
    flusher.flush(0);
    assert_eq!(flusher.store.advance(&count(1, 6, 6)), Used::First);
    assert_eq!(flusher.store.use_nonce(&nonce(1, 6, 0)), Used::First);
    let left = killed(folder.path());
    let after = Flusher::open(left.path(), &BOUNDS).unwrap();
    assert_eq!(after.store.advance(&count(1, 5, 99)), Used::Replayed);
    assert_eq!(after.store.use_nonce(&NonceUse { digest: 99, ..nonce(1, 5, 0) }), Used::Replayed);
    // The documented bound: of the last moments nothing is known.
    assert_eq!(after.store.advance(&count(1, 6, 99)), Used::First);
    assert_eq!(after.store.use_nonce(&NonceUse { digest: 99, ..nonce(1, 6, 0) }), Used::First);
}

#[test]
fn a_file_cut_off_in_the_middle_of_flushes_is_what_it_was_after_one_of_them() {
    let folder = tempdir().unwrap();
    let mut flusher = flusher(folder.path());
    for value in 1..30 {
        flusher.store.advance(&count(1, value, value));
        flusher.flush(0);
        let left = killed(folder.path());
        let after = Flusher::open(left.path(), &BOUNDS).unwrap();
        assert_eq!(after.store.advance(&count(1, value, 99)), Used::Replayed);
        assert_eq!(after.store.advance(&count(1, value + 1, 99)), Used::First);
    }
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempdir().unwrap();
    let first = flusher(folder.path());
    assert!(matches!(refusal(folder.path()), OpenError::InUse { .. }));
    assert!(refusal(folder.path()).to_string().contains("is in use by another process"));
    drop(first);
    let _second = flusher(folder.path());
}

#[test]
fn nobody_else_can_read_the_file_and_nothing_half_made_is_left() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("state.redb.new"), "half made").unwrap();
    let _flusher = flusher(folder.path());
    let mode = |name| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state.redb"), mode("lock")), (0o600, 0o600));
    assert!(!folder.path().join("state.redb.new").exists());
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = refusal(&missing);
    assert!(matches!(error, OpenError::Folder { .. }));
    let said = error.to_string();
    assert!(said.contains("missing") && said.contains("state.folder"), "{said}");
}

#[test]
fn a_file_that_is_not_ours_is_named_and_left_as_it_is() {
    for content in [&b""[..], b"x", b"not a database at all", &[0; 100_000]] {
        let folder = tempdir().unwrap();
        let file = folder.path().join("state.redb");
        fs::write(&file, content).unwrap();
        let error = refusal(folder.path());
        assert!(error.to_string().contains("state.redb"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), content, "changed: {error}");
    }
}

#[test]
fn no_altered_file_is_taken_for_another_state() {
    let folder = tempdir().unwrap();
    {
        let mut flusher = flusher(folder.path());
        for group in 0..30 {
            flusher.store.advance(&count(group, 1_000 + u64::try_from(group).unwrap(), 1));
        }
        flusher.flush(0);
    }
    let whole = fs::read(folder.path().join("state.redb")).unwrap();
    let mut refused = 0;
    let step = whole.len() / 150;
    for at in (0..whole.len()).step_by(step) {
        let mut altered = whole.clone();
        // A page of the disk that is read as something else.
        altered[at..(at + step / 2).min(whole.len())].fill(0xa5);
        let other = tempdir().unwrap();
        fs::write(other.path().join("state.redb"), &altered).unwrap();
        match Flusher::open(other.path(), &BOUNDS) {
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("state.redb"), "{error}");
            }
            Ok(taken) => {
                for group in 0..30 {
                    let last = 1_000 + u64::try_from(group).unwrap();
                    assert_eq!(taken.store.advance(&count(group, last, 2)), Used::Replayed, "altered at {at}");
                }
            }
        }
    }
    assert!(refused > 0);
    for length in [whole.len() / 2, whole.len() - 4096, 4096, 100] {
        let other = tempdir().unwrap();
        fs::write(other.path().join("state.redb"), &whole[..length]).unwrap();
        assert!(Flusher::open(other.path(), &BOUNDS).is_err(), "cut at {length}");
    }
}

#[test]
fn what_can_t_be_written_is_kept_counted_and_written_later() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("state.redb");
    let mut flusher = flusher(folder.path());
    flusher.store.advance(&count(1, 5, 5));
    flusher.store.use_nonce(&nonce(1, 1, 0));
    // Somebody moves the file away: what is written now would be lost.
    fs::rename(&file, folder.path().join("away")).unwrap();
    for errors in 1..4 {
        flusher.flush(0);
        assert_eq!((flusher.written.errors(), flusher.written.last_success()), (errors, 0));
    }
    assert_eq!(flusher.store.advance(&count(1, 6, 6)), Used::First);
    fs::rename(folder.path().join("away"), &file).unwrap();
    flusher.flush(5_000);
    assert_eq!((flusher.written.errors(), flusher.written.last_success()), (3, 5));
    let after = Flusher::open(killed(folder.path()).path(), &BOUNDS).unwrap();
    assert_eq!(after.store.advance(&count(1, 6, 99)), Used::Replayed);
}

#[test]
fn more_than_there_is_room_for_is_read_back_all_the_same() {
    let folder = tempdir().unwrap();
    {
        let mut flusher = flusher(folder.path());
        for group in 0..30 {
            flusher.store.advance(&count(group, 5, 1));
        }
        flusher.flush(0);
    }
    let flusher = Flusher::open(folder.path(), &Bounds { max_counters: 10, ..BOUNDS }).unwrap();
    for group in 0..30 {
        assert_eq!(flusher.store.advance(&count(group, 5, 2)), Used::Replayed);
        assert_eq!(flusher.store.advance(&count(group, 6, 2)), Used::First);
    }
    assert_eq!(flusher.store.advance(&count(31, 6, 2)), Used::Full);
}

#[test]
fn the_thread_writes_by_itself_and_at_the_end() {
    let folder = tempdir().unwrap();
    let settings = State {
        folder: Some(folder.path().to_owned()),
        flush: Duration::from_millis(20),
        max_histories: 10,
        max_facts: 10,
        max_nonces: 10,
        max_counters: 10,
        max_buckets: 10,
    };
    let (store, writer) = open(&settings).unwrap();
    let (writer, written) = writer.map(|writer| (writer.written(), writer)).map(|(w, x)| (x, w)).unwrap();
    store.advance(&count(1, 5, 5));
    let mut left = None;
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(20));
        let copy = killed(folder.path());
        // A copy that is made while it is written may be of two moments.
        let found = Flusher::open(copy.path(), &BOUNDS).ok().filter(|found| found.store.entries(Table::Counters) == 1);
        if found.is_some() {
            left = found;
            break;
        }
    }
    assert!(left.is_some(), "never written");
    assert!(written.last_success() > 0);
    store.advance(&count(2, 5, 5));
    assert!(writer.finish(Duration::from_secs(10)));
    assert_eq!(flusher(folder.path()).store.entries(Table::Counters), 2);
    // Without a folder there is nothing to write.
    assert!(open(&State { folder: None, ..settings }).unwrap().1.is_none());
}
