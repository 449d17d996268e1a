//! mosquitto_pub and Paho at a real Mosquitto, faster than they may be.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::setup;
use crate::support::gateway::Door;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::Process;
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, PUBACK, V3_1_1, V5_0};
use crate::support::{PATIENCE, repository, tool, wait_for};

const SLOW: &str = "[[rate]]\nid = \"slow\"\npublish = [\"plant/#\"]\nmessages = \"20/s\"\nburst = 10\n";

/// A client beside the gateway that takes what is published there.
fn witness(broker: &Mosquitto, filter: &str) -> RawClient {
    let mut client = RawClient::connect(broker.address, &wire::Connect::new(V3_1_1, "witness"));
    client.send(&wire::subscribe(V3_1_1, 1, &[(filter, 0)]));
    assert_eq!(client.frame()[0], 0x90);
    client
}

#[test]
fn all_lines_of_mosquitto_pub_arrive_in_order_though_it_is_long_gone() {
    const LINES: usize = 60;
    let broker = Mosquitto::start();
    let gateway = setup(broker.address, SLOW).only(&[Door::Plain]).start();
    let mut witness = witness(&broker, "plant/#");
    for (version, qos) in [("mqttv311", "0"), ("mqttv5", "0"), ("mqttv31", "1"), ("mqttv5", "1"), ("mqttv311", "2")] {
        let began = Instant::now();
        let mut publish = Command::new(tool("mosquitto_pub", "mosquitto-clients"));
        let port = gateway.plain().port().to_string();
        publish.args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-q", qos, "-t", "plant/a", "-l"]);
        let mut child = publish.stdin(Stdio::piped()).spawn().expect("mosquitto_pub starts");
        let lines: String = (0..LINES).map(|number| format!("{number}\n")).collect();
        child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads");
        let mut payloads = Vec::new();
        for _ in 0..LINES {
            let frame = witness.frame();
            payloads.push(String::from_utf8_lossy(&frame[2 + 2 + "plant/a".len()..]).into_owned());
        }
        assert_eq!(payloads, (0..LINES).map(|number| number.to_string()).collect::<Vec<_>>(), "{version} {qos}");
        // Ten at once, and twenty in each second.
        assert!(began.elapsed() >= Duration::from_millis(2000), "{version} {qos}: {:?}", began.elapsed());
        assert!(child.wait().expect("it ends").success());
    }
    gateway.wait_metric("tidegate_throttled_connections", &[], 0.0);
    assert!(gateway.metric("tidegate_throttled_seconds_total", &[]) > 5.0);
    let said = gateway.audit().iter().filter(|record| record["event"] == "throttled").count();
    assert_eq!(said, 5, "once for each connection");
}

/// Mosquitto has twenty commands in flight at most: without acknowledgements the twenty-first would never come.
#[test]
fn commands_flow_to_a_library_whose_messages_wait() {
    const COMMANDS: u16 = 50;
    let broker = Mosquitto::start();
    let rate = "[[rate]]\nid = \"slow\"\nmessages = \"10/s\"\nburst = 1\n";
    let gateway = setup(broker.address, rate).only(&[Door::Plain]).start();
    for version in [V3_1_1, V5_0] {
        let python = repository(".venv/bin/python");
        assert!(python.is_file(), "`{}` is missing: run `tests/prepare`", python.display());
        let given = json!({
            "port": gateway.plain().port(), "version": version, "id": "press-1", "subscribe": "command/#",
            "topic": "plant/a", "count": 60, "commands": COMMANDS,
        });
        let mut script = Command::new(python);
        script.arg(repository("tests/clients/flood_paho.py")).arg(given.to_string());
        let folder = tempfile::tempdir().expect("a folder");
        let mut press = Process::start("press", script, &folder.path().join("log"));
        wait_for("a subscription", || press.log().contains("subscribed").then_some(()));
        let mut scada = RawClient::connect(broker.address, &wire::Connect::new(V3_1_1, "scada"));
        for id in 1..=COMMANDS {
            scada.send(&wire::publish(V3_1_1, 2, "command/press-1", id, &[], b"on"));
            scada.expect(&wire::ack(PUBACK, id));
        }
        let status = press.wait_end(2 * PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "{}", press.log());
        let told: Vec<String> = press.log().lines().skip(1).map(str::to_owned).collect();
        // Nobody subscribes: Mosquitto says so with 16 in 5.0.
        let taken = told.iter().filter(|line| matches!(line.as_str(), "code 0" | "code 16")).count();
        assert_eq!(taken, 60, "{told:?}");
        let last = told.iter().rposition(|line| line == "command").expect("a command");
        assert!(last < 100, "all commands came while messages waited: {told:?}");
    }
}

#[test]
fn a_library_learns_by_its_code_that_a_message_was_one_too_many() {
    let broker = Mosquitto::start();
    let rate = "[[rate]]\nid = \"cap\"\nmessages = \"2/h\"\non_excess = \"reject\"\nper = \"client\"\n";
    let gateway = setup(broker.address, rate).only(&[Door::Plain]).start();
    // Nobody subscribes: Mosquitto says so with 16 in 5.0.
    for (version, codes) in [(V3_1_1, ["code 0"; 4]), (V5_0, ["code 151", "code 151", "code 16", "code 16"])] {
        let python = repository(".venv/bin/python");
        let given = json!({
            "port": gateway.plain().port(), "version": version, "id": format!("press-{version}"),
            "subscribe": "command/#", "topic": "plant/a", "count": 4, "commands": 0,
        });
        let mut script = Command::new(python);
        script.arg(repository("tests/clients/flood_paho.py")).arg(given.to_string());
        let folder = tempfile::tempdir().expect("a folder");
        let mut press = Process::start("press", script, &folder.path().join("log"));
        assert!(press.wait_end(2 * PATIENCE).is_some_and(|status| status.success()), "{}", press.log());
        let mut told: Vec<String> = press.log().lines().skip(1).map(str::to_owned).collect();
        told.sort();
        assert_eq!(told, codes);
    }
    super::wait_exceeded(&gateway, "cap", "reject", 4.0);
}
