//! The client of a case.

use std::net::{IpAddr, SocketAddr};

use super::tables::{AsTable, CertificateTable};
use crate::config::read::Located;
use crate::identity::{Certificate, Identity, Method};

/// Where a client of a case is when nothing is said of it.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The client of a case. Its name, where none is given, is what proves a client by default: the one Common Name, else
/// the user name.
pub(super) fn identity(table: &AsTable) -> Identity {
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
