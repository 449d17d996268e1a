//! What keeps strangers, and devices gone wrong, from wearing the gateway and its broker out.

use std::path::PathBuf;
use std::time::Duration;

use super::bounds::{HOUR, MILLI};
use crate::config::kinds::{File, count, duration, list, per, prefix, rate, seconds};
use crate::config::read::{Located, settings};
use crate::identity::Prefix;
use crate::rate::Rate;

settings! {
    /// How often what every client does may be done, before whoever does it more often is slowed down or shut out. All defaults are far above what a plant does, a restart of all its devices behind one address included. Rates for what clients publish are in the policy (`[[rate]]`).
    pub struct Protection {
        /// Connections from one address, before any cryptography; one more is closed. IPv6: from one /64.
        connections_per_address: Rate = per(5_000, seconds(10)), rate();
        /// Connections from addresses that share a prefix (`limits.ipv4_prefix_bits`, `limits.ipv6_prefix_bits`), before any cryptography; one more is closed.
        connections_per_prefix: Rate = per(20_000, seconds(10)), rate();
        /// Failed TLS handshakes from one address; at one more it is banned.
        failed_handshakes: Rate = per(300, seconds(60)), rate();
        /// Failed authentications from one address; at one more it is banned. Each makes the next answer slower, too: see `tarpit`. What a broker answers to passwords that are passed on to it counts, too.
        failed_authentications: Rate = per(120, seconds(60)), rate();
        /// Failed checks of a password, or questions to an authentication service that it denied, for one user name, wherever from: one more is refused unasked, but for whoever comes from an address where that name was good within the last day, which has a count of its own. No one is banned for it: anybody can claim a name.
        failed_authentications_per_name: Rate = per(120, seconds(60)), rate();
        /// Connections of one address that end with a malformed or illegal packet; at one more it is banned.
        malformed: Rate = per(120, seconds(60)), rate();
        /// Connections of one client that end within `flapping_within` of their begin; at one more it is refused until it has calmed down.
        flapping: Rate = per(1_200, seconds(60)), rate();
        /// A connection that ends sooner than this counts for `flapping`.
        flapping_within: Duration = seconds(10), duration(MILLI..=HOUR);
        /// Connections that end another one of the same Client Identifier, for one Client Identifier; one more is refused, and the one that is there stays.
        takeovers: Rate = per(60, seconds(60)), rate();
        /// Wills that one client leaves to be published, by ending without DISCONNECT; at one more it is refused until it has calmed down, or comes without a Will.
        wills: Rate = per(120, seconds(60)), rate();
        /// Topic Filters that one client subscribes to and unsubscribes from; a SUBSCRIBE with one more is refused with 0x97 (0x80 before 5.0), an UNSUBSCRIBE waits. All clients that are the same by name or, without one, by address have a hundred times as much together.
        subscriptions: Rate = per(100_000, seconds(60)), rate();
        /// Retained messages that one client publishes; one more is refused with 0x97. All clients that are the same by name or, without one, by address have a hundred times as much together.
        retained: Rate = per(100_000, seconds(60)), rate();
        /// QoS 2 messages of one client that it has not released yet; one more is refused with 0x97.
        max_open_qos2: usize = 1024, count(1..=65_535);
        /// How long an authentication that fails is answered later than it could be, for the first of an address; each doubles it. `0s` answers at once.
        tarpit: Duration = Duration::from_millis(250), duration(Duration::ZERO..=seconds(60));
        /// The longest of such waits.
        max_tarpit: Duration = seconds(8), duration(Duration::ZERO..=seconds(60));
        /// How long the first ban of an address or client lasts; each that follows within a day of the last one's end lasts twice as long.
        ban: Duration = seconds(60), duration(seconds(1)..=24 * HOUR);
        /// The longest ban.
        max_ban: Duration = HOUR, duration(seconds(1)..=30 * 24 * HOUR);
        /// Bytes in a second that a packet must come with once it has begun, on average, beyond `slow_after`; a slower one ends its connection. `0` asks for nothing but `deadlines.packet`.
        min_bytes_per_second: usize = 64, count(0..=1_000_000);
        /// How long a packet may take, whatever it comes with, before `min_bytes_per_second` counts: the longest that a poor line stands still.
        slow_after: Duration = seconds(20), duration(MILLI..=HOUR);
        /// TLS handshakes that may be computed at once, of the whole process; `0`: half as many as there are processors, at least one. More wait their turn: addresses from which a client was let in within a day come first, then handshakes that have begun. One that waits for its client takes no turn.
        max_handshakes: usize = 0, count(0..=1024);
        /// Handshakes that may wait for their turn, of the whole process; one more is closed, or one from an unknown address in place of one from a known.
        max_waiting_handshakes: usize = 4096, count(1..=1_000_000);
    }
}

settings! {
    /// Who may dial at all, by address: judged before anything else, and before any cryptography.
    pub(in crate::config) struct AddressesTable {
        /// Files with networks, one in a line, from which clients may connect; from no other. When none is given, from all.
        allow: Vec<Located<PathBuf>> = Vec::new(), list(File, 0..=64);
        /// Files with networks, one in a line, from which nobody may connect. These count before those that are allowed.
        deny: Vec<Located<PathBuf>> = Vec::new(), list(File, 0..=64);
        /// Networks that are never banned, and that no rate of connections counts: a load balancer without PROXY protocol, a scanner of one's own.
        exempt: Vec<Located<Prefix>> = Vec::new(), list(prefix(), 0..=1024);
    }
}

/// Who may dial at all, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Files with networks that may connect; where there is none, all may.
    pub allow: Vec<PathBuf>,
    /// Files with networks that may not.
    pub deny: Vec<PathBuf>,
    /// Networks that are never banned, and that no rate of connections counts.
    pub exempt: Vec<Prefix>,
}

impl AddressesTable {
    /// What it says.
    pub(in crate::config) fn said(&self) -> Addresses {
        let paths = |files: &[Located<PathBuf>]| files.iter().map(|file| file.value.clone()).collect();
        let exempt = self.exempt.iter().map(|prefix| prefix.value).collect();
        Addresses { allow: paths(&self.allow), deny: paths(&self.deny), exempt }
    }
}
