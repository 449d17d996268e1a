//! A second look at a client's certificate, after every handshake.
//!
//! rustls verifies chain, time and revocation in a full handshake alone. A resumed one takes the certificate from the
//! ticket as it was: time has passed and lists may have changed since.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::Digest;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::Moment;
use super::failure::HandshakeFailure;
use super::names;
use super::trust::{Trust, bare};
use crate::config::OnStale;
use crate::identity::Certificate;

/// Why a client whose handshake is over is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One is required.
    #[error("no certificate was shown")]
    NoCertificate,
    /// It can't be decoded.
    #[error("the certificate can't be decoded")]
    Malformed,
    /// Its own validity, or that of a CA above it, has not begun.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Its own validity, or that of a CA above it, is over.
    #[error("the certificate, or a CA above it, has expired")]
    Expired,
    /// It, or a CA above it, is on a revocation list.
    #[error("the certificate, or a CA above it, is revoked")]
    Revoked,
    /// There are lists, but none of its issuer.
    #[error("no revocation list of the certificate's issuer")]
    RevocationUnknown,
    /// The list of its issuer is past its next update.
    #[error("the revocation list of the certificate's issuer has expired")]
    RevocationListExpired,
}

impl Refused {
    /// Stable name: that of the [`HandshakeFailure`] it counts as.
    pub fn label(self) -> &'static str {
        HandshakeFailure::from(self).label()
    }
}

impl From<Refused> for HandshakeFailure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoCertificate => Self::NoCertificate,
            Refused::Malformed => Self::BadCertificate,
            Refused::NotYetValid => Self::NotYetValid,
            Refused::Expired => Self::Expired,
            Refused::Revoked => Self::Revoked,
            Refused::RevocationUnknown => Self::RevocationUnknown,
            Refused::RevocationListExpired => Self::RevocationListExpired,
        }
    }
}

/// Holds client certificates against the clock and the revocation lists in force. Signatures are rustls' part.
///
/// Use the newest one, whichever the handshake began with: that is how a reload reaches a ticket made before it, and
/// live connections.
#[derive(Debug)]
pub struct Guard {
    required: bool,
    /// rustls' own judgement; none where no certificate is asked for.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// SHA-256 of all that a certificate is held against.
    trust: Digest,
    /// By the DER of the CA's distinguished name: when the last of that name ends.
    anchors: HashMap<Box<[u8]>, Moment>,
    /// By the DER of the issuer's distinguished name.
    lists: HashMap<Box<[u8]>, List>,
    on_stale: OnStale,
}

#[derive(Debug)]
struct List {
    next_update: Moment,
    serials: HashSet<Box<[u8]>>,
}

impl Guard {
    pub(super) fn new(trust: &Trust, required: bool, verifier: Option<Arc<dyn ClientCertVerifier>>) -> Self {
        let mut anchors = HashMap::new();
        for anchor in &trust.anchors {
            let last = anchors.entry(anchor.subject.clone()).or_insert(anchor.not_after);
            *last = anchor.not_after.max(*last);
        }
        let mut lists: HashMap<Box<[u8]>, List> = HashMap::new();
        for list in &trust.revocations {
            let known = lists
                .entry(list.issuer.clone())
                .or_insert_with(|| List { next_update: list.next_update, serials: HashSet::new() });
            known.next_update = known.next_update.max(list.next_update);
            known.serials.extend(list.serials.iter().cloned());
        }
        let on_stale = trust.revocation.on_stale;
        Self { required, verifier, trust: trust.digest(), anchors, lists, on_stale }
    }

    /// Judge what [`Session::peer_certificates`](super::session::Session::peer_certificates) gives, after the handshake
    /// or, for connections that live on, after a reload. `None`: no certificate was shown, and none is required.
    ///
    /// # Errors
    /// The client must go.
    pub fn admit(&self, chain: Option<&[CertificateDer<'_>]>, now: SystemTime) -> Result<Option<Certificate>, Refused> {
        let Some((leaf, above)) = chain.and_then(<[_]>::split_first) else {
            return if self.required { Err(Refused::NoCertificate) } else { Ok(None) };
        };
        let now = Moment::of(now);
        let leaf = decode(leaf)?;
        self.judge(&leaf, now)?;
        self.require_list(&leaf, now)?;
        self.judge_above(leaf.tbs_certificate.issuer.as_raw(), above, now)?;
        names::identity(&leaf).ok_or(Refused::Malformed).map(Some)
    }

    /// Judge, for a connection that lives on, what [`Guard::admit`] judged when it began, by the guard of `before`. Where
    /// other CAs or lists are trusted since, that is the chain with its signatures too.
    ///
    /// # Errors
    /// The client must go.
    pub fn judge_again(
        &self,
        before: Option<&Self>,
        chain: Option<&[CertificateDer<'_>]>,
        now: SystemTime,
    ) -> Result<(), HandshakeFailure> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        let is_as_before = before.is_some_and(|before| before.trust.as_ref() == self.trust.as_ref());
        if let Some((leaf, above)) = chain.and_then(<[_]>::split_first).filter(|_| !is_as_before) {
            let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let verified = verifier.verify_client_cert(leaf, above, UnixTime::since_unix_epoch(since_1970));
            verified.map_err(|error| HandshakeFailure::from(&error))?;
        }
        self.admit(chain, now).map(drop).map_err(HandshakeFailure::from)
    }

    /// When the first certificate of the chain ends that it needs, that of its CA included.
    pub fn end(&self, chain: Option<&[CertificateDer<'_>]>) -> Option<Moment> {
        let (leaf, above) = chain?.split_first()?;
        let leaf = decode(leaf).ok()?;
        let mut first = Moment(leaf.validity().not_after.timestamp());
        let mut issuer = leaf.tbs_certificate.issuer.as_raw();
        for der in above {
            let Ok(certificate) = decode(der) else { continue };
            if certificate.tbs_certificate.subject.as_raw() == issuer && !self.anchors.contains_key(issuer) {
                first = first.min(Moment(certificate.validity().not_after.timestamp()));
                issuer = certificate.tbs_certificate.issuer.as_raw();
            }
        }
        Some(self.anchors.get(issuer).map_or(first, |anchor| first.min(*anchor)))
    }

    /// Judge the CAs between the certificate whose issuer is `issuer` and a trusted one, and that one.
    fn judge_above<'d>(
        &self,
        mut issuer: &'d [u8],
        above: &'d [CertificateDer<'_>],
        now: Moment,
    ) -> Result<(), Refused> {
        for der in above {
            let certificate = decode(der)?;
            if self.is_revoked(&certificate) {
                return Err(Refused::Revoked);
            }
            // Peers send what they like behind the leaf; only what continues the chain has to be in time.
            if certificate.tbs_certificate.subject.as_raw() == issuer && !self.anchors.contains_key(issuer) {
                self.judge(&certificate, now)?;
                self.refuse_stale(&certificate, now)?;
                issuer = certificate.tbs_certificate.issuer.as_raw();
            }
        }
        match self.anchors.get(issuer) {
            Some(not_after) if now > *not_after => Err(Refused::Expired),
            Some(_) | None => Ok(()),
        }
    }

    fn judge(&self, certificate: &X509Certificate<'_>, now: Moment) -> Result<(), Refused> {
        let validity = certificate.validity();
        if now < Moment(validity.not_before.timestamp()) {
            Err(Refused::NotYetValid)
        } else if now > Moment(validity.not_after.timestamp()) {
            Err(Refused::Expired)
        } else if self.is_revoked(certificate) {
            Err(Refused::Revoked)
        } else {
            Ok(())
        }
    }

    fn is_revoked(&self, certificate: &X509Certificate<'_>) -> bool {
        self.lists
            .get(certificate.issuer().as_raw())
            .is_some_and(|list| list.serials.contains(bare(certificate.raw_serial())))
    }

    fn require_list(&self, certificate: &X509Certificate<'_>, now: Moment) -> Result<(), Refused> {
        if self.lists.is_empty() || self.lists.contains_key(certificate.issuer().as_raw()) {
            self.refuse_stale(certificate, now)
        } else {
            Err(Refused::RevocationUnknown)
        }
    }

    fn refuse_stale(&self, certificate: &X509Certificate<'_>, now: Moment) -> Result<(), Refused> {
        match self.lists.get(certificate.issuer().as_raw()) {
            Some(list) if now > list.next_update && self.on_stale == OnStale::Deny => {
                Err(Refused::RevocationListExpired)
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn decode<'d>(der: &'d CertificateDer<'_>) -> Result<X509Certificate<'d>, Refused> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|_| Refused::Malformed)
}
