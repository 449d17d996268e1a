//! TLS of a listener and of a broker: certificates with their keys, and who must show one.

use std::ops::Range;
use std::path::PathBuf;

use super::{file_exists, folder_exists, values};
use crate::config::files;
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::config::settings::{
    BrokerIdentities, BrokerTls, ClientAuth, IdentityCertificates, KeyPair, Missing, OnStale, Revocation, ServerTls,
};
use crate::config::tables::{BrokerIdentitiesTable, BrokerTlsTable, CertificateTable, Clients, ServerTlsTable};

pub(super) fn server_tls(tls: &Located<ServerTlsTable>, reading: &mut Reading) -> Option<ServerTls> {
    let Located { value: tls, span } = tls;
    let single = pair(tls.certificate.as_ref(), tls.key.as_ref(), reading);
    let mut certificates: Vec<KeyPair> = single.into_iter().collect();
    for entry in &tls.certificates {
        let CertificateTable { certificate, key, server_names } = &entry.value;
        certificates.extend(
            pair(certificate.as_ref(), key.as_ref(), reading)
                .map(|pair| KeyPair { server_names: values(server_names), ..pair }),
        );
    }
    if tls.certificate.is_none() && tls.key.is_none() && tls.certificates.is_empty() {
        let problem = reading
            .at(problem::Kind::MissingKey, span, "a listener with TLS needs a certificate")
            .label("expected `certificate` and `key`, or `certificates`");
        reading.report(problem);
    }
    for file in &tls.crl {
        file_exists(file, reading);
    }
    let clients = client_auth(tls, span, reading);
    Some(ServerTls {
        certificates,
        clients: clients?,
        crl: values(&tls.crl),
        revocation: revocation(tls, reading),
        alpn: values(&tls.alpn),
        min_version: tls.min_version,
        resumption: tls.resumption,
    })
}

fn revocation(tls: &ServerTlsTable, reading: &mut Reading) -> Revocation {
    let table = &tls.revocation;
    if let Some(Located { value: OnStale::Allow, span }) = &table.on_stale {
        let problem = reading
            .at(problem::Kind::Unsafe, span, "revocation lists are taken however old they are")
            .label("what was revoked after the last update of a list is let in")
            .warning();
        reading.report(problem);
    }
    let on_stale = table.on_stale.as_ref().map_or(OnStale::Deny, |on_stale| on_stale.value);
    Revocation { on_stale, notice: table.notice }
}

fn client_auth(tls: &ServerTlsTable, span: &Range<usize>, reading: &mut Reading) -> Option<ClientAuth> {
    let clients = tls.clients.as_ref()?;
    let at = if clients.span.is_empty() { span } else { &clients.span };
    if let Some(ca) = &tls.client_ca {
        file_exists(ca, reading);
    }
    match clients.value {
        Clients::Required | Clients::Optional if tls.client_ca.is_none() => {
            let problem = reading
                .at(problem::Kind::MissingKey, at, "`client_ca` is missing")
                .label("client certificates need issuers to be trusted by")
                .help("give `client_ca`, or `clients = \"none\"` to ask for no certificate");
            reading.report(problem);
            None
        }
        Clients::Required => tls.client_ca.as_ref().map(|ca| ClientAuth::Required { ca: ca.value.clone() }),
        Clients::Optional => tls.client_ca.as_ref().map(|ca| ClientAuth::Optional { ca: ca.value.clone() }),
        Clients::None => {
            for (key, at) in [("client_ca", tls.client_ca.as_ref()), ("crl", tls.crl.first())]
                .iter()
                .filter_map(|(k, at)| Some((k, (*at)?)))
            {
                let problem = reading
                    .at(problem::Kind::Contradiction, &at.span, format!("`{key}` is given and `clients` is `none`"))
                    .label("no client certificate is asked for")
                    .help(format!("remove `{key}`, or set `clients = \"required\"`"));
                reading.report(problem);
            }
            Some(ClientAuth::None)
        }
    }
}

pub(super) fn broker_tls(tls: &BrokerTlsTable, reading: &mut Reading) -> BrokerTls {
    if let Some(ca) = &tls.ca {
        file_exists(ca, reading);
    }
    BrokerTls {
        ca: tls.ca.as_ref().map(|ca| ca.value.clone()),
        identity: pair(tls.certificate.as_ref(), tls.key.as_ref(), reading),
        identities: tls.identities.as_ref().and_then(|table| identities(table, tls, reading)),
        server_name: tls.server_name.as_ref().map(|name| name.value.clone()),
        alpn: values(&tls.alpn),
        min_version: tls.min_version,
    }
}

/// Certificates of clients: a folder or a table of them.
fn identities(
    located: &Located<BrokerIdentitiesTable>,
    tls: &BrokerTlsTable,
    reading: &mut Reading,
) -> Option<BrokerIdentities> {
    let Located { value: table, span } = located;
    let certificates = match (&table.folder, &table.table) {
        (Some(folder), None) => {
            folder_exists(folder, reading);
            Some(IdentityCertificates::Folder(folder.value.clone()))
        }
        (None, Some(file)) => files::certificates(file, reading).map(IdentityCertificates::Table),
        (None, None) => {
            let problem = reading
                .at(problem::Kind::MissingKey, span, "nothing says where the certificates of clients are")
                .label("expected `folder` or `table`");
            reading.report(problem);
            None
        }
        (Some(_), Some(file)) => {
            let problem = reading
                .at(problem::Kind::Contradiction, &file.span, "`folder` and `table` both say where certificates are")
                .help("remove one of them");
            reading.report(problem);
            None
        }
    };
    if table.missing == Missing::Own && tls.certificate.is_none() {
        let problem = reading
            .at(problem::Kind::Contradiction, span, "`missing` is `own`, and the gateway has no certificate of its own")
            .help("give `tls.certificate` and `tls.key`, or set `missing = \"refuse\"`");
        reading.report(problem);
    }
    Some(BrokerIdentities { certificates: certificates?, missing: table.missing })
}

/// A certificate and its key, both there or neither.
fn pair(
    certificate: Option<&Located<PathBuf>>,
    key: Option<&Located<PathBuf>>,
    reading: &mut Reading,
) -> Option<KeyPair> {
    for file in certificate.iter().chain(&key) {
        file_exists(file, reading);
    }
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Some(KeyPair { certificate: certificate.value.clone(), key: key.value.clone(), server_names: Vec::new() })
        }
        (Some(certificate), None) => alone("certificate", "key", certificate, reading),
        (None, Some(key)) => alone("key", "certificate", key, reading),
        (None, None) => None,
    }
}

fn alone(here: &str, other: &str, at: &Located<PathBuf>, reading: &mut Reading) -> Option<KeyPair> {
    let problem = reading
        .at(problem::Kind::MissingKey, &at.span, format!("`{here}` without `{other}`"))
        .label(format!("expected `{other}` beside it"));
    reading.report(problem);
    None
}
