//! Revocation lists that grow old while the gateway runs.

use rustls::version::TLS13;

use super::certificates::{config, enter, gets_in};
use super::is_alive;
use crate::support::gateway::{Gateway, Setup};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wait_for;
use crate::support::wire::{self, V5_0};

const LOOKS: &str = "[reload]\npoll = \"200ms\"";

/// One with these lines about revocation, whose list with `revoked` on it is in force for so many more seconds.
fn with_list(broker: &RecordingBroker, lines: &str, seconds: i64) -> Gateway {
    let gateway = Setup::to(broker.address).with_revocation().with(LOOKS).start();
    let tls = "tls.crl = [\"pki/revoked.crl\"]\n";
    gateway.settings(tls, &format!("{tls}{lines}"));
    let text = gateway.read("gateway.toml");
    let (plain, websocket) = text.split_once("name = \"websocket-tls\"").expect("the other one");
    gateway.put("gateway.toml", &format!("{plain}name = \"websocket-tls\"{}", websocket.replace(tls, "")));
    let revoked = gateway.pki.path("revoked.pem");
    let serial = super::certificates::serial(&revoked);
    gateway.pki.revocation_list_for("revoked.crl", &[serial], seconds).expect("a list");
    gateway.wait_reloads("applied", 1.0);
    gateway
}

#[test]
fn a_list_that_goes_stale_lets_nobody_in_and_nobody_stay() {
    let broker = RecordingBroker::polite();
    let gateway = with_list(&broker, "", 6);
    let papers = config(&gateway, &gateway.pki.pair("client"), &TLS13);
    let mut client = enter(&gateway, &papers, V5_0, "client");
    is_alive(&mut client);
    assert!(gateway.process.log().contains("the revocation list expires at"), "said ahead: {}", gateway.process.log());
    assert!(gateway.metric("tidegate_revocation_lists_stale", &["listener=\"tls\""]) < 0.1);
    assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x87));
    client.expect_end();
    let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", "client")]);
    assert_eq!(
        (ended["cause"].as_str(), ended["rule"].as_str()),
        (Some("certificate_revoked"), Some("revocation_list_expired")),
        "{ended}"
    );
    let record = gateway.wait_audit(&[("event", "rejudged")]);
    assert_eq!(
        (record["reason"].as_str(), record["connections_ended"].as_u64()),
        (Some("revocation_list_stale"), Some(1))
    );
    gateway.wait_metric("tidegate_revocation_lists_stale", &["listener=\"tls\""], 1.0);
    assert!(!gets_in(&gateway, &papers));
    // A list in force puts it right without anything else being done.
    let applied = gateway.metric("tidegate_reloads_total", &["outcome=\"applied\""]);
    gateway.pki.revocation_list("revoked.crl", &[], 30).expect("a list");
    gateway.wait_reloads("applied", applied + 1.0);
    assert!(gets_in(&gateway, &papers));
    gateway.wait_metric("tidegate_revocation_lists_stale", &["listener=\"tls\""], 0.0);
}

#[test]
fn where_stale_lists_are_allowed_they_are_told_of_and_go_on_refusing_those_on_them() {
    let broker = RecordingBroker::polite();
    let gateway = with_list(&broker, "tls.revocation = { on_stale = \"allow\", notice = \"3s\" }\n", 6);
    let papers = config(&gateway, &gateway.pki.pair("client"), &TLS13);
    let mut client = enter(&gateway, &papers, V5_0, "client");
    let says = |text: &str| gateway.process.log().contains(text);
    assert!(!says("the revocation list expires at"), "not yet: {}", gateway.process.log());
    wait_for("the warning ahead", || says("the revocation list expires at").then_some(()));
    assert!(!says("the revocation list expired at"), "{}", gateway.process.log());
    gateway.wait_metric("tidegate_revocation_lists_stale", &["listener=\"tls\""], 1.0);
    wait_for("the warning", || says("the revocation list expired at").then_some(()));
    is_alive(&mut client);
    assert!(gets_in(&gateway, &papers));
    assert!(!gets_in(&gateway, &config(&gateway, &gateway.pki.pair("revoked"), &TLS13)));
    // It is no error either when everything is read anew.
    let applied = gateway.metric("tidegate_reloads_total", &["outcome=\"applied\""]);
    gateway.hang_up();
    gateway.wait_reloads("applied", applied + 1.0);
    is_alive(&mut client);
    let said = gateway.process.log().matches("the revocation list expires at").count();
    assert_eq!(said, 1, "once: {}", gateway.process.log());
}
