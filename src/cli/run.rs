//! `tidegate run`: the gateway.

use std::error::Error;

use clap::Args;

use super::{Exit, SettingsFile, complain, log, refused};
use crate::config::{Problems, Severity};
use crate::gateway;

pub(super) const ABOUT: &str = "\
Run the gateway until SIGTERM or SIGINT.

Settings, policy, certificates and keys are checked first, as by `tidegate
check`; with an error nothing is started and the exit code is 1.

SIGTERM and SIGINT end it in order: listeners close, open exchanges get
`deadlines.drain` to finish, 5.0 clients are told, and the exit code is 0.
SIGHUP, and any change of a file that the settings name, has everything read
anew: put in force as a whole where nothing is wrong with it, and otherwise
left, with every problem in the log. The log goes to standard error, events go
to `audit.file`.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: SettingsFile,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let loaded = match gateway::load(&arguments.settings.path) {
        Ok(loaded) => loaded,
        Err(mut problems) => {
            problems.retain(|problem| problem.severity == Severity::Error);
            let problems = Problems::new(problems);
            complain(&problems);
            return refused(problems.as_slice());
        }
    };
    let settings = &loaded.settings;
    if let Err(error) = log::start(&settings.log) {
        complain(format_args!("error: `{}` can't be understood: {error}", log::VARIABLE));
        return Exit::Usage;
    }
    settings.warnings.iter().chain(&loaded.prepared.warnings).for_each(log::warn);
    match gateway::run(loaded) {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!("{}", with_causes(&error));
            Exit::Failed
        }
    }
}

/// An error and what it comes from, on one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
