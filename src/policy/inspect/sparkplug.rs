//! Payloads of Sparkplug B.
//!
//! A metric is checked wherever it stands, in births, data and commands. One that is null counts as not there: refused
//! where it is required, passed over where not. That it stands in a message can't be asked: data tells of what has changed.
//! What is remembered of values goes by edge node and device, so that a birth and the data behind it are one history;
//! what tells of the past is held against no history, but for commands: nothing is done in the past.

use super::case::{Case, Pending, Way};
use super::fault::Fault;
use super::payload::Ready;
use super::rule::{Metrics, Sparkplug};
use crate::payload::sparkplug::{self, Asked, FaultKind, MessageType, Named, Nodes, Topic};
use crate::payload::{Field, Format, Found, Limits, Reader, ReaderError, Value};
use crate::policy::Reason;

/// A rule about Sparkplug B, made ready.
#[derive(Debug)]
pub(super) struct Births {
    asked: Asked,
    limits: Limits,
    /// Of what is said of a Host Application.
    state: Reader,
}

impl Births {
    const ONLINE: usize = 0;
    const TIMESTAMP: usize = 1;

    pub(super) fn new(rule: &Sparkplug, limits: &Limits) -> Result<Self, ReaderError> {
        let fields: Vec<Field> = ["/online", "/timestamp"].into_iter().filter_map(Field::parse).collect();
        Ok(Self {
            asked: Asked { sequence: rule.sequence, declared: rule.metrics == Metrics::Declared },
            limits: limits.clone(),
            state: Reader::new(Format::Json, limits.clone(), &fields)?,
        })
    }

    /// Judges a payload.
    ///
    /// # Errors
    /// What is wrong with it first: with the message, then with a value.
    pub(super) fn judge(
        &self,
        payload: &[u8],
        checks: &[Ready],
        id: &str,
        case: &Case<'_>,
        pending: &mut Pending,
    ) -> Result<(), Fault> {
        let Some(topic) = Topic::parse(case.message.topic) else { return Err(plain(FaultKind::Topic)) };
        let Topic::Node { group, message, node, device } = topic else { return self.judge_state(payload) };
        let case = Case { part: Some([group, node, device.unwrap_or_default()]), ..*case };
        let none = Nodes::default();
        let (nodes, way) = (case.nodes.unwrap_or(&none), way(case.way));
        let read = match sparkplug::Payload::read(payload, &self.limits) {
            Ok(read) => read,
            Err(flaw) => {
                pending.step = Some(nodes.unread(way, &topic));
                return Err(Fault::format(&flaw));
            }
        };
        // A command is to be done now, whatever it says of the past.
        let is_command = matches!(message, MessageType::NodeCommand | MessageType::DeviceCommand);
        let mut values = Ok(());
        let mut each = |named: &Named<'_, '_>| {
            if values.is_ok() && !checks.is_empty() {
                values = judge_metric(named, checks, id, is_command, &case, pending);
            }
        };
        let (step, judged) = nodes.judge(way, &topic, &read, self.asked, &mut each);
        pending.step = Some(step);
        judged.map_err(|fault| {
            Fault::new(Reason::Payload, fault.metric.as_deref().unwrap_or_default(), fault.what.label())
        })?;
        values
    }

    /// What a Host Application says of itself: an object since 3.0, one word before.
    fn judge_state(&self, payload: &[u8]) -> Result<(), Fault> {
        if payload == b"ONLINE" || payload == b"OFFLINE" {
            return Ok(());
        }
        let mut found = Found::new();
        self.state.read(payload, &mut found).map_err(|flaw| Fault::format(&flaw))?;
        let is_state = matches!(found.get(Self::ONLINE), Some(Value::Bool(_)))
            && matches!(found.get(Self::TIMESTAMP), Some(Value::Integer(0..)));
        if is_state { Ok(()) } else { Err(plain(FaultKind::State)) }
    }
}

fn judge_metric(
    named: &Named<'_, '_>,
    checks: &[Ready],
    id: &str,
    is_command: bool,
    case: &Case<'_>,
    pending: &mut Pending,
) -> Result<(), Fault> {
    // It may be any, one of those that are checked too.
    let name = named.name.ok_or_else(|| plain(FaultKind::Alias))?;
    for check in checks.iter().filter(|check| *check.field == *name) {
        let Some(value) = &named.value else {
            return Err(Fault::new(Reason::Payload, name, FaultKind::Datatype.label()));
        };
        let is_there = *value != Value::Null;
        let case = if named.metric.is_historical && !is_command { case.of_the_past() } else { *case };
        check.judge(is_there.then_some(value), id, &case, pending)?;
    }
    Ok(())
}

fn plain(what: FaultKind) -> Fault {
    Fault::whole(Reason::Payload, what.label())
}

const fn way(way: Way) -> sparkplug::Way {
    match way {
        Way::Publish => sparkplug::Way::Published,
        Way::Will => sparkplug::Way::Will,
        Way::Receive => sparkplug::Way::Received,
    }
}
