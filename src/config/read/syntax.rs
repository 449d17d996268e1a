//! What the TOML parser says, in few words, and what is a consequence of it.

use super::Reading;
use crate::config::problem::{self, Problem};

/// What a bare word is taken for, where text in quotes was meant.
const UNQUOTED: [&str; 5] =
    ["invalid float", "invalid integer", "invalid boolean", "invalid date", "string values must be quoted"];

/// Reports syntax errors, the first of each line; gives the lines about which nothing else can be said.
pub(super) fn syntax(errors: &[toml::de::Error], reading: &mut Reading) -> Vec<usize> {
    let is_open = errors.iter().any(|error| error.message().starts_with("unclosed array, "));
    let mut broken = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = reading.source.line(span.start);
        // A list that is never closed makes every line behind it an error.
        if broken.contains(&line) || is_open && !broken.is_empty() && broken.contains(&(line - 1)) {
            broken.push(line);
            continue;
        }
        broken.push(line);
        let help = match error.message() {
            message if UNQUOTED.iter().any(|start| message.starts_with(start)) => {
                "text stands in quotes, as in `bind = \"127.0.0.1:1883\"`"
            }
            message if is_open && message.contains("array") => "a list before this is not closed with `]`",
            _ => "",
        };
        reading.report(reading.at(problem::Kind::Syntax, &span, "not TOML").label(error.message()).help(help));
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
