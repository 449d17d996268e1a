use super::*;

#[test]
fn tokens_of_another_implementation_are_taken_by_each_algorithm() {
    let keys = Keys::parse(KEYS.as_bytes()).unwrap();
    let mut seen = Vec::new();
    for (algorithm, token) in vectors() {
        let verifier = Verifier {
            algorithms: vec![algorithm],
            issuer: Some("https://issuer.example".into()),
            audiences: vec!["tidegate".into()],
            ..Verifier::default()
        };
        let said = verifier.verify(&keys, token, NOW).unwrap();
        assert_eq!((&*said.name, said.expires), ("pump-7", Some(1_800_003_630)), "{algorithm:?}");
        let claims: Vec<(&str, &str)> = said.claims.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected = [
            ("sub", "pump-7"),
            ("iss", "https://issuer.example"),
            ("aud", "tidegate"),
            ("aud", "other"),
            ("iat", "1800000000"),
            ("nbf", "1800000000"),
            ("exp", "1800003600"),
            ("scope", "read"),
            ("scope", "write"),
            ("realm_access.roles", "sensor"),
            ("realm_access.roles", "line1"),
            ("level", "3"),
            ("on", "true"),
        ];
        assert_eq!(claims, expected, "{algorithm:?}");
        assert!(keys.has(said.key_mark));
        seen.push(algorithm);

        let others = Algorithm::ALL.iter().copied().filter(|other| *other != algorithm).collect();
        let verifier = Verifier { algorithms: others, audiences: verifier.audiences, ..Verifier::default() };
        assert_eq!(verifier.verify(&keys, token, NOW), Err(TokenError::Algorithm), "not listed: {algorithm:?}");
    }
    assert_eq!(seen, Algorithm::ALL);
}

#[test]
fn the_examples_of_rfc_7515_are_taken() {
    let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let cases = [
        (
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ];
    let verifier = Verifier { name_claim: "iss".into(), ..any() };
    for (key, header, signature) in cases {
        let keys = Keys::parse(format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap();
        let token = format!("{header}.{payload}.{signature}");
        let said = verifier.verify(&keys, &token, 1_300_819_380).unwrap();
        assert_eq!(&*said.name, "joe");
        assert_eq!(said.claims.last(), Some(&("http://example.com/is_root".into(), "true".into())));
        assert_eq!(verifier.verify(&keys, &token, 1_300_819_410), Err(TokenError::Expired));
    }
}

#[test]
fn a_changed_token_is_never_taken() {
    let keys = Keys::parse(KEYS.as_bytes()).unwrap();
    let verifier = Verifier { audiences: vec!["tidegate".into()], ..any() };
    for (algorithm, token) in vectors() {
        assert!(verifier.verify(&keys, token, NOW).is_ok());
        for at in (0..token.len()).step_by(7).chain(token.len() - 3..token.len()) {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(verifier.verify(&keys, &changed, NOW).is_err(), "{algorithm:?} at {at}");
        }
        for cut in [1, 2, 20, token.len() - 1] {
            assert!(
                verifier.verify(&keys, token.get(..token.len() - cut).unwrap(), NOW).is_err(),
                "{algorithm:?} cut {cut}"
            );
        }
        for longer in [format!("{token}A"), format!("{token}="), format!("{token}."), format!("{token}\n")] {
            assert!(verifier.verify(&keys, &longer, NOW).is_err(), "{algorithm:?} {longer}");
        }
    }
}

#[test]
fn what_a_token_says_of_its_algorithm_or_key_confuses_nobody() {
    let keys = Keys::parse(KEYS.as_bytes()).unwrap();
    let verifier = any();
    let payload = format!("{{{GOOD}}}");
    let set: serde_json::Value = serde_json::from_str(KEYS).unwrap();
    let rsa = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "rsa").unwrap();
    let modulus = BASE64URL_NOPAD.decode(rsa["n"].as_str().unwrap().as_bytes()).unwrap();
    let rsa = rsa.to_string();
    let oct = BASE64URL_NOPAD.decode(set["keys"][0]["k"].as_str().unwrap().as_bytes()).unwrap();
    let by = |secret: &[u8], header: &str| sign(hmac::HMAC_SHA256, secret, header, &payload);
    let unsigned = |header: &str| format!("{}.{}.", encode(header), encode(&payload));
    let with =
        |header: &str, signature: &[u8]| format!("{}.{}.{}", encode(header), encode(&payload), encode(signature));
    let embedded = format!(r#"{{"alg":"HS256","kid":"oct","jwk":{{"kty":"oct","k":"{}"}}}}"#, encode(SECRET));
    let cases: &[(&str, String, TokenError)] = &[
        ("the baseline is good but for its key", by(SECRET, r#"{"alg":"HS256","kid":"oct"}"#), TokenError::Signature),
        ("none, unsigned", unsigned(r#"{"alg":"none"}"#), TokenError::Malformed),
        ("none, with something behind the dot", with(r#"{"alg":"none"}"#, b"x"), TokenError::Algorithm),
        ("None", with(r#"{"alg":"None","kid":"oct"}"#, b"x"), TokenError::Algorithm),
        ("another case", by(&oct, r#"{"alg":"hs256","kid":"oct"}"#), TokenError::Algorithm),
        ("an algorithm that is not known", by(&oct, r#"{"alg":"HS1","kid":"oct"}"#), TokenError::Algorithm),
        ("no signature", unsigned(r#"{"alg":"HS256","kid":"oct"}"#), TokenError::Malformed),
        ("RSA's modulus as a secret", by(&modulus, r#"{"alg":"HS256","kid":"rsa"}"#), TokenError::Algorithm),
        ("RSA's JWK as a secret", by(rsa.as_bytes(), r#"{"alg":"HS256","kid":"rsa"}"#), TokenError::Algorithm),
        ("a secret for an RSA algorithm", by(&oct, r#"{"alg":"RS256","kid":"oct"}"#), TokenError::Algorithm),
        ("a curve's key for another curve", with(r#"{"alg":"ES384","kid":"p256"}"#, &[1; 96]), TokenError::Algorithm),
        ("ECDSA's zeros", with(r#"{"alg":"ES256","kid":"p256"}"#, &[0; 64]), TokenError::Signature),
        ("ECDSA in DER", with(r#"{"alg":"ES256","kid":"p256"}"#, &[0x30, 6, 2, 1, 1, 2, 1, 1]), TokenError::Signature),
        ("Ed25519's zeros", with(r#"{"alg":"EdDSA","kid":"ed"}"#, &[0; 64]), TokenError::Signature),
        ("RSA's zeros", with(r#"{"alg":"RS256","kid":"rsa"}"#, &[0; 256]), TokenError::Signature),
        ("a key that is not in the set", by(SECRET, r#"{"alg":"HS256","kid":"other"}"#), TokenError::UnknownKey),
        ("a kid that is a path", by(b"", r#"{"alg":"HS256","kid":"/dev/null"}"#), TokenError::UnknownKey),
        ("an empty kid", by(SECRET, r#"{"alg":"HS256","kid":""}"#), TokenError::UnknownKey),
        ("a kid of another type", by(&oct, r#"{"alg":"HS256","kid":["oct"]}"#), TokenError::Malformed),
        ("a null kid", by(&oct, r#"{"alg":"HS256","kid":null}"#), TokenError::Malformed),
        ("an embedded key", by(SECRET, &embedded), TokenError::Signature),
        (
            "an address of keys",
            by(SECRET, r#"{"alg":"HS256","kid":"oct","jku":"http://x","x5u":"http://x"}"#),
            TokenError::Signature,
        ),
        ("an extension", by(&oct, r#"{"alg":"HS256","kid":"oct","crit":["b64"],"b64":true}"#), TokenError::Critical),
        ("an empty list of extensions", by(&oct, r#"{"alg":"HS256","kid":"oct","crit":[]}"#), TokenError::Critical),
        ("alg twice", by(&oct, r#"{"alg":"none","alg":"HS256","kid":"oct"}"#), TokenError::Malformed),
        ("alg twice, escaped", by(&oct, r#"{"\u0061lg":"none","alg":"HS256","kid":"oct"}"#), TokenError::Malformed),
        ("alg in a list", by(&oct, r#"{"alg":["HS256"],"kid":"oct"}"#), TokenError::Malformed),
        ("no alg", by(&oct, r#"{"kid":"oct"}"#), TokenError::Malformed),
        ("something behind the header", by(&oct, r#"{"alg":"HS256","kid":"oct"} {}"#), TokenError::Malformed),
        ("a header that is no object", by(&oct, r#"["HS256"]"#), TokenError::Malformed),
        ("a header that is not UTF-8", with("", b"x").replacen('.', "_w.", 1), TokenError::Malformed),
        ("a header too deep", by(&oct, &format!("{}{}", "[".repeat(500), "]".repeat(500))), TokenError::Malformed),
        ("two parts", "e30.e30".into(), TokenError::Malformed),
        ("five parts, as an encrypted token", "e30.e30.e30.e30.e30".into(), TokenError::Malformed),
        ("nothing", String::new(), TokenError::Malformed),
        ("dots", "..".into(), TokenError::Malformed),
        ("a token that is too large", "A".repeat(MAX_TOKEN_BYTES + 1), TokenError::TooLarge),
    ];
    for (name, token, error) in cases {
        assert_eq!(verifier.verify(&keys, token, NOW), Err(*error), "{name}: {token}");
    }
    let good = by(&oct, r#"{"alg":"HS256","kid":"oct","typ":"JWT","x5c":[]}"#);
    assert!(verifier.verify(&keys, &good, NOW).is_ok());
    for padded in [good.replacen('.', "=.", 1), format!("{good}="), good.replacen('.', ".\n", 1), format!(" {good}")] {
        assert!(verifier.verify(&keys, &padded, NOW).is_err(), "{padded}");
    }
    assert_eq!(Verifier::default().verify(&keys, &good, NOW), Err(TokenError::Algorithm), "nothing is listed");
}

#[test]
fn a_token_without_kid_needs_exactly_one_key_that_takes_its_algorithm() {
    let other: &[u8] = &[7; 32];
    let token = hs256(HEADER, &format!("{{{GOOD}}}"));
    let cases: &[(&str, Keys, Result<(), TokenError>)] = &[
        ("one", secrets(&[("", SECRET)]), Ok(())),
        ("one, with a kid", secrets(&[(r#","kid":"a""#, SECRET)]), Ok(())),
        ("two", secrets(&[("", SECRET), ("", other)]), Err(TokenError::UnknownKey)),
        ("two, one of them for another algorithm", secrets(&[("", SECRET), (r#","alg":"HS384""#, SECRET)]), Ok(())),
        ("for another algorithm", secrets(&[(r#","alg":"HS512""#, SECRET)]), Err(TokenError::UnknownKey)),
    ];
    for (name, keys, expected) in cases {
        assert_eq!(any().verify(keys, &token, NOW).map(|_| ()), *expected, "{name}");
    }
    let named = hs256(r#"{"alg":"HS256","kid":"a"}"#, &format!("{{{GOOD}}}"));
    assert_eq!(any().verify(&secrets(&[("", SECRET)]), &named, NOW), Err(TokenError::UnknownKey));
    let short = secrets(&[("", other)]);
    for (algorithm, name) in [(hmac::HMAC_SHA384, "HS384"), (hmac::HMAC_SHA512, "HS512")] {
        let token = sign(algorithm, other, &format!(r#"{{"alg":"{name}"}}"#), &format!("{{{GOOD}}}"));
        assert_eq!(any().verify(&short, &token, NOW), Err(TokenError::UnknownKey), "{name} by 32 bytes");
    }
}

#[test]
fn a_key_outside_of_its_dates_is_no_key() {
    let token = hs256(HEADER, &format!("{{{GOOD}}}"));
    for (bounds, expected) in [
        (format!(",\"nbf\":{NOW}"), Ok(())),
        (format!(",\"nbf\":{}", NOW + 1), Err(TokenError::UnknownKey)),
        (format!(",\"exp\":{NOW}"), Err(TokenError::UnknownKey)),
    ] {
        let keys = secrets(&[(&bounds, SECRET)]);
        assert_eq!(any().verify(&keys, &token, NOW).map(|_| ()), expected, "{bounds}");
    }
}
