//! The kinds of load, each measured once per call on one subject.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::Result;
use crate::client::{Client, publish};
use crate::stub::Stub;
use crate::subject::Subject;

/// How clients publish.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as it goes; every write holds so many frames.
    FlatOut { frames_per_write: usize },
    /// As fast as it goes with so many unacknowledged per client; QoS 1.
    Windowed { in_flight: usize },
    /// One message at a time, so many a second over all clients; QoS 1 waits for its PUBACK.
    PerSecond(u32),
}

/// One message row.
pub(crate) struct Messages {
    pub(crate) qos: u8,
    pub(crate) payload_len: usize,
    pub(crate) pace: Pace,
    pub(crate) clients: usize,
    pub(crate) count: usize,
}

/// What one run of a message row gave.
#[derive(Default)]
pub(crate) struct Sample {
    /// CPU of the proxy per message; zero for the direct way.
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    /// From PUBLISH written to PUBACK read, sorted; of paced QoS 1 only.
    pub(crate) round_trips: Vec<Duration>,
}

impl Sample {
    /// Round trip at this share of all, in µs.
    pub(crate) fn round_trip_us(&self, share: f64) -> Option<f64> {
        let last = self.round_trips.len().checked_sub(1)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small count")]
        let place = (last as f64 * share) as usize;
        Some(self.round_trips[place].as_secs_f64() * 1e6)
    }
}

/// Where the clients connect: a subject, or the stub itself without TLS.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    Through(&'a Subject),
    Direct(SocketAddr),
}

impl Messages {
    /// A twentieth of the load to warm up, then the load.
    pub(crate) fn run(&self, way: Way<'_>, stub: &Stub, config: &Arc<ClientConfig>) -> Result<Sample> {
        let mut clients = (0..self.clients)
            .map(|n| match way {
                Way::Through(subject) => Client::connect(subject.plain, Some(config), &format!("load-{n}")),
                Way::Direct(address) => Client::connect(address, None, &format!("load-{n}")),
            })
            .collect::<Result<Vec<_>>>()?;
        self.load(&mut clients, self.count / 20, stub)?;
        let cpu = || match way {
            Way::Through(subject) => subject.cpu(),
            Way::Direct(_) => Ok(Duration::ZERO),
        };
        let before = cpu()?;
        let start = Instant::now();
        let mut round_trips = self.load(&mut clients, self.count, stub)?;
        let elapsed = start.elapsed();
        // The last thread's time is counted once it sleeps again.
        thread::sleep(Duration::from_millis(20));
        let used = cpu()? - before;
        round_trips.sort_unstable();
        for client in clients {
            client.close()?;
        }
        let count = self.count as f64;
        Ok(Sample { cpu_us: used.as_secs_f64() * 1e6 / count, per_second: count / elapsed.as_secs_f64(), round_trips })
    }

    /// Sends so many messages and waits until the stub has them all.
    fn load(&self, clients: &mut [Client], count: usize, stub: &Stub) -> Result<Vec<Duration>> {
        let until = stub.received() + u64::try_from(count)?;
        let mut round_trips = Vec::new();
        match self.pace {
            Pace::FlatOut { frames_per_write } => self.flat_out(clients, count, frames_per_write)?,
            Pace::Windowed { in_flight } => self.windowed(clients, count, in_flight)?,
            Pace::PerSecond(rate) => round_trips = self.paced(clients, count, rate)?,
        }
        let give_up = Instant::now() + Duration::from_secs(20);
        while stub.received() < until {
            if Instant::now() > give_up {
                return Err(format!("{} messages never reached the broker", until - stub.received()).into());
            }
            thread::sleep(Duration::from_micros(200));
        }
        Ok(round_trips)
    }

    fn flat_out(&self, clients: &mut [Client], count: usize, frames_per_write: usize) -> Result<()> {
        let frame = publish(self.qos, 1, self.payload_len);
        let frames = frame.repeat(frames_per_write);
        let (mut left, mut turn) = (count, 0);
        while left > 0 {
            let now = left.min(frames_per_write);
            let clients_len = clients.len();
            clients[turn % clients_len].send(&frames[..frame.len() * now])?;
            left -= now;
            turn += 1;
        }
        Ok(())
    }

    fn windowed(&self, clients: &mut [Client], count: usize, in_flight: usize) -> Result<()> {
        // Twice the window, so that no Packet Identifier comes back before its PUBACK.
        let frames =
            (1..=u16::try_from(2 * in_flight)?).map(|id| publish(self.qos, id, self.payload_len)).collect::<Vec<_>>();
        let share = count / clients.len();
        let totals = (0..clients.len()).map(|n| if n == 0 { count - share * (clients.len() - 1) } else { share });
        let mut states = totals.map(|total| (total, 0, 0)).collect::<Vec<_>>();
        let mut acks = [0; 4096];
        while states.iter().any(|&(total, _, acked_bytes)| acked_bytes < 4 * total) {
            for (client, (total, sent, acked_bytes)) in clients.iter_mut().zip(&mut states) {
                while *sent < *total && *sent - *acked_bytes / 4 < in_flight {
                    client.send(&frames[*sent % frames.len()])?;
                    *sent += 1;
                }
                if *acked_bytes < 4 * *sent {
                    *acked_bytes += client.receive(&mut acks)?;
                }
            }
        }
        Ok(())
    }

    fn paced(&self, clients: &mut [Client], count: usize, rate: u32) -> Result<Vec<Duration>> {
        let frame = publish(self.qos, 1, self.payload_len);
        let every = Duration::from_secs(1) / rate;
        let mut due = Instant::now();
        let mut round_trips = Vec::with_capacity(count);
        let clients_len = clients.len();
        for turn in 0..count {
            due += every;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let client = &mut clients[turn % clients_len];
            let sent = Instant::now();
            client.send(&frame)?;
            if self.qos == 1 {
                let mut ack = [0; 4];
                let mut got = 0;
                while got < ack.len() {
                    got += client.receive(&mut ack[got..])?;
                }
                round_trips.push(sent.elapsed());
            }
        }
        Ok(round_trips)
    }
}

/// CPU µs of the subject per connection made, used for a CONNECT, and closed.
pub(crate) fn handshakes(
    subject: &Subject,
    mutual: bool,
    resume: bool,
    count: usize,
    config: &Arc<ClientConfig>,
) -> Result<f64> {
    let address = if mutual { subject.mutual } else { subject.plain };
    let once = || -> Result<bool> {
        let client = Client::connect(address, Some(config), "handshake")?;
        let resumed = client.resumed();
        client.close()?;
        Ok(resumed)
    };
    once()?;
    thread::sleep(Duration::from_millis(20));
    let before = subject.cpu()?;
    for _ in 0..count {
        if once()? != resume {
            return Err(format!("{}: resumed is not {resume}", subject.kind.name()).into());
        }
    }
    thread::sleep(Duration::from_millis(50));
    Ok((subject.cpu()? - before).as_secs_f64() * 1e6 / count as f64)
}

/// Resident KiB of the subject per idle connection.
pub(crate) fn idle(subject: &Subject, mutual: bool, count: usize, config: &Arc<ClientConfig>) -> Result<f64> {
    let address = if mutual { subject.mutual } else { subject.plain };
    let connect = |from: usize, to: usize| -> Result<Vec<TcpStream>> {
        (from..to).map(|n| Ok(Client::connect(address, Some(config), &format!("idle-{n}"))?.into_socket())).collect()
    };
    drop(connect(0, 20)?);
    thread::sleep(Duration::from_millis(300));
    let before = subject.resident_kib()?;
    let half = count / 2;
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| connect(0, half));
        let second = connect(half, count);
        (first.join(), second)
    });
    let sockets = (first.map_err(|_| "a load thread panicked")??, second?);
    thread::sleep(Duration::from_millis(500));
    let after = subject.resident_kib()?;
    drop(sockets);
    Ok(after.saturating_sub(before) as f64 / count as f64)
}
