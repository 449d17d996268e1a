//! Where clients dial from: lists of addresses, bans and rates of connections, before anything is read of anybody.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1, V5_0, publish};
use crate::support::{PATIENCE, wait_for};

/// A connection from another address of this machine.
pub(crate) fn dial_from(own: [u8; 4], to: SocketAddr) -> RawClient {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((own, 0)).into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("the kernel takes it");
    RawClient::from(TcpStream::from(socket))
}

fn connect_from(own: [u8; 4], gateway: &Gateway, client_id: &str) -> RawClient {
    let mut client = dial_from(own, gateway.plain());
    client.send(&Connect::new(V5_0, client_id).bytes());
    let connack = client.frame();
    assert_eq!((connack.first(), wire::body(&connack).get(1)), (Some(&0x20), Some(&0)), "{client_id}: {connack:02x?}");
    client
}

/// It is closed without a word.
pub(crate) fn is_turned_away(mut client: RawClient) -> bool {
    let _ = client.try_send(&Connect::new(V3_1_1, "turned-away").bytes());
    let (told, ended) = client.rest(PATIENCE);
    told.is_empty() && ended != Ended::Silent
}

fn is_alive(client: &mut RawClient) {
    client.send(&wire::PINGREQ);
    client.expect(&wire::PINGRESP);
}

fn refused(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric("tidegate_connections_refused_total", &[&format!("reason=\"{reason}\"")])
}

const GOOD: [u8; 4] = [127, 0, 0, 1];
const BAD: [u8; 4] = [127, 66, 0, 7];
const POLL: &str = "[reload]\npoll = \"100ms\"";

#[test]
fn who_is_on_a_list_is_turned_away_and_when_the_list_changes_who_is_there_goes_too() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .file("deny", "# nobody yet\n")
        .with("[addresses]\ndeny = [\"deny\"]")
        .with(POLL)
        .start();
    let mut good = connect_from(GOOD, &gateway, "good");
    let mut bad = connect_from(BAD, &gateway, "bad");
    gateway.put("deny", "192.0.2.0/24 # elsewhere\n127.66.0.0/16\n");
    gateway.wait_reloads("applied", 1.0);
    assert_eq!(wire::disconnect_reason(&bad.frame()), Some(0x87));
    bad.expect_end();
    let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", "bad")]);
    let said = |key: &str| ended[key].as_str();
    assert_eq!((said("cause"), said("rule")), (Some("not_authorized"), Some("addresses.deny")), "{ended}");
    is_alive(&mut good);
    let dialled = broker.connections();
    assert!(is_turned_away(dial_from(BAD, gateway.plain())));
    let record = gateway.wait_audit(&[("event", "not_accepted"), ("reason", "addresses.deny")]);
    assert!(record["peer"].as_str().is_some_and(|peer| peer.starts_with("127.66.0.7:")), "{record}");

    // What is no list changes nothing.
    gateway.put("deny", "127.66.0.0/16\nthe plant\n");
    gateway.wait_reloads("refused", 1.0);
    let log = gateway.process.log();
    assert!(log.contains("deny`: line 2: expected an address or a network"), "{log}");
    assert!(is_turned_away(dial_from(BAD, gateway.plain())));
    assert_eq!(broker.connections(), dialled, "no broker was dialled for them");
    gateway.put("deny", "");
    gateway.wait_reloads("applied", 2.0);
    is_alive(&mut connect_from(BAD, &gateway, "bad"));
    is_alive(&mut good);
}

#[test]
fn where_some_are_allowed_nobody_else_is() {
    let broker = RecordingBroker::polite();
    let gateway =
        Setup::to(broker.address).file("plant", "127.66.0.0/16\n").with("[addresses]\nallow = [\"plant\"]").start();
    assert!(is_turned_away(dial_from(GOOD, gateway.plain())));
    is_alive(&mut connect_from(BAD, &gateway, "of the plant"));
    gateway.wait_audit(&[("event", "not_accepted"), ("reason", "addresses.allow")]);
}

#[test]
fn behind_a_balancer_it_is_the_address_that_is_told_which_counts() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .only(&[Door::Plain])
        .file("deny", "127.0.0.1\n203.0.113.0/24\n")
        .with("[addresses]\ndeny = [\"deny\"]\n[protection]\nconnections_per_address = \"2/10m\"")
        .each_listener("proxy_protocol = { from = [\"127.0.0.1\"] }")
        .start();
    let dial_for = |address: &str| {
        let mut client = RawClient::dial(gateway.plain());
        client.send(format!("PROXY TCP4 {address} 198.51.100.1 4711 8883\r\n").as_bytes());
        client
    };
    assert!(is_turned_away(dial_for("203.0.113.7")));
    gateway.wait_audit(&[("event", "not_accepted"), ("reason", "addresses.deny"), ("peer", "203.0.113.7:4711")]);
    for _ in 0..2 {
        let mut client = dial_for("192.0.2.7");
        client.send(&Connect::new(V3_1_1, "told").bytes());
        client.expect(&[0x20, 2, 0, 0]);
    }
    assert!(is_turned_away(dial_for("192.0.2.7")), "its rate is its own");
    let mut other = dial_for("192.0.2.8");
    other.send(&Connect::new(V3_1_1, "other").bytes());
    other.expect(&[0x20, 2, 0, 0]);
}

#[test]
fn a_flood_from_one_address_is_turned_away_and_told_of_in_sums_while_others_come_in() {
    const DIALS: u32 = 1_500;
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .audit("file = \"audit.jsonl\"\nmax_queue = 8")
        .with("[addresses]\nexempt = [\"127.0.0.1\"]\n[protection]\nconnections_per_address = \"5/10m\"")
        .start();
    for dial in 0..DIALS {
        drop(dial_from(BAD, gateway.plain()));
        if dial % 100 == 0 {
            is_alive(&mut connect_from(GOOD, &gateway, &format!("good-{dial}")));
        }
    }
    let turned_away = f64::from(DIALS - 5);
    gateway.wait_metric("tidegate_connections_refused_total", &["reason=\"connections_per_address\""], turned_away);
    assert!((refused(&gateway, "connections_per_address") - turned_away).abs() < 0.1);
    let records = || {
        let all = gateway.audit();
        let of = all.into_iter().filter(|line| line["event"] == "not_accepted");
        of.map(|line| line["count"].as_u64().unwrap_or(1)).collect::<Vec<_>>()
    };
    let told = wait_for("all to be told", || {
        let told = records();
        (told.iter().sum::<u64>() == u64::from(DIALS - 5)).then_some(told)
    });
    assert!(told.len() < 100, "{} records for {DIALS} connections", told.len());
    let sum = gateway.audit().into_iter().find(|line| line["count"].is_u64()).expect("a sum");
    assert_eq!((&sum["peer"], &sum["listener"]), (&"127.66.0.7".into(), &"plain".into()), "{sum}");
}

/// A policy under which everybody may do everything, but publish fast.
fn banning(first: &str) -> String {
    format!(
        "version = \"1\"\n\n[[role]]\nname = \"anybody\"\nmatch = {{ client_id = \"*\" }}\n\n[[grant]]\nid = \"all\"\n\
         roles = [\"anybody\"]\npublish = [\"#\"]\nsubscribe = [\"#\"]\nmax_qos = 2\nretain = true\n\n\
         [[rate]]\nid = \"slowly\"\npublish = [\"#\"]\nmessages = \"5/1m\"\non_excess = \"ban\"\nban = \"{first}\"\n"
    )
}

fn publish_too_fast(client: &mut RawClient) {
    for _ in 0..6 {
        let _ = client.try_send(&publish(V5_0, 0, "plant/line1/temperature", 0, &[], b"21"));
    }
    assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x96));
    client.expect_end();
}

#[test]
fn a_ban_of_an_address_ends_all_its_connections_lets_in_none_and_ends_by_itself() {
    let broker = RecordingBroker::polite();
    let gateway =
        Setup::to(broker.address).policy(&banning("3s")).each_listener("identity.sources = [\"anonymous\"]").start();
    let mut good = connect_from(GOOD, &gateway, "good");
    let mut also_there = connect_from(BAD, &gateway, "also-there");
    let mut bad = connect_from(BAD, &gateway, "bad");
    publish_too_fast(&mut bad);
    assert!(is_turned_away(dial_from(BAD, gateway.plain())));
    // It says nothing, and is ended all the same.
    assert_eq!(also_there.frame().first(), Some(&0xe0));
    also_there.expect_end();
    let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", "also-there")]);
    assert_eq!((ended["cause"].as_str(), ended["rule"].as_str()), (Some("banned"), Some("rate")), "{ended}");
    let banned = gateway.wait_audit(&[("event", "banned"), ("peer", "127.66.0.7"), ("rule", "slowly")]);
    assert_eq!((banned["strike"].as_u64(), banned["reason"].as_str()), (Some(1), Some("rate")), "{banned}");
    assert!(matches!(banned["ban_seconds"].as_u64(), Some(3 | 4)), "{banned}");
    is_alive(&mut good);
    gateway.wait_metric("tidegate_bans_total", &["kind=\"address\"", "cause=\"rate\""], 1.0);
    assert!((gateway.metric("tidegate_banned", &["kind=\"address\""]) - 1.0).abs() < 0.1);
    let (status, page) = gateway.get("/bans").expect("an answer");
    let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
    assert_eq!((status, page["bans"][0]["who"].as_str()), (200, Some("127.66.0.7")), "{page}");
    gateway.wait_metric("tidegate_banned", &["kind=\"address\""], 0.0);
    is_alive(&mut connect_from(BAD, &gateway, "bad"));
    is_alive(&mut good);
}

#[test]
fn a_ban_of_a_client_holds_wherever_it_dials_from_and_over_a_reload() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).only(&[Door::Tls]).policy(&banning("10m")).start();
    let papers = gateway.pki.client("press-4").expect("papers");
    let enter = |papers| RawClient::try_dial_tls(gateway.address(Door::Tls), gateway.tls_client(Some(papers)));
    let connected = |client_id: &str| {
        let mut client = enter(&papers).expect("a handshake");
        client.send(&Connect::new(V5_0, client_id).bytes());
        let connack = client.frame();
        (client, wire::body(&connack).get(1).copied())
    };
    let (mut one, code) = connected("one");
    assert_eq!(code, Some(0));
    let (mut other, code) = connected("other");
    assert_eq!(code, Some(0));
    publish_too_fast(&mut one);
    assert_eq!(other.frame().first(), Some(&0xe0), "the other of that name");
    assert_eq!(connected("three").1, Some(0x8a));
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    assert_eq!(connected("four").1, Some(0x8a));
    let record = gateway.wait_audit(&[("event", "banned"), ("identity", "press-4")]);
    assert_eq!(record["rule"].as_str(), Some("slowly"), "{record}");
    // Nobody else is concerned, from the same address too.
    let mut client = enter(&gateway.pki.client("press-5").expect("papers")).expect("a handshake");
    client.send(&Connect::new(V5_0, "press-5").bytes());
    assert_eq!(wire::body(&client.frame()).get(1), Some(&0));
}
