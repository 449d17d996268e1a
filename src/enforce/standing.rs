//! Who the client is and what it may do: settled at CONNECT, and again whenever the policy or the client's name changes.

use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::end::{Blame, Cause, End};
use super::event::{Event, Kind, Rewrite, Text};
use super::guards::Wells;
use super::meter::Excess;
use super::relay::lenient;
use super::rewrite::WillAnew;
use super::{At, Terms};
use crate::identity::Identity;
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::property::{Place, Properties};
use crate::mqtt::{Direction, Limits, Version};
use crate::policy::{
    self, Allowance, Authority, Decision, Denial, Message, Metered, OnDeny, Reason, Request, RuleId, Shield,
};

/// How long after a client was said to wait for a rule that is said again.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Rules of which it is said in that time.
const MAX_TOLD: usize = 16;

/// A client, its authority, and what of its CONNECT is judged again.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) identity: Identity,
    pub(super) authority: Authority,
    /// Keys of the hashes by which subscriptions are counted: the same for the life of the connection.
    pub(super) keys: RandomState,
    /// What happened to CONNECT, until it can be told.
    pub(super) news: Vec<Event>,
    connect: policy::Connect,
    shield: Arc<Shield>,
    will: Option<Box<LastWill>>,
    /// What it has drawn from of what is guarded against.
    pub(super) wells: Option<Box<Wells>>,
    /// Rules that the client has been made to wait for, and when that was told.
    told: Vec<(RuleId, Instant)>,
    /// When CONNECT was judged.
    began: Instant,
    /// When what proves the client's identity ends.
    proof_ends: Option<Instant>,
}

/// A Will as it came, however it went on: no larger than the CONNECT that it was in.
struct LastWill {
    topic: Box<str>,
    response_topic: Option<Box<str>>,
    qos: QoS,
    retain: bool,
    payload: Box<[u8]>,
    properties: Option<Box<[u8]>>,
}

impl fmt::Debug for LastWill {
    /// Without what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastWill").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// For what a CONNECT is judged.
#[derive(Clone, Copy)]
enum Hearing {
    /// It has come.
    First,
    /// Another policy is in force, or the client has another name.
    Again,
}

/// A Will as the policy is asked about it.
#[derive(Clone, Copy)]
struct Asked<'w> {
    message: Message<'w>,
    response_topic: Option<&'w str>,
}

impl LastWill {
    fn of(version: Version, will: &Will<'_>) -> Self {
        Self {
            topic: will.topic.into(),
            response_topic: will.response_topic.map(Into::into),
            qos: will.qos,
            retain: will.retain,
            payload: will.payload.into(),
            properties: (version == Version::V50).then(|| will.properties.bytes().into()),
        }
    }

    fn asked(&self) -> Asked<'_> {
        let message = Message {
            topic: &self.topic,
            qos: self.qos,
            retain: self.retain,
            payload_bytes: self.payload.len(),
            payload: Some(&self.payload),
            dup: false,
            properties: self.properties.as_deref().and_then(reread),
        };
        Asked { message, response_topic: self.response_topic.as_deref() }
    }
}

impl<'w> Asked<'w> {
    fn of(version: Version, will: &Will<'w>) -> Self {
        let message = Message {
            topic: will.topic,
            qos: will.qos,
            retain: will.retain,
            payload_bytes: will.payload.len(),
            payload: Some(will.payload),
            dup: false,
            properties: (version == Version::V50).then_some(will.properties),
        };
        Self { message, response_topic: will.response_topic }
    }
}

impl Standing {
    /// Judges a CONNECT and its Will. Gives what goes on in the Will's place, if it is not to go on as it came.
    ///
    /// # Errors
    /// The client may not be connected.
    pub(super) fn new(
        connect: &Connect<'_>,
        identity: Identity,
        terms: &Terms,
        at: At,
    ) -> Result<(Self, Option<WillAnew>), End> {
        let authority = Authority::new(&terms.policy, &identity, at.unix_millis)
            .with_shield(&terms.shield)
            .with_memory(terms.memory.clone());
        let mut standing = Self {
            authority,
            identity,
            keys: terms.hash_keys.clone(),
            news: Vec::new(),
            connect: asked(connect),
            shield: Arc::clone(&terms.shield),
            told: Vec::new(),
            wells: None,
            will: None,
            began: at.now,
            proof_ends: at.ends,
        };
        let version = connect.version;
        standing.judge(connect.will.as_ref().map(|will| Asked::of(version, will)), Hearing::First)?;
        let Some(will) = &connect.will else { return Ok((standing, None)) };
        let change = standing.authority.take_rewrite();
        if will.payload_contradicts_format() {
            return Err(End::refused(Cause::Refused(Reason::PayloadFormat), "payload_format_indicator"));
        }
        if let Some(denial) = terms.patches.refuse_topic(will.topic) {
            return Err(End::denied(&denial, Blame::Client));
        }
        let anew = change.map(|change| WillAnew::of(version, will, change)).transpose();
        let anew = anew.map_err(|denial| End::denied(&denial, Blame::Client))?;
        standing.authority.accept();
        standing.will = Some(Box::new(LastWill::of(version, will)));
        if let Some(anew) = &anew {
            standing.note(Kind::Rewritten(anew.what()), Some(will.topic));
        }
        Ok((standing, anew))
    }

    /// Puts other terms in force.
    ///
    /// # Errors
    /// Under another policy the client may not be connected.
    pub(super) fn adopt(&mut self, terms: &Terms, at: At) -> Result<(), End> {
        self.proof_ends = earliest(self.proof_ends, at.ends);
        let is_same = Arc::ptr_eq(&terms.policy, self.authority.policy()) && terms.shield == self.shield;
        if is_same {
            self.authority.set_time(at.unix_millis);
            return Ok(());
        }
        self.shield = Arc::clone(&terms.shield);
        self.authority.set_shield(&terms.shield);
        self.authority.renew(&terms.policy, terms.memory.clone(), &self.identity, at.unix_millis);
        self.judge_again()
    }

    /// The broker names the client.
    ///
    /// # Errors
    /// By that name it may not be connected.
    pub(super) fn rename(&mut self, client_id: &str) -> Result<(), End> {
        if *self.identity.client_id == *client_id {
            return Ok(());
        }
        self.identity.client_id = client_id.into();
        self.wells = None;
        self.authority.rebind(&self.identity);
        self.judge_again()
    }

    fn judge_again(&mut self) -> Result<(), End> {
        let will = self.will.take();
        let judged = self.judge(will.as_ref().map(|will| will.asked()), Hearing::Again);
        self.will = will;
        judged
    }

    /// When the client must go.
    pub(super) fn ends(&self) -> Option<Instant> {
        let lifetime = self.authority.max_lifetime().and_then(|lifetime| self.began.checked_add(lifetime));
        earliest(self.proof_ends, lifetime)
    }

    /// Judges one request.
    pub(super) fn decide(&mut self, request: &Request<'_>) -> Decision {
        self.authority.decide(&self.identity, request)
    }

    /// Judges a Response Topic: it must be one that the client may receive.
    pub(super) fn decide_response(&mut self, topic: &str) -> Decision {
        let named = |denial: Denial| Denial { reason: Reason::ResponseTopic, ..denial };
        match self.decide(&Request::Respond(topic)) {
            Decision::Observe(denial, qos) => Decision::Observe(named(denial), qos),
            Decision::Deny(denial) => Decision::Deny(named(denial)),
            decision @ (Decision::Allow | Decision::AllowUpTo(_)) => decision,
        }
    }

    /// Whether a message must be there whole before it can be judged, or quarantined.
    pub(super) fn needs_payload(&mut self, request: &Request<'_>, response_topic: Option<&str>) -> bool {
        if self.authority.needs_payload(&self.identity, request) {
            return true;
        }
        let response = response_topic.map(|topic| self.decide_response(topic));
        matches!(response, Some(Decision::Deny(Denial { on_deny: OnDeny::Quarantine, .. })))
    }

    /// CONNECT, its Will, and where answers to that are to go. The Will is asked about last, for what the policy has to
    /// say of it beside.
    fn judge(&mut self, will: Option<Asked<'_>>, hearing: Hearing) -> Result<(), End> {
        let blame = match hearing {
            Hearing::First => Blame::Client,
            Hearing::Again => Blame::Gateway,
        };
        let decision = self.decide(&Request::Connect(self.connect));
        self.heed(decision, None, blame)?;
        if let Hearing::First = hearing {
            self.count_connection()?;
        }
        let Some(Asked { message, response_topic }) = will else { return Ok(()) };
        let response = response_topic.map(|topic| (self.decide_response(topic), topic));
        let request = Request::Will(message);
        let decision = match hearing {
            Hearing::First => self.decide(&request),
            Hearing::Again => self.authority.decide_again(&self.identity, &request),
        };
        self.heed(decision, Some(message.topic), blame)?;
        let Some((decision, topic)) = response else { return Ok(()) };
        self.heed(decision, Some(topic), blame)
    }

    /// A client that has too many connections in too short a time can't be made to wait: nothing of it is there yet.
    fn count_connection(&mut self) -> Result<(), End> {
        let (denial, ban) = match self.authority.meter(&self.identity, Metered::Connection, self.began) {
            Allowance::Pass => return Ok(()),
            Allowance::Observe(denial) => {
                self.note(Kind::observed(&denial), None);
                return Ok(());
            }
            Allowance::Wait { until: _, denial } => (denial, None),
            Allowance::Excess { denial, ban } => (denial, ban),
        };
        Err(Excess { denial, ban }.end(Blame::Client))
    }

    fn heed(&mut self, decision: Decision, topic: Option<&str>, blame: Blame) -> Result<(), End> {
        match decision {
            Decision::Allow | Decision::AllowUpTo(_) => Ok(()),
            Decision::Observe(denial, _) => {
                self.note(Kind::observed(&denial), topic);
                Ok(())
            }
            Decision::Deny(denial) => Err(End::denied(&denial, blame)),
        }
    }

    /// When CONNECT was judged.
    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// Whether it is to be told that the client waits for this rule: the first time, and again after a while.
    pub(super) fn tells(&mut self, rule: &RuleId, now: Instant) -> bool {
        self.told.retain(|(_, at)| now.saturating_duration_since(*at) < TOLD_AGAIN);
        let tells = self.told.len() < MAX_TOLD && self.told.iter().all(|(told, _)| told != rule);
        if tells {
            self.told.push((rule.clone(), now));
        }
        tells
    }

    /// CONNECT went on changed.
    pub(super) fn rewritten(&mut self, rewrite: Rewrite) {
        self.note(Kind::Rewritten(rewrite), None);
    }

    fn note(&mut self, kind: Kind, topic: Option<&str>) {
        self.news.push(Event {
            kind,
            direction: Direction::FromClient,
            packet_type: PacketType::Connect,
            topic: topic.map(Text::new),
            policy_version: Arc::clone(self.authority.policy().version()),
        });
    }
}

/// What a CONNECT asks for beside its Will.
fn asked(connect: &Connect<'_>) -> policy::Connect {
    policy::Connect {
        version: connect.version,
        clean_start: connect.clean_start,
        session_expiry: connect.session_expiry,
        enhanced_authentication: connect.authentication_method.is_some(),
        client_id_bytes: connect.client_id.len(),
    }
}

/// Properties of a Will, that were judged when they came.
fn reread(block: &[u8]) -> Option<Properties<'_>> {
    let limits = lenient(&Limits { max_control_bytes: usize::MAX, ..Limits::default() });
    Properties::new(block, Place::Will, Direction::FromClient, &limits).ok()
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
