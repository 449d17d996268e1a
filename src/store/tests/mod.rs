mod bounds;
mod folder;
mod rates;
mod replays;

use super::*;

const BOUNDS: Bounds = Bounds { max_histories: 50, max_facts: 20, max_nonces: 100, max_counters: 30, max_buckets: 30 };

fn key(number: u128) -> Key {
    Key::of(&[&number.to_be_bytes()])
}

fn count(group: u128, value: u64, digest: u64) -> Count {
    Count { group: key(group), value, digest, sender: key(7), now_millis: 1_000 }
}

/// A nonce that expires after a second.
fn nonce(group: u128, nonce: u128, now_millis: i64) -> NonceUse {
    NonceUse {
        group: key(group),
        max_in_group: 40,
        nonce: key(nonce),
        digest: 1,
        sender: key(7),
        now_millis,
        expires_millis: now_millis + 1_000,
    }
}

fn history(last: f64, last_millis: i64) -> History {
    History { last, last_millis, low: last, high: last, same_since_millis: last_millis }
}

/// What tests ask of a store by table.
#[derive(Clone, Copy, Debug)]
enum Table {
    Histories,
    Facts,
    Nonces,
    Counters,
}

impl Table {
    const ALL: [Self; 4] = [Self::Histories, Self::Facts, Self::Nonces, Self::Counters];
}

fn named(of: Vec<(&str, u64)>, table: Table) -> u64 {
    let name = format!("{table:?}").to_lowercase();
    of.into_iter().find_map(|(known, count)| (known == name).then_some(count)).unwrap()
}

impl Store {
    fn entries(&self, table: Table) -> usize {
        usize::try_from(named(self.entries_by_table(), table)).unwrap()
    }

    fn evicted(&self, table: Table) -> u64 {
        named(self.evictions_by_table(), table)
    }

    fn full(&self, table: Table) -> u64 {
        named(self.full_by_table(), table)
    }
}
