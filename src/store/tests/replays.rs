//! No message is taken twice.

use std::collections::{HashMap, HashSet};
use std::thread;

use proptest::prelude::*;

use super::super::counters::RECENT;
use super::*;

#[test]
fn a_redelivery_is_the_same_message_of_the_same_sender() {
    let store = Store::new(&BOUNDS);
    let first = nonce(1, 1, 0);
    assert_eq!(store.use_nonce(&first), Used::First);
    assert_eq!(store.use_nonce(&first), Used::Redelivered);
    assert_eq!(store.use_nonce(&NonceUse { digest: 2, ..first }), Used::Replayed);
    assert_eq!(store.use_nonce(&NonceUse { sender: key(8), ..first }), Used::Replayed);
    assert_eq!(store.use_nonce(&NonceUse { group: key(2), ..first }), Used::First);

    let first = count(1, 5, 77);
    assert_eq!(store.advance(&first), Used::First);
    assert_eq!(store.advance(&first), Used::Redelivered);
    assert_eq!(store.advance(&Count { digest: 2, ..first }), Used::Replayed);
    assert_eq!(store.advance(&Count { sender: key(8), ..first }), Used::Replayed);
    assert_eq!(store.advance(&Count { value: 4, digest: 3, ..first }), Used::Replayed);
    assert_eq!(store.advance(&Count { value: u64::MAX, digest: 4, ..first }), Used::First);
    assert_eq!(store.advance(&Count { value: u64::MAX, digest: 5, ..first }), Used::Replayed);
}

#[test]
fn as_many_messages_as_are_in_flight_are_known_again() {
    let store = Store::new(&BOUNDS);
    for value in 0..100 {
        assert_eq!(store.advance(&count(1, value + 1, value)), Used::First);
        for before in value.saturating_sub(40)..=value {
            let is_recent = value - before < RECENT as u64;
            let expected = if is_recent { Used::Redelivered } else { Used::Replayed };
            assert_eq!(store.advance(&count(1, before + 1, before)), expected, "{before} after {value}");
        }
    }
}

#[test]
fn a_clock_that_is_set_back_brings_no_nonce_back() {
    let store = Store::new(&BOUNDS);
    let first = nonce(1, 1, 10_000);
    assert_eq!(store.use_nonce(&first), Used::First);
    // Much later others come, and it is forgotten.
    for number in 2..10 {
        assert_eq!(store.use_nonce(&nonce(1, number, 50_000)), Used::First);
    }
    assert_eq!(store.use_nonce(&first), Used::Full);
    // What ends later than what was forgotten is taken.
    assert_eq!(store.use_nonce(&nonce(1, 20, 10_001)), Used::First);
}

#[test]
fn of_many_threads_one_alone_uses_a_nonce_and_one_alone_moves_a_counter() {
    const THREADS: usize = 8;
    let bounds = Bounds { max_nonces: 100_000, ..BOUNDS };
    let store = Store::new(&bounds);
    let run = |thread: usize| {
        let mut firsts = Vec::new();
        for step in 0..2_000_u64 {
            let number = u128::from(step);
            let mut wanted = nonce(number % 7, number, 0);
            (wanted.max_in_group, wanted.digest) = (100_000, thread as u64);
            if store.use_nonce(&wanted) == Used::First {
                firsts.push(("nonce", step));
            }
            if store.advance(&count(1, step, thread as u64)) == Used::First {
                firsts.push(("counter", step));
            }
        }
        firsts
    };
    let firsts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let unique: HashSet<_> = firsts.iter().collect();
    assert_eq!(unique.len(), firsts.len(), "something was taken twice");
    assert_eq!(firsts.iter().filter(|(what, _)| *what == "nonce").count(), 2_000);
}

#[test]
fn tables_stay_within_their_bounds_under_many_threads() {
    let store = Store::new(&BOUNDS);
    thread::scope(|scope| {
        for thread in 0..8_u128 {
            let store = &store;
            scope.spawn(move || {
                for step in 0..3_000_u128 {
                    let now = i64::try_from(step).unwrap();
                    let number = thread << 64 | step;
                    store.use_nonce(&nonce(step % 11, number, now));
                    store.remember(key(number), history(1.0, now), now + 100);
                    store.learn(key(number), Fact { value: Known::Other, millis: now });
                    for table in Table::ALL {
                        let max = [50, 20, 100, 30][table as usize];
                        assert!(store.entries(table) <= max, "{table:?}");
                    }
                }
            });
        }
    });
}

/// What a store is asked, for a model to be asked the same.
#[derive(Clone, Debug)]
enum Step {
    Nonce { group: u128, nonce: u128, digest: u64, age: i64 },
    Count { group: u128, value: u64, digest: u64 },
    Remember { key: u128, value: f64 },
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_u128, 0..60_u128, 0..2_u64, 0..900_i64)
            .prop_map(|(group, nonce, digest, age)| Step::Nonce { group, nonce, digest, age }),
        4 => (0..40_u128, 0..20_u64, 0..3_u64)
            .prop_map(|(group, value, digest)| Step::Count { group, value, digest }),
        2 => (0..100_u128, -9.0..9.0).prop_map(|(key, value)| Step::Remember { key, value }),
        1 => (-200..400_i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..400)
}

#[derive(Default)]
struct Model {
    /// Every nonce that was ever taken: with a clock that goes back, none may be taken again with the same end.
    nonces: HashMap<(u128, u128, i64), u64>,
    counters: HashMap<u128, (u64, Vec<(u64, u64)>)>,
    histories: HashMap<u128, f64>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_store_says_what_a_naive_one_does(steps in steps()) {
        let store = Store::new(&BOUNDS);
        let mut model = Model::default();
        let mut now = 10_000;
        for step in steps {
            match step {
                Step::Wait(millis) => now += millis,
                Step::Nonce { group, nonce: number, digest, age } => {
                    let signed = now - age;
                    let wanted = NonceUse { digest, expires_millis: signed + 1_000, now_millis: now, ..nonce(group, number, now) };
                    let known = (group, number, wanted.expires_millis);
                    match store.use_nonce(&wanted) {
                        Used::First => prop_assert_eq!(model.nonces.insert(known, digest), None, "taken twice"),
                        // Of another time, perhaps: then it was forgotten since, or not yet.
                        Used::Redelivered => prop_assert!(model.nonces.iter().any(|((g, n, _), d)| (*g, *n, *d) == (group, number, digest))),
                        Used::Replayed => prop_assert!(model.nonces.keys().any(|(g, n, _)| (*g, *n) == (group, number))),
                        Used::Full => {}
                    }
                }
                Step::Count { group, value, digest } => {
                    let used = store.advance(&count(group, value, digest));
                    let is_full = model.counters.len() >= BOUNDS.max_counters;
                    let expected = match model.counters.get_mut(&group) {
                        None if is_full => Used::Full,
                        None => {
                            model.counters.insert(group, (value, vec![(value, digest)]));
                            Used::First
                        }
                        Some((last, taken)) if value > *last => {
                            *last = value;
                            taken.push((value, digest));
                            Used::First
                        }
                        Some((_, taken)) if taken.iter().rev().take(RECENT).any(|(_, known)| *known == digest) => Used::Redelivered,
                        Some(_) => Used::Replayed,
                    };
                    prop_assert_eq!(used, expected);
                }
                Step::Remember { key: number, value } => {
                    store.remember(key(number), history(value, now), i64::MAX);
                    model.histories.insert(number, value);
                    for (number, value) in &model.histories {
                        // Forgotten, perhaps; never another.
                        let last = store.history(key(*number)).map(|history| history.last);
                        prop_assert!(last.is_none_or(|last| last.to_bits() == value.to_bits()));
                    }
                    prop_assert!(store.history(key(number)).is_some());
                }
            }
            for table in Table::ALL {
                prop_assert!(store.entries(table) <= [50, 20, 100, 30][table as usize]);
            }
        }
    }
}
