//! User name and password of the CONNECT that goes on, and nothing else of it changed.

use std::process::Command;

use super::{dial_as, told};
use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1, V5_0, VERSIONS, Will};
use crate::support::{tool, wait_for};

type Login = Option<(String, Option<Vec<u8>>)>;

fn login(name: &str, password: &str) -> Login {
    Some((name.to_owned(), Some(password.as_bytes().to_vec())))
}

/// With everything that a CONNECT may carry: properties, known and User Property, and a Will with its own.
fn rich(version: u8, login: Login) -> Connect {
    let mut connect = Connect::new(version, "pump-7");
    connect.keep_alive = 77;
    let mut will = Will {
        topic: "plant/pump-7/gone".to_owned(),
        payload: b"\x00\xff\x10\x20".to_vec(),
        qos: 1,
        retain: true,
        properties: Vec::new(),
    };
    if version == V5_0 {
        connect.properties = [
            &[0x11, 0, 0, 1, 0][..],
            &[0x21, 0, 9],
            &[0x17, 1],
            &[0x26, 0, 1, b'a', 0, 1, b'b'],
            &[0x26, 0, 1, b'a', 0, 1, b'b'],
        ]
        .concat();
        will.properties = vec![0x18, 0, 0, 0, 5, 0x01, 0, 0x26, 0, 1, b'x', 0, 0];
    }
    connect.will = Some(will);
    connect.login = login;
    connect
}

/// The CONNECT that a broker gets when a client of this name sends `sent`.
fn forwarded(gateway: &Gateway, broker: &RecordingBroker, name: &str, sent: &Connect) -> Vec<u8> {
    let number = broker.connections();
    let mut client = dial_as(gateway, name);
    client.send(&sent.bytes());
    assert_eq!(told(&client.frame()), 0, "accepted");
    client.goodbye();
    wait_for("the CONNECT at the broker", || broker.frames(number).first().cloned())
}

fn check(setup: Setup, broker: &RecordingBroker, cases: &[(Login, Login)]) {
    let gateway = setup.start();
    for version in VERSIONS {
        for (sent, expected) in cases {
            let forwarded = forwarded(&gateway, broker, "temp-07", &rich(version, sent.clone()));
            let due = rich(version, expected.clone()).bytes();
            assert!(forwarded == due, "version {version}\ndue  {due:02x?}\ncame {forwarded:02x?}");
        }
    }
}

#[test]
fn a_broker_gets_the_credentials_that_the_settings_say_and_all_else_as_it_was_sent() {
    let broker = RecordingBroker::polite();
    let setup = || Setup::to(broker.address);
    let own = || login("operator", "secret");
    check(setup(), &broker, &[(own(), own()), (None, None)]);
    check(setup().broker("credentials.mode = \"pass\""), &broker, &[(own(), own())]);
    check(setup().broker("credentials.mode = \"remove\""), &broker, &[(own(), None), (None, None)]);
    let fixed = "credentials = { mode = \"fixed\", username = \"bridge\", password_file = \"password\" }";
    let fixed = setup().broker(fixed).file("password", "s3cret\n");
    check(fixed, &broker, &[(own(), login("bridge", "s3cret")), (None, login("bridge", "s3cret"))]);
    let nameless = "credentials = { mode = \"fixed\", username = \"bridge\" }";
    check(setup().broker(nameless), &broker, &[(own(), Some(("bridge".to_owned(), None)))]);
    let templated = "credentials = { mode = \"identity\", username = \"plant/${identity}/${certificate.cn}\", \
                     password_file = \"password\" }";
    let templated = setup().broker(templated).file("password", "s3cret\n");
    check(templated, &broker, &[(own(), login("plant/temp-07/temp-07", "s3cret"))]);
    let table = setup().broker("credentials = { mode = \"identity\", table = \"accounts.toml\" }").file(
        "accounts.toml",
        "temp-07 = { username = \"plant7\", password = \"pa55\" }\nother = { password = \"x\" }\n",
    );
    check(table, &broker, &[(own(), login("plant7", "pa55")), (None, login("plant7", "pa55"))]);
}

/// A CONNECT that can't be answered for: refused with its own reason, and no broker hears of it.
fn is_refused(gateway: &Gateway, broker: &RecordingBroker, mut client: RawClient, version: u8) {
    let before = broker.connections();
    client.send(&Connect::new(version, "pump-7").bytes());
    assert_eq!(told(&client.frame()), if version == V5_0 { 0x87 } else { 5 });
    client.expect_end();
    assert_eq!(broker.connections(), before, "the broker is not dialled");
    let line = gateway.wait_audit(&[("event", "ended"), ("cause", "broker_credentials")]);
    assert_eq!(line["rule"], "broker.credentials", "{line}");
}

#[test]
fn who_has_no_credentials_of_its_own_is_refused_and_gets_nobody_elses() {
    let broker = RecordingBroker::polite();
    let table = Setup::to(broker.address)
        .broker("credentials = { mode = \"identity\", table = \"accounts.toml\" }")
        .file("accounts.toml", "temp-07 = { username = \"plant7\", password = \"pa55\" }\n")
        .start();
    for (name, version) in [("temp-08", V3_1_1), ("TEMP-07", V5_0), ("temp-07 ", V5_0), ("*", V3_1_1)] {
        is_refused(&table, &broker, dial_as(&table, name), version);
    }
    is_refused(&table, &broker, RawClient::dial(table.plain()), V3_1_1);
    let templated =
        Setup::to(broker.address).broker("credentials = { mode = \"identity\", username = \"${identity}\" }").start();
    is_refused(&templated, &broker, RawClient::dial(templated.plain()), V5_0);
    // What MQTT 3.1.1 can't say is not half said.
    let nameless = Setup::to(broker.address)
        .broker("credentials = { mode = \"fixed\", password_file = \"password\" }")
        .file("password", "s3cret")
        .start();
    is_refused(&nameless, &broker, RawClient::dial(nameless.plain()), V3_1_1);
}

#[test]
fn a_table_that_has_changed_holds_for_the_next_connect() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .broker("credentials = { mode = \"identity\", table = \"accounts.toml\" }")
        .file("accounts.toml", "temp-07 = { username = \"plant7\", password = \"old\" }\n")
        .start();
    let sent = Connect::new(V3_1_1, "c");
    assert_eq!(credentials(&forwarded(&gateway, &broker, "temp-07", &sent)).1, "old");
    gateway.write("accounts.toml", "temp-07 = { username = \"plant7\", password = \"new\" }\n");
    gateway.process.signal(rustix::process::Signal::HUP);
    wait_for("the new password at the broker", || {
        (credentials(&forwarded(&gateway, &broker, "temp-07", &sent)).1 == "new").then_some(())
    });
}

/// Checks a token as the service does that it is for: by an implementation that is not ours.
const SAS_CHECK: &str = r#"
import base64, hashlib, hmac, sys, time, urllib.parse
token, key, resource, lifetime = sys.argv[1:]
kind, _, rest = token.partition(" ")
assert kind == "SharedAccessSignature", kind
fields = dict(part.split("=", 1) for part in rest.split("&"))
assert set(fields) == {"sr", "sig", "se"}, fields
assert urllib.parse.unquote(fields["sr"]) == resource, fields["sr"]
signed = (fields["sr"] + "\n" + fields["se"]).encode()
due = base64.b64encode(hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()).decode()
assert hmac.compare_digest(urllib.parse.unquote(fields["sig"]), due), fields["sig"]
left = int(fields["se"]) - time.time()
assert int(lifetime) - 60 < left <= int(lifetime), left
"#;

/// User name and password of a CONNECT of 3.1.1 without a Will.
fn credentials(connect: &[u8]) -> (String, String) {
    let mut rest = &wire::body(connect)[10..];
    let mut next = || {
        let (text, behind) = rest[2..].split_at(usize::from(u16::from_be_bytes([rest[0], rest[1]])));
        rest = behind;
        String::from_utf8(text.to_vec()).expect("text")
    };
    let _client_id = next();
    (next(), next())
}

#[test]
fn shared_access_signatures_are_what_the_service_checks() {
    let (key, other) = ("c2VjcmV0IG9mIHRlbXAtMDc=", "c2VjcmV0IG9mIHRlbXAtMDg=");
    let broker = RecordingBroker::polite();
    let sas = "credentials = { mode = \"sas\", username = \"hub.example/${identity}/?api-version=2021-04-12\", \
               sas = { resource = \"hub.example/devices/${identity}\", keys = \"keys.toml\", lifetime = \"2h\" } }";
    let gateway = Setup::to(broker.address)
        .broker(sas)
        .file("keys.toml", &format!("temp-07 = {key:?}\ntemp-08 = {other:?}\n"))
        .start();
    let mut tokens = Vec::new();
    for (name, key) in [("temp-07", key), ("temp-08", other)] {
        let sent = Connect { login: login("operator", "secret"), ..Connect::new(V3_1_1, name) };
        let (username, token) = credentials(&forwarded(&gateway, &broker, name, &sent));
        assert_eq!(username, format!("hub.example/{name}/?api-version=2021-04-12"));
        let resource = format!("hub.example/devices/{name}");
        let mut python = Command::new(tool("python3", "python3"));
        let checked = python.args(["-c", SAS_CHECK, &token, key, &resource, "7200"]).output().expect("Python runs");
        assert!(checked.status.success(), "{token}: {}", String::from_utf8_lossy(&checked.stderr));
        tokens.push(token);
    }
    assert_ne!(tokens[0], tokens[1]);
    is_refused(&gateway, &broker, dial_as(&gateway, "temp-09"), V5_0);
    let lines = format!("{:?}{}", gateway.audit(), gateway.process.log());
    assert!(!lines.contains("SharedAccessSignature") && !lines.contains(key), "no secret is recorded");
}
