//! The first packet: CONNECT, or nothing.

use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use super::authentication::Authentication;
use super::end::{Cause, End};
use super::event::Rewrite;
use super::lowered::{Lowered, delay};
use super::publish::reason_string;
use super::rewrite::WillAnew;
use super::side::Side;
use super::standing::Standing;
use super::terms::{Terms, ZeroKeepAlive};
use super::{Blame, Connection, Phase, Text, reply, write_farewell};
use crate::identity::Identity;
use crate::mqtt::connect::{Connect, ConnectError, Will, connect_header, decode_connect};
use crate::mqtt::error::DecodeError;
use crate::mqtt::property::Property;
use crate::mqtt::{Direction, Version, encode};
use crate::policy::Reason;

/// What becomes of a client's first bytes.
#[derive(Debug)]
pub enum Opening<'i> {
    /// More of the CONNECT must come.
    More,
    /// It may not be connected.
    Refused(Refusal),
    /// It asks to be connected: now it is to be found out who it is.
    Asking(Box<Asking<'i>>),
}

/// A connection that is not to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is sent before it is closed; may be empty.
    pub reply: Vec<u8>,
    /// Why.
    pub end: End,
}

/// A CONNECT that decodes, of a version and a Keep Alive that are accepted.
#[derive(Debug)]
pub struct Asking<'i> {
    /// What it says.
    pub connect: Connect<'i>,
    /// Bytes of the CONNECT; what lies behind goes to [`Connection::receive`].
    pub consumed: usize,
    policy_version: Arc<str>,
    is_admitted: bool,
}

/// A permitted CONNECT.
#[derive(Debug)]
pub struct Accepted {
    /// The state machine from here on.
    pub connection: Connection,
    /// The CONNECT for the broker where it is not the client's own. It may hold a password.
    pub rewritten: Option<Zeroizing<Vec<u8>>>,
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// For deadlines.
    pub now: Instant,
    /// Milliseconds since 1970, for hours, dates and signatures.
    pub unix_millis: i64,
    /// When what proves the client's identity ends.
    pub ends: Option<Instant>,
}

/// User name and password towards the broker.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Credentials<'c> {
    /// The client's own.
    #[default]
    AsReceived,
    /// These, or none.
    Instead {
        /// User name.
        username: Option<&'c str>,
        /// Password: a secret.
        password: Option<&'c [u8]>,
    },
}

/// Judges the form of a client's first packet.
///
/// `input` is everything that has come so far, from its first byte on.
pub fn open<'i>(input: &'i [u8], terms: &Terms) -> Opening<'i> {
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
    let asking = Asking {
        connect,
        consumed: frame.len(),
        policy_version: Arc::clone(terms.policy.version()),
        is_admitted: false,
    };
    match judge_form(&connect, terms) {
        Ok(()) => Opening::Asking(Box::new(asking)),
        Err(end) => Opening::Refused(asking.refused(end)),
    }
}

fn judge_form(connect: &Connect<'_>, terms: &Terms) -> Result<(), End> {
    if !terms.versions.contains(&connect.version) {
        return Err(End::new(Cause::Version, Blame::Client));
    }
    if connect.keep_alive == 0 && terms.zero_keep_alive == ZeroKeepAlive::Refuse {
        return Err(End::refused(Cause::KeepAliveZero, "keep_alive"));
    }
    terms.patches.refuse_connect(connect).map_or(Ok(()), |denial| Err(End::denied(&denial, Blame::Client)))
}

impl<'i> Asking<'i> {
    /// It has shown an admission token in front of this user name, which is what it says from here on, to the broker too.
    /// Where nothing is left of it and no password needs one, there is none.
    pub fn admitted(&mut self, username: &'i str) {
        let is_needed = !username.is_empty() || self.connect.password.is_some();
        self.connect.username = is_needed.then_some(username);
        self.is_admitted = true;
    }
}

impl Asking<'_> {
    /// What is known of the client, and now what it says of itself.
    #[must_use]
    pub fn known(&self, identity: Identity) -> Identity {
        let (client_id, username) = (self.connect.client_id.into(), self.connect.username.map(Into::into));
        Identity { client_id, username, ..identity }
    }

    /// Refuses it for what `rule` says.
    #[must_use]
    pub fn refuse(&self, reason: Reason, rule: &str) -> Refusal {
        self.refused(End::refused(Cause::Refused(reason), rule))
    }

    /// Judges what `identity`, which [`Asking::known`] has completed, asks for: to be connected, and its Will.
    ///
    /// # Errors
    /// It may not be connected.
    pub fn admit(
        &self,
        terms: &Arc<Terms>,
        identity: Identity,
        far: &Credentials<'_>,
        at: At,
    ) -> Result<Accepted, Refusal> {
        let connect = &self.connect;
        let (mut standing, will) = Standing::new(connect, identity, terms, at).map_err(|end| self.refused(end))?;
        let lowered = Lowered::new(connect, terms, &standing.authority.enforced());
        let rewritten = self.rewrite(lowered, far, will.as_ref(), &mut standing);
        Ok(Accepted { connection: Connection::new(at, connect, lowered, terms, standing), rewritten })
    }

    /// The CONNECT for the broker, where it is not the client's own.
    fn rewrite(
        &self,
        lowered: Lowered,
        far: &Credentials<'_>,
        will: Option<&WillAnew>,
        standing: &mut Standing,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let connect = &self.connect;
        let changed = match *far {
            Credentials::AsReceived => *connect,
            Credentials::Instead { username, password } => Connect { username, password, ..*connect },
        };
        let is_credited = changed != *connect;
        let changed = match (connect.will, will) {
            (Some(came), Some(anew)) => Connect { will: Some(anew.apply(came)), ..changed },
            (Some(_) | None, _) => changed,
        };
        let delayed = changed.will.and_then(|will| lowered.will_block(&will));
        let changed = match (changed.will, &delayed) {
            (Some(will), Some(block)) => Connect { will: Some(delay(will, block)), ..changed },
            (Some(_), None) | (None, _) => changed,
        };
        let changed = Connect { clean_start: lowered.clean_start, ..changed };
        let (lowerings, properties): (Vec<Rewrite>, Vec<Option<Property<'_>>>) =
            lowered.changes(connect).into_iter().unzip();
        let properties: Vec<Property<'_>> = properties.into_iter().flatten().collect();
        lowerings.iter().for_each(|rewrite| standing.rewritten(*rewrite));
        if self.is_admitted {
            standing.rewritten(Rewrite::AdmissionTaken);
        }
        if is_credited {
            standing.rewritten(Rewrite::CredentialsReplaced);
        } else if lowerings.is_empty() && will.is_none() && !self.is_admitted {
            return None;
        }
        // Room enough that no half-written copy of a password is left behind.
        let bytes_of = |will: Will<'_>| will.payload.len() + will.topic.len() + will.properties.bytes().len();
        let room = changed.will.map_or(0, bytes_of) + 1024;
        let secrets = changed.username.map_or(0, str::len) + changed.password.map_or(0, <[u8]>::len);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room + secrets + connect.properties.bytes().len()));
        encode::connect(&changed, &properties, &mut bytes);
        Some(bytes)
    }

    fn refused(&self, end: End) -> Refusal {
        let connect = &self.connect;
        let end = End { client_id: Some(Text::new(connect.client_id)), ..end };
        let farewell = reply::before_connack(connect.version, &end);
        let told = connect.version == Version::V50 && connect.request_problem_information;
        let words = end.rule.as_ref().filter(|_| told).map(|rule| reason_string(rule.as_str(), &self.policy_version));
        let mut reply = Vec::new();
        write_farewell(connect.version, farewell, words.as_deref(), &mut reply);
        if connect.maximum_packet_size.is_some_and(|size| u32::try_from(reply.len()).is_ok_and(|len| len > size)) {
            reply.clear();
            write_farewell(connect.version, farewell, None, &mut reply);
        }
        Refusal { reply, end }
    }
}

fn undecodable<'i>(error: ConnectError) -> Opening<'i> {
    let end = match error {
        ConnectError { error: DecodeError::ProtocolLevel, version: Some(_) } => {
            End { statement: Some(DecodeError::ProtocolLevel.statement()), ..End::new(Cause::Version, Blame::Client) }
        }
        ConnectError { error, version: _ } => End::malformed(error, Direction::FromClient),
    };
    refused(error.version, end)
}

fn refused<'i>(version: Option<Version>, end: End) -> Opening<'i> {
    let mut reply = Vec::new();
    if let Some(version) = version {
        write_farewell(version, reply::before_connack(version, &end), None, &mut reply);
    }
    Opening::Refused(Refusal { reply, end })
}

impl Connection {
    fn new(at: At, connect: &Connect<'_>, lowered: Lowered, terms: &Arc<Terms>, standing: Standing) -> Self {
        let mut broker = Side::new();
        broker.alias_maximum = lowered.topic_alias_maximum;
        broker.max_packet_bytes = connect.maximum_packet_size.unwrap_or(u32::MAX);
        let method = connect.authentication_method.map(Into::into);
        let turn = connect.authentication_method.map(|_| Direction::FromBroker);
        Self {
            terms: Arc::clone(terms),
            limits: Arc::clone(&terms.limits),
            ends: standing.ends(),
            standing: Box::new(standing),
            version: connect.version,
            phase: Phase::AwaitConnack,
            full_until: None,
            clean_start: lowered.clean_start,
            max_session_expiry: lowered.max_session_expiry,
            session_expiry: connect.session_expiry,
            problem_information: connect.request_problem_information,
            pings: 0,
            pings_answered: 0,
            keep_alive: connect.keep_alive,
            authentication: Authentication { method, turn },
            client: Side::new(),
            broker,
            subscriptions: None,
            clock: at.now + terms.connack_deadline,
        }
    }
}
