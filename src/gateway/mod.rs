//! The running gateway: the only sockets, tasks and clock.
//!
//! Not here: what is permitted (`policy`) and what a packet means for its connection (`enforce`). Read [`run`] first,
//! then `connection.rs` for one client's way from accept to the end, and `relay.rs` for that of a packet.

pub mod admin;
mod admission;
mod admit;
mod authenticate;
mod buffered;
mod build;
mod calendar;
mod census;
mod changes;
pub mod client;
mod connection;
mod detect;
mod far;
mod handshakes;
mod listener;
mod load;
mod prepare;
mod pressure;
mod proxied;
mod quarantine;
mod record;
mod relay;
mod reload;
mod scratch;
mod session;
mod shared;
mod socket;
mod sources;
#[cfg(test)]
mod tests;
mod transport;
mod upstream;
mod websocket;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::audit;
use crate::config::Settings;
use crate::metrics::MetricsError;
use crate::store;
pub use load::{Loaded, load};
pub use prepare::{Prepared, prepare};

use admin::Health;
use build::{Gateway, Kept};
use listener::Listener;
use reload::{Files, Reloader};
use shared::Word;
use sources::{spread_bans, write_sums};

/// What connections get to close after the last of them was told to.
const CLOSING: Duration = Duration::from_secs(3);

/// The least that quarantined messages get to be published once the last connection is gone.
const OUTBOX: Duration = Duration::from_secs(1);

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);

/// What the audit writer gets to write what is queued.
const AUDIT_FLUSH: Duration = Duration::from_secs(5);

/// What the writer of state gets to write what is new.
const STATE_FLUSH: Duration = Duration::from_secs(5);

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that can't be listened on.
    #[error("can't listen on {address} for `{name}`")]
    Bind {
        /// The listener's name, or `admin`.
        name: String,
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The audit file.
    #[error(transparent)]
    Audit(#[from] audit::OpenError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] store::OpenError),
    /// The metrics.
    #[error("metrics can't be made")]
    Metrics(#[from] MetricsError),
    /// The system refused something else that the gateway can't do without.
    #[error("{what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Runs the gateway until SIGTERM or SIGINT, and drains it then.
///
/// # Errors
/// When it can't start; once it runs, nothing stops it but a signal.
pub fn run(loaded: Loaded) -> Result<(), Error> {
    socket::raise_descriptor_limit();
    let (store, state) = store::open(&loaded.settings.state)?;
    let (audit, writer) = audit::open(&loaded.settings.audit)?;
    let kept = Kept { store, written: state.as_ref().map(store::Writer::written) };
    let result = start(loaded, audit, kept);
    if state.is_some_and(|state| !state.finish(STATE_FLUSH)) {
        tracing::error!(
            "state of the last moments is not on disk: signed messages of that time can be played once more"
        );
    }
    let totals = writer.finish(AUDIT_FLUSH);
    tracing::info!(audit_written = totals.written, audit_dropped = totals.dropped, "stopped");
    result
}

fn start(loaded: Loaded, audit: audit::Sink, kept: Kept) -> Result<(), Error> {
    let Loaded { settings, prepared, look } = loaded;
    let gateway = Gateway::build(&settings, prepared, audit, kept)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::System { what: "can't start the runtime", source })?;
    let result = runtime.block_on(serve(gateway, settings, Files::new(look)));
    // A server's name that is still being looked up is not awaited.
    runtime.shutdown_timeout(CLOSING);
    result
}

async fn serve(mut gateway: Gateway, settings: Settings, files: Files) -> Result<(), Error> {
    let mut signals = Signals::new().map_err(|source| Error::System { what: "can't catch signals", source })?;
    let listeners = gateway.ports.iter().map(|(port, address)| Listener::bind(Arc::clone(port), *address));
    let listeners: Vec<Listener> = listeners.collect::<Result<_, _>>()?;
    let _admin = gateway.serve_admin()?;

    let (words, heard) = watch::channel(Word::default());
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(listener.accept(Arc::clone(&gateway.shared), heard.clone(), alive.clone())))
        .collect();
    drop((alive, heard));
    gateway.shared.audit.send(audit::started(SystemTime::now())).await;
    for (port, _) in &gateway.ports {
        gateway.health.listening(&port.name, true);
    }
    gateway.shared.outboxes.start(settings.policy.quarantines());
    let heart = tokio::spawn(beat(Arc::clone(&gateway.health)));
    let words = Arc::new(words);
    let (stop_sums, sums_stop) = oneshot::channel();
    let sums = tokio::spawn(write_sums(Arc::clone(&gateway.shared), sums_stop));
    let bans = tokio::spawn(spread_bans(Arc::clone(&gateway.shared), Arc::clone(&words)));
    let process = Arc::clone(&gateway.process);
    let pressed = tokio::spawn(pressure::watch(Arc::clone(&gateway.shared), process, Arc::clone(&words)));
    let reloader = reloader(&mut gateway, settings, files, Arc::clone(&words));
    let reloading = tokio::spawn(reloader.run(Arc::clone(&signals.reload)));
    tracing::info!(listeners = accepting.len(), "ready");

    signals.wait_for_stop(&gateway.shared.audit).await;
    reloading.abort();
    let drain = gateway.shared.drain();
    let drained = Instant::now() + drain;
    tracing::info!(grace = ?drain, "stopping");
    gateway.health.drain();
    // Nobody listens where no connection was ever accepted and no listener is left.
    words.send_modify(|word| word.drain = Some(drained));
    for task in accepting {
        let _ = task.await;
    }
    let end = async {
        if timeout(drain + CLOSING, all_gone.recv()).await.is_err() {
            tracing::warn!("connections that did not end in time are cut");
        }
        gateway.shared.outboxes.finish(drained.max(Instant::now() + OUTBOX)).await;
    };
    tokio::select! {
        () = end => {}
        () = signals.wait_for_stop(&gateway.shared.audit) => tracing::warn!("stopped at once by a second signal"),
    }
    heart.abort();
    bans.abort();
    let _ = stop_sums.send(());
    let _ = timeout(AUDIT_FLUSH, sums).await;
    pressed.abort();
    // A queue that has no room by then gets none.
    let _ = timeout(AUDIT_FLUSH, gateway.shared.audit.send(audit::stopped(SystemTime::now()))).await;
    Ok(())
}

fn reloader(gateway: &mut Gateway, settings: Settings, files: Files, words: Arc<watch::Sender<Word>>) -> Reloader {
    let reloader = Reloader {
        settings,
        ports: gateway.ports.iter().map(|(port, _)| Arc::clone(port)).collect(),
        shared: Arc::clone(&gateway.shared),
        health: Arc::clone(&gateway.health),
        process: Arc::clone(&gateway.process),
        words,
        calendars: std::mem::take(&mut gateway.calendars),
        files,
        refused: None,
    };
    reloader.show_stale_lists();
    reloader
}

/// Shows that the data path's runtime still turns.
async fn beat(health: Arc<Health>) {
    let mut tick = tokio::time::interval(BEAT);
    loop {
        tick.tick().await;
        health.beat(Instant::now());
    }
}

/// What the operator says by signal.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Asks for a reload.
    reload: Arc<Notify>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            reload: Arc::default(),
        })
    }

    /// Waits for SIGTERM or SIGINT; SIGHUP meanwhile opens the audit file anew and asks for a reload.
    async fn wait_for_stop(&mut self, audit: &audit::Sink) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    audit.reopen();
                    self.reload.notify_one();
                }
            }
        }
    }
}
