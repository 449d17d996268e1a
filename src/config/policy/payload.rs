//! Rules about payloads: a format with what it needs, and what is asked of the values.

mod interlocks;
mod layout;
pub(super) mod tables;
mod values;

use std::ops::Range;
use std::sync::Arc;

use self::tables::{FormatName, PayloadTable, ProtobufTable};
use super::attached::Attached;
use super::rules::{Said, means_nothing, written};
use crate::config::kinds::TopicFilter;
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::mqtt::topic;
use crate::payload::protobuf::Descriptor;
use crate::payload::schema::Schema;
use crate::payload::{Format, Limits, Reader, ReaderError};
use crate::policy::{Metrics, PayloadFormat, PayloadRule, Sparkplug};

/// A rule, where it has an id.
pub(super) fn payload(
    located: &Located<PayloadTable>,
    attached: &mut Attached,
    reading: &mut Reading,
) -> Option<PayloadRule> {
    let table = &located.value;
    let id = table.id.as_ref()?;
    let is_faulty = reading.is_faulty(located);
    let said = Said {
        id,
        roles: &table.roles,
        publish: &table.publish,
        receive: &table.receive,
        when: table.when.as_ref(),
        mode: table.mode.as_ref(),
        on_deny: table.on_deny,
    };
    let rule = said.rule(is_faulty, reading);
    if !is_faulty {
        asks_something(id, table, reading);
    }
    not_of_the_format(table, reading);
    let limits = limits(table);
    let values = values::checks(table, reading);
    let interlocks = interlocks::interlocks(table, reading);
    let schema = schema(table, attached, reading);
    let format = format(table, attached, reading);
    if let Some(PayloadFormat::Fields(format)) = &format {
        are_there(format, &limits, table, reading);
    }
    let allow_empty = table.allow_empty;
    let max_bytes = table.max_bytes.as_ref().map_or(PayloadRule::MAX_BYTES, |bytes| bytes.value);
    Some(PayloadRule { rule, format, max_bytes, allow_empty, limits, schema, values, interlocks })
}

/// Something must be asked, and of values only where there are any.
fn asks_something(id: &Located<String>, table: &PayloadTable, reading: &mut Reading) {
    if table.format.is_some() {
        return;
    }
    let of_values = [
        ("values", table.values.first().map(|value| &value.span)),
        ("schema", table.schema.as_ref().map(|schema| &schema.span)),
    ];
    if let Some((key, _)) = of_values.iter().find(|(_, span)| span.is_some()) {
        let problem = reading
            .at(problem::Kind::MissingKey, &id.span, format!("`{key}` needs a `format`"))
            .label("expected `format`: how the payload is written")
            .help("most telemetry is `format = \"json\"`");
        reading.report(problem);
        return;
    }
    let has_table = table.binary.is_some() || table.protobuf.is_some() || table.sparkplug.is_some();
    if written(&table.max_bytes).is_none() && table.interlocks.is_empty() && !has_table {
        let problem = reading
            .at(problem::Kind::MissingKey, &id.span, format!("the rule `{}` asks for nothing", id.value))
            .label("expected `format`, `max_bytes` or `interlocks`");
        reading.report(problem);
    }
}

/// Keys that another format has.
fn not_of_the_format(table: &PayloadTable, reading: &mut Reading) {
    use FormatName::{Binary, Cbor, Json, MessagePack, Protobuf, Sparkplug};
    let own = [
        ("binary", table.binary.as_ref().map(|table| &table.span), Binary),
        ("protobuf", table.protobuf.as_ref().map(|table| &table.span), Protobuf),
        ("sparkplug", table.sparkplug.as_ref().map(|table| &table.span), Sparkplug),
    ];
    let format = table.format.as_ref().map(|format| format.value);
    for (key, span, of) in own {
        if let Some(span) = span.filter(|_| format != Some(of)) {
            means_nothing(key, span, format!("it goes with `format = \"{key}\"`"), reading);
        }
    }
    let Some(format) = format else { return };
    let is_document = matches!(format, Json | Cbor | MessagePack);
    if let Some(schema) = table.schema.as_ref().filter(|_| !is_document) {
        let why = format!("a payload of format `{}` is no document that a JSON Schema could speak of", format.label());
        means_nothing("schema", &schema.span, why, reading);
    }
    let is_nested = is_document || matches!(format, Protobuf | Sparkplug);
    let bounds = [
        ("max_depth", written(&table.max_depth).map(|depth| &depth.span), is_nested),
        ("max_values", written(&table.max_values).map(|values| &values.span), is_nested),
        ("duplicate_keys", written(&table.duplicate_keys).map(|keys| &keys.span), is_document || format == Protobuf),
    ];
    for (key, span, has) in bounds {
        if let Some(span) = span.filter(|_| !has) {
            means_nothing(key, span, format!("format `{}` has no such thing", format.label()), reading);
        }
    }
    if let Some(Located { value: true, span }) = &table.duplicate_keys
        && is_document
    {
        let problem = reading
            .at(problem::Kind::Unsafe, span, "a name may stand twice in one object")
            .label("who reads the payload may take another value than the one that was judged, which is the last")
            .warning();
        reading.report(problem);
    }
}

fn limits(table: &PayloadTable) -> Limits {
    let limits = Limits::default();
    Limits {
        max_depth: table.max_depth.as_ref().map_or(limits.max_depth, |depth| depth.value),
        max_values: table.max_values.as_ref().map_or(limits.max_values, |values| values.value),
        allow_duplicates: table.duplicate_keys.as_ref().map_or(limits.allow_duplicates, |keys| keys.value),
    }
}

fn schema(table: &PayloadTable, attached: &mut Attached, reading: &mut Reading) -> Option<Arc<Schema>> {
    attached.schema(table.schema.as_ref()?, reading)
}

fn format(table: &PayloadTable, attached: &mut Attached, reading: &mut Reading) -> Option<PayloadFormat> {
    let Located { value: format, span } = table.format.as_ref()?;
    Some(PayloadFormat::Fields(match format {
        FormatName::Json => Format::Json,
        FormatName::Cbor => Format::Cbor,
        FormatName::MessagePack => Format::MessagePack,
        FormatName::Text => Format::Text,
        FormatName::Number => Format::Number,
        FormatName::Binary => match &table.binary {
            Some(binary) => Format::Binary(Arc::new(layout::layout(binary, reading)?)),
            None => return needs("binary", "`fields`", span, reading),
        },
        FormatName::Protobuf => match &table.protobuf {
            Some(protobuf) => Format::Protobuf(Arc::new(descriptor(protobuf, attached, reading)?)),
            None => return needs("protobuf", "`descriptors` and `message`", span, reading),
        },
        FormatName::Sparkplug => return Some(PayloadFormat::Sparkplug(sparkplug(table, reading))),
    }))
}

/// A format without the table that goes with it.
fn needs(format: &str, keys: &str, span: &Range<usize>, reading: &mut Reading) -> Option<PayloadFormat> {
    let problem = reading
        .at(problem::Kind::MissingKey, span, format!("the format `{format}` needs a table"))
        .label(format!("expected `{format}` beside it, with {keys}"));
    reading.report(problem);
    None
}

fn descriptor(located: &Located<ProtobufTable>, attached: &mut Attached, reading: &mut Reading) -> Option<Descriptor> {
    let table = &located.value;
    let (file, message) = (table.descriptors.as_ref()?, table.message.as_ref()?);
    let descriptor = attached.descriptor(file, message, reading)?;
    Some(descriptor.with_unknown_fields(table.unknown_fields))
}

/// Where the topics of Sparkplug B are.
const SPARKPLUG_TOPICS: &str = "spBv1.0/#";

fn sparkplug(table: &PayloadTable, reading: &mut Reading) -> Sparkplug {
    for filter in table.publish.iter().chain(&table.receive) {
        let is_met = TopicFilter::widest(&filter.value).is_ok_and(|widest| topic::overlaps(&widest, SPARKPLUG_TOPICS));
        if !is_met {
            let problem = reading
                .at(problem::Kind::Unused, &filter.span, format!("`{}` meets no topic of Sparkplug B", filter.value))
                .label("they begin with `spBv1.0/`; every other message would be refused")
                .warning();
            reading.report(problem);
        }
    }
    let said = table.sparkplug.as_ref().map(|table| &table.value);
    Sparkplug {
        sequence: said.is_none_or(|table| table.sequence),
        metrics: said.map_or(Metrics::Declared, |table| table.metrics),
    }
}

/// Fields that no payload of the format can have.
fn are_there(format: &Format, limits: &Limits, table: &PayloadTable, reading: &mut Reading) {
    for value in table.values.iter().filter_map(|value| value.value.field.as_ref()) {
        let Err(error) = Reader::new(format.clone(), limits.clone(), std::slice::from_ref(&value.value)) else {
            continue;
        };
        let label = match error {
            // Each is asked for alone.
            ReaderError::TooMany => continue,
            ReaderError::NoSuchField(_) => match format {
                Format::Text | Format::Number => "the whole payload is one value: leave `field` out",
                Format::Binary(_) => "expected `/` and the `name` of one of the `fields`",
                Format::Protobuf(_) => "the message has no such field",
                Format::Json | Format::Cbor | Format::MessagePack => "no payload of this format has it",
            },
        };
        let problem = reading
            .at(problem::Kind::UnknownName, &value.span, format!("there is no field `{}`", value.value))
            .label(label);
        reading.report(problem);
    }
}
