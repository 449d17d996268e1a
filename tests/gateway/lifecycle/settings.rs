//! Other settings are put in force, or refused as a whole.

use super::{POLL, SIGNAL_ONLY, connect, is_alive, plant};
use crate::support::gateway::Setup;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wait_for;
use crate::support::wire::{self, Connect, V3_1_1, V5_0};

#[test]
fn a_bad_file_changes_nothing_and_is_named_with_its_line() {
    let broker = RecordingBroker::polite();
    let gateway = plant(&broker, &["press"], POLL);
    let mut press = connect(&gateway, V5_0, "press-1");
    let good = ["gateway.toml", "policy/policy.toml", "pki/server.key"].map(|file| (file, gateway.read(file)));
    let [settings, policy, key] = good.each_ref().map(|(_, text)| text.as_str());
    let listener = "\n[[listener]]\nname = \"more\"\nbind = \"127.0.0.1:0\"\nbroker = \"plant\"\n";
    let bad = [
        ("gateway.toml", settings.replace("[admin]", "[admin"), "not TOML"),
        ("gateway.toml", settings.replace("broker = \"plant\"", "broker = \"plan\""), "no broker has the name `plan`"),
        ("policy/policy.toml", policy.replace("version", "versoin"), "`version` is missing"),
        ("policy/policy.toml", policy.replace("\"#\"", "\"a/#/b\""), "policy.toml:"),
        ("policy/policy.toml", String::new(), "policy.toml"),
        ("pki/server.key", key.chars().take(key.len() / 2).collect(), "not well-formed PEM"),
        ("gateway.toml", format!("{settings}{listener}identity.sources = [\"anonymous\"]\n"), "listener `more` is new"),
        ("gateway.toml", settings.replace("[audit]\n", "[audit]\nmax_queue = 7\n"), "`audit.max_queue` has changed"),
    ];
    for (count, (file, text, expected)) in (1_u8..).zip(&bad) {
        gateway.put(file, text);
        gateway.wait_reloads("refused", f64::from(count));
        assert!((gateway.metric("tidegate_reload_refused", &[]) - 1.0).abs() < 0.1);
        let refusals = || gateway.audit().into_iter().filter(|line| line["event"] == "reload_refused");
        let record = wait_for("the record", || refusals().nth(usize::from(count) - 1));
        let problem = record["problem"].as_str().unwrap_or_default();
        assert!(problem.contains(expected), "{file}: {problem}");
        assert!(problem.contains(".toml:") || text.is_empty(), "file and line: {problem}");
        assert!(gateway.process.log().contains(expected), "{expected}");
        is_alive(&mut press);
        connect(&gateway, V3_1_1, "press-2").goodbye();
        let applied = gateway.metric("tidegate_reloads_total", &["outcome=\"applied\""]);
        let restored = good.iter().find(|(name, _)| name == file).expect("one of them");
        gateway.put(file, &restored.1);
        gateway.wait_reloads("applied", applied + 1.0);
        assert!(gateway.metric("tidegate_reload_refused", &[]) < 0.1);
    }
    is_alive(&mut press);
    assert_eq!(
        gateway.audit().iter().filter(|line| line["event"] == "ended" && line["client_id"] == "press-1").count(),
        0
    );
}

#[test]
fn another_broker_takes_the_next_connections_and_leaves_the_others() {
    let (first, second) = (RecordingBroker::polite(), RecordingBroker::polite());
    let gateway = plant(&first, &["press"], SIGNAL_ONLY);
    let mut before = connect(&gateway, V5_0, "press-1");
    gateway.settings(&format!("{:?}", first.address.to_string()), &format!("{:?}", second.address.to_string()));
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    let after = connect(&gateway, V5_0, "press-2");
    assert_eq!((first.connections(), second.connections()), (1, 1));
    is_alive(&mut before);
    let server = format!("server=\"{}\"", second.address);
    gateway.wait_metric("tidegate_broker_connections_open", &[&server], 1.0);
    let (_, page) = gateway.get("/metrics").expect("an answer");
    assert!(!page.contains(&format!("tidegate_broker_up{{broker=\"plant\",server=\"{}\"}}", first.address)), "{page}");
    after.goodbye();
}

#[test]
fn limits_and_deadlines_hold_for_the_next_connections() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with(SIGNAL_ONLY).with("[limits]\nmax_connections = 100").start();
    let held: Vec<RawClient> = (0..3).map(|n| connect(&gateway, V5_0, &format!("held-{n}"))).collect();
    gateway.settings("max_connections = 100", "max_connections = 3\nmax_client_id_bytes = 8");
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    let mut refused = RawClient::dial(gateway.plain());
    refused.expect_end();
    gateway.wait_audit(&[("event", "not_accepted"), ("reason", "max_connections")]);
    for client in held {
        client.goodbye();
    }
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
    let mut long = RawClient::dial(gateway.plain());
    long.send(&Connect::new(V5_0, "far too long").bytes());
    assert_eq!(wire::body(&long.frame())[1], 0x85);
    connect(&gateway, V5_0, "short").goodbye();
}

#[test]
fn a_listener_that_turns_to_tls_keeps_nobody_who_came_without() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with(SIGNAL_ONLY).start();
    let mut plain = connect(&gateway, V5_0, "in the clear");
    let name = "name = \"plain\"\n";
    gateway.settings(
        name,
        &format!(
            "{name}tls = {{ certificate = \"pki/server.pem\", key = \"pki/server.key\", client_ca = \"pki/ca.pem\" }}\n"
        ),
    );
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    assert_eq!(wire::disconnect_reason(&plain.frame()), Some(0x87));
    plain.expect_end();
    let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", "in the clear")]);
    assert_eq!(
        (ended["cause"].as_str(), ended["rule"].as_str()),
        (Some("unidentified"), Some("no_certificate")),
        "{ended}"
    );
    let papers = gateway.pki.pair("client");
    let mut secure = RawClient::try_dial_tls(gateway.plain(), gateway.tls_client(Some(&papers))).expect("a handshake");
    secure.send(&Connect::new(V5_0, "secure").bytes());
    assert_eq!(secure.frame()[0], 0x20);
}
