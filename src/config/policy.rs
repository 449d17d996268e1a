//! A policy folder: its `policy.toml`.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::kinds::{Flag, Words, label, optional, required, word};
use super::problem::{self, Problem, Source};
use super::read::{Located, Reading, read_text, settings};
use crate::policy::{Draft, Policy};

/// The file of a policy folder that holds its rules.
const FILE: &str = "policy.toml";

settings! {
    /// A policy.
    pub(super) struct PolicyTable {
        /// Names this state of the policy; appears in every event.
        version: Option<Located<String>> = None, required(label());
        /// What becomes of what is not permitted: `enforce` refuses it.
        mode: Mode = Mode::Enforce, word();
        /// Permit whatever the standard permits. For trying the gateway out, and for placing it before the rules are known.
        permit_all: Option<Located<bool>> = Some(Located { value: false, span: 0..0 }), optional(Flag);
    }
}

/// What becomes of what is not permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Enforce,
}

impl Words for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[("enforce", Self::Enforce)];
}

/// Reads the policy of a folder that `by` names.
pub(super) fn load(folder: &Path, by: (&Arc<Source>, &Range<usize>), problems: &mut Vec<Problem>) -> Option<Policy> {
    let (naming, span) = by;
    let path = folder.join(FILE);
    let source = match super::open(&path, super::MAX_TABLE_BYTES) {
        Ok(source) => source,
        Err(problem) => {
            let message = format!("can't read the policy `{}`", path.display());
            let kind = if path.exists() { problem::Kind::Unreadable } else { problem::Kind::MissingFile };
            let refused = Problem::new(kind, naming, Some(span.clone()), message)
                .label(problem.label)
                .help(format!("a policy is a folder that holds `{FILE}`"));
            problems.push(refused);
            return None;
        }
    };
    let mut reading = Reading::new(&source);
    let (table, is_toml) = read_text::<PolicyTable>(&mut reading);
    if is_toml {
        weigh(&table, &mut reading);
    }
    problems.append(&mut reading.problems);
    let permits_all = table.permit_all.as_ref().is_some_and(|permit_all| permit_all.value);
    let version = &table.version.as_ref()?.value;
    let draft = Draft { permit_all: permits_all, ..Draft::new(version) };
    Policy::new(draft).ok()
}

fn weigh(table: &PolicyTable, reading: &mut Reading) {
    match &table.permit_all {
        Some(Located { value: true, span }) => {
            let problem = reading
                .at(problem::Kind::Unsafe, span, "this policy permits everything")
                .label("every client may publish and subscribe to every topic")
                .help("the standard is still held to, and certificates are still checked")
                .warning();
            reading.report(problem);
        }
        Some(Located { value: false, .. }) => {
            let problem = Problem::new(
                problem::Kind::NoPolicy,
                &reading.source,
                None,
                "no policy: nothing would be permitted".to_owned(),
            )
            .label("this file holds no rule")
            .help("`permit_all = true` permits whatever the standard permits");
            reading.report(problem);
        }
        None => {}
    }
}
