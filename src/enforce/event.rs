//! What is recorded of a connection: one Event for each refusal and each rewrite.
//!
//! The end of a connection is its [`super::end::End`]. Neither ever holds a password, a key or a payload.

use std::fmt;
use std::sync::Arc;

use crate::mqtt::Direction;
use crate::mqtt::frame::PacketType;
use crate::policy::Reason;

/// One refusal or rewrite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// Who sent the packet.
    pub direction: Direction,
    /// Its type.
    pub packet_type: PacketType,
    /// The Topic Name, or the refused Topic Filter.
    pub topic: Option<Text>,
    /// Version of the policy in force.
    pub policy_version: Arc<str>,
}

/// What happened to a packet that did not go on as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It, or this filter of it, was not let through.
    Refused {
        /// Why.
        reason: Reason,
        /// Id of the rule or limit that decided.
        rule: Text,
    },
    /// It went on changed.
    Rewritten(Rewrite),
}

impl Kind {
    /// The word for the kind; never changes.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Rewritten(_) => "rewritten",
        }
    }

    /// The word for the reason, from a closed set; never changes.
    #[must_use]
    pub const fn reason_label(&self) -> &'static str {
        match self {
            Self::Refused { reason, .. } => reason.label(),
            Self::Rewritten(rewrite) => rewrite.label(),
        }
    }
}

/// Why a packet went on changed. Filters taken out of a SUBSCRIBE are refusals, each with its own event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rewrite {
    /// CONNECT: a lower Topic Alias Maximum.
    ConnectLowered,
    /// CONNACK: the gateway's stricter limits.
    ConnackTightened,
    /// PUBLISH: the Topic Name put back beside an alias that the far side does not know.
    TopicNameRestored,
}

impl Rewrite {
    /// Every rewrite, for references and metric families.
    pub const ALL: [Self; 3] = [Self::ConnectLowered, Self::ConnackTightened, Self::TopicNameRestored];

    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ConnectLowered => "connect_lowered",
            Self::ConnackTightened => "connack_tightened",
            Self::TopicNameRestored => "topic_name_restored",
        }
    }
}

/// A text from the network, owned and bounded. Not escaped: whoever writes a record does that.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    text: Box<str>,
    cut: bool,
}

impl Text {
    /// Bytes that are kept.
    pub const MAX_BYTES: usize = 256;

    /// The first [`Text::MAX_BYTES`] of `text`, cut between characters.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let end = text.floor_char_boundary(Self::MAX_BYTES);
        Self { text: text.get(..end).unwrap_or_default().into(), cut: end < text.len() }
    }

    /// What is kept of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether something was cut off.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.text, if self.cut { "…" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters_and_marked() {
        let short = Text::new("plant/line1");
        assert_eq!((short.as_str(), short.is_cut()), ("plant/line1", false));
        let exact = Text::new(&"x".repeat(256));
        assert_eq!((exact.as_str().len(), exact.is_cut()), (256, false));
        let long = Text::new(&"ä€".repeat(100));
        assert_eq!((long.as_str().len(), long.is_cut()), (255, true));
    }
}
