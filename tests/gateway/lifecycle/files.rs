//! How changed files are noticed, and when they are not read yet.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use super::{ANYBODY, POLL, SIGNAL_ONLY, connect, is_alive, plant, policy};
use crate::support::gateway::Setup;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wait_for;
use crate::support::wire::{self, PUBACK, V3_1_1, V5_0};

/// Longer than two looks at the files.
const A_WHILE: Duration = Duration::from_millis(800);

/// Versions of the policies that were put in force, in order.
fn versions(gateway: &crate::support::gateway::Gateway) -> Vec<String> {
    let audit = gateway.audit();
    let reloads = audit.iter().filter(|line| line["event"] == "reloaded");
    reloads.filter_map(|line| line["policy"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_signal_has_everything_read_and_without_looks_nothing_else_has() {
    let broker = RecordingBroker::polite();
    let gateway = plant(&broker, &["press"], SIGNAL_ONLY);
    gateway.put("policy/policy.toml", &policy("2", &["press"]));
    std::thread::sleep(A_WHILE);
    assert_eq!(versions(&gateway), [""; 0]);
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    assert_eq!(gateway.wait_audit(&[("event", "reloaded")])["by"], "signal");
    // Nothing has changed, and it was asked for: fresh TLS tickets are one reason to.
    gateway.hang_up();
    gateway.wait_reloads("applied", 2.0);
    fs::rename(gateway.path("audit.jsonl"), gateway.path("audit.1")).expect("the audit file is moved");
    gateway.hang_up();
    gateway.wait_reloads("applied", 3.0);
    let record = gateway.wait_audit(&[("event", "reloaded")]);
    assert_eq!(record["policy"], "2", "in the new audit file");
}

#[test]
fn a_half_written_file_is_not_read() {
    let broker = RecordingBroker::polite();
    let gateway = plant(&broker, &["press"], "[reload]\npoll = \"1s\"");
    let mut press = connect(&gateway, V5_0, "press-1");
    // What stands there for a moment would be taken, and end the connection.
    let file = gateway.path("policy/policy.toml");
    for round in 0..8 {
        fs::write(&file, policy("half", &["lamp"])).expect("half a file");
        std::thread::sleep(Duration::from_millis(150 + 40 * round));
        fs::write(&file, policy("whole", &["press"])).expect("the whole of it");
        std::thread::sleep(Duration::from_millis(150));
    }
    gateway.wait_audit(&[("event", "reloaded")]);
    is_alive(&mut press);
    assert_eq!(versions(&gateway), ["whole"]);
}

#[test]
fn what_was_only_touched_is_not_read() {
    let broker = RecordingBroker::polite();
    let gateway = plant(&broker, &["press"], POLL);
    let file = gateway.path("policy/policy.toml");
    let text = fs::read_to_string(&file).expect("the policy");
    for _ in 0..5 {
        fs::write(&file, &text).expect("the same again");
        std::thread::sleep(A_WHILE / 5);
    }
    std::thread::sleep(A_WHILE);
    assert!(gateway.metric("tidegate_reloads_total", &[]) < 0.1);
}

#[test]
fn files_that_are_moved_or_linked_into_place_are_seen() {
    let broker = RecordingBroker::polite();
    let gateway = plant(&broker, &["press"], POLL);
    gateway.put("policy/policy.toml", &policy("moved", &["press"]));
    gateway.wait_reloads("applied", 1.0);

    // As Kubernetes mounts a ConfigMap: files are links into `..data`, which is a link to a folder, and is replaced.
    let at = |name: &str| gateway.path("policy").join(name);
    let write = |folder: &str, version: &str| {
        fs::create_dir(at(folder)).expect("a folder");
        fs::write(at(folder).join("policy.toml"), policy(version, &["press"])).expect("a policy");
    };
    let point = |folder: &str| {
        symlink(folder, at("..data_tmp")).expect("a link");
        fs::rename(at("..data_tmp"), at("..data")).expect("a link in its place");
    };
    write("..one", "moved");
    point("..one");
    symlink("..data/policy.toml", at("link")).expect("a link");
    fs::rename(at("link"), at("policy.toml")).expect("a link in its place");
    std::thread::sleep(A_WHILE);
    assert_eq!(versions(&gateway), ["moved"], "another file, and the same in it");
    for (count, version) in [(2.0, "two"), (3.0, "three")] {
        write(&format!("..{version}"), version);
        point(&format!("..{version}"));
        gateway.wait_reloads("applied", count);
    }
    wait_for("the records", || (versions(&gateway) == ["moved", "two", "three"]).then_some(()));
}

#[test]
fn a_file_that_was_missing_is_found_when_it_comes() {
    let broker = RecordingBroker::polite();
    let gateway = plant(&broker, &["press"], POLL);
    fs::rename(gateway.path("policy/policy.toml"), gateway.path("elsewhere")).expect("it is moved away");
    gateway.wait_reloads("refused", 1.0);
    connect(&gateway, V5_0, "press-1").goodbye();
    fs::rename(gateway.path("elsewhere"), gateway.path("policy/policy.toml")).expect("it is back");
    gateway.wait_reloads("applied", 1.0);
}

#[test]
fn what_a_rule_names_is_watched_and_so_is_what_that_names() {
    let broker = RecordingBroker::polite();
    let rule = "[[payload]]\nid = \"unit\"\npublish = [\"a\"]\nformat = \"json\"\nschema = \"../unit.json\"\n";
    let setup = Setup::to(broker.address).policy(&format!("{}\n{rule}", policy("1", &["press"])));
    let setup = setup.file("unit.json", "{\"$ref\": \"allowed.json\"}").file("allowed.json", "{\"enum\": [\"C\"]}");
    let gateway = setup.each_listener(ANYBODY).with(POLL).start();
    let mut press = connect(&gateway, V3_1_1, "press-1");
    let mut reaches = |id: u16| {
        let before = broker.frames(0).len();
        press.send(&wire::publish(V3_1_1, 0x02, "a", id, &[], b"\"F\""));
        press.expect(&wire::ack(PUBACK, id));
        broker.frames(0).len() > before
    };
    assert!(!reaches(1), "refused, and acknowledged in the broker's place");
    gateway.put("allowed.json", "{\"enum\": [\"C\", \"F\"]}");
    gateway.wait_reloads("applied", 1.0);
    assert!(reaches(2));
    gateway.put("allowed.json", "{\"enum\": [\"C\"");
    gateway.wait_reloads("refused", 1.0);
    let refused = gateway.wait_audit(&[("event", "reload_refused")]);
    let problem = refused["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("allowed.json:1") && problem.contains("not JSON"), "{refused}");
    assert!(reaches(3), "what was in force is");
}
