//! The operational log: text on a terminal, JSON elsewhere, on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::{EnvFilter, ParseError};

use crate::config::{Log, LogFormat, Problem};

/// The environment variable that goes before `log.level`.
pub(super) const VARIABLE: &str = "TIDEGATE_LOG";

/// Starts logging, once per process.
///
/// # Errors
/// What the environment variable holds is no filter.
pub(super) fn start(settings: &Log) -> Result<(), ParseError> {
    let filter = match std::env::var(VARIABLE) {
        Ok(directives) if !directives.is_empty() => EnvFilter::builder().parse(directives)?,
        Ok(_) | Err(_) => EnvFilter::new(settings.level.label()),
    };
    let is_text = match settings.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second start, as in tests, keeps the first.
    let _ = if is_text {
        builder.with_ansi(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
    Ok(())
}

/// Logs a warning about the settings.
pub(super) fn warn(problem: &Problem) {
    let file = problem.source.path.display();
    let line = problem.position().map(|(line, _)| line);
    let help = (!problem.help.is_empty()).then_some(problem.help.as_str());
    let colon = if problem.label.is_empty() { "" } else { ": " };
    tracing::warn!(%file, line, help, "{}{colon}{}", problem.message, problem.label);
}
