use super::*;

/// Made by libargon2 and OpenSSL of the password `pass word`.
const FOREIGN: &[(&str, bool)] = &[
    ("$argon2id$v=19$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$3eVGPA9ToyCDVgoG2h1TScXdbUusApNEgTtIklELLC0", true),
    // The form of Mosquitto 2.1: salt and hash of 64 bytes.
    (
        "$argon2id$v=19$m=47104,t=1,p=1$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0\
         +Pw$O0kurvvtLCZr8DR/NT0fD4lhSrx2mRDlsLOjkTOt3hx3F8H74laiR+mH6lA5vqOP1fnNQuCDWddT3ntDga9DKg",
        false,
    ),
    ("$argon2id$v=19$m=256,t=3,p=4$AAECAwQFBgc$k12iZsA7pLam+gGMAQN6EA", true),
    (
        "$7$1$AAECAwQFBgcICQoL$oOkYZnsI3TPhJ2GxgGDfx3N5+YMEgC27kOH5w1nZRT+h50SZS6uAE9FAWVSG32rII8dU9+2Yr/3GDaaVGbWMhg==",
        true,
    ),
    (
        "$7$101$AAECAwQFBgcICQoL$zCkbrOmqhtdjBpZHMcN08LQB5SOF7QgibZS5AdMdi2yTanYpp1hOSOukTsIoFMeAcSS1Ypbzmlg6PmBt61CGCg==",
        true,
    ),
    (
        "$6$AAECAwQFBgcICQoL$GTp4MsNDKIqejNwwxZuw6aOCEyRJyjeyh1zNep5axU9y+B3kt2wm537aqXueObfFL8ObBRu0lLK5LLCxptNGbw==",
        true,
    ),
];
const SMALL: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
/// An entry that costs nothing to check.
const CHEAP: &str = FOREIGN[5].0;

#[test]
fn entries_of_other_tools_take_their_password_and_no_other() {
    for (text, is_weak) in FOREIGN {
        let entry = Entry::parse(text).unwrap();
        assert!(entry.verify(b"pass word"), "{text}");
        for wrong in ["", "pass wor", "pass word ", "Pass word", "pass word\0"] {
            assert!(!entry.verify(wrong.as_bytes()), "{text} {wrong:?}");
        }
        assert_eq!(entry.is_weak(), *is_weak, "{text}");
    }
}

#[test]
fn a_password_is_taken_byte_for_byte() {
    for password in ["", "é", "\0", "a\0b", "a:b", "\r\n", &"x".repeat(65_535)] {
        let entry = Entry::parse(&hash(password.as_bytes(), SMALL).unwrap()).unwrap();
        assert!(entry.verify(password.as_bytes()), "{password:?}");
        assert!(!entry.verify(format!("{password}\0").as_bytes()), "{password:?}");
    }
}

#[test]
fn what_is_made_here_has_its_own_salt_and_the_cost_asked_for() {
    let (one, two) = (hash(b"x", SMALL).unwrap(), hash(b"x", SMALL).unwrap());
    assert_ne!(*one, *two);
    assert!(one.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", *one);
    assert!(hash(b"x", Cost::default()).unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    for cost in [
        Cost { memory_kib: 7, ..SMALL },
        Cost { passes: 0, ..SMALL },
        Cost { lanes: 0, ..SMALL },
        Cost { memory_kib: 64, passes: 1, lanes: 9 },
        Cost { memory_kib: u32::MAX, ..SMALL },
    ] {
        assert_eq!(hash(b"x", cost).unwrap_err(), HashError::Cost, "{cost:?}");
    }
}

#[test]
fn a_line_that_is_no_entry_is_a_problem_that_says_which_and_why() {
    let salt_8 = "AAECAwQFBgc";
    let hash_16 = "k12iZsA7pLam+gGMAQN6EA";
    let argon = |cost: &str| format!("u:$argon2id$v=19${cost}${salt_8}${hash_16}");
    let sha_hash = "GTp4MsNDKIqejNwwxZuw6aOCEyRJyjeyh1zNep5axU9y+B3kt2wm537aqXueObfFL8ObBRu0lLK5LLCxptNGbw==";
    let pbkdf2 = |rounds: &str| format!("u:$7${rounds}$AAECAwQFBgcICQoL${sha_hash}");
    let cases: &[(String, Flaw)] = &[
        ("secret".into(), Flaw::NoColon),
        (format!(":{CHEAP}"), Flaw::NameEmpty),
        (format!("  :{CHEAP}"), Flaw::NameEmpty),
        (format!("a\tb:{CHEAP}"), Flaw::NameControl),
        (format!("a\0b:{CHEAP}"), Flaw::NameControl),
        (format!("{}:{CHEAP}", "n".repeat(65_536)), Flaw::NameTooLong),
        ("u:".into(), Flaw::HashEmpty),
        ("u: \r".into(), Flaw::HashEmpty),
        ("u:hunter2".into(), Flaw::NotHashed),
        ("u:x$6$a$b".into(), Flaw::NotHashed),
        ("u:$".into(), Flaw::UnknownHash),
        ("u:$5$a$b".into(), Flaw::UnknownHash),
        ("u:$2b$12$abc".into(), Flaw::UnknownHash),
        ("u:$argon2i$v=19$m=64,t=1,p=1$a$b".into(), Flaw::UnknownHash),
        ("u:$argon2id$m=64,t=2,p=1$AAECAwQFBgc$k12iZsA7pLam+gGMAQN6EA".into(), Flaw::Malformed),
        ("u:$argon2id$v=16$m=64,t=2,p=1$AAECAwQFBgc$k12iZsA7pLam+gGMAQN6EA".into(), Flaw::Malformed),
        (argon("t=1,m=64,p=1"), Flaw::Malformed),
        (argon("m=64,t=1"), Flaw::Malformed),
        (argon("m=64,t=1,p=1,keyid=a"), Flaw::Malformed),
        (argon("m=064,t=1,p=1"), Flaw::Malformed),
        (argon("m=+64,t=1,p=1"), Flaw::Malformed),
        (argon("m=64,t=0,p=1"), Flaw::Malformed),
        (argon("m=15,t=1,p=2"), Flaw::Malformed),
        (argon("m=262145,t=1,p=1"), Flaw::TooCostly),
        (argon("m=99999999999,t=1,p=1"), Flaw::TooCostly),
        (argon("m=64,t=33,p=1"), Flaw::TooCostly),
        (argon("m=262144,t=5,p=1"), Flaw::TooCostly),
        (argon("m=4096,t=1,p=17"), Flaw::TooCostly),
        (format!("u:$argon2id$v=19$m=64,t=1,p=1$AAEC${hash_16}"), Flaw::Length),
        (format!("u:$argon2id$v=19$m=64,t=1,p=1${salt_8}$AAECAwQFBgc"), Flaw::Length),
        (format!("u:$argon2id$v=19$m=64,t=1,p=1${salt_8}"), Flaw::Malformed),
        (format!("u:$argon2id$v=19$m=64,t=1,p=1${salt_8}${hash_16}$"), Flaw::Malformed),
        (format!("u:$argon2id$v=19$m=64,t=1,p=1${salt_8}=${hash_16}"), Flaw::Malformed),
        // Bits that belong to no byte: two texts for one hash.
        (format!("u:$argon2id$v=19$m=64,t=1,p=1$AAECAwQFBgd${hash_16}"), Flaw::Malformed),
        (pbkdf2("0"), Flaw::Malformed),
        (pbkdf2("-1"), Flaw::Malformed),
        (pbkdf2(""), Flaw::Malformed),
        (pbkdf2("2000001"), Flaw::TooCostly),
        (pbkdf2("4294967296"), Flaw::TooCostly),
        (format!("u:$6$AAECAwQFBgcICQoL${sha_hash}\u{a0}"), Flaw::Malformed),
        ("u:$6$AAECAwQFBgcICQoL$AAEC".into(), Flaw::Length),
        (format!("u:$6$${sha_hash}"), Flaw::Length),
        (format!("u:{CHEAP}:x"), Flaw::Malformed),
        (format!("u:$6${}${sha_hash}", "A".repeat(600)), Flaw::Length),
    ];
    for (line, flaw) in cases {
        let text = format!("# made by hand\n\ngood:{CHEAP}\n{line}\nalso:{CHEAP}\n");
        let (passwords, problems) = Passwords::parse(&text);
        assert_eq!(problems, [Problem { line: 4, what: *flaw }], "{line:?}");
        assert_eq!(passwords.names().collect::<Vec<_>>(), ["also", "good"], "{line:?}");
    }
}

#[test]
fn comments_blanks_and_line_ends_are_as_in_mosquitto() {
    let text = format!(
        "#u1:{CHEAP}\r\n\r\n  \t\n  u2 \t: {CHEAP} \r\n u#3:{CHEAP}\n\n#\nü4:{CHEAP}\r\n #5:{CHEAP}\n u 6 :{CHEAP}"
    );
    let (passwords, problems) = Passwords::parse(&text);
    // ` #5` is no comment to Mosquitto, but a name that could be written back only as one.
    assert_eq!(problems, [Problem { line: 9, what: Flaw::NameUnwritable }]);
    assert_eq!(passwords.names().collect::<Vec<_>>(), ["u 6", "u#3", "u2", "ü4"]);
    for name in ["u2", "u#3", "ü4", "u 6"] {
        assert!(passwords.get(name).unwrap().verify(b"pass word"), "{name}");
    }
    for name in ["", "u1", "#u1", "u", "u2 ", "U2", "u22", "u\u{308}4", "u2:", "u2\n"] {
        assert!(passwords.get(name).is_none(), "{name:?}");
    }
}

#[test]
fn a_name_given_twice_is_a_problem_and_the_first_one_counts() {
    let other = FOREIGN[3].0;
    let text = format!("a:{CHEAP}\nb:{CHEAP}\na:{other}\nb:{other}\na:{CHEAP}\n");
    let (passwords, problems) = Passwords::parse(&text);
    let doubles = [(3, 1), (4, 2), (5, 1)].map(|(line, first)| Problem { line, what: Flaw::Duplicate { first } });
    assert_eq!(problems, doubles);
    assert_eq!(passwords.len(), 2);
    assert_eq!(passwords.get("a").unwrap().mark(), Entry::parse(CHEAP).unwrap().mark());
    assert_eq!(problems[0].to_string(), "line 3: the name is already given in line 1");
}

#[test]
fn problems_are_listed_up_to_a_limit() {
    let (_, problems) = Passwords::parse(&"rubbish\n".repeat(10_000));
    assert_eq!(problems.len(), MAX_PROBLEMS + 1);
    assert_eq!(problems.last(), Some(&Problem { line: 0, what: Flaw::TooManyProblems }));
    let (_, problems) = Passwords::parse(&format!("a:{CHEAP}\n").repeat(10_000));
    assert_eq!(problems.len(), MAX_PROBLEMS + 1);
}

#[test]
fn nothing_secret_is_shown() {
    let (passwords, problems) = Passwords::parse(&format!("alice:{CHEAP}\nbob:hunter2\n"));
    let entry = passwords.get("alice").unwrap();
    for shown in [format!("{passwords:?}"), format!("{entry:?}"), format!("{problems:?}"), problems[0].to_string()] {
        for secret in ["AAECAwQ", "GTp4MsND", "hunter2", "alice", "bob"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_mark_changes_with_the_entry_and_with_nothing_else() {
    let mut marks: Vec<_> = FOREIGN.iter().map(|(text, _)| Entry::parse(text).unwrap().mark()).collect();
    // Same salt and hash, another cost; and a character of the hash.
    marks.extend(
        [CHEAP.replace("$6$", "$7$5$"), CHEAP.replace("GTp4", "GTp5")].map(|t| Entry::parse(&t).unwrap().mark()),
    );
    marks.sort_unstable();
    marks.dedup();
    assert_eq!(marks.len(), FOREIGN.len() + 2);
    let mark = |text: &str| Passwords::parse(text).0.get("u").unwrap().mark();
    assert_eq!(mark(&format!("u:{CHEAP}\n")), mark(&format!("#\na:{CHEAP}\n u : {CHEAP}\r\n")));
}

#[test]
fn a_stand_in_costs_what_a_real_entry_costs_and_takes_no_password() {
    let mixed = format!("a:{}\nb:{}\nc:{}\nd:{CHEAP}\n", FOREIGN[0].0, FOREIGN[3].0, FOREIGN[4].0);
    let (passwords, _) = Passwords::parse(&mixed);
    let costs = |passwords: &Passwords| -> Vec<String> {
        (0..400).map(|n| format!("{:?}", passwords.stand_in(&format!("nobody-{n}")))).collect()
    };
    let found = costs(&passwords);
    assert_eq!(found, costs(&Passwords::parse(&mixed).0), "the same name, the same cost");
    for (kind, least) in [("Entry(argon2id)", 60), ("Entry(sha512)", 60), ("Entry(pbkdf2-sha512)", 120)] {
        assert!(found.iter().filter(|found| *found == kind).count() > least, "{kind}");
    }
    for name in ["a", "b", "c", "d", "e", "f", ""] {
        assert!(!passwords.stand_in(name).verify(b"pass word"), "{name}");
    }
    let empty = Passwords::parse("").0.stand_in("anyone");
    assert_eq!(empty.memory_bytes(), 19 << 20);
    assert!(!empty.verify(b""));
}

#[test]
fn names_that_a_line_cannot_carry_are_refused() {
    let cases: &[(&str, Option<Flaw>)] = &[
        ("pump-7", None),
        ("a b", None),
        ("a#", None),
        ("é", None),
        ("", Some(Flaw::NameEmpty)),
        ("a:b", Some(Flaw::NameUnwritable)),
        ("#a", Some(Flaw::NameUnwritable)),
        (" a", Some(Flaw::NameUnwritable)),
        ("a ", Some(Flaw::NameUnwritable)),
        ("a\n", Some(Flaw::NameControl)),
        ("a\u{7f}", Some(Flaw::NameControl)),
        ("a\u{85}b", Some(Flaw::NameControl)),
    ];
    for (name, flaw) in cases {
        assert_eq!(check_name(name).err(), *flaw, "{name:?}");
    }
}

#[test]
fn a_hundred_thousand_entries_load_at_once_in_about_their_own_size() {
    let mut text = String::new();
    // Against the order that it sorts to.
    for number in (0..100_000).rev() {
        text.push_str(&format!("device-{number:06}:{CHEAP}\n"));
    }
    let started = std::time::Instant::now();
    let (passwords, problems) = Passwords::parse(&text);
    let took = started.elapsed();
    assert_eq!((passwords.len(), passwords.weak(), problems.len()), (100_000, 100_000, 0));
    // Half a second as built for tests on a busy machine; the bound only tells it from one that is not linear.
    assert!(took.as_secs() < 20, "{took:?}");
    assert!(passwords.lines.capacity() <= text.len() + 1);
    for name in ["device-000000", "device-050000", "device-099999"] {
        assert!(passwords.get(name).unwrap().verify(b"pass word"), "{name}");
    }
    assert!(passwords.get("device-100000").is_none());
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_every_entry_found_can_be_had(text in "([ -~]{0,3}:?\\$?(6|7|argon2id)?\\$?[ -~é\\n]{0,40}\n?){0,8}") {
        let (passwords, _) = Passwords::parse(&text);
        for name in passwords.names() {
            proptest::prop_assert!(passwords.get(name).is_some());
        }
        let _ = passwords.stand_in(&text);
    }

    #[test]
    fn no_hash_text_panics(text in "\\$(6|7|argon2id)\\$(v=19\\$m=[0-9]{1,6},t=[0-9],p=[0-9])?[0-9]{0,3}\\$?[A-Za-z0-9+/=$]{0,120}") {
        if let Ok(entry) = Entry::parse(&text) {
            let _ = (entry.mark(), entry.memory_bytes());
        }
    }
}
