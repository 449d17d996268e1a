//! The `tidegate` program: one file per command; arguments in, answer and exit code out.
//!
//! Read [`main`] first.

mod asked;
mod check;
mod explain;
mod import;
mod log;
mod passwd;
mod pki;
mod quarantine;
mod run;
mod sign;
mod test;
mod token;
mod verify;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Kind, Problem};

const ABOUT: &str = "\
A transparent MQTT security gateway.

Stands between clients and an unmodified MQTT broker: ends TLS, reads every
Control Packet of MQTT 3.1, 3.1.1 and 5.0, and forwards what the standard, the
limits and the policy permit, byte for byte.

Begin with `tidegate check -c gateway.toml`, then `tidegate run` the same.";

const AFTER: &str = "\
Exit codes:
  0  done
  1  the answer is no: the settings have problems, the password is wrong
  2  wrong usage
  3  could not do it: no settings file, an address that is taken

Environment:
  TIDEGATE_LOG  what is logged, in place of `log.level`: a level, or levels by
                module, such as `info,tidegate::gateway=debug`";

/// Arguments of the program.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about = "A transparent MQTT security gateway", long_about = ABOUT)]
#[command(after_help = AFTER, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM or SIGINT
    #[command(long_about = run::ABOUT)]
    Run(run::Arguments),
    /// Show every problem of settings, policy, certificates and keys
    #[command(long_about = check::ABOUT)]
    Check(check::Arguments),
    /// Make a policy of what another broker is set to
    #[command(long_about = import::ABOUT)]
    Import(import::Arguments),
    /// Say what a policy decides about one request, and why
    #[command(long_about = explain::ABOUT)]
    Explain(explain::Arguments),
    /// Ask policies the cases that they carry
    #[command(long_about = test::ABOUT)]
    Test(test::Arguments),
    /// Make a CA, certificates and revocation lists for trying things
    #[command(long_about = pki::ABOUT)]
    Pki(pki::Arguments),
    /// Show quarantined messages, or publish them
    #[command(long_about = quarantine::ABOUT)]
    Quarantine(quarantine::Arguments),
    /// Add, replace, delete or verify an entry of a password file
    #[command(long_about = passwd::ABOUT)]
    Passwd(passwd::Arguments),
    /// Make an admission token, or a key to make them with
    #[command(long_about = token::ABOUT)]
    Token(token::Arguments),
    /// Sign one message, or make a key to sign with
    #[command(long_about = sign::ABOUT)]
    Sign(sign::Arguments),
    /// Say whether one message is signed
    #[command(long_about = verify::ABOUT)]
    Verify(verify::Arguments),
}

/// Where the settings are.
#[derive(Debug, Args)]
struct SettingsFile {
    /// The settings file (TOML); docs/configuration.md lists its keys
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "/etc/tidegate/gateway.toml")]
    path: PathBuf,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Done.
    Done,
    /// The answer is no.
    No,
    /// Wrong usage.
    Usage,
    /// Could not do it.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
        })
    }
}

/// Runs the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where even this can't be written, nobody is there to read it.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Import(arguments) => import::import(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Test(arguments) => test::test(&arguments),
        Command::Pki(arguments) => pki::pki(&arguments),
        Command::Quarantine(arguments) => quarantine::quarantine(&arguments),
        Command::Passwd(arguments) => passwd::passwd(&arguments),
        Command::Token(arguments) => token::token(&arguments),
        Command::Sign(arguments) => sign::sign(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
    }
    .into()
}

/// How a command ends that could not take the settings.
fn refused(problems: &[Problem]) -> Exit {
    let is_unreadable = |problem: &Problem| problem.kind == Kind::Unreadable && problem.span.is_none();
    if problems.iter().any(is_unreadable) { Exit::Failed } else { Exit::No }
}

/// Writes a line of the answer; the reader may be gone, as behind `| head`.
fn answer(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes a line about what went wrong.
fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn every_command_is_well_formed() {
        super::Arguments::command().debug_assert();
    }
}
