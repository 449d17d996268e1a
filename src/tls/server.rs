//! The end that clients dial: certificates by name, whose clients to trust, revocation lists, resumption.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use super::MinVersion;
use super::error::{Moment, TlsError, Warning};
pub use super::expiry::{Expiry, ExpiryKind};
use super::files;
use super::provider;
use super::trust::{self, Trust};
use super::verify::Guard;
use crate::config::{ClientAuth, KeyPair, OnStale, Revocation, ServerTls};
use crate::credentials::admission::{Denial, Door, Pass};

/// TLS of one listener, as the settings have it.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// Certificates to show; the first also to whoever asks for no name, or for one that none covers.
    pub certificates: Vec<CertificateSettings>,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
    /// PEM bundle of the CAs that may issue them.
    pub client_ca: Option<PathBuf>,
    /// Revocation lists, PEM or DER. With one given, every certificate of a client's chain must be covered by one.
    pub crl: Vec<PathBuf>,
    /// What becomes of those lists when they are old.
    pub revocation: Revocation,
    /// Application protocols (ALPN), most wanted first. A client that offers none is accepted; one that offers only others is
    /// not.
    pub alpn: Vec<String>,
    /// The oldest version spoken.
    pub min_version: MinVersion,
    /// Admission tokens that are looked for in the ClientHello; none looks for none.
    pub admission: Option<Arc<Door>>,
    /// Hand out tickets, by which a client comes back without a full handshake.
    pub resumption: bool,
}

/// One certificate of ours with its key.
#[derive(Clone, Debug, Default)]
pub struct CertificateSettings {
    /// PEM: the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// Names (SNI) for which it is shown, exact or with `*` as first label. None given: the DNS names in the certificate.
    pub server_names: Vec<String>,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Without one the handshake fails.
    #[default]
    Required,
    /// One that is shown is verified; none is accepted too.
    Optional,
    /// None is asked for.
    None,
}

/// What a listener runs on. A reload builds another one: tickets of the old one are worth nothing there, so whoever was
/// revoked in between must do a full handshake, and fails.
#[derive(Clone, Debug)]
pub struct Server {
    /// For [`Session::server`](super::session::Session::server).
    pub config: Arc<ServerConfig>,
    /// Looks at the client's certificate after every handshake.
    pub guard: Arc<Guard>,
    /// For the log.
    pub warnings: Vec<Warning>,
    /// Ends of certificates and lists, for metrics.
    pub expiries: Vec<Expiry>,
}

impl From<&ServerTls> for ServerSettings {
    fn from(tls: &ServerTls) -> Self {
        let (clients, client_ca) = match &tls.clients {
            ClientAuth::None => (ClientCertificates::None, None),
            ClientAuth::Optional { ca } => (ClientCertificates::Optional, Some(ca.clone())),
            ClientAuth::Required { ca } => (ClientCertificates::Required, Some(ca.clone())),
        };
        let certificates = tls.certificates.iter().cloned();
        Self {
            certificates: certificates
                .map(|KeyPair { certificate, key, server_names }| CertificateSettings {
                    certificate,
                    key,
                    server_names,
                })
                .collect(),
            clients,
            client_ca,
            crl: tls.crl.clone(),
            revocation: tls.revocation,
            alpn: tls.alpn.clone(),
            min_version: tls.min_version.into(),
            admission: None,
            resumption: tls.resumption,
        }
    }
}

impl ServerSettings {
    /// Read the files and build.
    ///
    /// # Errors
    /// Every problem found, at least one.
    pub fn build(&self, now: SystemTime) -> Result<Server, Vec<TlsError>> {
        let now = Moment::of(now);
        let provider = provider();
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let mut expiries = Vec::new();
        let resolver = self.resolver(&provider, now, &mut errors, &mut warnings, &mut expiries);
        let trust = self.trust(&provider, now, &mut errors, &mut warnings, &mut expiries);
        if !errors.is_empty() {
            return Err(errors);
        }
        let verifier = self.verifier(&provider, &trust).map_err(|error| vec![error])?;
        let config = self.config(provider, resolver, verifier.clone()).map_err(|error| vec![error])?;
        let guard = Arc::new(Guard::new(&trust, self.clients == ClientCertificates::Required, verifier));
        Ok(Server { config: Arc::new(config), guard, warnings, expiries })
    }

    fn resolver(
        &self,
        provider: &Arc<CryptoProvider>,
        now: Moment,
        errors: &mut Vec<TlsError>,
        warnings: &mut Vec<Warning>,
        expiries: &mut Vec<Expiry>,
    ) -> Resolver {
        let mut resolver = Resolver { admission: self.admission.clone(), ..Resolver::default() };
        for settings in &self.certificates {
            match files::own(provider, &settings.certificate, &settings.key, now, warnings) {
                Ok(own) => {
                    resolver.add(settings, &own, warnings);
                    expiries.push(own.expiry);
                }
                Err(error) => errors.push(error),
            }
        }
        if self.certificates.is_empty() {
            errors.push(TlsError::NoCertificate);
        }
        resolver
    }

    fn trust(
        &self,
        provider: &Arc<CryptoProvider>,
        now: Moment,
        errors: &mut Vec<TlsError>,
        warnings: &mut Vec<Warning>,
        expiries: &mut Vec<Expiry>,
    ) -> Trust {
        let bundle = match (self.clients, &self.client_ca) {
            (ClientCertificates::None, _) => {
                if !self.crl.is_empty() {
                    errors.push(TlsError::UnusedRevocationList);
                }
                return Trust::default();
            }
            (ClientCertificates::Required | ClientCertificates::Optional, Some(bundle)) => bundle,
            (ClientCertificates::Required | ClientCertificates::Optional, None) => {
                errors.push(TlsError::NoClientCa);
                return Trust::default();
            }
        };
        let mut trust = match trust::bundle(bundle, now, warnings) {
            Ok(trust) => trust,
            Err(error) => {
                errors.push(error);
                return Trust::default();
            }
        };
        trust.revocation = self.revocation;
        trust.add_revocation_lists(provider, &self.crl, now, errors, warnings);
        expiries.extend(trust.expiries());
        trust
    }

    fn config(
        &self,
        provider: Arc<CryptoProvider>,
        resolver: Resolver,
        verifier: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min_version.versions())?
            .with_client_cert_verifier(verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = self.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        // INVARIANT: no early data: it can be replayed.
        config.max_early_data_size = 0;
        // What resumption needs is in the ticket, not in memory here, and not in a cache that a revoked client could use.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if self.resumption {
            config.ticketer = aws_lc_rs::Ticketer::new()?;
            config.send_tls13_tickets = 1;
        } else {
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }

    /// None where no certificate is asked for.
    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        trust: &Trust,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        if self.clients == ClientCertificates::None {
            return Ok(None);
        }
        let roots: Arc<RootCertStore> = Arc::clone(&trust.roots);
        // INVARIANT: unknown status is refused, through the whole chain (both rustls' default); an expired list too, unless
        // the settings say otherwise.
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider)).with_crls(trust.lists().cloned());
        if self.revocation.on_stale == OnStale::Deny {
            builder = builder.enforce_revocation_expiration();
        }
        if self.clients == ClientCertificates::Optional {
            builder = builder.allow_unauthenticated();
        }
        Ok(Some(builder.build().map_err(|_| TlsError::NoClientCa)?))
    }
}

/// What a ClientHello showed.
pub(super) struct Offered {
    /// The name that it asked for, without an admission token, in lower case.
    pub(super) name: Option<Box<str>>,
    /// Whether it may go on, and by what.
    pub(super) admission: Result<Option<Pass>, Denial>,
}

thread_local! {
    static OFFERED: RefCell<Option<Offered>> = const { RefCell::new(None) };
}

/// What the ClientHello processed last on this thread showed. rustls' unbuffered API has no other way to it than the
/// resolver, which it calls from within [`Session::process`](super::session::Session::process).
pub(super) fn take_offered() -> Option<Offered> {
    OFFERED.take()
}

/// Certificates by the name that a client asks for.
#[derive(Debug, Default)]
struct Resolver {
    by_name: Vec<(Box<str>, Arc<CertifiedKey>)>,
    first: Option<Arc<CertifiedKey>>,
    admission: Option<Arc<Door>>,
}

impl Resolver {
    fn add(&mut self, settings: &CertificateSettings, own: &files::Own, warnings: &mut Vec<Warning>) {
        for name in &settings.server_names {
            let name = name.to_ascii_lowercase();
            if !own.names.iter().any(|held| covers(held, &name)) {
                let file = settings.certificate.clone();
                warnings.push(Warning::NameNotCovered { file, name: name.clone().into_boxed_str() });
            }
            self.by_name.push((name.into_boxed_str(), Arc::clone(&own.key)));
        }
        if settings.server_names.is_empty() {
            self.by_name.extend(own.names.iter().map(|name| (name.clone(), Arc::clone(&own.key))));
        }
        self.first.get_or_insert_with(|| Arc::clone(&own.key));
    }

    /// By exact name, else by `*` for the first label, else the first certificate. Of two equals the earlier one.
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let found = name.and_then(|name| {
            let exact = self.by_name.iter().find(|(known, _)| **known == *name);
            exact.or_else(|| self.by_name.iter().find(|(known, _)| covers(known, name)))
        });
        found.map(|(_, key)| key).or(self.first.as_ref()).map(Arc::clone)
    }
}

/// `known` is `name`, or stands for it with `*` as its first label. Both in lower case.
fn covers(known: &str, name: &str) -> bool {
    let wildcard = || {
        let (label, parent) = name.split_once('.')?;
        Some(!label.is_empty() && known.strip_prefix("*.")? == parent)
    };
    known == name || wildcard().unwrap_or(false)
}

impl ResolvesServerCert for Resolver {
    /// rustls asks before it computes anything, resumed session or not; without an answer it ends the handshake.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let (name, admission) = match &self.admission {
            None => (name.as_deref(), Ok(None)),
            Some(door) => {
                let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
                door.hello(name.as_deref(), hello.alpn().into_iter().flatten(), now)
            }
        };
        let chosen = if admission.is_ok() { self.choose(name) } else { None };
        OFFERED.set(Some(Offered { name: name.map(Into::into), admission }));
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        for (known, name, expected) in [
            ("plant.example", "plant.example", true),
            ("*.example", "plant.example", true),
            ("*.example", "a.plant.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*", "example", false),
            ("plant.example", "plant.example.org", false),
        ] {
            assert_eq!(covers(known, name), expected, "{known} {name}");
        }
    }
}
