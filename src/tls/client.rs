//! The end that dials a broker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::MinVersion;
use super::error::{Moment, TlsError, Warning};
use super::expiry::Expiry;
use super::files;
use super::provider;
use super::trust;
use crate::config::BrokerTls;

/// Brokers whose tickets are remembered.
const REMEMBERED_BROKERS: usize = 64;

/// Servers whose tickets are remembered for one identity.
const REMEMBERED_SERVERS: usize = 4;

/// TLS towards one broker, as the settings have it.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// PEM bundle of the CAs to trust; none: the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM, its intermediates behind it) and its key, if the broker wants one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the broker's certificate must hold, instead of the host that is dialled.
    pub server_name: Option<String>,
    /// Application protocols (ALPN) to offer.
    pub alpn: Vec<String>,
    /// The oldest version spoken.
    pub min_version: MinVersion,
}

/// What connections to a broker run on.
#[derive(Clone, Debug)]
pub struct Client {
    /// For [`Session::client`](super::session::Session::client).
    pub config: Arc<ClientConfig>,
    /// For the log.
    pub warnings: Vec<Warning>,
    /// Ends of certificates, for metrics.
    pub expiries: Vec<Expiry>,
    server_name: Option<ServerName<'static>>,
}

impl Client {
    /// The name to expect of the broker at `host` (a DNS name or an IP address, with or without brackets, no port).
    ///
    /// # Errors
    /// `host` is neither.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => server_name(host),
        }
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::ServerName(host.to_owned()))
}

impl From<&BrokerTls> for ClientSettings {
    fn from(tls: &BrokerTls) -> Self {
        Self {
            ca: tls.ca.clone(),
            identity: tls.identity.as_ref().map(|pair| (pair.certificate.clone(), pair.key.clone())),
            server_name: tls.server_name.clone(),
            alpn: tls.alpn.clone(),
            min_version: tls.min_version.into(),
        }
    }
}

impl ClientSettings {
    /// Read the files and build.
    ///
    /// # Errors
    /// Every problem found, at least one.
    pub fn build(&self, now: SystemTime) -> Result<Client, Vec<TlsError>> {
        let now = Moment::of(now);
        let provider = provider();
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let mut expiries = Vec::new();
        let roots = self.roots(now, &mut warnings, &mut expiries).unwrap_or_else(|error| {
            errors.push(error);
            Arc::new(RootCertStore::empty())
        });
        let identity = self.identity.as_ref().and_then(|(certificate, key)| {
            let own =
                files::own(&provider, certificate, key, now, &mut warnings).map_err(|error| errors.push(error)).ok()?;
            expiries.push(own.expiry);
            Some(own.key)
        });
        let name = self.server_name.as_deref().map(server_name).transpose().unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        if !errors.is_empty() {
            return Err(errors);
        }
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min_version.versions())
            .map_err(|error| vec![error.into()])?
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(key) => builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        // INVARIANT: no early data: it can be replayed.
        config.enable_early_data = false;
        config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(REMEMBERED_BROKERS)));
        Ok(Client { config: Arc::new(config), warnings, expiries, server_name: name })
    }

    fn roots(
        &self,
        now: Moment,
        warnings: &mut Vec<Warning>,
        expiries: &mut Vec<Expiry>,
    ) -> Result<Arc<RootCertStore>, TlsError> {
        if let Some(file) = &self.ca {
            let trust = trust::bundle(file, now, warnings)?;
            expiries.extend(trust.expiries());
            return Ok(trust.roots);
        }
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if added == 0 { Err(TlsError::NoSystemRoots) } else { Ok(Arc::new(roots)) }
    }
}

/// As `own`, but with this certificate for our own, and when that ends. Blocks.
///
/// # Errors
/// The files can't be used.
pub fn showing(
    own: &ClientConfig,
    certificate: &Path,
    key: &Path,
    now: Moment,
) -> Result<(ClientConfig, Moment), TlsError> {
    let shown = files::own(own.crypto_provider(), certificate, key, now, &mut Vec::new())?;
    let mut config = own.clone();
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown.key));
    // INVARIANT: no two identities share sessions: one that is resumed stands for the certificate that it began with.
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(REMEMBERED_SERVERS)));
    Ok((config, shown.expiry.at))
}
