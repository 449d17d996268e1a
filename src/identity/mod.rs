//! What is known of a client: who it is proven to be, its certificate, address, Client Identifier and user name.
//!
//! Plain data, compared byte for byte: nothing here folds case, trims or normalises. Not here: how a certificate is
//! verified (`tls`), how a password or a token is (`credentials`), and what an identity may do (`policy`). Read
//! [`Identity`] first.

mod attribute;
mod pattern;
mod prefix;
mod prefixes;
mod template;
mod who;

pub use attribute::Attribute;
pub use pattern::Pattern;
pub use prefix::Prefix;
pub use prefixes::{NoPrefix, PrefixSet, Prefixes};
pub use template::{Template, TemplateError};
pub use who::{Network, Who};

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One client, as far as the gateway knows it.
///
/// `Debug` shows nothing secret: no password is ever part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the listener that accepted the client.
    pub listener: Arc<str>,
    /// Where the client dialled from.
    pub source: SocketAddr,
    /// The verified client certificate; `None` where the listener asked for none or the client showed none.
    pub certificate: Option<Box<Certificate>>,
    /// Client Identifier of the CONNECT; empty before it, and where the client leaves the choice to the broker.
    pub client_id: Box<str>,
    /// User name of the CONNECT: what the client claims.
    pub username: Option<Box<str>>,
    /// Who it is proven to be; none where nothing proves it.
    pub name: Option<Box<str>>,
    /// What proves it.
    pub method: Method,
    /// What a token or an authentication service says of it, as name and value; a name may repeat.
    pub claims: Box<[(Box<str>, Box<str>)]>,
}

/// What proves an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// Nothing: not asked for, or not yet.
    #[default]
    Unproven,
    /// A client certificate.
    Certificate,
    /// A user name and its password.
    Password,
    /// A signed token.
    Token,
    /// The address and listener, trusted for it.
    Address,
    /// An authentication service that was called.
    Http,
    /// Nothing, and the settings say that this will do.
    Anonymous,
}

impl Method {
    /// Every method, for references and metric families.
    pub const ALL: [Self; 7] =
        [Self::Unproven, Self::Certificate, Self::Password, Self::Token, Self::Address, Self::Http, Self::Anonymous];

    /// The word that settings, records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::Certificate => "certificate",
            Self::Password => "password",
            Self::Token => "token",
            Self::Address => "address",
            Self::Http => "http",
            Self::Anonymous => "anonymous",
        }
    }
}

impl Identity {
    /// What is known at accept, before any CONNECT.
    #[must_use]
    pub fn new(listener: Arc<str>, source: SocketAddr, certificate: Option<Certificate>) -> Self {
        Self {
            listener,
            source,
            certificate: certificate.map(Box::new),
            client_id: Box::default(),
            username: None,
            name: None,
            method: Method::Unproven,
            claims: Box::default(),
        }
    }

    /// The one Common Name of its certificate.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.certificate.as_deref().and_then(Certificate::common_name)
    }
}

/// Names and marks of a certificate that TLS has verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Every Common Name of the subject, in order.
    pub common_names: Vec<Box<str>>,
    /// Every Organization of the subject.
    pub organizations: Vec<Box<str>>,
    /// Every Organizational Unit of the subject.
    pub organizational_units: Vec<Box<str>>,
    /// DNS names among the Subject Alternative Names.
    pub dns_names: Vec<Box<str>>,
    /// URIs among the Subject Alternative Names.
    pub uris: Vec<Box<str>>,
    /// E-mail addresses among the Subject Alternative Names.
    pub emails: Vec<Box<str>>,
    /// IP addresses among the Subject Alternative Names.
    pub ip_addresses: Vec<IpAddr>,
    /// The issuer's distinguished name, as RFC 4514 text.
    pub issuer: Box<str>,
    /// Serial number, big-endian, as in the certificate.
    pub serial: Box<[u8]>,
    /// SHA-256 of the certificate's DER encoding.
    pub fingerprint: [u8; 32],
}

impl Certificate {
    /// The Common Name when there is exactly one and it is not empty: none, or several, is no identity.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        match self.common_names.as_slice() {
            [name] if !name.is_empty() => Some(name),
            [] | [_, ..] => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(common_names: &[&str]) -> Option<String> {
        let common_names = common_names.iter().map(|&name| name.into()).collect();
        Certificate { common_names, ..Certificate::default() }.common_name().map(str::to_owned)
    }

    #[test]
    fn exactly_one_common_name_is_an_identity() {
        assert_eq!(name(&["temp-07"]).as_deref(), Some("temp-07"));
        assert_eq!(name(&[" Temp-07 "]).as_deref(), Some(" Temp-07 "), "neither trimmed nor folded");
        assert_eq!(name(&[]), None);
        assert_eq!(name(&[""]), None);
        assert_eq!(name(&["temp-07", "temp-07"]), None);
    }
}
