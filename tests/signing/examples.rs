//! What `examples/signing` shows is what the gateway takes, and refuses.

use aws_lc_rs::signature::Ed25519KeyPair;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Value, json};

use super::*;

const TOPIC: &str = "plant/line1/temperature/temp-7";

fn verify(more: &[&str], input: &[u8]) -> Output {
    let keys = keys("public.json");
    tidegate(&[&["verify", "--keys", &keys], more].concat(), input)
}

/// The member of a key of `tests/vectors/signatures/private.json`.
fn member(kid: &str, name: &str) -> Vec<u8> {
    let set: Value = serde_json::from_slice(&std::fs::read(keys("private.json")).unwrap()).unwrap();
    let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap();
    BASE64URL_NOPAD.decode(key[name].as_str().unwrap().as_bytes()).unwrap()
}

/// Python with the package that Ed25519 takes, where `tests/prepare` has put it; else any.
fn python(script: &str, arguments: &[&str], input: &[u8]) -> Output {
    let own = repository(".venv/bin/python");
    let python = if own.exists() { own } else { "python3".into() };
    run(
        Command::new(python)
            .arg(repository("examples/signing").join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
        input,
    )
}

fn has_cryptography() -> bool {
    let own = repository(".venv/bin/python");
    own.exists() && Command::new(own).args(["-c", "import cryptography"]).output().unwrap().status.success()
}

#[test]
fn the_device_in_rust_signs() {
    let key = Ed25519KeyPair::from_seed_unchecked(&member("ed-1", "d")).unwrap();
    let properties = device::sign(&key, "ed-1", TOPIC, b"21.5", 1_800_000_000_000, &[7; 16]);
    let message = |payload: &str| json!({"topic": TOPIC, "payload": payload, "properties": properties}).to_string();
    let at = ["--message", "-", "--time", "1800000000000"];
    assert_eq!(verify(&at, message("MjEuNQ==").as_bytes()).status.code(), Some(0));
    assert_eq!(verify(&at, message("MjEuNg==").as_bytes()).status.code(), Some(1));
}

#[test]
fn the_device_in_python_signs() {
    let kids: &[&str] = if has_cryptography() { &["hmac-1", "ed-1"] } else { &["hmac-1"] };
    for kid in kids {
        let signed = python("device.py", &[&keys("private.json"), kid, TOPIC], b"21.5");
        assert!(signed.status.success(), "{signed:?}");
        let said = verify(&["--message", "-"], &signed.stdout);
        assert_eq!(said.status.code(), Some(0), "{said:?}");
    }
}

#[test]
fn the_device_in_c_signs() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("device");
    let compiled = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-o"])
        .args([&program, &repository("examples/signing/device.c")])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", text(&compiled.stderr));
    let secret = HEXLOWER.encode(&member("hmac-1", "k"));
    // Around the blocks of SHA-256, and one of many.
    for length in (0..140).chain([60_000]) {
        let payload = vec![b'x'; length];
        let counter = (length + 1).to_string();
        let signed = run(Command::new(&program).args(["hmac-1", &secret, TOPIC, &counter]), &payload);
        assert!(signed.status.success());
        if length % 20 != 0 {
            continue;
        }
        let trailer = ["--carrier", "trailer", "--any-age", "--topic", TOPIC];
        let said = verify(&[&trailer[..], &["--json"]].concat(), &signed.stdout);
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!((&said["ok"], &said["counter"]), (&json!(true), &json!(length + 1)), "{length}: {said}");
        assert_eq!(verify(&[&trailer[..], &["--plain"]].concat(), &signed.stdout).stdout, payload);
    }
}

#[test]
fn the_consumer_in_python_takes_what_is_signed_and_nothing_else() {
    let sign = |more: &[&str]| {
        let keys = keys("private.json");
        text(&tidegate(&[&["sign", "--keys", &keys, "--topic", TOPIC, "--json"], more].concat(), b"21.5").stdout)
    };
    let consume = |messages: &str| python("consumer.py", &[&keys("public.json")], messages.as_bytes());
    let kids: &[&str] = if has_cryptography() { &["hmac-1", "ed-1"] } else { &["hmac-1"] };
    for kid in kids {
        let good = sign(&["--kid", kid]);
        let taken = consume(&good);
        assert_eq!((taken.status.code(), text(&taken.stdout)), (Some(0), "21.5\n".to_owned()), "{taken:?}");
        let twice = format!("{good}{good}");
        let stale = sign(&["--kid", kid, "--time", "1000"]);
        let doubled = good.replace("[[", &format!("[[\"tg-kid\",\"{kid}\"],["));
        let cases = [
            (twice, "replayed"),
            (stale, "stale or early"),
            (good.replace("temp-7", "temp-8"), "signature"),
            (good.replace("MjEuNQ==", "MjEuNg=="), "signature"),
            (good.replace(kid, "nobody"), "unknown_key"),
            (good.replace("tg-sig", "sig"), "missing or malformed"),
            (doubled, "duplicate"),
        ];
        for (message, why) in cases {
            let refused = consume(&message);
            assert_eq!(refused.status.code(), Some(1), "{why}");
            assert_eq!(text(&refused.stderr), format!("refused: {why}\n"));
        }
    }
}
