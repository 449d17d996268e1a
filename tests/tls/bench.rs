//! Both ends of a connection on one table.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConnection};
use tempfile::TempDir;
use tidegate::tls::client::ClientSettings;
use tidegate::tls::server::{CertificateSettings, ClientCertificates, Server, ServerSettings};
use tidegate::tls::session::{Session, SessionError, WireBuffer};

use crate::pki::{Pair, Pki};

pub(crate) struct Bench {
    pub(crate) pki: Pki,
    _folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { pki: Pki::create(folder.path()).unwrap(), _folder: folder }
    }

    /// A listener that wants client certificates of the CA, with tickets.
    pub(crate) fn settings(&self) -> ServerSettings {
        ServerSettings {
            certificates: vec![certificate(&self.pki.pair("server"))],
            clients: ClientCertificates::Required,
            client_ca: Some(self.pki.path("ca.pem")),
            resumption: true,
            ..ServerSettings::default()
        }
    }

    pub(crate) fn server(&self) -> Server {
        build(&self.settings())
    }

    /// A device, as any rustls user writes it.
    pub(crate) fn device(&self, pair: Option<&Pair>, tls12: bool) -> ClientConfig {
        device(&self.pki.path("ca.pem"), pair, tls12)
    }

    pub(crate) fn client_settings(&self) -> ClientSettings {
        ClientSettings { ca: Some(self.pki.path("ca.pem")), ..ClientSettings::default() }
    }
}

pub(crate) fn build(settings: &ServerSettings) -> Server {
    settings.build(SystemTime::now()).unwrap()
}

pub(crate) fn certificate(pair: &Pair) -> CertificateSettings {
    CertificateSettings { certificate: pair.certificate.clone(), key: pair.key.clone(), server_names: Vec::new() }
}

pub(crate) fn device(ca: &Path, pair: Option<&Pair>, tls12: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let versions = if tls12 { vec![&rustls::version::TLS12] } else { vec![&rustls::version::TLS13] };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .unwrap()
        .with_root_certificates(roots);
    match pair {
        Some(pair) => {
            let chain = CertificateDer::pem_file_iter(&pair.certificate).unwrap().map(Result::unwrap).collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&pair.key).unwrap()).unwrap()
        }
        None => builder.with_no_client_auth(),
    }
}

pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// A [`Session`] with the little memory that its connection would keep.
pub(crate) struct Ours {
    pub(crate) session: Session,
    pub(crate) wire: Vec<u8>,
    pub(crate) plain: Vec<u8>,
    pub(crate) out: WireBuffer,
    pub(crate) peer_closed: bool,
}

impl Ours {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, wire: Vec::new(), plain: Vec::new(), out: WireBuffer::new(), peer_closed: false }
    }

    pub(crate) fn server(server: &Server) -> Self {
        Self::new(Session::server(Arc::clone(&server.config)).unwrap())
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        self.wire.extend_from_slice(bytes);
        let before = self.plain.len();
        let progress = self.session.process(&mut self.wire, &mut self.plain, &mut self.out)?;
        assert!(self.plain.len() - before <= self.wire.len(), "no more plaintext than came in");
        assert_eq!(progress.handshaking, self.session.is_handshaking());
        self.wire.drain(..progress.consumed);
        self.peer_closed = progress.peer_closed;
        Ok(())
    }

    pub(crate) fn encrypt(&mut self, plain: &[u8]) {
        self.session.encrypt(plain, &mut self.out).unwrap();
    }

    pub(crate) fn drain(&mut self) -> Vec<u8> {
        let bytes = self.out.filled().to_vec();
        self.out.clear();
        bytes
    }
}

/// rustls' own connection.
pub(crate) struct Theirs {
    pub(crate) connection: Connection,
    pub(crate) plain: Vec<u8>,
}

impl Theirs {
    pub(crate) fn client(config: &Arc<ClientConfig>) -> Self {
        let connection = ClientConnection::new(Arc::clone(config), name()).unwrap();
        Self { connection: connection.into(), plain: Vec::new() }
    }

    pub(crate) fn server(config: &Arc<rustls::ServerConfig>) -> Self {
        Self { connection: ServerConnection::new(Arc::clone(config)).unwrap().into(), plain: Vec::new() }
    }

    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<(), rustls::Error> {
        while !bytes.is_empty() {
            if self.connection.read_tls(&mut bytes).unwrap() == 0 {
                break;
            }
            let state = self.connection.process_new_packets()?;
            let mut chunk = vec![0; state.plaintext_bytes_to_read()];
            self.connection.reader().read_exact(&mut chunk).unwrap();
            self.plain.extend_from_slice(&chunk);
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, plain: &[u8]) {
        self.connection.set_buffer_limit(None);
        self.connection.writer().write_all(plain).unwrap();
    }

    pub(crate) fn drain(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut bytes).unwrap();
        }
        bytes
    }
}

/// Carry bytes to and fro, `piece` at a time towards us, until both are silent.
pub(crate) fn settle(ours: &mut Ours, theirs: &mut Theirs, piece: usize) -> Result<(), Box<Fault>> {
    ours.take(&[]).map_err(|error| Box::new(Fault::Ours(error)))?;
    loop {
        let to_ours = theirs.drain();
        for chunk in to_ours.chunks(piece) {
            if let Err(error) = ours.take(chunk) {
                let alert = ours.drain();
                return Err(Box::new(Fault::OursTold(error, theirs.take(&alert).err())));
            }
        }
        let to_theirs = ours.drain();
        if let Err(error) = theirs.take(&to_theirs) {
            let alert = theirs.drain();
            return Err(Box::new(Fault::Theirs(error, ours.take(&alert).err())));
        }
        if to_ours.is_empty() && to_theirs.is_empty() {
            return Ok(());
        }
    }
}

/// Who found fault, and what the other end heard of it.
#[derive(Debug)]
pub(crate) enum Fault {
    Ours(SessionError),
    OursTold(SessionError, Option<rustls::Error>),
    Theirs(rustls::Error, Option<SessionError>),
}

/// A connection of `device` to `server`, handshake over.
pub(crate) fn connect(server: &Server, device: &Arc<ClientConfig>) -> Result<(Ours, Theirs), Box<Fault>> {
    let mut ours = Ours::server(server);
    let mut theirs = Theirs::client(device);
    settle(&mut ours, &mut theirs, usize::MAX)?;
    Ok((ours, theirs))
}
