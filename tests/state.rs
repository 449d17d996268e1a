//! What is remembered beyond one connection costs no allocation once it is known, and little memory. A program of its own:
//! the allocator counts.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use tidegate::policy::{Count, Fact, History, Key, Known, Memory, NonceUse, Used};
use tidegate::store::{Bounds, Store};

const BOUNDS: Bounds =
    Bounds { max_histories: 20_000, max_facts: 20_000, max_nonces: 20_000, max_counters: 20_000, max_buckets: 20_000 };
const ENTRIES: u32 = 10_000;

fn key(number: u32) -> Key {
    Key::of(&[&number.to_be_bytes()])
}

/// Puts one of each kind, or finds it there.
struct Kind {
    name: &'static str,
    put: fn(&Store, u32, i64),
    /// Bytes of one, when the table has just grown or is about to.
    max_bytes: u64,
}

fn remember(store: &Store, number: u32, now: i64) {
    store.history(key(number));
    let history = History { last: 1.0, last_millis: now, low: 1.0, high: 1.0, same_since_millis: now };
    store.remember(key(number), history, i64::MAX);
}

fn learn(store: &Store, number: u32, now: i64) {
    store.fact(key(number));
    store.learn(key(number), Fact { value: Known::Bool(true), millis: now });
}

fn use_nonce(store: &Store, number: u32, now: i64) {
    let (group, nonce, sender) = (key(number % 10), key(number), key(1));
    let (max_in_group, digest, expires_millis) = (10_000, 1, 1_000_000);
    let used =
        store.use_nonce(&NonceUse { group, max_in_group, nonce, digest, sender, now_millis: now, expires_millis });
    assert_eq!(used, if now == 0 { Used::First } else { Used::Redelivered });
}

fn advance(store: &Store, number: u32, now: i64) {
    let value = u64::try_from(now).unwrap();
    let count = Count { group: key(number), value, digest: value, sender: key(1), now_millis: now };
    assert_eq!(store.advance(&count), Used::First);
}

fn unsigned(store: &Store, number: u32, now: i64) {
    store.unsigned("commands-are-signed", key(number), now);
}

#[test]
fn what_is_known_costs_no_allocation_and_what_is_new_little_memory() {
    for Kind { name, put, max_bytes } in [
        Kind { name: "histories", put: remember, max_bytes: 200 },
        Kind { name: "facts", put: learn, max_bytes: 200 },
        Kind { name: "nonces", put: use_nonce, max_bytes: 130 },
        Kind { name: "counters", put: advance, max_bytes: 400 },
        Kind { name: "unsigned", put: unsigned, max_bytes: 70 },
    ] {
        let store = Store::new(&BOUNDS);
        let made = allocation_counter::measure(|| (0..ENTRIES).for_each(|number| put(&store, number, 0)));
        let each = made.bytes_current.unsigned_abs() / u64::from(ENTRIES);
        assert!(each <= max_bytes, "{name}: {each} bytes each");
        let found = allocation_counter::measure(|| (0..ENTRIES).for_each(|number| put(&store, number, 1)));
        assert_eq!(found.count_total, 0, "{name}");
    }
}
