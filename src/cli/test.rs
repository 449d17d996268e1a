//! `tidegate test`: the cases that policies carry, asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::asked;
use super::{Exit, answer, complain, refused};
use crate::config::cases::{self, Case, Expect};
use crate::config::{self, Problem, Problems};
use crate::mqtt::frame::QoS;
use crate::policy::{Decision, Denial, Explanation, Policy, Says};

pub(super) const ABOUT: &str = "\
Ask each policy the cases that it carries.

A policy folder holds `cases.toml` beside its `policy.toml`: who asks for what,
and what the policy must say, by which rule. Every case that does not hold is
shown with its place and what was said in its stead.

The exit code is 0 when every case holds, 1 when one does not (or a file has
problems), and 3 when a policy has no cases that can be read. With --json the
answer is one object: `ok`, and `policies`, each with `policy`, `cases`,
`failed` (each with `case`, `line` and `found`) and `problems`.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Policy folders, each asked its own cases
    #[arg(value_name = "POLICY", required = true)]
    policies: Vec<PathBuf>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// What became of one policy.
struct Outcome {
    folder: String,
    cases: usize,
    /// Name of each case that does not hold, and the problem.
    failed: Vec<(String, Problem)>,
    problems: Vec<Problem>,
}

impl Outcome {
    fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.problems.is_empty()
    }
}

pub(super) fn test(arguments: &Arguments) -> Exit {
    let outcomes: Vec<Outcome> = arguments.policies.iter().map(|folder| ask(folder)).collect();
    let is_ok = outcomes.iter().all(Outcome::is_ok);
    if arguments.json {
        let policies: Vec<_> = outcomes.iter().map(to_json).collect();
        answer(json!({"ok": is_ok, "policies": policies}));
    } else {
        outcomes.iter().for_each(tell);
    }
    if is_ok {
        return Exit::Done;
    }
    let problems: Vec<Problem> = outcomes.into_iter().flat_map(|outcome| outcome.problems).collect();
    refused(&problems)
}

fn ask(folder: &Path) -> Outcome {
    let mut outcome =
        Outcome { folder: folder.display().to_string(), cases: 0, failed: Vec::new(), problems: Vec::new() };
    let mut problems = |problems: Problems| outcome.problems.extend(problems);
    let loaded = config::load_policy(&[folder]).map_err(&mut problems);
    let cases = cases::load(folder).map_err(&mut problems);
    if let (Ok(loaded), Ok(cases)) = (loaded, cases) {
        outcome.cases = cases.len();
        outcome.failed = cases.iter().filter_map(|case| failure(&loaded.policy, case)).collect();
    }
    outcome
}

/// The problem with a case that does not hold.
fn failure(policy: &Arc<Policy>, case: &Case) -> Option<(String, Problem)> {
    let problem = match asked::ask(policy, &Arc::default(), case) {
        Ok(asked) => case.failed(&mismatch(case, &asked?.1)?),
        Err(problem) => *problem,
    };
    Some((case.name.clone(), problem))
}

/// What was said in place of what the case expects.
fn mismatch(case: &Case, explanation: &Explanation) -> Option<String> {
    let decision = &explanation.decision;
    let (said, denial) = match decision {
        Decision::Allow | Decision::AllowUpTo(_) => (Expect::Allow, None),
        Decision::Observe(denial, _) => (Expect::Observe, Some(denial)),
        Decision::Deny(denial) => (Expect::Deny, Some(denial)),
    };
    if said != case.expect {
        let by = denial.map(asked::words).unwrap_or_default();
        return Some(format!("expected `{}`, found `{}`{by}", case.expect.label(), said.label()));
    }
    let is_other = |denial: &Denial| {
        let (field, problem) = denial.detail.as_ref().map_or(("", ""), |detail| (&*detail.field, detail.problem));
        case.rule.as_deref().is_some_and(|rule| rule != denial.rule.as_str())
            || case.reason.is_some_and(|reason| reason != denial.reason)
            || case.field.as_deref().is_some_and(|expected| expected != field)
            || case.problem.as_deref().is_some_and(|expected| expected != problem)
    };
    if let Some(denial) = denial.filter(|denial| is_other(denial)) {
        return Some(format!("found `{}`{}", said.label(), asked::words(denial)));
    }
    if let (None, Some(rule)) = (denial, case.rule.as_deref())
        && !explanation.weighed.iter().any(|weighed| weighed.says == Says::Allow && weighed.rule.as_str() == rule)
    {
        return Some(format!("it is permitted, and not by rule `{rule}`"));
    }
    match (case.max_qos, decision) {
        (Some(expected), Decision::AllowUpTo(found) | Decision::Observe(_, Some(found))) if *found == expected => None,
        (Some(expected), Decision::AllowUpTo(found) | Decision::Observe(_, Some(found))) => {
            Some(qos(expected, Some(*found)))
        }
        (Some(expected), Decision::Allow | Decision::Observe(_, None) | Decision::Deny(_)) => Some(qos(expected, None)),
        (None, _) => None,
    }
}

fn qos(expected: QoS, found: Option<QoS>) -> String {
    let found = found.map_or_else(|| "as asked".to_owned(), |qos| format!("at QoS {}", qos.value()));
    format!("expected QoS {}, found it permitted {found}", expected.value())
}

fn to_json(outcome: &Outcome) -> serde_json::Value {
    let failed = outcome.failed.iter().map(|(name, problem)| {
        let line = problem.position().map(|(line, _)| line);
        json!({"case": name, "line": line, "found": problem.label})
    });
    json!({
        "policy": outcome.folder,
        "cases": outcome.cases,
        "failed": failed.collect::<Vec<_>>(),
        "problems": outcome.problems.iter().map(Problem::to_json).collect::<Vec<_>>(),
    })
}

fn tell(outcome: &Outcome) {
    for problem in outcome.failed.iter().map(|(_, problem)| problem).chain(&outcome.problems) {
        complain(format_args!("{problem}\n"));
    }
    let held = outcome.cases - outcome.failed.len();
    let words = match (outcome.problems.is_empty(), outcome.failed.len()) {
        (false, _) => "can't be tested".to_owned(),
        (true, 0) => format!("{} held", counted(held)),
        (true, failed) => format!("{} held, {failed} not", counted(held)),
    };
    answer(format_args!("{}: {words}", outcome.folder));
}

fn counted(cases: usize) -> String {
    if cases == 1 { "1 case".to_owned() } else { format!("{cases} cases") }
}
