//! The plant that must not notice: devices that publish at a steady pace and are commanded, through the gateway over mTLS;
//! and what reaches the broker, seen by a subscriber of its own there.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::line::{Line, published};
use crate::support::wire::{self, Connect, V3_1_1};
use crate::support::{gateway::Gateway, pki::Subject, wait_within};

/// Devices, each with a certificate and an address of its own.
pub(crate) const DEVICES: usize = 200;

/// Between two messages of a device.
const PACE: Duration = Duration::from_millis(500);

/// Between two commands, each to the next device.
const COMMAND_PACE: Duration = Duration::from_millis(10);

/// Bytes of a payload.
const PAYLOAD_BYTES: usize = 64;

/// What all parts of the plant write down.
pub(crate) struct Ledger {
    began: Instant,
    quiet: AtomicBool,
    devices: Vec<Device>,
    commands_sent: AtomicU64,
    commands_acknowledged: AtomicU64,
    latencies: Mutex<Latencies>,
    /// What reached the broker that no device sent, by its first topic level.
    others: Mutex<BTreeMap<String, u64>>,
    ends: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Device {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    /// Those that came to the broker, each once and in order.
    collected: AtomicU64,
    commanded: AtomicU64,
    obeyed: AtomicU64,
}

/// Microseconds.
#[derive(Default)]
pub(crate) struct Latencies {
    /// PUBLISH to PUBACK.
    pub(crate) publish: Vec<u64>,
    /// Sent by the operator to seen by the device.
    pub(crate) command: Vec<u64>,
}

/// Messages and commands of all devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) collected: u64,
    pub(crate) commanded: u64,
    pub(crate) obeyed: u64,
}

impl Counts {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            acknowledged: self.acknowledged - before.acknowledged,
            collected: self.collected - before.collected,
            commanded: self.commanded - before.commanded,
            obeyed: self.obeyed - before.obeyed,
        }
    }
}

impl Ledger {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            quiet: AtomicBool::new(false),
            devices: (0..DEVICES).map(|_| Device::default()).collect(),
            commands_sent: AtomicU64::new(0),
            commands_acknowledged: AtomicU64::new(0),
            latencies: Mutex::default(),
            others: Mutex::default(),
            ends: Mutex::default(),
        })
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn ended(&self, who: &str, result: io::Result<()>) {
        if let Err(error) = result {
            lock(&self.ends).push(format!("{who} at {:?}: {error}", self.began.elapsed()));
        }
    }

    /// Sums of all devices.
    pub(crate) fn counts(&self) -> Counts {
        let sum = |of: fn(&Device) -> &AtomicU64| {
            self.devices.iter().map(|device| of(device).load(Ordering::SeqCst)).sum::<u64>()
        };
        Counts {
            sent: sum(|device| &device.sent),
            acknowledged: sum(|device| &device.acknowledged),
            collected: sum(|device| &device.collected),
            commanded: sum(|device| &device.commanded),
            obeyed: sum(|device| &device.obeyed),
        }
    }

    /// Whether all that was sent has arrived and been acknowledged.
    fn is_settled(&self) -> bool {
        let Counts { sent, acknowledged, collected, commanded, obeyed } = self.counts();
        let commands = self.commands_sent.load(Ordering::SeqCst);
        sent == acknowledged
            && sent == collected
            && commanded == obeyed
            && commands == self.commands_acknowledged.load(Ordering::SeqCst)
    }

    /// Holds the plant still until all that is under way has arrived; false when it does not arrive.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        self.quiet.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        let settled = wait_within(patience, || self.is_settled().then_some(())).is_some();
        self.quiet.store(false, Ordering::SeqCst);
        settled
    }

    /// What was measured since the last time.
    pub(crate) fn take_latencies(&self) -> Latencies {
        std::mem::take(&mut lock(&self.latencies))
    }

    /// What reached the broker that no device sent: messages by the first level of their topic.
    pub(crate) fn others(&self) -> BTreeMap<String, u64> {
        lock(&self.others).clone()
    }

    /// Who of the plant lost its connection, and how.
    pub(crate) fn ends(&self) -> Vec<String> {
        lock(&self.ends).clone()
    }
}

/// Starts all of it. Returned once every device is connected and subscribed.
pub(crate) fn start(runtime: &Runtime, gateway: &Gateway, tls: SocketAddr, broker: SocketAddr) -> Arc<Ledger> {
    let ledger = Ledger::new();
    runtime.block_on(async {
        let collecting = open_collector(broker).await.expect("the broker takes a subscriber");
        let kept = Arc::clone(&ledger);
        tokio::spawn(async move { kept.ended("the collector", collect(collecting, &kept).await) });
        let mut opened = Vec::new();
        for number in 0..DEVICES {
            let (name, config) = (name(number), papers(gateway, &name(number), "sensors"));
            let line = open_device(address(number), tls, config, &name).await.expect("a device connects");
            opened.push(line);
        }
        for (number, line) in opened.into_iter().enumerate() {
            let kept = Arc::clone(&ledger);
            tokio::spawn(async move { kept.ended(&name(number), live(line, number, &kept).await) });
        }
        let config = papers(gateway, "operator", "control");
        let connect = Connect::new(V3_1_1, "operator");
        let operator = Line::open(Ipv4Addr::new(127, 0, 1, 250), tls, Some(config), &connect).await;
        let operator = operator.expect("the operator connects");
        let kept = Arc::clone(&ledger);
        tokio::spawn(async move { kept.ended("the operator", command(operator, &kept).await) });
    });
    ledger
}

pub(crate) fn name(number: usize) -> String {
    format!("device-{number}")
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(number + 1).expect("at most 250 devices"))
}

/// A certificate with this Common Name and Organizational Unit.
pub(crate) fn papers(gateway: &Gateway, name: &str, unit: &str) -> Arc<ClientConfig> {
    let subject = Subject { common_names: &[name], organizational_unit: Some(unit), ..Subject::default() };
    gateway.tls_client(Some(&gateway.pki.issue(name, &subject).expect("a certificate")))
}

async fn open_device(from: Ipv4Addr, to: SocketAddr, tls: Arc<ClientConfig>, name: &str) -> io::Result<Line> {
    let mut line = Line::open(from, to, Some(tls), &Connect::new(V3_1_1, name)).await?;
    line.send(&wire::subscribe(V3_1_1, 1, &[(&format!("plant/command/{name}"), 1)])).await?;
    let suback = line.frame().await?;
    if wire::body(&suback) == [0, 1, 1] { Ok(line) } else { Err(io::Error::other(format!("{suback:02x?}"))) }
}

/// A device that was not there before: how long it takes it to connect and have a message acknowledged.
pub(crate) async fn newcomer(
    from: Ipv4Addr,
    to: SocketAddr,
    tls: Arc<ClientConfig>,
    name: &str,
) -> io::Result<Duration> {
    let began = Instant::now();
    let mut line = Line::open(from, to, Some(tls), &Connect::new(V3_1_1, name)).await?;
    line.send(&wire::publish(V3_1_1, 2, &format!("newcomer/{name}"), 1, &[], b"here")).await?;
    let puback = line.within(Duration::from_secs(20)).await?;
    let took = began.elapsed();
    line.send(&wire::DISCONNECT).await?;
    if puback == wire::ack(wire::PUBACK, 1) { Ok(took) } else { Err(io::Error::other(format!("{puback:02x?}"))) }
}

/// One device: publishes, acknowledges commands.
async fn live(mut line: Line, number: usize, ledger: &Ledger) -> io::Result<()> {
    let device = &ledger.devices[number];
    let topic = format!("plant/telemetry/{}", name(number));
    let mut unanswered: HashMap<u16, Instant> = HashMap::new();
    sleep(PACE * u32::try_from(number).unwrap_or_default() / u32::try_from(DEVICES).unwrap_or(1)).await;
    let mut tick = interval(PACE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if ledger.quiet.load(Ordering::SeqCst) {
                    continue;
                }
                let sequence = device.sent.fetch_add(1, Ordering::SeqCst) + 1;
                let id = u16::try_from(sequence % 60_000).unwrap_or_default() + 1;
                unanswered.insert(id, Instant::now());
                let payload = format!("{sequence:<PAYLOAD_BYTES$}");
                line.send(&wire::publish(V3_1_1, 2, &topic, id, &[], payload.as_bytes())).await?;
            }
            frame = line.frame() => {
                let frame = frame?;
                if frame[0] == wire::PUBACK {
                    let body = wire::body(&frame);
                    if let Some(sent) = unanswered.remove(&u16::from_be_bytes([body[0], body[1]])) {
                        let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
                        lock(&ledger.latencies).publish.push(micros);
                        device.acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                } else if frame[0] >> 4 == 3 {
                    let now = ledger.micros();
                    let (_, id, payload) = published(&frame);
                    line.send(&wire::ack(wire::PUBACK, id)).await?;
                    obey(device, ledger, &payload, now);
                }
            }
        }
    }
}

/// Counts a command that is the next one; another one is not what was sent.
fn obey(device: &Device, ledger: &Ledger, payload: &[u8], now: u64) {
    let (sequence, sent) = numbers(payload);
    if sequence == device.obeyed.load(Ordering::SeqCst) + 1 {
        device.obeyed.store(sequence, Ordering::SeqCst);
        lock(&ledger.latencies).command.push(now.saturating_sub(sent));
    }
}

/// The operator: commands each device in turn.
async fn command(mut line: Line, ledger: &Ledger) -> io::Result<()> {
    let mut tick = interval(COMMAND_PACE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = 0;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if ledger.quiet.load(Ordering::SeqCst) {
                    continue;
                }
                let number = next % DEVICES;
                next += 1;
                let sequence = ledger.devices[number].commanded.fetch_add(1, Ordering::SeqCst) + 1;
                ledger.commands_sent.fetch_add(1, Ordering::SeqCst);
                let id = u16::try_from(next % 60_000).unwrap_or_default() + 1;
                let payload = format!("{sequence} {:<width$}", ledger.micros(), width = PAYLOAD_BYTES - 8);
                let topic = format!("plant/command/{}", name(number));
                line.send(&wire::publish(V3_1_1, 2, &topic, id, &[], payload.as_bytes())).await?;
            }
            frame = line.frame() => {
                if frame?[0] == wire::PUBACK {
                    ledger.commands_acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }
}

async fn open_collector(broker: SocketAddr) -> io::Result<Line> {
    let connect = Connect::new(V3_1_1, "collector");
    let mut line = Line::open(Ipv4Addr::LOCALHOST, broker, None, &connect).await?;
    line.send(&wire::subscribe(V3_1_1, 1, &[("#", 1)])).await?;
    line.frame().await?;
    Ok(line)
}

/// Sees all that reaches the broker.
async fn collect(mut line: Line, ledger: &Ledger) -> io::Result<()> {
    loop {
        let frame = line.frame().await?;
        if frame[0] >> 4 != 3 {
            continue;
        }
        let (topic, id, payload) = published(&frame);
        if frame[0] & 0x06 != 0 {
            line.send(&wire::ack(wire::PUBACK, id)).await?;
        }
        let number = topic.strip_prefix("plant/telemetry/device-").and_then(|number| number.parse::<usize>().ok());
        if let Some(device) = number.and_then(|number| ledger.devices.get(number)) {
            let (sequence, _) = numbers(&payload);
            if sequence == device.collected.load(Ordering::SeqCst) + 1 {
                device.collected.store(sequence, Ordering::SeqCst);
            }
        } else if !topic.starts_with("plant/command/") {
            let first = topic.split('/').next().unwrap_or_default().to_owned();
            *lock(&ledger.others).entry(first).or_default() += 1;
        }
    }
}

fn numbers(payload: &[u8]) -> (u64, u64) {
    let text = String::from_utf8_lossy(payload);
    let mut words = text.split_whitespace().map(|word| word.parse().unwrap_or_default());
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
