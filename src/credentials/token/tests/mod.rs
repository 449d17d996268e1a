mod claims;
mod signatures;

use std::fmt::Write as _;

use aws_lc_rs::hmac;

use super::*;

/// By another implementation: see the page beside them.
const KEYS: &str = include_str!("../../../../tests/vectors/tokens/keys.json");
const TOKENS: &str = include_str!("../../../../tests/vectors/tokens/tokens.txt");
const NOW: i64 = 1_800_000_100;
/// 64 bytes.
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const HEADER: &str = r#"{"alg":"HS256"}"#;
const GOOD: &str = r#""sub":"pump-7","exp":1800003600"#;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

/// `oct` keys of these secrets, with the members given.
fn secrets(keys: &[(&str, &[u8])]) -> Keys {
    let mut json = String::new();
    for (members, secret) in keys {
        let comma = if json.is_empty() { "" } else { "," };
        let _ = write!(json, r#"{comma}{{"kty":"oct","k":"{}"{members}}}"#, encode(secret));
    }
    Keys::parse(format!(r#"{{"keys":[{json}]}}"#).as_bytes()).unwrap()
}

fn sign(algorithm: hmac::Algorithm, secret: &[u8], header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    format!("{message}.{}", encode(tag))
}

fn hs256(header: &str, payload: &str) -> String {
    sign(hmac::HMAC_SHA256, SECRET, header, payload)
}

fn any() -> Verifier {
    Verifier { algorithms: Algorithm::ALL.to_vec(), ..Verifier::default() }
}

/// What becomes of claims that are signed as they should be.
fn say(verifier: &Verifier, claims: &str) -> Result<Token, TokenError> {
    verifier.verify(&secrets(&[("", SECRET)]), &hs256(HEADER, &format!("{{{claims}}}")), NOW)
}

fn vectors() -> impl Iterator<Item = (Algorithm, &'static str)> {
    TOKENS.lines().map(|line| {
        let (name, token) = line.split_once(' ').unwrap();
        (Algorithm::parse(name).unwrap(), token)
    })
}

#[test]
fn labels_are_one_word_each_and_no_error_repeats_another() {
    let mut labels: Vec<_> = TokenError::ALL.iter().map(|error| error.label()).collect();
    assert!(labels.iter().all(|label| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), TokenError::ALL.len());
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::parse(algorithm.name()), Some(*algorithm));
    }
    assert_eq!(Algorithm::parse("Ed25519"), Some(Algorithm::EdDsa));
    assert!(["", "none", "hs256", "HS256 ", "ES512", "Ed448"].iter().all(|name| Algorithm::parse(name).is_none()));
}

#[test]
fn nothing_secret_is_shown() {
    let keys = secrets(&[("", SECRET)]);
    let said = say(&any(), &format!("{GOOD},\"pin\":\"4711\"")).unwrap();
    for shown in [format!("{keys:?}"), format!("{said:?}")] {
        assert!(
            !shown.contains("4711") && !shown.contains(&encode(SECRET)) && !shown.contains("0123456789"),
            "{shown}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn no_token_and_no_key_set_panics(
        header in "[ -~]{0,60}", payload in "\\{([\"a-c{}\\[\\]:,0-9.e+-]|\"a\":|\"exp\":1800003600,){0,40}\\}", token in "[ -~]{0,100}",
    ) {
        let keys = secrets(&[("", SECRET)]);
        let _ = any().verify(&keys, &token, NOW);
        let _ = any().verify(&keys, &hs256(&header, &payload), NOW);
        let _ = any().verify(&keys, &hs256(HEADER, &payload), NOW);
        let _ = Keys::parse(payload.as_bytes());
        let _ = Keys::parse(format!(r#"{{"keys":[{payload}]}}"#).as_bytes());
    }
}
