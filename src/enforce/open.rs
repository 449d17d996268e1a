//! The first packet: CONNECT, or nothing.

use std::sync::Arc;
use std::time::Instant;

use super::authentication::Authentication;
use super::end::{Cause, End};
use super::publish::reason_string;
use super::side::Side;
use super::terms::{Terms, ZeroKeepAlive};
use super::{Blame, Connection, Phase, Text, reply, write_farewell};
use crate::identity::Identity;
use crate::mqtt::connect::{Connect, ConnectError, Will, connect_header, decode_connect};
use crate::mqtt::error::DecodeError;
use crate::mqtt::property::Property;
use crate::mqtt::{Direction, Version, encode};
use crate::policy::{self, Decision, Denial, Message, Reason, Request};

/// What becomes of a client's first bytes.
#[derive(Debug)]
pub enum Opening {
    /// More of the CONNECT must come.
    More,
    /// It may not be connected.
    Refused {
        /// What the client is sent before it is closed; may be empty.
        reply: Vec<u8>,
        /// Why.
        end: End,
    },
    /// It may, as far as the gateway is asked: now the broker is dialled.
    Accepted(Box<Accepted>),
}

/// A permitted CONNECT.
#[derive(Debug)]
pub struct Accepted {
    /// The state machine from here on.
    pub connection: Connection,
    /// Bytes of the CONNECT; what lies behind goes to [`Connection::receive`].
    pub consumed: usize,
    /// The CONNECT for the broker where it is not the client's own.
    pub rewritten: Option<Vec<u8>>,
}

/// Judges the first packet of a client.
///
/// `input` is everything that has come so far, from its first byte on.
pub fn open(now: Instant, input: &[u8], terms: &Arc<Terms>, identity: &Identity) -> Opening {
    let header = match connect_header(input, &terms.limits) {
        Ok(Some(header)) => header,
        Ok(None) => return Opening::More,
        Err(error) => return refused(None, End::malformed(error, Direction::FromClient)),
    };
    let Some(frame) = input.get(..header.total_len()) else { return Opening::More };
    let connect = match decode_connect(frame, &terms.limits) {
        Ok(connect) => connect,
        Err(error) => return undecodable(error),
    };
    let identity = Identity {
        client_id: connect.client_id.into(),
        username: connect.username.map(Into::into),
        ..identity.clone()
    };
    if let Err(end) = judge(&connect, terms, &identity) {
        return refused_by_rule(&connect, end);
    }
    let lowered = (connect.topic_alias_maximum > terms.topic_alias_maximum).then(|| {
        let mut bytes = Vec::with_capacity(frame.len());
        encode::connect(&connect, &[Property::TopicAliasMaximum(terms.topic_alias_maximum)], &mut bytes);
        bytes
    });
    let connection = Connection::new(now, &connect, terms, identity, lowered.is_some());
    Opening::Accepted(Box::new(Accepted { connection, consumed: frame.len(), rewritten: lowered }))
}

fn undecodable(error: ConnectError) -> Opening {
    let end = match error {
        ConnectError { error: DecodeError::ProtocolLevel, version: Some(_) } => {
            End { statement: Some(DecodeError::ProtocolLevel.statement()), ..End::new(Cause::Version, Blame::Client) }
        }
        ConnectError { error, version: _ } => End::malformed(error, Direction::FromClient),
    };
    refused(error.version, end)
}

fn refused(version: Option<Version>, end: End) -> Opening {
    let mut reply = Vec::new();
    if let Some(version) = version {
        write_farewell(version, reply::before_connack(version, &end), None, &mut reply);
    }
    Opening::Refused { reply, end }
}

fn refused_by_rule(connect: &Connect<'_>, end: End) -> Opening {
    let end = End { client_id: Some(Text::new(connect.client_id)), ..end };
    let farewell = reply::before_connack(connect.version, &end);
    let told = connect.version == Version::V50 && connect.request_problem_information;
    let words = end.rule.as_ref().filter(|_| told).map(|rule| reason_string(rule.as_str()));
    let mut reply = Vec::new();
    write_farewell(connect.version, farewell, words.as_deref(), &mut reply);
    if connect.maximum_packet_size.is_some_and(|size| u32::try_from(reply.len()).is_ok_and(|len| len > size)) {
        reply.clear();
        write_farewell(connect.version, farewell, None, &mut reply);
    }
    Opening::Refused { reply, end }
}

fn judge(connect: &Connect<'_>, terms: &Terms, identity: &Identity) -> Result<(), End> {
    if !terms.versions.contains(&connect.version) {
        return Err(End::new(Cause::Version, Blame::Client));
    }
    if connect.keep_alive == 0 && terms.zero_keep_alive == ZeroKeepAlive::Refuse {
        return Err(End::refused(Cause::KeepAliveZero, "keep_alive"));
    }
    let asked = policy::Connect { version: connect.version, clean_start: connect.clean_start };
    ask(terms, identity, &Request::Connect(asked))?;
    connect.will.as_ref().map_or(Ok(()), |will| judge_will(will, terms, identity))
}

/// A Will is judged as the PUBLISH that it may become.
fn judge_will(will: &Will<'_>, terms: &Terms, identity: &Identity) -> Result<(), End> {
    let message = Message {
        topic: will.topic,
        qos: will.qos,
        retain: will.retain,
        payload_bytes: will.payload.len(),
        payload: Some(will.payload),
    };
    ask(terms, identity, &Request::Will(message))?;
    if will.payload_contradicts_format() {
        return Err(End::refused(Cause::Refused(Reason::PayloadFormat), "payload_format_indicator"));
    }
    Ok(())
}

fn ask(terms: &Terms, identity: &Identity, request: &Request<'_>) -> Result<(), End> {
    match terms.policy.decide(identity, request) {
        Decision::Allow => Ok(()),
        Decision::Deny(Denial { rule, reason }) => Err(End::refused(Cause::Refused(reason), rule)),
    }
}

impl Connection {
    fn new(now: Instant, connect: &Connect<'_>, terms: &Arc<Terms>, identity: Identity, lowered: bool) -> Self {
        let mut broker = Side::new();
        broker.alias_maximum = connect.topic_alias_maximum.min(terms.topic_alias_maximum);
        broker.max_packet_bytes = connect.maximum_packet_size.unwrap_or(u32::MAX);
        let method = connect.authentication_method.map(Into::into);
        let turn = connect.authentication_method.map(|_| Direction::FromBroker);
        Self {
            terms: Arc::clone(terms),
            identity,
            version: connect.version,
            phase: Phase::AwaitConnack,
            full_until: None,
            clean_start: connect.clean_start,
            session_ends: connect.version == Version::V50 && connect.session_expiry == 0,
            problem_information: connect.request_problem_information,
            connect_lowered: lowered,
            pings: 0,
            keep_alive: connect.keep_alive,
            authentication: Authentication { method, turn },
            client: Side::new(),
            broker,
            subscriptions: None,
            clock: now + terms.connack_deadline,
        }
    }
}
