use super::*;

#[test]
fn a_signature_holds_from_the_skew_before_to_the_age_and_the_skew_behind() {
    for carrier in carriers() {
        let scheme = scheme(carrier);
        let sent = seal(&scheme, "hmac-1", JSON);
        let keys = public();
        for (now, expected) in [
            (NOW - 5_001, Err(SignatureFlaw::Early)),
            (NOW - 5_000, Ok(())),
            (NOW, Ok(())),
            (NOW + 35_000, Ok(())),
            (NOW + 35_001, Err(SignatureFlaw::Stale)),
            (0, Err(SignatureFlaw::Early)),
            (i64::MIN, Err(SignatureFlaw::Early)),
            (i64::MAX, Err(SignatureFlaw::Stale)),
        ] {
            assert_eq!(verify(&scheme, &keys, &sent, now).map(|_| ()), expected, "{} {now}", scheme.carrier.name());
        }
        let whole = seal_with(&scheme, "hmac-1", JSON, &nonce(), Some(1_800_000_000_000));
        let said = verify(&scheme, &keys, &whole, NOW).unwrap();
        assert_eq!(said.signed_at_millis, Some(1_800_000_000_000));
    }
}

#[test]
fn a_device_without_a_clock_counts_and_is_taken_where_no_age_is_asked_for() {
    for carrier in carriers() {
        let aged = scheme(carrier);
        let ageless = Scheme { max_age: None, freshness: Freshness::Counter, ..aged.clone() };
        let sent = seal_with(&ageless, "hmac-1", JSON, &Once::Counter(9), None);
        let keys = public();
        let said = verify(&ageless, &keys, &sent, NOW).unwrap();
        assert_eq!((said.signed_at_millis, said.once), (None, Once::Counter(9)), "{}", aged.carrier.name());
        assert_eq!(judge(&aged, &sent), Err(SignatureFlaw::Stale));
        let old = seal_with(&ageless, "hmac-1", JSON, &Once::Counter(9), Some(1));
        assert!(verify(&ageless, &keys, &old, NOW).is_ok(), "a time that is there is covered, but of any age");
        let early = seal_with(&ageless, "hmac-1", JSON, &Once::Counter(9), Some(NOW + 6_000));
        assert_eq!(judge(&ageless, &early), Err(SignatureFlaw::Early));
        let with_nonce = seal(&aged, "hmac-1", JSON);
        assert_eq!(judge(&ageless, &with_nonce), Err(SignatureFlaw::Malformed));
    }
}

#[test]
fn a_key_is_good_between_its_dates_and_several_are_at_once() {
    let bounded = |kid: &str, bounds: &str| {
        let key = PUBLIC.lines().find(|line| line.contains(kid)).unwrap().trim_end_matches(',').trim_end_matches('}');
        Keys::parse(format!("{{\"keys\":[{key}{bounds}}}]}}").as_bytes()).unwrap()
    };
    let scheme = scheme(Carrier::Trailer);
    let sent = seal(&scheme, "ed-1", JSON);
    let second = NOW / 1000;
    for (bounds, expected) in [
        (String::new(), Ok(())),
        (format!(r#","nbf":{second}"#), Ok(())),
        (format!(r#","nbf":{}"#, second + 1), Err(SignatureFlaw::KeyNotValid)),
        (format!(r#","exp":{}"#, second + 1), Ok(())),
        (format!(r#","exp":{second}"#), Err(SignatureFlaw::KeyNotValid)),
        (format!(r#","nbf":{},"exp":{}"#, second - 10, second + 10), Ok(())),
    ] {
        let keys = bounded("ed-1", &bounds);
        assert_eq!(verify(&scheme, &keys, &sent, NOW).map(|_| ()), expected, "{bounds}");
    }
    // The old key and the new one, side by side.
    let keys = public();
    for kid in ["ed-1", "p256-1"] {
        assert_eq!(verify(&scheme, &keys, &seal(&scheme, kid, JSON), NOW).unwrap().kid, kid);
    }
    let text = PRIVATE.replace(r#""kid":"ed-1""#, &format!(r#""kid":"ed-1","exp":{second}"#));
    let ended = SigningKeys::parse(text.as_bytes()).unwrap();
    let message = Message { topic: TOPIC, payload: JSON };
    assert_eq!(scheme.sign(ended.get("ed-1").unwrap(), message, &nonce(), Some(NOW)), Err(SignError::KeyNotValid));
}
