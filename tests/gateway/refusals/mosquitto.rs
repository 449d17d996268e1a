//! Refusals as Mosquitto's own clients see them, behind a real Mosquitto.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::setup;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::Process;
use crate::support::{PATIENCE, tool, wait_for};

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

fn program(gateway: &Gateway, name: &str, version: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(tool(name, "mosquitto-clients"));
    let port = gateway.plain().port().to_string();
    command.args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-i", "client"]).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// What mosquitto_pub tells of it.
fn publish(gateway: &Gateway, version: &str, arguments: &[&str]) -> (Output, String) {
    let output = program(gateway, "mosquitto_pub", version, arguments).args(["-d", "-m", "secret"]).output();
    let output = output.expect("mosquitto_pub starts");
    let told = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    (output, told)
}

/// Everything that there is at the broker, seen from beside the gateway.
fn witness(broker: &Mosquitto, folder: &tempfile::TempDir) -> Process {
    let mut command = Command::new(tool("mosquitto_sub", "mosquitto-clients"));
    let port = broker.address.port().to_string();
    command.args(["-h", "127.0.0.1", "-p", &port, "-i", "witness", "-t", "#", "-v"]);
    let process = Process::start("witness", command, &folder.path().join("witness"));
    wait_for("the witness", || broker.process.log().contains("Sending SUBACK to witness").then_some(()));
    process
}

/// What the witness saw until a last message, published now.
fn seen(witness: &Process, gateway: &Gateway) -> Vec<String> {
    let (_, _) = publish(gateway, "mqttv311", &["-q", "1", "-t", "free/last"]);
    wait_for("the last message", || witness.log().contains("free/last").then_some(()));
    witness.log().lines().filter(|line| !line.starts_with("free/last")).map(str::to_owned).collect()
}

#[test]
fn mosquitto_pub_is_told_and_nothing_reaches_the_broker() {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    let folder = tempfile::tempdir().expect("a folder");
    let witness = witness(&broker, &folder);
    for version in VERSIONS {
        for (word, code) in [("deny", "135"), ("claim", "0"), ("hold", "135")] {
            for (qos, packet) in [("1", "PUBACK"), ("2", "PUBREC")] {
                let (output, told) = publish(&gateway, version, &["-q", qos, "-t", &format!("{word}/x")]);
                assert!(output.status.success(), "{told}");
                assert!(told.contains(&format!("received {packet} (Mid: 1")), "{version} {word} {qos}: {told}");
                if version == "mqttv5" && qos == "1" {
                    assert!(told.contains(&format!("RC:{code})")), "{version} {word} {qos}: {told}");
                }
            }
        }
        let (output, told) = publish(&gateway, version, &["-q", "1", "-t", "cut/x"]);
        assert!(!output.status.success(), "{version}: {told}");
    }
    let seen = seen(&witness, &gateway);
    assert!(seen.iter().all(|line| line.starts_with("quarantine/not_authorized/hold/hold/x {")), "{seen:?}");
}

#[test]
fn monitor_lets_it_through_and_records_it() {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    let folder = tempfile::tempdir().expect("a folder");
    let witness = witness(&broker, &folder);
    for version in VERSIONS {
        let (output, told) = publish(&gateway, version, &["-q", "2", "-t", "watch/x"]);
        assert!(output.status.success(), "{told}");
    }
    assert_eq!(seen(&witness, &gateway), ["watch/x secret"; 3]);
    gateway.wait_metric("tidegate_observed_total", &["type=\"publish\"", "on_deny=\"monitor\""], 3.0);
}

#[test]
fn mosquitto_sub_is_told_which_filters_are_refused() {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    for (version, code) in [("mqttv311", "128"), ("mqttv5", "135")] {
        let all = program(&gateway, "mosquitto_sub", version, &["-t", "deny/#", "-t", "other/+", "-W", "20"]).output();
        let all = all.expect("mosquitto_sub starts");
        let told = String::from_utf8_lossy(&all.stderr).into_owned();
        assert!(told.contains("All subscription requests were denied"), "{version}: {told}");

        let folder = tempfile::tempdir().expect("a folder");
        let some = ["-d", "-v", "-q", "1", "-t", "deny/#", "-t", "free/#", "-t", "low/+", "-C", "1"];
        let answered = || broker.process.log().matches("Sending SUBACK to client").count();
        let before = answered();
        let some = program(&gateway, "mosquitto_sub", version, &some);
        let mut some = Process::start("some", some, &folder.path().join("some"));
        wait_for("a SUBACK", || (answered() > before).then_some(()));
        let port = broker.address.port().to_string();
        for topic in ["deny/x", "free/x"] {
            let mut publisher = Command::new(tool("mosquitto_pub", "mosquitto-clients"));
            let sent = publisher.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", "now"]).status();
            assert!(sent.expect("mosquitto_pub starts").success());
        }
        assert!(some.wait_end(PATIENCE).is_some_and(|status| status.success()), "{}", some.log());
        let told = some.log();
        assert!(told.contains(&format!("Subscribed (mid: 1): {code}, 1, 1")), "{version}: {told}");
        assert!(told.contains("free/x now") && !told.contains("deny/x now"), "{version}: {told}");
    }
}

#[test]
fn a_will_that_is_refused_at_connect_is_never_published() {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    let folder = tempfile::tempdir().expect("a folder");
    let witness = witness(&broker, &folder);
    for version in VERSIONS {
        let arguments = ["-t", "free/x", "--will-topic", "deny/will", "--will-payload", "gone"];
        let output = program(&gateway, "mosquitto_sub", version, &arguments).output().expect("mosquitto_sub starts");
        let told = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(!output.status.success() && told.contains("not authori"), "{version}: {told}");
        // A permitted one is: the gateway closes without DISCONNECT when a rule ends the connection.
        let arguments = ["-q", "1", "-t", "cut/x", "--will-topic", "free/will", "--will-payload", version];
        let (output, told) = publish(&gateway, version, &arguments);
        assert!(!output.status.success(), "{version}: {told}");
        wait_for("the Will", || witness.log().contains(&format!("free/will {version}")).then_some(()));
    }
    assert!(!witness.log().contains("deny/will"), "{}", witness.log());
    std::thread::sleep(Duration::from_millis(50));
    assert!(seen(&witness, &gateway).iter().all(|line| line.starts_with("free/will ")));
}
