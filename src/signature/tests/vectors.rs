//! The examples of the RFCs, as far as they go: their messages name no topic, so it is their bytes that are compared.

use data_encoding::{BASE64URL_NOPAD, HEXUPPER};

use super::*;
use crate::signature::carrier::{cose, jws};

fn one(key: &str) -> Keys {
    Keys::parse(format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap()
}

/// RFC 7515 A.1 and A.3, RFC 8037 A.4; A.2 is RS256, which signs no message here.
#[test]
fn the_compact_jws_of_the_rfcs_are_verified() {
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let cases = [
        (
            "hmac-1",
            Algorithm::Hs256,
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{claims}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ),
        (
            "p256-1",
            Algorithm::Es256,
            format!(
                "eyJhbGciOiJFUzI1NiJ9.{claims}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA\
                 pmWQxfKTUJqPP3-Kg6NU1Q"
            ),
        ),
        (
            "ed-1",
            Algorithm::EdDsa,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6d\
             WbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
                .to_owned(),
        ),
    ];
    let (keys, signing) = (public(), private());
    for (kid, algorithm, text) in cases {
        let [header, payload, signature] = jws::parts(text.as_bytes()).unwrap();
        let covered = &text.as_bytes()[..header.len() + 1 + payload.len()];
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        assert!(keys.get(kid).unwrap().verifies(algorithm, covered, &signature), "{kid}");
        if algorithm != Algorithm::Es256 {
            assert_eq!(signing.get(kid).unwrap().sign(covered).unwrap(), signature, "{kid}");
        }
        // Good, yet not for us: it names no key, no topic and no time.
        let sent = Sent { topic: TOPIC.into(), payload: text.into_bytes(), properties: vec![] };
        assert_eq!(judge(&scheme(Carrier::Jws), &sent), Err(SignatureFlaw::Malformed));
    }
}

/// RFC 7797 section 4.2.
#[test]
fn the_detached_jws_of_rfc_7797_is_verified() {
    let (header, signature) =
        ("eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19", "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY");
    let covered = jws::detached(header, b"$.02");
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    assert!(public().get("hmac-1").unwrap().verifies(Algorithm::Hs256, &covered, &signature));
}

/// github.com/cose-wg/Examples: sign1-tests/sign-pass-02, ecdsa-examples/ecdsa-sig-01, mac0-tests/HMac-01. Their key ids
/// are not protected, which we do not take.
#[test]
fn the_examples_of_the_cose_working_group_are_verified() {
    let p256 = r#"{"kty":"EC","kid":"11","crv":"P-256","x":"usWxHK2PmfnHKwXPS54m0kTcGJ90UiglWiGahtagnv8","y":"IBOL-C3BttVivg-lSreASjpkttcsz-1rb7btKLv8EX4"}"#;
    let secret = r#"{"kty":"oct","kid":"our-secret","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}"#;
    let cases = [
        (
            p256,
            Algorithm::Es256,
            "11AA22BB33CC44DD55006699",
            "846A5369676E61747572653143A101264C11AA22BB33CC44DD5500669954546869732069732074686520636F6E74656E742E",
            "D28443A10126A10442313154546869732069732074686520636F6E74656E742E5840EAE868ECC176883766C5DC5BA5B8DCA25DAB\
             3C2E56A551CE5705B793914348E155388B10C4F1B59A6733EAB416870A945111A4B2FBDBEF33A77234B1DEFF2F9B",
        ),
        (
            p256,
            Algorithm::Es256,
            "",
            "846A5369676E61747572653145A2012603004054546869732069732074686520636F6E74656E742E",
            "D28445A201260300A10442313154546869732069732074686520636F6E74656E742E5840EAE868ECC176883766C5DC5BA5B8DCA2\
             5DAB3C2E56A551CE5705B793914348E172727F48461FABBBA2E343492DDECAC3983686250BC68E9F1A7A07D41225B59F",
        ),
        (
            secret,
            Algorithm::Hs256,
            "",
            "84644D41433043A101054054546869732069732074686520636F6E74656E742E",
            "D18443A10105A054546869732069732074686520636F6E74656E742E5820A1A848D3471F9D61EE49018D244C824772F223AD4F93\
             5293F1789FC3A08D8C58",
        ),
    ];
    for (key, algorithm, external, covered, message) in cases {
        let bytes = |hex: &str| HEXUPPER.decode(hex.as_bytes()).unwrap();
        let message = bytes(message);
        let (own, signature) = cose::parts(&message, &bytes(external)).unwrap();
        assert_eq!(own, bytes(covered));
        assert!(one(key).keys()[0].verifies(algorithm, &own, &signature));
        assert_eq!(&*scheme(Carrier::Cose).strip(&message).unwrap().payload, b"This is the content.");
        let sent = Sent { topic: TOPIC.into(), payload: message, properties: vec![] };
        assert_eq!(judge(&scheme(Carrier::Cose), &sent), Err(SignatureFlaw::Malformed));
    }
}
