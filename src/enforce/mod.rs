//! One Network Connection as a state machine: what to forward, answer, close and record.
//!
//! Bytes and time in, bytes and verdicts out; no socket, clock or log. Packets are judged in this order: form (`mqtt`),
//! direction and state (here), authority (`policy`). Nothing but whole permitted packets, or pieces of a PUBLISH whose
//! head is permitted, ever comes out.
//!
//! Read [`open`] first, then [`Connection::receive`]. `client` and `broker` hold what is particular to each sender,
//! `publish` what is common to both, `reply` what a refused peer is told.

mod alias;
mod authentication;
mod broker;
mod client;
mod connack;
pub mod end;
pub mod event;
mod exchange;
mod guards;
mod lowered;
mod meter;
mod open;
pub mod output;
mod pass;
pub mod patches;
mod publish;
mod quarantine;
mod reference;
mod refusal;
mod relay;
mod reply;
mod rewrite;
mod side;
mod standing;
mod subscribe;
mod subscriptions;
mod terms;
#[cfg(test)]
mod tests;
mod throttle;
mod weigh;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use end::{Blame, Cause, End, Violation};
pub use event::{Detail, Event, Kind, Quarantine, Rewrite, Text};
pub use guards::{Guard, Guards};
pub use open::{Accepted, Asking, At, Credentials, Opening, Refusal, open};
pub use output::{Counts, Onward, Output, Segment};
pub use quarantine::Quarantined;
pub use reference::reference;
pub use terms::{Terms, ZeroKeepAlive};

use crate::identity::Identity;
use crate::mqtt::property::Property;
use crate::mqtt::{Direction, Limits, Version, encode};
use crate::policy::Priority;
use authentication::Authentication;
use reply::Farewell;
use side::Side;
use standing::Standing;
use subscriptions::Subscriptions;

/// The state of one client, its broker, and what goes between them.
#[derive(Debug)]
pub struct Connection {
    terms: Arc<Terms>,
    /// Bounds on single packets: those of the CONNECT, for the life of the connection.
    limits: Arc<Limits>,
    standing: Box<Standing>,
    version: Version,
    phase: Phase,
    clean_start: bool,
    /// Seconds that CONNECT asked its session to outlive the connection by.
    session_expiry: u32,
    /// Seconds that the session may outlive the connection by, as CONNECT was let through (5.0).
    max_session_expiry: u32,
    /// The client may be told why in words (5.0).
    problem_information: bool,
    /// PINGREQ packets that await PINGRESP.
    pings: u32,
    /// How many of them, the first, have been answered in the broker's place.
    pings_answered: u32,
    /// Seconds; what the client asked for, and after CONNACK what is enforced. 0 is none.
    keep_alive: u16,
    authentication: Authentication,
    client: Side,
    broker: Side,
    subscriptions: Option<Box<Subscriptions>>,
    /// Until when a client with a full window waits for room.
    full_until: Option<Instant>,
    /// When the CONNACK is due, or the last whole packet of the client came.
    clock: Instant,
    /// When the client must go, however well it behaves.
    ends: Option<Instant>,
}

/// What the connection awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The broker's CONNACK; the client's packets wait for it.
    AwaitConnack,
    /// Anything.
    Connected,
}

/// What became of an `input`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of it that are done with. The rest is presented again, without [`Output::overtaken`], with more behind it; and
    /// at [`Connection::resumes`], where that says when, with or without.
    pub consumed: usize,
    /// The rest can't be judged yet, whatever comes behind it: do not read this side. Present it again, changed or not,
    /// after each `receive` from the other side.
    pub hold: bool,
}

impl Connection {
    /// Judges what `from` sent.
    ///
    /// `input` begins where the last call's [`Received::consumed`] ended. `out` is appended to.
    ///
    /// # Errors
    /// The connection ends, in good order or bad. What `out` holds is still to be written, to both sides; nothing of
    /// `input` beyond it.
    pub fn receive(&mut self, from: Direction, now: Instant, input: &[u8], out: &mut Output) -> Result<Received, End> {
        let (terms, limits) = (Arc::clone(&self.terms), Arc::clone(&self.limits));
        self.tell_news(out);
        let mut call = relay::Call { terms: &terms, limits: &limits, from, now, input, at: 0, out };
        self.relay(&mut call).inspect_err(|end| {
            let to_client = match from {
                Direction::FromClient => &mut call.out.back,
                Direction::FromBroker => {
                    let mut farewell = Vec::new();
                    self.farewell(end, &mut farewell);
                    call.out.onward.make(|bytes| bytes.extend_from_slice(&farewell));
                    return;
                }
            };
            self.farewell(end, to_client);
        })
    }

    /// The CONNECT is on its way to the broker: the time for CONNACK runs from `now`.
    pub fn dialled(&mut self, now: Instant) {
        if self.phase == Phase::AwaitConnack {
            self.clock = now + self.terms.connack_deadline;
        }
    }

    /// When [`Connection::on_deadline`] is to be called: the earliest of CONNACK, a started packet, one that comes too slowly, a client that waits
    /// for room in its window, and one and a half times the Keep Alive.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let packet = self.terms.packet_deadline;
        let started = [self.client.started(), self.broker.started()];
        let started = started.into_iter().flatten().map(|at| at + packet).chain(self.client.slow_at);
        started.chain(self.waiting_until()).chain(self.full_until).chain(self.ends).min()
    }

    /// Ends the connection if something is overdue.
    ///
    /// # Errors
    /// The end; `out.back` is for the client.
    pub fn on_deadline(&mut self, now: Instant, out: &mut Output) -> Result<(), End> {
        self.overdue(now).map_or(Ok(()), |end| {
            self.farewell(&end, &mut out.back);
            Err(end)
        })
    }

    /// When the client must go, however well it behaves: [`Connection::on_deadline`] is to be called then, even while
    /// the client is not read.
    #[must_use]
    pub fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Whether time changes what the client may do: then [`Connection::set_time`] goes before each `receive`.
    #[must_use]
    pub fn watches_the_clock(&self) -> bool {
        self.standing.authority.watches_the_clock()
    }

    /// Says what time it is, in milliseconds since 1970.
    pub fn set_time(&mut self, unix_millis: i64) {
        self.standing.authority.set_time(unix_millis);
    }

    /// Puts other terms in force, and judges by them whether the client may stay. `out.back` is for the client.
    ///
    /// Exchanges, aliases and subscriptions go on; so do the bounds on single packets and all that CONNACK told, which
    /// are those of the CONNECT until the connection ends. Another policy judges the CONNECT and its Will again: what
    /// that says, not when it was said. `at.ends` can only bring nearer when the client must go.
    ///
    /// # Errors
    /// It may not.
    pub fn adopt(&mut self, at: At, terms: &Arc<Terms>, out: &mut Output) -> Result<(), End> {
        self.tell_news(out);
        self.terms = Arc::clone(terms);
        self.ask_again(at.now);
        let judged = self.standing.adopt(terms, at);
        self.ends = self.standing.ends();
        judged.map_err(|end| self.ended(end, out))?;
        self.tell_news(out);
        Ok(())
    }

    /// The peer on this side is gone, without a word. `out.back` is for the client.
    #[must_use]
    pub fn lost(&mut self, side: Direction, out: &mut Output) -> End {
        let cause = match side {
            Direction::FromClient => Cause::ClientLost,
            Direction::FromBroker => Cause::BrokerLost,
        };
        self.ended(End::new(cause, side.into()), out)
    }

    /// The peer on this side broke what carries MQTT. `out.back` is for the client.
    #[must_use]
    pub fn broken(&mut self, side: Direction, cause: Cause, out: &mut Output) -> End {
        self.ended(End::new(cause, side.into()), out)
    }

    /// The peer on this side takes nothing of what is written to it. `out.back` is for the client.
    #[must_use]
    pub fn stalled(&mut self, side: Direction, out: &mut Output) -> End {
        self.ended(End::new(Cause::WriteDeadline, side.into()), out)
    }

    /// The client is not read, because the broker has not taken what came before: neither its silence nor the time that
    /// its unfinished packet takes is its own.
    pub fn client_not_read(&mut self, now: Instant) {
        if self.phase == Phase::Connected {
            self.clock = now;
        }
        if let Some(started) = &mut self.client.started {
            let rested = now.saturating_duration_since(*started);
            self.client.slow_at = self.client.slow_at.map(|at| at + rested);
            *started = now;
        }
    }

    /// Ends the connection by the gateway's own will. `out.back` is for the client.
    #[must_use]
    pub fn close(&mut self, cause: Cause, out: &mut Output) -> End {
        let blame = match cause {
            Cause::BrokerUnreachable => Blame::Broker,
            Cause::ClientDisconnect
            | Cause::BrokerDisconnect
            | Cause::ClientLost
            | Cause::BrokerLost
            | Cause::Tls
            | Cause::WebSocket
            | Cause::RefusedByBroker
            | Cause::Malformed(_)
            | Cause::Illegal(_)
            | Cause::Version
            | Cause::Refused(_)
            | Cause::FilterRefused(_)
            | Cause::KeepAliveZero
            | Cause::KeepAlive
            | Cause::PacketDeadline
            | Cause::ConnectDeadline
            | Cause::ConnackDeadline
            | Cause::WriteDeadline
            | Cause::Expired
            | Cause::CertificateRevoked
            | Cause::CredentialsRevoked
            | Cause::ShutDown
            | Cause::Overload => Blame::Gateway,
        };
        self.ended(End::new(cause, blame), out)
    }

    /// An end without an input: its last packet is for the client.
    fn ended(&mut self, end: End, out: &mut Output) -> End {
        self.tell_news(out);
        self.farewell(&end, &mut out.back);
        end
    }

    /// Whether nothing is open: no exchange, and no packet in the middle, either way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.client.is_quiet() && self.broker.is_quiet()
    }

    /// How long the client is served when the gateway runs short.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.standing.authority.priority()
    }

    /// Who the client is, Client Identifier and user name included.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.standing.identity
    }

    /// The protocol version that CONNECT settled.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// What the listener imposes.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    fn side(&self, side: Direction) -> &Side {
        match side {
            Direction::FromClient => &self.client,
            Direction::FromBroker => &self.broker,
        }
    }

    fn side_mut(&mut self, side: Direction) -> &mut Side {
        match side {
            Direction::FromClient => &mut self.client,
            Direction::FromBroker => &mut self.broker,
        }
    }

    /// CONNACK or Keep Alive. The latter rests while the client is not read, and while a large PUBLISH is passed
    /// through, which has its own deadline.
    fn waiting_until(&self) -> Option<Instant> {
        match (self.phase, self.keep_alive) {
            (Phase::AwaitConnack, _) => Some(self.clock),
            (Phase::Connected, 0) => None,
            (Phase::Connected, _) if self.client.is_held() || self.client.is_streaming() => None,
            (Phase::Connected, seconds) => Some(self.clock + Duration::from_millis(u64::from(seconds) * 1500)),
        }
    }

    fn overdue(&self, now: Instant) -> Option<End> {
        // First: it is asked for while the client is not read, when the rest counts for nothing.
        if self.ends.is_some_and(|at| at <= now) {
            return Some(End::new(Cause::Expired, Blame::Gateway));
        }
        let late = |at: Option<Instant>| at.is_some_and(|at| at + self.terms.packet_deadline <= now);
        if self.waiting_until().is_some_and(|at| at <= now) {
            return Some(match self.phase {
                Phase::AwaitConnack => End::new(Cause::ConnackDeadline, Blame::Broker),
                Phase::Connected => {
                    End { statement: self.keep_alive_statement(), ..End::new(Cause::KeepAlive, Blame::Client) }
                }
            });
        }
        if self.full_until.is_some_and(|at| at <= now) {
            return Some(self.illegal(Violation::ReceiveMaximum, Direction::FromClient));
        }
        if self.client.slow_at.is_some_and(|at| at <= now) {
            return Some(End::refused(Cause::PacketDeadline, "min_bytes_per_second"));
        }
        let blame = match (late(self.client.started()), late(self.broker.started())) {
            (true, _) => Blame::Client,
            (false, true) => Blame::Broker,
            (false, false) => return None,
        };
        Some(End::new(Cause::PacketDeadline, blame))
    }

    fn keep_alive_statement(&self) -> Option<&'static str> {
        match self.version {
            Version::V31 => None,
            Version::V311 => Some("[MQTT-3.1.2-24]"),
            Version::V50 => Some("[MQTT-3.1.2-22]"),
        }
    }

    /// The last packet to the client, unless it is in the middle of another one.
    fn farewell(&self, end: &End, to_client: &mut Vec<u8>) {
        if self.broker.is_forwarding() {
            return;
        }
        let farewell = match self.phase {
            Phase::AwaitConnack => reply::before_connack(self.version, end),
            Phase::Connected => reply::after_connack(self.version, end),
        };
        let words = end.rule.as_ref().and_then(|rule| self.explanation(Direction::FromClient, rule.as_str()));
        let start = to_client.len();
        write_farewell(self.version, farewell, words.as_deref(), to_client);
        if self.is_too_large(Direction::FromClient, to_client.len() - start) {
            to_client.truncate(start);
            write_farewell(self.version, farewell, None, to_client);
        }
    }
}

fn write_farewell(version: Version, farewell: Farewell, words: Option<&str>, to_client: &mut Vec<u8>) {
    match farewell {
        Farewell::Silence => {}
        Farewell::ConnAck(code) => {
            encode::connack(version, false, code, words.map(Property::ReasonString), to_client);
        }
        Farewell::Disconnect(code) => encode::disconnect(code, words.map(Property::ReasonString), to_client),
    }
}
