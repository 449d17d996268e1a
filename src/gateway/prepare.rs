//! What settings and the files that they name make, before anything of it is in force.
//!
//! The start, each reload and `tidegate check` come by here, so that all three refuse the same and say the same.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::ServerName;

use super::authenticate::{Authenticator, FileProblem, admission_keys};
use super::sources::{Lists, Reader};
use crate::config::{Admission, Authentication, Broker, Listener, Problem, Settings, Severity};
use crate::credentials::admission::Door;
use crate::tls::client::{Client, ClientSettings};
use crate::tls::error::{TlsError, Warning};
use crate::tls::server::{Server, ServerSettings};

/// Everything that is read and built, and not yet in force.
pub struct Prepared {
    /// By the listener's name.
    pub(super) listeners: HashMap<Arc<str>, PreparedListener>,
    /// By the broker's name.
    pub(super) brokers: HashMap<Arc<str>, PreparedBroker>,
    /// What deserves saying and is no error, beside [`Settings::warnings`].
    pub warnings: Vec<Problem>,
}

pub(super) struct PreparedListener {
    pub(super) tls: Option<Server>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) admission: Option<Arc<Door>>,
    pub(super) lists: Lists,
}

pub(super) struct PreparedBroker {
    pub(super) tls: Option<Client>,
    /// Whose certificate each of its servers must show, in their order; none without TLS.
    pub(super) names: Vec<Option<ServerName<'static>>>,
}

/// Reads certificates, keys, lists and whatever else the settings name, and builds from it what can be built without
/// a socket.
///
/// # Errors
/// Every problem of every listener and broker, warnings among them.
pub fn prepare(settings: &Settings, now: SystemTime) -> Result<Prepared, Vec<Problem>> {
    let mut found = Found { settings, problems: Vec::new(), owner: String::new() };
    let mut reader = Reader::default();
    let mut prepared = Prepared { listeners: HashMap::new(), brokers: HashMap::new(), warnings: Vec::new() };
    for listener in &settings.listeners {
        found.owner = format!("listener `{}`", listener.name);
        if let Some(ready) = prepare_listener(listener, &settings.authentication, now, &mut reader, &mut found) {
            prepared.listeners.insert(Arc::clone(&listener.name), ready);
        }
    }
    for broker in &settings.brokers {
        found.owner = format!("broker `{}`", broker.name);
        if let Some(ready) = prepare_broker(broker, now, &mut found) {
            prepared.brokers.insert(Arc::clone(&broker.name), ready);
        }
    }
    if found.problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(found.problems);
    }
    prepared.warnings = found.problems;
    Ok(prepared)
}

fn prepare_listener(
    listener: &Listener,
    authentication: &Authentication,
    now: SystemTime,
    reader: &mut Reader,
    found: &mut Found<'_>,
) -> Option<PreparedListener> {
    let lists = reader.lists(&listener.addresses).map_err(|errors| found.files(Severity::Error, &errors));
    let admission = match &listener.admission {
        None => None,
        Some(settings) => Some(door(settings, found)?),
    };
    let tls = match &listener.tls {
        None => None,
        Some(tls) => {
            let settings = ServerSettings { admission: admission.clone(), ..ServerSettings::from(tls) };
            let server = found.errors(settings.build(now))?;
            found.warnings(&server.warnings);
            Some(server)
        }
    };
    let authenticator = Authenticator::build(listener, authentication);
    let (authenticator, warnings) = authenticator.map_err(|errors| found.files(Severity::Error, &errors)).ok()?;
    found.files(Severity::Warning, &warnings);
    Some(PreparedListener { tls, authenticator: Arc::new(authenticator), admission, lists: lists.ok()? })
}

/// The keys of admission tokens, and where they are looked for.
fn door(settings: &Admission, found: &mut Found<'_>) -> Option<Arc<Door>> {
    let mut warnings = Vec::new();
    let keys = admission_keys(&settings.keys, &mut warnings);
    found.files(Severity::Warning, &warnings);
    let keys = keys.map_err(|errors| found.files(Severity::Error, &errors)).ok()?;
    let Admission { server_name, protocol, username, required, .. } = *settings;
    Some(Arc::new(Door { keys, server_name, protocol, username, required }))
}

fn prepare_broker(broker: &Broker, now: SystemTime, found: &mut Found<'_>) -> Option<PreparedBroker> {
    let Some(tls) = &broker.tls else {
        return Some(PreparedBroker { tls: None, names: broker.servers.iter().map(|_| None).collect() });
    };
    let client = found.errors(ClientSettings::from(tls).build(now))?;
    found.warnings(&client.warnings);
    let names = broker.servers.iter().map(|server| client.server_name(&server.host).map(Some));
    let names = found.errors(names.collect::<Result<_, _>>().map_err(|error| vec![error]))?;
    Some(PreparedBroker { tls: Some(client), names })
}

/// The problems of one owner after the other.
struct Found<'s> {
    settings: &'s Settings,
    problems: Vec<Problem>,
    owner: String,
}

impl Found<'_> {
    fn errors<T>(&mut self, built: Result<T, Vec<TlsError>>) -> Option<T> {
        let report = |error: TlsError| self.report(Severity::Error, error.to_string(), file_of_error(&error));
        built.map_err(|errors| errors.into_iter().for_each(report)).ok()
    }

    fn warnings(&mut self, warnings: &[Warning]) {
        for warning in warnings {
            self.report(Severity::Warning, warning.to_string(), warning.file());
        }
    }

    fn files(&mut self, severity: Severity, problems: &[FileProblem]) {
        for problem in problems {
            self.report(severity, problem.to_string(), problem.file.as_deref());
        }
    }

    fn report(&mut self, severity: Severity, message: String, file: Option<&Path>) {
        let problem = self.settings.problem(severity, message, file);
        self.problems.push(Problem { label: format!("named by {}", self.owner), ..problem });
    }
}

fn file_of_error(error: &TlsError) -> Option<&Path> {
    match error {
        TlsError::File { file, .. } => Some(file),
        TlsError::NoCertificate
        | TlsError::NoClientCa
        | TlsError::UnusedRevocationList
        | TlsError::NoSystemRoots
        | TlsError::ServerName(_)
        | TlsError::Rustls(_) => None,
    }
}
