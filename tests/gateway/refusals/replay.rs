//! `docs/howto/quarantine.md`, followed word by word: what was refused is seen, shown and let through after all.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::{plain, setup};
use crate::support::gateway::{Door, Gateway};
use crate::support::mosquitto::Mosquitto;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, Connect, V5_0};
use crate::support::{PATIENCE, repository, wait_for};

const PASSWORDS: &str = "gateway:for the gateway\noperator:for people\nclient:for clients\n";

/// A block of the page in this language that holds these words.
fn block(language: &str, words: &str) -> String {
    let page = fs::read_to_string(repository("docs/howto/quarantine.md")).expect("the page");
    let blocks = page.split("\n```").skip(1).step_by(2);
    let mut found = blocks
        .filter_map(|block| block.split_once('\n'))
        .filter(|(known, text)| *known == language && text.contains(words));
    found.next().unwrap_or_else(|| panic!("no {language} block holds `{words}`")).1.to_owned() + "\n"
}

/// Commands of the page, in the gateway's folder, for the broker that is here.
fn script(gateway: &Gateway, broker: &Mosquitto, text: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().expect("its folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    let text = text.replace("1883", &broker.address.port().to_string());
    command.arg("-ec").arg(text).current_dir(gateway.path("")).env("PATH", path);
    command
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn login(connect: Connect, username: &str, password: &str) -> Connect {
    Connect { login: Some((username.to_owned(), Some(password.as_bytes().to_vec()))), ..connect }
}

fn stage() -> (Mosquitto, Gateway) {
    let list = block("text", "# acl") + "user client\ntopic readwrite plant/#\ntopic readwrite free/#\n";
    let broker = Mosquitto::start_guarded(free_port(), PASSWORDS, &list);
    let policy = "version = \"7\"\npermit_all = true\n".to_owned() + &block("toml", "# policies/plant");
    let settings = block("toml", "quarantine.username");
    let account: String =
        settings.lines().filter(|line| line.starts_with("quarantine.")).map(|line| format!("{line}\n")).collect();
    let gateway = setup(broker.address)
        .policy(&policy)
        .only(&[Door::Plain])
        .broker(&account)
        .file("quarantine.password", "for the gateway\n")
        .file("operator.password", "for people\n")
        .start();
    gateway.wait_metric("tidegate_quarantine_connected", &[], 1.0);
    (broker, gateway)
}

#[test]
fn the_howto_holds_a_message_shows_it_and_lets_it_through_byte_for_byte() {
    let (broker, gateway) = stage();
    let watch = script(&gateway, &broker, &block("sh", "mosquitto_sub"));
    let mut watching = Process::start("mosquitto_sub", watch, &gateway.path("watching"));
    wait_for("a subscription", || broker.process.log().contains("Sending SUBACK").then_some(()));

    let properties =
        [&[0x01, 1, 0x03, 0, 4][..], b"text", &[0x08, 0, 1, b'r', 0x09, 0, 2, 4, 2, 0x26, 0, 1, b'k', 0, 1, b'v']]
            .concat();
    let recipe = "flour; water \u{e4}".as_bytes();
    let mut client = RawClient::connect(gateway.plain(), &login(plain(V5_0, "hmi-1"), "client", "for clients"));
    client.send(&wire::publish(V5_0, 2, "plant/line1/recipe/7", 9, &properties, recipe));
    client.expect(&super::refusal(V5_0, wire::PUBACK, 9, 0x87));
    assert!(watching.wait_end(PATIENCE).is_some_and(|status| status.success()), "{}", watching.log());

    let held: Value = serde_json::from_str(&gateway.read("held.jsonl")).expect("an envelope");
    assert_eq!((&held["rule"], &held["identity"]), (&"recipes-by-hand".into(), &"hmi-1".into()));
    let show = block("sh", "quarantine show");
    let shown = told(&script(&gateway, &broker, &show).output().expect("sh runs"));
    for words in ["not_authorized by recipes-by-hand", "hmi-1", "plant/line1/recipe/7 (QoS 1)", "flour; water ä"] {
        assert!(shown.contains(words), "{shown}");
    }

    let mut line = RawClient::connect(broker.address, &login(plain(V5_0, "line"), "operator", "for people"));
    line.send(&wire::subscribe(V5_0, 1, &[("plant/#", 1)]));
    assert_eq!(line.frame()[0], 0x90);
    let dry = told(&script(&gateway, &broker, &block("sh", "--dry-run")).output().expect("sh runs"));
    assert!(dry.contains("would be published: plant/line1/recipe/7 (QoS 1"), "{dry}");
    let replay = block("sh", "--topic 'plant/+/recipe/#' --broker");
    let done = told(&script(&gateway, &broker, &replay).output().expect("sh runs"));
    assert!(done.starts_with("published: plant/line1/recipe/7"), "{done}");
    // The first that the line hears is what was refused, as it was; the dry run published nothing.
    let heard = line.frame();
    assert_eq!(heard, wire::publish(V5_0, 2, "plant/line1/recipe/7", 1, &properties, recipe));
    line.send(&wire::ack(wire::PUBACK, 1));
    line.send(&wire::PINGREQ);
    line.expect(&wire::PINGRESP);
}

#[test]
fn what_is_no_envelope_or_not_taken_is_told_and_the_rest_goes_on() {
    let (broker, gateway) = stage();
    let envelope = |topic: &str| format!("{{\"version\":1,\"topic\":\"{topic}\",\"qos\":1,\"payload\":\"eA==\"}}\n");
    let lines =
        ["{}\n".to_owned(), format!("quarantine/a/b/c {}", envelope("secret/a")), "\n".to_owned(), envelope("plant/b")];
    gateway.write("mixed.jsonl", &lines.concat());
    let account = "--broker 127.0.0.1:1883 --username operator --password-file operator.password";
    let run = |text: &str| script(&gateway, &broker, text).output().expect("sh runs");
    let output = run(&format!("tidegate quarantine replay mixed.jsonl --json {account}"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let outcomes: Vec<_> = told.iter().map(|line| (line["topic"].as_str(), line["published"].as_bool())).collect();
    assert_eq!(outcomes, [(Some("secret/a"), Some(false)), (Some("plant/b"), Some(true))]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("envelope 1: no envelope of version 1"), "{complaint}");
    assert!(complaint.contains("0x87"), "{complaint}");

    for (text, code, said) in [
        ("tidegate quarantine replay mixed.jsonl", 2, "where to?"),
        ("tidegate quarantine replay none.jsonl --dry-run", 3, "none.jsonl"),
        ("tidegate quarantine show none.jsonl", 3, "none.jsonl"),
        ("tidegate quarantine replay mixed.jsonl --broker 127.0.0.1:1", 3, "127.0.0.1:1"),
        ("tidegate quarantine show --broker 127.0.0.1:1883", 3, "refused the connection"),
        ("tail -n 1 mixed.jsonl | tidegate quarantine show --json", 0, ""),
        ("tidegate quarantine show mixed.jsonl", 1, "envelope 1"),
    ] {
        let output = run(text);
        assert_eq!(output.status.code(), Some(code), "{text}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{text}: {output:?}");
    }
    let rude = "{\"version\":1,\"topic\":\"a/\\u001b[31m\",\"qos\":0,\"payload\":\"G1szMW0=\"}\n";
    gateway.write("rude.jsonl", rude);
    let output = run("tidegate quarantine show rude.jsonl");
    assert!(output.status.success() && !output.stdout.contains(&0x1b), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("(no client id, "), "{output:?}");
}
