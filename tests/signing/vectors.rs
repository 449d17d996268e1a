//! The test vectors of `docs/signatures.md`: made anew, held against the page, and against the layouts that it gives, which
//! are built here from the page and not from the sources. `UPDATE_GOLDEN=1` writes them anew.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use tidegate::jwk::{Algorithm, Keys, SigningKeys};
use tidegate::payload::Field;
use tidegate::signature::{Carrier, Freshness, Message, Names, Nonce, Once, Scheme, Sealed};

use super::*;

const TOPIC: &str = "plant/line1/command/valve-3";
const PAYLOAD: &[u8] = br#"{"open":true}"#;
const MILLIS: i64 = 1_800_000_000_123;
const NONCE: &[u8; 16] = b"0123456789abcdef";
const COUNTER: u64 = 7;

/// One row: what is signed, by whom, and with what.
struct Vector {
    kid: &'static str,
    counts: bool,
    scheme: Scheme,
    sealed: Sealed,
}

fn vector(carrier: Carrier, kid: &'static str, counts: bool) -> Vector {
    let keys = SigningKeys::parse(&std::fs::read(keys("private.json")).unwrap()).unwrap();
    let scheme = Scheme {
        carrier,
        algorithms: vec![Algorithm::Hs256, Algorithm::EdDsa],
        max_age: Some(std::time::Duration::from_secs(30)),
        clock_skew: std::time::Duration::from_secs(5),
        freshness: Freshness::Either,
    };
    let once = if counts { Once::Counter(COUNTER) } else { Once::Nonce(Nonce::new(NONCE).unwrap()) };
    let message = Message { topic: TOPIC, payload: PAYLOAD };
    let sealed = scheme.sign(keys.get(kid).unwrap(), message, &once, Some(MILLIS)).unwrap();
    Vector { kid, counts, scheme, sealed }
}

impl Vector {
    fn payload(&self) -> &[u8] {
        self.sealed.payload.as_deref().unwrap_or(PAYLOAD)
    }

    fn property(&self, name: &str) -> &str {
        &self.sealed.add_properties.iter().find(|(own, _)| own == name).unwrap().1
    }

    /// The bytes to be signed as the page says, with that carrier's number and payload.
    fn layout(&self, number: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = b"tidegate-signature-v1\0".to_vec();
        bytes.push(number);
        for text in [self.kid, TOPIC] {
            bytes.extend([0, u8::try_from(text.len()).unwrap()]);
            bytes.extend(text.as_bytes());
        }
        bytes.extend(1_800_000_000_123_u64.to_be_bytes());
        if self.counts {
            bytes.extend([2, 8, 0, 0, 0, 0, 0, 0, 0, 7]);
        } else {
            bytes.extend([1, 16]);
            bytes.extend(NONCE);
        }
        bytes.extend(payload);
        bytes
    }

    /// The bytes to be signed, and the signature: as the page says.
    fn covered(&self) -> (Vec<u8>, Vec<u8>) {
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let payload = self.payload();
        let text = || std::str::from_utf8(payload).unwrap();
        match &self.scheme.carrier {
            Carrier::UserProperty(_) => (self.layout(1, payload), decode(self.property("tg-sig"))),
            Carrier::Jws => {
                let (covered, signature) = text().rsplit_once('.').unwrap();
                (covered.as_bytes().to_vec(), decode(signature))
            }
            Carrier::JwsDetached(_) => {
                let (header, signature) = self.property("tg-jws").split_once("..").unwrap();
                ([header.as_bytes(), b".", payload].concat(), decode(signature))
            }
            Carrier::Cose => self.cose(),
            Carrier::JsonField(_) => {
                // The inner one: the outer is an object.
                let (before, rest) = text().split_once(r#""signature":""#).unwrap();
                let (signature, after) = rest.split_once(r#"","#).unwrap();
                (self.layout(2, format!("{before}{after}").as_bytes()), decode(signature))
            }
            Carrier::Trailer => {
                let length = usize::from(payload[payload.len() - 5]);
                let at = payload.len() - 9 - length;
                (self.layout(3, PAYLOAD), payload[at..at + length].to_vec())
            }
        }
    }

    /// RFC 9052 section 4.4 and 6.3, by hand.
    fn cose(&self) -> (Vec<u8>, Vec<u8>) {
        let payload = self.payload();
        // Tag, array of four, a byte string with its length in one byte.
        let (tag, header) = (payload[0], &payload[4..4 + usize::from(payload[3])]);
        assert_eq!((payload[1], payload[2]), (0x84, 0x58));
        let bytes = |bytes: &[u8]| {
            let length = u8::try_from(bytes.len()).unwrap();
            let head = if length < 24 { vec![0x40 | length] } else { vec![0x58, length] };
            [head, bytes.to_vec()].concat()
        };
        let word: &[u8] = if tag == 0xD1 { b"\x64MAC0" } else { b"\x6aSignature1" };
        let covered = [&[0x84], word, &bytes(header), &bytes(TOPIC.as_bytes()), &bytes(PAYLOAD)].concat();
        let length = if tag == 0xD1 { 32 } else { 64 };
        (covered, payload[payload.len() - length..].to_vec())
    }

    fn write(&self, out: &mut String) {
        let algorithm = if self.kid == "hmac-1" { "HS256" } else { "EdDSA" };
        let once = if self.counts { "counter" } else { "nonce" };
        let name = self.scheme.carrier.name();
        let _ = write!(out, "\n### `{name}`, {algorithm} with `{}`, a {once}\n\n```text\n", self.kid);
        let (covered, _) = self.covered();
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
        let show = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) if is_text(bytes) => text.to_owned(),
            _ => HEXLOWER.encode(bytes),
        };
        line(out, if is_text(&covered) { "to be signed" } else { "to be signed (hex)" }, &show(&covered));
        for (property, value) in &self.sealed.add_properties {
            line(out, property, value);
        }
        let payload = self.payload();
        line(out, if is_text(payload) { "payload" } else { "payload (hex)" }, &show(payload));
        out.push_str("```\n");
    }
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "{name}:");
    for chunk in value.as_bytes().chunks(96) {
        let _ = writeln!(out, "  {}", std::str::from_utf8(chunk).unwrap());
    }
}

fn vectors() -> Vec<Vector> {
    let carriers = [
        Carrier::UserProperty(Names::default()),
        Carrier::Jws,
        Carrier::JwsDetached(Carrier::JWS_PROPERTY.into()),
        Carrier::Cose,
        Carrier::JsonField(Field::parse("/signature").unwrap()),
        Carrier::Trailer,
    ];
    let rows = [("hmac-1", true), ("ed-1", false)];
    carriers.into_iter().flat_map(|carrier| rows.map(|(kid, counts)| vector(carrier.clone(), kid, counts))).collect()
}

#[test]
fn the_test_vectors_are_what_the_layouts_of_the_page_say() {
    let keys = Keys::parse(&std::fs::read(keys("public.json")).unwrap()).unwrap();
    let secret = BASE64URL_NOPAD
        .decode(b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    for vector in vectors() {
        let name = vector.scheme.carrier.name();
        let (covered, signature) = vector.covered();
        if vector.kid == "hmac-1" {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), &covered);
            assert_eq!(tag.as_ref(), signature, "{name}");
        } else {
            assert!(keys.get("ed-1").unwrap().verifies(Algorithm::EdDsa, &covered, &signature), "{name}");
        }
        let properties = vector.sealed.add_properties.iter().map(|(name, value)| (&**name, &**value));
        let message = Message { topic: TOPIC, payload: vector.payload() };
        assert!(vector.scheme.verify(&keys, message, properties, MILLIS).is_ok(), "{name}");
    }
}

#[test]
fn the_page_has_the_test_vectors() {
    const BEGIN: &str = "<!-- vectors: UPDATE_GOLDEN=1 cargo test --test signing -->\n";
    const END: &str = "<!-- end of vectors -->\n";
    let path = repository("docs/signatures.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut written = format!("{before}{BEGIN}");
    for vector in vectors() {
        vector.write(&mut written);
    }
    let _ = write!(written, "\n{END}{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == written, "docs/signatures.md is old: UPDATE_GOLDEN=1 cargo test --test signing");
}
