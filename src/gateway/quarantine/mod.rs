//! Quarantined messages on their way: a bounded queue for each broker, and a connection of the gateway's own that
//! publishes them as envelopes.
//!
//! A client's connection hands over what it may not send and goes on; it never waits. The keeper, one task for each
//! broker, outlives every client and every reload. Not here: which messages come here (`enforce`) and what an envelope
//! holds (`envelope`). Read [`Outbox`] first, then [`keeper`].

mod keeper;
mod pauses;
mod queue;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::upstream::Upstream;
use crate::audit;
use crate::config::BrokerQuarantine;
use crate::enforce::{Quarantine, Quarantined};
use crate::envelope::{About, Envelope, Loss};
use crate::metrics::{Metrics, MetricsError, QuarantineMetrics};
use queue::{Offer, Queue};

/// A message that waits, and where it is to be published.
#[derive(Debug)]
pub(super) struct Held {
    held_at: Box<str>,
    envelope: Envelope,
    /// Connections that the broker ended before it had acknowledged it.
    tries: u8,
}

impl Held {
    fn bytes(&self) -> usize {
        self.held_at.len() + self.envelope.held_bytes()
    }
}

/// What a reload replaces.
struct Way {
    upstream: Arc<Upstream>,
    settings: BrokerQuarantine,
}

/// What waits to be published at one broker.
pub(super) struct Outbox {
    broker: Arc<str>,
    queue: Queue,
    way: ArcSwap<Way>,
    /// There is another way, or more to do.
    changed: Notify,
    /// The keeper is to end: at once when nothing waits, at this time at the latest.
    end: watch::Sender<Option<(Instant, Loss)>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// What came last had no room, and the log says so.
    is_full: AtomicBool,
    metrics: QuarantineMetrics,
    audit: audit::Sink,
}

impl Outbox {
    /// Takes a message over, if there is room. Never waits.
    pub(super) fn offer(self: &Arc<Self>, held: Quarantined, about: &About<'_>) -> Quarantine {
        let (held_at, envelope) = Envelope::new(held, about);
        let offer = self.queue.offer(Held { held_at, envelope, tries: 0 });
        match offer {
            Offer::Taken { waiting } => {
                self.is_full.store(false, Ordering::Relaxed);
                self.metrics.queued(waiting);
                self.start();
                Quarantine::Queued
            }
            Offer::TooLarge => Quarantine::TooLarge,
            Offer::Full => {
                if !self.is_full.swap(true, Ordering::Relaxed) {
                    let broker = &*self.broker;
                    tracing::warn!(broker, "the quarantine queue is full; messages are rejected and not quarantined");
                }
                Quarantine::Full
            }
        }
    }

    /// Opens the connection, if it was never.
    pub(super) fn start(self: &Arc<Self>) {
        let mut keeper = lock(&self.keeper);
        if keeper.is_none() {
            *keeper = Some(tokio::spawn(keeper::run(Arc::clone(self))));
        }
    }

    /// Has the keeper end.
    fn close(&self, by: Instant, loss: Loss) {
        self.end.send_replace(Some((by, loss)));
    }

    /// One is at the broker.
    fn published(&self, held: &Held) {
        self.metrics.published();
        self.metrics.queued(self.queue.done(held.bytes()));
    }

    /// One never will be.
    async fn lost(&self, held: &Held, loss: Loss) {
        self.metrics.lost(loss);
        self.metrics.queued(self.queue.done(held.bytes()));
        let record = audit::quarantine_lost(&self.broker, &held.envelope, loss.label(), SystemTime::now());
        self.audit.send(record).await;
    }
}

/// Those of every broker that a listener names.
#[derive(Default)]
pub(super) struct Outboxes(Mutex<BTreeMap<Arc<str>, Arc<Outbox>>>);

impl Outboxes {
    /// That of a broker, which from now on is reached so.
    ///
    /// # Errors
    /// Metrics that can't be made.
    pub(super) fn of(
        &self,
        upstream: &Arc<Upstream>,
        settings: &BrokerQuarantine,
        metrics: &Metrics,
        audit: &audit::Sink,
    ) -> Result<Arc<Outbox>, MetricsError> {
        let way = Way { upstream: Arc::clone(upstream), settings: settings.clone() };
        let mut all = lock(&self.0);
        if let Some(outbox) = all.get(&upstream.name) {
            if !Arc::ptr_eq(&outbox.way.load().upstream, upstream) {
                outbox.queue.rebound(settings.max_queued, settings.max_queued_bytes);
                outbox.way.store(Arc::new(way));
                outbox.changed.notify_one();
            }
            return Ok(Arc::clone(outbox));
        }
        let outbox = Arc::new(Outbox {
            broker: Arc::clone(&upstream.name),
            queue: Queue::new(settings.max_queued, settings.max_queued_bytes),
            way: ArcSwap::from_pointee(way),
            changed: Notify::new(),
            end: watch::Sender::new(None),
            keeper: Mutex::default(),
            is_full: AtomicBool::new(false),
            metrics: metrics.quarantine(&upstream.name)?,
            audit: audit.clone(),
        });
        all.insert(Arc::clone(&upstream.name), Arc::clone(&outbox));
        Ok(outbox)
    }

    /// Opens every connection, where rules quarantine: what can't be reached shows before it is needed.
    pub(super) fn start(&self, quarantines: bool) {
        if quarantines {
            lock(&self.0).values().for_each(|outbox| outbox.start());
        }
    }

    /// Those of other brokers end, at `by` at the latest.
    pub(super) fn keep(&self, brokers: &[&str], by: Instant) {
        lock(&self.0).retain(|broker, outbox| {
            let is_kept = brokers.contains(&&**broker);
            if !is_kept {
                outbox.close(by, Loss::BrokerRemoved);
            }
            is_kept
        });
    }

    /// Publishes what waits, until `by` at the latest, and ends.
    pub(super) async fn finish(&self, by: Instant) {
        let all = std::mem::take(&mut *lock(&self.0));
        all.values().for_each(|outbox| outbox.close(by, Loss::ShutDown));
        for outbox in all.values() {
            let keeper = lock(&outbox.keeper).take();
            if let Some(keeper) = keeper {
                // It keeps the time itself; what is left of it is to say goodbye.
                let _ = timeout_at((by + keeper::GOODBYE * 2).into(), keeper).await;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
