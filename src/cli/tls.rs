//! Certificates, keys and revocation lists that the settings name, read as the gateway would read them.

use std::path::Path;
use std::time::SystemTime;

use crate::config::{Problem, Settings, Severity};
use crate::tls::client::ClientSettings;
use crate::tls::error::{TlsError, Warning};
use crate::tls::server::ServerSettings;

/// Every problem of every listener and broker.
pub(super) fn problems(settings: &Settings) -> Vec<Problem> {
    let now = SystemTime::now();
    let mut found = Vec::new();
    for listener in &settings.listeners {
        let Some(tls) = &listener.tls else { continue };
        let built = ServerSettings::from(tls).build(now).map(|server| server.warnings);
        report(settings, &format!("listener `{}`", listener.name), built, &mut found);
    }
    for broker in &settings.brokers {
        let Some(tls) = &broker.tls else { continue };
        let built = ClientSettings::from(tls).build(now).map(|client| client.warnings);
        report(settings, &format!("broker `{}`", broker.name), built, &mut found);
    }
    found
}

fn report(settings: &Settings, owner: &str, built: Result<Vec<Warning>, Vec<TlsError>>, found: &mut Vec<Problem>) {
    match built {
        Ok(warnings) => found.extend(warnings.iter().map(|warning| {
            let problem = settings.problem(Severity::Warning, warning.to_string(), file_of_warning(warning));
            Problem { label: format!("named by {owner}"), ..problem }
        })),
        Err(errors) => found.extend(errors.iter().map(|error| {
            let problem = settings.problem(Severity::Error, error.to_string(), file_of_error(error));
            Problem { label: format!("named by {owner}"), ..problem }
        })),
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

fn file_of_warning(warning: &Warning) -> Option<&Path> {
    match warning {
        Warning::ExpiresSoon { file, .. }
        | Warning::Expired { file, .. }
        | Warning::CaExpired { file, .. }
        | Warning::RevocationListUnverified { file, .. }
        | Warning::RevocationListExpiresSoon { file, .. }
        | Warning::RevocationListStale { file, .. }
        | Warning::NameNotCovered { file, .. }
        | Warning::KeyReadableByAll { file } => Some(file),
        Warning::NoRevocationListFor { .. } => None,
    }
}
