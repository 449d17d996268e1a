//! What a broker is shown of a client: user name and password, a certificate of the client's own, where it comes from.
//!
//! What is not kept of a client refuses it, and is never made up from what is another's. Not here: sockets (`upstream`)
//! and whether the client may be connected at all (`enforce`). Read [`Far`] first.

mod certificates;
mod credentials;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::transport::Transport;
use crate::config::{self, BrokerCredentials, BrokerProxyProtocol, ProxyVersion};
use crate::credentials::is_name;
use crate::identity::Identity;
use crate::mqtt::Version;
use crate::proxy::{self, Addresses, TlsFacts};
use crate::tls::session::Session;
use certificates::Certificates;
pub(super) use credentials::Shown;

/// What one broker is shown of the clients that are brought to it.
pub(super) struct Far {
    credentials: BrokerCredentials,
    certificates: Option<Arc<Certificates>>,
    proxy_protocol: Option<BrokerProxyProtocol>,
    /// Keeps clients whose tokens were made at once from coming back at once.
    spread: RandomState,
}

/// Nothing is kept of the client that could be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    /// The setting that says so.
    pub(super) rule: &'static str,
}

/// What stands in front of a client's connection to a broker, and carries it.
#[derive(Default)]
pub(super) struct Call {
    /// TLS that shows the client's own certificate; none is the broker's usual one.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// A PROXY protocol header; may be empty.
    pub(super) header: Vec<u8>,
}

impl Far {
    /// Whether clients show the broker their own user name and password.
    pub(super) const fn passes_credentials(&self) -> bool {
        matches!(self.credentials, BrokerCredentials::Pass)
    }

    /// `own` is TLS with the gateway's own certificate.
    pub(super) fn new(broker: &config::Broker, own: Option<&Arc<ClientConfig>>) -> Self {
        let identities = broker.tls.as_ref().and_then(|tls| tls.identities.as_ref());
        let certificates = identities.zip(own).map(|(identities, own)| Certificates::new(identities, own));
        Self {
            credentials: broker.credentials.clone(),
            certificates: certificates.map(Arc::new),
            proxy_protocol: broker.proxy_protocol,
            spread: RandomState::new(),
        }
    }

    /// User name and password for `identity`, at a time in seconds since 1970.
    ///
    /// # Errors
    /// There are none for it.
    pub(super) fn credentials<'f>(
        &'f self,
        identity: &Identity,
        version: Version,
        unix: i64,
    ) -> Result<Shown<'f>, Withheld> {
        let spread = self.spread.hash_one((&identity.name, &identity.client_id, unix));
        credentials::shown(&self.credentials, identity, version, unix, spread)
    }

    /// How the broker is called for `identity`. `dialled` is what a load balancer says that the client dialled.
    ///
    /// # Errors
    /// There is no certificate for it that can be used, or its name is none for a header, or has no room there.
    pub(super) async fn call(
        &self,
        identity: &Identity,
        client: &Transport,
        dialled: Option<SocketAddr>,
        within: Duration,
    ) -> Result<Call, Withheld> {
        let header = match self.proxy_protocol {
            None => Vec::new(),
            Some(settings) => {
                let destination = dialled.or_else(|| client.local_address().ok()).ok_or(NOT_TOLD)?;
                header(settings, identity, destination, client.tls())?
            }
        };
        let tls = match &self.certificates {
            None => None,
            Some(certificates) => Some(certificates.of(identity.name.as_deref(), within).await?),
        };
        Ok(Call { tls, header })
    }
}

impl Far {
    /// How the broker is called for the gateway itself: nothing of a client is shown.
    pub(super) fn own_call(&self) -> Call {
        let mut header = Vec::new();
        match self.proxy_protocol.map(|settings| settings.version) {
            None => {}
            Some(ProxyVersion::V1) => proxy::write_v1_unknown(&mut header),
            Some(ProxyVersion::V2) => proxy::write_local(&mut header),
        }
        Call { tls: None, header }
    }
}

const NOT_TOLD: Withheld = Withheld { rule: "broker.proxy_protocol" };

fn header(
    settings: BrokerProxyProtocol,
    identity: &Identity,
    destination: SocketAddr,
    session: Option<&Session>,
) -> Result<Vec<u8>, Withheld> {
    let mut header = Vec::new();
    let ends = Addresses { source: identity.source, destination };
    match settings.version {
        ProxyVersion::V1 => proxy::write_v1(&ends, &mut header),
        ProxyVersion::V2 => {
            let facts = session.filter(|_| settings.tls).map(|session| facts(identity, session)).transpose()?;
            proxy::write(&ends, facts.as_ref(), &mut header).map_err(|proxy::TooLong| NOT_TOLD)?;
        }
    }
    Ok(header)
}

/// The Common Name, unless brokers would read another in it: some end a text at a NUL.
fn common_name(identity: &Identity) -> Result<Option<&str>, Withheld> {
    match identity.common_name() {
        Some(name) if !is_name(name) => Err(NOT_TOLD),
        name => Ok(name),
    }
}

fn facts<'f>(identity: &'f Identity, session: &'f Session) -> Result<TlsFacts<'f>, Withheld> {
    Ok(TlsFacts {
        version: session.protocol_version().unwrap_or_default(),
        cipher: session.cipher_suite(),
        certificate: identity.certificate.is_some(),
        common_name: common_name(identity)?,
        server_name: session.server_name(),
        alpn: session.alpn_protocol(),
    })
}
