//! Under attack: a plant of 200 devices behind the gateway, a real broker, and every kind of flood in turn. The devices must
//! not notice, and the broker must not see it.
//!
//! `cargo test --test soak` is the short form: a few seconds of each attack, and what may not fail on any machine is asserted.
//! `make soak` is the long one: an optimised build, `SOAK_SECONDS` of each attack, floods at `SCALE` times the rates, and
//! latency asserted too.
//! Read [`the_plant_does_not_notice_and_the_broker_does_not_see`] first.

#![cfg(unix)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test program: a panic is its way to fail"
)]

mod attacks;
mod line;
mod plant;
mod report;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod support;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use tokio::runtime::Runtime;

use attacks::{Attack, Target};
use plant::{DEVICES, Ledger};
use report::{Phase, Spread};
use support::gateway::{Door, Gateway, Setup};
use support::mosquitto::Mosquitto;
use support::ports;
use tidegate::credentials::password::{Cost, hash};

/// How long the quiet phase and each attack last in the short form.
const SHORT: Duration = Duration::from_secs(3);

/// What is under way gets this long to arrive after an attack.
const SETTLING: Duration = Duration::from_secs(10);

/// The most memory that the gateway may hold at any time.
const MAX_RESIDENT_KIB: u64 = 128 * 1024;

/// The longest that the admin address may take to answer.
const ADMIN: Duration = Duration::from_secs(1);

/// The longest that a device that comes anew after an attack may take to be served.
const RECOVERY: Duration = Duration::from_secs(5);

/// How much longer the slowest hundredth may take under attack, in the long form.
const MAX_SLOWDOWN: f64 = 2.0;

/// How many times the rates of the short form floods have in the long one.
const SCALE: u64 = 3;

/// Devices that are known, and abusive.
const ABUSIVE: usize = 10;

const POLICY: &str = r#"version = "soak"

[[role]]
name = "sensor"
match = { certificate.ou = "sensors" }

[[role]]
name = "operator"
match = { certificate.ou = "control" }
priority = "vital"

[[role]]
name = "meter"
match = { certificate.ou = "meters" }
priority = "bulk"

[[grant]]
id = "telemetry"
roles = ["sensor"]
publish = ["plant/telemetry/${identity}", "newcomer/${identity}"]
subscribe = ["plant/command/${identity}"]

[[grant]]
id = "commands"
roles = ["operator"]
publish = ["plant/command/+"]

[[grant]]
id = "readings"
roles = ["meter"]
publish = ["bulk/${identity}"]
subscribe = ["bulk/${identity}/#"]

[[rate]]
id = "meters-are-slow"
roles = ["meter"]
messages = "20/s"
burst = 40
"#;

/// What a meter may publish: so many a second, and so many at once.
const METER_RATE: f64 = 20.0;
const METER_BURST: f64 = 40.0;

/// Deadlines short enough for what is slow to meet them within a phase, and the cap on memory; everything else is the
/// default.
const SETTINGS: &str = r#"
[deadlines]
tls_handshake = "3s"
connect = "3s"
packet = "5s"

[limits]
max_memory_bytes = "128MiB"
"#;

/// What checking a password costs: little, so that it is not that which is measured.
const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

/// A listener without TLS, where clients show passwords.
fn by_password(address: SocketAddr) -> String {
    format!(
        "[[listener]]\nname = \"office\"\nbind = \"{address}\"\nbroker = \"plant\"\n\
         identity.sources = [\"password\"]\nidentity.password.files = [\"passwords\"]\n"
    )
}

#[test]
fn the_plant_does_not_notice_and_the_broker_does_not_see() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let (length, is_long) = seconds.map_or((SHORT, false), |seconds| (Duration::from_secs(seconds), true));
    let soak = Soak::start(if is_long { SCALE } else { 1 });
    let mut phases = vec![soak.phase(None, length)];
    for attack in Attack::ALL {
        phases.push(soak.phase(Some(attack), length));
    }
    eprintln!("{}", report::table(&phases));
    soak.broker_saw_nothing();
    if is_long {
        for phase in &phases {
            let slowdown = phase.slowdown(&phases[0]);
            assert!(slowdown <= MAX_SLOWDOWN, "{}: p99 is {slowdown:.2} times the quiet one", phase.name);
        }
    }
}

struct Soak {
    /// Of the plant.
    runtime: Runtime,
    ledger: Arc<Ledger>,
    target: Arc<Target>,
    newcomers: AtomicU64,
    began: Instant,
    gateway: Arc<Gateway>,
    broker: Mosquitto,
}

impl Soak {
    fn start(scale: u64) -> Self {
        raise_descriptors();
        let broker = Mosquitto::start_for_load();
        let plain = SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
        let password = hash(b"never guessed", CHEAP).expect("a hash");
        let setup =
            Setup::to(broker.address).only(&[Door::Tls]).policy(POLICY).with(SETTINGS).with(&by_password(plain));
        let gateway = setup.file("passwords", &format!("clerk:{}\n", *password)).start();
        let tls = gateway.address(Door::Tls);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let ledger = plant::start(&runtime, &gateway, tls, broker.address);
        let abusive = (0..ABUSIVE).map(|number| {
            let name = format!("meter-{number}");
            let papers = plant::papers(&gateway, &name, "meters");
            (name, papers)
        });
        let abusive = abusive.collect();
        let target = Target {
            tls,
            plain,
            abusive,
            scale,
            stranger: gateway.tls_client(None),
            attempts: AtomicU64::new(0),
            let_in: AtomicU64::new(0),
        };
        let (target, newcomers) = (Arc::new(target), AtomicU64::new(0));
        Self { runtime, ledger, target, newcomers, began: Instant::now(), gateway: Arc::new(gateway), broker }
    }

    /// Some time under attack, or in peace; and what must hold at its end.
    fn phase(&self, attack: Option<Attack>, length: Duration) -> Phase {
        let name = attack.map_or("quiet", Attack::name);
        let (began, cpu) = (Instant::now(), self.cpu_seconds());
        let (before, attempts) = (self.ledger.counts(), self.target.attempts.load(Ordering::Relaxed));
        drop(self.ledger.take_latencies());
        let watch = watch::begin(&self.gateway);
        match attack {
            None => std::thread::sleep(length),
            Some(attack) => self.attack(attack, length),
        }
        let (seconds, cpu_seconds) = (began.elapsed().as_secs_f64(), self.cpu_seconds() - cpu);
        let seen = watch.end();
        let settled = self.ledger.settle(SETTLING);
        let (publish, command) = Spread::both(self.ledger.take_latencies());
        assert_eq!(self.ledger.ends(), [""; 0], "{name}: nobody of the plant loses its connection");
        assert!(settled, "{name}: nothing is lost: {:?}", self.ledger.counts());
        let resident = seen.peak_resident_kib;
        assert!(resident <= MAX_RESIDENT_KIB, "{name}: {resident} KiB resident, at most {MAX_RESIDENT_KIB}");
        assert_eq!(seen.failed_answers, 0, "{name}: the admin address answers");
        assert!(seen.slowest_answer <= ADMIN, "{name}: the admin address took {:?}", seen.slowest_answer);
        let counts = self.ledger.counts().since(before);
        let newcomer = self.newcomer(name);
        let attempts = self.target.attempts.load(Ordering::Relaxed) - attempts;
        Phase { name, seconds, attempts, counts, publish, command, seen, cpu_seconds, newcomer }
    }

    /// On a thread that gives way.
    fn attack(&self, attack: Attack, length: Duration) {
        let target = Arc::clone(&self.target);
        let attacking = std::thread::spawn(move || {
            let _ = nice(10);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(attack.run(target, Instant::now() + length));
        });
        attacking.join().expect("the attack goes on to its end");
    }

    fn newcomer(&self, after: &str) -> Duration {
        let number = self.newcomers.fetch_add(1, Ordering::Relaxed);
        let name = format!("newcomer-{number}");
        let from = Ipv4Addr::new(127, 0, 2, u8::try_from(number).unwrap_or_default());
        let papers = plant::papers(&self.gateway, &name, "sensors");
        let took = self.runtime.block_on(plant::newcomer(from, self.target.tls, papers, &name));
        let took = took.unwrap_or_else(|error| panic!("{after}: a device that comes anew is served: {error}"));
        assert!(took <= RECOVERY, "{after}: a device that comes anew waits {took:?}");
        took
    }

    /// Messages that abusive devices may have published since they were there.
    fn meters_may(&self) -> u64 {
        let rate = METER_RATE * self.began.elapsed().as_secs_f64() + METER_BURST;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
        let each = rate as u64;
        each * ABUSIVE as u64
    }

    fn cpu_seconds(&self) -> f64 {
        self.gateway.metric("process_cpu_seconds_total", &[])
    }

    /// What reached the broker beside what the plant sent.
    fn broker_saw_nothing(&self) {
        let others = self.ledger.others();
        let newcomers = self.newcomers.load(Ordering::Relaxed);
        assert_eq!(others.get("newcomer"), Some(&newcomers), "{others:?}");
        assert!(others.keys().all(|first| ["newcomer", "bulk"].contains(&first.as_str())), "{others:?}");
        let (bulk, allowed) = (others.get("bulk").copied().unwrap_or_default(), self.meters_may());
        assert!(bulk <= allowed, "{bulk} messages of abusive devices at the broker, {allowed} are permitted");
        // Attackers without papers get none, and abusive devices one each time that they connect.
        let expected = DEVICES as u64 + 2 + newcomers + self.target.let_in.load(Ordering::Relaxed);
        let taken = self.broker.connections_taken() as u64;
        assert!(taken <= expected, "{taken} connections at the broker, {expected} are permitted");
        eprintln!("at the broker: {taken} connections; messages of abusive devices {bulk}, of {allowed} permitted");
    }
}

/// As many descriptors for this process as it may have.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let now = getrlimit(Resource::Nofile).current;
    assert!(now.is_none_or(|count| count > 4_000), "this needs 4,000 descriptors, it may have {now:?}");
}
