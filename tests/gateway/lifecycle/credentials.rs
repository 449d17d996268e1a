//! Password entries and token keys that change under live connections.

use data_encoding::BASE64URL_NOPAD as BASE64;
use serde_json::json;

use super::{SIGNAL_ONLY, is_alive};
use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V5_0};

/// SHA-512 of `pass word`, salted, as Mosquitto 1.x wrote it: cheap to check.
const ENTRY: &str =
    "$6$AAECAwQFBgcICQoL$GTp4MsNDKIqejNwwxZuw6aOCEyRJyjeyh1zNep5axU9y+B3kt2wm537aqXueObfFL8ObBRu0lLK5LLCxptNGbw==";

/// What the gateway answers to this login.
fn answer(gateway: &Gateway, username: &str, password: &[u8]) -> (RawClient, u8) {
    let mut client = RawClient::dial(gateway.plain());
    let login = Some((username.to_owned(), Some(password.to_vec())));
    client.send(&Connect { login, ..Connect::new(V5_0, username) }.bytes());
    let connack = client.frame();
    assert_eq!(connack[0], 0x20);
    let code = wire::body(&connack)[1];
    (client, code)
}

fn enter(gateway: &Gateway, username: &str, password: &[u8]) -> RawClient {
    let (client, code) = answer(gateway, username, password);
    assert_eq!(code, 0, "{username}");
    client
}

fn reload(gateway: &Gateway) {
    let applied = gateway.metric("tidegate_reloads_total", &["outcome=\"applied\""]);
    gateway.hang_up();
    gateway.wait_reloads("applied", applied + 1.0);
}

/// It was told that its credentials are not good any more, and recorded as that.
fn is_gone(gateway: &Gateway, client: &mut RawClient, client_id: &str) {
    assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x87), "{client_id}");
    client.expect_end();
    let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", client_id)]);
    assert_eq!(ended["cause"], "credentials_revoked", "{ended}");
}

#[test]
fn a_password_entry_that_is_removed_or_replaced_ends_its_connections_alone() {
    let broker = RecordingBroker::polite();
    let entries = format!("anna:{ENTRY}\nbert:{ENTRY}\ncarl:{ENTRY}\n");
    let gateway = Setup::to(broker.address)
        .with(SIGNAL_ONLY)
        .file("passwords", &entries)
        .each_listener("identity.sources = [\"password\"]\nidentity.password.files = [\"passwords\"]")
        .start();
    let [mut anna, mut bert, mut carl] = ["anna", "bert", "carl"].map(|name| enter(&gateway, name, b"pass word"));
    reload(&gateway);
    [&mut anna, &mut bert, &mut carl].into_iter().for_each(is_alive);
    // In another order, and with one more: what counts is the entry.
    gateway.put("passwords", &format!("dora:{ENTRY}\ncarl:{ENTRY}\nbert:{}\n", ENTRY.replace("AAEC", "AAED")));
    reload(&gateway);
    is_gone(&gateway, &mut anna, "anna");
    is_gone(&gateway, &mut bert, "bert");
    is_alive(&mut carl);
    assert_eq!(answer(&gateway, "anna", b"pass word").1, 0x86);
    enter(&gateway, "dora", b"pass word").goodbye();
}

/// A token for `subject`, signed with `key`.
fn token(subject: &str, key_id: &str, key: &[u8]) -> Vec<u8> {
    let part = |value: serde_json::Value| BASE64.encode(value.to_string().as_bytes());
    let head = part(json!({"alg": "HS256", "typ": "JWT", "kid": key_id}));
    let claims = part(json!({"sub": subject, "exp": 4_000_000_000_u64}));
    let signed = format!("{head}.{claims}");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    let signature = BASE64.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}").into_bytes()
}

fn key_set(keys: &[(&str, &[u8])]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|(id, key)| json!({"kty": "oct", "alg": "HS256", "kid": id, "k": BASE64.encode(key)}))
        .collect();
    json!({"keys": keys}).to_string()
}

#[test]
fn a_key_that_leaves_the_set_ends_those_whose_tokens_it_signed() {
    let (old, new) = ([7_u8; 32], [8_u8; 32]);
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .with(SIGNAL_ONLY)
        .file("keys.json", &key_set(&[("old", &old), ("new", &new)]))
        .each_listener(
            "identity.sources = [\"token\"]\n\
             identity.token = { keys = \"keys.json\", algorithms = [\"HS256\"] }",
        )
        .start();
    let mut first = enter(&gateway, "first", &token("first", "old", &old));
    let mut second = enter(&gateway, "second", &token("second", "new", &new));
    gateway.put("keys.json", &key_set(&[("newest", &[9; 32]), ("new", &new)]));
    reload(&gateway);
    is_gone(&gateway, &mut first, "first");
    is_alive(&mut second);
    assert_ne!(answer(&gateway, "first", &token("first", "old", &old)).1, 0);
    enter(&gateway, "third", &token("third", "newest", &[9; 32])).goodbye();
}

#[test]
fn another_binding_ends_those_that_it_does_not_fit() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .with(SIGNAL_ONLY)
        .file("passwords", &format!("anna:{ENTRY}\n"))
        .each_listener("identity = { sources = [\"password\"], client_id = [\"*\"], password.files = [\"passwords\"] }")
        .start();
    let login = Some(("anna".to_owned(), Some(b"pass word".to_vec())));
    let mut own =
        RawClient::connect(gateway.plain(), &Connect { login: login.clone(), ..Connect::new(V5_0, "anna-1") });
    let mut other = RawClient::connect(gateway.plain(), &Connect { login, ..Connect::new(V5_0, "bert-1") });
    gateway.put(
        "gateway.toml",
        &gateway.read("gateway.toml").replace("client_id = [\"*\"]", "client_id = [\"${identity}-*\"]"),
    );
    reload(&gateway);
    is_gone(&gateway, &mut other, "bert-1");
    is_alive(&mut own);
}
