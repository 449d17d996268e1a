//! Whom to trust: a CA bundle and the revocation lists that go with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{self, Digest};
use rustls::RootCertStore;
use rustls::client::VerifierBuilderError;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::error::{Moment, Problem, TlsError, Warning};
use super::expiry::{Expiry, ExpiryKind};
use super::files;
use super::name::distinguished_name;
use crate::config::{OnStale, Revocation};

/// DER of an OBJECT IDENTIFIER begins with this.
const DER_OID: u8 = 0x06;

/// CAs and revocation lists, read and checked.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) anchors: Vec<Anchor>,
    /// The file that the CAs are from.
    bundle: PathBuf,
    /// Newest first: of two lists of one CA, rustls takes the first.
    pub(super) revocations: Vec<Revocations>,
    /// What becomes of the lists when they are old.
    pub(super) revocation: Revocation,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            roots: Arc::new(RootCertStore::empty()),
            anchors: Vec::new(),
            bundle: PathBuf::new(),
            revocations: Vec::new(),
            revocation: Revocation::default(),
        }
    }
}

/// One CA of a bundle.
#[derive(Debug)]
pub(super) struct Anchor {
    /// DER of its distinguished name.
    pub(super) subject: Box<[u8]>,
    pub(super) not_after: Moment,
    public_key: Box<[u8]>,
    text: Box<str>,
}

impl Anchor {
    fn expiry(&self, bundle: &Path) -> Expiry {
        Expiry::certificate(ExpiryKind::Authority, bundle.to_owned(), self.not_after)
    }
}

/// One revocation list.
#[derive(Debug)]
pub(super) struct Revocations {
    /// DER of the issuer's distinguished name.
    pub(super) issuer: Box<[u8]>,
    pub(super) serials: Vec<Box<[u8]>>,
    pub(super) this_update: Moment,
    pub(super) next_update: Moment,
    file: PathBuf,
    der: CertificateRevocationListDer<'static>,
}

impl Trust {
    /// The lists as rustls takes them.
    pub(super) fn lists(&self) -> impl Iterator<Item = &CertificateRevocationListDer<'static>> {
        self.revocations.iter().map(|list| &list.der)
    }

    /// When the CAs and the lists end.
    pub(super) fn expiries(&self) -> impl Iterator<Item = Expiry> {
        let anchors = self.anchors.iter().map(|ca| ca.expiry(&self.bundle));
        let lists = self.revocations.iter();
        anchors.chain(lists.map(|list| Expiry::list(list.file.clone(), list.next_update, self.revocation)))
    }

    /// SHA-256 of all that a certificate is held against.
    pub(super) fn digest(&self) -> Digest {
        let mut digest = digest::Context::new(&digest::SHA256);
        let mut add = |bytes: &[u8]| {
            digest.update(&bytes.len().to_be_bytes());
            digest.update(bytes);
        };
        for anchor in &self.anchors {
            add(&anchor.subject);
            add(&anchor.public_key);
            add(&anchor.not_after.0.to_be_bytes());
        }
        add(&[u8::from(self.revocation.on_stale == OnStale::Deny)]);
        self.lists().for_each(|list| add(list));
        digest.finish()
    }

    /// Read the lists of `files` and hold them against the CAs.
    pub(super) fn add_revocation_lists(
        &mut self,
        provider: &Arc<CryptoProvider>,
        files: &[PathBuf],
        now: Moment,
        errors: &mut Vec<TlsError>,
        warnings: &mut Vec<Warning>,
    ) {
        let mut foreign = Vec::new();
        for file in files {
            let lists = match files::revocation_lists(file) {
                Ok(lists) => lists,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            for der in lists {
                match self.check(provider, file, &der, now, warnings) {
                    Ok((list, None)) => self.revocations.push(list),
                    Ok((list, Some(issuer))) => {
                        foreign.push((list.file.clone(), issuer));
                        self.revocations.push(list);
                    }
                    Err(problem) => errors.push(TlsError::file(file, problem)),
                }
            }
        }
        // A list of an intermediate CA is verified by rustls against what the client shows; but when not one list is from a
        // CA of the bundle, it is the wrong list.
        let all_foreign = foreign.len() == self.revocations.len();
        for (file, issuer) in foreign {
            if all_foreign {
                errors.push(TlsError::File { file, problem: Problem::RevocationListIssuer { issuer } });
            } else {
                warnings.push(Warning::RevocationListUnverified { file, issuer });
            }
        }
        self.revocations.sort_by_key(|list| std::cmp::Reverse(list.this_update));
        self.warn_of_gaps(warnings);
    }

    fn warn_of_gaps(&self, warnings: &mut Vec<Warning>) {
        if self.revocations.is_empty() {
            return;
        }
        for anchor in &self.anchors {
            if !self.revocations.iter().any(|list| list.issuer == anchor.subject) {
                warnings.push(Warning::NoRevocationListFor { issuer: anchor.text.clone() });
            }
        }
    }

    /// The list, and its issuer's name if that is no CA of the bundle.
    fn check(
        &self,
        provider: &Arc<CryptoProvider>,
        file: &Path,
        der: &CertificateRevocationListDer<'static>,
        now: Moment,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Revocations, Option<Box<str>>), Problem> {
        self.usable(provider, der)?;
        let malformed = Problem::MalformedRevocationList(rustls::CertRevocationListError::ParseError);
        let (_, list) = CertificateRevocationList::from_der(der).map_err(|_| malformed.clone())?;
        let next_update = Moment(list.next_update().ok_or(malformed)?.timestamp());
        if now > next_update && self.revocation.on_stale == OnStale::Deny {
            return Err(Problem::RevocationListExpired(next_update));
        }
        warnings.extend(Expiry::list(file.to_owned(), next_update, self.revocation).warning(now));
        let issuer = list.issuer().as_raw();
        let mut anchors = self.anchors.iter().filter(|anchor| *anchor.subject == *issuer).peekable();
        let foreign = anchors.peek().is_none().then(|| distinguished_name(list.issuer()));
        if foreign.is_none() && !anchors.any(|anchor| is_signed(provider, &list, &anchor.public_key)) {
            return Err(Problem::RevocationListSignature { issuer: distinguished_name(list.issuer()) });
        }
        let serials = list.iter_revoked_certificates().map(|revoked| bare(revoked.raw_serial()).into()).collect();
        let this_update = Moment(list.last_update().timestamp());
        let issuer = issuer.into();
        Ok((
            Revocations { issuer, serials, this_update, next_update, file: file.to_owned(), der: der.clone() },
            foreign,
        ))
    }

    /// rustls can decode the list: version 2, no delta, no unknown critical extension.
    fn usable(
        &self,
        provider: &Arc<CryptoProvider>,
        der: &CertificateRevocationListDer<'static>,
    ) -> Result<(), Problem> {
        let trial = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(provider))
            .with_crls([der.clone()])
            .build();
        match trial {
            Err(VerifierBuilderError::InvalidCrl(error)) => Err(Problem::MalformedRevocationList(error)),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn is_signed(provider: &CryptoProvider, list: &CertificateRevocationList<'_>, public_key: &[u8]) -> bool {
    let oid = list.signature_algorithm.algorithm.as_bytes();
    provider.signature_verification_algorithms.all.iter().any(|algorithm| {
        let identifier = algorithm.signature_alg_id();
        let known = match identifier.as_ref() {
            [DER_OID, len, rest @ ..] => rest.get(..usize::from(*len)),
            [] | [_, ..] => None,
        };
        known == Some(oid)
            && algorithm
                .verify_signature(public_key, list.tbs_cert_list.as_ref(), list.signature_value.as_ref())
                .is_ok()
    })
}

/// A serial number without the leading zeros that DER needs for its sign.
pub(super) fn bare(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial.get(zeros..).unwrap_or_default()
}

/// Read a CA bundle. A CA that has expired is left out, with a warning: rustls would go on trusting it.
pub(super) fn bundle(file: &Path, now: Moment, warnings: &mut Vec<Warning>) -> Result<Trust, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut anchors = Vec::new();
    for (index, der) in files::certificates(file)?.into_iter().enumerate() {
        let anchor = anchor(&der).ok_or_else(|| TlsError::file(file, Problem::MalformedCertificate(index + 1)))?;
        if now > anchor.not_after {
            let (subject, not_after) = (anchor.text, anchor.not_after);
            warnings.push(Warning::CaExpired { file: file.to_owned(), subject, not_after });
            continue;
        }
        warnings.extend(anchor.expiry(file).warning(now));
        roots.add(der).map_err(|_| TlsError::file(file, Problem::NotCa(index + 1)))?;
        anchors.push(anchor);
    }
    if anchors.is_empty() {
        return Err(TlsError::file(file, Problem::AllExpired));
    }
    Ok(Trust { roots: Arc::new(roots), anchors, bundle: file.to_owned(), ..Trust::default() })
}

fn anchor(der: &CertificateDer<'_>) -> Option<Anchor> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(Anchor {
        subject: certificate.subject().as_raw().into(),
        not_after: Moment(certificate.validity().not_after.timestamp()),
        public_key: certificate.public_key().subject_public_key.as_ref().into(),
        text: distinguished_name(certificate.subject()),
    })
}
