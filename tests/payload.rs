//! Payloads from outside: the JSON Schema Test Suite as JSON, CBOR and MessagePack, and what reading asks of memory and
//! time. A program of its own: the allocator counts.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::collections::BTreeMap;
use std::{fs, path::Path};

use serde_json::Value;
use tidegate::payload::schema::{Schema, SchemaFlaw};
use tidegate::payload::{Field, FlawKind, Format, Found, Limits, Reader};

/// Cases whose schema is refused, and with what words: formats that are not known, and dialects of one's own.
const REFUSED: [(&str, &str); 5] = [
    ("/optional/format/unknown: ", "Unknown format: 'unknown'"),
    ("idn-hostname", "Unknown format: 'idn-hostname'"),
    ("idn-email", "Unknown format: 'idn-email'"),
    ("/vocabulary: ", "which is none of drafts 4, 6, 7, 2019-09 and 2020-12"),
    ("/optional/format-assertion: ", "which is none of drafts 4, 6, 7, 2019-09 and 2020-12"),
];

/// Tests that hold a format to be a remark only; here it is asserted.
const ANNOTATION: &str = "only an annotation by default";

fn vectors(name: &str) -> BTreeMap<String, Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/json-schema").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap()
}

#[test]
fn every_draft_judges_as_its_test_suite_says() {
    let remotes = vectors("remotes.json");
    let (mut passed, mut problems) = (0, Vec::new());
    for (draft, dialect) in [
        ("draft4", "http://json-schema.org/draft-04/schema#"),
        ("draft6", "http://json-schema.org/draft-06/schema#"),
        ("draft7", "http://json-schema.org/draft-07/schema#"),
        ("draft2019-09", "https://json-schema.org/draft/2019-09/schema"),
        ("draft2020-12", "https://json-schema.org/draft/2020-12/schema"),
    ] {
        for (file, cases) in vectors(&format!("{draft}.json")) {
            for case in cases.as_array().unwrap() {
                let name = format!("{draft}/{file}: {}", text(case, "description"));
                let refused = REFUSED.iter().find(|(part, _)| name.contains(part));
                match (run(case, dialect, &remotes), refused) {
                    (Ok(tests), _) => passed += tests,
                    (Err(found), Some((_, why))) if found.iter().all(|problem| problem.contains(why)) => {}
                    (Err(found), _) => problems.extend(found.into_iter().map(|problem| format!("{name}: {problem}"))),
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems, {passed} passed\n{}", problems.len(), problems.join("\n"));
    assert!(passed > 6000, "{passed}");
}

/// How many tests of a case pass, or which do not.
fn run(case: &Value, dialect: &str, remotes: &BTreeMap<String, Value>) -> Result<usize, Vec<String>> {
    let mut document = case.get("schema").unwrap().clone();
    if let Value::Object(members) = &mut document {
        members.entry("$schema").or_insert_with(|| dialect.into());
    }
    let schema = Schema::compile(&document, "json-schema:///", &mut |uri| {
        remotes.get(uri).cloned().ok_or_else(|| "no such remote".to_owned())
    });
    let schema = schema.map_err(|error| vec![format!("no schema: {error}")])?;
    let tests = case.get("tests").and_then(Value::as_array).unwrap();
    let mut problems = Vec::new();
    for test in tests {
        let data = test.get("data").unwrap();
        let valid =
            test.get("valid").and_then(Value::as_bool).unwrap() && !text(test, "description").contains(ANNOTATION);
        let formats = [
            (Format::Json, serde_json::to_vec(data).unwrap()),
            (Format::Cbor, cbor(data)),
            (Format::MessagePack, rmp_serde::to_vec(data).unwrap()),
        ];
        for (format, payload) in formats {
            let judged = schema.validate(&format, &Limits::default(), &payload);
            if judged.is_ok() != valid || matches!(judged, Err(SchemaFlaw::Payload(_))) {
                problems.push(format!("{} as {format:?}: {judged:?}", text(test, "description")));
            }
        }
    }
    if problems.is_empty() { Ok(tests.len()) } else { Err(problems) }
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    coset::cbor::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// How often reading asks for memory, and for how much.
fn memory(format: &Format, limits: &Limits, fields: &[&str], payload: &[u8]) -> (u64, u64) {
    let fields: Vec<Field> = fields.iter().map(|field| Field::parse(field).unwrap()).collect();
    let reader = Reader::new(format.clone(), limits.clone(), &fields).unwrap();
    let mut found = Found::new();
    let info = allocation_counter::measure(|| {
        let _ = reader.read(payload, &mut found);
    });
    (info.count_total, info.bytes_max)
}

#[test]
fn reading_a_payload_costs_no_allocation() {
    let telemetry = serde_json::json!({
        "device": "pump-07", "timestamp": 1_795_447_560_123_i64, "celsius": 21.734, "bar": 3.918, "alarm": false,
        "detail": {"vibration": [0.012, 0.034, 0.021], "valve": "open", "hours": 18231.25, "none": null},
    });
    let text = telemetry.to_string();
    // Escapes where nothing is wanted, in names too, and as many names as there is room for.
    let escaped = text.replace("open", "\\u00b0\\n").replace("valve", "v\\u0061lve");
    let names: Vec<String> = (0..62).map(|n| format!("\"n{n}\":{n}")).collect();
    let many = format!("{{\"celsius\":1.5,{}}}", names.join(","));
    let fields = ["/celsius", "/bar", "/device", "/detail/vibration/2", "/detail"];
    let messagepack = rmp_serde::to_vec(&telemetry).unwrap();
    for (format, payload) in [
        (Format::Json, text.as_bytes()),
        (Format::Json, escaped.as_bytes()),
        (Format::Json, many.as_bytes()),
        (Format::Cbor, &cbor(&telemetry)),
        (Format::MessagePack, &messagepack),
    ] {
        assert_eq!(memory(&format, &Limits::default(), &fields, payload).0, 0, "{format:?}");
    }
    assert_eq!(memory(&Format::Text, &Limits::default(), &[""], b"running").0, 0);
    assert_eq!(memory(&Format::Number, &Limits::default(), &[""], b"21.5").0, 0);
}

#[test]
fn no_payload_brings_about_more_memory_than_it_has_bytes() {
    // 4 GiB promised, and as many names as fit.
    let names: Vec<String> = (0..9000).map(|n| format!("\"n{n}\":0")).collect();
    let object = format!("{{{}}}", names.join(","));
    let open = Limits { max_values: usize::MAX, max_depth: usize::MAX, allow_duplicates: false };
    for (format, payload) in [
        (Format::Cbor, &b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..]),
        (Format::Cbor, b"\x7f\x7b\x00\x00\x00\x01\x00\x00\x00\x00aa\xff"),
        (Format::MessagePack, b"\xdf\xff\xff\xff\xff\xa1a\x01"),
        (Format::MessagePack, b"\xdb\xff\xff\xff\xffa"),
        (Format::Json, object.as_bytes()),
    ] {
        let (_, bytes) = memory(&format, &open, &["", "/n1"], payload);
        assert!(bytes <= 512 + 3 * payload.len() as u64, "{format:?}: {bytes} for {}", payload.len());
    }
}

#[test]
fn hostile_payloads_are_read_in_time_linear_in_their_length() {
    let mib = 1 << 20;
    let limits = Limits { max_values: usize::MAX, ..Limits::default() };
    let object = |name: &dyn Fn(usize) -> String| {
        let members: Vec<String> = (0..mib / 16).map(|n| format!("\"{}\":0", name(n))).collect();
        format!("{{{}}}", members.join(","))
    };
    let cases: [(String, Result<(), FlawKind>); 7] = [
        ("9".repeat(mib), Err(FlawKind::NumberRange)),
        (format!("0.{}", "1".repeat(mib)), Err(FlawKind::NumberRange)),
        (format!("1e{}", "9".repeat(mib)), Err(FlawKind::NumberRange)),
        (format!("\"{}\"", "\\u0061".repeat(mib / 6)), Ok(())),
        (object(&|n| format!("n{n}")), Ok(())),
        (object(&|n| format!("\\u006e{n}")), Ok(())),
        (object(&|_| "n".to_owned()), Err(FlawKind::DuplicateKey)),
    ];
    for (payload, expected) in cases {
        let reader = Reader::new(Format::Json, limits.clone(), &[Field::parse("").unwrap()]).unwrap();
        let started = std::time::Instant::now();
        let judged = reader.read(payload.as_bytes(), &mut Found::new()).map_err(|flaw| flaw.what);
        assert_eq!(judged, expected);
        // Without optimisation, on a busy machine; what is quadratic takes minutes.
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
}
