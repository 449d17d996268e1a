//! Who a client is: every source alone and with others, what the client is told, and what is recorded.

mod addresses;
mod certificates;
mod flood;
mod http;
pub(crate) mod passwords;
mod service;
mod tokens;

use crate::support::gateway::{Door, Gateway};
use crate::support::pki::Pair;
use crate::support::raw_client::{Ended, RawClient};
use crate::support::wire::{self, Connect, V5_0};
use crate::support::{PATIENCE, tool, wait_for};

/// What came of a CONNECT: what the client was told, and what the audit file says of it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Of the CONNACK; none where there was none.
    code: Option<u8>,
    identity: Option<String>,
    method: Option<String>,
    rule: Option<String>,
}

impl Outcome {
    fn known(name: &str, method: &str) -> Self {
        let identity = Some(name.to_owned()).filter(|name| !name.is_empty());
        Self { code: Some(0), identity, method: Some(method.to_owned()), rule: None }
    }

    fn refused(code: u8, rule: &str) -> Self {
        Self { code: Some(code), identity: None, method: None, rule: Some(rule.to_owned()) }
    }
}

/// The code of a refusal, in 3.x and in 5.0.
#[derive(Clone, Copy)]
struct Codes(u8, u8);

const BAD_CREDENTIALS: Codes = Codes(4, 0x86);
const NOT_AUTHORIZED: Codes = Codes(5, 0x87);
const CLIENT_IDENTIFIER: Codes = Codes(2, 0x85);
const UNAVAILABLE: Codes = Codes(3, 0x88);
const QUOTA: Codes = Codes(3, 0x97);

impl Codes {
    fn of(self, version: u8) -> u8 {
        if version == V5_0 { self.1 } else { self.0 }
    }
}

pub(crate) fn with_login(version: u8, client_id: &str, name: &str, password: Option<&str>) -> Connect {
    let login = Some((name.to_owned(), password.map(|password| password.as_bytes().to_vec())));
    Connect { login, ..Connect::new(version, client_id) }
}

fn dial(gateway: &Gateway, door: Door, papers: Option<&Pair>) -> RawClient {
    match door {
        Door::Tls => {
            let config = gateway.tls_client(papers);
            RawClient::try_dial_tls(gateway.address(door), config).expect("a handshake")
        }
        Door::Plain | Door::WebSocket | Door::WebSocketTls | Door::Ipv6 => RawClient::dial(gateway.address(door)),
    }
}

/// Sends a CONNECT, leaves in good order where it is accepted, and reads the record of it. Its Client Identifier must be
/// of its own.
fn judge(gateway: &Gateway, client: RawClient, connect: &Connect) -> Outcome {
    let (code, _) = knock(client, connect);
    let line = wait_for("the record of a CONNECT", || {
        let is_it = |line: &serde_json::Value| {
            line["event"] == "ended" && line["client_id"].as_str().unwrap_or_default() == connect.client_id
        };
        gateway.audit().into_iter().find(is_it)
    });
    let text = |name: &str| line.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Outcome { code, identity: text("identity"), method: text("method"), rule: text("rule") }
}

/// The code of the CONNACK, and its Reason String.
fn knock(mut client: RawClient, connect: &Connect) -> (Option<u8>, Option<String>) {
    client.send(&connect.bytes());
    match client.try_frame(PATIENCE) {
        Ok(connack) => {
            assert_eq!(connack[0], 0x20, "a CONNACK: {connack:02x?}");
            let code = wire::body(&connack)[1];
            if code == 0 {
                client.goodbye();
            }
            (Some(code), reason_string(&connack))
        }
        Err(Ended::Closed | Ended::Reset) => (None, None),
        Err(Ended::Silent) => panic!("no answer to CONNECT"),
    }
}

/// The Reason String of a refusal, where that is its only property.
fn reason_string(connack: &[u8]) -> Option<String> {
    let body = wire::body(connack);
    let text = (body.get(3) == Some(&0x1f)).then(|| &body[6..])?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// What `program` writes, which must succeed.
fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(tool(program, package)).args(arguments).output().expect("it starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program}: {said}");
    said
}

/// Neither the log nor the audit file holds it.
fn is_nowhere(gateway: &Gateway, secret: &str) {
    assert!(!gateway.process.log().contains(secret), "the log shows a secret");
    assert!(!gateway.audit().iter().any(|line| line.to_string().contains(secret)), "the audit file shows a secret");
}
