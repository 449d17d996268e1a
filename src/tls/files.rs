//! PEM files to certificates, keys and lists, each problem with the file's name.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use super::error::{Moment, Problem, TlsError, Warning};
use super::expiry::{Expiry, ExpiryKind};
use crate::config::readable_by_all;

/// First byte of every DER SEQUENCE.
const DER_SEQUENCE: u8 = 0x30;

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    fs::read(file).map(Zeroizing::new).map_err(|error| TlsError::file(file, Problem::Unreadable(error.kind())))
}

/// Every CERTIFICATE section of `file`, in order; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::file(file, Problem::NoCertificate)),
        Ok(found) => Ok(found),
        Err(_) => Err(TlsError::file(file, Problem::NotPem)),
    }
}

/// The first private key of `file`.
fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read(file)?;
    match PrivateKeyDer::pem_slice_iter(&pem).next() {
        Some(Ok(key)) if !contains(&pem, b"Proc-Type: 4,ENCRYPTED") => Ok(key),
        None if !contains(&pem, b"BEGIN ENCRYPTED PRIVATE KEY") => Err(TlsError::file(file, Problem::NoKey)),
        Some(Err(_)) if !contains(&pem, b"Proc-Type: 4,ENCRYPTED") => Err(TlsError::file(file, Problem::NotPem)),
        Some(_) | None => Err(TlsError::file(file, Problem::EncryptedKey)),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

/// Every revocation list of `file`, PEM or one in DER; at least one.
pub(super) fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let bytes = read(file)?;
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::file(file, Problem::NoRevocationList)),
        Ok(found) => Ok(found),
        Err(_) => Err(TlsError::file(file, Problem::NotPem)),
    }
}

/// A certificate of ours with its chain and key.
pub(super) struct Own {
    pub(super) key: Arc<CertifiedKey>,
    /// DNS names among its Subject Alternative Names, in lower case.
    pub(super) names: Vec<Box<str>>,
    pub(super) expiry: Expiry,
}

/// Load a certificate of ours: the key must be its own, and its time must be now.
pub(super) fn own(
    provider: &CryptoProvider,
    certificate: &Path,
    key: &Path,
    now: Moment,
    warnings: &mut Vec<Warning>,
) -> Result<Own, TlsError> {
    let chain = certificates(certificate)?;
    let (names, not_before, not_after) = chain
        .first()
        .and_then(|leaf| describe(leaf))
        .ok_or_else(|| TlsError::file(certificate, Problem::MalformedCertificate(1)))?;
    let signing = provider
        .key_provider
        .load_private_key(private_key(key)?)
        .map_err(|_| TlsError::file(key, Problem::UnsupportedKey))?;
    let certified = CertifiedKey::new(chain, signing);
    if certified.keys_match().is_err() {
        return Err(TlsError::file(key, Problem::KeyMismatch { certificate: certificate.to_owned() }));
    }
    if now > not_after {
        return Err(TlsError::file(certificate, Problem::Expired(not_after)));
    }
    if now < not_before {
        return Err(TlsError::file(certificate, Problem::NotYetValid(not_before)));
    }
    let expiry = Expiry::certificate(ExpiryKind::Certificate, certificate.to_owned(), not_after);
    warnings.extend(expiry.warning(now));
    if readable_by_all(key) {
        warnings.push(Warning::KeyReadableByAll { file: key.to_owned() });
    }
    Ok(Own { key: Arc::new(certified), names, expiry })
}

type Description = (Vec<Box<str>>, Moment, Moment);

fn describe(der: &[u8]) -> Option<Description> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut names = Vec::new();
    if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            if let GeneralName::DNSName(name) = name {
                names.push(name.to_ascii_lowercase().into_boxed_str());
            }
        }
    }
    let validity = certificate.validity();
    Some((names, Moment(validity.not_before.timestamp()), Moment(validity.not_after.timestamp())))
}
