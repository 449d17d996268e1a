//! No table outgrows its bound, and what happens there.

use std::sync::Arc;

use super::super::unsigned::{MAX_IDENTITIES, MAX_RULES, WINDOW_MILLIS};
use super::*;

#[test]
fn histories_forget_what_was_not_renewed_lately() {
    // So many that no part of the table has but one.
    let store = Store::new(&Bounds { max_histories: 500, ..BOUNDS });
    for number in 0..500 {
        store.remember(key(number), history(1.0, 1_000), 1_000_000);
    }
    assert_eq!((store.entries(Table::Histories), store.evicted(Table::Histories)), (500, 0));
    for number in 0..20_000 {
        // One that is renewed again and again outlives the flood.
        store.remember(key(3), history(2.0, 2_000), 1_000_000);
        store.remember(key(1_000 + number), history(1.0, 1_000), 1_000_000);
        assert!(store.entries(Table::Histories) <= 500);
    }
    assert_eq!(store.history(key(3)), Some(history(2.0, 2_000)));
    // Each of the others had its turn.
    assert_eq!((0..500).filter(|number| store.history(key(*number)).is_some()).count(), 1);
    assert_eq!(store.evicted(Table::Histories), 20_000);
}

#[test]
fn a_history_that_counts_for_nothing_makes_room_and_is_no_eviction() {
    let store = Store::new(&BOUNDS);
    for number in 0..5_000 {
        let now = i64::try_from(number).unwrap();
        store.remember(key(number), history(1.0, now), now + 1);
    }
    // In parts of the table where nothing came after, some are left.
    assert!(store.entries(Table::Histories) <= 50);
    assert_eq!(store.evicted(Table::Histories), 0);
}

#[test]
fn a_table_of_one_entry_holds_the_last() {
    let store = Store::new(&Bounds { max_histories: 1, ..BOUNDS });
    for number in 0..1_000 {
        store.remember(key(number), history(1.0, 0), i64::MAX);
        assert!(store.history(key(number)).is_some());
        assert_eq!(store.entries(Table::Histories), 1);
    }
}

#[test]
fn a_fact_yields_to_none_that_is_a_little_older_and_long_text_is_not_kept() {
    let store = Store::new(&BOUNDS);
    let fact = |value, millis| Fact { value, millis };
    store.learn(key(1), fact(Known::Number(4.0), 10));
    store.learn(key(1), fact(Known::Number(3.0), 9));
    assert_eq!(store.fact(key(1)), Some(fact(Known::Number(4.0), 10)));
    store.learn(key(1), fact(Known::Text(Arc::from("open")), 11));
    assert_eq!(store.fact(key(1)), Some(fact(Known::Text(Arc::from("open")), 11)));
    store.learn(key(1), fact(Known::Text(Arc::from("x".repeat(257))), 12));
    assert_eq!(store.fact(key(1)), Some(fact(Known::Other, 12)));
    // The clock was set back: what is said now counts, not what was said in the time to come.
    store.learn(key(1), fact(Known::Number(9.0), 3_600_012));
    store.learn(key(1), fact(Known::Number(3.0), 3_599_012));
    assert_eq!(store.fact(key(1)), Some(fact(Known::Number(9.0), 3_600_012)));
    store.learn(key(1), fact(Known::Number(3.0), 3_599_011));
    assert_eq!(store.fact(key(1)), Some(fact(Known::Number(3.0), 3_599_011)));
    for number in 0..1_000 {
        store.learn(key(number), fact(Known::Bool(true), 13));
        assert!(store.entries(Table::Facts) <= 20);
    }
    assert_eq!(store.evicted(Table::Facts), 1_000 - 20);
}

#[test]
fn a_full_table_takes_no_new_counter_and_loses_none() {
    let store = Store::new(&BOUNDS);
    for group in 0..1_000 {
        let expected = if group < 30 { Used::First } else { Used::Full };
        assert_eq!(store.advance(&count(group, 5, 1)), expected, "{group}");
    }
    for group in 0..30 {
        assert_eq!(store.advance(&count(group, 5, 2)), Used::Replayed);
        assert_eq!(store.advance(&count(group, 6, 2)), Used::First);
    }
    assert_eq!((store.entries(Table::Counters), store.full(Table::Counters)), (30, 970));
}

#[test]
fn nonces_are_bounded_by_group_and_in_all_until_some_have_expired() {
    let store = Store::new(&BOUNDS);
    for number in 0..60 {
        let expected = if number < 40 { Used::First } else { Used::Full };
        assert_eq!(store.use_nonce(&nonce(1, number, 0)), expected);
    }
    for number in 0..80 {
        // The group has room left, the store has not.
        let expected = if number < 60 { Used::First } else { Used::Full };
        assert_eq!(store.use_nonce(&nonce(2 + number / 30, number, 500)), expected, "{number}");
    }
    assert_eq!((store.entries(Table::Nonces), store.full(Table::Nonces)), (100, 40));
    // The first forty have expired, in a group that nobody uses any more; the room is found.
    for number in 0..40 {
        assert_eq!(store.use_nonce(&nonce(9, number, 1_000)), Used::First, "{number}");
    }
    assert_eq!(store.use_nonce(&nonce(8, 0, 1_000)), Used::Full);
    // Its own group makes room for itself.
    for number in 100..140 {
        assert_eq!(store.use_nonce(&nonce(9, number, 2_000)), Used::First, "{number}");
    }
}

#[test]
fn who_is_unsigned_is_counted_by_rule_for_a_day() {
    let store = Store::new(&BOUNDS);
    for who in 0..20 {
        store.unsigned("commands", key(who % 5), 1_000);
    }
    store.unsigned("recipes", key(1), 2_000);
    let counted = |now| {
        let mut counted = store.unsigned_identities(now);
        counted.sort();
        counted
    };
    assert_eq!(counted(3_000), [("commands".into(), 5), ("recipes".into(), 1)]);
    assert_eq!(counted(1_000 + WINDOW_MILLIS), [("commands".into(), 0), ("recipes".into(), 1)]);
    assert_eq!(counted(2_000 + WINDOW_MILLIS), [("commands".into(), 0), ("recipes".into(), 0)]);
}

#[test]
fn who_is_unsigned_is_bounded_in_rules_and_identities() {
    let store = Store::new(&BOUNDS);
    for who in 0..MAX_IDENTITIES + 10 {
        store.unsigned("rule", key(who as u128), 0);
    }
    assert_eq!(store.unsigned_identities(0), [("rule".into(), MAX_IDENTITIES)]);
    assert_eq!(store.unsigned.left_out(), 10);
    for rule in 0..MAX_RULES + 10 {
        store.unsigned(&format!("rule {rule}"), key(1), 0);
    }
    assert_eq!(store.unsigned_identities(0).len(), MAX_RULES);
    assert_eq!(store.unsigned.left_out(), 21);
    // Rules that nobody breaks any more make room.
    assert!(store.unsigned_identities(WINDOW_MILLIS).iter().all(|(_, count)| *count == 0));
    store.unsigned("of a new policy", key(1), WINDOW_MILLIS);
    assert_eq!(store.unsigned_identities(WINDOW_MILLIS), [("of a new policy".into(), 1)]);
}
