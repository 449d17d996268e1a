//! A CA and what it signs.

use std::net::IpAddr;
use std::time::Duration;

use data_encoding::HEXLOWER;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls::pki_types::DnsName;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::Failure;
use super::folder::Issued;
use crate::tls::expiry;

/// A certificate begins this long before it is made: clocks of devices are slow.
const BACKDATED: Duration = Duration::from_secs(3600);

/// A CA with its key.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// PEM of its certificate.
    pub(super) certificate: String,
    /// PEM of its key.
    pub(super) key: Zeroizing<String>,
    pub(super) not_after: OffsetDateTime,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Server,
    Client,
}

impl Use {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// What is to be in a certificate.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) usage: Use,
    pub(super) organization: Option<String>,
    pub(super) organizational_unit: Option<String>,
    alternatives: Vec<SanType>,
}

/// A certificate with its key.
pub(super) struct Signed {
    pub(super) certificate: String,
    pub(super) key: Zeroizing<String>,
    /// In lower hex.
    pub(super) serial: String,
    pub(super) not_after: OffsetDateTime,
}

/// Whether a DNS name, with or without `*` as its first label.
pub(super) fn is_dns_name(text: &str) -> bool {
    DnsName::try_from(text.strip_prefix("*.").unwrap_or(text)).is_ok()
}

impl Subject {
    pub(super) fn new(name: &str, usage: Use) -> Self {
        let (organization, organizational_unit, alternatives) = (None, None, Vec::new());
        Self { name: name.to_owned(), usage, organization, organizational_unit, alternatives }
    }

    pub(super) fn dns(&mut self, name: &str) -> Result<(), Failure> {
        if !is_dns_name(name) {
            return Err(Failure::Name(name.to_owned()));
        }
        self.alternatives.push(SanType::DnsName(name.try_into()?));
        Ok(())
    }

    pub(super) fn uri(&mut self, uri: &str) -> Result<(), Failure> {
        let has_scheme = uri.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        self.text(uri, has_scheme).map(|text| self.alternatives.push(SanType::URI(text)))
    }

    pub(super) fn email(&mut self, address: &str) -> Result<(), Failure> {
        let has_parts = address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        self.text(address, has_parts).map(|text| self.alternatives.push(SanType::Rfc822Name(text)))
    }

    pub(super) fn ip(&mut self, address: IpAddr) {
        let address = SanType::IpAddress(address);
        if !self.alternatives.contains(&address) {
            self.alternatives.push(address);
        }
    }

    fn text(&self, text: &str, fits: bool) -> Result<rcgen::string::Ia5String, Failure> {
        let bad = || Failure::Name(text.to_owned());
        if !fits || text.contains(|c: char| c.is_control() || c == ' ') {
            return Err(bad());
        }
        text.try_into().map_err(|_| bad())
    }

    fn parameters(&self) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        let names = [
            (DnType::OrganizationName, self.organization.as_ref()),
            (DnType::OrganizationalUnitName, self.organizational_unit.as_ref()),
            (DnType::CommonName, Some(&self.name)),
        ];
        for (attribute, text) in names.into_iter().filter_map(|(attribute, text)| Some((attribute, text?))) {
            parameters.distinguished_name.push(attribute, text.as_str());
        }
        parameters.subject_alt_names.clone_from(&self.alternatives);
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // A certificate that names no purpose is good for both: a server's would let its holder in as a client.
        parameters.extended_key_usages = vec![match self.usage {
            Use::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Use::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        parameters
    }
}

impl Authority {
    pub(super) fn new(name: &str, now: OffsetDateTime, valid: Duration) -> Result<Self, Failure> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.serial_number = Some(SerialNumber::from_slice(&serial()?));
        (parameters.not_before, parameters.not_after) = (now - BACKDATED, now + valid);
        let certificate = parameters.self_signed(&key)?.pem();
        let not_after = parameters.not_after;
        let pem = Zeroizing::new(key.serialize_pem());
        Ok(Self { issuer: Issuer::new(parameters, key), certificate, key: pem, not_after })
    }

    /// The CA of these two files.
    pub(super) fn read(certificate: String, key: Zeroizing<String>) -> Result<Self, Failure> {
        let issuer = Issuer::from_ca_cert_pem(&certificate, KeyPair::from_pem(&key)?)?;
        let end =
            expiry::end_of(certificate.as_bytes()).and_then(|end| OffsetDateTime::from_unix_timestamp(end.0).ok());
        let not_after = end.ok_or(rcgen::Error::CouldNotParseCertificate)?;
        Ok(Self { issuer, certificate, key, not_after })
    }

    /// A new key and a certificate for it.
    pub(super) fn issue(&self, subject: &Subject, now: OffsetDateTime, valid: Duration) -> Result<Signed, Failure> {
        if now >= self.not_after {
            return Err(Failure::AuthorityExpired);
        }
        let key = KeyPair::generate()?;
        let serial = serial()?;
        let mut parameters = subject.parameters();
        parameters.serial_number = Some(SerialNumber::from_slice(&serial));
        let not_after = (now + valid).min(self.not_after);
        (parameters.not_before, parameters.not_after) = (now - BACKDATED, not_after);
        let certificate = parameters.signed_by(&key, &self.issuer)?.pem();
        let key = Zeroizing::new(key.serialize_pem());
        Ok(Signed { certificate, key, serial: HEXLOWER.encode(&serial), not_after })
    }

    /// PEM of the revocation list, and its next update.
    pub(super) fn list(
        &self,
        revoked: impl Iterator<Item = Issued>,
        now: OffsetDateTime,
        valid: Duration,
    ) -> Result<(String, OffsetDateTime), Failure> {
        let entry = |issued: Issued| {
            Some(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&HEXLOWER.decode(issued.serial.as_bytes()).ok()?),
                revocation_time: issued.revoked?,
                reason_code: None,
                invalidity_date: None,
            })
        };
        let next_update = now + valid;
        let parameters = CertificateRevocationListParams {
            this_update: now,
            next_update,
            // Must grow from list to list, and does with the clock.
            crl_number: u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default().into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.filter_map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok((parameters.signed_by(&self.issuer)?.pem()?, next_update))
    }
}

/// 126 random bits, always in 16 bytes.
fn serial() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::Random)?;
    let [first, ..] = &mut bytes;
    *first = *first & 0x3f | 0x40;
    Ok(bytes)
}
