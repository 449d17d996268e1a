//! What messages say, between real sockets: a real Mosquitto, and clients that know nothing of the gateway. What a rule
//! refuses is at neither end; what it signs or strips is what the other end can verify or use.

mod clients;
mod interlocks;
mod restart;
mod signatures;
mod values;
mod wills;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate::jwk::{Algorithm, SigningKeys};
use tidegate::signature::{Carrier, Freshness, Message, Nonce, Once, Scheme, Sealed};

use crate::support::gateway::{Gateway, Setup};
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, Connect, PUBACK, PUBREC, V5_0};

/// Who dials is who it says it is, and may do everything that rules about messages do not refuse.
const BASE: &str = r##"
version = "integrity"

[[grant]]
id = "all"
roles = ["everyone"]
publish = ["#"]
subscribe = ["#"]
"##;

const BY_ADDRESS: &str =
    "identity = { sources = [\"address\"], address = { from = [\"127.0.0.0/8\"], name = \"client_id\" } }";

/// Keys of RFC 8037 and RFC 7515: known to everybody.
const PRIVATE: &str = r#"{"keys":[
{"kid":"scada-1","kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
{"kid":"meter-7","kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
{"kid":"gateway-1","kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}
]}"#;

/// The halves by which a gateway verifies; a secret has none.
const PUBLIC: &str = r#"{"keys":[
{"kid":"scada-1","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
{"kid":"meter-7","kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}
]}"#;

/// A gateway in front of a Mosquitto, under these rules.
fn setup(broker: &Mosquitto, rules: &str) -> Setup {
    let setup = Setup::to(broker.address).policy(&format!("{BASE}{rules}")).each_listener(BY_ADDRESS);
    setup.file("public.json", PUBLIC).file("private.json", PRIVATE)
}

fn plain(version: u8, client_id: &str) -> Connect {
    let silent: &[u8] = if version == V5_0 { &[0x17, 0] } else { &[] };
    Connect::new(version, client_id).with(silent)
}

/// Connects through the gateway, without Reason Strings.
fn dial(gateway: &Gateway, version: u8, client_id: &str) -> RawClient {
    RawClient::connect(gateway.plain(), &plain(version, client_id))
}

/// A client of the broker's own.
fn beside(broker: &Mosquitto, version: u8, client_id: &str) -> RawClient {
    RawClient::connect(broker.address, &plain(version, client_id))
}

/// Subscribes at QoS 1 and takes the SUBACK.
fn subscribe(client: &mut RawClient, version: u8, filter: &str) {
    client.send(&wire::subscribe(version, 1, &[(filter, 1)]));
    assert_eq!(client.frame()[0], 0x90);
}

/// What a refused PUBLISH of a client's is answered with.
fn refusal(version: u8, qos: u8, id: u16, code: u8) -> Vec<u8> {
    let code: &[u8] = if version == V5_0 { &[code] } else { &[] };
    wire::packet(if qos == 1 { PUBACK } else { PUBREC }, &[&id.to_be_bytes(), code].concat())
}

/// Publishes at QoS 1 and takes what it is answered with, the code of 5.0 or else 0.
fn publish(client: &mut RawClient, version: u8, topic: &str, properties: &[u8], payload: &[u8]) -> u8 {
    client.send(&wire::publish(version, 2, topic, 9, properties, payload));
    let answer = client.frame();
    assert_eq!((answer[0], &wire::body(&answer)[..2]), (PUBACK, &[0, 9][..]));
    match wire::body(&answer).get(2) {
        // Nobody subscribes: Mosquitto says so.
        Some(0x10) | None => 0,
        Some(code) => *code,
    }
}

/// The next message, acknowledged: Topic Name and payload, and in 5.0 its properties.
fn message(client: &mut RawClient, version: u8) -> (String, Vec<u8>, Vec<u8>) {
    let frame = client.frame();
    assert_eq!(frame[0] & 0xF0, 0x30, "{frame:02x?}");
    let body = wire::body(&frame);
    let topic_len = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + topic_len].to_vec()).expect("text");
    let mut rest = &body[2 + topic_len..];
    if frame[0] & 0x06 != 0 {
        client.send(&wire::packet(PUBACK, &rest[..2]));
        rest = &rest[2..];
    }
    let mut properties = Vec::new();
    if version == V5_0 {
        let len = usize::from(rest[0]) + if rest[0] & 0x80 == 0 { 0 } else { (usize::from(rest[1]) << 7) - 128 };
        let digits = if rest[0] & 0x80 == 0 { 1 } else { 2 };
        properties = rest[digits..digits + len].to_vec();
        rest = &rest[digits + len..];
    }
    (topic, rest.to_vec(), properties)
}

/// User Properties as they stand on the wire.
fn user_properties<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Vec<u8> {
    pairs.into_iter().flat_map(|(name, value)| [vec![0x26], wire::string(name), wire::string(value)].concat()).collect()
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a date")
}

fn scheme(carrier: Carrier, freshness: Freshness) -> Scheme {
    let algorithms = vec![Algorithm::EdDsa, Algorithm::Hs256, Algorithm::Es256];
    let max_age = Some(Duration::from_secs(30));
    Scheme { carrier, algorithms, max_age, clock_skew: Duration::from_secs(5), freshness }
}

/// What a device does that signs.
struct Signer {
    keys: SigningKeys,
    scheme: Scheme,
    kid: &'static str,
    signed: u64,
}

impl Signer {
    fn new(kid: &'static str, carrier: Carrier, freshness: Freshness) -> Self {
        let keys = SigningKeys::parse(PRIVATE.as_bytes()).expect("keys");
        Self { keys, scheme: scheme(carrier, freshness), kid, signed: 0 }
    }

    fn sign(&mut self, topic: &str, payload: &[u8]) -> Sealed {
        self.sign_at(topic, payload, now_millis())
    }

    fn sign_at(&mut self, topic: &str, payload: &[u8], unix_millis: i64) -> Sealed {
        self.signed += 1;
        let nonce = [&self.signed.to_be_bytes()[..], &now_millis().to_be_bytes()].concat();
        let once = match self.scheme.freshness {
            Freshness::Counter => Once::Counter(self.signed),
            Freshness::Nonce | Freshness::Either => Once::Nonce(Nonce::new(&nonce).expect("a nonce")),
        };
        let key = self.keys.get(self.kid).expect("a key");
        self.scheme.sign(key, Message { topic, payload }, &once, Some(unix_millis)).expect("a signature")
    }
}

/// Payload and User Properties of a signed message on the wire.
fn on_the_wire(sealed: &Sealed, payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let pairs = sealed.add_properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    (sealed.payload.clone().unwrap_or_else(|| payload.to_vec()), user_properties(pairs))
}
