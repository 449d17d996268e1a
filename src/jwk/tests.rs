use data_encoding::BASE64URL_NOPAD;

use super::*;

/// By another implementation: `tests/vectors/tokens/README.md`.
const KEYS: &str = include_str!("../../tests/vectors/tokens/keys.json");
const RSA_1024: &str = r#""kty":"RSA","n":"oOvWvv1hfNrDETStejtfrEPIyXNrSbsAEUec1puJPmF2C2SB6oATdWJhQUuiO5PoG1zsns0rpFWdi9iWPMCV88i8FQRVEW-ZnnM9VrvrPqtv9Km6Ftr6qWNsUHI7olzn3ws0PZjg1rpElefQsnz2JNoEljT5Phw1RZ5NELcka3c","e":"AQAB""#;
const P521: &str = r#""kty":"EC","crv":"P-521","x":"AIuIPp9tso7wkpXL1ub_6arCA29jZ0VsdTUnFb-v-znT1-8gOHyoR0stDWvt0H1k2z6jhf7jCsiuMruEVE8JmPmy","y":"AbM4FXYTVuWfrrQrmxD5ypql5OnYBSoAGSLDFFSyurpPK6F17vc8nTwgAQXU-gtWRQtiLCitS4JufzKA8h5s8_8Y""#;
const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

fn parse(keys: &[&str]) -> Result<Keys, Vec<KeyProblem>> {
    let list: Vec<String> = keys.iter().map(|key| format!("{{{key}}}")).collect();
    Keys::parse(format!(r#"{{"keys":[{}]}}"#, list.join(",")).as_bytes())
}

fn oct(bytes: usize) -> String {
    format!(r#""kty":"oct","k":"{}""#, BASE64URL_NOPAD.encode(&vec![7; bytes]))
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> String {
    format!(r#""kty":"RSA","n":"{}","e":"{}""#, BASE64URL_NOPAD.encode(modulus), BASE64URL_NOPAD.encode(exponent))
}

/// An odd number of so many bits, which the crypto core takes as a modulus.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; bits.div_ceil(8)];
    bytes[0] = if bits.is_multiple_of(8) { 0xff } else { 0xff >> (8 - bits % 8) };
    bytes
}

#[test]
fn keys_of_every_type_are_taken_for_their_own_algorithms_alone() {
    let keys = Keys::parse(KEYS.as_bytes()).unwrap();
    assert_eq!((keys.len(), keys.unused()), (5, [].as_slice()));
    let taken = |kid| -> Vec<&str> {
        let key = keys.find(Some(kid), Algorithm::Hs256).unwrap();
        Algorithm::ALL.iter().filter(|algorithm| key.takes(**algorithm)).map(|algorithm| algorithm.name()).collect()
    };
    assert_eq!(taken("oct"), ["HS256", "HS384", "HS512"]);
    assert_eq!(taken("rsa"), ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]);
    assert_eq!((taken("p256"), taken("p384"), taken("ed")), (vec!["ES256"], vec!["ES384"], vec!["EdDSA"]));
    let bound = parse(&[&format!("{P256},\"alg\":\"ES256\""), &format!("{},\"alg\":\"HS512\"", oct(64))]).unwrap();
    assert!(bound.supports(Algorithm::Es256) && bound.supports(Algorithm::Hs512));
    assert!(!bound.supports(Algorithm::Hs256));
}

#[test]
fn a_weak_private_or_malformed_key_refuses_the_set() {
    let n = modulus(2048);
    let cases: &[(String, KeyFlaw)] = &[
        (RSA_1024.into(), KeyFlaw::RsaSize),
        (rsa(&modulus(2047), &[3]), KeyFlaw::RsaSize),
        (rsa(&modulus(8200), &[3]), KeyFlaw::RsaSize),
        // Zeros in front make no key longer.
        (rsa(&[vec![0; 200], modulus(1024)].concat(), &[1, 0, 1]), KeyFlaw::RsaSize),
        (rsa(&n, &[1]), KeyFlaw::Invalid),
        (rsa(&n, &[4]), KeyFlaw::Invalid),
        (rsa(&n, &[0]), KeyFlaw::Invalid),
        (rsa(&n, &[0xff; 8]), KeyFlaw::Member("e")),
        (rsa(&[&n[..255], &[2]].concat(), &[3]), KeyFlaw::Invalid),
        (rsa(&[], &[3]), KeyFlaw::RsaSize),
        (r#""kty":"RSA","e":"AQAB""#.into(), KeyFlaw::Member("n")),
        (format!("{},\"d\":\"AQAB\"", rsa(&n, &[3])), KeyFlaw::Private),
        (format!("{P256},\"d\":\"AQAB\""), KeyFlaw::Private),
        (oct(31), KeyFlaw::SecretSize),
        (oct(1025), KeyFlaw::SecretSize),
        (oct(4096), KeyFlaw::Member("k")),
        (r#""kty":"oct","k":"""#.into(), KeyFlaw::SecretSize),
        (r#""kty":"oct","k":"AAEC AwQ""#.into(), KeyFlaw::Member("k")),
        (r#""kty":"oct","k":"AAECAwQFBgc=""#.into(), KeyFlaw::Member("k")),
        (r#""kty":"oct""#.into(), KeyFlaw::Member("k")),
        (r#""kty":"oct","k":5"#.into(), KeyFlaw::Member("k")),
        (format!("{},\"alg\":\"HS384\"", oct(47)), KeyFlaw::SecretShort),
        (format!("{},\"alg\":\"HS512\"", oct(63)), KeyFlaw::SecretShort),
        (format!("{},\"alg\":\"RS256\"", oct(64)), KeyFlaw::AlgorithmMismatch),
        (format!("{},\"alg\":\"HS256\"", rsa(&n, &[3])), KeyFlaw::AlgorithmMismatch),
        (format!("{P256},\"alg\":\"ES384\""), KeyFlaw::AlgorithmMismatch),
        (format!("{P256},\"alg\":256"), KeyFlaw::Member("alg")),
        (P256.replace("x_FE", "x_FF"), KeyFlaw::Invalid),
        (P256.replace("P-256", "P-384"), KeyFlaw::Member("x")),
        (P256.replace("\"y\"", "\"z\""), KeyFlaw::Member("y")),
        (r#""kty":"EC""#.into(), KeyFlaw::Member("crv")),
        (r#""kty":"OKP","crv":"Ed25519","x":"AAEC""#.into(), KeyFlaw::Member("x")),
        (r#""kty":7"#.into(), KeyFlaw::Member("kty")),
        (r#""k":"AAEC""#.into(), KeyFlaw::Member("kty")),
        (format!("{},\"kid\":7", oct(32)), KeyFlaw::Member("kid")),
        (format!("{},\"use\":7", oct(32)), KeyFlaw::Member("use")),
        (format!("{},\"key_ops\":\"verify\"", oct(32)), KeyFlaw::Member("key_ops")),
        (format!("{},\"key_ops\":[1]", oct(32)), KeyFlaw::Member("key_ops")),
    ];
    for (key, what) in cases {
        assert_eq!(parse(&[P256, key]).unwrap_err(), [KeyProblem { key: 2, what: *what }], "{key}");
    }
    assert!(parse(&[&rsa(&[vec![0], modulus(2048)].concat(), &[0, 1, 0, 1])]).is_ok(), "a zero in front does no harm");
    assert!(parse(&[&rsa(&modulus(8192), &[1, 0, 1])]).is_ok());
    assert!(parse(&[&oct(32)]).is_ok());
}

#[test]
fn a_key_that_is_meant_for_something_else_is_passed_over_and_named() {
    let cases: &[(String, Unused)] = &[
        (format!("{P256},\"use\":\"enc\""), Unused::Use),
        (format!("{P256},\"key_ops\":[\"sign\"]"), Unused::Operations),
        (format!("{P256},\"key_ops\":[]"), Unused::Operations),
        (format!("{P256},\"alg\":\"ECDH-ES\""), Unused::Algorithm),
        (format!("{},\"alg\":\"none\"", oct(32)), Unused::Algorithm),
        (P521.into(), Unused::Type),
        (r#""kty":"OKP","crv":"Ed448","x":"AA""#.into(), Unused::Type),
        (r#""kty":"AKP","alg":"ES256","pub":"AA""#.into(), Unused::Type),
    ];
    for (key, why) in cases {
        let keys = parse(&[P256, key]).unwrap();
        assert_eq!((keys.len(), keys.unused()), (1, [UnusedKey { key: 2, why: *why }].as_slice()), "{key}");
        assert_eq!(parse(&[key]).unwrap_err(), [KeyProblem { key: 0, what: KeyFlaw::NoneUsable }], "{key}");
    }
    assert!(
        parse(&[&format!("{P256},\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"x5c\":[],\"ext\":true")]).is_ok()
    );
}

#[test]
fn a_set_that_is_none_is_refused_as_a_whole() {
    let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; MAX_KEYS + 1].join(","));
    let cases: &[(&str, KeyFlaw)] = &[
        ("", KeyFlaw::NotJson),
        ("{", KeyFlaw::NotJson),
        ("[]", KeyFlaw::NotJson),
        ("{} {}", KeyFlaw::NotJson),
        ("\u{feff}{}", KeyFlaw::NotJson),
        ("{}", KeyFlaw::NoList),
        (r#"{"keys":{}}"#, KeyFlaw::NoList),
        (r#"{"keys":[],"keys":[]}"#, KeyFlaw::NotJson),
        (r#"{"keys":[{"kty":"oct","kty":"RSA"}]}"#, KeyFlaw::NotJson),
        (r#"{"keys":[]}"#, KeyFlaw::NoneUsable),
        (&many, KeyFlaw::TooMany),
        (&" ".repeat(MAX_KEYS_BYTES + 1), KeyFlaw::TooLarge),
    ];
    for (json, what) in cases {
        assert_eq!(Keys::parse(json.as_bytes()).unwrap_err(), [KeyProblem { key: 0, what: *what }], "{what:?}");
    }
}

#[test]
fn every_problem_is_listed_and_a_kid_is_had_once() {
    let named = |key: &str| format!("{key},\"kid\":\"a\"");
    let problems = parse(&[&named(P256), RSA_1024, &named(&oct(32)), &oct(5), P256, P256]).unwrap_err();
    let expected = [
        KeyProblem { key: 2, what: KeyFlaw::RsaSize },
        KeyProblem { key: 3, what: KeyFlaw::DuplicateKid(1) },
        KeyProblem { key: 4, what: KeyFlaw::SecretSize },
    ];
    assert_eq!(problems, expected);
    assert_eq!(problems[1].to_string(), "key 3: its `kid` is that of key 1 too");
}

#[test]
fn a_mark_tells_the_key_whatever_it_is_called() {
    let mark = |key: &str| parse(&[key]).unwrap().keys()[0].mark();
    assert_eq!(mark(P256), mark(&format!("{P256},\"kid\":\"b\",\"alg\":\"ES256\"")));
    let mut marks = vec![mark(P256), mark(&oct(32)), mark(&oct(33)), mark(&rsa(&modulus(2048), &[3]))];
    marks.push(mark(&rsa(&modulus(2048), &[5])));
    marks.sort_unstable();
    marks.dedup();
    assert_eq!(marks.len(), 5);
    let keys = parse(&[P256]).unwrap();
    assert!(keys.has(mark(P256)) && !keys.has(mark(&oct(32))));
}

#[test]
fn a_key_may_be_used_between_its_dates() {
    let valid = |bounds: &str, millis: i64| parse(&[&format!("{P256}{bounds}")]).unwrap().keys()[0].is_valid_at(millis);
    for (bounds, millis, expected) in [
        ("", i64::MIN, true),
        (r#","nbf":100"#, 99_999, false),
        (r#","nbf":100"#, 100_000, true),
        (r#","exp":100"#, 99_999, true),
        (r#","exp":100"#, 100_000, false),
        (r#","nbf":100.9,"exp":1.01e2"#, 100_500, true),
        (r#","nbf":-5,"exp":0"#, -1, true),
        (r#","nbf":-5,"exp":0"#, 0, false),
    ] {
        assert_eq!(valid(bounds, millis), expected, "{bounds} {millis}");
    }
    for (bounds, what) in [
        (r#","nbf":"soon""#, KeyFlaw::Member("nbf")),
        (r#","exp":null"#, KeyFlaw::Member("exp")),
        (r#","exp":1e300"#, KeyFlaw::Member("exp")),
        (r#","nbf":7,"exp":7"#, KeyFlaw::NeverValid),
    ] {
        let problems = parse(&[&format!("{P256}{bounds}")]).unwrap_err();
        assert_eq!(problems, [KeyProblem { key: 1, what }], "{bounds}");
    }
}

#[test]
fn a_key_says_whose_it_is() {
    let whose = |member: &str| {
        let keys = parse(&[&format!("{P256}{member}")]).map_err(|problems| problems[0].what)?;
        Ok::<_, KeyFlaw>(keys.keys()[0].identities().iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(whose(""), Ok(vec![]));
    assert_eq!(whose(r#","identity":"pump-7""#), Ok(vec!["pump-7".to_owned()]));
    assert_eq!(whose(r#","identity":["a","b"]"#), Ok(vec!["a".to_owned(), "b".to_owned()]));
    let many = format!(r#","identity":[{}]"#, vec![r#""a""#; MAX_IDENTITIES + 1].join(","));
    let long = format!(r#","identity":"{}""#, "a".repeat(MAX_IDENTITY_BYTES + 1));
    for wrong in [r#","identity":"""#, r#","identity":[]"#, r#","identity":["a",1]"#, r#","identity":7"#, &many, &long]
    {
        assert_eq!(whose(wrong), Err(KeyFlaw::Member("identity")), "{wrong}");
    }
}

const PRIVATE: &str = include_str!("../../tests/vectors/signatures/private.json");

fn signing(change: impl Fn(&str) -> String) -> Result<SigningKeys, Vec<KeyProblem>> {
    SigningKeys::parse(change(PRIVATE).as_bytes())
}

#[test]
fn keys_of_every_type_sign_what_their_public_half_checks() {
    let keys = signing(str::to_owned).unwrap();
    let checking = keys.checking();
    let public = Keys::parse(include_str!("../../tests/vectors/signatures/public.json").as_bytes()).unwrap();
    for key in keys.keys() {
        let signature = key.sign(b"message").unwrap();
        for checking in [checking.get(key.kid()), public.get(key.kid()), Some(key.checking())] {
            let checking = checking.unwrap();
            assert!(checking.verifies(key.algorithm(), b"message", &signature), "{}", key.kid());
            assert!(!checking.verifies(key.algorithm(), b"messagf", &signature), "{}", key.kid());
        }
    }
    let algorithms: Vec<&str> = keys.keys().iter().map(|key| key.algorithm().name()).collect();
    assert_eq!(algorithms, ["HS256", "EdDSA", "ES256", "ES384", "PS256"]);
    let legacy = signing(|set| set.replace(r#""kid":"rsa-1""#, r#""kid":"rsa-1","alg":"RS512""#)).unwrap();
    let key = legacy.get("rsa-1").unwrap();
    let signature = key.sign(b"message").unwrap();
    assert!(public.get("rsa-1").unwrap().verifies(Algorithm::Rs512, b"message", &signature));
    for shown in [format!("{keys:?}"), format!("{key:?}"), format!("{:?}", key.checking())] {
        assert!(!shown.contains("nWGx") && !shown.contains("AyM1"), "{shown}");
    }
}

#[test]
fn what_can_not_sign_is_refused_or_passed_over() {
    let flaw = |from: &str, to: &str| {
        assert!(PRIVATE.contains(from), "{from}");
        signing(|set| set.replace(from, to)).map(|_| ()).map_err(|problems| problems[0].what)
    };
    // The private half of another.
    assert_eq!(flaw("nWGxne_9", "nWGxne_8"), Err(KeyFlaw::Invalid));
    assert_eq!(flaw("jpsQnnGQ", "jpsQnnGR"), Err(KeyFlaw::Invalid));
    assert_eq!(flaw("4BzEEOtI", "4BzEEOtJ"), Err(KeyFlaw::Invalid));
    assert_eq!(flaw("\"qi\"", "\"qj\""), Err(KeyFlaw::Member("qi")));
    assert_eq!(flaw("\"kid\":\"ed-1\",", ""), Err(KeyFlaw::Member("kid")));
    assert_eq!(flaw("\"kid\":\"ed-1\"", "\"kid\":\"hmac-1\""), Err(KeyFlaw::DuplicateKid(1)));
    let keys = signing(|set| set.replace("\"d\"", "\"e2\"")).unwrap();
    assert_eq!(keys.keys().iter().map(SigningKey::kid).collect::<Vec<_>>(), ["hmac-1"]);
    assert_eq!(keys.unused().len(), 4);
    assert!(keys.unused().iter().all(|unused| unused.why == Unused::Public));
    let verify_alone = signing(|set| set.replace("\"d\"", "\"key_ops\":[\"verify\"],\"d\"")).unwrap();
    assert!(verify_alone.unused().iter().all(|unused| unused.why == Unused::Operations));
    let none = SigningKeys::parse(format!("{{\"keys\":[{{{P256}}}]}}").as_bytes()).unwrap_err();
    assert_eq!(none, [KeyProblem { key: 0, what: KeyFlaw::NoneSigns }]);
    assert!(Keys::parse(PRIVATE.as_bytes()).is_err(), "who checks must not be able to sign");
}

#[test]
fn a_new_key_signs_and_is_checked_by_its_public_half() {
    let about = About {
        kid: "k\"1".into(),
        identities: vec!["a".into(), "b".into()],
        not_before: Some(100),
        expires: Some(200),
    };
    for algorithm in Algorithm::ALL {
        let new = NewKey::generate(*algorithm, &about);
        assert_eq!(new.is_ok(), NewKey::ALGORITHMS.contains(algorithm), "{algorithm:?}");
        let Ok(new) = new else { continue };
        let set = |key: &str| format!("{{\"keys\":[{key}]}}").into_bytes();
        let keys = SigningKeys::parse(&set(&new.private)).unwrap();
        let public = Keys::parse(&set(&new.public)).unwrap();
        let signature = keys.keys()[0].sign(b"m").unwrap();
        let key = public.get("k\"1").unwrap();
        assert!(key.verifies(*algorithm, b"m", &signature), "{algorithm:?}");
        assert_eq!((key.identities().len(), key.validity()), (2, (Some(100), Some(200))));
        let other = NewKey::generate(*algorithm, &About::default()).unwrap();
        assert!(*other.private != *new.private && !other.private.contains("nbf"));
    }
}
