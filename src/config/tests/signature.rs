//! Rules about signatures: what a file says reaches the policy, and so do the keys that it names.

use std::time::Duration;

use super::policy::check;
use super::*;
use crate::config::policy;
use crate::identity::Template;
use crate::jwk::Algorithm;
use crate::payload::Field;
use crate::policy::{Act, Draft, MessageRule, Mode, OnDeny, Required, SignatureRule};
use crate::signature::{Carrier, Freshness, Names, Scheme};

const KEYS: &str = include_str!("../../../tests/vectors/signatures/public.json");
const PRIVATE_KEYS: &str = include_str!("../../../tests/vectors/signatures/private.json");

/// What a policy says whose folder holds keys, and what is said of it; the files of keys are of this mode.
fn read(rule: &str, mode: u32) -> (Option<Draft>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("version = \"1\"\npermit_all = true\n[[signature]]\nid = \"a\"\npublish = [\"a\"]\n{rule}");
    for (name, text) in [("policy.toml", text.as_str()), ("keys.json", KEYS), ("private.json", PRIVATE_KEYS)] {
        fs::write(folder.path().join(name), text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(folder.path().join(name), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    let folders = [Located { value: folder.path().to_path_buf(), span: 0..0 }];
    let wanted = policy::Wanted { folders: &folders, by: None, listeners: None };
    let (mut problems, mut files) = (Vec::new(), Vec::new());
    let (draft, parts) = policy::read(&wanted, &mut problems, &mut files);
    problems.extend(parts.into_iter().flat_map(policy::Part::into_problems));
    assert_eq!(files.len(), 2, "the keys are watched: {files:?}");
    let said = problems.iter().filter(|problem| problem.message != "this policy permits everything");
    let said = said.map(|problem| format!("{}: {}", problem.message, problem.label));
    (draft, said.map(|said| said.replace(&folder.path().display().to_string(), "")).collect())
}

fn rule(text: &str) -> SignatureRule {
    let (draft, said) = read(text, 0o600);
    draft.unwrap_or_else(|| panic!("{said:?}")).signatures.remove(0)
}

#[test]
fn everything_said_of_a_signature_reaches_the_policy() {
    let found = rule(
        r#"
receive = ["b/#"]
roles = ["everyone"]
carrier = "json-field"
field = "/sig"
keys = "keys.json"
algorithms = ["HS256", "ES256"]
action = "strip"
max_age = "10s"
clock_skew = "1s"
freshness = "either"
required_from = 2127-01-01T00:00:00Z
key_id = ["${identity}", "scada-*"]
max_nonces = 7
retained_any_age = true
mode = "monitor"
on_deny = "quarantine"
"#,
    );
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let expected = SignatureRule {
        rule: MessageRule {
            roles: texts(&["everyone"]),
            publish: texts(&["a"]),
            receive: texts(&["b/#"]),
            mode: Mode::Monitor,
            on_deny: OnDeny::Quarantine,
            ..MessageRule::new("a")
        },
        scheme: Scheme {
            carrier: Carrier::JsonField(Field::parse("/sig").unwrap()),
            algorithms: vec![Algorithm::Hs256, Algorithm::Es256],
            max_age: Some(Duration::from_secs(10)),
            clock_skew: Duration::from_secs(1),
            freshness: Freshness::Either,
        },
        act: found.act.clone(),
        required: Required::From(4_954_435_200_000),
        key_id: ["${identity}", "scada-*"].map(|text| Template::parse(text).unwrap()).to_vec(),
        max_nonces: 7,
        retained_any_age: true,
    };
    check(&found, &expected);
    assert!(matches!(&found.act, Act::Strip(keys) if keys.len() == 5));
}

#[test]
fn a_signature_rule_that_says_little_is_strict() {
    let found = rule("carrier = \"user-property\"\nkeys = \"keys.json\"\n");
    let algorithms =
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512];
    let scheme = Scheme {
        carrier: Carrier::UserProperty(Names::default()),
        algorithms: algorithms.to_vec(),
        max_age: Some(Duration::from_secs(30)),
        clock_skew: Duration::from_secs(5),
        freshness: Freshness::Nonce,
    };
    assert!(matches!(&found.act, Act::Verify(_)));
    let rule = MessageRule { publish: vec!["a".to_owned()], ..MessageRule::new("a") };
    check(&found, &SignatureRule { rule, ..SignatureRule::new("a", scheme, found.act.clone()) });
}

#[test]
fn what_is_done_and_how_can_be_said_in_short() {
    let of = |more: &str| rule(&format!("carrier = \"jws-detached\"\nkeys = \"keys.json\"\n{more}"));
    assert!(matches!(of("strip = true\n").act, Act::Strip(_)));
    assert!(matches!(of("strip = false\n").act, Act::Verify(_)));
    assert_eq!(of("property = \"jws\"\n").scheme.carrier, Carrier::JwsDetached("jws".into()));
    assert_eq!(of("freshness = \"counter\"\n").scheme.max_age, None, "a counter asks for no clock");
    assert_eq!(of("freshness = \"counter\"\nmax_age = \"1m\"\n").scheme.max_age, Some(Duration::from_secs(60)));
    assert_eq!(of("required = false\n").required, Required::IfPresent);
    let named = rule("carrier = \"user-property\"\nproperties = { kid = \"k\" }\nkeys = \"keys.json\"\n");
    let names = Names { kid: "k".into(), ..Names::default() };
    assert_eq!(named.scheme.carrier, Carrier::UserProperty(names));
}

#[test]
fn a_key_that_signs_is_one_that_can() {
    let signing = |more: &str| format!("carrier = \"trailer\"\nkeys = \"private.json\"\naction = \"sign\"\n{more}");
    assert!(matches!(&rule(&signing("sign_with = \"ed-1\"\n")).act, Act::Sign { kid, .. } if **kid == *"ed-1"));
    for (more, expected) in [
        ("sign_with = \"ed-2\"\n", "no private key of the set has the `kid` `ed-2`"),
        ("sign_with = \"hmac-1\"\n", "this key signs by `HS256`"),
        ("sign_with = \"ed-1\"\nalgorithms = [\"ES256\"]\n", "this key signs by `EdDSA`"),
        ("", "nothing says which key signs"),
    ] {
        let (draft, said) = read(&signing(more), 0o600);
        assert!(draft.is_none() && said.iter().any(|said| said.contains(expected)), "{more}: {said:?}");
    }
}

#[test]
#[cfg(unix)]
fn keys_that_sign_and_that_everyone_may_read_are_warned_of() {
    let verifying = "carrier = \"trailer\"\nkeys = \"keys.json\"\nalgorithms = [\"HS256\"]\n";
    let signing = "carrier = \"trailer\"\nkeys = \"private.json\"\naction = \"sign\"\nsign_with = \"ed-1\"\n";
    for (rule, who) in [(verifying, "whoever has a secret in it"), (signing, "whoever has a private key")] {
        assert_eq!(read(rule, 0o640).1, [""; 0], "{rule}");
        let (draft, said) = read(rule, 0o644);
        assert!(draft.is_some() && said.len() == 1 && said[0].contains(who), "{said:?}");
    }
    let (_, said) = read(&verifying.replace("keys.json", "private.json"), 0o600);
    assert!(said.iter().any(|said| said.contains("key 2, on line 3: it holds a private key")), "{said:?}");
    let secrets = ["nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"];
    assert!(secrets.iter().all(|secret| PRIVATE_KEYS.contains(secret) && !format!("{said:?}").contains(secret)));
}
