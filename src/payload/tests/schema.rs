use serde_json::json;

use super::*;
use crate::payload::schema::{Schema, SchemaError, SchemaFlaw};

fn compile(document: &serde_json::Value) -> Result<Schema, SchemaError> {
    Schema::compile(document, "file:///etc/tidegate/schema.json", &mut |uri| Err(format!("no {uri}")))
}

fn judge(schema: &Schema, payload: &str) -> String {
    match schema.validate(&Format::Json, &Limits::default(), payload.as_bytes()) {
        Ok(()) => "valid".to_owned(),
        Err(SchemaFlaw::Payload(flaw)) => told(&flaw),
        Err(SchemaFlaw::Schema { field, keyword }) => format!("{keyword} {field}"),
    }
}

#[test]
fn the_first_break_is_told_by_place_and_keyword() {
    let schema = compile(&json!({
        "type": "object",
        "required": ["celsius"],
        "additionalProperties": false,
        "properties": {
            "celsius": {"type": "number", "minimum": -40, "maximum": 125},
            "unit": {"enum": ["C"]},
            "id": {"type": "string", "pattern": "^[a-z]{2,8}$", "format": "hostname"},
            "list": {"type": "array", "items": {"type": "integer"}, "maxItems": 3, "uniqueItems": true},
            "never": false,
        },
    }))
    .unwrap();
    for (payload, expected) in [
        ("{\"celsius\":21.5,\"unit\":\"C\",\"id\":\"pump\",\"list\":[1,2]}", "valid"),
        ("{\"celsius\":1.0,\"list\":[1.0]}", "valid"),
        ("{}", "required "),
        ("[]", "type "),
        ("{\"celsius\":126}", "maximum /celsius"),
        ("{\"celsius\":\"21\"}", "type /celsius"),
        ("{\"celsius\":1,\"unit\":\"F\"}", "enum /unit"),
        ("{\"celsius\":1,\"id\":\"PUMP\"}", "pattern /id"),
        ("{\"celsius\":1,\"list\":[1,\"2\"]}", "type /list/1"),
        ("{\"celsius\":1,\"list\":[1,1.0]}", "uniqueItems /list"),
        ("{\"celsius\":1,\"list\":[1,2,3,4]}", "maxItems /list"),
        ("{\"celsius\":1,\"never\":1}", "false /never"),
        ("{\"celsius\":1,\"secret\":\"hunter2\"}", "additionalProperties "),
        // What is no JSON is not judged further.
        ("{\"celsius\":1,\"celsius\":2}", "duplicate_key 23 /celsius"),
        ("{\"celsius\":1e400}", "number_range 11 /celsius"),
        ("{\"celsius\":18446744073709551616}", "number_range 31 /celsius"),
        ("{\"celsius\":1} x", "trailing_bytes 14 -"),
    ] {
        assert_eq!(judge(&schema, payload), expected, "{payload}");
    }
}

#[test]
fn a_document_of_another_format_is_judged_alike() {
    let schema = compile(&json!({
        "properties": {"a": {"maximum": 5}, "7": {"type": "string"}, "b": {"pattern": "^_w$"}},
        "minProperties": 1,
    }))
    .unwrap();
    let limits = Limits::default();
    let judge = |format, payload: &[u8]| match schema.validate(&format, &limits, payload) {
        Ok(()) => "valid".to_owned(),
        Err(SchemaFlaw::Payload(flaw)) => told(&flaw),
        Err(SchemaFlaw::Schema { field, keyword }) => format!("{keyword} {field}"),
    };
    assert_eq!(judge(Format::Cbor, b"\xa1\x61a\x05"), "valid");
    assert_eq!(judge(Format::Cbor, b"\xa1\x61a\x06"), "maximum /a");
    assert_eq!(judge(Format::Cbor, b"\xa1\x07\x06"), "type /7");
    // Bytes are their base64url text: 0xff is "_w".
    assert_eq!(judge(Format::Cbor, b"\xa1\x61b\x41\xff"), "valid");
    assert_eq!(judge(Format::Cbor, b"\xa1\x61b\x41\xfe"), "pattern /b");
    assert_eq!(judge(Format::MessagePack, b"\x81\xa1a\xcb\x40\x18\0\0\0\0\0\0"), "maximum /a");
    assert_eq!(judge(Format::MessagePack, b"\x80"), "minProperties ");
    assert_eq!(judge(Format::MessagePack, b"\x81"), "truncated 1 -");
    assert_eq!(judge(Format::Text, b"{}"), "unsupported - -");
}

#[test]
fn a_reference_is_resolved_by_whoever_compiles_it_or_not_at_all() {
    let document = json!({"properties": {"a": {"$ref": "parts/one.json"}, "b": {"$ref": "parts/one.json#/$defs/b"}}});
    let mut asked = Vec::new();
    let schema = Schema::compile(&document, "file:///etc/tidegate/schema.json", &mut |uri| {
        asked.push(uri.to_owned());
        match uri {
            "file:///etc/tidegate/parts/one.json" => {
                Ok(json!({"$ref": "two.json", "$defs": {"b": {"type": "string"}}}))
            }
            "file:///etc/tidegate/parts/two.json" => Ok(json!({"maximum": 5})),
            _ => Err("no such file".to_owned()),
        }
    })
    .unwrap();
    assert_eq!(asked, ["file:///etc/tidegate/parts/one.json", "file:///etc/tidegate/parts/two.json"]);
    assert_eq!(judge(&schema, "{\"a\":5,\"b\":\"\"}"), "valid");
    assert_eq!(judge(&schema, "{\"a\":6}"), "maximum /a");
    assert_eq!(judge(&schema, "{\"b\":6}"), "type /b");
    for (document, expected) in [
        (
            json!({"$ref": "https://example.com/x.json"}),
            "can't resolve `https://example.com/x.json`: no https://example.com/x.json",
        ),
        (json!({"$ref": "x.json"}), "can't resolve `file:///etc/tidegate/x.json`: no file:///etc/tidegate/x.json"),
    ] {
        assert_eq!(compile(&document).unwrap_err().to_string(), expected);
    }
    // Documents that refer to ever more documents.
    let mut count = 0;
    let endless = Schema::compile(&json!({"$ref": "0.json"}), "file:///etc/schema.json", &mut |_| {
        count += 1;
        Ok(json!({"$ref": format!("{count}.json")}))
    });
    assert_eq!(endless.unwrap_err(), SchemaError::Documents);
    assert_eq!(count, Schema::MAX_DOCUMENTS - 1);
}

#[test]
fn a_schema_that_can_t_be_held_to_is_refused() {
    let refused = |document| compile(&document).unwrap_err().to_string();
    for dialect in [json!("http://json-schema.org/draft-03/schema#"), json!("https://example.com/my"), json!(7)] {
        assert!(refused(json!({"$schema": dialect})).contains("which is none of drafts"), "{dialect}");
    }
    let nowhere = compile(&json!({"$ref": "#/$defs/none"})).unwrap_err();
    assert!(matches!(nowhere, SchemaError::Invalid { .. }), "{nowhere}");
    for (document, place) in [
        (json!({"properties": {"a": {"type": "text"}}}), "/properties/a/type"),
        (json!({"minimum": "5"}), "/minimum"),
        (json!({"pattern": "(?=x)"}), ""),
        (json!({"pattern": "(a"}), ""),
        (json!({"pattern": "(?:a{1000}){1000}"}), ""),
        (json!({"format": "plant-id"}), ""),
        (json!(5), ""),
    ] {
        let error = compile(&document).unwrap_err();
        assert!(
            matches!(&error, SchemaError::Invalid { place: at, .. } if at.starts_with(place)),
            "{document}: {error:?}"
        );
    }
    let large = json!({"enum": vec![0; Schema::MAX_VALUES]});
    assert_eq!(compile(&large).unwrap_err(), SchemaError::Values);
}

#[test]
fn each_draft_has_its_own_words() {
    let exclusive = |schema: &str| json!({"$schema": schema, "maximum": 5, "exclusiveMaximum": true});
    let draft4 = compile(&exclusive("http://json-schema.org/draft-04/schema#")).unwrap();
    assert_eq!(judge(&draft4, "5"), "exclusiveMaximum ");
    compile(&exclusive("http://json-schema.org/draft-07/schema#")).unwrap_err();
    compile(&exclusive("https://json-schema.org/draft/2020-12/schema")).unwrap_err();
    let tuple = |schema: &str| compile(&json!({"$schema": schema, "prefixItems": [{"type": "string"}]})).unwrap();
    assert_eq!(judge(&tuple("https://json-schema.org/draft/2020-12/schema"), "[1]"), "type /0");
    assert_eq!(judge(&tuple("https://json-schema.org/draft/2019-09/schema"), "[1]"), "valid");
    // Without one: 2020-12.
    assert_eq!(judge(&compile(&json!({"prefixItems": [{"type": "string"}]})).unwrap(), "[1]"), "type /0");
}

#[test]
fn formats_are_asserted_in_every_draft() {
    for draft in ["draft-04", "draft-06", "draft-07", "draft/2019-09", "draft/2020-12"] {
        let scheme = if draft.starts_with("draft/") { "https" } else { "http" };
        let schema =
            compile(&json!({"$schema": format!("{scheme}://json-schema.org/{draft}/schema"), "format": "date-time"}))
                .unwrap();
        assert_eq!(judge(&schema, "\"2026-11-23T15:26:00Z\""), "valid", "{draft}");
        assert_eq!(judge(&schema, "\"yesterday\""), "format ", "{draft}");
    }
}

#[test]
fn a_pattern_takes_time_linear_in_the_text() {
    let schema = compile(&json!({"pattern": "^(a+)+$"})).unwrap();
    let text = format!("\"{}b\"", "a".repeat(100_000));
    assert_eq!(judge(&schema, &text), "pattern ");
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    for document in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        json!({"not": {"$ref": "#"}}),
    ] {
        if let Ok(schema) = compile(&document) {
            judge(&schema, "{\"a\":1}");
        }
    }
    let tree = compile(&json!({"properties": {"next": {"$ref": "#"}, "value": {"type": "integer"}}})).unwrap();
    assert_eq!(judge(&tree, "{\"next\":{\"next\":{\"value\":1}}}"), "valid");
    assert_eq!(judge(&tree, "{\"next\":{\"next\":{\"value\":\"\"}}}"), "type /next/next/value");
}
