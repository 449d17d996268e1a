//! Time windows, and what changes with them.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::model::World;
use super::nobody;
use super::semantics::{DEFAULT, ask, check, draft, grant, texts, words};
use super::worlds::{unix, window};
use crate::policy::{Authority, Deny, Draft, Grant, Policy, Role, Window};

const ALL: [bool; 7] = [true; 7];

fn hours(from: u16, to: u16, days: [bool; 7], timezone: &str) -> Window {
    Window { inside: true, from: from * 60, to: to * 60, days, timezone: TimeZone::get(timezone).unwrap() }
}

fn at(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_second()
}

#[test]
fn a_window_is_open_by_the_clock_on_the_wall() {
    let working = [true, true, true, true, true, false, false];
    let friday = [false, false, false, false, true, false, false];
    for (window, time, expected) in [
        (hours(6, 22, working, "Europe/Berlin"), "2026-11-23T04:59:59Z", false),
        (hours(6, 22, working, "Europe/Berlin"), "2026-11-23T05:00:00Z", true),
        (hours(6, 22, working, "Europe/Berlin"), "2026-11-23T20:59:59Z", true),
        (hours(6, 22, working, "Europe/Berlin"), "2026-11-23T21:00:00Z", false),
        (hours(6, 22, working, "Europe/Berlin"), "2026-11-22T12:00:00Z", false),
        // In summer an hour earlier.
        (hours(6, 22, working, "Europe/Berlin"), "2026-07-20T04:00:00Z", true),
        // Begun on Friday, over on Saturday.
        (hours(22, 6, friday, "UTC"), "2026-11-20T21:59:59Z", false),
        (hours(22, 6, friday, "UTC"), "2026-11-20T22:00:00Z", true),
        (hours(22, 6, friday, "UTC"), "2026-11-21T05:59:59Z", true),
        (hours(22, 6, friday, "UTC"), "2026-11-21T06:00:00Z", false),
        (hours(22, 6, friday, "UTC"), "2026-11-20T05:00:00Z", false),
        // A whole day, and one that begins at noon.
        (hours(0, 24, friday, "UTC"), "2026-11-20T23:59:59Z", true),
        (hours(0, 24, friday, "UTC"), "2026-11-21T00:00:00Z", false),
        (hours(12, 12, friday, "UTC"), "2026-11-21T11:59:59Z", true),
        (hours(12, 12, friday, "UTC"), "2026-11-21T12:00:00Z", false),
        // 02:30 is not there on 2026-03-29: the clock goes from 02:00 to 03:00.
        (hours(2, 3, ALL, "Europe/Berlin"), "2026-03-29T00:59:59Z", false),
        (hours(2, 3, ALL, "Europe/Berlin"), "2026-03-29T01:00:00Z", false),
        // It is there twice on 2026-10-25.
        (hours(2, 3, ALL, "Europe/Berlin"), "2026-10-25T00:30:00Z", true),
        (hours(2, 3, ALL, "Europe/Berlin"), "2026-10-25T01:30:00Z", true),
        (hours(2, 3, ALL, "Europe/Berlin"), "2026-10-25T02:00:00Z", false),
    ] {
        let outside = Window { inside: false, ..window.clone() };
        assert_eq!(window.holds(at(time)).unwrap().0, expected, "{window:?} {time}");
        assert_eq!(outside.holds(at(time)).unwrap().0, !expected, "outside of {window:?} {time}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn nothing_changes_before_the_time_that_is_given_for_it(window in window(), unix in unix(), ahead in 0_i64..86_400) {
        let (holds, until) = window.holds(unix).unwrap();
        prop_assert!(unix < until && until <= unix + 86_400);
        let (draft, identity) = (Draft::new("1"), nobody());
        let model = |unix| World { draft: &draft, identity: &identity, unix }.holds_now(Some(&window));
        for unix in [unix, unix + ahead % (until - unix), until - 1] {
            prop_assert_eq!(model(unix), holds, "at {}", unix);
        }
    }
}

#[test]
fn rules_come_and_go_with_their_windows() {
    let day = hours(6, 22, ALL, "UTC");
    let open = Grant { when: Some(day.clone()), ..grant(&["a"], &["a"]) };
    let night = Deny {
        publish: texts(&["b"]),
        connect: true,
        when: Some(Window { inside: false, ..day }),
        ..Deny::new("night")
    };
    let always = Grant { id: "always".into(), ..grant(&["b"], &[]) };
    let policy = Arc::new(Policy::new(Draft { denies: vec![night], ..draft([open, always]) }).unwrap());
    let mut authority = Authority::new(&policy, &nobody(), at("2026-01-01T12:00:00Z") * 1000);
    assert!(authority.watches_the_clock());
    for (time, by_day) in [
        ("2026-01-01T12:00:00Z", true),
        ("2026-01-01T21:59:59Z", true),
        ("2026-01-01T22:00:00Z", false),
        ("2026-01-02T05:59:59Z", false),
        ("2026-01-02T06:00:00Z", true),
        ("2026-02-02T23:00:00Z", false),
        // The clock was set back.
        ("2026-02-02T21:00:00Z", true),
    ] {
        authority.set_time(at(time) * 1000);
        let night = "reject night not_authorized";
        for (request, expected) in [
            ("pub a", if by_day { "allow" } else { DEFAULT }),
            ("sub a", if by_day { "allow" } else { DEFAULT }),
            ("recv a", if by_day { "allow" } else { DEFAULT }),
            ("pub b", if by_day { "allow" } else { night }),
            ("connect", if by_day { "allow" } else { night }),
        ] {
            assert_eq!(words(&authority.decide(&nobody(), &ask(request).request())), expected, "{request} at {time}");
        }
    }
}

#[test]
fn only_who_has_to_do_with_a_window_watches_the_clock() {
    let windowed = Grant { when: Some(hours(6, 22, ALL, "UTC")), roles: texts(&["other"]), ..grant(&["a"], &[]) };
    let nobodys = Role { members: Some(["someone".into()].into()), ..Role::new("other") };
    let policy = Policy::new(Draft { roles: vec![nobodys], ..draft([windowed]) }).unwrap();
    assert!(!Authority::new(&Arc::new(policy), &nobody(), 0).watches_the_clock());
    check(Draft { permit_all: true, ..Draft::new("1") }, &[("pub a", "allow")]);
}

#[test]
fn where_no_calendar_reaches_grants_rest_and_denials_hold() {
    let never = || Some(Window { inside: false, ..hours(0, 24, ALL, "UTC") });
    let always = || Some(hours(0, 24, ALL, "UTC"));
    let open = Grant { when: always(), ..grant(&["a"], &[]) };
    let other = Grant { id: "other".into(), ..grant(&["b"], &[]) };
    let deny = Deny { publish: texts(&["b"]), when: never(), ..Deny::new("no") };
    let policy = Arc::new(Policy::new(Draft { denies: vec![deny], ..draft([open, other]) }).unwrap());
    let mut authority = Authority::new(&policy, &nobody(), 0);
    let mut say = |request: &str, unix| {
        authority.set_time(unix);
        words(&authority.decide(&nobody(), &ask(request).request()))
    };
    assert_eq!((say("pub a", 0), say("pub b", 0)), ("allow".into(), "allow".into()));
    for unix in [i64::MAX, i64::MIN] {
        assert_eq!((say("pub a", unix), say("pub b", unix)), (DEFAULT.into(), "reject no not_authorized".into()));
    }
}
