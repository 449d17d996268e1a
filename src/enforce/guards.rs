//! What one client may do in how long before it is a flood, whatever the policy says.
//!
//! Two buckets each: that of a client under its Client Identifier, and a larger one of all that are the same by who they
//! are, so that a plant which shares one user name or one address is no flood, and another Client Identifier each time is.
//! They are the store's, where there is one: neither another connection nor a reload resets them. Read
//! [`Standing::draw`] first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Terms;
use super::meter::{Counted, Excess};
use super::standing::Standing;
use crate::identity::{Identity, Who};
use crate::policy::{Denial, Key, Memory, Reason};
use crate::rate::{Bucket, Epoch, Rate, Tick};

/// How much more than one client all may do together that are the same by who they are.
const TOGETHER: u64 = 100;

/// How much of what every client does is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Topic Filters that one client subscribes to and unsubscribes from.
    pub subscriptions: Rate,
    /// Retained messages that one client publishes.
    pub retained: Rate,
    /// QoS 2 messages of one client that it has not released.
    pub max_open_qos2: usize,
    /// Bytes in a second that a begun packet comes with at least, on average, beyond [`Guards::slow_after`]; 0 asks for
    /// nothing.
    pub min_bytes_per_second: usize,
    /// How long a packet may take whatever it comes with.
    pub slow_after: Duration,
}

impl Default for Guards {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            subscriptions: Rate::new(100_000, minute),
            retained: Rate::new(100_000, minute),
            max_open_qos2: 1024,
            min_bytes_per_second: 64,
            slow_after: Duration::from_secs(20),
        }
    }
}

/// What is guarded against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Storms of SUBSCRIBE and UNSUBSCRIBE.
    Subscriptions,
    /// Floods of retained messages.
    Retained,
    /// QoS 2 messages that are never released.
    OpenQos2,
}

impl Guard {
    /// The setting that limits it: the rule that refusals name.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Subscriptions => "subscriptions",
            Self::Retained => "retained",
            Self::OpenQos2 => "max_open_qos2",
        }
    }

    pub(super) const fn denial(self) -> Denial {
        let reason = match self {
            Self::Subscriptions | Self::Retained => Reason::Rate,
            Self::OpenQos2 => Reason::Quota,
        };
        Denial::limit(self.setting(), reason)
    }
}

/// The buckets of one kind: the client's, and that of all who are the same by who they are.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    own: Arc<Bucket>,
    together: Arc<Bucket>,
}

/// The buckets that a connection has drawn from.
#[derive(Debug, Default)]
pub(super) struct Wells {
    subscriptions: Option<Drawn>,
    retained: Option<Drawn>,
}

impl Wells {
    fn of(&mut self, guard: Guard) -> &mut Option<Drawn> {
        match guard {
            Guard::Subscriptions => &mut self.subscriptions,
            Guard::Retained | Guard::OpenQos2 => &mut self.retained,
        }
    }
}

impl Drawn {
    fn new(guard: Guard, identity: &Identity, memory: Option<&dyn Memory>, now: Tick) -> Self {
        let Some(memory) = memory else { return Self { own: Arc::default(), together: Arc::default() } };
        let quick = |parts: &[&[u8]]| Key::quick(memory.keys(), parts);
        let setting = guard.setting().as_bytes();
        let of = |client_id: &[u8]| match identity.who() {
            Who::Client(name) => quick(&[b"protection", setting, b"name", name.as_bytes(), client_id]),
            Who::Address(network) => {
                let numbers = network.numbers().map(u64::to_be_bytes);
                quick(&[b"protection", setting, b"address", numbers.as_flattened(), client_id])
            }
        };
        let bucket = |kind: &[u8], whose| memory.bucket(quick(&[b"protection", setting, kind]), whose, now);
        let client_id = [b"/", identity.client_id.as_bytes()].concat();
        Self { own: bucket(b"own", of(&client_id)), together: bucket(b"together", of(b"")) }
    }

    fn take(&self, rate: &Rate, cost: u64, now: Tick) -> Result<(), Tick> {
        let burst = rate.burst().saturating_mul(TOGETHER);
        let all = Rate::new(rate.tokens().saturating_mul(TOGETHER), rate.per()).with_burst(burst);
        let looked = [(&self.own, rate), (&self.together, &all)];
        let full = looked.into_iter().filter_map(|(bucket, rate)| bucket.look(rate, cost, now).err());
        if let Some(until) = full.map(|wait| wait.0).max() {
            return Err(until);
        }
        self.own.take(rate, cost, now).and_then(|()| self.together.take(&all, cost, now)).map_err(|wait| wait.0)
    }
}

impl Standing {
    /// Counts so much of what is guarded against; it may go on, or wait, or be refused with what that says.
    pub(super) fn draw(&mut self, guard: Guard, terms: &Terms, cost: usize, now: Instant) -> Counted {
        let rate = match guard {
            Guard::Subscriptions => terms.guards.subscriptions,
            Guard::Retained => terms.guards.retained,
            Guard::OpenQos2 => return Counted::Pass,
        };
        let memory = terms.memory.as_deref();
        let epoch = memory.map_or(Epoch::new(self.began()), Memory::epoch);
        let now = epoch.tick(now);
        let well = self.wells.get_or_insert_default().of(guard);
        let drawn = well.get_or_insert_with(|| Drawn::new(guard, &self.identity, memory, now));
        match drawn.take(&rate, cost as u64, now) {
            Ok(()) => Counted::Pass,
            Err(until) => Counted::Wait(now.until(until), guard.denial()),
        }
    }
}

impl Counted {
    /// What does not wait is too much.
    pub(super) fn or_excess(self) -> Option<Excess> {
        match self {
            Self::Pass => None,
            Self::Wait(_, denial) => Some(Excess { denial, ban: None }),
            Self::Excess(excess) => Some(excess),
        }
    }
}
