use super::*;
use crate::credentials::MAX_NAME_BYTES;

type Outcome<T> = Result<T, TokenError>;

#[test]
fn time_is_held_against_every_date_with_the_leeway_both_ways() {
    let sub = r#""sub":"pump-7""#;
    let strict = Verifier { leeway_seconds: 0, ..any() };
    let lenient = Verifier { leeway_seconds: 60, ..any() };
    let short = Verifier { max_lifetime_seconds: Some(3600), ..any() };
    let forever = Verifier { require_expiry: false, ..any() };
    let cases: &[(&Verifier, String, Outcome<Option<i64>>)] = &[
        (&strict, format!("{sub},\"exp\":{}", NOW + 1), Ok(Some(NOW + 1))),
        (&strict, format!("{sub},\"exp\":{NOW}"), Err(TokenError::Expired)),
        (&lenient, format!("{sub},\"exp\":{}", NOW - 59), Ok(Some(NOW + 1))),
        (&lenient, format!("{sub},\"exp\":{}", NOW - 60), Err(TokenError::Expired)),
        (&strict, format!("{sub},\"exp\":{}.9", NOW + 1), Ok(Some(NOW + 1))),
        (&strict, format!("{sub},\"exp\":{NOW}.9"), Err(TokenError::Expired)),
        (&strict, format!("{sub},\"exp\":1.8e9"), Err(TokenError::Expired)),
        (&strict, format!("{sub},\"exp\":1.9e9"), Ok(Some(1_900_000_000))),
        (&strict, format!("{sub},\"exp\":{}", i64::MAX), Ok(Some(i64::MAX))),
        (&lenient, format!("{sub},\"exp\":{}", i64::MAX), Ok(Some(i64::MAX))),
        (&lenient, format!("{sub},\"exp\":{}", i64::MIN), Err(TokenError::Expired)),
        (&strict, format!("{sub},\"exp\":{}", u64::MAX), Err(TokenError::Malformed)),
        (&strict, format!("{sub},\"exp\":1e300"), Err(TokenError::Malformed)),
        (&strict, format!("{sub},\"exp\":\"{}\"", NOW + 1), Err(TokenError::Malformed)),
        (&strict, format!("{sub},\"exp\":null"), Err(TokenError::Malformed)),
        (&strict, format!("{sub},\"exp\":true"), Err(TokenError::Malformed)),
        (&strict, format!("{sub},\"exp\":[{}]", NOW + 1), Err(TokenError::Malformed)),
        (&strict, sub.into(), Err(TokenError::NoExpiry)),
        (&forever, sub.into(), Ok(None)),
        (&forever, format!("{sub},\"exp\":{}", NOW - 31), Err(TokenError::Expired)),
        (&strict, format!("{GOOD},\"nbf\":{NOW}"), Ok(Some(1_800_003_600))),
        (&strict, format!("{GOOD},\"nbf\":{}", NOW + 1), Err(TokenError::NotYetValid)),
        (&lenient, format!("{GOOD},\"nbf\":{}", NOW + 60), Ok(Some(1_800_003_660))),
        (&lenient, format!("{GOOD},\"nbf\":{}", NOW + 61), Err(TokenError::NotYetValid)),
        (&strict, format!("{GOOD},\"nbf\":\"soon\""), Err(TokenError::Malformed)),
        (&strict, format!("{GOOD},\"iat\":{}", NOW + 1), Err(TokenError::NotYetValid)),
        (&strict, format!("{GOOD},\"iat\":{{}}"), Err(TokenError::Malformed)),
        (&short, format!("{sub},\"exp\":{}", NOW + 3600), Ok(Some(NOW + 3630))),
        (&short, format!("{sub},\"exp\":{}", NOW + 3601), Err(TokenError::Lifetime)),
        (&short, format!("{sub},\"exp\":{},\"iat\":{}", NOW + 10, NOW - 3590), Ok(Some(NOW + 40))),
        (&short, format!("{sub},\"exp\":{},\"iat\":{}", NOW + 10, NOW - 3591), Err(TokenError::Lifetime)),
        (&short, format!("{sub},\"exp\":{},\"iat\":{}", i64::MAX, i64::MIN), Err(TokenError::Lifetime)),
    ];
    for (verifier, claims, expected) in cases {
        assert_eq!(say(verifier, claims).map(|said| said.expires), *expected, "{claims}");
    }
}

#[test]
fn issuer_and_audience_must_be_those_configured() {
    let issued = Verifier { issuer: Some("https://a".into()), ..any() };
    let meant = Verifier { audiences: vec!["x".into(), "y".into()], ..any() };
    let cases: &[(&Verifier, &str, Result<(), TokenError>)] = &[
        (&any(), r#""iss":"https://b""#, Ok(())),
        (&any(), r#""iss":7"#, Err(TokenError::Malformed)),
        (&issued, r#""iss":"https://a""#, Ok(())),
        (&issued, r#""iss":"https://a/""#, Err(TokenError::Issuer)),
        (&issued, r#""iss":"HTTPS://a""#, Err(TokenError::Issuer)),
        (&issued, r#""iss":["https://a"]"#, Err(TokenError::Malformed)),
        (&issued, r#""x":1"#, Err(TokenError::Issuer)),
        (&any(), r#""aud":"x""#, Err(TokenError::Audience)),
        (&any(), r#""aud":[]"#, Err(TokenError::Audience)),
        (&meant, r#""aud":"y""#, Ok(())),
        (&meant, r#""aud":["z","x"]"#, Ok(())),
        (&meant, r#""aud":["z"]"#, Err(TokenError::Audience)),
        (&meant, r#""aud":"x y""#, Err(TokenError::Audience)),
        (&meant, r#""aud":[]"#, Err(TokenError::Audience)),
        (&meant, r#""aud":["x",1]"#, Err(TokenError::Malformed)),
        (&meant, r#""aud":null"#, Err(TokenError::Malformed)),
        (&meant, r#""aud":{"x":"x"}"#, Err(TokenError::Malformed)),
        (&meant, r#""x":1"#, Err(TokenError::Audience)),
    ];
    for (verifier, claims, expected) in cases {
        assert_eq!(say(verifier, &format!("{GOOD},{claims}")).map(|_| ()), *expected, "{claims}");
    }
}

#[test]
fn a_token_names_exactly_one_identity_or_none() {
    let exp = r#""exp":1800003600"#;
    let long = format!(r#""sub":"{}""#, "n".repeat(MAX_NAME_BYTES + 1));
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("sub", r#""sub":"Pump 7 é""#, Some("Pump 7 é")),
        ("sub", r#""sub":"a/+#${identity}*""#, Some("a/+#${identity}*")),
        ("sub", r#""sub":["a"]"#, None),
        ("sub", r#""sub":7"#, None),
        ("sub", r#""sub":7.5"#, None),
        ("sub", r#""sub":["a","b"]"#, None),
        ("sub", r#""sub":["a","a"]"#, None),
        ("sub", r#""sub":"""#, None),
        ("sub", r#""sub":null"#, None),
        ("sub", r#""sub":{"sub":"a"}"#, None),
        ("sub", r#""Sub":"a""#, None),
        ("sub", r#""sub":"a\u0000""#, None),
        ("sub", r#""sub":"a\nb""#, None),
        ("sub", &long, None),
        ("device.id", r#""device":{"id":"d1"}"#, Some("d1")),
        ("device.id", r#""device.id":"d1""#, Some("d1")),
        ("https://plant.example/id", r#""https://plant.example/id":"d1""#, Some("d1")),
        ("scope", r#""scope":"one""#, None),
        ("scope", r#""scope":"one two""#, None),
    ];
    for (claim, claims, expected) in cases {
        let verifier = Verifier { name_claim: (*claim).into(), ..any() };
        let said = say(&verifier, &format!("{exp},{claims}")).map(|said| said.name);
        assert_eq!(said.as_deref(), expected.ok_or(TokenError::NoName).as_deref(), "{claims}");
    }
}

#[test]
fn claims_are_names_and_values_and_what_can_not_be_said_so_is_left_out() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (r#""a":"x""#, &[("a", "x")]),
        (r#""a":"""#, &[("a", "")]),
        (r#""a":-5,"b":18446744073709551615"#, &[("a", "-5"), ("b", "18446744073709551615")]),
        // Two numbers that a double can't tell apart.
        (r#""a":18446744073709551617,"b":18446744073709551616,"c":1.0"#, &[]),
        (r#""a":true,"b":false,"c":null"#, &[("a", "true"), ("b", "false")]),
        (r#""a":["x",1,false,null,["y"],{"z":1}]"#, &[("a", "x"), ("a", "1"), ("a", "false")]),
        (r#""a":{"b":{"c":"x","d":[1]}},"e":{}"#, &[("a.b.c", "x"), ("a.b.d", "1")]),
        (
            r#""scope":" r  w ","scp":"x y","words":"x y""#,
            &[("scope", "r"), ("scope", "w"), ("scp", "x"), ("scp", "y"), ("words", "x y")],
        ),
        (r#""scope":["a b","c"],"o":{"scope":"r w"}"#, &[("scope", "a b"), ("scope", "c"), ("o.scope", "r w")]),
    ];
    for (claims, expected) in cases {
        let said = say(&any(), &format!("{GOOD},{claims}")).unwrap();
        let found: Vec<(&str, &str)> = said.claims[2..].iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, *expected, "{claims}");
    }
}

#[test]
fn claims_that_are_too_many_or_say_one_name_twice_refuse_the_token() {
    let list = |count: usize| format!(r#""a":[{}]"#, vec!["1"; count].join(","));
    let nested = |depth: usize| format!("\"a\":{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let wide = |count: usize| (0..count).map(|n| format!("\"c{n}\":1")).collect::<Vec<_>>().join(",");
    let long = format!("\"{}\":{}", "p".repeat(600), list(200).replacen("\"a\":", "", 1));
    let cases: &[(String, Option<TokenError>)] = &[
        (list(MAX_CLAIMS - 2), None),
        (list(MAX_CLAIMS - 1), Some(TokenError::TooManyClaims)),
        (list(1025), Some(TokenError::Malformed)),
        (nested(6), None),
        (nested(7), Some(TokenError::TooManyClaims)),
        (nested(16), Some(TokenError::Malformed)),
        (wide(254), None),
        (wide(255), Some(TokenError::Malformed)),
        (long, Some(TokenError::TooManyClaims)),
        (r#""a":1,"a":1"#.into(), Some(TokenError::Malformed)),
        (r#""a":1,"\u0061":1"#.into(), Some(TokenError::Malformed)),
        (r#""o":{"a":1,"a":2}"#.into(), Some(TokenError::Malformed)),
        (r#""exp":9999999999"#.into(), Some(TokenError::Malformed)),
        (r#""a.b":1,"a":{"b":2}"#.into(), Some(TokenError::Malformed)),
        (r#""a":{"b":[2]},"a.b":[]"#.into(), Some(TokenError::Malformed)),
        (r#""a":"\ud800""#.into(), Some(TokenError::Malformed)),
        (r#""a":01"#.into(), Some(TokenError::Malformed)),
        (r#""a":1,"#.into(), Some(TokenError::Malformed)),
    ];
    for (claims, expected) in cases {
        assert_eq!(say(&any(), &format!("{GOOD},{claims}")).err(), *expected, "{claims}");
    }
}
