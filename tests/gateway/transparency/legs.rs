//! The two ways to a broker, and the comparison of what was seen on them.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::RawClient;

/// A way to a Mosquitto of its own: straight, or through a gateway's door.
pub(super) struct Leg {
    pub(super) mosquitto: Mosquitto,
    pub(super) gateway: Option<(Gateway, Door)>,
}

/// What was seen in one scenario: its name, and a line per thing seen.
pub(super) type Transcript = (String, Vec<String>);

impl Leg {
    pub(super) fn direct() -> Self {
        Self { mosquitto: Mosquitto::start(), gateway: None }
    }

    pub(super) fn through(door: Door) -> Self {
        let mosquitto = Mosquitto::start();
        let setup = Setup::to(mosquitto.address);
        let setup = if door == Door::Ipv6 { setup.with_ipv6() } else { setup };
        Self { mosquitto, gateway: Some((setup.start(), door)) }
    }

    /// Where a client dials.
    pub(super) fn address(&self) -> SocketAddr {
        self.gateway.as_ref().map_or(self.mosquitto.address, |(gateway, door)| gateway.address(*door))
    }

    /// A raw client that has dialled, with a certificate where one is asked for.
    pub(super) fn dial(&self) -> RawClient {
        match &self.gateway {
            Some((gateway, Door::Tls)) => {
                let papers = gateway.pki.pair("client");
                let dialled = RawClient::try_dial_tls(self.address(), gateway.tls_client(Some(&papers)));
                dialled.unwrap_or_else(|error| panic!("the handshake fails: {error}"))
            }
            _ => RawClient::dial(self.address()),
        }
    }

    /// What the scripts of the clients are told.
    fn arguments(&self, versions: &[u8]) -> Value {
        let address = self.address();
        let secure = self.gateway.as_ref().filter(|(_, door)| matches!(door, Door::Tls | Door::WebSocketTls));
        let tls = secure.map(|(gateway, _)| {
            let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"].map(|file| gateway.pki.path(file));
            json!({ "ca": ca, "certificate": certificate, "key": key })
        });
        let websocket = matches!(self.gateway, Some((_, Door::WebSocket | Door::WebSocketTls)));
        // The certificate names localhost, and Python looks at that.
        let host = if tls.is_some() { "localhost".to_owned() } else { address.ip().to_string() };
        json!({
            "host": host, "port": address.port(), "transport": if websocket { "websockets" } else { "tcp" }, "tls": tls,
            "log": self.mosquitto.log_file(), "versions": versions,
        })
    }

    /// Runs a script of scenarios and takes their transcripts.
    pub(super) fn play_script(&self, mut script: Command, versions: &[u8]) -> Vec<Transcript> {
        let output = script.arg(self.arguments(versions).to_string()).output().expect("the script starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let log = self.gateway.as_ref().map(|(gateway, _)| gateway.process.log()).unwrap_or_default();
        assert!(
            output.status.success(),
            "{}{err}\n{log}",
            if self.gateway.is_some() { "through: " } else { "direct: " }
        );
        out.lines().map(transcript).collect()
    }
}

/// `{"scenario": NAME, "seen": [LINE, …]}`
fn transcript(line: &str) -> Transcript {
    let told: Value = serde_json::from_str(line).expect("a line of JSON");
    let seen = told["seen"].as_array().expect("what was seen").iter();
    (
        told["scenario"].as_str().expect("a name").to_owned(),
        seen.map(|line| line.as_str().expect("a line").to_owned()).collect(),
    )
}

/// Fails with the first difference between what was seen straight and through the gateway.
pub(super) fn assert_equal(direct: &[Transcript], through: &[Transcript]) {
    assert_eq!(direct.len(), through.len(), "scenarios played");
    assert!(!direct.is_empty(), "something was played");
    for ((name, left), (other, right)) in direct.iter().zip(through) {
        assert_eq!(name, other);
        for (line, (left, right)) in left.iter().zip(right).enumerate() {
            assert!(left == right, "{name}: differs at line {line}\ndirect : {}\nthrough: {}", clip(left), clip(right));
        }
        let extra = if left.len() > right.len() { left.get(right.len()) } else { right.get(left.len()) };
        assert!(extra.is_none(), "{name}: {} lines direct, {} through; first extra {extra:?}", left.len(), right.len());
    }
}

fn clip(text: &str) -> String {
    text.chars().take(600).collect()
}

/// Plays both legs at once and holds what they saw against each other.
pub(super) fn compare(door: Door, play: impl Fn(&Leg) -> Vec<Transcript> + Sync) {
    std::thread::scope(|scope| {
        let direct = scope.spawn(|| play(&Leg::direct()));
        let through = play(&Leg::through(door));
        assert_equal(&direct.join().expect("the direct leg plays"), &through);
    });
}
