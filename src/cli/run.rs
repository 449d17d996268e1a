//! `tidegate run`: the gateway.

use std::error::Error;
use std::path::Path;
use std::time::SystemTime;

use clap::Args;

use super::{Exit, SettingsFile, complain, log, refused};
use crate::config::{self, Problems, Settings, Severity};
use crate::gateway::{self, Prepared};

pub(super) const ABOUT: &str = "\
Run the gateway until SIGTERM or SIGINT.

Settings, policy, certificates and keys are checked first, as by `tidegate
check`; with an error nothing is started and the exit code is 1.

SIGTERM and SIGINT end it in order: listeners close, open exchanges get
`deadlines.drain` to finish, 5.0 clients are told, and the exit code is 0.
The log goes to standard error, events go to `audit.file`.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: SettingsFile,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let (settings, prepared) = match load(&arguments.settings.path) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return refused(problems.as_slice());
        }
    };
    if let Err(error) = log::start(&settings.log) {
        complain(format_args!("error: `{}` can't be understood: {error}", log::VARIABLE));
        return Exit::Usage;
    }
    settings.warnings.iter().chain(&prepared.warnings).for_each(log::warn);
    match gateway::run(&settings, prepared) {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!("{}", with_causes(&error));
            Exit::Failed
        }
    }
}

/// The settings, and what they name.
fn load(path: &Path) -> Result<(Settings, Prepared), Problems> {
    let settings = config::load(path)?;
    match gateway::prepare(&settings, SystemTime::now()) {
        Ok(prepared) => Ok((settings, prepared)),
        Err(mut problems) => {
            problems.retain(|problem| problem.severity == Severity::Error);
            Err(Problems::new(problems))
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
