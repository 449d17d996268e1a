//! Which rows, how often, in which order, and their targets.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ClientConfig;
use tempfile::TempDir;

use crate::cores::Cores;
use crate::pki::Pki;
use crate::report::{Row, Spread, Target, table};
use crate::stub::Stub;
use crate::subject::{Kind, Subject};
use crate::work::{Messages, Pace, Sample, Way, handshakes, idle};
use crate::{Result, tls};

/// What one run does.
pub(crate) struct Plan {
    quick: bool,
    rounds: Option<usize>,
    json: bool,
    only: Option<String>,
    kinds: Vec<Kind>,
    cores: Cores,
}

/// What the rows run on.
struct Bench {
    plan: Plan,
    pki: Pki,
    stub: Stub,
    subjects: Vec<Subject>,
    full: Arc<ClientConfig>,
    mutual: Arc<ClientConfig>,
    rows: Vec<Row>,
    // Dropped last: the subjects' files lie in it.
    _folder: TempDir,
}

const CPU: &str = "CPU µs per message";
const RATE: &str = "messages per second";
const LATENCY: &str = "added µs, QoS 1 round trip, 256 B, 3,000/s";
const CONNECT: &str = "CPU µs per connect, CONNECT, close";
const MEMORY: &str = "KiB resident per idle connection";

const FLAT_OUT: Target = Target { of_relay: Some(1.05), of_haproxy: Some(1.05), of_permit_all: GRANTS, ..INSPECTED };
const BATCHED: Target = Target { of_relay: Some(1.05), of_haproxy: Some(0.40), of_permit_all: GRANTS, ..INSPECTED };
const PACED: Target = Target { of_relay: Some(1.05), of_haproxy: Some(0.80), of_permit_all: GRANTS, ..INSPECTED };
const NO_WORSE: Target = Target { of_haproxy: Some(1.0), ..NONE };
const NONE: Target =
    Target { of_relay: None, of_haproxy: None, of_permit_all: None, at_most: None, inspection_adds: None };
const INSPECTED: Target = Target { inspection_adds: Some(0.5), ..NONE };
const GRANTS: Option<f64> = Some(1.05);

/// The message rows: name, QoS, payload, pace, messages per round, target.
const MESSAGES: [(&str, u8, usize, Pace, usize, Target); 7] = [
    ("QoS 0, 64 B, flat out", 0, 64, ONE_PER_WRITE, 40_000, FLAT_OUT),
    ("QoS 0, 256 B, flat out", 0, 256, ONE_PER_WRITE, 40_000, FLAT_OUT),
    ("QoS 0, 64 B, 16 frames per record", 0, 64, MANY_PER_WRITE, 320_000, BATCHED),
    ("QoS 0, 4 KiB, 16 frames per write", 0, 4096, MANY_PER_WRITE, 30_000, BATCHED),
    ("QoS 1, 64 B, flat out, 32 in flight", 1, 64, Pace::Windowed { in_flight: 32 }, 30_000, FLAT_OUT),
    ("QoS 0, 256 B, 3,000 per second", 0, 256, Pace::PerSecond(3000), 1200, PACED),
    (PACED_QOS_1, 1, 256, Pace::PerSecond(3000), 1200, PACED),
];
const PACED_QOS_1: &str = "QoS 1, 256 B, 3,000 per second";
const ONE_PER_WRITE: Pace = Pace::FlatOut { frames_per_write: 1 };
const MANY_PER_WRITE: Pace = Pace::FlatOut { frames_per_write: 16 };

impl Plan {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut plan = Self {
            quick: false,
            rounds: None,
            json: false,
            only: None,
            kinds: Kind::ALL.to_vec(),
            cores: Cores::Shared,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--quick" => plan.quick = true,
                "--json" => plan.json = true,
                "--cores-apart" => plan.cores = Cores::Apart,
                "--rounds" => plan.rounds = Some(arguments.next().ok_or("--rounds NUMBER")?.parse()?),
                "--only" => plan.only = Some(arguments.next().ok_or("--only TEXT")?.clone()),
                "--subjects" => {
                    let named = arguments.next().ok_or("--subjects relay,haproxy,tidegate,granted,inspected")?;
                    plan.kinds.retain(|kind| named.contains(&format!("{kind:?}").to_lowercase()));
                }
                other => {
                    return Err(format!("`{other}`: --quick, --rounds N, --json, --only TEXT, --subjects LIST").into());
                }
            }
        }
        plan.kinds.retain(|kind| kind.is_installed());
        Ok(plan)
    }

    pub(crate) fn run(self) -> Result<()> {
        let mut descriptors = getrlimit(Resource::Nofile);
        descriptors.current = descriptors.maximum;
        setrlimit(Resource::Nofile, Rlimit { ..descriptors })?;
        let mut bench = Bench::start(self)?;
        bench.messages()?;
        bench.connects()?;
        bench.memory()?;
        bench.report()
    }

    fn wants(&self, group: &str, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| group.contains(only.as_str()) || name.contains(only.as_str()))
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 5 } else { 15 })
    }
}

impl Bench {
    fn start(plan: Plan) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let pki = Pki::make(folder.path())?;
        plan.cores.keep_load_apart()?;
        let stub = Stub::start()?;
        let full = tls::client(&pki, false, false)?;
        let mutual = tls::client(&pki, true, false)?;
        let mut subjects = Vec::new();
        for kind in &plan.kinds {
            subjects.push(Subject::start(*kind, &pki, stub.listen()?, &mutual, plan.cores)?);
        }
        Ok(Self { plan, pki, stub, subjects, full, mutual, rows: Vec::new(), _folder: folder })
    }

    /// Every message row, the subjects in turn within each round.
    fn messages(&mut self) -> Result<()> {
        let direct = self.stub.listen()?;
        let mut rates = Vec::new();
        let mut latencies = Vec::new();
        for (name, qos, payload_len, pace, count, target) in MESSAGES {
            if !self.plan.wants(CPU, name) {
                continue;
            }
            let (count, clients) = (if self.plan.quick { count / 3 } else { count }, clients_for(pace));
            let load = Messages { qos, payload_len, pace, clients, count };
            let mut cpu = Row::new(CPU, name, target);
            let mut rate = Row::new(RATE, name, NONE);
            let mut latency = [Latency::new("p50", 0.5), Latency::new("p99", 0.99)];
            for _ in 0..self.plan.rounds() {
                if name == PACED_QOS_1 {
                    let sample = load.run(Way::Direct(direct), &self.stub, &self.full)?;
                    latency.iter_mut().for_each(|latency| latency.add_direct(&sample));
                }
                for subject in &self.subjects {
                    let sample = load.run(Way::Through(subject), &self.stub, &self.full)?;
                    cpu.add(subject.kind, sample.cpu_us);
                    rate.add(subject.kind, sample.per_second);
                    latency.iter_mut().for_each(|latency| latency.add(subject.kind, &sample));
                }
            }
            self.rows.push(cpu);
            rates.push(rate);
            if name == PACED_QOS_1 {
                latencies.extend(latency.map(Latency::finish));
            }
        }
        self.rows.append(&mut rates);
        self.rows.append(&mut latencies);
        Ok(())
    }

    fn connects(&mut self) -> Result<()> {
        let count = if self.plan.quick { 25 } else { 80 };
        let at_most_haproxy = Target { of_haproxy: Some(0.3), ..NONE };
        for (name, mutual, resume, target) in [
            ("TLS 1.3, full", false, false, NONE),
            ("mTLS (P-256), full", true, false, at_most_haproxy),
            ("mTLS (P-256), resumed", true, true, NONE),
        ] {
            if !self.plan.wants(CONNECT, name) {
                continue;
            }
            let mut row = Row::new(CONNECT, name, target);
            for _ in 0..self.plan.rounds() {
                for subject in &self.subjects {
                    let config = tls::client(&self.pki, mutual, resume)?;
                    row.add(subject.kind, handshakes(subject, mutual, resume, count, &config)?);
                }
            }
            self.rows.push(row);
        }
        Ok(())
    }

    /// A fresh process for each figure: memory remembers what came before.
    fn memory(&mut self) -> Result<()> {
        let count = if self.plan.quick { 1000 } else { 5000 };
        for (name, mutual, at_most) in [("TLS", false, None), ("mTLS", true, Some(8.0))] {
            let name = format!("{name}, {count} connections");
            if !self.plan.wants(MEMORY, &name) {
                continue;
            }
            let mut row = Row::new(MEMORY, name, Target { at_most, ..NONE });
            let config = if mutual { &self.mutual } else { &self.full };
            for kind in &self.plan.kinds {
                let subject = Subject::start(*kind, &self.pki, self.stub.listen()?, &self.mutual, self.plan.cores)?;
                row.add(*kind, idle(&subject, mutual, count, config)?);
            }
            self.rows.push(row);
        }
        Ok(())
    }

    fn report(mut self) -> Result<()> {
        for row in &mut self.rows {
            row.finish();
        }
        if self.plan.json {
            println!("{}", serde_json::to_string_pretty(&self.rows)?);
            return Ok(());
        }
        print!("{}", table(&self.rows));
        let missed = self.rows.iter().filter(|row| row.missed()).count();
        println!(
            "\n{missed} targets missed; figures are medians of {} rounds, ratios the medians of each round's",
            self.plan.rounds()
        );
        Ok(())
    }
}

/// Round trips at one share of all, and what they are straight to the stub.
struct Latency {
    share: f64,
    row: Row,
    direct: Vec<f64>,
}

impl Latency {
    fn new(name: &'static str, share: f64) -> Self {
        Self { share, row: Row::new(LATENCY, name, NO_WORSE), direct: Vec::new() }
    }

    fn add_direct(&mut self, sample: &Sample) {
        self.direct.extend(sample.round_trip_us(self.share));
    }

    fn add(&mut self, kind: Kind, sample: &Sample) {
        if let Some(figure) = sample.round_trip_us(self.share) {
            self.row.add(kind, figure);
        }
    }

    /// The row of what each subject adds to the direct way's median.
    fn finish(mut self) -> Row {
        if let Some(direct) = Spread::of(self.direct.into_iter()) {
            self.row.rounds.iter_mut().flatten().for_each(|figure| *figure -= direct.median);
        }
        self.row
    }
}

/// Few busy clients flat out; paced, each message comes from another one.
fn clients_for(pace: Pace) -> usize {
    match pace {
        Pace::FlatOut { .. } | Pace::Windowed { .. } => 4,
        Pace::PerSecond(_) => 10,
    }
}
