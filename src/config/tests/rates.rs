//! Rules about rates: what a file says reaches the policy, and what can't be meant is refused where it stands.

use std::time::Duration;

use super::policy::{check, draft, united};
use crate::policy::{Excess, Mode, Per, RateRule, Share, Unit, Window};
use crate::rate::Rate;

fn rule(text: &str) -> RateRule {
    draft(&format!("version = \"1\"\npermit_all = true\n[[rate]]\nid = \"a\"\n{text}")).rates.remove(0)
}

#[test]
fn everything_said_of_a_rate_reaches_the_policy() {
    let minute = Duration::from_secs(60);
    let found = rule(
        r#"
roles = ["everyone"]
publish = ["a/${identity}/#"]
per = "identity"
messages = "100/m"
bytes = "64KiB/s"
burst = 20
burst_bytes = "1MiB"
weigh = "1KiB"
on_excess = "ban"
ban = "2m"
when = { inside = "22:00-06:00", timezone = "UTC" }
mode = "monitor"
"#,
    );
    let when = Window { inside: true, from: 1320, to: 360, days: [true; 7], timezone: jiff::tz::TimeZone::UTC };
    let expected = RateRule {
        roles: vec!["everyone".to_owned()],
        publish: vec!["a/${identity}/#".to_owned()],
        per: Per::Identity,
        limits: vec![
            (Unit::Messages, Rate::new(100, minute).with_burst(20)),
            (Unit::Bytes, Rate::new(65_536, Duration::from_secs(1)).with_burst(1 << 20)),
        ],
        weigh: Some(1024),
        on_excess: Some(Excess::Ban),
        ban: 2 * minute,
        when: Some(when),
        mode: Mode::Monitor,
        ..RateRule::new("a")
    };
    check(&found, &expected);
    let found = rule(
        r#"
per = "gateway"
packets = "5/s"
shares = [ { role = "everyone", share = 0.25 } ]
"#,
    );
    let expected = RateRule {
        per: Per::Gateway,
        limits: vec![(Unit::Packets, Rate::new(5, Duration::from_secs(1)))],
        shares: vec![Share { role: "everyone".to_owned(), thousandths: 250 }],
        ..RateRule::new("a")
    };
    check(&found, &expected);
    let delivered = rule("receive = [\"b\"]\nbytes = \"1KiB/s\"\non_excess = \"disconnect\"");
    assert_eq!((delivered.receive, delivered.on_excess), (vec!["b".to_owned()], Some(Excess::Disconnect)));
    for (text, per) in [
        ("prefix", Per::Prefix { ipv4: 24, ipv6: 56 }),
        ("prefix\"\nprefix = { ipv4 = 16 }\nburst = \"", Per::Prefix { ipv4: 16, ipv6: 56 }),
        ("client", Per::Client),
        ("address", Per::Address),
        ("role", Per::Role),
        ("listener", Per::Listener),
    ] {
        let text =
            format!("connections = \"5/m\"\nsubscriptions = \"6/m\"\nper = \"{text}\"").replace("burst = \"\"", "");
        let expected = RateRule {
            per,
            limits: vec![(Unit::Connections, Rate::new(5, minute)), (Unit::Subscriptions, Rate::new(6, minute))],
            ..RateRule::new("a")
        };
        check(&rule(&text), &expected);
    }
}

#[test]
fn what_a_rate_cannot_mean_is_refused_with_its_place_and_help() {
    for (text, message, line) in [
        ("", "the rule `a` counts nothing", 4),
        ("messages = \"10\"", "`messages`", 5),
        ("messages = \"10/s\"\nburst = 0", "`burst`", 6),
        ("bytes = \"64KiB/s\"\nburst = 5", "`burst` means nothing here", 6),
        ("messages = \"10/s\"\nburst_bytes = 5", "`burst_bytes` means nothing here", 6),
        ("bytes = \"64KiB/s\"\nweigh = 5", "`weigh` means nothing here", 6),
        ("messages = \"10/s\"\nban = \"5m\"", "`ban` means nothing here", 6),
        ("messages = \"10/s\"\nprefix = { ipv4 = 24 }", "`prefix` means nothing here", 6),
        ("messages = \"10/s\"\nper = \"prefix\"\nprefix = { ipv4 = 33 }", "`ipv4`", 7),
        ("packets = \"10/s\"\npublish = [\"a\"]", "`packets` are of no topic", 6),
        ("connections = \"10/s\"\nper = \"topic\"", "`connections` are of no topic", 6),
        ("connections = \"10/s\"\non_excess = \"throttle\"", "`connections` can't wait", 6),
        ("subscriptions = \"10/s\"\non_excess = \"throttle\"", "`subscriptions` can't wait", 6),
        ("messages = \"10/s\"\nper = \"gateway\"\non_excess = \"ban\"", "banned for what others do", 7),
        ("messages = \"10/s\"\nreceive = [\"#\"]\non_excess = \"ban\"", "banned for what others send them", 6),
        ("messages = \"10/s\"\nroles = [\"nobody\"]", "no role has the name `nobody`", 6),
        (
            "messages = \"10/s\"\nper = \"gateway\"\nshares = [{ role = \"nobody\", share = 1 }]",
            "no role has the name",
            7,
        ),
        ("messages = \"10/s\"\nshares = [{ role = \"everyone\", share = 1 }]", "`shares` means nothing here", 6),
        ("messages = \"10/s\"\nper = \"gateway\"\nshares = [{ role = \"everyone\", share = 1.1 }]", "`share`", 7),
        ("messages = \"10/s\"\nper = \"gateway\"\nshares = [{ role = \"everyone\" }]", "`share`", 7),
        (
            "messages = \"10/s\"\nper = \"gateway\"\nshares = [{ role = \"everyone\", share = 0.5 },\n{ role = \"r\", share = 0.6 }]\n[[role]]\nname = \"r\"\nmatch = { identity = \"r\" }",
            "these shares are more than the whole",
            8,
        ),
        (
            "messages = \"10/s\"\nper = \"gateway\"\non_excess = \"disconnect\"\nshares = [{ role = \"everyone\", share = 0.5 }]",
            "who has used up its share would be cut off",
            7,
        ),
        ("messages = \"10/s\"\nid = \"b\"", "duplicate key", 6),
    ] {
        let problems =
            united(&[&format!("version = \"1\"\npermit_all = true\n[[rate]]\nid = \"a\"\n{text}")]).unwrap_err();
        assert!(problems.contains(message), "{message}\n{problems}");
        assert!(problems.contains(&format!("policy.toml:{line}:")), "{line}\n{problems}");
    }
}

#[test]
fn a_filter_of_a_rate_that_no_grant_speaks_of_is_told() {
    let text = r#"
version = "1"
[[grant]]
id = "g"
roles = ["everyone"]
publish = ["plant/#"]
[[rate]]
id = "r"
publish = ["plnat/#"]
messages = "1/s"
on_excess = "nothing"
"#;
    let problems = united(&[text]).unwrap_err();
    assert!(problems.contains("no grant permits to publish to `plnat/#`"), "{problems}");
    assert!(problems.contains("`throttle`, `reject`, `disconnect`"), "{problems}");
}
