//! What can be wrong with certificates, keys and lists on disk, and what will be wrong soon.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::OnStale;

/// Why TLS settings can't be put to use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// Something is wrong with a file.
    #[error("`{}`: {problem}", file.display())]
    File {
        /// As the settings name it.
        file: PathBuf,
        /// What is wrong.
        problem: Problem,
    },
    /// A listener without any certificate.
    #[error("no certificate to show to clients")]
    NoCertificate,
    /// Client certificates are wanted, and nothing says who may issue them.
    #[error("client certificates are wanted, but no client CA is given")]
    NoClientCa,
    /// Revocation lists, and no client certificates to hold against them.
    #[error("revocation lists are given, but no client certificates are asked for")]
    UnusedRevocationList,
    /// The machine's trust store has no certificate.
    #[error("the system's trust store holds no certificate")]
    NoSystemRoots,
    /// Neither a DNS name nor an IP address.
    #[error("`{0}` is neither a DNS name nor an IP address")]
    ServerName(String),
    /// Refused by rustls for a reason of its own.
    #[error("{0}")]
    Rustls(rustls::Error),
}

impl TlsError {
    pub(super) fn file(file: &Path, problem: Problem) -> Self {
        Self::File { file: file.to_owned(), problem }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Rustls(error)
    }
}

/// What is wrong with one file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The operating system does not give it.
    #[error("can't be read: {0}")]
    Unreadable(ErrorKind),
    /// A PEM section is cut off, or not base64.
    #[error("not well-formed PEM")]
    NotPem,
    /// PEM, but no CERTIFICATE section.
    #[error("no certificate in it")]
    NoCertificate,
    /// PEM, but no private key section.
    #[error("no private key in it")]
    NoKey,
    /// No revocation list, PEM or DER.
    #[error("no revocation list in it")]
    NoRevocationList,
    /// A private key under a passphrase.
    #[error("the private key is encrypted; store it in plain PEM, readable by the gateway alone")]
    EncryptedKey,
    /// A key of a kind or size that is not supported.
    #[error("unsupported private key (supported: RSA from 2048 bits, ECDSA P-256, P-384 and P-521, Ed25519)")]
    UnsupportedKey,
    /// The key belongs to another certificate.
    #[error("the key does not match the certificate in `{}`", certificate.display())]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// Not a certificate that X.509 knows.
    #[error("certificate {0} in it can't be decoded")]
    MalformedCertificate(usize),
    /// Certificate or CA is over.
    #[error("expired at {0}")]
    Expired(Moment),
    /// Certificate is not valid yet.
    #[error("not valid before {0}")]
    NotYetValid(Moment),
    /// Every certificate of a CA bundle is over.
    #[error("every CA in it has expired")]
    AllExpired,
    /// A certificate of a CA bundle can't be a trust anchor.
    #[error("certificate {0} in it can't serve as a CA")]
    NotCa(usize),
    /// A revocation list that rustls can't use.
    #[error("revocation list can't be used: {0:?}")]
    MalformedRevocationList(rustls::CertRevocationListError),
    /// The list's next update is over.
    #[error("revocation list expired at {0}")]
    RevocationListExpired(Moment),
    /// The list bears the name of a client CA, but not its signature.
    #[error("revocation list is not signed by `{issuer}`")]
    RevocationListSignature {
        /// The CA that it names.
        issuer: Box<str>,
    },
    /// None of the lists is from one of the client CAs.
    #[error("revocation list is issued by `{issuer}`, which is not among the client CAs")]
    RevocationListIssuer {
        /// The CA that it names.
        issuer: Box<str>,
    },
}

/// What is in order today and needs a look. Each is one line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A certificate ends within 30 days.
    ExpiresSoon {
        /// Its file.
        file: PathBuf,
        /// When.
        not_after: Moment,
    },
    /// A CA in a bundle has expired and is left out.
    CaExpired {
        /// The bundle.
        file: PathBuf,
        /// The CA.
        subject: Box<str>,
        /// Since when.
        not_after: Moment,
    },
    /// A revocation list's issuer is not among the client CAs: its signature is checked only when a client shows the
    /// certificate of that issuer.
    RevocationListUnverified {
        /// Its file.
        file: PathBuf,
        /// The CA that it names.
        issuer: Box<str>,
    },
    /// A certificate has ended while the gateway runs on it.
    Expired {
        /// Its file.
        file: PathBuf,
        /// When.
        not_after: Moment,
    },
    /// A revocation list's next update is near.
    RevocationListExpiresSoon {
        /// Its file.
        file: PathBuf,
        /// When.
        next_update: Moment,
        /// What it does from then on.
        on_stale: OnStale,
    },
    /// A revocation list's next update is over.
    RevocationListStale {
        /// Its file.
        file: PathBuf,
        /// Since when.
        next_update: Moment,
        /// What it does.
        on_stale: OnStale,
    },
    /// A client CA has no revocation list while others have: its clients are refused.
    NoRevocationListFor {
        /// The CA.
        issuer: Box<str>,
    },
    /// A certificate is to be shown for a name that it does not hold.
    NameNotCovered {
        /// Its file.
        file: PathBuf,
        /// The name.
        name: Box<str>,
    },
    /// Every user of the machine can read a private key.
    KeyReadableByAll {
        /// Its file.
        file: PathBuf,
    },
}

impl Warning {
    /// The file that it is about.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::ExpiresSoon { file, .. }
            | Self::Expired { file, .. }
            | Self::CaExpired { file, .. }
            | Self::RevocationListUnverified { file, .. }
            | Self::RevocationListExpiresSoon { file, .. }
            | Self::RevocationListStale { file, .. }
            | Self::NameNotCovered { file, .. }
            | Self::KeyReadableByAll { file } => Some(file),
            Self::NoRevocationListFor { .. } => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpiresSoon { file, not_after } => {
                write!(f, "`{}`: the certificate expires at {not_after}", file.display())
            }
            Self::CaExpired { file, subject, not_after } => {
                write!(f, "`{}`: CA `{subject}` expired at {not_after} and is not used", file.display())
            }
            Self::RevocationListUnverified { file, issuer } => write!(
                f,
                "`{}`: issued by `{issuer}`, which is not among the client CAs: its signature can't be checked now",
                file.display()
            ),
            Self::Expired { file, not_after } => {
                write!(f, "`{}`: the certificate expired at {not_after}", file.display())
            }
            Self::RevocationListExpiresSoon { file, next_update, on_stale } => {
                let then = match on_stale {
                    OnStale::Deny => "then no certificate of its issuer is accepted",
                    OnStale::Allow => "then who is revoked later is let in",
                };
                write!(f, "`{}`: the revocation list expires at {next_update}; {then}", file.display())
            }
            Self::RevocationListStale { file, next_update, on_stale } => {
                let now = match on_stale {
                    OnStale::Deny => "no certificate of its issuer is accepted",
                    OnStale::Allow => "who was revoked since is let in",
                };
                write!(f, "`{}`: the revocation list expired at {next_update}; {now}", file.display())
            }
            Self::NoRevocationListFor { issuer } => {
                write!(f, "client CA `{issuer}` has no revocation list: certificates that it issued are refused")
            }
            Self::NameNotCovered { file, name } => {
                write!(f, "`{}`: the certificate does not hold the name `{name}`", file.display())
            }
            Self::KeyReadableByAll { file } => {
                write!(f, "`{}`: every user of this machine can read the private key", file.display())
            }
        }
    }
}

/// A point in time in seconds since 1970, printed as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// The moment of `time`, to the second.
    pub fn of(time: std::time::SystemTime) -> Self {
        Self(OffsetDateTime::from(time).unix_timestamp())
    }

    /// The first second, since 1970, in which what is valid up to and with this one is not (RFC 5280, 4.1.2.5).
    pub fn past(self) -> i64 {
        self.0.saturating_add(1)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match OffsetDateTime::from_unix_timestamp(self.0).ok().and_then(|moment| moment.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} s", self.0),
        }
    }
}
