//! Signed tokens in the password or in the user name.

use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::passwords::{CHEAP, file};
use super::{BAD_CREDENTIALS, NOT_AUTHORIZED, Outcome, dial, is_nowhere, judge, with_login};
use crate::support::PATIENCE;
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::Ended;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1, V5_0, VERSIONS};

/// Whoever issues tokens.
struct Issuer(EcdsaKeyPair);

impl Issuer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    /// Its JWK set.
    fn keys(&self) -> String {
        let point = self.0.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| BASE64URL_NOPAD.encode(half));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": x, "y": y}]}).to_string()
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": "JWT"});
        let [header, claims] = [&header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

fn now() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| i64::try_from(since.as_secs()).expect("a time"))
}

const SETTINGS: &str = "identity.sources = [\"token\"]\nidentity.token.keys = \"keys.json\"\n\
    identity.token.algorithms = [\"ES256\"]\nidentity.token.issuer = \"https://issuer.plant\"\n\
    identity.token.audience = \"mqtt\"";

fn start(broker: &RecordingBroker, issuer: &Issuer, lines: &str) -> Gateway {
    Setup::to(broker.address).only(&[Door::Plain]).file("keys.json", &issuer.keys()).each_listener(lines).start()
}

/// Good for a minute; what `changes` names is otherwise, and gone where that is null.
fn claims(changes: &Value) -> Value {
    let mut claims =
        json!({"sub": "pump-7", "iss": "https://issuer.plant", "aud": ["mqtt", "x"], "exp": now() + 60, "iat": now()});
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

#[test]
fn a_token_names_the_client_and_each_reason_against_one_is_recorded() {
    let (broker, issuer, other) = (RecordingBroker::polite(), Issuer::new(), Issuer::new());
    let gateway = start(&broker, &issuer, SETTINGS);
    let ask = |version: u8, number: usize, token: &str| {
        let connect = with_login(version, &format!("c-{version}-{number}"), "operator", Some(token));
        judge(&gateway, dial(&gateway, Door::Plain, None), &connect)
    };
    let good = issuer.token(&claims(&json!({})));
    for version in VERSIONS {
        let refused = |rule: &str| Outcome::refused(BAD_CREDENTIALS.of(version), &format!("identity.token.{rule}"));
        let known = || Outcome::known("pump-7", "token");
        let cases = [
            (json!({}), known()),
            (json!({"exp": now() - 31}), refused("expired")),
            (json!({"exp": now() - 5}), known()),
            (json!({"nbf": now() + 90}), refused("not_yet_valid")),
            (json!({"nbf": now() + 5}), known()),
            (json!({"iat": now() + 90}), refused("not_yet_valid")),
            (json!({"iss": "https://elsewhere"}), refused("issuer")),
            (json!({"iss": null}), refused("issuer")),
            (json!({"aud": "web"}), refused("audience")),
            (json!({"aud": null}), refused("audience")),
            (json!({"exp": null}), refused("no_expiry")),
            (json!({"sub": null}), refused("no_name")),
            (json!({"sub": ["a", "b"]}), refused("no_name")),
        ];
        for (number, (changes, expected)) in cases.into_iter().enumerate() {
            assert_eq!(ask(version, number, &issuer.token(&claims(&changes))), expected, "{changes}");
        }
        assert_eq!(ask(version, 90, &other.token(&claims(&json!({})))), refused("signature"));
        assert_eq!(ask(version, 91, "a password"), refused("malformed"));
        assert_eq!(ask(version, 92, good.rsplit_once('.').expect("parts").0), refused("malformed"));
        let nothing = Connect::new(version, &format!("none-{version}"));
        let judged = judge(&gateway, dial(&gateway, Door::Plain, None), &nothing);
        assert_eq!(judged, Outcome::refused(NOT_AUTHORIZED.of(version), "identity"));
    }
    is_nowhere(&gateway, &good);
}

#[test]
fn a_token_in_the_user_name_is_neither_recorded_nor_taken_for_a_name() {
    let (broker, issuer) = (RecordingBroker::polite(), Issuer::new());
    let gateway = start(&broker, &issuer, &format!("{SETTINGS}\nidentity.token.carrier = \"username\""));
    for (client_id, changes) in [("good", json!({})), ("late", json!({"exp": 1}))] {
        let token = issuer.token(&claims(&changes));
        judge(&gateway, dial(&gateway, Door::Plain, None), &with_login(V3_1_1, client_id, &token, None));
        is_nowhere(&gateway, &token);
    }
    assert_eq!(gateway.wait_audit(&[("event", "ended"), ("client_id", "good")])["identity"], "pump-7");
    assert_eq!(gateway.wait_audit(&[("event", "ended"), ("client_id", "late")])["rule"], "identity.token.expired");
}

#[test]
fn a_password_that_is_no_token_is_left_to_the_passwords_and_a_bad_token_is_not() {
    let (broker, issuer) = (RecordingBroker::polite(), Issuer::new());
    let lines = SETTINGS.replace("[\"token\"]", "[\"token\", \"password\"]");
    let gateway = Setup::to(broker.address)
        .only(&[Door::Plain])
        .file("keys.json", &issuer.keys())
        .file("passwords", &file(&[("operator", "right")], CHEAP))
        .each_listener(&format!("{lines}\nidentity.password.files = [\"passwords\"]"))
        .start();
    let ask = |client_id: &str, password: &str| {
        judge(&gateway, dial(&gateway, Door::Plain, None), &with_login(V3_1_1, client_id, "operator", Some(password)))
    };
    assert_eq!(ask("a", "right"), Outcome::known("operator", "password"));
    assert_eq!(ask("b", "wrong"), Outcome::refused(BAD_CREDENTIALS.0, "identity.password"));
    assert_eq!(ask("c", &issuer.token(&claims(&json!({})))), Outcome::known("pump-7", "token"));
    let late = issuer.token(&claims(&json!({"exp": 1})));
    assert_eq!(ask("d", &late), Outcome::refused(BAD_CREDENTIALS.0, "identity.token.expired"));
}

#[test]
fn a_connection_ends_with_its_token() {
    let (broker, issuer) = (RecordingBroker::polite(), Issuer::new());
    let gateway = start(&broker, &issuer, &format!("{SETTINGS}\nidentity.token.leeway = \"0s\""));
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let token = issuer.token(&claims(&json!({"exp": now() + 3})));
        let client_id = format!("c-{version}");
        let mut client = dial(&gateway, Door::Plain, None);
        client.send(&with_login(version, &client_id, "operator", Some(&token)).bytes());
        assert_eq!(wire::body(&client.frame())[1], 0);
        let began = Instant::now();
        client.send(&wire::PINGREQ);
        client.expect(&wire::PINGRESP);
        let (told, _) = client.rest(PATIENCE);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        match version {
            V5_0 => assert_eq!(wire::disconnect_reason(&told), Some(0xa0), "{told:02x?}"),
            _ => assert!(told.is_empty(), "closed: {told:02x?}"),
        }
        assert_eq!(broker.wait_ended(number), Ended::Closed);
        let last = broker.frames(number).pop().expect("a frame");
        assert_eq!(last[0], 0xc0, "no DISCONNECT at the broker, so that it publishes the Will");
        gateway.wait_audit(&[("event", "ended"), ("client_id", &client_id), ("cause", "expired")]);
    }
}
