//! `tidegate sign` and `tidegate verify` as they are called.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::*;

const TOPIC: &str = "plant/temp";
const CARRIERS: [&str; 6] = ["user-property", "jws", "jws-detached", "cose", "json-field", "trailer"];
const JSON: &[u8] = br#"{"celsius":21.5}"#;

fn sign(carrier: &str, more: &[&str]) -> Output {
    let keys = keys("private.json");
    let common = ["sign", "--keys", &keys, "--topic", TOPIC, "--carrier", carrier];
    tidegate(&[&common, more].concat(), JSON)
}

fn verify(carrier: &str, more: &[&str], input: &[u8]) -> Output {
    let keys = keys("public.json");
    tidegate(&[&["verify", "--keys", &keys, "--carrier", carrier], more].concat(), input)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn what_is_signed_is_verified_and_what_is_moved_is_not() {
    for carrier in CARRIERS {
        for kid in ["hmac-1", "ed-1", "p256-1", "p384-1", "rsa-1"] {
            let signed = sign(carrier, &["--kid", kid, "--json"]);
            assert_eq!(signed.status.code(), Some(0), "{signed:?}");
            let said = verify(carrier, &["--message", "-", "--json"], &signed.stdout);
            assert_eq!((said.status.code(), json(&said)["kid"].as_str()), (Some(0), Some(kid)), "{said:?}");
            let moved = verify(carrier, &["--message", "-", "--json", "--topic", "plant/other"], &signed.stdout);
            let why = if carrier.starts_with("jws") { "topic" } else { "signature" };
            assert_eq!((moved.status.code(), json(&moved)["why"].as_str()), (Some(1), Some(why)), "{carrier} {kid}");
        }
        let late = sign(carrier, &["--kid", "ed-1", "--json", "--time", "1000"]);
        let said = verify(carrier, &["--message", "-"], &late.stdout);
        assert_eq!(said.status.code(), Some(1));
        assert!(text(&said.stderr).contains("(stale)"), "{said:?}");
        assert!(said.stdout.is_empty());
        let said = verify(carrier, &["--message", "-", "--time", "1500"], &late.stdout);
        assert_eq!(text(&said.stdout), "signed with `ed-1`\n");
        let counted = sign(carrier, &["--kid", "hmac-1", "--counter", "7", "--no-time", "--json"]);
        let said = verify(carrier, &["--message", "-", "--any-age", "--json"], &counted.stdout);
        assert_eq!((json(&said)["counter"].as_u64(), &json(&said)["signed_at"]), (Some(7), &Value::Null));
    }
}

#[test]
fn a_signed_payload_goes_through_a_pipe_and_comes_back_plain() {
    for carrier in ["jws", "cose", "json-field", "trailer"] {
        let signed = sign(carrier, &["--kid", "hmac-1"]);
        let plain = verify(carrier, &["--topic", TOPIC, "--plain"], &signed.stdout);
        assert_eq!((plain.status.code(), &plain.stdout[..]), (Some(0), JSON), "{carrier}");
    }
    let none = verify("trailer", &["--topic", TOPIC, "--plain"], JSON);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0), "nothing of what does not hold is passed on");
}

#[test]
fn properties_are_written_as_options_of_mosquitto_pub() {
    for carrier in ["user-property", "jws-detached"] {
        let signed = text(&sign(carrier, &["--kid", "ed-1"]).stdout);
        let mut properties = Vec::new();
        for line in signed.lines() {
            let pair = line.strip_prefix("-D publish user-property ").unwrap();
            properties.push(pair.replacen(' ', "=", 1));
        }
        let mut arguments = vec!["--topic", TOPIC];
        for property in &properties {
            arguments.extend(["--property", property]);
        }
        let said = verify(carrier, &arguments, JSON);
        assert_eq!(said.status.code(), Some(0), "{said:?}");
        let altered = verify(carrier, &arguments, br#"{"celsius":99.9}"#);
        assert_eq!(altered.status.code(), Some(1));
    }
}

#[test]
fn names_and_places_are_as_they_are_asked_for() {
    let names = ["--name", "kid=k", "--name", "signature=s"];
    let signed = sign("user-property", &[&["--kid", "ed-1", "--json"][..], &names].concat());
    let properties = json(&signed)["properties"].to_string();
    assert!(properties.contains(r#"["k","ed-1"]"#) && !properties.contains("tg-sig"), "{properties}");
    assert_eq!(
        verify("user-property", &[&["--message", "-"][..], &names].concat(), &signed.stdout).status.code(),
        Some(0)
    );
    let signed = sign("json-field", &["--kid", "ed-1", "--field", "/proof", "--nonce", "00112233445566778899"]);
    let document: Value = serde_json::from_slice(&signed.stdout).unwrap();
    assert_eq!(document["proof"]["nonce"], "ABEiM0RVZneImQ");
}

#[test]
fn a_new_key_is_added_to_both_sets_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (private, public) = (path("private.json"), path("public.json"));
    for (kid, algorithm) in [("a", "EdDSA"), ("b", "ES256"), ("c", "ES384"), ("d", "HS256")] {
        let more = ["--identity", "pump", "--expires", "2100-01-01T00:00:00Z"];
        let made = tidegate(
            &[&["sign", "--new-key", algorithm, "--kid", kid, "--keys", &private, "--public", &public][..], &more]
                .concat(),
            b"",
        );
        assert_eq!(made.status.code(), Some(0), "{made:?}");
        let signed = tidegate(&["sign", "--keys", &private, "--kid", kid, "--topic", TOPIC, "--json"], JSON);
        let said = tidegate(&["verify", "--keys", &public, "--message", "-", "--json"], &signed.stdout);
        assert_eq!(json(&said)["identities"][0], "pump", "{said:?}");
    }
    for file in [&private, &public] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside them");
    let before = fs::read(&private).unwrap();
    let again = tidegate(&["sign", "--new-key", "EdDSA", "--kid", "a", "--keys", &private], b"");
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(fs::read(&private).unwrap(), before, "a set that would not be good is left as it was");
    assert!(!fs::read_to_string(&public).unwrap().contains("\"d\":\""), "no private half in the public set");
}

#[test]
fn each_way_to_fail_has_its_exit_code() {
    let (private, public) = (keys("private.json"), keys("public.json"));
    let cases: &[(&[&str], i32)] = &[
        (&["sign", "--keys", &private, "--kid", "ed-1"], 2),
        (&["sign", "--keys", &private, "--topic", "t"], 2),
        (&["sign", "--keys", &private, "--kid", "ed-1", "--topic", "t", "--carrier", "smoke"], 2),
        (&["sign", "--keys", &private, "--kid", "ed-1", "--topic", "t", "--nonce", "00"], 2),
        (&["sign", "--keys", &private, "--kid", "ed-1", "--topic", "t", "--no-time"], 2),
        (&["sign", "--keys", &private, "--kid", "ed-1", "--topic", "t", "--carrier", "json-field", "--field", ""], 2),
        (&["sign", "--keys", &private, "--kid", "ed-1", "--topic", "t", "--name", "x=y"], 2),
        (&["sign", "--keys", &private, "--kid", "nobody", "--topic", "t"], 1),
        (&["sign", "--keys", &public, "--kid", "ed-1", "--topic", "t"], 1),
        (&["sign", "--keys", &private, "--kid", "ed-1", "--topic", "t", "--carrier", "json-field"], 1),
        (&["sign", "--keys", "/nowhere", "--topic", "t"], 3),
        (&["sign", "--keys", &private, "--kid", "ed-1", "--topic", "t", "/nowhere"], 3),
        (&["sign", "--keys", "/nowhere/k", "--kid", "k", "--new-key", "EdDSA"], 3),
        (&["sign", "--keys", &private, "--kid", "k", "--new-key", "RS256"], 2),
        (&["verify", "--keys", &public, "--topic", "t"], 1),
        (&["verify", "--keys", &private, "--topic", "t"], 1),
        (&["verify", "--keys", &public], 2),
        (&["verify", "--keys", &public, "--topic", "t", "--max-age", "soon"], 2),
        (&["verify", "--keys", &public, "--topic", "t", "--algorithm", "RS256"], 2),
        (&["verify", "--keys", &public, "--topic", "t", "--algorithm", "none"], 2),
        (&["verify", "--keys", &public, "--topic", "t", "--property", "x"], 2),
        (&["verify", "--keys", "/nowhere", "--topic", "t"], 3),
        (&["verify", "--keys", &public, "--message", "-"], 3),
    ];
    for (arguments, code) in cases {
        let output = tidegate(arguments, b"not json");
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
        assert!(!text(&output.stderr).contains("nWGxne"), "no key is shown");
    }
}
