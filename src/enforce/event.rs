//! What is recorded of a connection: one Event for each refusal, each rewrite, and each thing that was only observed.
//!
//! The end of a connection is its [`super::end::End`]. Neither ever holds a password, a key or a payload.

use std::fmt;
use std::sync::Arc;

use crate::mqtt::Direction;
use crate::mqtt::frame::PacketType;
use crate::policy::{self, Denial, OnDeny, Reason};

/// One refusal, rewrite or observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// Who sent the packet.
    pub direction: Direction,
    /// Its type.
    pub packet_type: PacketType,
    /// The Topic Name; or the Topic Filter or Response Topic that it is about.
    pub topic: Option<Text>,
    /// Version of the policy in force.
    pub policy_version: Arc<str>,
}

/// What happened to a packet that did not go on as it came, or is not to any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It, or this filter of it, was not let through.
    Refused {
        /// Why.
        reason: Reason,
        /// Id of the rule or limit that decided.
        rule: Text,
        /// What the rule does to what it refuses.
        on_deny: OnDeny,
        /// What became of the message, where it is quarantined.
        quarantine: Option<Quarantine>,
        /// What of a payload is wrong.
        detail: Option<Box<Detail>>,
    },
    /// It went on, because nothing is enforced; this is what would have been said.
    Observed {
        /// Why.
        reason: Reason,
        /// Id of the rule that spoke.
        rule: Text,
        /// What the rule does to what it refuses.
        on_deny: OnDeny,
        /// What of a payload is wrong.
        detail: Option<Box<Detail>>,
    },
    /// It went on changed.
    Rewritten(Rewrite),
    /// It waits for a rate to have room, and what comes behind it does; this is told once in a while.
    Throttled {
        /// Id of the rule.
        rule: Text,
    },
}

impl Kind {
    pub(super) fn refused(denial: &Denial) -> Self {
        let Denial { rule, reason, on_deny, detail } = denial;
        let (rule, detail) = (Text::new(rule.as_str()), Detail::of(detail.as_deref()));
        Self::Refused { reason: *reason, rule, on_deny: *on_deny, quarantine: None, detail }
    }

    pub(super) fn observed(denial: &Denial) -> Self {
        let Denial { rule, reason, on_deny, detail } = denial;
        let (rule, detail) = (Text::new(rule.as_str()), Detail::of(detail.as_deref()));
        Self::Observed { reason: *reason, rule, on_deny: *on_deny, detail }
    }

    /// The word for the kind; never changes.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Observed { .. } => "observed",
            Self::Rewritten(_) => "rewritten",
            Self::Throttled { .. } => "throttled",
        }
    }

    /// The word for the reason, from a closed set; never changes.
    #[must_use]
    pub const fn reason_label(&self) -> &'static str {
        match self {
            Self::Refused { reason, .. } | Self::Observed { reason, .. } => reason.label(),
            Self::Rewritten(rewrite) => rewrite.label(),
            Self::Throttled { .. } => Reason::Rate.label(),
        }
    }
}

/// What of a payload is wrong, and where. Never a value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The field, the metric or the other topic that the rule looked at; empty where it is the whole.
    pub field: Text,
    /// What is wrong, from a closed set of words.
    pub problem: &'static str,
}

impl Detail {
    pub(super) fn of(detail: Option<&policy::Detail>) -> Option<Box<Self>> {
        detail.map(|policy::Detail { field, problem }| Box::new(Self { field: Text::new(field), problem }))
    }
}

/// What became of a message that a rule quarantines. Unless it is queued, it is rejected and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quarantine {
    /// It waits to be published to the quarantine topic.
    Queued,
    /// There was no room for it among those that wait.
    Full,
    /// It is larger than may be kept.
    TooLarge,
    /// The topic that it would be published to goes beyond a limit.
    Topic,
    /// Its topic is under the quarantine topic already, or shows that it was.
    Again,
    /// It is a repeat of a message that was dealt with when it came first.
    Repeat,
}

impl Quarantine {
    /// Every one, for references and metric families.
    pub const ALL: [Self; 6] = [Self::Queued, Self::Full, Self::TooLarge, Self::Topic, Self::Again, Self::Repeat];

    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::Topic => "topic",
            Self::Again => "again",
            Self::Repeat => "repeat",
        }
    }
}

/// Why a packet went on changed. Filters taken out of a SUBSCRIBE are refusals, each with its own event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rewrite {
    /// CONNECT: a lower Topic Alias Maximum.
    ConnectLowered,
    /// CONNECT, or the client's DISCONNECT: a shorter Session Expiry Interval, or a session that ends with the connection.
    SessionShortened,
    /// CONNECT: other credentials than the client's own, or none.
    CredentialsReplaced,
    /// CONNECT: the admission token taken off the user name.
    AdmissionTaken,
    /// CONNACK: the gateway's stricter limits.
    ConnackTightened,
    /// CONNECT: a Will that waits no longer than its session lasts. A patch: `CVE-2019-11778`.
    WillDelayLowered,
    /// PUBLISH: the Topic Name put back beside an alias that the far side does not know.
    TopicNameRestored,
    /// SUBSCRIBE: a filter asked for with the QoS that is granted.
    SubscriptionLowered,
    /// PUBLISH, or the Will of a CONNECT: its signature was verified, and taken off.
    SignatureStripped,
    /// PUBLISH, or the Will of a CONNECT: it was signed.
    Signed,
}

impl Rewrite {
    /// Every rewrite, for references and metric families.
    pub const ALL: [Self; 10] = [
        Self::ConnectLowered,
        Self::SessionShortened,
        Self::CredentialsReplaced,
        Self::AdmissionTaken,
        Self::WillDelayLowered,
        Self::ConnackTightened,
        Self::TopicNameRestored,
        Self::SubscriptionLowered,
        Self::SignatureStripped,
        Self::Signed,
    ];

    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ConnectLowered => "connect_lowered",
            Self::SessionShortened => "session_shortened",
            Self::CredentialsReplaced => "credentials_replaced",
            Self::AdmissionTaken => "admission_taken",
            Self::WillDelayLowered => "will_delay_lowered",
            Self::ConnackTightened => "connack_tightened",
            Self::TopicNameRestored => "topic_name_restored",
            Self::SubscriptionLowered => "subscription_lowered",
            Self::SignatureStripped => "signature_stripped",
            Self::Signed => "signed",
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
