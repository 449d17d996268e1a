//! What each record holds. Pure: the time comes in, a line comes out.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;

use super::line::{Line, Record};
use crate::enforce::end::End;
use crate::enforce::event::{Detail, Event, Kind, Quarantine};
use crate::enforce::output::Counts;
use crate::envelope::Envelope;
use crate::identity::{Identity, Method, Network, Who};
use crate::mqtt::{Direction, Version};

/// Which connection a record is about.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionContext<'a> {
    /// Its number; no other connection of the run has it.
    pub number: u64,
    /// The client, as far as it is known: listener and address always, Client Identifier and user name from CONNECT on.
    pub identity: &'a Identity,
    /// The version that CONNECT settled.
    pub version: Option<Version>,
    /// The server that was dialled, as the settings name it.
    pub server: Option<&'a str>,
    /// Version of the policy in force.
    pub policy: &'a str,
}

/// What went through one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Control Packets of the client.
    pub client_packets: u64,
    /// Their bytes.
    pub client_bytes: u64,
    /// Control Packets of the broker.
    pub broker_packets: u64,
    /// Their bytes.
    pub broker_bytes: u64,
}

impl Traffic {
    /// Adds what one call of the state machine counted.
    pub fn add(&mut self, from: Direction, counts: &Counts) {
        let packets = counts.packets.iter().copied().map(u64::from).sum::<u64>();
        let bytes = counts.bytes.iter().sum::<u64>();
        match from {
            Direction::FromClient => {
                self.client_packets += packets;
                self.client_bytes += bytes;
            }
            Direction::FromBroker => {
                self.broker_packets += packets;
                self.broker_bytes += bytes;
            }
        }
    }
}

/// The gateway starts; the first record of each run.
pub fn started(time: SystemTime) -> Record {
    let mut line = Line::new(time, "started");
    line.text("program", env!("CARGO_PKG_VERSION"));
    line.finish()
}

/// The gateway ends in good order; the last record of such a run.
pub fn stopped(time: SystemTime) -> Record {
    Line::new(time, "stopped").finish()
}

/// What was read anew is in force; versions of the policy are those since and before.
pub fn reloaded(by: &'static str, policy: &str, before: &str, verdicts: (u64, u64), time: SystemTime) -> Record {
    let mut line = Line::new(time, "reloaded");
    line.text("policy", policy);
    line.text("policy_before", before);
    line.text("by", by);
    counted(&mut line, verdicts);
    line.finish()
}

/// What was read anew has so many problems, of which the first is told.
pub fn reload_refused(by: &'static str, problems: usize, first: &str, time: SystemTime) -> Record {
    let mut line = Line::new(time, "reload_refused");
    line.text("by", by);
    line.number("problems", u64::try_from(problems).unwrap_or(u64::MAX));
    line.text("problem", first);
    line.finish()
}

/// A revocation list that lets nobody in any more is stale: connections were judged again.
pub fn rejudged(verdicts: (u64, u64), time: SystemTime) -> Record {
    let mut line = Line::new(time, "rejudged");
    line.text("reason", STALE_LIST);
    counted(&mut line, verdicts);
    line.finish()
}

/// The gateway does without something else than before, for want of `scarce`, of which so much is used.
pub fn pressure(levels: (&'static str, &'static str), scarce: &'static str, percent: u32, time: SystemTime) -> Record {
    let mut line = Line::new(time, "pressure");
    line.text("level", levels.0);
    line.text("level_before", levels.1);
    line.text("scarce", scarce);
    line.number("percent", u64::from(percent));
    line.finish()
}

/// Why connections are judged again though nothing was read.
pub(super) const STALE_LIST: &str = "revocation_list_stale";

fn counted(line: &mut Line, (kept, ended): (u64, u64)) {
    line.number("connections_kept", kept);
    line.number("connections_ended", ended);
}

/// A connection was refused at accept.
pub const NOT_ACCEPTED: &str = "not_accepted";

/// A handshake failed.
pub const HANDSHAKE_FAILED: &str = "handshake_failed";

/// A connection was refused at accept, before anything of it was read.
pub fn not_accepted(listener: &str, peer: SocketAddr, reason: &'static str, time: SystemTime) -> Record {
    let mut line = Line::new(time, NOT_ACCEPTED);
    line.text("listener", listener);
    line.display("peer", peer);
    line.text("reason", reason);
    line.finish()
}

/// A TLS or WebSocket handshake failed or took too long; that connection has no other record.
pub fn handshake_failed(
    connection: u64,
    listener: &str,
    peer: SocketAddr,
    reason: &'static str,
    time: SystemTime,
) -> Record {
    let mut line = Line::new(time, HANDSHAKE_FAILED);
    line.number("connection", connection);
    line.text("listener", listener);
    line.display("peer", peer);
    line.text("reason", reason);
    line.finish()
}

/// What `event` tells of has happened so often more; where it came from, if all of it came from there.
pub fn summed(
    event: &'static str,
    listener: &str,
    from: Option<Network>,
    reason: &'static str,
    count: u64,
    time: SystemTime,
) -> Record {
    let mut line = Line::new(time, event);
    line.text("listener", listener);
    if let Some(from) = from {
        line.display("peer", from);
    }
    line.text("reason", reason);
    line.number("count", count);
    line.finish()
}

/// A ban.
#[derive(Clone, Copy, Debug)]
pub struct BanContext<'a> {
    /// The listener where it was earned.
    pub listener: &'a str,
    /// Who is banned.
    pub who: Who<'a>,
    /// What for.
    pub reason: &'static str,
    /// Id of the rule, or name of the setting.
    pub rule: &'a str,
    /// Which one of its bans it is.
    pub strike: u16,
    /// How long it lasts.
    pub lasts: Duration,
}

/// Somebody is shut out.
pub fn banned(about: &BanContext<'_>, time: SystemTime) -> Record {
    let mut line = Line::new(time, "banned");
    line.text("listener", about.listener);
    match about.who {
        Who::Address(network) => line.display("peer", network),
        Who::Client(name) => line.text("identity", name),
    }
    line.text("reason", about.reason);
    line.text("rule", about.rule);
    line.number("strike", u64::from(about.strike));
    line.number("ban_seconds", about.lasts.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
    line.finish()
}

/// An address did something too often, and is not banned for it.
pub fn spared(listener: &str, peer: SocketAddr, reason: &'static str, time: SystemTime) -> Record {
    let mut line = Line::new(time, "spared");
    line.text("listener", listener);
    line.display("peer", peer);
    line.text("reason", reason);
    line.finish()
}

/// A message that was quarantined will never be at the quarantine topic.
pub fn quarantine_lost(broker: &str, envelope: &Envelope, reason: &'static str, time: SystemTime) -> Record {
    let mut line = Line::new(time, "quarantine_lost");
    line.number("connection", envelope.connection);
    line.text("listener", &*envelope.listener);
    line.text("client_id", Some(&*envelope.client_id).filter(|id| !id.is_empty()));
    line.text("identity", envelope.identity.as_deref());
    line.text("broker", broker);
    line.text("direction", direction(envelope.direction));
    line.text("topic", &*envelope.topic);
    line.text("reason", reason);
    line.text("rule", &*envelope.rule);
    line.text("policy", &*envelope.policy);
    line.finish()
}

/// A packet, or one Topic Filter of it, was refused, went on changed, or would have been refused.
pub fn record(context: &ConnectionContext<'_>, event: &Event, time: SystemTime) -> Record {
    let mut line = connection_line(context, event.kind.label(), time);
    line.text("direction", direction(event.direction));
    line.text("packet", event.packet_type.name());
    if let Some(topic) = &event.topic {
        line.bounded("topic", topic);
    }
    line.text("reason", event.kind.reason_label());
    let detail = match &event.kind {
        Kind::Refused { rule, on_deny, quarantine, detail, reason: _ } => {
            line.text("on_deny", on_deny.label());
            line.text("quarantine", quarantine.map(Quarantine::label));
            line.bounded("rule", rule);
            detail.as_deref()
        }
        Kind::Observed { rule, on_deny, detail, reason: _ } => {
            line.text("on_deny", on_deny.label());
            line.bounded("rule", rule);
            detail.as_deref()
        }
        Kind::Rewritten(_) => None,
        Kind::Throttled { rule } => {
            line.bounded("rule", rule);
            None
        }
    };
    line.text("policy", &*event.policy_version);
    detailed(&mut line, detail);
    line.finish()
}

/// A connection ended, or its CONNECT was refused: once for each connection whose handshake succeeded.
pub fn ended(
    context: &ConnectionContext<'_>,
    end: &End,
    traffic: &Traffic,
    duration: Duration,
    time: SystemTime,
) -> Record {
    let mut line = connection_line(context, "ended", time);
    line.text("cause", end.cause.label());
    line.text("blame", end.blame.label());
    line.text("statement", end.statement);
    if let Some(rule) = &end.rule {
        line.bounded("rule", rule);
    }
    line.text("policy", context.policy);
    detailed(&mut line, end.detail.as_deref());
    line.number("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    line.number("client_packets", traffic.client_packets);
    line.number("client_bytes", traffic.client_bytes);
    line.number("broker_packets", traffic.broker_packets);
    line.number("broker_bytes", traffic.broker_bytes);
    line.finish()
}

fn detailed(line: &mut Line, detail: Option<&Detail>) {
    let Some(Detail { field, problem }) = detail else { return };
    if !field.as_str().is_empty() {
        line.bounded("field", field);
    }
    line.text("problem", *problem);
}

fn connection_line(context: &ConnectionContext<'_>, event: &'static str, time: SystemTime) -> Line {
    let identity = context.identity;
    let mut line = Line::new(time, event);
    line.number("connection", context.number);
    line.text("listener", &*identity.listener);
    line.display("peer", identity.source);
    line.text("version", context.version.map(version));
    line.text("client_id", Some(&*identity.client_id).filter(|id| !id.is_empty()));
    line.text("username", identity.username.as_deref());
    line.text("identity", identity.name.as_deref());
    line.text("method", Some(identity.method).filter(|method| *method != Method::Unproven).map(Method::label));
    line.text("common_name", identity.common_name());
    if let Some(certificate) = &identity.certificate {
        line.text("fingerprint", HEXLOWER.encode(&certificate.fingerprint).as_str());
    }
    line.text("server", context.server);
    line
}

fn version(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V50 => "5.0",
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::FromClient => "from_client",
        Direction::FromBroker => "from_broker",
    }
}

#[cfg(test)]
mod tests;
