//! Why a handshake failed, as a closed set for metrics and records.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// Why a TLS handshake, or a TLS connection after it, failed. Closed: [`HandshakeFailure::label`] is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HandshakeFailure {
    /// The first bytes are no TLS record.
    NotTls,
    /// TLS, but not as the standard has it: undecodable, out of order, oversized.
    Malformed,
    /// A record that does not decrypt, or a signature or Finished that does not verify.
    Decrypt,
    /// No TLS version in common.
    ProtocolVersion,
    /// No cipher suite, key exchange group or signature scheme in common.
    NoCipher,
    /// No application protocol in common.
    Alpn,
    /// A certificate is required and none came.
    NoCertificate,
    /// The certificate is undecodable, badly signed, or uses what is not supported.
    BadCertificate,
    /// The certificate's issuer is not trusted.
    UnknownCa,
    /// The certificate's validity is over.
    Expired,
    /// The certificate's validity has not begun.
    NotYetValid,
    /// The certificate is on a revocation list.
    Revoked,
    /// No revocation list in force says anything about the certificate's issuer.
    RevocationUnknown,
    /// The revocation list itself is past its next update.
    RevocationListExpired,
    /// The certificate is not for the name that was dialled.
    WrongName,
    /// The certificate is not for this use (a server's shown by a client, or the reverse).
    WrongPurpose,
    /// The client shows no admission token.
    AdmissionMissing,
    /// The client shows an admission token of no known key.
    AdmissionInvalid,
    /// The client shows an admission token that has ended.
    AdmissionExpired,
    /// The peer refused our certificate, with an alert.
    PeerRefusedCertificate,
    /// The peer ended the handshake with another alert.
    PeerAlert,
    /// The fault is ours: no certificate to show, no clock, no randomness, keys used up.
    Internal,
}

impl HandshakeFailure {
    /// Every one, for metric families that start at zero.
    pub const ALL: [Self; 22] = [
        Self::NotTls,
        Self::Malformed,
        Self::Decrypt,
        Self::ProtocolVersion,
        Self::NoCipher,
        Self::Alpn,
        Self::NoCertificate,
        Self::BadCertificate,
        Self::UnknownCa,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::RevocationUnknown,
        Self::RevocationListExpired,
        Self::WrongName,
        Self::WrongPurpose,
        Self::AdmissionMissing,
        Self::AdmissionInvalid,
        Self::AdmissionExpired,
        Self::PeerRefusedCertificate,
        Self::PeerAlert,
        Self::Internal,
    ];

    /// Stable name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::Malformed => "malformed",
            Self::Decrypt => "decrypt",
            Self::ProtocolVersion => "protocol_version",
            Self::NoCipher => "no_cipher",
            Self::Alpn => "alpn",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::UnknownCa => "unknown_ca",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::RevocationListExpired => "revocation_list_expired",
            Self::WrongName => "wrong_name",
            Self::WrongPurpose => "wrong_purpose",
            Self::AdmissionMissing => "admission_missing",
            Self::AdmissionInvalid => "admission_invalid",
            Self::AdmissionExpired => "admission_expired",
            Self::PeerRefusedCertificate => "peer_refused_certificate",
            Self::PeerAlert => "peer_alert",
            Self::Internal => "internal",
        }
    }
}

impl From<&Error> for HandshakeFailure {
    fn from(error: &Error) -> Self {
        match error {
            Error::InvalidMessage(problem) => from_message(problem),
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::InvalidEncryptedClientHello(_)
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord => Self::Malformed,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::DecryptError => Self::Decrypt,
            Error::PeerIncompatible(problem) => from_incompatible(problem),
            Error::AlertReceived(alert) => from_alert(*alert),
            Error::InvalidCertificate(problem) => from_certificate(problem),
            Error::InvalidCertRevocationList(_) => Self::RevocationUnknown,
            Error::NoApplicationProtocol => Self::Alpn,
            Error::UnsupportedNameType
            | Error::EncryptError
            | Error::General(_)
            | Error::FailedToGetCurrentTime
            | Error::FailedToGetRandomBytes
            | Error::HandshakeNotComplete
            | Error::BadMaxFragmentSize
            | Error::InconsistentKeys(_)
            | Error::Other(_) => Self::Internal,
            _ => Self::Internal,
        }
    }
}

fn from_message(problem: &InvalidMessage) -> HandshakeFailure {
    if matches!(problem, InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) {
        HandshakeFailure::NotTls
    } else {
        HandshakeFailure::Malformed
    }
}

fn from_incompatible(problem: &PeerIncompatible) -> HandshakeFailure {
    let version = matches!(
        problem,
        PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            // What every TLS 1.2 client sends and no older one does: rustls misses it before it looks at the version.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
    );
    if version { HandshakeFailure::ProtocolVersion } else { HandshakeFailure::NoCipher }
}

fn from_alert(alert: AlertDescription) -> HandshakeFailure {
    let certificate = [
        AlertDescription::NoCertificate,
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::CertificateRequired,
        AlertDescription::AccessDenied,
    ];
    if certificate.contains(&alert) {
        HandshakeFailure::PeerRefusedCertificate
    } else if alert == AlertDescription::ProtocolVersion {
        HandshakeFailure::ProtocolVersion
    } else if alert == AlertDescription::NoApplicationProtocol {
        HandshakeFailure::Alpn
    } else if alert == AlertDescription::InsufficientSecurity {
        HandshakeFailure::NoCipher
    } else {
        HandshakeFailure::PeerAlert
    }
}

#[expect(deprecated, reason = "rustls may still say it")]
fn from_certificate(problem: &CertificateError) -> HandshakeFailure {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => HandshakeFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => HandshakeFailure::NotYetValid,
        CertificateError::Revoked => HandshakeFailure::Revoked,
        CertificateError::UnknownIssuer => HandshakeFailure::UnknownCa,
        CertificateError::UnknownRevocationStatus => HandshakeFailure::RevocationUnknown,
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            HandshakeFailure::RevocationListExpired
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            HandshakeFailure::WrongName
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            HandshakeFailure::WrongPurpose
        }
        CertificateError::BadEncoding
        | CertificateError::UnhandledCriticalExtension
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        | CertificateError::InvalidOcspResponse
        | CertificateError::ApplicationVerificationFailure
        | CertificateError::UnsupportedSignatureAlgorithm
        | CertificateError::Other(_) => HandshakeFailure::BadCertificate,
        _ => HandshakeFailure::BadCertificate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_distinct_and_plain() {
        let labels: HashSet<_> = HandshakeFailure::ALL.iter().map(|failure| failure.label()).collect();
        assert_eq!(labels.len(), HandshakeFailure::ALL.len());
        assert!(labels.iter().all(|label| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
