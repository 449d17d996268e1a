//! What is known of a client, by the names that policies and settings use.

use std::borrow::Cow;

use data_encoding::HEXLOWER;

use super::{Certificate, Identity};

/// One thing that is known of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Who it is proven to be.
    Identity,
    /// What proves it.
    Method,
    /// Name of the listener.
    Listener,
    /// IP address.
    Address,
    /// Client Identifier.
    ClientId,
    /// User name of the CONNECT.
    Username,
    /// Common Name, where there is one alone.
    CertificateCn,
    /// Organizations.
    CertificateO,
    /// Organizational Units.
    CertificateOu,
    /// DNS names.
    CertificateDns,
    /// URIs.
    CertificateUri,
    /// E-mail addresses.
    CertificateEmail,
    /// IP addresses in the certificate.
    CertificateIp,
    /// The SPIFFE ID: a URI with the scheme `spiffe`.
    CertificateSpiffe,
    /// The issuer's distinguished name, as RFC 4514 text.
    CertificateIssuer,
    /// Serial number in lower-case hexadecimal.
    CertificateSerial,
    /// SHA-256 of the certificate in lower-case hexadecimal.
    CertificateFingerprint,
    /// A claim of a token, or of an authentication service.
    Claim(Box<str>),
}

/// Those with a fixed name.
const NAMES: [(&str, Attribute); 17] = [
    ("identity", Attribute::Identity),
    ("method", Attribute::Method),
    ("listener", Attribute::Listener),
    ("address", Attribute::Address),
    ("client_id", Attribute::ClientId),
    ("username", Attribute::Username),
    ("certificate.cn", Attribute::CertificateCn),
    ("certificate.o", Attribute::CertificateO),
    ("certificate.ou", Attribute::CertificateOu),
    ("certificate.dns", Attribute::CertificateDns),
    ("certificate.uri", Attribute::CertificateUri),
    ("certificate.email", Attribute::CertificateEmail),
    ("certificate.ip", Attribute::CertificateIp),
    ("certificate.spiffe", Attribute::CertificateSpiffe),
    ("certificate.issuer", Attribute::CertificateIssuer),
    ("certificate.serial", Attribute::CertificateSerial),
    ("certificate.fingerprint", Attribute::CertificateFingerprint),
];

impl Attribute {
    /// The attribute of this name, such as `certificate.cn` or `claim.site`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(claim) = name.strip_prefix("claim.") {
            return (!claim.is_empty()).then(|| Self::Claim(claim.into()));
        }
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, attribute)| attribute.clone())
    }

    /// The names that [`Attribute::parse`] knows, but for claims.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        if let Self::Claim(claim) = self {
            return format!("claim.{claim}").into();
        }
        NAMES.iter().find(|(_, known)| known == self).map_or("", |(name, _)| *name).into()
    }

    /// Every value that the client has.
    #[must_use]
    pub fn values<'i>(&self, identity: &'i Identity) -> Vec<Cow<'i, str>> {
        let of_certificate = |values: &dyn Fn(&'i Certificate) -> Vec<Cow<'i, str>>| {
            identity.certificate.as_deref().map(values).unwrap_or_default()
        };
        match self {
            Self::Identity => identity.name.as_deref().map(Cow::from).into_iter().collect(),
            Self::Method => vec![identity.method.label().into()],
            Self::Listener => vec![(&*identity.listener).into()],
            Self::Address => vec![identity.source.ip().to_canonical().to_string().into()],
            Self::ClientId => {
                (!identity.client_id.is_empty()).then(|| (&*identity.client_id).into()).into_iter().collect()
            }
            Self::Username => identity.username.as_deref().map(Cow::from).into_iter().collect(),
            Self::CertificateCn => identity.common_name().map(Cow::from).into_iter().collect(),
            Self::CertificateO => of_certificate(&|certificate| borrowed(&certificate.organizations)),
            Self::CertificateOu => of_certificate(&|certificate| borrowed(&certificate.organizational_units)),
            Self::CertificateDns => of_certificate(&|certificate| borrowed(&certificate.dns_names)),
            Self::CertificateUri => of_certificate(&|certificate| borrowed(&certificate.uris)),
            Self::CertificateEmail => of_certificate(&|certificate| borrowed(&certificate.emails)),
            Self::CertificateIp => of_certificate(&|certificate| {
                certificate.ip_addresses.iter().map(|address| address.to_string().into()).collect()
            }),
            Self::CertificateSpiffe => of_certificate(&|certificate| {
                borrowed(&certificate.uris).into_iter().filter(|uri| uri.starts_with("spiffe://")).collect()
            }),
            Self::CertificateIssuer => of_certificate(&|certificate| vec![(&*certificate.issuer).into()]),
            Self::CertificateSerial => of_certificate(&|certificate| vec![HEXLOWER.encode(&certificate.serial).into()]),
            Self::CertificateFingerprint => {
                of_certificate(&|certificate| vec![HEXLOWER.encode(&certificate.fingerprint).into()])
            }
            Self::Claim(name) => {
                let named = identity.claims.iter().filter(|(known, _)| known == name);
                named.map(|(_, value)| (&**value).into()).collect()
            }
        }
    }

    /// The one value that the client has; none where it has several, or an empty one.
    #[must_use]
    pub fn one<'i>(&self, identity: &'i Identity) -> Option<Cow<'i, str>> {
        let mut values = self.values(identity);
        let value = values.pop()?;
        (values.is_empty() && !value.is_empty()).then_some(value)
    }
}

fn borrowed(texts: &[Box<str>]) -> Vec<Cow<'_, str>> {
    texts.iter().map(|text| (&**text).into()).collect()
}
