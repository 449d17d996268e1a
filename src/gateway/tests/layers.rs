use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::world::*;

#[path = "../../../tests/support/pki.rs"]
mod pki;

const TLS: &str = "tls.certificate = \"server.pem\"\ntls.key = \"server.key\"\ntls.client_ca = \"ca.pem\"";
/// An alert that no key of the session has sealed.
const DAMAGED: &[u8] = b"\x17\x03\x03\x00\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn papers() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    pki::Pki::create(folder.path()).unwrap();
    folder
}

fn device(folder: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(folder.join("client.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("client.key")).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
    Arc::new(config).into()
}

/// A device with a relay, and its broker.
async fn secure() -> (World, TlsStream<TcpStream>, TcpStream, JoinHandle<()>) {
    let folder = papers();
    let device = device(folder.path());
    let world = World::with_listener(folder, TLS).await;
    let (client, task) = world.dial().await;
    let mut client = soon(device.connect(ServerName::try_from("localhost").unwrap(), client)).await.unwrap();
    client.write_all(CONNECT).await.unwrap();
    client.flush().await.unwrap();
    let (mut broker, _) = soon(world.broker.accept()).await.unwrap();
    assert_eq!(read(&mut broker, CONNECT.len()).await, CONNECT);
    broker.write_all(CONNACK).await.unwrap();
    let mut header = [0; 2];
    soon(client.read_exact(&mut header)).await.unwrap();
    soon(client.read_exact(&mut vec![0; header[1].into()])).await.unwrap();
    (world, client, broker, task)
}

#[tokio::test]
async fn what_a_tls_client_said_before_a_damaged_record_still_counts() {
    for (words, cause) in [(DISCONNECT, "client_disconnect"), (PINGREQ, "tls_failed"), (b"", "tls_failed")] {
        let (world, mut client, mut broker, task) = secure().await;
        // Sealed first and sent with the damage in one segment.
        let (socket, session) = client.get_mut();
        std::io::Write::write_all(&mut session.writer(), words).unwrap();
        let mut sealed = Vec::new();
        session.write_tls(&mut sealed).unwrap();
        socket.write_all(&[&sealed, DAMAGED].concat()).await.unwrap();
        assert_eq!(read_to_end(&mut broker).await, words);
        let told = soon(client.read(&mut [0; 16])).await;
        assert!(told.is_err() || told.is_ok_and(|len| len == 0));
        drop((client, broker));
        soon(task).await.unwrap();
        assert_eq!(world.ended(), [(cause.to_owned(), "client".to_owned())]);
    }
}

#[tokio::test]
async fn all_that_a_broker_said_before_it_closed_reaches_a_tls_client_and_then_close_notify() {
    let (_world, mut client, mut broker, _task) = secure().await;
    let words = publish(16_000).repeat(200);
    let expected = words.len();
    let sending = tokio::spawn(async move {
        broker.write_all(&words).await.unwrap();
        broker.shutdown().await.unwrap();
        broker
    });
    let mut received = Vec::new();
    // Without close_notify this is an error.
    soon(client.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received.len(), expected + 3);
    assert_eq!(received[expected..], *b"\xe0\x01\x89");
    sending.await.unwrap();
}

const UPGRADE: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

/// A frame that is masked by zeros, of which `payload` is but the start when `len` is more.
fn frame(first: u8, payload: &[u8], len: usize) -> Vec<u8> {
    let len = u16::try_from(len).unwrap().to_be_bytes();
    let header =
        if len[0] == 0 && len[1] < 126 { vec![first, 0x80 | len[1]] } else { vec![first, 0xFE, len[0], len[1]] };
    [&header, &[0; 4][..], payload].concat()
}

async fn upgraded() -> (World, TcpStream, TcpStream, JoinHandle<()>) {
    let world = World::with_listener(tempfile::tempdir().unwrap(), "websocket.path = \"/mqtt\"").await;
    let (mut client, task) = world.dial().await;
    client.write_all(UPGRADE).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon(client.read_u8()).await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    client.write_all(&frame(0x82, CONNECT, CONNECT.len())).await.unwrap();
    let (mut broker, _) = soon(world.broker.accept()).await.unwrap();
    assert_eq!(read(&mut broker, CONNECT.len()).await, CONNECT);
    broker.write_all(CONNACK).await.unwrap();
    let header = read(&mut client, 2).await;
    assert_eq!(header[0], 0x82);
    read(&mut client, header[1].into()).await;
    (world, client, broker, task)
}

#[tokio::test]
async fn a_packet_of_a_websocket_message_is_relayed_before_the_message_ends() {
    let (_world, mut client, mut broker, _task) = upgraded().await;
    let some = [&publish(1000)[..], PINGREQ].concat();
    client.write_all(&frame(0x82, &some, 60_000)).await.unwrap();
    assert!(read(&mut broker, some.len()).await == some);
    broker.write_all(b"\xd0\x00").await.unwrap();
    assert_eq!(read(&mut client, 4).await, b"\x82\x02\xd0\x00");
}

#[tokio::test]
async fn a_text_message_ends_it_behind_what_was_said_before() {
    let (world, mut client, mut broker, task) = upgraded().await;
    let words = [frame(0x82, PINGREQ, 2), frame(0x81, b"text", 4)].concat();
    client.write_all(&words).await.unwrap();
    assert_eq!(read_to_end(&mut broker).await, PINGREQ);
    assert_eq!(read_to_end(&mut client).await, b"\x88\x02\x03\xeb");
    drop((client, broker));
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("websocket_failed".to_owned(), "client".to_owned())]);
}

#[tokio::test]
async fn pongs_wait_for_a_client_that_reads_late() {
    let (_world, mut client, mut broker, _task) = upgraded().await;
    let ping = frame(0x89, &[b'?'; 100], 100);
    client.write_all(&ping).await.unwrap();
    assert_eq!(read(&mut client, 2).await, b"\x8a\x64");
    read(&mut client, 100).await;
    let (mut reading, mut writing) = client.into_split();
    let flood = tokio::spawn(async move {
        writing.write_all(&ping.repeat(100_000)).await.unwrap();
        writing.write_all(&frame(0x82, DISCONNECT, 2)).await.unwrap();
        writing
    });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!flood.is_finished(), "who does not read is not read");
    let reader = tokio::spawn(async move { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await });
    assert_eq!(read_to_end(&mut broker).await, DISCONNECT);
    drop((broker, soon(flood).await.unwrap()));
    soon(reader).await.unwrap().unwrap();
}
