//! What the TOML parser says, in few words, and what is a consequence of it.

use super::Reading;
use crate::config::problem::{self, Problem};

/// What a bare word is taken for, where text in quotes was meant.
const UNQUOTED: [&str; 5] =
    ["invalid float", "invalid integer", "invalid boolean", "invalid date", "string values must be quoted"];

/// What is said inside of something that is never closed, and what that is.
const WITHIN: [(&str, &str); 4] = [
    ("array elements", "a list before this is not closed with `]`"),
    ("unclosed array, ", "a list before this is not closed with `]`"),
    ("inline table", "a table before this is not closed with `}`"),
    ("key-value pairs", "a table before this is not closed with `}`"),
];

/// Reports syntax errors, the first of each line; gives the lines about which nothing else can be said.
pub(super) fn syntax(errors: &[toml::de::Error], reading: &mut Reading) -> Vec<usize> {
    let open = ["unclosed array, ", "unclosed inline table"];
    let is_open = errors.iter().any(|error| open.iter().any(|start| error.message().starts_with(start)));
    let (mut broken, mut has_lost_header) = (Vec::new(), false);
    for error in errors {
        let (message, span) = (error.message(), error.span().unwrap_or(0..0));
        let line = reading.source.line(span.start);
        // Keys behind a header that is lost are taken for those of the table before it.
        let is_repeat = has_lost_header && message.starts_with("duplicate key");
        if is_repeat || broken.contains(&line) {
            broken.push(line);
            continue;
        }
        broken.push(line);
        has_lost_header |=
            reading.source.text.lines().nth(line - 1).is_some_and(|text| text.trim_start().starts_with('['));
        let within = WITHIN.iter().find(|(words, _)| is_open && message.contains(words));
        let help = match within {
            Some((_, help)) => help,
            None if UNQUOTED.iter().any(|start| message.starts_with(start)) => {
                "text stands in quotes, as in `bind = \"127.0.0.1:1883\"`"
            }
            None => "",
        };
        reading.report(reading.at(problem::Kind::Syntax, &span, "not TOML").label(message).help(help));
        // What is never closed makes every line behind it an error.
        if within.is_some() {
            break;
        }
    }
    if is_open { (1..=reading.source.text.lines().count()).collect() } else { with_lost_tables(&broken, reading) }
}

/// The lines with errors, and those of the tables whose header is one of them.
fn with_lost_tables(broken: &[usize], reading: &Reading) -> Vec<usize> {
    let mut is_lost = false;
    let mut lines = Vec::new();
    for (line, text) in (1..).zip(reading.source.text.lines()) {
        if text.trim_start().starts_with('[') {
            is_lost = broken.contains(&line);
        }
        if is_lost || broken.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Whether a problem is one of its own and not what a syntax error left behind.
pub(super) fn stands_apart(problem: &Problem, broken_lines: &[usize]) -> bool {
    let line = problem.span.as_ref().map_or(0, |span| problem.source.line(span.start));
    problem.kind != problem::Kind::MissingKey && !broken_lines.contains(&line)
}
