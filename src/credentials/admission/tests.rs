use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_700_000_000;
const END: u32 = 1_800_000_000;

fn keys() -> Keys {
    let mut keys = Keys::default();
    let line = |number: u16| format!("{number}:{}\n", BASE64.encode(&[u8::try_from(number).unwrap(); KEY_BYTES]));
    keys.add(&format!("# of last year\n{}\n{}", line(1), line(2))).unwrap();
    keys
}

/// The vectors of docs/admission.md.
#[test]
fn tokens_are_made_byte_for_byte_as_the_vectors_have_them() {
    let vectors = include_str!("../../../tests/vectors/admission.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let all = vectors.as_array().unwrap();
    assert!(all.len() >= 3);
    for vector in all {
        let text = |key: &str| vector[key].as_str().unwrap();
        let mut keys = Keys::default();
        keys.add(text("key")).unwrap();
        let expires = u32::try_from(vector["expires"].as_u64().unwrap()).unwrap();
        let number = keys.newest().unwrap();
        let name = vector["name"].as_str();
        assert_eq!(keys.make(number, expires, name).unwrap(), text("token"));
        let bytes = decode(text("token").as_bytes()).unwrap();
        assert_eq!(HEXLOWER.encode(&bytes), text("bytes"));
        let pass = keys.check(text("token").as_bytes(), i64::from(expires) - 1).unwrap();
        assert_eq!((pass.key, pass.expires, pass.is_bound()), (number, expires, name.is_some()));
        assert_eq!(keys.admit(&pass, name), Ok(()));
    }
}

#[test]
fn a_token_holds_until_its_end_in_either_case_of_letters() {
    let keys = keys();
    let token = keys.make(1, END, None).unwrap();
    assert_eq!(token.len(), TOKEN_LETTERS);
    let mixed: String =
        token.chars().enumerate().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
    for written in [&token, &token.to_ascii_uppercase(), &mixed] {
        let pass = keys.check(written.as_bytes(), i64::from(END) - 1).unwrap();
        assert_eq!(pass, Pass { key: 1, expires: END, name: [0; NAME_BYTES] });
        assert_eq!(keys.check(written.as_bytes(), i64::from(END)), Err(Denial::Expired));
    }
}

#[test]
fn a_token_of_a_name_admits_that_one_alone() {
    let keys = keys();
    let token = keys.make(2, END, Some("pump-7")).unwrap();
    let pass = keys.check(token.as_bytes(), NOW).unwrap();
    assert!(pass.is_bound());
    assert_eq!(keys.admit(&pass, Some("pump-7")), Ok(()));
    for other in [Some("pump-8"), Some("Pump-7"), Some(""), None] {
        assert_eq!(keys.admit(&pass, other), Err(Denial::Name), "{other:?}");
    }
    let unbound = keys.check(keys.make(2, END, None).unwrap().as_bytes(), NOW).unwrap();
    assert_eq!(keys.admit(&unbound, None), Ok(()));
    assert_eq!(Keys::default().admit(&unbound, None), Err(Denial::Invalid), "its key was taken out");
}

#[test]
fn a_token_of_a_key_that_was_taken_out_is_worth_nothing() {
    let token = keys().make(2, END, None).unwrap();
    let mut others = Keys::default();
    others.add(&format!("1:{}", BASE64.encode(&[2; KEY_BYTES]))).unwrap();
    assert_eq!(others.check(token.as_bytes(), NOW), Err(Denial::Invalid));
    let mut same_number = Keys::default();
    same_number.add(&format!("2:{}", BASE64.encode(&[9; KEY_BYTES]))).unwrap();
    assert_eq!(same_number.check(token.as_bytes(), NOW), Err(Denial::Invalid));
}

#[test]
fn what_is_wrong_with_keys_is_said_by_line_and_shows_nothing_of_them() {
    let good = BASE64.encode(&[7; KEY_BYTES]);
    let short = BASE64.encode(&[7; KEY_BYTES - 1]);
    for (text, expected) in [
        (format!("# x\n\n 3 : {good} \n"), vec![]),
        (format!("3 {good}\n"), vec![(1, Flaw::Form)]),
        (format!("0:{good}\n65536:{good}\n-1:{good}\nx:{good}\n"), (1..=4).map(|l| (l, Flaw::Number)).collect()),
        (format!("3:{good}\n4:{good}\n3:{good}\n"), vec![(3, Flaw::Duplicate)]),
        (format!("3:{short}\n4:!\n5:\n"), (1..=3).map(|l| (l, Flaw::Key)).collect()),
    ] {
        let problems = Keys::default().add(&text).err().unwrap_or_default();
        assert_eq!(problems.iter().map(|problem| (problem.line, problem.what)).collect::<Vec<_>>(), expected);
        assert!(problems.iter().all(|problem| !problem.to_string().contains("BwcHBwc")));
    }
    assert_eq!(format!("{:?}", keys()), "{1, 2}");
    let many: String = (1..=MAX_KEYS + 1).map(|number| format!("{number}:{good}\n")).collect();
    let problems = Keys::default().add(&many).unwrap_err();
    assert_eq!(problems, [Problem { line: MAX_KEYS + 1, what: Flaw::TooMany }]);
}

#[test]
fn a_token_is_found_where_one_may_be_and_nowhere_else() {
    let token = keys().make(1, END, None).unwrap();
    let name = format!("{token}.mqtt.plant.example");
    assert_eq!(in_server_name(&name), Some((&*token, "mqtt.plant.example")));
    assert_eq!(in_server_name("mqtt.plant.example"), None);
    assert_eq!(in_server_name(&token), None, "a server name is left");
    assert_eq!(in_protocol(format!("tg1.{token}").as_bytes()), Some(token.as_bytes()));
    assert_eq!(in_protocol(b"mqtt"), None);
    assert_eq!(in_username(&format!("{token}@pump@7")), Some((&*token, "pump@7")));
    assert_eq!(in_username(&format!("{token}@")), Some((&*token, "")));
    assert_eq!(in_username("pump@plant"), None);
}

proptest! {
    #[test]
    fn whatever_is_changed_makes_it_invalid(at in 0..TOKEN_LETTERS, letter in 0..32usize, bound in any::<bool>()) {
        let keys = keys();
        let token = keys.make(1, END, bound.then_some("pump-7")).unwrap();
        let mut changed = token.clone().into_bytes();
        changed[at] = b"abcdefghijklmnopqrstuvwxyz234567"[letter];
        let expected = if changed == token.as_bytes() { Ok(()) } else { Err(Denial::Invalid) };
        prop_assert_eq!(keys.check(&changed, NOW).map(|_| ()), expected);
    }

    #[test]
    fn no_bytes_are_a_token_by_chance(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(keys().check(&bytes, NOW), Err(Denial::Invalid));
        let text = String::from_utf8_lossy(&bytes);
        let _ = (in_server_name(&text), in_username(&text), in_protocol(&bytes));
    }

    #[test]
    fn what_is_made_holds_for_whom_it_was_made(number in 1..=2u16, expires: u32, name in proptest::option::of(".{0,80}")) {
        let keys = keys();
        let token = keys.make(number, expires, name.as_deref()).unwrap();
        let pass = keys.check(token.as_bytes(), i64::from(expires) - 1).unwrap();
        prop_assert_eq!(pass.is_bound(), name.is_some());
        prop_assert_eq!(keys.admit(&pass, name.as_deref()), Ok(()));
        prop_assert_eq!(keys.check(token.as_bytes(), i64::from(expires)), Err(Denial::Expired));
    }
}
