//! Rules about payloads: what a file says reaches the policy, and so do the files that it names.

use std::time::Duration;

use super::policy::{check, draft};
use super::*;
use crate::payload::binary::{Endian, Kind, Layout, Length, Slot};
use crate::payload::{Field, Format, Limits};
use crate::policy::{
    Bound, Change, Check, CheckedField, First, Interlock, MessageRule, Metrics, Mode, OnDeny, PayloadFormat,
    PayloadRule, Scalar, Sparkplug, ValueKind,
};

fn field(text: &str) -> Field {
    Field::parse(text).unwrap()
}

fn rules(text: &str) -> Vec<PayloadRule> {
    draft(&format!(
        "version = \"1\"\npermit_all = true\n[[role]]\nname = \"sensor\"\nmatch = {{ listener = \"*\" }}\n{text}"
    ))
    .payloads
}

const ALL: &str = r#"
[[payload]]
id = "all"
roles = ["sensor"]
publish = ["plant/+/temperature/${identity}"]
receive = ["plant/#"]
format = "cbor"
max_bytes = "1KiB"
allow_empty = true
max_depth = 3
max_values = 10
duplicate_keys = true
when = { days = "mon", timezone = "UTC" }
mode = "monitor"
on_deny = "quarantine"

[[payload.values]]
field = "/a~1b/0"
required = false
type = "integer"
min = -1
max = 2.5
max_change = 3
per = "2s"
min_interval = "3s"
stuck_after = "4s"
first = "deny"
forget_after = "5s"

[[payload.values]]
field = "/text"
pattern = "^a"
min_length = 1
max_length = 2

[[payload.values]]
field = "/one"
one_of = [1, 2.5]

[[payload.interlocks]]
topic = "plant/${topic.2}/state"
format = "text"
one_of = ["open", "shut"]
max_age = "10s"

[[payload.interlocks]]
topic = "plant/pressure"
field = "/bar"
min = 1
max = 4.0
max_age = "1m"
"#;

#[test]
fn everything_said_of_a_payload_reaches_the_policy() {
    let found = rules(ALL).remove(0);
    let seconds = Duration::from_secs;
    let when = found.rule.when.clone();
    assert!(when.as_ref().is_some_and(|when| when.days == [true, false, false, false, false, false, false]));
    let expected = PayloadRule {
        rule: MessageRule {
            roles: vec!["sensor".to_owned()],
            publish: vec!["plant/+/temperature/${identity}".to_owned()],
            receive: vec!["plant/#".to_owned()],
            when,
            mode: Mode::Monitor,
            on_deny: OnDeny::Quarantine,
            ..MessageRule::new("all")
        },
        format: Some(PayloadFormat::Fields(Format::Cbor)),
        max_bytes: 1024,
        allow_empty: true,
        limits: Limits { max_depth: 3, max_values: 10, allow_duplicates: true },
        schema: None,
        values: vec![
            Check {
                required: false,
                kind: Some(ValueKind::Integer),
                min: Some(Bound::Integer(-1)),
                max: Some(Bound::Float(2.5)),
                max_change: Some(Change { by: 3.0, per: seconds(2) }),
                min_interval: Some(seconds(3)),
                stuck_after: Some(seconds(4)),
                first: First::Deny,
                forget_after: seconds(5),
                ..Check::new(CheckedField::Field(field("/a~1b/0")))
            },
            Check {
                pattern: Some(regex::Regex::new("^a").unwrap()),
                min_length: Some(1),
                max_length: Some(2),
                ..Check::new(CheckedField::Field(field("/text")))
            },
            Check {
                one_of: vec![Scalar::Number(Bound::Integer(1)), Scalar::Number(Bound::Float(2.5))],
                ..Check::new(CheckedField::Field(field("/one")))
            },
        ],
        interlocks: vec![
            Interlock {
                topic: "plant/${topic.2}/state".to_owned(),
                format: Format::Text,
                field: field(""),
                min: None,
                max: None,
                one_of: vec![Scalar::Text("open".into()), Scalar::Text("shut".into())],
                max_age: seconds(10),
            },
            Interlock {
                topic: "plant/pressure".to_owned(),
                format: Format::Json,
                field: field("/bar"),
                min: Some(Bound::Integer(1)),
                max: Some(Bound::Float(4.0)),
                one_of: Vec::new(),
                max_age: seconds(60),
            },
        ],
    };
    check(&found, &expected);
}

#[test]
fn a_payload_rule_that_says_little_is_strict() {
    let found = rules("[[payload]]\nid = \"a\"\npublish = [\"a\"]\nformat = \"json\"\n").remove(0);
    let rule = MessageRule { publish: vec!["a".to_owned()], ..MessageRule::new("a") };
    let format = Some(PayloadFormat::Fields(Format::Json));
    check(&found, &PayloadRule { rule, format, ..PayloadRule::new("a") });
}

#[test]
fn a_layout_is_as_long_as_its_fields_reach() {
    let layout = |said: &str| {
        let text = format!("[[payload]]\nid = \"a\"\npublish = [\"a\"]\nformat = \"binary\"\nbinary = {{ {said} }}\n");
        match rules(&text).remove(0).format {
            Some(PayloadFormat::Fields(Format::Binary(layout))) => layout,
            format => panic!("{format:?}"),
        }
    };
    let slot = |name: &str, offset, kind| Slot {
        name: name.into(),
        offset,
        kind,
        endian: Endian::Little,
        scale: 1.0,
        add: 0.0,
    };
    let said = r#"endian = "little", fields = [
        { name = "p", offset = 1, type = "u16", scale = 0.1, add = -40 },
        { name = "t", offset = 3, type = "text", length = 4 },
        { name = "b", offset = 0, type = "bits", bit = 2, bits = 3 },
    ]"#;
    let expected = vec![
        Slot { scale: 0.1, add: -40.0, ..slot("p", 1, Kind::Unsigned(2)) },
        slot("t", 3, Kind::Text(4)),
        slot("b", 0, Kind::Bits { first: 2, count: 3 }),
    ];
    assert_eq!(*layout(said), Layout::new(Length::Exactly(7), expected.clone()).unwrap());
    let longer = format!("length = 9, longer = true, {said}");
    assert_eq!(*layout(&longer), Layout::new(Length::AtLeast(9), expected).unwrap());
}

#[test]
fn sparkplug_is_held_to_all_that_it_promises_unless_it_is_said() {
    let text = "[[payload]]\nid = \"a\"\npublish = [\"spBv1.0/#\"]\nformat = \"sparkplug\"\n";
    for (more, sequence, metrics) in
        [("", true, Metrics::Declared), ("sparkplug = { sequence = false, metrics = \"any\" }\n", false, Metrics::Any)]
    {
        let more = format!("{text}{more}values = [{{ metric = \"Pressure/Inlet\", max = 10 }}]\n");
        let found = rules(&more).remove(0);
        check(&found.format, &Some(PayloadFormat::Sparkplug(Sparkplug { sequence, metrics })));
        assert_eq!(found.values[0].field, CheckedField::Metric("Pressure/Inlet".into()));
    }
}

/// The files that a policy with a schema is read from, and what is said of it; `files` stand beside it.
fn with_schema(files: &[(&str, &str)]) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().unwrap();
    let rule =
        |id: &str| format!("[[payload]]\nid = \"{id}\"\npublish = [\"a\"]\nformat = \"json\"\nschema = \"a b.json\"\n");
    let policy = format!("version = \"1\"\npermit_all = true\n{}{}", rule("one"), rule("two"));
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let folders = [Located { value: folder.path().to_path_buf(), span: 0..0 }];
    let wanted = crate::config::policy::Wanted { folders: &folders, by: None, listeners: None };
    let (mut problems, mut read) = (Vec::new(), Vec::new());
    crate::config::policy::load(&wanted, &mut problems, &mut read);
    problems.retain(Problem::is_error);
    let name = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
    let said: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.message, problem.label)).collect();
    (read.iter().map(name).collect(), said.join("\n"))
}

#[test]
fn a_schema_is_read_once_with_the_files_that_it_refers_to_and_all_of_them_are_watched() {
    let (read, said) = with_schema(&[
        ("a b.json", r#"{"properties": {"u": {"$ref": "units/u.json#/$defs/unit"}, "v": {"$ref": "units/v.json"}}}"#),
        ("units/u.json", r#"{"$defs": {"unit": {"$ref": "v.json"}}}"#),
        ("units/v.json", r#"{"type": "string"}"#),
    ]);
    assert_eq!(said, "");
    let schemas = read.iter().filter(|name| name.as_str() == "a b.json").count();
    assert_eq!(schemas, 2, "named by two rules: {read:?}");
    for name in ["policy.toml", "units/u.json", "units/v.json"] {
        assert_eq!(read.iter().filter(|read| *read == name).count(), 1, "{name} of {read:?}");
    }
}

#[test]
fn nothing_that_a_schema_refers_to_is_fetched_and_not_too_much_is_read() {
    for (uri, expected) in [
        ("https://example.com/a.json", "nothing is fetched over the network"),
        ("http://127.0.0.1:1/a.json", "nothing is fetched over the network"),
        ("file://host/a.json", "nothing is fetched over the network"),
        ("none.json", "no such file or folder"),
        (".", ""),
    ] {
        let (_, said) = with_schema(&[("a b.json", &format!("{{\"$ref\": \"{uri}\"}}"))]);
        assert!(said.contains("can't follow the reference") && said.contains(expected), "{uri}: {said}");
    }
    let many: Vec<(String, String)> = (0..100)
        .map(|at| (format!("{at}.json"), format!("{{\"$ref\": \"{}.json\"}}", at + 1)))
        .chain([("a b.json".to_owned(), "{\"$ref\": \"0.json\"}".to_owned())])
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(with_schema(&many).1.contains("more than 64 documents"));
    let large = format!("{{\"$comment\": \"{}\"}}", "x".repeat(1 << 20));
    assert!(with_schema(&[("a b.json", &large)]).1.contains("larger than 1MiB"));
    let deep = format!("{}true{}", "{\"not\":".repeat(200), "}".repeat(200));
    assert!(with_schema(&[("a b.json", &deep)]).1.contains("recursion limit"));
}
