//! Policy folders: their `policy.toml`, and the lists of members that it names.
//!
//! Several folders make one policy: what they say is taken together, as if one file said it. Read [`load`] first.

mod attached;
mod features;
mod held;
mod names;
mod payload;
mod rates;
mod reach;
mod roles;
mod rules;
mod signature;
mod tables;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use tables::PolicyTable;

use self::attached::Attached;
use self::names::Names;
use super::problem::{self, Problem, Source};
use super::read::{Located, Reading, read_text};
use crate::policy::{Draft, DraftError, Mode, OnDeny, Policy};

/// The file of a policy folder that holds its rules.
pub(super) const FILE: &str = "policy.toml";

/// What policies are read for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The folders; at least one.
    pub(super) folders: &'a [Located<PathBuf>],
    /// The file that names them; none where they were named on a command line.
    pub(super) by: Option<&'a Arc<Source>>,
    /// The names of listeners; none where it is not known which there are.
    pub(super) listeners: Option<&'a [&'a str]>,
}

/// One folder's file, as it is written.
pub(super) struct Part {
    table: PolicyTable,
    reading: Reading,
}

impl Part {
    /// What is wrong with it.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.reading.problems
    }
}

/// Reads the policies of some folders as one. None where something is wrong with them; `files` gets what was read.
pub(super) fn load(wanted: &Wanted<'_>, problems: &mut Vec<Problem>, files: &mut Vec<PathBuf>) -> Option<Arc<Policy>> {
    let (draft, mut parts) = read(wanted, problems, files);
    let policy = draft.and_then(|draft| compile(draft, &mut parts));
    problems.extend(parts.into_iter().flat_map(Part::into_problems));
    policy
}

/// What the files say together; none where something is wrong with them.
pub(super) fn read(
    wanted: &Wanted<'_>,
    problems: &mut Vec<Problem>,
    files: &mut Vec<PathBuf>,
) -> (Option<Draft>, Vec<Part>) {
    let mut parts = Vec::new();
    let mut is_whole = true;
    for folder in wanted.folders {
        if folder.value.as_os_str().is_empty() {
            is_whole = false;
            continue;
        }
        files.push(folder.value.join(FILE));
        match open(&folder.value, wanted.by.map(|source| (source, &folder.span))) {
            Ok(source) => {
                let mut reading = Reading::new(&source);
                let (table, is_toml) = read_text::<PolicyTable>(&mut reading);
                is_whole &= is_toml;
                parts.push(Part { table, reading });
            }
            Err(problem) => {
                problems.push(problem);
                is_whole = false;
            }
        }
    }
    let draft = (is_whole && !parts.is_empty()).then(|| unite(&mut parts, wanted.listeners));
    for part in &mut parts {
        files.extend(part.reading.files.drain(..).map(|file| file.value));
        files.append(&mut part.reading.more_files);
    }
    let is_sound = !parts.iter().flat_map(|part| &part.reading.problems).any(Problem::is_error);
    (draft.filter(|_| is_sound), parts)
}

fn open(folder: &Path, by: Option<(&Arc<Source>, &Range<usize>)>) -> Result<Arc<Source>, Problem> {
    let path = folder.join(FILE);
    super::open(&path, super::MAX_TABLE_BYTES).map_err(|problem| {
        let message = format!("can't read the policy `{}`", path.display());
        let help = format!("a policy is a folder that holds `{FILE}`");
        let Some((source, span)) = by else { return Problem { message, help, ..problem } };
        let kind = if path.exists() { problem::Kind::Unreadable } else { problem::Kind::MissingFile };
        Problem::new(kind, source, Some(span.clone()), message).label(problem.label).help(help)
    })
}

/// What the files say together, held against itself.
fn unite(parts: &mut [Part], listeners: Option<&[&str]>) -> Draft {
    let names = Names::gather(parts);
    names.check(parts);
    let versions: Vec<&str> =
        parts.iter().filter_map(|part| part.table.version.as_ref()).map(|version| version.value.as_str()).collect();
    let mut draft = Draft::new(&versions.join("+"));
    draft.mode = agreed(parts, "mode", Mode::Enforce, |table| table.mode.as_ref());
    draft.on_deny = agreed(parts, "on_deny", OnDeny::Reject, |table| table.on_deny.as_ref());
    draft.quarantine_topic =
        agreed(parts, "quarantine_topic", draft.quarantine_topic, |table| table.quarantine_topic.as_ref());
    draft.permit_all =
        parts.iter().any(|part| part.table.permit_all.as_ref().is_some_and(|permit_all| permit_all.value));
    let mut attached = Attached::default();
    for Part { table, reading } in parts.iter_mut() {
        whole(table, reading);
        draft.roles.extend(table.role.iter().filter_map(|role| roles::role(role, listeners, reading)));
        draft.grants.extend(table.grant.iter().filter_map(|grant| rules::grant(grant, reading)));
        draft.denies.extend(table.deny.iter().filter_map(|deny| rules::deny(deny, reading)));
        let payloads = table.payload.iter();
        draft.payloads.extend(payloads.filter_map(|rule| payload::payload(rule, &mut attached, reading)));
        let signatures = table.signature.iter();
        draft.signatures.extend(signatures.filter_map(|rule| signature::signature(rule, &mut attached, reading)));
        draft.rates.extend(table.rate.iter().filter_map(|rule| rates::rate(rule, reading)));
    }
    weigh(parts, &draft);
    if !draft.permit_all && !draft.grants.is_empty() {
        reach::check(parts);
    }
    held::check(parts, &draft);
    draft
}

/// What the files that say it say, which must be the same.
fn agreed<T: Clone + PartialEq>(
    parts: &mut [Part],
    key: &str,
    default: T,
    of: fn(&PolicyTable) -> Option<&Located<T>>,
) -> T {
    let mut first: Option<(T, String)> = None;
    for Part { table, reading } in parts {
        // What is not written has no place.
        let Some(said) = of(table).filter(|said| !said.span.is_empty()) else { continue };
        match &first {
            None => {
                let line = reading.source.line(said.span.start);
                first = Some((said.value.clone(), format!("line {line} of `{}`", reading.source.path.display())));
            }
            Some((value, place)) if *value != said.value => {
                let problem = reading
                    .at(problem::Kind::Contradiction, &said.span, format!("`{key}` is said twice, and not the same"))
                    .label(format!("{place} says otherwise"))
                    .help("the policies that `policies` names are one: say it in one of them");
                reading.report(problem);
            }
            Some(_) => {}
        }
    }
    first.map_or(default, |(value, _)| value)
}

/// What one file says of the whole policy.
fn whole(table: &PolicyTable, reading: &mut Reading) {
    let goes_on = "what it would refuse goes on, and is recorded";
    if let Some(Located { value: Mode::Monitor, span }) = &table.mode {
        let problem = reading
            .at(problem::Kind::Unsafe, span, "this policy refuses nothing")
            .label(goes_on)
            .help("set `mode = \"enforce\"` once the records show what you expect")
            .warning();
        reading.report(problem);
    }
    if let Some(Located { value: OnDeny::Monitor, span }) = &table.on_deny {
        let problem = reading
            .at(problem::Kind::Unsafe, span, "what no grant permits is not refused")
            .label("it goes on, and is recorded")
            .warning();
        reading.report(problem);
    }
    let Some(Located { value: true, span }) = &table.permit_all else { return };
    let message = if table.deny.is_empty() {
        "this policy permits everything"
    } else {
        "this policy permits what it does not deny"
    };
    let problem = reading
        .at(problem::Kind::Unsafe, span, message)
        .label("every client may publish and subscribe to every topic")
        .help("the standard is still held to, and certificates are still checked")
        .warning();
    reading.report(problem);
}

/// A policy that permits nothing, and one that permits all and grants besides.
fn weigh(parts: &mut [Part], draft: &Draft) {
    if draft.permit_all && !draft.grants.is_empty() {
        for Part { table, reading } in parts {
            let Some(Located { value: true, span }) = &table.permit_all else { continue };
            let problem = reading
                .at(problem::Kind::Contradiction, span, "everything is permitted, so grants mean nothing")
                .label("the policy has grants, and this makes them moot")
                .help("remove it; `mode = \"monitor\"` refuses nothing and records what would be");
            reading.report(problem);
        }
        return;
    }
    let hides_grants = |problem: &Problem| problem.is_error() && problem.kind != problem::Kind::MissingKey;
    let is_broken = parts.iter().any(|part| part.reading.problems.iter().any(hides_grants));
    if draft.permit_all || !draft.grants.is_empty() || is_broken {
        return;
    }
    for Part { reading, .. } in parts.iter_mut().take(1) {
        let message = "no policy: nothing would be permitted".to_owned();
        let problem = Problem::new(problem::Kind::NoPolicy, &reading.source, None, message)
            .label("this file holds no grant")
            .help("add a `[[grant]]`; `permit_all = true` permits whatever the standard permits");
        reading.report(problem);
    }
}

/// What this module does not find, and the policy does.
fn compile(draft: Draft, parts: &mut [Part]) -> Option<Arc<Policy>> {
    let errors = match Policy::new(draft) {
        Ok(policy) => return Some(Arc::new(policy)),
        Err(errors) => errors,
    };
    for error in errors {
        let (kind, rule) = match &error {
            DraftError::DuplicateId(id) => (problem::Kind::Duplicate, id),
            DraftError::DuplicateRole(role) => (problem::Kind::Duplicate, role),
            DraftError::UnknownRole { rule, .. } => (problem::Kind::UnknownName, rule),
            DraftError::NoRole(rule)
            | DraftError::Id(rule)
            | DraftError::NoTopic(rule)
            | DraftError::Filter { rule, .. }
            | DraftError::Format { rule, .. }
            | DraftError::Check { rule, .. }
            | DraftError::Reader { rule, .. }
            | DraftError::Interlock { rule, .. }
            | DraftError::Signature { rule, .. }
            | DraftError::Rate { rule, .. }
            | DraftError::TwoRewrites(rule, _) => (problem::Kind::Invalid, rule),
            DraftError::QuarantineTopic { topic, .. } => (problem::Kind::Invalid, topic),
        };
        let at = parts.iter().position(|part| names::place(&part.table, rule).is_some()).unwrap_or(0);
        let Some(Part { table, reading }) = parts.get_mut(at) else { continue };
        let span = names::place(table, rule).cloned();
        reading.report(Problem::new(kind, &reading.source, span, error.to_string()));
    }
    None
}
