//! Writes `docs/metrics.md`.

use std::fmt::Write;

use super::family::{ALL, Family, Kind, Label, Values};

const HEAD: &str = "\
# Metrics

Served in the text format of Prometheus at `/metrics` of the `[admin] bind` address. Written from the code by
`UPDATE_GOLDEN=1 cargo test --test golden`; do not edit.

Every label value is one of a closed set of the program or a name from the settings. No text that a client or a broker
sent is ever a label: no Client Identifier, topic, user name, certificate name or address.

";

/// The page that `docs/metrics.md` holds.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for &family in ALL {
        write_family(&mut page, family);
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn write_family(page: &mut String, family: &Family) {
    let kind = match family.kind {
        Kind::Counter => "Counter",
        Kind::Gauge => "Gauge",
        Kind::Histogram(_) => "Histogram",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(page, "## `{}`\n\n{kind}. {}\n", family.name, family.help);
    for label in family.labels {
        let _ = writeln!(page, "- `{}`: {}", label.name, values(label));
    }
    if let Kind::Histogram(bounds) = family.kind {
        let bounds: Vec<String> = bounds.iter().map(|bound| format!("{bound}")).collect();
        let _ = writeln!(page, "- buckets up to: {} s", bounds.join(", "));
    }
    if !page.ends_with("\n\n") {
        page.push('\n');
    }
}

fn values(label: &Label) -> String {
    match label.values {
        Values::Closed(values) => {
            let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            quoted.join(", ")
        }
        Values::Program(what) => format!("{what}; a closed set of the program"),
        Values::Setting(what) => format!("{what}, from the settings"),
    }
}
