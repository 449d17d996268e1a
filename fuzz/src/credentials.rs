//! Password files, tokens and key sets from anybody.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use tidegate::credentials::admission::{self, Door};
use tidegate::credentials::answer::{self, Allowed, Answer, Format};
use tidegate::credentials::is_name;
use tidegate::credentials::password::{self, MAX_PROBLEMS, Passwords};
use tidegate::credentials::token::{Algorithm, Keys, MAX_CLAIM_BYTES, MAX_CLAIMS, Token, Verifier};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

/// Every entry that is read can be had by its name, and the file that they make up reads the same.
pub(crate) fn passwords(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (passwords, problems) = Passwords::parse(text);
    let lines = text.split('\n').count();
    assert!(problems.len() <= MAX_PROBLEMS + 1 && problems.iter().all(|problem| problem.line <= lines));
    assert!(passwords.len() + problems.len() <= lines + 1);
    let names: Vec<&str> = passwords.names().collect();
    assert!(names.is_sorted_by(|one, other| one < other), "each name once");
    let mut again = String::new();
    for name in &names {
        assert!(password::check_name(name).is_ok());
        assert!(passwords.get(name).is_some());
        again.push_str(text.split('\n').find(|line| password::name_of(line) == Some(name) && is_taken(line)).unwrap());
        again.push('\n');
    }
    let (same, problems) = Passwords::parse(&again);
    assert!(problems.is_empty() && same.names().eq(names));
    for name in same.names() {
        assert_eq!(same.get(name).map(|entry| entry.mark()), passwords.get(name).map(|entry| entry.mark()));
        let stand_in = same.stand_in(name);
        assert!(
            same.names()
                .any(|name| same.get(name).is_some_and(|entry| entry.memory_bytes() == stand_in.memory_bytes()))
        );
    }
}

fn is_taken(line: &str) -> bool {
    Passwords::parse(line).1.is_empty()
}

/// The first byte says what the rest is: keys, a token, or the name, end and changes of one that is made.
pub(crate) fn admission(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let mut keys = admission::Keys::default();
    assert!(keys.add("7:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").is_ok());
    let text = String::from_utf8_lossy(rest);
    match kind {
        b'k' => {
            let lines = text.lines().count();
            if let Err(problems) = keys.add(&text) {
                assert!(problems.len() <= lines && problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
            }
            assert!(keys.newest() >= Some(7));
        }
        b't' => {
            assert!(keys.check(rest, NOW).is_err(), "nobody guesses a tag");
            let door = Door { keys, server_name: true, protocol: true, username: true, required: true };
            let (name, _) = door.hello(Some(&text), [rest], NOW);
            assert!(name.is_some_and(|name| text.ends_with(name)));
            assert!(door.connect(None, Some(&text), NOW).1.is_err());
        }
        b'm' => {
            let (Some((expires, rest)), Some(at)) = (rest.split_first_chunk::<4>(), rest.first()) else { return };
            let (expires, name) = (u32::from_be_bytes(*expires), String::from_utf8_lossy(rest));
            let token = keys.make(7, expires, Some(&name)).expect("a key");
            let pass = keys.check(token.as_bytes(), i64::from(expires) - 1).expect("it was just made");
            assert_eq!(keys.admit(&pass, Some(&name)), Ok(()));
            assert!(keys.admit(&pass, Some(&format!("{name}x"))).is_err());
            let mut changed = token.into_bytes();
            let at = usize::from(*at) % changed.len();
            changed[at] ^= 1;
            assert!(keys.check(&changed, i64::from(expires) - 1).is_err(), "each letter counts");
        }
        _ => {}
    }
}

/// The first byte says what the rest is: a key set, a whole token, the claims or the header of a signed one.
pub(crate) fn tokens(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let keys = Keys::parse(format!(r#"{{"keys":[{{"kty":"oct","k":"{}"}}]}}"#, encode(SECRET)).as_bytes());
    let keys = keys.expect("one good key");
    match kind {
        b'k' => {
            if let Ok(set) = Keys::parse(rest) {
                assert!(Algorithm::ALL.iter().any(|algorithm| set.supports(*algorithm)));
                let _ = verifier().verify(&set, &signed(br#"{"alg":"HS256"}"#, b"{}"), NOW);
            }
        }
        b't' => {
            let token = String::from_utf8_lossy(rest);
            assert!(verifier().verify(&keys, &token, NOW).is_err(), "nobody guesses a signature");
        }
        b'h' => {
            let payload = br#"{"sub":"a","exp":1900000000}"#;
            if verifier().verify(&keys, &signed(rest, payload), NOW).is_ok() {
                let header: serde_json::Value = serde_json::from_slice(rest).expect("JSON");
                assert_eq!(header["alg"], "HS256");
                assert!(header.get("crit").is_none() && header.get("kid").is_none());
            }
        }
        _ => {
            let token = signed(br#"{"alg":"HS256"}"#, rest);
            if let Ok(said) = verifier().verify(&keys, &token, NOW) {
                claims(&said, rest, &token);
            }
        }
    }
}

/// The first byte chooses the format and the next two the status. Only a clear yes lets in, with a name that can be one.
pub(crate) fn answers(data: &[u8]) {
    let Some(([kind, status @ ..], body)) = data.split_first_chunk::<3>() else { return };
    let (status, format) = (u16::from_be_bytes(*status), if kind % 2 == 0 { Format::Json } else { Format::Form });
    let Ok(Answer::Allow(Allowed { name, claims, .. })) = answer::read(format, status, body) else { return };
    assert!(status == 200 || status == 204 && format == Format::Form);
    let value = serde_json::from_slice::<serde_json::Value>(body).ok();
    let said = value.as_ref().map(|value| [&value["allow"], &value["Ok"], &value["result"]]);
    let is_yes = said.is_some_and(|said| said.iter().any(|said| **said == true || **said == "allow" || **said == "ok"));
    let word = std::str::from_utf8(body).unwrap_or("?").split_ascii_whitespace().next();
    assert!(is_yes || format == Format::Form && matches!(word, None | Some("ok" | "OK" | "allow")));
    assert!(name.is_none_or(|name| is_name(&name)));
    let bytes: usize = claims.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(claims.len() <= MAX_CLAIMS && bytes <= MAX_CLAIM_BYTES);
    let holds = |name: &str, text: &str| {
        let value = value.as_ref().expect("claims are of JSON");
        holds(&value["claims"], name, text) || holds(&value["client_attrs"], name, text)
    };
    assert!(claims.iter().all(|(name, text)| holds(name, text)));
}

/// What is taken of a token must be in it, and another implementation must take it too.
fn claims(said: &Token, payload: &[u8], token: &str) {
    let value: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
    let bytes: usize = said.claims.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(said.claims.len() <= MAX_CLAIMS && bytes <= MAX_CLAIM_BYTES);
    let named: Vec<_> = said.claims.iter().filter(|(name, _)| **name == *"sub").collect();
    assert!(matches!(named.as_slice(), [(_, name)] if *name == said.name), "exactly one name");
    let exp = value["exp"].as_f64().expect("a number");
    assert!(exp + 31.0 > NOW as f64 && said.expires.is_some_and(|ends| ends > NOW));
    for (name, text) in &said.claims {
        assert!(holds(&value, name, text), "{name}: {text}");
    }

    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = jsonwebtoken::DecodingKey::from_secret(SECRET);
    let other = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).expect("taken there too");
    assert_eq!(other.claims, value);
}

/// Whether the value stands at that name: at the name itself, or behind a dot of it in an object.
fn holds(value: &serde_json::Value, name: &str, text: &str) -> bool {
    use serde_json::Value;
    let scalar = |value: &Value| match value {
        Value::String(own) => own == text || own.split(' ').any(|word| word == text),
        Value::Array(_) | Value::Object(_) | Value::Null => false,
        Value::Bool(own) => own.to_string() == text,
        Value::Number(own) => own.to_string() == text,
    };
    let here = value.get(name).is_some_and(|value| match value {
        Value::Array(items) => items.iter().any(scalar),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => scalar(value),
    });
    here || name.match_indices('.').any(|(at, dot)| {
        let (outer, inner) = name.split_at(at);
        let inner = inner.strip_prefix(dot).expect("it begins with the dot");
        value.get(outer).is_some_and(|value| value.is_object() && holds(value, inner, text))
    })
}

fn verifier() -> Verifier {
    Verifier { algorithms: Algorithm::ALL.to_vec(), ..Verifier::default() }
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn signed(header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", encode(tag.as_ref()))
}
