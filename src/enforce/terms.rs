//! What one listener imposes on its connections.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use super::guards::Guards;
use super::patches::Patches;
use crate::mqtt::{Limits, Version};
use crate::policy::{Memory, Policy, Shield};

/// Limits, deadlines and policy of one listener; shared by its connections, and replaced whole.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Bounds on single packets. A connection keeps those of its CONNECT: clients have been told of some of them, and a
    /// packet that is under way was begun by them.
    pub limits: Arc<Limits>,
    /// Protocol versions accepted.
    pub versions: Vec<Version>,
    /// The longest Keep Alive, in seconds. A 5.0 client that asks for more is told; a 3.x client can't be told and is
    /// held to it all the same.
    pub max_keep_alive: u16,
    /// What becomes of a Keep Alive of zero.
    pub zero_keep_alive: ZeroKeepAlive,
    /// PUBLISH packets above QoS 0 that a 5.0 client may have in flight; 1 or more.
    pub receive_maximum: u16,
    /// Topic Aliases in each direction (5.0).
    pub topic_alias_maximum: u16,
    /// Subscriptions of one connection.
    pub max_subscriptions: usize,
    /// A PUBLISH of more bytes is passed through in pieces, once its head is judged.
    pub stream_threshold_bytes: usize,
    /// A PUBLISH that must be judged whole and has more bytes is refused.
    pub max_buffered_bytes: usize,
    /// From the first byte of a packet to its last.
    pub packet_deadline: Duration,
    /// From CONNECT to CONNACK.
    pub connack_deadline: Duration,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// What of the protocol clients may make use of.
    pub shield: Arc<Shield>,
    /// What is too much, whatever the policy says.
    pub guards: Guards,
    /// Guards for single weaknesses of what is behind.
    pub patches: Patches,
    /// What rules remember beyond one connection; without it, rules that must remember deny.
    pub memory: Option<Arc<dyn Memory>>,
    /// Keys of the hashes by which subscriptions are counted.
    pub hash_keys: RandomState,
}

impl Terms {
    /// The documented defaults around these limits and this policy.
    #[must_use]
    pub fn new(limits: impl Into<Arc<Limits>>, policy: Arc<Policy>) -> Self {
        Self {
            limits: limits.into(),
            versions: vec![Version::V31, Version::V311, Version::V50],
            max_keep_alive: u16::MAX,
            zero_keep_alive: ZeroKeepAlive::Allow,
            receive_maximum: 1024,
            topic_alias_maximum: 256,
            max_subscriptions: 10_000,
            stream_threshold_bytes: 64 << 10,
            max_buffered_bytes: 2 << 20,
            packet_deadline: Duration::from_secs(60),
            connack_deadline: Duration::from_secs(10),
            policy,
            shield: Arc::default(),
            guards: Guards::default(),
            patches: Patches::default(),
            memory: None,
            hash_keys: RandomState::new(),
        }
    }

    /// The Keep Alive that is enforced where `asked` is asked for, in seconds; 0 is none.
    pub(super) fn keep_alive(&self, asked: u16) -> u16 {
        match (asked, self.zero_keep_alive) {
            (0, ZeroKeepAlive::Allow) => 0,
            (0, ZeroKeepAlive::Refuse | ZeroKeepAlive::Replace) => self.max_keep_alive,
            (1.., _) => asked.min(self.max_keep_alive),
        }
    }
}

/// What becomes of a Keep Alive of zero, which asks never to be ended for silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroKeepAlive {
    /// It is let be.
    #[default]
    Allow,
    /// CONNECT is refused.
    Refuse,
    /// It counts as the longest Keep Alive.
    Replace,
}
