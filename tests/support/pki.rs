//! A throw-away PKI for tests and the demo: CAs, certificates of every kind, good and bad, and revocation lists, as PEM files
//! in one folder. Keys are ECDSA P-256 unless asked otherwise.
//!
//! [`Pki::create`] makes the CA and the files that nearly everybody needs; the other calls add to the folder.
#![allow(dead_code, reason = "included by several tests and by an example, none of which uses all of it")]

use std::error::Error;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RevokedCertParams,
    SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

/// Whatever goes wrong here ends the test.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A certificate file (intermediates behind the certificate) and its key file.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// PEM of the certificate, then of its intermediates.
    pub(crate) certificate: PathBuf,
    /// PEM of the private key.
    pub(crate) key: PathBuf,
    /// Its serial number, for revocation.
    pub(crate) serial: u64,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Shown by a client.
    #[default]
    Client,
    /// Shown by a server.
    Server,
}

/// What is to be in a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Subject<'s> {
    /// Common Names, in order; two or more are legal and a trap.
    pub(crate) common_names: &'s [&'s str],
    /// Organizational Unit.
    pub(crate) organizational_unit: Option<&'s str>,
    /// Subject Alternative Names: an IP address, a URI (holds `://`), an e-mail address (holds `@`), else a DNS name.
    pub(crate) alternatives: &'s [&'s str],
    /// What it is for.
    pub(crate) usage: Usage,
    /// Validity in days from now: from, to.
    pub(crate) days: (i64, i64),
    /// RSA-2048 instead of P-256.
    pub(crate) rsa: bool,
}

impl Default for Subject<'_> {
    fn default() -> Self {
        Self {
            common_names: &["client"],
            organizational_unit: None,
            alternatives: &[],
            usage: Usage::Client,
            days: (-1, 365),
            rsa: false,
        }
    }
}

/// A CA with the folder that its files are in.
pub(crate) struct Pki {
    folder: PathBuf,
    ca: Authority,
    next_serial: AtomicU64,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

impl Pki {
    /// A CA in `folder` (made if missing), with `ca.pem`, `server.pem`/`.key` (localhost, 127.0.0.1, ::1) and
    /// `client.pem`/`.key` (CN `client`, OU `sensors`).
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let ca = authority("Tidegate test CA", (-1, 3650), None)?;
        let pki = Self { folder: folder.to_owned(), ca, next_serial: AtomicU64::new(0x1000) };
        pki.write("ca.pem", &pki.ca.pem())?;
        pki.server("server", &["localhost", "127.0.0.1", "::1"])?;
        pki.issue("client", &Subject { organizational_unit: Some("sensors"), ..Subject::default() })?;
        Ok(pki)
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The pair `NAME.pem`, `NAME.key`, made before; its serial number is not known here.
    pub(crate) fn pair(&self, name: &str) -> Pair {
        Pair { certificate: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")), serial: 0 }
    }

    /// A client certificate with Common Name `name`, in `NAME.pem` and `NAME.key`.
    pub(crate) fn client(&self, name: &str) -> Result<Pair> {
        self.issue(name, &Subject { common_names: &[name], ..Subject::default() })
    }

    /// The same, valid for so many more seconds.
    pub(crate) fn client_for(&self, name: &str, seconds: i64) -> Result<Pair> {
        let key = KeyPair::generate()?;
        let serial = self.serial();
        let mut parameters = leaf(&Subject { common_names: &[name], ..Subject::default() }, serial)?;
        parameters.not_after = OffsetDateTime::now_utc() + Duration::seconds(seconds);
        let certificate = self.write(&format!("{name}.pem"), &parameters.signed_by(&key, &self.ca)?.pem())?;
        let key = self.write(&format!("{name}.key"), &key.serialize_pem())?;
        protect(&key)?;
        Ok(Pair { certificate, key, serial })
    }

    /// A server certificate for `names`, in `FILE.pem` and `FILE.key`.
    pub(crate) fn server(&self, file: &str, names: &[&str]) -> Result<Pair> {
        let common_names = names.get(..1).unwrap_or_default();
        self.issue(file, &Subject { common_names, alternatives: names, usage: Usage::Server, ..Subject::default() })
    }

    /// Any certificate of this CA, in `FILE.pem` and `FILE.key`.
    pub(crate) fn issue(&self, file: &str, subject: &Subject<'_>) -> Result<Pair> {
        self.sign(file, subject, Some(&self.ca), "")
    }

    /// One that is its own issuer.
    pub(crate) fn self_signed(&self, file: &str, subject: &Subject<'_>) -> Result<Pair> {
        self.sign(file, subject, None, "")
    }

    /// One from an intermediate CA of this CA, which goes into the file behind it. The intermediate's own certificate is also in
    /// `FILE-ca.pem`, and an empty revocation list of it in `FILE-ca.crl`.
    pub(crate) fn by_intermediate(&self, file: &str, subject: &Subject<'_>) -> Result<Pair> {
        let serial = self.serial();
        let middle = authority(&format!("Tidegate test intermediate {file}"), (-1, 1825), Some((&self.ca, serial)))?;
        self.write(&format!("{file}-ca.pem"), &middle.pem())?;
        self.write(&format!("{file}-ca.crl"), &list(&middle, &[], (in_days(-1), in_days(30)))?)?;
        let pair = self.sign(file, subject, Some(&middle), &middle.pem())?;
        Ok(Pair { serial: pair.serial, ..pair })
    }

    /// A CA of the same kind that nobody trusts, in a folder below this one.
    pub(crate) fn stranger(&self, folder: &str) -> Result<Self> {
        let folder = self.folder.join(folder);
        fs::create_dir_all(&folder)?;
        let ca = authority("Somebody else's CA", (-1, 3650), None)?;
        let pki = Self { folder, ca, next_serial: AtomicU64::new(0x1000) };
        pki.write("ca.pem", &pki.ca.pem())?;
        Ok(pki)
    }

    /// A CA of the same name, but with another key: what it signs bears the right name and the wrong signature.
    pub(crate) fn impostor(&self, folder: &str) -> Result<Self> {
        let folder = self.folder.join(folder);
        fs::create_dir_all(&folder)?;
        let ca = authority("Tidegate test CA", (-1, 3650), None)?;
        let pki = Self { folder, ca, next_serial: AtomicU64::new(0x1000) };
        pki.write("ca.pem", &pki.ca.pem())?;
        Ok(pki)
    }

    /// The revocation list `file` (PEM), with `revoked` on it, in force for `days` more days; expired when negative.
    pub(crate) fn revocation_list(&self, file: &str, revoked: &[u64], days: i64) -> Result<PathBuf> {
        self.write(file, &list(&self.ca, revoked, (in_days(days.min(0) - 1), in_days(days)))?)
    }

    /// The same, in force until so many seconds from now.
    pub(crate) fn revocation_list_for(&self, file: &str, revoked: &[u64], seconds: i64) -> Result<PathBuf> {
        let next_update = OffsetDateTime::now_utc() + Duration::seconds(seconds);
        self.write(file, &list(&self.ca, revoked, (in_days(-1), next_update))?)
    }

    /// A CA certificate that has expired, in `file`.
    pub(crate) fn expired_ca(&self, file: &str) -> Result<PathBuf> {
        self.write(file, &authority("Tidegate expired CA", (-20, -10), None)?.pem())
    }

    fn sign(&self, file: &str, subject: &Subject<'_>, issuer: Option<&Authority>, behind: &str) -> Result<Pair> {
        let key = if subject.rsa { KeyPair::generate_for(&PKCS_RSA_SHA256)? } else { KeyPair::generate()? };
        let serial = self.serial();
        let parameters = leaf(subject, serial)?;
        let certificate = match issuer {
            Some(issuer) => parameters.signed_by(&key, issuer)?,
            None => parameters.self_signed(&key)?,
        };
        let certificate = self.write(&format!("{file}.pem"), &format!("{}{behind}", certificate.pem()))?;
        let key = self.write(&format!("{file}.key"), &key.serialize_pem())?;
        protect(&key)?;
        Ok(Pair { certificate, key, serial })
    }

    fn serial(&self) -> u64 {
        self.next_serial.fetch_add(1, Ordering::Relaxed)
    }

    fn write(&self, file: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(file);
        fs::write(&path, text)?;
        Ok(path)
    }
}

#[cfg(unix)]
fn protect(key: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(key, fs::Permissions::from_mode(0o600))?)
}

#[cfg(not(unix))]
fn protect(_: &Path) -> Result<()> {
    Ok(())
}

fn in_days(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(days)
}

fn authority(name: &str, days: (i64, i64), issuer: Option<(&Authority, u64)>) -> Result<Authority> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "Tidegate");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (parameters.not_before, parameters.not_after) = (in_days(days.0), in_days(days.1));
    let key = KeyPair::generate()?;
    Ok(match issuer {
        Some((issuer, serial)) => {
            parameters.serial_number = Some(SerialNumber::from(serial));
            parameters.use_authority_key_identifier_extension = true;
            CertifiedIssuer::signed_by(parameters, key, issuer)?
        }
        None => CertifiedIssuer::self_signed(parameters, key)?,
    })
}

fn leaf(subject: &Subject<'_>, serial: u64) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "Plant");
    if let Some(unit) = subject.organizational_unit {
        parameters.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    }
    for (index, name) in subject.common_names.iter().enumerate() {
        // Under its number the same attribute can be there once more.
        let attribute = if index == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
        parameters.distinguished_name.push(attribute, *name);
    }
    for name in subject.alternatives {
        parameters.subject_alt_names.push(alternative(name)?);
    }
    parameters.serial_number = Some(SerialNumber::from(serial));
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![match subject.usage {
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    (parameters.not_before, parameters.not_after) = (in_days(subject.days.0), in_days(subject.days.1));
    Ok(parameters)
}

fn alternative(name: &str) -> Result<SanType> {
    Ok(if let Ok(address) = name.parse::<IpAddr>() {
        SanType::IpAddress(address)
    } else if name.contains("://") {
        SanType::URI(name.try_into()?)
    } else if name.contains('@') {
        SanType::Rfc822Name(name.try_into()?)
    } else {
        SanType::DnsName(name.try_into()?)
    })
}

fn list(issuer: &Issuer<'_, KeyPair>, revoked: &[u64], updates: (OffsetDateTime, OffsetDateTime)) -> Result<String> {
    let revoked_certs = revoked
        .iter()
        .map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: in_days(-1),
            reason_code: None,
            invalidity_date: None,
        })
        .collect();
    let parameters = CertificateRevocationListParams {
        this_update: updates.0,
        next_update: updates.1,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(parameters.signed_by(issuer)?.pem()?)
}
