//! Wills, judged at CONNECT by what they say, and under a new policy once more.

use super::{BASE, Signer, beside, message, on_the_wire, plain, publish, setup, subscribe};
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::RawClient;
use crate::support::wire::{V5_0, VERSIONS};
use tidegate::signature::{Carrier, Freshness, Names};

const RULES: &str = r#"
[[payload]]
id = "last-words"
publish = ["state/#"]
format = "text"
values = [{ field = "", one_of = ["online", "offline"] }]

[[signature]]
id = "commands"
publish = ["command/#"]
carrier = "user-property"
keys = "../public.json"
action = "strip"
"#;

#[test]
fn a_will_is_judged_by_what_it_says_and_published_if_it_may_be() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    for version in VERSIONS {
        let mut witness = beside(&broker, V5_0, "witness");
        subscribe(&mut witness, V5_0, "state/#");
        let mut client = RawClient::dial(gateway.plain());
        client.send(&plain(version, "pump-1").will("state/pump-1", b"open the valve", 1).bytes());
        let told = if version == V5_0 { vec![0x20, 3, 0, 0x99, 0] } else { vec![0x20, 2, 0, 5] };
        client.expect(&told);
        client.expect_end();
        let client = RawClient::connect(gateway.plain(), &plain(version, "pump-1").will("state/pump-1", b"offline", 1));
        client.reset();
        assert_eq!(message(&mut witness, V5_0).1, b"offline");
    }
    let line = gateway.wait_audit(&[("event", "ended"), ("cause", "payload"), ("rule", "last-words")]);
    assert!(line["problem"].is_string(), "{line}");
}

#[test]
fn a_signed_will_outlives_its_signature_at_a_reload() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    let mut witness = beside(&broker, V5_0, "witness");
    subscribe(&mut witness, V5_0, "command/#");
    let mut signer = Signer::new("scada-1", Carrier::UserProperty(Names::default()), Freshness::Nonce);
    let sealed = signer.sign("command/stop", b"now");
    let (payload, properties) = on_the_wire(&sealed, b"now");
    let mut connect = plain(V5_0, "scada").will("command/stop", &payload, 1);
    connect.will.as_mut().expect("a Will").properties = properties;
    let mut client = RawClient::connect(gateway.plain(), &connect);
    // Its nonce is used up, and it is the same Will.
    gateway.put("policy/policy.toml", &format!("{BASE}{RULES}").replace("\"integrity\"", "\"another\""));
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    assert_eq!(publish(&mut client, V5_0, "state/pump", &[], b"online"), 0);
    client.reset();
    assert_eq!(message(&mut witness, V5_0), ("command/stop".to_owned(), b"now".to_vec(), Vec::new()));
    // Whoever else brings it plays it again.
    let mut again = RawClient::dial(gateway.plain());
    connect.client_id = "intruder".to_owned();
    again.send(&connect.bytes());
    again.expect(&[0x20, 3, 0, 0x87, 0]);
    gateway.wait_audit(&[("event", "ended"), ("cause", "replayed"), ("rule", "commands")]);
}

#[test]
fn a_will_that_a_new_policy_refuses_ends_its_connection_and_no_other() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, "").start();
    for (number, version) in (1..).zip(VERSIONS) {
        gateway.put("policy/policy.toml", BASE);
        gateway.hang_up();
        gateway.wait_reloads("applied", f64::from(2 * number - 1));
        let will = |text: &[u8]| plain(version, &format!("pump-{}", text.len())).will("state/pump", text, 1);
        let mut good = RawClient::connect(gateway.plain(), &will(b"offline"));
        let mut bad = RawClient::connect(gateway.plain(), &will(b"open the valve"));
        let mut none = RawClient::connect(gateway.plain(), &plain(version, "other"));
        gateway.put("policy/policy.toml", &format!("{BASE}{RULES}"));
        gateway.hang_up();
        gateway.wait_reloads("applied", f64::from(2 * number));
        if version == V5_0 {
            bad.expect(&[0xe0, 1, 0x99]);
        }
        bad.expect_end();
        assert_eq!(publish(&mut good, version, "state/pump", &[], b"online"), 0);
        assert_eq!(publish(&mut none, version, "state/pump", &[], b"online"), 0);
    }
}
