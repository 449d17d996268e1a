//! Whether the gateway can work, and whether it should be given clients.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A failed dial says this long that the server is down. After that nobody knows: a gateway that gets no clients dials
/// nothing, and would never learn that the server is back.
const DOWN_FOR: Duration = Duration::from_secs(30);
/// The data path beats each second; silence for this long means that it hangs.
const BEAT_WITHIN: Duration = Duration::from_secs(15);

/// A moment in milliseconds since [`Health`] was made, plus one; 0: never.
type Moment = AtomicU64;

struct Listener {
    name: String,
    open: AtomicBool,
}

struct Broker {
    name: String,
    servers: Vec<(String, Arc<Server>)>,
}

struct Server {
    epoch: Instant,
    failed: Moment,
}

/// What the gateway knows of its own state: written by the data path, by atomics alone, and read by `/healthz` and
/// `/readyz`.
pub struct Health {
    epoch: Instant,
    draining: AtomicBool,
    beat: Moment,
    listeners: Vec<Listener>,
    brokers: Mutex<Vec<Broker>>,
}

/// Tells [`Health`] how dialling one server went. Cheap to clone.
#[derive(Clone)]
pub struct Reachability(Arc<Server>);

impl Reachability {
    /// A dial succeeded.
    pub fn up(&self) {
        self.0.failed.store(0, Ordering::Relaxed);
    }

    /// A dial failed.
    pub fn down(&self, now: Instant) {
        self.0.failed.store(moment(self.0.epoch, now), Ordering::Relaxed);
    }
}

impl Health {
    /// Nothing open yet, nothing known to be down; the same names as for [`crate::metrics::Metrics::new`].
    pub fn new<'n>(
        listeners: impl IntoIterator<Item = &'n str>,
        servers: impl IntoIterator<Item = (&'n str, &'n str)>,
    ) -> Self {
        let listener = |name: &str| Listener { name: name.to_owned(), open: AtomicBool::new(false) };
        let health = Self {
            epoch: Instant::now(),
            draining: AtomicBool::new(false),
            beat: Moment::new(0),
            listeners: listeners.into_iter().map(listener).collect(),
            brokers: Mutex::default(),
        };
        health.set_servers(servers);
        health
    }

    /// These are the brokers and their servers from now on; what is known of those that stay is kept.
    pub fn set_servers<'n>(&self, servers: impl IntoIterator<Item = (&'n str, &'n str)>) {
        let mut brokers: Vec<Broker> = Vec::new();
        for (name, server) in servers {
            let state = self.server(name, server).map(|Reachability(state)| state);
            let state = state.unwrap_or_else(|| Arc::new(Server { epoch: self.epoch, failed: Moment::new(0) }));
            let server = (server.to_owned(), state);
            match brokers.iter_mut().find(|broker| broker.name == name) {
                Some(broker) => broker.servers.push(server),
                None => brokers.push(Broker { name: name.to_owned(), servers: vec![server] }),
            }
        }
        *self.brokers() = brokers;
    }

    /// Replaced whole, so that what a panic left is whole too.
    fn brokers(&self) -> MutexGuard<'_, Vec<Broker>> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The listener of that name accepts connections, or no longer does.
    pub fn listening(&self, listener: &str, open: bool) {
        if let Some(listener) = self.listeners.iter().find(|known| known.name == listener) {
            listener.open.store(open, Ordering::Release);
        }
    }

    /// The handle of one server; ask once, at start or reload. `None` for a pair that was not given.
    pub fn server(&self, broker: &str, server: &str) -> Option<Reachability> {
        let brokers = self.brokers();
        let broker = brokers.iter().find(|known| known.name == broker)?;
        broker.servers.iter().find(|(known, _)| known == server).map(|(_, state)| Reachability(Arc::clone(state)))
    }

    /// The gateway ends: it is to be given no more clients.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// The data path is alive. Once it has beaten it is expected to go on, about each second.
    pub fn beat(&self, now: Instant) {
        self.beat.store(moment(self.epoch, now), Ordering::Relaxed);
    }

    /// Why the process can't work; empty when it can.
    pub fn unhealthy(&self, now: Instant) -> Vec<String> {
        match since(self.epoch, &self.beat, now) {
            Some(silent) if silent > BEAT_WITHIN => {
                vec![format!("the data path has been silent for {} s", silent.as_secs())]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Why no client should be sent here; empty when one may.
    pub fn unready(&self, now: Instant) -> Vec<String> {
        let mut reasons = self.unhealthy(now);
        if self.draining.load(Ordering::Acquire) {
            reasons.push("draining".to_owned());
        }
        let closed = self.listeners.iter().filter(|listener| !listener.open.load(Ordering::Acquire));
        reasons.extend(closed.map(|listener| format!("listener {} is not open", listener.name)));
        let is_down = |server: &Server| since(server.epoch, &server.failed, now).is_some_and(|since| since < DOWN_FOR);
        let brokers = self.brokers();
        let down = brokers.iter().filter(|broker| broker.servers.iter().all(|(_, server)| is_down(server)));
        reasons.extend(down.map(|broker| format!("no server of broker {} can be reached", broker.name)));
        reasons
    }
}

fn moment(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_millis()).unwrap_or(u64::MAX - 1).saturating_add(1)
}

fn since(epoch: Instant, moment: &Moment, now: Instant) -> Option<Duration> {
    let then = moment.load(Ordering::Relaxed).checked_sub(1)?;
    Some(now.saturating_duration_since(epoch).saturating_sub(Duration::from_millis(then)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(["field", "office"], [("plant", "a:1883"), ("plant", "b:1883"), ("cloud", "c:8883")])
    }

    #[test]
    fn ready_when_every_listener_is_open() {
        let (health, now) = (health(), Instant::now());
        assert_eq!(health.unready(now), ["listener field is not open", "listener office is not open"]);
        health.listening("field", true);
        health.listening("office", true);
        health.listening("unknown", false);
        assert!(health.unready(now).is_empty());
        health.listening("office", false);
        assert_eq!(health.unready(now), ["listener office is not open"]);
    }

    #[test]
    fn unready_while_every_server_of_a_broker_is_known_to_be_down() {
        let (health, now) =
            (Health::new([], [("plant", "a:1883"), ("plant", "b:1883"), ("cloud", "c:8883")]), Instant::now());
        let (first, second) = (health.server("plant", "a:1883").unwrap(), health.server("plant", "b:1883").unwrap());
        first.down(now);
        assert!(health.unready(now).is_empty(), "one of two");
        second.down(now);
        assert_eq!(health.unready(now), ["no server of broker plant can be reached"]);
        assert!(health.unhealthy(now).is_empty(), "restarting the gateway would not help");
        first.up();
        assert!(health.unready(now).is_empty());
        first.down(now);
        assert!(health.unready(now + DOWN_FOR).is_empty(), "nobody knows any more");
        assert!(health.server("plant", "c:8883").is_none());
    }

    #[test]
    fn what_is_known_of_a_server_outlives_a_change_of_others() {
        let (health, now) = (Health::new([], [("plant", "a:1883"), ("plant", "b:1883")]), Instant::now());
        health.server("plant", "a:1883").unwrap().down(now);
        health.set_servers([("plant", "a:1883"), ("cloud", "c:8883")]);
        assert_eq!(health.unready(now), ["no server of broker plant can be reached"]);
        assert!(health.server("plant", "b:1883").is_none());
        health.server("cloud", "c:8883").unwrap().down(now);
        assert_eq!(health.unready(now).len(), 2);
    }

    #[test]
    fn draining_is_unready_and_healthy() {
        let (health, now) = (Health::new([], []), Instant::now());
        health.drain();
        assert_eq!(health.unready(now), ["draining"]);
        assert!(health.unhealthy(now).is_empty());
    }

    #[test]
    fn a_data_path_that_stops_beating_is_unhealthy() {
        let (health, now) = (Health::new([], []), Instant::now());
        assert!(health.unhealthy(now + Duration::from_secs(3600)).is_empty(), "it never beat");
        health.beat(now);
        assert!(health.unhealthy(now + Duration::from_secs(14)).is_empty());
        assert_eq!(health.unhealthy(now + Duration::from_secs(20)), ["the data path has been silent for 20 s"]);
        assert_eq!(health.unready(now + Duration::from_secs(20)).len(), 1);
        health.beat(now + Duration::from_secs(20));
        assert!(health.unhealthy(now + Duration::from_secs(21)).is_empty());
    }
}
