//! When certificates and revocation lists end, and saying so in time: once when the end comes near, once when it is
//! there.
//!
//! Not here: what becomes of connections then (`verify`, `gateway`). Read [`Expiry`] first.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::{Moment, Warning};
use crate::config::{OnStale, Revocation};

/// Notice given of a certificate's end.
const CERTIFICATE_NOTICE: Duration = Duration::from_secs(30 * 86_400);

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryKind {
    /// A certificate of the gateway's own.
    Certificate,
    /// A CA that it trusts; one entry for each of a bundle.
    Authority,
    /// A revocation list.
    RevocationList,
}

/// When something that the gateway lives on ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What it is.
    pub kind: ExpiryKind,
    /// The file.
    pub file: PathBuf,
    /// The certificate's end, or the revocation list's next update.
    pub at: Moment,
    /// How long before that it is warned of.
    pub notice: Duration,
    /// What a revocation list then does.
    pub on_stale: OnStale,
}

/// How near an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Far,
    Near,
    Over,
}

impl Expiry {
    pub(super) fn certificate(kind: ExpiryKind, file: PathBuf, at: Moment) -> Self {
        Self { kind, file, at, notice: CERTIFICATE_NOTICE, on_stale: OnStale::Deny }
    }

    pub(super) fn list(file: PathBuf, at: Moment, revocation: Revocation) -> Self {
        let Revocation { on_stale, notice } = revocation;
        Self { kind: ExpiryKind::RevocationList, file, at, notice, on_stale }
    }

    /// Whether it is over.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.phase(Moment::of(now)) == Phase::Over
    }

    fn phase(&self, now: Moment) -> Phase {
        let notice = i64::try_from(self.notice.as_secs()).unwrap_or(i64::MAX);
        if now > self.at {
            Phase::Over
        } else if now.0 > self.at.0.saturating_sub(notice) {
            Phase::Near
        } else {
            Phase::Far
        }
    }

    /// What is to be said of it.
    pub(super) fn warning(&self, now: Moment) -> Option<Warning> {
        let (file, at, on_stale) = (self.file.clone(), self.at, self.on_stale);
        match (self.kind, self.phase(now)) {
            (_, Phase::Far) => None,
            (ExpiryKind::Certificate | ExpiryKind::Authority, Phase::Near) => {
                Some(Warning::ExpiresSoon { file, not_after: at })
            }
            (ExpiryKind::Certificate | ExpiryKind::Authority, Phase::Over) => {
                Some(Warning::Expired { file, not_after: at })
            }
            (ExpiryKind::RevocationList, Phase::Near) => {
                Some(Warning::RevocationListExpiresSoon { file, next_update: at, on_stale })
            }
            (ExpiryKind::RevocationList, Phase::Over) => {
                Some(Warning::RevocationListStale { file, next_update: at, on_stale })
            }
        }
    }
}

/// When the first certificate of a PEM text ends; none where there is none.
pub fn end_of(pem: &[u8]) -> Option<Moment> {
    let der = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Some(Moment(certificate.validity().not_after.timestamp()))
}

/// What ends when, and what was said of it.
#[derive(Debug, Default)]
pub struct Calendar {
    entries: Vec<(Expiry, Phase)>,
}

impl Calendar {
    /// Of what is near or over by now the one who loaded it has spoken.
    pub fn new(expiries: &[Expiry], now: SystemTime) -> Self {
        let now = Moment::of(now);
        Self { entries: expiries.iter().map(|expiry| (expiry.clone(), expiry.phase(now))).collect() }
    }

    /// What has come near, or is over, since the last look: each once.
    pub fn look(&mut self, now: SystemTime) -> Vec<Warning> {
        let now = Moment::of(now);
        let mut warnings = Vec::new();
        for (expiry, said) in &mut self.entries {
            let phase = expiry.phase(now);
            if phase != *said {
                *said = phase;
                warnings.extend(expiry.warning(now));
            }
        }
        warnings
    }

    /// Revocation lists that are past their next update.
    pub fn stale_lists(&self, now: SystemTime) -> usize {
        let lists = self.entries.iter().filter(|(expiry, _)| expiry.kind == ExpiryKind::RevocationList);
        lists.filter(|(expiry, _)| expiry.is_over(now)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_said_once_when_it_comes_near_and_once_when_it_is_there() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let day = 86_400;
        let on_stale = OnStale::Deny;
        let revocation = Revocation { on_stale, notice: Duration::from_secs(3600) };
        let (certificate, list) = (PathBuf::from("own.pem"), PathBuf::from("list.crl"));
        let expiries = [
            Expiry::certificate(ExpiryKind::Certificate, certificate.clone(), Moment(60 * 86_400)),
            Expiry::list(list.clone(), Moment(40 * 86_400), revocation),
        ];
        let mut calendar = Calendar::new(&expiries, at(0));
        let (own_end, list_end) = (Moment(60 * 86_400), Moment(40 * 86_400));
        for (now, expected, stale) in [
            (29 * day, vec![], 0),
            (31 * day, vec![Warning::ExpiresSoon { file: certificate.clone(), not_after: own_end }], 0),
            (39 * day, vec![], 0),
            (
                40 * day - 60,
                vec![Warning::RevocationListExpiresSoon { file: list.clone(), next_update: list_end, on_stale }],
                0,
            ),
            (40 * day, vec![], 0),
            (40 * day + 1, vec![Warning::RevocationListStale { file: list, next_update: list_end, on_stale }], 1),
            (41 * day, vec![], 1),
            (61 * day, vec![Warning::Expired { file: certificate, not_after: own_end }], 1),
            (62 * day, vec![], 1),
        ] {
            assert_eq!(calendar.look(at(now)), expected, "{now}");
            assert_eq!(calendar.stale_lists(at(now)), stale, "{now}");
        }
        assert_eq!(Calendar::new(&expiries, at(50 * day)).look(at(50 * day)), [], "said by who loaded it");
    }
}
