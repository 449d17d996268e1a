//! `cases.toml` of a policy folder: requests, and what the policy must say of them.
//!
//! Not here: asking the policy (`cli`). Read [`Case`] first; [`load`] reads them.

mod tables;

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub(super) use self::tables::CasesTable;
use self::tables::{AsTable, CaseTable, CertificateTable};
use super::problem::{self, Problem, Problems, Source};
use super::read::{Located, Reading, read_text};
use crate::identity::{Certificate, Identity, Method};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::policy::{Connect, Message, Reason, Request, Subscription};

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
    /// The QoS that a subscription must get; none leaves that open.
    pub max_qos: Option<QoS>,
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
    Connect,
    Publish { message: Payload, response_topic: Option<String>, is_will: bool },
    Subscribe { filter: String, qos: QoS, has_identifier: bool },
    Receive { message: Payload },
}

/// A message that is owned.
#[derive(Clone, Debug)]
struct Payload {
    topic: String,
    qos: QoS,
    retain: bool,
    bytes: usize,
    payload: Option<String>,
}

impl Payload {
    fn message(&self) -> Message<'_> {
        Message {
            topic: &self.topic,
            qos: self.qos,
            retain: self.retain,
            payload_bytes: self.bytes,
            payload: self.payload.as_deref().map(str::as_bytes),
            dup: false,
            properties: None,
        }
    }
}

impl Case {
    /// What is asked for, one by one; it is permitted when each of them is, and else refused as the first that is not.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<'_>> {
        match &self.asked {
            Asked::Connect => vec![Request::Connect(Connect { version: Version::V50, clean_start: true })],
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
        only_with(&[reason], "what is permitted needs none", reading);
    }
    if expect.value == Expect::Deny && table.subscribe.is_some() {
        let max_qos = ("max_qos", table.max_qos.as_ref().map(|qos| &qos.span));
        only_with(&[max_qos], "what is refused has no QoS", reading);
    }
    Some(Case {
        name: table.name.as_ref()?.value.clone(),
        identity: identity(&table.asking),
        at: table.at.as_ref().map(|at| at.value),
        expect: expect.value,
        rule: table.rule.as_ref().map(|rule| rule.value.clone()),
        reason: table.reason.as_ref().map(|reason| reason.value),
        max_qos: table.max_qos.as_ref().map(|qos| qos.value),
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
    let qos = table.qos.as_ref().map_or(QoS::Zero, |qos| qos.value);
    let message = |topic: &str| Payload {
        topic: topic.to_owned(),
        qos,
        retain: table.retain.as_ref().is_some_and(|retain| retain.value),
        bytes: table
            .payload_bytes
            .as_ref()
            .map_or_else(|| table.payload.as_ref().map_or(0, |payload| payload.value.len()), |bytes| bytes.value),
        payload: table
            .payload_bytes
            .is_none()
            .then(|| table.payload.as_ref().map(|payload| payload.value.clone()).unwrap_or_default()),
    };
    if connect.is_some() {
        return Some(Asked::Connect);
    }
    if let Some(topic) = &table.publish {
        return Some(Asked::Publish {
            message: message(&topic.value),
            response_topic: table.response_topic.as_ref().map(|topic| topic.value.clone()),
            is_will: table.will.as_ref().is_some_and(|will| will.value),
        });
    }
    if let Some(filter) = &table.subscribe {
        let has_identifier = table.identifier.as_ref().is_some_and(|identifier| identifier.value);
        return Some(Asked::Subscribe { filter: filter.value.clone(), qos, has_identifier });
    }
    table.receive.as_ref().map(|topic| Asked::Receive { message: message(&topic.value) })
}

/// Keys that such a request does not have.
fn meaningless(table: &CaseTable, reading: &mut Reading) {
    let qos = ("qos", table.qos.as_ref().map(|qos| &qos.span));
    let retain = ("retain", table.retain.as_ref().map(|retain| &retain.span));
    let payload = ("payload", table.payload.as_ref().map(|payload| &payload.span));
    let payload_bytes = ("payload_bytes", table.payload_bytes.as_ref().map(|bytes| &bytes.span));
    let will = ("will", table.will.as_ref().map(|will| &will.span));
    let response_topic = ("response_topic", table.response_topic.as_ref().map(|topic| &topic.span));
    let identifier = ("identifier", table.identifier.as_ref().map(|identifier| &identifier.span));
    let max_qos = ("max_qos", table.max_qos.as_ref().map(|qos| &qos.span));
    if table.publish.is_some() {
        only_with(&[identifier, max_qos], "it is about subscriptions", reading);
    } else if table.subscribe.is_some() {
        let given = [retain, payload, payload_bytes, will, response_topic];
        only_with(&given, "it is about messages", reading);
    } else if table.receive.is_some() {
        only_with(&[will, response_topic, identifier, max_qos], "it is not about what is received", reading);
    } else {
        let given = [qos, retain, payload, payload_bytes, will, response_topic, identifier, max_qos];
        only_with(&given, "a connection has none", reading);
    }
    if table.payload.is_some() {
        only_with(&[payload_bytes], "`payload` says how many there are", reading);
    }
}

/// Where a client of a case is when nothing is said of it.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The client of a case. Its name, where none is given, is what proves a client by default: the one Common Name, else
/// the user name.
fn identity(table: &AsTable) -> Identity {
    let certificate = certificate(&table.certificate);
    let by_certificate = certificate.as_ref().and_then(Certificate::common_name).map(Box::from);
    let username: Option<Box<str>> = table.username.as_ref().map(|username| username.value.as_str().into());
    let given: Option<Box<str>> = table.identity.as_ref().map(|identity| identity.value.as_str().into());
    let method = match (&certificate, &username, &given) {
        (Some(_), _, Some(_)) => Method::Certificate,
        (Some(_), _, None) if by_certificate.is_some() => Method::Certificate,
        (_, Some(_), _) | (None, None, Some(_)) => Method::Password,
        (_, None, None) => Method::Unproven,
    };
    let source = table.address.as_ref().map_or(NOWHERE, |address| SocketAddr::new(address.value, 0));
    let listener = table.listener.as_ref().map_or("", |listener| listener.value.as_str());
    let method = table.method.as_ref().map_or(method, |method| method.value);
    let claims = table.claim.0.iter().flat_map(|(name, values)| {
        values.value.iter().map(|value| (name.value.as_str().into(), value.value.as_str().into()))
    });
    let is_proven = !matches!(method, Method::Unproven | Method::Anonymous);
    Identity {
        name: given.or_else(|| by_certificate.or_else(|| username.clone()).filter(|_| is_proven)),
        method,
        client_id: table.client_id.as_ref().map(|id| id.value.as_str().into()).unwrap_or_default(),
        username,
        claims: claims.collect(),
        ..Identity::new(listener.into(), source, certificate)
    }
}

fn certificate(table: &CertificateTable) -> Option<Certificate> {
    let texts = |values: &[Located<String>]| values.iter().map(|value| value.value.as_str().into()).collect();
    let certificate = Certificate {
        common_names: texts(&table.cn),
        organizations: texts(&table.o),
        organizational_units: texts(&table.ou),
        dns_names: texts(&table.dns),
        uris: table.uri.iter().chain(&table.spiffe).map(|uri| uri.value.as_str().into()).collect(),
        emails: texts(&table.email),
        ip_addresses: table.ip.iter().map(|address| address.value).collect(),
        issuer: table.issuer.as_ref().map(|issuer| issuer.value.as_str().into()).unwrap_or_default(),
        serial: table.serial.as_ref().map(|serial| serial.value.clone().into()).unwrap_or_default(),
        fingerprint: table.fingerprint.as_ref().map(|fingerprint| fingerprint.value).unwrap_or_default(),
    };
    (certificate != Certificate::default()).then_some(certificate)
}
