//! Guessing of passwords, from one address and from many, and those whose passwords they are.

use std::time::{Duration, Instant};

use super::{BAD, GOOD, asks, detections};
use crate::identity::passwords::{CHEAP, checks, file};
use crate::identity::with_login;

use crate::sources::{dial_from, is_turned_away};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{Connect, V3_1_1, V5_0};

fn start(broker: &RecordingBroker, protection: &str) -> Gateway {
    let users = [("pump", "open sesame"), ("valve", "v"), ("new", "n")];
    Setup::to(broker.address)
        .only(&[Door::Plain])
        // Nothing is remembered of good passwords: what is held to here is more than that.
        .with(&format!("[authentication]\ncache = \"0s\"\n[protection]\n{protection}"))
        .file("passwords", &file(&users, CHEAP))
        .each_listener("identity.sources = [\"password\"]\nidentity.password.files = [\"passwords\"]")
        .start()
}

fn login(name: &str, password: &str) -> Connect {
    with_login(V3_1_1, name, name, Some(password))
}

#[test]
fn an_address_that_guesses_is_banned() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, "failed_authentications = \"4/60s\"\ntarpit = \"0s\"\nban = \"2s\"");
    for guess in 0..5 {
        assert_eq!(asks(BAD, &gateway, &login(&format!("user-{guess}"), "1234")).0, Some(4));
    }
    gateway.wait_audit(&[("event", "banned"), ("reason", "failed_authentications"), ("peer", "127.66.0.9")]);
    assert!(is_turned_away(dial_from(BAD, gateway.plain())));
    assert_eq!(asks(GOOD, &gateway, &login("pump", "open sesame")).0, Some(0));
    assert_eq!((broker.connections(), detections(&gateway, "failed_authentications")), (1, 1.0));
}

#[test]
fn who_guesses_behind_the_address_of_a_plant_shuts_out_none_that_is_known_there() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, "failed_authentications = \"4/60s\"\ntarpit = \"0s\"");
    for (name, password) in [("pump", "open sesame"), ("valve", "v")] {
        assert_eq!(asks(GOOD, &gateway, &login(name, password)).0, Some(0));
    }
    let codes: Vec<_> =
        (0..8).filter_map(|guess| asks(GOOD, &gateway, &login(&format!("user-{guess}"), "1")).0).collect();
    assert_eq!(codes, [4, 4, 4, 4, 3, 3, 3, 3], "four are checked");
    let before = checks(&gateway);
    let with_5 = with_login(V5_0, "user", "user", Some("1"));
    assert_eq!(asks(GOOD, &gateway, &with_5).0, Some(0x9f));
    assert_eq!(checks(&gateway), before, "no password is checked for it");
    for (name, password) in [("pump", "open sesame"), ("valve", "v")] {
        assert_eq!(asks(GOOD, &gateway, &login(name, password)).0, Some(0));
    }
    assert_eq!(asks(GOOD, &gateway, &login("new", "n")).0, Some(3), "who is new there waits");
    assert_eq!(asks(BAD, &gateway, &login("new", "n")).0, Some(0));
    gateway.wait_audit(&[("event", "ended"), ("cause", "rate"), ("rule", "failed_authentications")]);
    assert_eq!(gateway.metric("tidegate_bans_total", &[]), 0.0);
}

#[test]
fn guesses_from_many_addresses_at_one_name_are_few_and_its_owner_gets_in() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, "failed_authentications_per_name = \"4/60s\"\ntarpit = \"0s\"");
    assert_eq!(asks(GOOD, &gateway, &login("pump", "open sesame")).0, Some(0));
    let from = |number: u8| [127, 66, 1, number];
    let codes: Vec<_> = (1..=8).filter_map(|number| asks(from(number), &gateway, &login("pump", "1234")).0).collect();
    assert_eq!(codes, [4, 4, 4, 4, 3, 3, 3, 3]);
    assert_eq!(asks(GOOD, &gateway, &login("pump", "open sesame")).0, Some(0));
    assert_eq!(asks(from(9), &gateway, &login("valve", "v")).0, Some(0), "another name");
    assert_eq!(detections(&gateway, "failed_authentications_per_name"), 4.0);
    gateway.wait_audit(&[("event", "ended"), ("cause", "rate"), ("rule", "failed_authentications_per_name")]);
}

#[test]
fn failures_are_answered_ever_later_and_what_is_right_at_once() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, "tarpit = \"200ms\"\nmax_tarpit = \"800ms\"");
    let took = |own, connect: &Connect, code| {
        let began = Instant::now();
        assert_eq!(asks(own, &gateway, connect).0, Some(code));
        began.elapsed()
    };
    for least in [200, 400, 800, 800] {
        let took = took(BAD, &login("pump", "1234"), 4);
        assert!(took >= Duration::from_millis(least), "{took:?} for {least} ms");
    }
    let right = took(BAD, &login("pump", "open sesame"), 0);
    assert!(right < Duration::from_millis(700), "{right:?}");
    let other = took([127, 66, 0, 10], &login("pump", "1234"), 4);
    assert!(other >= Duration::from_millis(200) && other < Duration::from_millis(750), "{other:?}");
}
