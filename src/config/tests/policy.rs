//! Policies: what a file says reaches the policy, of one folder or several.

use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::config::policy;
use crate::identity::{Attribute, Pattern, Prefix};
use crate::mqtt::frame::QoS;
use crate::policy::{Broad, Condition, Deny, Draft, Features, Grant, Mode, OnDeny, Priority, Role, Window};

/// What policy files say together; `members` lists `a` and `c d`.
pub(super) fn united(texts: &[&str]) -> Result<Draft, String> {
    let folder = tempfile::tempdir().unwrap();
    let folders: Vec<Located<PathBuf>> =
        (0..texts.len()).map(|at| Located { value: folder.path().join(at.to_string()), span: 0..0 }).collect();
    for (folder, text) in folders.iter().zip(texts) {
        fs::create_dir(&folder.value).unwrap();
        fs::write(folder.value.join("policy.toml"), text).unwrap();
        fs::write(folder.value.join("members"), "a\r\n# b\n\nc d\n").unwrap();
    }
    let wanted = policy::Wanted { folders: &folders, by: None, listeners: None };
    let mut problems = Vec::new();
    let (draft, parts) = policy::read(&wanted, &mut problems, &mut Vec::new());
    problems.extend(parts.into_iter().flat_map(policy::Part::into_problems));
    draft.ok_or_else(|| Problems::new(problems).to_string())
}

pub(super) fn draft(text: &str) -> Draft {
    united(&[text]).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Equal, as far as `Debug` shows.
pub(super) fn check<T: std::fmt::Debug>(found: &T, expected: &T) {
    assert_eq!(format!("{found:#?}"), format!("{expected:#?}"));
}

const ROLE: &str = r#"
version = "1"
mode = "monitor"
on_deny = "disconnect"
quarantine_topic = "odd/ones"

[[role]]
name = "sensor"
members = "members"
mode = "monitor"
on_broad_subscription = "filter"
max_lifetime = "12h"
priority = "vital"
wildcard_subscriptions = false
shared_subscriptions = false
subscription_identifiers = false

[role.match]
identity = ["temp-*", "hum-*"]
method = "certificate"
listener = "field"
address = ["10.1.0.0/16", "fd00::1"]
client_id = "c-*"
username = "u"
certificate = { cn = "cn", o = "o", ou = "ou", dns = "dns", uri = "uri", email = "email", ip = "ip", spiffe = "spiffe", issuer = "issuer", serial = "serial", fingerprint = "fingerprint" }
claim = { site = "north", "realm.roles" = ["a", "b"] }
[[grant]]
id = "g"
roles = ["sensor"]
connect = true
"#;

#[test]
fn everything_said_of_a_role_reaches_the_policy() {
    let draft = draft(ROLE);
    assert_eq!(
        (draft.mode, draft.on_deny, draft.quarantine_topic.as_str()),
        (Mode::Monitor, OnDeny::Disconnect, "odd/ones")
    );
    let role = draft.roles[0].clone();
    let text = |name: &str, any: &[&str]| Condition::Text {
        attribute: Attribute::parse(name).unwrap(),
        any: any.iter().map(|text| Pattern::new(text)).collect(),
    };
    let mut expected =
        vec![text("identity", &["temp-*", "hum-*"]), text("method", &["certificate"]), text("listener", &["field"])];
    expected.extend([text("client_id", &["c-*"]), text("username", &["u"])]);
    for name in ["cn", "o", "ou", "dns", "uri", "email", "ip", "spiffe", "issuer", "serial", "fingerprint"] {
        expected.push(text(&format!("certificate.{name}"), &[name]));
    }
    expected.extend([text("claim.realm.roles", &["a", "b"]), text("claim.site", &["north"])]);
    expected
        .push(Condition::Address(vec![Prefix::parse("10.1.0.0/16").unwrap(), Prefix::parse("fd00::1/128").unwrap()]));
    check(&role.conditions, &expected);
    assert_eq!(role.members, Some(HashSet::from(["a".into(), "c d".into()])), "byte for byte, but for line breaks");
    check(
        &Role { conditions: Vec::new(), members: None, ..role },
        &Role {
            mode: Mode::Monitor,
            on_broad_subscription: Broad::Filter,
            priority: Priority::Vital,
            max_lifetime: Some(Duration::from_secs(12 * 3600)),
            features: Features {
                wildcard_subscriptions: false,
                shared_subscriptions: false,
                subscription_identifiers: false,
                ..Features::ALL
            },
            ..Role::new("sensor")
        },
    );
}

#[test]
fn everything_said_of_rules_reaches_the_policy() {
    let draft = draft(
        r#"
version = "1"
[[grant]]
id = "g"
roles = ["everyone"]
publish = ["p/${identity}", "p/#"]
subscribe = ["s/+"]
receive = ["$SYS/#"]
max_qos = 1
retain = false
max_payload_bytes = "1KiB"
share_groups = ["workers", "a b"]
when = { inside = "22:00-06:00", days = ["fri-mon", "wed"], timezone = "America/New_York" }
mode = "monitor"
on_deny = "acknowledge"
[[grant]]
id = "plain"
roles = ["everyone"]
publish = ["a"]
[[deny]]
id = "d"
roles = ["everyone"]
connect = true
publish = ["p"]
subscribe = ["s"]
receive = ["r"]
except = ["p", "${claim.site}"]
when = { outside = "00:00-24:00", days = "sun", timezone = "UTC" }
mode = "monitor"
on_deny = "quarantine"
[[deny]]
id = "bare"
publish = ["a"]
"#,
    );
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let zone = |name: &str| jiff::tz::TimeZone::get(name).unwrap();
    let days = [true, false, true, false, true, true, true];
    let window = Window { inside: true, from: 22 * 60, to: 6 * 60, days, timezone: zone("America/New_York") };
    let limited = Grant {
        publish: texts(&["p/${identity}", "p/#"]),
        subscribe: texts(&["s/+"]),
        receive: texts(&["$SYS/#"]),
        max_qos: QoS::One,
        retain: false,
        max_payload_bytes: Some(1024),
        share_groups: Some(texts(&["workers", "a b"])),
        when: Some(window),
        mode: Mode::Monitor,
        on_deny: OnDeny::Acknowledge,
        ..Grant::new("g", &["everyone"])
    };
    check(&draft.grants, &vec![limited, Grant { publish: texts(&["a"]), ..Grant::new("plain", &["everyone"]) }]);
    let days = [false, false, false, false, false, false, true];
    let denied = Deny {
        roles: texts(&["everyone"]),
        connect: true,
        publish: texts(&["p"]),
        subscribe: texts(&["s"]),
        receive: texts(&["r"]),
        except: texts(&["p", "${claim.site}"]),
        when: Some(Window { inside: false, from: 0, to: 24 * 60, days, timezone: zone("UTC") }),
        mode: Mode::Monitor,
        on_deny: OnDeny::Quarantine,
        ..Deny::new("d")
    };
    check(&draft.denies, &vec![denied, Deny { publish: texts(&["a"]), ..Deny::new("bare") }]);
}

#[test]
fn several_folders_are_one_policy() {
    let roles = "version = \"roles\"\nmode = \"monitor\"\n[[role]]\nname = \"a\"\nmatch.identity = \"*\"\n";
    let rules = "version = \"rules\"\n[[grant]]\nid = \"g\"\nroles = [\"a\"]\npublish = [\"t\"]\n";
    let draft = united(&[roles, rules]).unwrap();
    assert_eq!((draft.version.as_str(), draft.mode), ("roles+rules", Mode::Monitor));
    assert_eq!((draft.roles.len(), draft.grants.len()), (1, 1));
    let other =
        "version = \"other\"\nmode = \"enforce\"\npermit_all = true\n[[role]]\nname = \"a\"\nmatch.identity = \"*\"\n";
    let said = united(&[roles, rules, other]).unwrap_err();
    for part in
        ["`mode` is said twice", "two roles have the name `a`", "everything is permitted, so grants mean nothing"]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
}

/// Rules about messages.
const ABOUT_MESSAGES: &str = r#"
[[payload]]
id = "p"
publish = ["a/+"]
format = "json"
schema = "schema.json"
values = [{ field = "/a", min = 1, max = 2.5, max_change = 1, per = "1s" }, { field = "/b", one_of = ["x"] }]
interlocks = [{ topic = "b/${topic.2}", format = "text", one_of = ["on"], max_age = "1s" }]
[[payload]]
id = "b"
publish = ["b"]
format = "binary"
binary = { fields = [{ name = "n", offset = 1, type = "bits", bit = 1, bits = 3 }] }
[[signature]]
id = "s"
publish = ["c"]
carrier = "json-field"
keys = "keys.json"
key_id = "${identity}"
required_from = 2127-01-01T00:00:00Z
[[rate]]
id = "r"
publish = ["a/${identity}"]
per = "prefix"
prefix = { ipv4 = 16, ipv6 = 48 }
messages = "1/m"
bytes = "1KiB/s"
burst_bytes = "2KiB"
weigh = "1B"
on_excess = "ban"
ban = "1h"
[[rate]]
id = "w"
per = "gateway"
packets = "1/10ms"
burst = 2
shares = [{ role = "everyone", share = 0.5 }]
"#;

/// A policy with so many roles, grants and members, and how long it took to load.
fn large(rules: usize, members: usize) -> (Duration, LoadedPolicy) {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "version = \"large\"\n".to_owned();
    for at in 0..rules {
        text.push_str(&format!(
            "\n[[role]]\nname = \"role-{at}\"\nmatch = {{ certificate.ou = \"unit-{at}\", certificate.cn = \"temp-*\" }}\n\
             \n[[grant]]\nid = \"grant-{at}\"\nroles = [\"role-{at}\"]\npublish = [\"plant/{at}/+/${{identity}}\"]\n\
             subscribe = [\"plant/{at}/command/#\"]\nmax_qos = 1\nretain = false\n\
             when = {{ inside = \"06:00-22:00\", timezone = \"Europe/Berlin\" }}\n"
        ));
    }
    text.push_str("\n[[role]]\nname = \"members\"\nmembers = \"members\"\n[[deny]]\nid = \"d\"\nroles = [\"members\"]\nconnect = true\n");
    fs::write(folder.path().join("policy.toml"), text).unwrap();
    let lines: String = (0..members).map(|at| format!("identity-{at}\n")).collect();
    fs::write(folder.path().join("members"), lines).unwrap();
    let began = std::time::Instant::now();
    let loaded = load_policy(&[folder.path()]).unwrap_or_else(|problems| panic!("{problems}"));
    (began.elapsed(), loaded)
}

#[test]
fn ten_thousand_rules_and_a_hundred_thousand_identities_load_quickly() {
    let (took, loaded) = large(10_000, 100_000);
    assert_eq!(&**loaded.policy.version(), "large");
    assert!(took < Duration::from_secs(10), "{took:?}; unoptimised, and others may be at work");
}

#[test]
fn a_file_with_nothing_but_problems_is_refused_in_no_time() {
    let grants: String =
        (0..20_000).map(|at| format!("[[grant]]\nid = \"g\"\nroles = [\"role-{at}x\"]\npublsh = []\n")).collect();
    let roles: String =
        (0..2000).map(|at| format!("[[role]]\nname = \"role-{at}\"\nmatch.idendity = \"a\"\n")).collect();
    let began = std::time::Instant::now();
    let said = united(&[&format!("version = \"1\"\n{roles}{grants}")]).unwrap_err();
    assert!(said.contains("more than 200 problems"), "{said}");
    assert!(
        said.matches("error: ").count() < 210 && began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_policy_cut_or_altered_anywhere_is_taken_or_refused_and_never_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    fs::write(folder.path().join("members"), "a\n").unwrap();
    fs::write(folder.path().join("schema.json"), "{\"type\": \"object\"}").unwrap();
    let keys = include_str!("../../../tests/vectors/settings/policies/signature/good.json");
    fs::write(folder.path().join("keys.json"), keys).unwrap();
    let whole = format!("{ROLE}{ABOUT_MESSAGES}");
    fs::write(&path, whole).unwrap();
    assert!(load_policy(&[folder.path()]).is_ok());
    let text = format!(
        "{ROLE}max_qos = 1\nwhen = {{ days = [\"mon-fri\"], inside = \"06:00-22:00\", timezone = \"UTC\" }}\n{ABOUT_MESSAGES}"
    );
    for at in 0..text.len() {
        fs::write(&path, &text.as_bytes()[..at]).unwrap();
        let _ = load_policy(&[folder.path()]);
        let mut altered = text.as_bytes().to_vec();
        altered[at] = b"\"[{"[at % 3];
        fs::write(&path, altered).unwrap();
        if let Err(problems) = load_policy(&[folder.path()]) {
            assert!(!problems.to_string().is_empty(), "altered at {at}");
        }
    }
}

#[test]
fn a_grant_that_opens_the_quarantine_topic_is_told_unless_a_denial_closes_it() {
    let warnings = |more: &str| {
        let text = format!(
            "version = \"1\"\n{more}\n[[grant]]\nid = \"g\"\nroles = [\"everyone\"]\npublish = [\"+/a/#\", \"b/#\"]\n"
        );
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), text).unwrap();
        let folders = [Located { value: folder.path().to_owned(), span: 0..0 }];
        let wanted = policy::Wanted { folders: &folders, by: None, listeners: None };
        let mut problems = Vec::new();
        let policy = policy::load(&wanted, &mut problems, &mut Vec::new());
        assert!(policy.is_some(), "{}", Problems::new(problems));
        problems.iter().filter(|problem| problem.message.contains("below the quarantine topic")).count()
    };
    let deny = |more: &str| {
        warnings(&format!("on_deny = \"quarantine\"\n[[deny]]\nid = \"d\"\npublish = [\"quarantine/#\"]\n{more}"))
    };
    assert_eq!(warnings("on_deny = \"quarantine\""), 1);
    assert_eq!(warnings("on_deny = \"quarantine\"\nquarantine_topic = \"b\""), 2);
    assert_eq!(warnings("on_deny = \"quarantine\"\nquarantine_topic = \"x/y\""), 0);
    assert_eq!(warnings(""), 0, "nothing is quarantined");
    assert_eq!(deny(""), 0);
    assert_eq!(deny("mode = \"monitor\""), 1);
    assert_eq!(deny("except = [\"quarantine/a/#\"]"), 1);
    assert_eq!(deny("when = { inside = \"08:00-16:00\", timezone = \"UTC\" }"), 1);
}
