//! rustls configurations of the load generator and of the plain relay.
//!
//! The clients offer one cipher suite and one key exchange, so that every subject does the same cryptography.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::Result;
use crate::pki::Pki;

fn chain(pki: &Pki, name: &str) -> Result<Vec<CertificateDer<'static>>> {
    Ok(vec![CertificateDer::from_pem_file(pki.file(name))?])
}

fn roots(pki: &Pki) -> Result<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki.file("ca.pem"))?)?;
    Ok(Arc::new(roots))
}

pub(crate) fn client(pki: &Pki, certificate: bool, resume: bool) -> Result<Arc<ClientConfig>> {
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(pki)?);
    let mut config = if certificate {
        builder
            .with_client_auth_cert(chain(pki, "client.pem")?, PrivateKeyDer::from_pem_file(pki.file("client.key"))?)?
    } else {
        builder.with_no_client_auth()
    };
    config.resumption = if resume { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
    Ok(Arc::new(config))
}

pub(crate) fn server(pki: &Pki, certificate_required: bool) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = if certificate_required {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots(pki)?, provider).build()?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(pki.file("server.key"))?;
    Ok(Arc::new(builder.with_single_cert(chain(pki, "server.pem")?, key)?))
}
