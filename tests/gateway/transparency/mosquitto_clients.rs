//! Scenarios played by mosquitto_pub and mosquitto_sub, each version, over plain TCP, mTLS and IPv6.

use std::process::{Command, Stdio};

use super::legs::{Leg, Transcript, compare};
use crate::support::gateway::Door;
use crate::support::process::Process;
use crate::support::{tool, wait_for};

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];
/// Everything that mosquitto_sub can tell of a message but the time.
const FORMAT: &str = "%t|%q|%r|%l|%x|%C|%D|%F|%P|%R|%S";

/// A program of Mosquitto's, set to dial this leg.
fn program(leg: &Leg, name: &str, version: &str, client_id: &str) -> Command {
    let mut command = Command::new(tool(name, "mosquitto-clients"));
    let address = leg.address();
    command.args(["-V", version, "-i", client_id, "-p", &address.port().to_string()]).stdin(Stdio::null());
    match &leg.gateway {
        Some((gateway, Door::Tls)) => {
            command.args(["-h", "localhost"]);
            for (option, file) in [("--cafile", "ca.pem"), ("--cert", "client.pem"), ("--key", "client.key")] {
                command.arg(option).arg(gateway.pki.path(file));
            }
        }
        _ => drop(command.args(["-h", &address.ip().to_string()])),
    }
    command
}

/// Starts mosquitto_sub and waits until Mosquitto has answered its SUBSCRIBE.
fn subscriber(leg: &Leg, version: &str, client_id: &str, arguments: &[&str], log: &tempfile::TempDir) -> Process {
    let mut command = program(leg, "mosquitto_sub", version, client_id);
    command.args(["-F", FORMAT]).args(arguments);
    let answered = format!("Sending SUBACK to {client_id}\n");
    let before = leg.mosquitto.process.log().matches(&answered).count();
    let process = Process::start(client_id, command, &log.path().join(client_id));
    wait_for(&answered, || (leg.mosquitto.process.log().matches(&answered).count() > before).then_some(()));
    process
}

/// Runs mosquitto_pub to its end; gives what it tells of the exchange.
fn publish(leg: &Leg, version: &str, client_id: &str, arguments: &[&str]) -> Vec<String> {
    let output = program(leg, "mosquitto_pub", version, client_id)
        .arg("-d")
        .args(arguments)
        .output()
        .expect("mosquitto_pub starts");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{client_id}: {told}");
    told.lines().map(str::to_owned).collect()
}

type Scenario = fn(&Leg, &str, &tempfile::TempDir) -> Vec<String>;

fn play(leg: &Leg) -> Vec<Transcript> {
    let mut transcripts = Vec::new();
    for version in VERSIONS {
        let folder = tempfile::tempdir().expect("a folder");
        let stages: [(&str, Scenario); 5] = [
            ("each QoS", each_qos),
            ("retained", retained),
            ("a killed subscriber's Will", will),
            ("messages for one that is away", offline),
            ("properties", properties),
        ];
        for (name, stage) in stages {
            transcripts.push((format!("{name}, {version}"), stage(leg, version, &folder)));
        }
    }
    transcripts
}

#[test]
fn mosquitto_pub_and_sub_see_the_same_through_the_gateway() {
    compare(Door::Plain, play);
}

#[test]
fn mosquitto_pub_and_sub_see_the_same_through_mutual_tls() {
    compare(Door::Tls, play);
}

#[test]
fn mosquitto_pub_and_sub_see_the_same_over_ipv6() {
    compare(Door::Ipv6, play);
}

/// What a subscriber wrote, once it has ended by itself.
fn told(mut subscriber: Process) -> Vec<String> {
    let ended = subscriber.wait_end(crate::support::PATIENCE);
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}: {}", subscriber.log());
    subscriber.log().lines().map(str::to_owned).collect()
}

fn each_qos(leg: &Leg, version: &str, folder: &tempfile::TempDir) -> Vec<String> {
    let mut seen = Vec::new();
    for granted in ["0", "1", "2"] {
        let id = format!("sub-{granted}-{version}");
        let receiving = subscriber(leg, version, &id, &["-q", granted, "-t", "qos/#", "-C", "3"], folder);
        for qos in ["0", "1", "2"] {
            seen.extend(publish(leg, version, "pub", &["-q", qos, "-t", "qos/größe", "-m", "19,5 °C"]));
        }
        let came = told(receiving);
        assert_eq!(came.len(), 3, "{came:?}");
        seen.extend(came);
    }
    seen
}

fn retained(leg: &Leg, version: &str, folder: &tempfile::TempDir) -> Vec<String> {
    let topic = format!("retained/{version}");
    let mut seen = publish(leg, version, "pub", &["-q", "1", "-r", "-t", &topic, "-m", "kept"]);
    seen.extend(told(subscriber(leg, version, "late", &["-q", "1", "-t", &topic, "-C", "1"], folder)));
    seen.extend(publish(leg, version, "pub", &["-q", "1", "-r", "-n", "-t", &topic]));
    assert!(seen.iter().any(|line| line.contains("|1|1|4|")), "retained, at QoS 1: {seen:?}");
    seen
}

fn will(leg: &Leg, version: &str, folder: &tempfile::TempDir) -> Vec<String> {
    let watching = subscriber(leg, version, "watch", &["-q", "2", "-t", "will/#", "-C", "1"], folder);
    let arguments = ["-t", "nothing", "--will-topic", "will/a", "--will-payload", "gone", "--will-qos", "2"];
    subscriber(leg, version, "dying", &arguments, folder).kill();
    told(watching)
}

fn offline(leg: &Leg, version: &str, folder: &tempfile::TempDir) -> Vec<String> {
    let five = version == "mqttv5";
    let more: &[&str] = if five { &["-x", "3600"] } else { &[] };
    let id = format!("away-{version}");
    let filter = ["-c", "-q", "2", "-t", "away/#"];
    let ended = program(leg, "mosquitto_sub", version, &id).args(filter).args(more).arg("-E").status();
    assert!(ended.is_ok_and(|status| status.success()), "-E: leaves once subscribed");
    let mut seen = Vec::new();
    for number in ["1", "2", "3"] {
        seen.extend(publish(leg, version, "pub", &["-q", "2", "-t", "away/a", "-m", number]));
    }
    let back = subscriber(leg, version, &id, &[filter.as_slice(), &["-C", "3"], more].concat(), folder);
    let came = told(back);
    assert_eq!(came.len(), 3, "{came:?}");
    seen.extend(came);
    seen
}

fn properties(leg: &Leg, version: &str, folder: &tempfile::TempDir) -> Vec<String> {
    if version != "mqttv5" {
        return Vec::new();
    }
    let subscribing = ["-q", "2", "-t", "prop/#", "-C", "1", "-D", "subscribe", "subscription-identifier", "268435455"];
    let receiving = subscriber(leg, version, "prop-s", &subscribing, folder);
    let mut arguments = vec!["-q", "2", "-t", "prop/a", "-m", "größe"];
    let told_properties = [
        ["payload-format-indicator", "1"],
        ["content-type", "text/plain"],
        ["correlation-data", "12345"],
        ["response-topic", "prop/answers"],
    ];
    for property in &told_properties {
        arguments.extend(["-D", "publish"]);
        arguments.extend(property);
    }
    arguments.extend([
        "-D",
        "publish",
        "user-property",
        "key",
        "first",
        "-D",
        "publish",
        "user-property",
        "key",
        "second",
    ]);
    let mut seen = publish(leg, version, "prop-p", &arguments);
    seen.extend(told(receiving));
    assert!(seen.iter().any(|line| line.contains("text/plain|12345|1|key:first")), "{seen:?}");
    seen
}
