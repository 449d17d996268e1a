//! What a CONNECT asks for, lowered to what the client may make use of: its session, and its Topic Aliases.
//!
//! Not here: whether it may be connected at all (`standing`), and what CONNACK tells (`connack`). Read [`Lowered`] first.

use super::event::Rewrite;
use super::patches::Patch;
use super::rewrite::reread;
use super::terms::Terms;
use crate::mqtt::Version;
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::encode;
use crate::mqtt::property::{Place, Property};
use crate::policy::Features;

/// What goes on in place of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lowered {
    pub(super) clean_start: bool,
    /// Seconds that the session may outlive the connection by: the most that the broker is ever asked for.
    pub(super) max_session_expiry: u32,
    pub(super) topic_alias_maximum: u16,
    /// Seconds, where the Will is to wait for less than it asks for.
    will_delay: Option<u32>,
}

impl Lowered {
    pub(super) fn new(connect: &Connect<'_>, terms: &Terms, features: &Features) -> Self {
        let max_session_expiry = features.session_expiry();
        // Before 5.0 a session ends with its connection or never.
        let ends = connect.version != Version::V50 && max_session_expiry == 0;
        let most = terms.topic_alias_maximum.min(features.topic_alias_maximum);
        Self {
            clean_start: connect.clean_start || ends,
            max_session_expiry,
            topic_alias_maximum: connect.topic_alias_maximum.min(most),
            will_delay: will_delay(connect, terms, max_session_expiry),
        }
    }

    /// What is changed for it, each with a word for the records.
    pub(super) fn changes(&self, connect: &Connect<'_>) -> Vec<(Rewrite, Option<Property<'static>>)> {
        let mut changes = Vec::new();
        if self.topic_alias_maximum < connect.topic_alias_maximum {
            changes.push((Rewrite::ConnectLowered, Some(Property::TopicAliasMaximum(self.topic_alias_maximum))));
        }
        if connect.version == Version::V50 && self.max_session_expiry < connect.session_expiry {
            let expiry = Property::SessionExpiryInterval(self.max_session_expiry);
            changes.push((Rewrite::SessionShortened, Some(expiry)));
        } else if self.clean_start != connect.clean_start {
            changes.push((Rewrite::SessionShortened, None));
        }
        if self.will_delay.is_some() {
            changes.push((Rewrite::WillDelayLowered, None));
        }
        changes
    }

    /// The property block of a Will that is to wait for less than it asks for.
    pub(super) fn will_block(&self, will: &Will<'_>) -> Option<Vec<u8>> {
        let shorter = [Property::WillDelayInterval(self.will_delay?)];
        let mut block = Vec::with_capacity(will.properties.bytes().len() + 8);
        encode::properties(will.properties.with(&shorter), &mut block);
        Some(block)
    }
}

/// A Will with this property block.
pub(super) fn delay<'w>(will: Will<'w>, block: &'w [u8]) -> Will<'w> {
    Will { properties: reread(block, Place::Will).unwrap_or(will.properties), ..will }
}

/// A Will is published when its delay has passed or its session ends, whichever comes first: the longer of the two says
/// nothing.
fn will_delay(connect: &Connect<'_>, terms: &Terms, max_session_expiry: u32) -> Option<u32> {
    let lasts = connect.session_expiry.min(max_session_expiry);
    let mut asked = 0;
    for property in connect.will?.properties.iter() {
        if let Property::WillDelayInterval(seconds) = property {
            asked = seconds;
        }
    }
    (terms.patches.has(Patch::WillDelay) && asked > lasts).then_some(lasts)
}
