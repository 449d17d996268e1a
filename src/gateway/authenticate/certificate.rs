//! The name in a client certificate. That the certificate is good, TLS has seen to.

use super::source::{Found, Proven};
use super::{Ground, Unproven};
use crate::config::CertificateName;
use crate::credentials::is_name;
use crate::identity::Identity;
use crate::policy::Reason;

const NO_NAME: Unproven = Unproven::new(Reason::Unidentified, "identity.certificate");

pub(super) fn find(settings: &CertificateName, identity: &Identity) -> Found {
    if identity.certificate.is_none() {
        return Found::Nothing;
    }
    let name = name(settings, identity).ok_or(NO_NAME);
    Found::Decided(name.map(|name| Proven::new(Some(name), Ground::Certificate)))
}

/// The one name, or the part of it that the settings ask for; several are none.
pub(super) fn name(settings: &CertificateName, identity: &Identity) -> Option<Box<str>> {
    let whole = settings.name.one(identity)?;
    let name = match &settings.pattern {
        Some(pattern) => pattern.capture(&whole)?,
        None => &whole,
    };
    is_name(name).then(|| name.into())
}
