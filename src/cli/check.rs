//! `tidegate check`: settings, policy, certificates, keys; every problem at once.

use std::time::SystemTime;

use clap::Args;
use serde_json::json;

use super::{Exit, SettingsFile, answer, refused};
use crate::config::{self, Problem, Problems, Settings, Severity};
use crate::gateway;

pub(super) const ABOUT: &str = "\
Show every problem of settings, policy, certificates and keys at once.

Reads what `tidegate run` would read and starts nothing. Each problem is shown
with file, line and column. Warnings are choices that give up protection, and
certificates that end soon. The exit code is 0 with or without warnings, 1 when
there is an error, and 3 when the settings file can't be read.

With --json the answer is one object: `file`, `ok`, and `problems`, each with
`severity` (error or warning), `kind`, `file`, `line`, `column`, `message`,
`label` and `help`.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: SettingsFile,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Found {
    settings: Option<Settings>,
    problems: Vec<Problem>,
}

pub(super) fn check(arguments: &Arguments) -> Exit {
    let path = &arguments.settings.path;
    let found = look(config::load(path));
    let errors = found.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = found.problems.len() - errors;
    if arguments.json {
        let problems: Vec<_> = found.problems.iter().map(Problem::to_json).collect();
        answer(json!({"file": path.display().to_string(), "ok": errors == 0, "problems": problems}));
    } else {
        for problem in &found.problems {
            answer(format_args!("{problem}\n"));
        }
        let counts = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
        answer(format_args!("{}: {}", path.display(), summary(&found, errors, &counts)));
    }
    if errors == 0 { Exit::Done } else { refused(&found.problems) }
}

fn look(loaded: Result<Settings, Problems>) -> Found {
    match loaded {
        Ok(settings) => {
            let prepared = gateway::prepare(&settings, SystemTime::now());
            let found = prepared.map_or_else(|problems| problems, |prepared| prepared.warnings);
            let problems = Problems::new(found.into_iter().chain(settings.warnings.clone()).collect());
            Found { settings: Some(settings), problems: problems.into_iter().collect() }
        }
        Err(problems) => Found { settings: None, problems: problems.into_iter().collect() },
    }
}

fn summary(found: &Found, errors: usize, counts: &str) -> String {
    match &found.settings {
        Some(settings) if errors == 0 => {
            let listeners = counted(settings.listeners.len(), "listener");
            let brokers = counted(settings.brokers.len(), "broker");
            let warnings = found.problems.len();
            format!("can be run: {listeners}, {brokers}; {}", counted(warnings, "warning"))
        }
        Some(_) | None => format!("can't be run: {counts}"),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
