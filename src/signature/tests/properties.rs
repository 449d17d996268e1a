use super::*;

proptest::proptest! {
    #[test]
    fn whatever_is_signed_is_verified_and_comes_back(
        payload: Vec<u8>, topic in "[^+#\0]{1,40}", counter: u64, value in proptest::collection::vec(0u8.., 8..=64),
        which in 0usize..6, clock: bool,
    ) {
        let scheme = scheme(carriers().remove(which));
        let once = Nonce::new(&value).filter(|_| clock && which != 5).map_or(Once::Counter(counter >> 12), Once::Nonce);
        let payload = if which == 4 { br#"{"a":[1,"x"]}"#.to_vec() } else { payload };
        let keys = private();
        let message = Message { topic: &topic, payload: &payload };
        let sealed = scheme.sign(keys.get("hmac-1").unwrap(), message, &once, Some(NOW)).unwrap();
        let sent = Sent { topic: topic.clone(), payload: sealed.payload.unwrap_or(payload.clone()), properties: sealed.add_properties };
        let public = public();
        let said = verify(&scheme, &public, &sent, NOW).unwrap();
        proptest::prop_assert_eq!(said.once, once);
        let plain = scheme.strip(&sent.payload).unwrap();
        proptest::prop_assert_eq!(&*plain.payload, &payload[..]);
    }

    #[test]
    fn no_single_changed_byte_is_taken(which in 0usize..6, kid in 0usize..2, place: proptest::sample::Index, bit in 0u8..8) {
        let scheme = scheme(carriers().remove(which));
        let mut sent = seal(&scheme, KIDS[kid], br#"{"a":"xyz"}"#);
        let good = sent.clone();
        let total = sent.payload.len() + sent.properties.iter().map(|(_, value)| value.len()).sum::<usize>();
        let mut at = place.index(total);
        if let Some(byte) = sent.payload.get_mut(at) {
            *byte ^= 1 << bit;
        } else {
            at -= sent.payload.len();
            for (_, value) in &mut sent.properties {
                if at < value.len() {
                    let mut bytes = std::mem::take(value).into_bytes();
                    bytes[at] ^= 1 << bit;
                    *value = String::from_utf8_lossy(&bytes).into_owned();
                    break;
                }
                at -= value.len();
            }
        }
        proptest::prop_assume!(sent != good);
        proptest::prop_assert!(judge(&scheme, &sent).is_err());
    }

    #[test]
    fn nothing_panics_on_any_bytes(payload: Vec<u8>, value in "\\PC{0,60}", which in 0usize..6) {
        let scheme = scheme(carriers().remove(which));
        let properties = scheme.carrier.properties().iter().map(|name| ((*name).to_owned(), value.clone())).collect();
        let sent = Sent { topic: TOPIC.into(), payload, properties };
        proptest::prop_assert!(judge(&scheme, &sent).is_err());
        let _ = scheme.strip(&sent.payload);
    }
}
