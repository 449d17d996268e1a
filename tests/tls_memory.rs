//! What an idle mTLS connection holds, all allocators counted: resident memory of many sessions. In a program of its own, so that
//! nothing else moves the number.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

#[path = "support/pki.rs"]
mod pki;

use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConnection;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tidegate::tls::client::ClientSettings;
use tidegate::tls::server::{CertificateSettings, Server, ServerSettings};
use tidegate::tls::session::{Session, WireBuffer};

const SESSIONS: usize = 1000;
/// Measured 4.4 KiB, 1.5 KiB of it the keys of the crypto core.
const MAX_BYTES: usize = 5 * 1024;

fn resident_bytes() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The memory that a gateway has once per thread.
struct Scratch {
    wire: Vec<u8>,
    plain: Vec<u8>,
    out: WireBuffer,
}

fn connect(server: &Server, device: &Arc<rustls::ClientConfig>, scratch: &mut Scratch) -> Session {
    let mut session = Session::server(Arc::clone(&server.config)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut peer = ClientConnection::new(Arc::clone(device), name).unwrap();
    for round in 0..4 {
        if round == 3 {
            peer.writer().write_all(&[7; 2000]).unwrap();
        }
        scratch.wire.clear();
        while peer.wants_write() {
            peer.write_tls(&mut scratch.wire).unwrap();
        }
        let progress = session.process(&mut scratch.wire, &mut scratch.plain, &mut scratch.out).unwrap();
        assert_eq!(progress.consumed, scratch.wire.len());
        let mut answer = scratch.out.filled();
        while !answer.is_empty() {
            peer.read_tls(&mut answer).unwrap();
        }
        peer.process_new_packets().unwrap();
        scratch.out.clear();
    }
    session.encrypt(&[7; 2000], &mut scratch.out).unwrap();
    assert_eq!(scratch.plain.len(), 2000);
    scratch.out.clear();
    scratch.plain.clear();
    session
}

#[test]
fn an_idle_mtls_session_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let pki = pki::Pki::create(folder.path()).unwrap();
    let server = ServerSettings {
        certificates: vec![CertificateSettings {
            certificate: pki.path("server.pem"),
            key: pki.path("server.key"),
            server_names: Vec::new(),
        }],
        client_ca: Some(pki.path("ca.pem")),
        resumption: true,
        ..ServerSettings::default()
    };
    let server = server.build(SystemTime::now()).unwrap();
    let identity = Some((pki.path("client.pem"), pki.path("client.key")));
    let device = ClientSettings { ca: Some(pki.path("ca.pem")), identity, ..ClientSettings::default() };
    let mut device = (*device.build(SystemTime::now()).unwrap().config).clone();
    device.resumption = Resumption::disabled();
    let device = Arc::new(device);

    let mut scratch = Scratch {
        wire: Vec::with_capacity(1 << 16),
        plain: Vec::with_capacity(1 << 16),
        out: WireBuffer::with_room(1 << 16),
    };
    let mut kept = Vec::with_capacity(SESSIONS);
    for _ in 0..20 {
        drop(connect(&server, &device, &mut scratch));
    }
    let before = resident_bytes();
    for _ in 0..SESSIONS {
        kept.push(connect(&server, &device, &mut scratch));
    }
    let each = (resident_bytes() - before) / SESSIONS;
    println!("{each} bytes resident per idle mTLS session");
    assert!(kept.iter().all(|session| session.peer_certificates().is_some()));
    assert!(each <= MAX_BYTES, "{each} bytes per session");
}
