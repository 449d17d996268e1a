//! `cases.toml` of a policy folder: requests, and what the policy must say of them.
//!
//! Not here: asking the policy (`cli`). Read [`Case`] first; [`load`] reads them.

mod client;
mod message;
mod tables;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::client::identity;
use self::message::{Owned, Said};
pub(super) use self::tables::CasesTable;
use self::tables::{CaseTable, GivenTable};
use super::problem::{self, Problem, Problems, Source};
use super::read::{Located, Reading, read_text};
use crate::identity::Identity;
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::policy::{Connect, Reason, Request, Subscription};

/// The file of a policy folder that holds its cases.
pub const FILE: &str = "cases.toml";

/// One case: who asks for what, and what must be said.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows; unique.
    pub name: String,
    /// Who asks.
    pub identity: Identity,
    /// When, in seconds since 1970; none where it must not matter.
    pub at: Option<i64>,
    /// What must be said.
    pub expect: Expect,
    /// The rule that must have refused, or one that must have permitted; none leaves that open.
    pub rule: Option<String>,
    /// Why; none leaves that open.
    pub reason: Option<Reason>,
    /// The field that must be at fault; none leaves that open.
    pub field: Option<String>,
    /// What must be wrong with it, in the word of the records; none leaves that open.
    pub problem: Option<String>,
    /// The QoS that a subscription must get; none leaves that open.
    pub max_qos: Option<QoS>,
    /// How often it is asked for at one moment; at least once.
    pub times: u32,
    /// What went on before, in its order.
    pub given: Vec<Given>,
    asked: Asked,
    source: Arc<Source>,
    span: Range<usize>,
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It is permitted.
    Allow,
    /// It is refused.
    Deny,
    /// It goes on, and what would have happened is recorded.
    Observe,
}

impl Expect {
    /// The word in `expect`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Observe => "observe",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
enum Asked {
    Connect(Connect),
    Publish { message: Owned, response_topic: Option<String>, is_will: bool },
    Subscribe { filter: String, qos: QoS, has_identifier: bool },
    Receive { message: Owned },
}

/// A message that went on before a case.
#[derive(Clone, Debug)]
pub struct Given {
    /// Who published it, or was delivered it.
    pub identity: Identity,
    /// How long before the case.
    pub ago: Duration,
    is_delivery: bool,
    is_will: bool,
    message: Owned,
    source: Arc<Source>,
    span: Range<usize>,
}

impl Given {
    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        let message = self.message.message();
        match (self.is_delivery, self.is_will) {
            (true, _) => Request::Receive(message),
            (false, true) => Request::Will(message),
            (false, false) => Request::Publish(message),
        }
    }

    /// What is to be said where it did not go on.
    #[must_use]
    pub fn refused(&self, found: &str) -> Problem {
        let message = "a message that is given would not have gone on".to_owned();
        Problem::new(problem::Kind::FailedCase, &self.source, Some(self.span.clone()), message).label(found)
    }
}

impl Case {
    /// What is asked for, one by one; it is permitted when each of them is, and else refused as the first that is not.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<'_>> {
        match &self.asked {
            Asked::Connect(connect) => vec![Request::Connect(*connect)],
            Asked::Publish { message, response_topic, is_will } => {
                let message = message.message();
                let publish = if *is_will { Request::Will(message) } else { Request::Publish(message) };
                let respond = response_topic.as_deref().map(Request::Respond);
                std::iter::once(publish).chain(respond).collect()
            }
            Asked::Subscribe { filter, qos, has_identifier } => {
                vec![Request::Subscribe(Subscription { filter, qos: *qos, has_identifier: *has_identifier })]
            }
            Asked::Receive { message } => vec![Request::Receive(message.message())],
        }
    }

    /// What is to be said of a case that does not hold, shown where it stands.
    #[must_use]
    pub fn failed(&self, found: &str) -> Problem {
        let message = format!("the case \"{}\" does not hold", self.name);
        Problem::new(problem::Kind::FailedCase, &self.source, Some(self.span.clone()), message).label(found)
    }
}

/// Reads the cases of a policy folder.
///
/// # Errors
/// Every problem of the file; one of them is [`problem::Kind::Unreadable`] where there is none.
pub fn load(folder: &Path) -> Result<Vec<Case>, Problems> {
    let source =
        super::open(&folder.join(FILE), super::MAX_TABLE_BYTES).map_err(|problem| Problems::new(vec![problem]))?;
    read(&source)
}

/// Reads one case that was put together elsewhere; `by` says where, for problems.
///
/// # Errors
/// Every problem of the text.
pub fn one(by: &str, text: String) -> Result<Case, Problems> {
    let source = Arc::new(Source { path: by.into(), text });
    let mut cases = read(&source)?;
    cases.pop().ok_or_else(|| Problems::new(Vec::new()))
}

fn read(source: &Arc<Source>) -> Result<Vec<Case>, Problems> {
    let mut reading = Reading::new(source);
    let (table, is_toml) = read_text::<CasesTable>(&mut reading);
    let mut cases: Vec<Case> = Vec::with_capacity(table.case.len());
    if is_toml {
        unique(&table, &mut reading);
        cases.extend(table.case.iter().filter_map(|table| case(table, &mut reading)));
    }
    if reading.problems.is_empty() { Ok(cases) } else { Err(Problems::new(reading.problems)) }
}

fn unique(table: &CasesTable, reading: &mut Reading) {
    let mut seen = std::collections::HashMap::new();
    for name in table.case.iter().filter_map(|case| case.value.name.as_ref()) {
        let first = *seen.entry(name.value.as_str()).or_insert(name.span.start);
        if first != name.span.start && !reading.is_full() {
            let line = reading.source.line(first);
            let problem = reading
                .at(problem::Kind::Duplicate, &name.span, format!("two cases have the name `{}`", name.value))
                .label(format!("the first is on line {line}"));
            reading.report(problem);
        }
    }
}

fn case(located: &Located<CaseTable>, reading: &mut Reading) -> Option<Case> {
    let table = &located.value;
    let asked = asked(located, reading);
    let expect = table.expect.as_ref()?;
    if expect.value == Expect::Allow {
        let reason = ("reason", table.reason.as_ref().map(|reason| &reason.span));
        let field = ("field", table.field.as_ref().map(|field| &field.span));
        let problem = ("problem", table.problem.as_ref().map(|problem| &problem.span));
        only_with(&[reason, field, problem], "what is permitted has none", reading);
    }
    if expect.value == Expect::Deny && table.subscribe.is_some() {
        let max_qos = ("max_qos", table.max_qos.as_ref().map(|qos| &qos.span));
        only_with(&[max_qos], "what is refused has no QoS", reading);
    }
    let asking = identity(&table.asking);
    let given = table.given.iter().filter_map(|one| given(one, &asking, reading)).collect();
    Some(Case {
        name: table.name.as_ref()?.value.clone(),
        identity: asking,
        at: table.at.as_ref().map(|at| at.value),
        expect: expect.value,
        rule: table.rule.as_ref().map(|rule| rule.value.clone()),
        reason: table.reason.as_ref().map(|reason| reason.value),
        field: table.field.as_ref().map(|field| field.value.clone()),
        problem: table.problem.as_ref().map(|problem| problem.value.clone()),
        max_qos: table.max_qos.as_ref().map(|qos| qos.value),
        times: table.times.as_ref().map_or(1, |times| times.value),
        given,
        asked: asked?,
        source: Arc::clone(&reading.source),
        span: expect.span.clone(),
    })
}

/// Keys that are given where they mean nothing.
fn only_with(given: &[(&str, Option<&Range<usize>>)], why: &str, reading: &mut Reading) {
    for (key, span) in given {
        if let Some(span) = span {
            let problem =
                reading.at(problem::Kind::Contradiction, span, format!("`{key}` means nothing here")).label(why);
            reading.report(problem);
        }
    }
}

fn asked(located: &Located<CaseTable>, reading: &mut Reading) -> Option<Asked> {
    let table = &located.value;
    let connect = table.connect.as_ref().filter(|connect| connect.value);
    let verbs = [
        connect.map(|connect| &connect.span),
        table.publish.as_ref().map(|publish| &publish.span),
        table.subscribe.as_ref().map(|subscribe| &subscribe.span),
        table.receive.as_ref().map(|receive| &receive.span),
    ];
    let mut given = verbs.into_iter().flatten();
    let (first, second) = (given.next(), given.next());
    if first.is_none() && !reading.is_faulty(located) {
        let problem = reading
            .at(problem::Kind::MissingKey, &located.span, "this case asks for nothing")
            .label("expected `publish`, `subscribe`, `receive` or `connect = true`");
        reading.report(problem);
    }
    if let Some(second) = second {
        let problem =
            reading.at(problem::Kind::Contradiction, second, "this case asks for two things").help("make it two cases");
        reading.report(problem);
        return None;
    }
    first?;
    meaningless(table, reading);
    let said = Said::from(table);
    if connect.is_some() {
        return Some(Asked::Connect(connection(table, &identity(&table.asking))));
    }
    if let Some(topic) = &table.publish {
        return Some(Asked::Publish {
            message: said.message(&topic.value, reading),
            response_topic: table.response_topic.as_ref().map(|topic| topic.value.clone()),
            is_will: table.will.as_ref().is_some_and(|will| will.value),
        });
    }
    if let Some(filter) = &table.subscribe {
        let qos = table.qos.as_ref().map_or(QoS::Zero, |qos| qos.value);
        let has_identifier = table.identifier.as_ref().is_some_and(|identifier| identifier.value);
        return Some(Asked::Subscribe { filter: filter.value.clone(), qos, has_identifier });
    }
    table.receive.as_ref().map(|topic| Asked::Receive { message: said.message(&topic.value, reading) })
}

/// What a connection asks for.
fn connection(table: &CaseTable, asking: &Identity) -> Connect {
    let is = |flag: &Option<Located<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
    Connect {
        session_expiry: if is(&table.persistent) { u32::MAX } else { 0 },
        enhanced_authentication: is(&table.enhanced_authentication),
        client_id_bytes: asking.client_id.len(),
        ..Connect::new(table.version.as_ref().map_or(Version::V50, |version| version.value))
    }
}

/// A message that went on before.
fn given(located: &Located<GivenTable>, asking: &Identity, reading: &mut Reading) -> Option<Given> {
    let Located { value: table, span } = located;
    let (topic, is_delivery) = match (&table.publish, &table.receive) {
        (Some(topic), None) => (topic, false),
        (None, Some(topic)) => (topic, true),
        (Some(_), Some(second)) => {
            only_with(&[("receive", Some(&second.span))], "the message was published", reading);
            return None;
        }
        (None, None) => {
            if !reading.is_faulty(located) {
                let problem = reading
                    .at(problem::Kind::MissingKey, span, "nothing says what became of this message")
                    .label("expected `publish` or `receive`");
                reading.report(problem);
            }
            return None;
        }
    };
    if is_delivery {
        let will = ("will", table.will.as_ref().map(|will| &will.span));
        only_with(&[will], "it is not about what is received", reading);
    }
    Some(Given {
        identity: table.asking.as_ref().map_or_else(|| asking.clone(), |table| identity(&table.value)),
        ago: table.ago,
        is_delivery,
        is_will: table.will.as_ref().is_some_and(|will| will.value),
        message: Said::from(table).message(&topic.value, reading),
        source: Arc::clone(&reading.source),
        span: topic.span.clone(),
    })
}

/// Keys that such a request does not have.
fn meaningless(table: &CaseTable, reading: &mut Reading) {
    let qos = ("qos", table.qos.as_ref().map(|qos| &qos.span));
    let of_messages = Said::from(table);
    let of_messages = of_messages.keys();
    let will = ("will", table.will.as_ref().map(|will| &will.span));
    let response_topic = ("response_topic", table.response_topic.as_ref().map(|topic| &topic.span));
    let identifier = ("identifier", table.identifier.as_ref().map(|identifier| &identifier.span));
    let max_qos = ("max_qos", table.max_qos.as_ref().map(|qos| &qos.span));
    if table.publish.is_some() || table.subscribe.is_some() || table.receive.is_some() {
        let of_connections = [
            ("version", table.version.as_ref().map(|version| &version.span)),
            ("persistent", table.persistent.as_ref().map(|persistent| &persistent.span)),
            ("enhanced_authentication", table.enhanced_authentication.as_ref().map(|enhanced| &enhanced.span)),
        ];
        only_with(&of_connections, "it is about connections", reading);
    }
    if table.publish.is_some() {
        only_with(&[identifier, max_qos], "it is about subscriptions", reading);
    } else if table.subscribe.is_some() {
        only_with(&of_messages, "it is about messages", reading);
        only_with(&[will, response_topic], "it is about messages", reading);
    } else if table.receive.is_some() {
        only_with(&[will, response_topic, identifier, max_qos], "it is not about what is received", reading);
    } else {
        only_with(&of_messages, "a connection has none", reading);
        only_with(&[qos, will, response_topic, identifier, max_qos], "a connection has none", reading);
    }
}
