//! `tidegate explain` and `tidegate test`, asked of what messages say.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn tidegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).output().unwrap()
}

const POLICY: &str = r#"
version = "1"

[[grant]]
id = "telemetry"
roles = ["everyone"]
publish = ["plant/#"]

[[payload]]
id = "range"
publish = ["plant/+/temperature"]
format = "json"
values = [{ field = "/celsius", max = 150, max_change = 5, per = "1s" }]

[[payload]]
id = "counter"
publish = ["plant/+/count"]
format = "binary"
binary = { fields = [{ name = "count", offset = 0, type = "u16" }] }
values = [{ field = "/count", max = 256 }]

[[payload]]
id = "open"
publish = ["plant/+/open"]
interlocks = [{ topic = "plant/${topic.2}/temperature", field = "/celsius", max = 50, max_age = "10s" }]
"#;

fn policy(cases: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    fs::write(folder.path().join("cases.toml"), cases).unwrap();
    fs::write(folder.path().join("count.bin"), [1, 1]).unwrap();
    folder
}

/// What is answered about a message to a topic, told by these arguments.
fn explained(topic: &str, more: &[&str]) -> (Option<i32>, Value) {
    let folder = policy("");
    let path = folder.path().to_str().unwrap();
    let file = folder.path().join("count.bin");
    let more: Vec<&str> = more.iter().map(|text| if *text == "FILE" { file.to_str().unwrap() } else { text }).collect();
    let output =
        tidegate(&[&["explain", "--json", "-p", path, "--as", "username=u", "--publish", topic][..], &more].concat());
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| Value::from(output.stderr));
    (output.status.code(), answer)
}

#[test]
fn what_a_message_says_is_weighed_and_the_field_is_told() {
    let temperature = "plant/line1/temperature";
    for (topic, more, code, rule, field, problem) in [
        (temperature, &["--payload-text", r#"{"celsius": 21.5}"#][..], 0, None, None, None),
        (
            temperature,
            &["--payload-text", r#"{"celsius": 151}"#, "--property", "a=b=c", "--dup"],
            1,
            Some("range"),
            Some("/celsius"),
            Some("above_max"),
        ),
        (temperature, &[], 1, Some("range"), None, Some("truncated")),
        ("plant/line1/count", &["--payload", "FILE"], 1, Some("counter"), Some("/count"), Some("above_max")),
        ("plant/line1/open", &["--qos", "1"], 1, Some("open"), Some(temperature), Some("unknown")),
        ("other", &[], 1, Some("default"), None, None),
    ] {
        let (found, answer) = explained(topic, more);
        assert_eq!(found, Some(code), "{topic} {more:?}: {answer:#}");
        let texts = ["rule", "field", "problem"].map(|key| answer[key].as_str());
        assert_eq!(texts, [rule, field, problem], "{topic} {more:?}");
    }
}

#[test]
fn a_file_that_can_t_be_read_is_three_and_a_wrong_argument_is_too() {
    for more in [&["--payload", "/nonexistent"][..], &["--property", "a"]] {
        assert_eq!(explained("plant/a/open", more).0, Some(3), "{more:?}");
    }
    assert_eq!(explained("plant/a/open", &["--payload-text", "a", "--payload-bytes", "1"]).0, Some(2));
}

const CASES: &str = r#"
[[case]]
name = "slowly"
as = { username = "u" }
given = [{ publish = "plant/a/temperature", payload = '{"celsius": 20}', ago = "2s" }]
publish = "plant/a/temperature"
payload = '{"celsius": 30}'
expect = "allow"

[[case]]
name = "of bytes, from a file and in hexadecimal"
as = { username = "u" }
publish = "plant/a/count"
payload_file = "count.bin"
expect = "deny"
rule = "counter"
field = "/count"

[[case]]
name = "of few bytes"
publish = "plant/a/count"
payload_hex = "0100"
expect = "allow"

[[case]]
name = "the plant is cool"
as = { username = "u" }
given = [{ as = { username = "sensor" }, publish = "plant/a/temperature", payload = '{"celsius": 20}', ago = "9s" }]
publish = "plant/a/open"
expect = "allow"
"#;

const FAILING: &str = r#"
[[case]]
name = "too fast"
given = [{ publish = "plant/a/temperature", payload = '{"celsius": 20}', ago = "2s" }]
publish = "plant/a/temperature"
payload = '{"celsius": 31}'
expect = "deny"
problem = "above_max"

[[case]]
name = "another field"
publish = "plant/a/temperature"
payload = '{"celsius": 200}'
expect = "deny"
field = "/fahrenheit"

[[case]]
name = "given what is refused"
given = [{ publish = "plant/a/temperature", payload = '{"celsius": 200}', ago = "2s" }]
publish = "plant/a/open"
expect = "deny"
"#;

#[test]
fn cases_say_what_went_on_before() {
    let folder = policy(CASES);
    let output = tidegate(&["test", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    let folder = policy(FAILING);
    let output = tidegate(&["test", "--json", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed = answer["policies"][0]["failed"].as_array().unwrap();
    let found: Vec<(&str, i64, &str)> = failed
        .iter()
        .map(|case| (case["case"].as_str().unwrap(), case["line"].as_i64().unwrap(), case["found"].as_str().unwrap()))
        .collect();
    let by = "by rule `range`, reason `payload`, field `/celsius`, problem";
    assert_eq!(
        found,
        [
            ("too fast", 7, &*format!("found `deny` {by} `changed_too_fast`")),
            ("another field", 14, &*format!("found `deny` {by} `above_max`")),
            ("given what is refused", 19, &*format!("it is refused {by} `above_max`")),
        ]
    );
}

/// The blocks of a page that are fenced as TOML and hold a line.
fn blocks(page: &str, line: &str) -> Vec<String> {
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("\n```toml\n").skip(1).map(|part| part.split("\n```").next().unwrap_or_default());
    blocks.filter(|block| block.lines().any(|other| other == line)).map(str::to_owned).collect()
}

#[test]
fn the_rules_and_cases_of_the_how_to_are_of_one_piece() {
    let page = "docs/howto/payload-rules.md";
    let (rules, cases) = (blocks(page, "[[payload]]"), blocks(page, "[[case]]"));
    let [first, second, enforced] = rules.as_slice() else { panic!("{rules:?}") };
    let [range, change] = cases.as_slice() else { panic!("{cases:?}") };
    let held = |rule: &str, cases: &str| {
        let folder = policy(cases);
        fs::write(folder.path().join("policy.toml"), format!("version = \"1\"\npermit_all = true\n{rule}")).unwrap();
        let output = tidegate(&["test", folder.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{rule}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    held(first, range);
    held(second, &format!("{range}\n{change}"));
    held(enforced, &range.replace("\"observe\"", "\"deny\""));
}

#[test]
fn the_rates_of_the_how_to_are_held_to_by_its_case() {
    let page = "docs/howto/under-attack.md";
    let (rates, cases) = (blocks(page, "[[rate]]"), blocks(page, "[[case]]"));
    let text = format!("version = \"1\"\npermit_all = true\n{}", rates.join("\n"));
    let [case] = cases.as_slice() else { panic!("{cases:?}") };
    let held = |text: &str, case: &str| {
        let folder = policy(case);
        fs::write(folder.path().join("policy.toml"), text).unwrap();
        let output = tidegate(&["test", folder.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    held(&text, case);
    held(&text, &case.replace("21", "20").replace("\"observe\"", "\"allow\""));
    held(&text.replace("mode = \"monitor\"", ""), &case.replace("\"observe\"", "\"deny\""));
}

#[test]
fn the_rates_that_count_a_request_are_told() {
    let rates = [
        "[[rate]]\nid = \"device\"\nroles = [\"r\"]\nmessages = \"10/s\"\nweigh = \"1KiB\"\nburst = 20",
        "[[rate]]\nid = \"line\"\npublish = [\"plant/${username}/#\"]\nper = \"topic\"\nbytes = \"1KiB/m\"\non_excess = \"reject\"",
        "[[rate]]\nid = \"dialling\"\nconnections = \"5/m\"",
    ];
    let role = "[[role]]\nname = \"r\"\nmatch = { username = \"u\" }";
    let folder = policy("");
    let text = format!("version = \"1\"\npermit_all = true\n{role}\n{}", rates.join("\n"));
    fs::write(folder.path().join("policy.toml"), text).unwrap();
    let told = |asked: &[&str]| -> Vec<String> {
        let path = folder.path().to_str().unwrap();
        let output = tidegate(&[&["explain", "--json", "-p", path, "--as", "username=u"][..], asked].concat());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let weighed = answer["weighed"].as_array().unwrap().iter();
        let rates = weighed.filter(|weighed| weighed["kind"] == "rate" && weighed["matched"] == true);
        rates.map(|rate| format!("{} {}: {}", rate["says"], rate["rule"], rate["why"]).replace('"', "")).collect()
    };
    let device = "allow device: it is counted per identity: 10 messages of 1024 bytes in 1s, 20 at once, else throttle";
    let line = "allow line: `plant/${username}/#` matches: it is counted per topic: 1024 bytes in 60s, 1024 at once, else reject";
    assert_eq!(told(&["--publish", "plant/u/a"]), [device, line]);
    assert_eq!(told(&["--publish", "plant/v/a"]), [device]);
    assert_eq!(told(&["--receive", "plant/u/a"]), [""; 0]);
    assert_eq!(
        told(&["--connect"]),
        ["allow dialling: it is counted per identity: 5 connections in 60s, 5 at once, else reject"]
    );
}
