use std::fs;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use socket2::SockRef;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::build::{Gateway, Kept};
use super::super::connection::{Newcomer, serve};
use super::super::prepare;
use super::super::shared::{Port, Shared, Word};
use crate::audit::{self, Writer};
use crate::config::{self, Broker};
use crate::store;

/// Long enough for whatever is to happen, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const CONNECT: &[u8] = b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x02c1";
pub(super) const CONNACK: &[u8] = b"\x20\x03\x00\x00\x00";
pub(super) const DISCONNECT: &[u8] = b"\xe0\x00";
pub(super) const PINGREQ: &[u8] = b"\xc0\x00";
/// A PUBLISH at QoS 1 whose payload is not the UTF-8 that it claims: refused, answered and recorded.
pub(super) const REFUSED: &[u8] = b"\x32\x09\x00\x01t\x00\x01\x02\x01\x01\xff";

pub(super) struct World {
    pub(super) port: Arc<Port>,
    shared: Arc<Shared>,
    front: TcpListener,
    pub(super) broker: TcpListener,
    words: watch::Sender<Word>,
    writer: Writer,
    folder: TempDir,
}

/// One connection: both ends, and a task that ends when nothing is left between them.
pub(super) struct Line {
    pub(super) client: TcpStream,
    pub(super) broker: TcpStream,
    pub(super) task: JoinHandle<()>,
}

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens in time")
}

impl World {
    /// With tables of settings, such as `[deadlines]`.
    pub(super) async fn new(tables: &str) -> Self {
        Self::with_audit(tempfile::tempdir().unwrap(), "", tables).await
    }

    /// With lines of the listener, and a folder that holds what they name.
    pub(super) async fn with_listener(folder: TempDir, lines: &str) -> Self {
        Self::build(folder, "", "", lines, |_| {}).await
    }

    /// With the lines of `[audit]` too, and a folder where `audit.jsonl` may be something else than a file.
    pub(super) async fn with_audit(folder: TempDir, audit: &str, tables: &str) -> Self {
        Self::build(folder, audit, tables, "", |_| {}).await
    }

    /// With a broker that is otherwise than settings can say.
    pub(super) async fn with_broker(alter: impl FnOnce(&mut Broker)) -> Self {
        Self::build(tempfile::tempdir().unwrap(), "", "", "", alter).await
    }

    async fn build(
        folder: TempDir,
        audit: &str,
        tables: &str,
        listener: &str,
        alter: impl FnOnce(&mut Broker),
    ) -> Self {
        let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        fs::create_dir(folder.path().join("policy")).unwrap();
        fs::write(folder.path().join("policy/policy.toml"), "version = \"1\"\npermit_all = true\n").unwrap();
        let settings = format!(
            "policies = [\"policy\"]\n{tables}\n[audit]\nfile = \"audit.jsonl\"\n{audit}\n\
             [[listener]]\nname = \"field\"\nbind = \"127.0.0.1:0\"\nbroker = \"plant\"\n{listener}\n\
             [[broker]]\nname = \"plant\"\nservers = [\"{}\"]\n",
            broker.local_addr().unwrap()
        );
        let file = folder.path().join("gateway.toml");
        fs::write(&file, settings).unwrap();
        let mut settings = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        let mut plant = Broker::clone(&settings.brokers[0]);
        alter(&mut plant);
        settings.brokers = vec![Arc::new(plant)];
        let (sink, writer) = audit::open(&settings.audit).unwrap();
        let prepared = prepare(&settings, SystemTime::now()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let kept = Kept { store: store::open(&settings.state).unwrap().0, written: None };
        let gateway = Gateway::build(&settings, prepared, sink, kept).unwrap();
        let port = Arc::clone(&gateway.ports[0].0);
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (words, _) = watch::channel(Word::default());
        Self { port, shared: gateway.shared, front, broker, words, writer, folder }
    }

    /// Tells the connections to end, at that time at the latest.
    pub(super) fn drain(&self, at: Instant) {
        self.words.send_modify(|word| word.drain = Some(at));
    }

    pub(super) async fn dial(&self) -> (TcpStream, JoinHandle<()>) {
        let socket = TcpSocket::new_v4().unwrap();
        // Little room, so that a client that does not read is soon noticed.
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let client = socket.connect(self.front.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = self.front.accept().await.unwrap();
        SockRef::from(&stream).set_send_buffer_size(16 << 10).unwrap();
        let slot = self.port.door.enter(Some(peer.ip())).unwrap();
        let (alive, mut gone) = mpsc::channel(1);
        let newcomer = Newcomer { stream, peer, slot, alive };
        tokio::spawn(serve(newcomer, Arc::clone(&self.port), Arc::clone(&self.shared), self.words.subscribe()));
        (client, tokio::spawn(async move { assert!(gone.recv().await.is_none()) }))
    }

    /// A client that has been let in with `connect`.
    pub(super) async fn connect(&self, connect: &[u8]) -> Line {
        let (mut client, task) = self.dial().await;
        client.write_all(connect).await.unwrap();
        let (mut broker, _) = soon(self.broker.accept()).await.unwrap();
        assert_eq!(read(&mut broker, connect.len()).await, connect);
        broker.write_all(CONNACK).await.unwrap();
        // It is told the gateway's limits behind the broker's words.
        let header = read(&mut client, 2).await;
        read(&mut client, header[1].into()).await;
        Line { client, broker, task }
    }

    /// What the audit file says of ended connections: cause and blame.
    pub(super) fn ended(self) -> Vec<(String, String)> {
        self.writer.finish(PATIENCE);
        let lines = fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap();
        let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ended = records.filter(|record| record["event"] == "ended");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        ended.map(|record| (text(&record["cause"]), text(&record["blame"]))).collect()
    }
}

pub(super) async fn read(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

pub(super) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    bytes
}

/// Writes at once, and lets no other task run.
pub(super) fn write_now(stream: &TcpStream, bytes: &[u8]) {
    assert_eq!(stream.try_write(bytes).unwrap(), bytes.len());
}

/// Closes with a reset, behind what was written.
pub(super) fn reset(stream: TcpStream) {
    // No task but the kernel's runs meanwhile.
    std::thread::sleep(Duration::from_millis(50));
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// A PUBLISH at QoS 0 of `len` bytes, `len` being between 200 and 16,000.
pub(super) fn publish(len: usize) -> Vec<u8> {
    let remaining = len - 3;
    let mut bytes = vec![0x30, u8::try_from(remaining % 128).unwrap() | 0x80, u8::try_from(remaining / 128).unwrap()];
    bytes.extend_from_slice(b"\x00\x01t\x00");
    bytes.resize(len, b'x');
    bytes
}
