//! What a CONNECT asks for, lowered to what the client may make use of: its session, and its Topic Aliases.
//!
//! Not here: whether it may be connected at all (`standing`), and what CONNACK tells (`connack`). Read [`Lowered`] first.

use super::event::Rewrite;
use super::terms::Terms;
use crate::mqtt::Version;
use crate::mqtt::connect::Connect;
use crate::mqtt::property::Property;
use crate::policy::Features;

/// What goes on in place of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lowered {
    pub(super) clean_start: bool,
    /// Seconds that the session may outlive the connection by: the most that the broker is ever asked for.
    pub(super) max_session_expiry: u32,
    pub(super) topic_alias_maximum: u16,
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
        changes
    }
}
