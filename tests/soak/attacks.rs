//! The attackers, from 127.66.0.0/16: one function for each attack, each of a bounded rate and a bounded number of connections.
//!
//! They run on one thread that gives way to the plant's, as if they were on machines of their own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout_at};

use crate::line::{Line, dial};
use crate::support::wire::{self, Connect, V3_1_1};

/// Connections that attackers hold at a time.
const MAX_OPEN: usize = 1_500;

/// Source addresses of attackers.
const ADDRESSES: u64 = 4_000;

/// Connections in a second that are opened and cut at once.
const CONNECTIONS: u64 = 2_000;

/// ClientHellos in a second.
const HELLOS: u64 = 300;

/// Connections in a second that stay silent.
const SILENT: u64 = 500;

/// Malformed openings in a second.
const MALFORMED: u64 = 500;

/// Passwords guessed in a second.
const GUESSES: u64 = 200;

/// Between two bytes of a slow client.
const DRIBBLE: Duration = Duration::from_millis(250);

/// Slow clients of each shape.
const SLOW: usize = 60;

/// What attackers know: where to dial, and the certificates that they have come by.
pub(crate) struct Target {
    pub(crate) tls: SocketAddr,
    pub(crate) plain: SocketAddr,
    /// Devices that are known, and abusive: name and papers.
    pub(crate) abusive: Vec<(String, Arc<ClientConfig>)>,
    /// A client without a certificate.
    pub(crate) stranger: Arc<ClientConfig>,
    /// How many times the rates above attackers come at.
    pub(crate) scale: u64,
    /// Attempts until now: connections, or packets of those that are connected.
    pub(crate) attempts: AtomicU64,
    /// How often abusive devices were let in.
    pub(crate) let_in: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    Connections,
    Handshakes,
    HalfOpen,
    Malformed,
    Guesses,
    Publish,
    Subscribe,
    Slow,
}

impl Attack {
    pub(crate) const ALL: [Self; 8] = [
        Self::Connections,
        Self::Handshakes,
        Self::HalfOpen,
        Self::Malformed,
        Self::Guesses,
        Self::Publish,
        Self::Subscribe,
        Self::Slow,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connections => "connection flood",
            Self::Handshakes => "handshake flood",
            Self::HalfOpen => "half-open flood",
            Self::Malformed => "malformed flood",
            Self::Guesses => "guessed passwords",
            Self::Publish => "publish flood",
            Self::Subscribe => "subscription flood",
            Self::Slow => "slow everything",
        }
    }

    /// Goes on until then.
    pub(crate) async fn run(self, target: Arc<Target>, until: Instant) {
        match self {
            Self::Connections => flood(&target, CONNECTIONS, until, cut).await,
            Self::Handshakes => {
                let hello = client_hello(&target.stranger);
                flood(&target, HELLOS, until, move |target, from, until| greet(target, from, until, hello.clone()))
                    .await;
            }
            Self::HalfOpen => flood(&target, SILENT, until, be_silent).await,
            Self::Malformed => flood(&target, MALFORMED, until, talk_nonsense).await,
            Self::Guesses => flood(&target, GUESSES, until, guess).await,
            Self::Publish => each_abusive(&target, until, publish).await,
            Self::Subscribe => each_abusive(&target, until, subscribe).await,
            Self::Slow => slow(&target, until).await,
        }
    }
}

/// Starts so many a second, no more than `MAX_OPEN` at a time, each from the next address.
async fn flood<F: Future<Output = ()> + Send + 'static>(
    target: &Arc<Target>,
    per_second: u64,
    until: Instant,
    mut one: impl FnMut(Arc<Target>, Ipv4Addr, Instant) -> F,
) {
    let room = Arc::new(Semaphore::new(MAX_OPEN));
    let mut tick = interval(Duration::from_millis(10));
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    let mut started = 0;
    let per_second = per_second * target.scale;
    while Instant::now() < until {
        tick.tick().await;
        let due = per_second * u64::try_from(began.elapsed().as_millis()).unwrap_or_default() / 1_000;
        // What could not be started in time is not made up for: the rate is a bound.
        started = started.max(due.saturating_sub(per_second / 20));
        while started < due {
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { break };
            let attack = one(Arc::clone(target), address(started), until);
            tasks.spawn(async move {
                let _ = timeout_at(until.into(), attack).await;
                drop(permit);
            });
            target.attempts.fetch_add(1, Ordering::Relaxed);
            started += 1;
        }
        while tasks.try_join_next().is_some() {}
    }
    tasks.shutdown().await;
}

fn address(number: u64) -> Ipv4Addr {
    let [high, low] = u16::try_from(number % ADDRESSES).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(127, 66, high, low)
}

/// Ends by RST, so that no port of this machine stays taken.
fn reset(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

async fn cut(target: Arc<Target>, from: Ipv4Addr, _: Instant) {
    if let Ok(stream) = dial(from, target.tls).await {
        reset(stream);
    }
}

/// What rustls would say first; said over and over, it costs the attacker nothing.
fn client_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a server name");
    let mut client = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).expect("written to memory");
    }
    hello
}

async fn greet(target: Arc<Target>, from: Ipv4Addr, _: Instant, hello: Vec<u8>) {
    let Ok(mut stream) = dial(from, target.tls).await else { return };
    let mut answer = [0; 4096];
    if stream.write_all(&hello).await.is_ok() {
        let _ = stream.read(&mut answer).await;
    }
    reset(stream);
}

async fn be_silent(target: Arc<Target>, from: Ipv4Addr, _: Instant) {
    let Ok(mut stream) = dial(from, target.tls).await else { return };
    let mut answer = [0; 64];
    let _ = stream.read(&mut answer).await;
    reset(stream);
}

/// What no client says first, and what is no MQTT.
const NONSENSE: [&[u8]; 6] = [
    b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x3c\x00\x00",
    b"\x10\xff\xff\xff\xff\x01",
    b"\x30\x05\x00\x03a/bx",
    b"\x00\x00",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x03\x21\x00\x00\x00\x00",
];

async fn talk_nonsense(target: Arc<Target>, from: Ipv4Addr, _: Instant) {
    let Ok(mut stream) = dial(from, target.plain).await else { return };
    let which = usize::from(from.octets()[3]) % NONSENSE.len();
    let mut answer = [0; 64];
    if stream.write_all(NONSENSE[which]).await.is_ok() {
        let _ = stream.read(&mut answer).await;
    }
    reset(stream);
}

async fn guess(target: Arc<Target>, from: Ipv4Addr, _: Instant) {
    let Ok(mut stream) = dial(from, target.plain).await else { return };
    let mut connect = Connect::new(V3_1_1, "clerk-at-home");
    connect.login = Some(("clerk".to_owned(), Some(from.octets().to_vec())));
    let mut answer = [0; 64];
    if stream.write_all(&connect.bytes()).await.is_ok() {
        let _ = stream.read(&mut answer).await;
    }
    reset(stream);
}

/// Has each abusive device do something until then; one whose connection is ended comes back after a while.
async fn each_abusive<F: Future<Output = io::Result<()>> + Send + 'static>(
    target: &Arc<Target>,
    until: Instant,
    act: fn(Line, Arc<Target>, String) -> F,
) {
    let mut tasks = JoinSet::new();
    for (number, (name, config)) in target.abusive.iter().cloned().enumerate() {
        let target = Arc::clone(target);
        tasks.spawn(async move {
            let from = address(u64::try_from(number).unwrap_or_default() + 1);
            while Instant::now() < until {
                if let Ok(line) = enter(&target, from, &config, &name).await {
                    let _ = timeout_at(until.into(), act(line, Arc::clone(&target), name.clone())).await;
                }
                sleep(Duration::from_millis(200)).await;
            }
        });
    }
    let _ =
        timeout_at((until + Duration::from_secs(5)).into(), async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
}

/// An abusive device comes in like any other.
async fn enter(target: &Target, from: Ipv4Addr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Line> {
    // Counted before: whoever is cut off meanwhile may have come as far as the broker.
    target.let_in.fetch_add(1, Ordering::Relaxed);
    Line::open(from, target.tls, Some(Arc::clone(config)), &Connect::new(V3_1_1, name)).await
}

/// Messages at once, and between two such times.
const BATCH: u64 = 20;
const BATCH_PACE: Duration = Duration::from_millis(20);

/// QoS 0, a thousand a second, as long as the gateway takes them.
async fn publish(mut line: Line, target: Arc<Target>, name: String) -> io::Result<()> {
    let one = wire::publish(V3_1_1, 0, &format!("bulk/{name}"), 0, &[], &[b'x'; 256]);
    let batch = one.repeat(usize::try_from(BATCH).unwrap_or(1));
    let mut tick = interval(BATCH_PACE);
    loop {
        tick.tick().await;
        target.attempts.fetch_add(BATCH, Ordering::Relaxed);
        line.send(&batch).await?;
    }
}

/// SUBSCRIBE and UNSUBSCRIBE with ten filters each, fifty times a second.
async fn subscribe(mut line: Line, target: Arc<Target>, name: String) -> io::Result<()> {
    let mut tick = interval(Duration::from_millis(20));
    let mut round = 0_u16;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                round = round % 30_000 + 1;
                let filters: Vec<String> = (0..10).map(|number| format!("bulk/{name}/{round}/{number}")).collect();
                let asked: Vec<(&str, u8)> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
                let names: Vec<&str> = filters.iter().map(String::as_str).collect();
                line.send(&wire::subscribe(V3_1_1, round, &asked)).await?;
                line.send(&wire::unsubscribe(V3_1_1, round + 30_000, &names)).await?;
                target.attempts.fetch_add(20, Ordering::Relaxed);
            }
            frame = line.frame() => drop(frame?),
        }
    }
}

/// Handshakes, CONNECTs and packets, a byte at a time; and clients that never read.
async fn slow(target: &Arc<Target>, until: Instant) {
    let hello = client_hello(&target.stranger);
    let connect = Connect::new(V3_1_1, "slow").bytes();
    let mut tasks = JoinSet::new();
    for number in 0..SLOW {
        let from = address(u64::try_from(number).unwrap_or_default() * 7);
        tasks.spawn(dribble(Arc::clone(target), target.tls, from, hello.clone()));
        tasks.spawn(dribble(Arc::clone(target), target.plain, from, connect.clone()));
    }
    for (number, (name, config)) in target.abusive.iter().cloned().enumerate() {
        let from = address(u64::try_from(number).unwrap_or_default());
        tasks.spawn(dribble_a_packet(Arc::clone(target), from, config, name));
    }
    let _ = timeout_at(until.into(), async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
}

async fn dribble(target: Arc<Target>, to: SocketAddr, from: Ipv4Addr, bytes: Vec<u8>) {
    loop {
        target.attempts.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut stream) = dial(from, to).await {
            for byte in bytes.iter().cycle() {
                sleep(DRIBBLE).await;
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            reset(stream);
        }
        sleep(DRIBBLE).await;
    }
}

/// A message that never comes to its end, on a connection that asks for answers and reads none.
async fn dribble_a_packet(target: Arc<Target>, from: Ipv4Addr, config: Arc<ClientConfig>, name: String) {
    loop {
        target.attempts.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut line) = enter(&target, from, &config, &name).await {
            let _ = line.send(&wire::PINGREQ.repeat(2_000)).await;
            let large = wire::publish(V3_1_1, 0, &format!("bulk/{name}"), 0, &[], &[b'x'; 60_000]);
            for byte in large {
                if line.send(&[byte]).await.is_err() {
                    break;
                }
                sleep(DRIBBLE).await;
            }
        }
        sleep(DRIBBLE).await;
    }
}
