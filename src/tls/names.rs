//! A certificate that rustls has verified to what the gateway calls an identity.

use std::net::IpAddr;

use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use x509_parser::der_parser::Oid;
use x509_parser::der_parser::asn1_rs::{Any, Tag};
use x509_parser::oid_registry::{OID_X509_COMMON_NAME, OID_X509_ORGANIZATION_NAME, OID_X509_ORGANIZATIONAL_UNIT};
use x509_parser::prelude::{GeneralName, X509Certificate, X509Name};

use super::name::distinguished_name;
use crate::identity::Certificate;

/// The names and marks of `certificate`. `None` when one of them can't be decoded: leaving it out would let a second
/// Common Name pass for none.
pub(super) fn identity(certificate: &X509Certificate<'_>) -> Option<Certificate> {
    let subject = certificate.subject();
    let mut identity = Certificate {
        common_names: values(subject, &OID_X509_COMMON_NAME)?,
        organizations: values(subject, &OID_X509_ORGANIZATION_NAME)?,
        organizational_units: values(subject, &OID_X509_ORGANIZATIONAL_UNIT)?,
        issuer: distinguished_name(certificate.issuer()),
        serial: certificate.raw_serial().into(),
        fingerprint: sha256(certificate.as_raw())?,
        ..Certificate::default()
    };
    if let Some(alternatives) = certificate.subject_alternative_name().ok()? {
        for name in &alternatives.value.general_names {
            add_alternative(name, &mut identity)?;
        }
    }
    Some(identity)
}

fn add_alternative(name: &GeneralName<'_>, identity: &mut Certificate) -> Option<()> {
    match name {
        GeneralName::DNSName(name) => identity.dns_names.push((*name).into()),
        GeneralName::URI(uri) => identity.uris.push((*uri).into()),
        GeneralName::RFC822Name(address) => identity.emails.push((*address).into()),
        GeneralName::IPAddress(bytes) => identity.ip_addresses.push(address(bytes)?),
        GeneralName::Invalid(..) => return None,
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::RegisteredID(_) => {}
    }
    Some(())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Every value of one attribute, in order.
fn values(name: &X509Name<'_>, attribute: &Oid<'static>) -> Option<Vec<Box<str>>> {
    name.iter_attributes()
        .filter(|found| found.attr_type() == attribute)
        .map(|found| text(found.attr_value()))
        .collect()
}

fn text(value: &Any<'_>) -> Option<Box<str>> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String => std::str::from_utf8(bytes).ok().map(Into::into),
        // Teletex has accents that nobody agrees on.
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString | Tag::T61String => {
            std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(Into::into)
        }
        Tag::BmpString => {
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
            let text: Result<String, _> = char::decode_utf16(units).collect();
            text.ok().filter(|_| rest.is_empty()).map(String::into_boxed_str)
        }
        _ => None,
    }
}

fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    match TLS13_AES_128_GCM_SHA256 {
        SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider.hash(bytes).as_ref().try_into().ok(),
        SupportedCipherSuite::Tls12(_) => None,
    }
}
