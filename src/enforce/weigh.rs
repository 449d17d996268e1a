//! One PUBLISH, held against the policy, what MQTT says of its form, and the limits of its receiver.
//!
//! Nothing is done here: what follows is `publish`'s, and `pass`'s. Read [`weigh`] first.

use super::event;
use super::publish::{Judged, Name, TOO_LARGE_TO_DELIVER};
use super::relay::Call;
use super::rewrite::Anew;
use super::side::Side;
use super::standing::Standing;
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::PacketType;
use crate::mqtt::{Direction, Version, topic};
use crate::policy::{Decision, Denial, Message, Reason, Request};

const TOO_LARGE_WITH_TOPIC: Denial = Denial::limit("maximum_packet_size", Reason::TooLarge);
const CONTRADICTS_FORMAT: Denial = Denial::limit("payload_format_indicator", Reason::PayloadFormat);

/// What breaks no rule of MQTT, by the setting that refuses it.
const BEYOND_LIMITS: [(DecodeError, &str, Reason); 4] = [
    (DecodeError::ControlCharacter, "refuse_control_characters", Reason::Topic),
    (DecodeError::TopicNameTooLong, "max_topic_bytes", Reason::Topic),
    (DecodeError::TopicNameTooDeep, "max_topic_levels", Reason::Topic),
    (DecodeError::TooManyUserProperties, "max_user_properties", Reason::Quota),
];

/// A limit of the gateway's own that a PUBLISH goes beyond.
pub(super) enum Limit {
    None,
    /// The policy is not asked.
    First(Denial),
    /// The policy may deny it before.
    Last(Denial),
}

/// A PUBLISH that is not to go on.
pub(super) struct Refused<'t> {
    pub(super) denial: Denial,
    /// The Topic Name, or the Response Topic, that is refused.
    pub(super) about: &'t str,
}

/// Whether it may go on; and what goes on in its place, if it is not to go on as it came.
pub(super) fn weigh<'t>(
    standing: &mut Standing,
    call: &mut Call<'_>,
    judged: &Judged<'t>,
    (side, version): (&Side, Version),
    (topic, name): (&'t str, &Name),
    limit: Limit,
) -> Result<Option<Anew>, Refused<'t>> {
    let refused = |denial| Refused { denial, about: topic };
    let is_observed = ask(standing, call, judged, version, topic)?;
    let change = standing.authority.take_rewrite();
    match limit {
        // A rule that must see the payload and can't has spoken, and is not enforced.
        Limit::Last(denial) if !is_observed || judged.head.properties.payload_is_utf8 => return Err(refused(denial)),
        Limit::None | Limit::First(_) | Limit::Last(_) => {}
    }
    if let Some(denial) = by_form(call, judged, topic, name) {
        return Err(refused(denial));
    }
    let Some(change) = change else {
        // Two bytes more when the Remaining Length grows as well.
        let room = if let Name::PutBack = name { topic.len() + 2 } else { 0 };
        let is_too_large = room > 0 && judged.total_len + room > max_packet_bytes(side);
        return if is_too_large { Err(refused(TOO_LARGE_WITH_TOPIC)) } else { Ok(None) };
    };
    let written = match name {
        Name::PutBack => topic,
        Name::AsItCame => judged.head.topic,
    };
    let anew = Anew::publish(version, judged, written, &change).map_err(refused)?;
    match by_size(call, judged, side, anew.bytes.len()) {
        Some(denial) => Err(refused(denial)),
        None => Ok(Some(anew)),
    }
}

/// Asks the policy. What it only observes is recorded. Gives whether there is something of the message itself.
///
/// The message is asked about last, for what the policy has to say of it beside.
fn ask<'t>(
    standing: &mut Standing,
    call: &mut Call<'_>,
    judged: &Judged<'t>,
    version: Version,
    topic: &'t str,
) -> Result<bool, Refused<'t>> {
    let response = judged.response_topic(call.from).map(|topic| (standing.decide_response(topic), topic));
    let decision = standing.decide(&request(call.from, judged.message(version, topic)));
    let is_observed = matches!(decision, Decision::Observe(..));
    heed(decision, call, topic).map_or(Ok(()), Err)?;
    if let Some((decision, response_topic)) = response {
        heed(decision, call, response_topic).map_or(Ok(()), Err)?;
    }
    Ok(is_observed)
}

fn heed<'t>(decision: Decision, call: &mut Call<'_>, about: &'t str) -> Option<Refused<'t>> {
    match decision {
        Decision::Allow | Decision::AllowUpTo(_) => None,
        Decision::Observe(denial, _) => {
            call.observed(PacketType::Publish, Some(about), &denial);
            None
        }
        Decision::Deny(denial) => Some(Refused { denial, about }),
    }
}

/// What refuses a message that the policy permits.
fn by_form(call: &Call<'_>, judged: &Judged<'_>, topic: &str, name: &Name) -> Option<Denial> {
    if let Some(payload) = judged.payload
        && judged.head.with_payload(payload).payload_contradicts_format()
    {
        return Some(CONTRADICTS_FORMAT);
    }
    if call.from == Direction::FromClient
        && let Some(denial) = call.terms.patches.refuse_topic(topic)
    {
        return Some(denial);
    }
    // The PUBLISH that set the alias may have been refused for its Topic Name.
    if let Name::PutBack = name
        && let Err(error) = topic::check_name(topic, call.limits)
    {
        return beyond_limits(error);
    }
    None
}

pub(super) fn note_rewrites(call: &mut Call<'_>, topic: &str, name: &Name, anew: &Anew) {
    if let Name::PutBack = name {
        call.rewritten(PacketType::Publish, Some(topic), event::Rewrite::TopicNameRestored);
    }
    call.rewritten(PacketType::Publish, Some(topic), anew.what);
}

/// What refuses a message that is larger than it came.
fn by_size(call: &Call<'_>, judged: &Judged<'_>, side: &Side, bytes: usize) -> Option<Denial> {
    if bytes <= judged.total_len {
        None
    } else if bytes > max_packet_bytes(side) {
        Some(TOO_LARGE_WITH_TOPIC)
    } else if bytes > call.limits.max_packet_bytes {
        Some(TOO_LARGE_TO_DELIVER)
    } else {
        None
    }
}

fn max_packet_bytes(side: &Side) -> usize {
    usize::try_from(side.max_packet_bytes).unwrap_or(usize::MAX)
}

pub(super) fn request(from: Direction, message: Message<'_>) -> Request<'_> {
    match from {
        Direction::FromClient => Request::Publish(message),
        Direction::FromBroker => Request::Receive(message),
    }
}

/// The limit of the gateway's own, if it is one, that a PUBLISH goes beyond.
pub(super) fn beyond_limits(error: DecodeError) -> Option<Denial> {
    let found = BEYOND_LIMITS.iter().find(|(limit, ..)| *limit == error);
    found.map(|&(_, rule, reason)| Denial::limit(rule, reason))
}
