//! What a rule refuses, between real sockets: the client is told as the table of refusals has it, and no byte of it is at
//! the broker. A broker that keeps every byte is the witness; a real Mosquitto and its clients say that they can live with it.

mod aliases;
mod connects;
mod deliveries;
mod lifetimes;
mod mosquitto;
mod publications;
mod quarantine;
mod replay;
mod subscriptions;
mod window;

use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wait_for;
use crate::support::wire::{self, Connect, PUBACK, PUBREC, V5_0};

/// A rule for each `on_deny`, each over topics that begin with its id; and grants with limits.
const POLICY: &str = r#"
version = "rows"

[[role]]
name = "unwelcome"
match = { client_id = "unwelcome*" }

[[role]]
name = "dashboard"
match = { client_id = "dashboard*" }
on_broad_subscription = "filter"

[[grant]]
id = "free"
roles = ["everyone"]
publish = ["free/#"]
subscribe = ["free/#", "watch/#"]

[[grant]]
id = "low"
roles = ["everyone"]
publish = ["low/#"]
subscribe = ["low/#"]
max_qos = 1

[[grant]]
id = "plain"
roles = ["everyone"]
publish = ["plain/#"]
retain = false

[[grant]]
id = "short"
roles = ["everyone"]
publish = ["short/#"]
subscribe = ["short/#"]
max_payload_bytes = 10

[[grant]]
id = "low-cut"
roles = ["everyone"]
publish = ["low-cut/#"]
max_qos = 0
on_deny = "disconnect"

[[grant]]
id = "plain-cut"
roles = ["everyone"]
publish = ["plain-cut/#"]
retain = false
on_deny = "disconnect"

[[grant]]
id = "short-cut"
roles = ["everyone"]
publish = ["short-cut/#"]
max_payload_bytes = 10
on_deny = "disconnect"

[[deny]]
id = "unwelcome"
roles = ["unwelcome"]
connect = true

[[deny]]
id = "deny"
publish = ["deny/#"]
subscribe = ["deny/#"]

[[deny]]
id = "claim"
publish = ["claim/#"]
subscribe = ["claim/#"]
on_deny = "acknowledge"

[[deny]]
id = "cut"
publish = ["cut/#"]
subscribe = ["cut/#"]
on_deny = "disconnect"

[[deny]]
id = "hold"
publish = ["hold/#"]
subscribe = ["hold/#"]
on_deny = "quarantine"

[[deny]]
id = "watch"
publish = ["watch/#"]
subscribe = ["watch/#"]
on_deny = "monitor"

[[grant]]
id = "watched"
roles = ["everyone"]
publish = ["watch/#"]
"#;

/// The first levels of what is refused, and how.
const WORDS: [(&str, &str); 5] =
    [("deny", "reject"), ("claim", "acknowledge"), ("cut", "disconnect"), ("hold", "quarantine"), ("watch", "monitor")];

/// Whoever dials from here is who it says it is: these tests are about what it may do.
const BY_ADDRESS: &str =
    "identity = { sources = [\"address\"], address = { from = [\"127.0.0.0/8\"], name = \"client_id\" } }";

fn setup(server: std::net::SocketAddr) -> Setup {
    Setup::to(server).policy(POLICY).each_listener(BY_ADDRESS)
}

/// A gateway in front of a broker that keeps every byte.
struct Stage {
    broker: RecordingBroker,
    gateway: Gateway,
}

/// One client, and its connection at the broker.
struct Pair<'s> {
    client: RawClient,
    broker: &'s RecordingBroker,
    number: usize,
    version: u8,
    /// Bytes of the CONNECT at the broker.
    connect: usize,
}

impl Stage {
    fn new() -> Self {
        Self::with(RecordingBroker::polite())
    }

    fn with(broker: RecordingBroker) -> Self {
        let gateway = setup(broker.address).start();
        // The gateway's own connection, for there is a rule that quarantines, has the first number.
        gateway.wait_metric("tidegate_quarantine_connected", &[], 1.0);
        Self { broker, gateway }
    }

    /// A client that wants no Reason Strings.
    fn pair(&self, version: u8) -> Pair<'_> {
        self.pair_of(&plain(version, "client"))
    }

    fn pair_of(&self, connect: &Connect) -> Pair<'_> {
        let number = self.broker.connections();
        let client = RawClient::connect(self.gateway.plain(), connect);
        let connect_bytes = connect.bytes();
        assert_eq!(self.broker.wait_received(number, connect_bytes.len()), connect_bytes);
        Pair { client, broker: &self.broker, number, version: connect.version, connect: connect_bytes.len() }
    }

    /// Waits for the record of it.
    fn recorded(&self, event: &str, reason: &str, rule: &str, on_deny: &str) {
        self.gateway.wait_audit(&[
            ("event", event),
            ("reason", reason),
            ("rule", rule),
            ("on_deny", on_deny),
            ("policy", "rows"),
            ("identity", "client"),
            ("method", "address"),
        ]);
    }
}

fn plain(version: u8, client_id: &str) -> Connect {
    let silent: &[u8] = if version == V5_0 { &[0x17, 0] } else { &[] };
    Connect::new(version, client_id).with(silent)
}

impl Pair<'_> {
    /// All that the broker was sent behind the CONNECT, once it was sent everything that the client has said so far.
    fn at_broker(&mut self) -> Vec<u8> {
        let marker = wire::publish(self.version, 0, "free/so-far", 0, &[], b"");
        self.client.send(&marker);
        let all = wait_for("the marker at the broker", || {
            Some(self.broker.received(self.number)).filter(|all| all.ends_with(&marker))
        });
        all[self.connect..all.len() - marker.len()].to_vec()
    }

    /// All that the broker was sent behind the CONNECT, once that connection has ended.
    fn at_broker_in_the_end(&self) -> Vec<u8> {
        self.broker.wait_ended(self.number);
        self.broker.received(self.number)[self.connect..].to_vec()
    }

    /// Nothing was said to the client but the answer to this PINGREQ.
    fn hears_nothing(&mut self) {
        self.client.send(&wire::PINGREQ);
        self.client.expect(&wire::PINGRESP);
    }

    /// The client is told to go with this code, as far as its version can be, and is gone.
    fn is_sent_away(&mut self, code: u8) {
        if self.version == V5_0 {
            assert_eq!(wire::disconnect_reason(&self.client.frame()), Some(code));
        }
        self.client.expect_end();
    }
}

/// An acknowledgement with this code, which only 5.0 has.
fn refusal(version: u8, first: u8, id: u16, code: u8) -> Vec<u8> {
    let code: &[u8] = if version == V5_0 && code != 0 { &[code] } else { &[] };
    wire::packet(first, &[&id.to_be_bytes(), code].concat())
}

/// What a PUBLISH that `word` refuses is answered with at once, by QoS.
fn answer(version: u8, word: &str, qos: u8, id: u16) -> Option<Vec<u8>> {
    let code = if word == "claim" { 0 } else { 0x87 };
    match qos {
        1 => Some(refusal(version, PUBACK, id, code)),
        2 => Some(refusal(version, PUBREC, id, code)),
        _ => None,
    }
}

/// Whether an exchange at QoS 2 goes on behind that answer.
fn goes_on_to_pubcomp(version: u8, word: &str, qos: u8) -> bool {
    qos == 2 && (version != V5_0 || word == "claim")
}
