//! One PKI for all worlds with TLS: certificates by the name in them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use crate::support::pki::{Pki, Subject};

static PAPERS: LazyLock<Papers> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::create(folder.path()).expect("a PKI");
    Papers { pki: Mutex::new(pki), issued: Mutex::default(), _folder: folder }
});

struct Papers {
    pki: Mutex<Pki>,
    issued: Mutex<HashMap<String, Arc<ClientConfig>>>,
    _folder: TempDir,
}

/// A file of the PKI.
pub(crate) fn path(file: &str) -> PathBuf {
    PAPERS.pki.lock().unwrap_or_else(PoisonError::into_inner).path(file)
}

/// How a client speaks TLS whose certificate has this Common Name.
pub(crate) fn of(name: &str) -> Arc<ClientConfig> {
    let mut issued = PAPERS.issued.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = issued.get(name) {
        return Arc::clone(config);
    }
    let pki = PAPERS.pki.lock().unwrap_or_else(PoisonError::into_inner);
    let subject = Subject { common_names: &[name], ..Subject::default() };
    let pair = pki.issue(&format!("visitor-{}", issued.len()), &subject).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki.path("ca.pem")).expect("the CA")).expect("a CA");
    let chain = CertificateDer::pem_file_iter(&pair.certificate).expect("a chain").collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = Arc::new(builder.with_client_auth_cert(chain.expect("certificates"), key).expect("a pair"));
    issued.insert(name.to_owned(), Arc::clone(&config));
    config
}
