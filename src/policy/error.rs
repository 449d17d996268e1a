//! What is wrong with a draft.

use crate::payload::ReaderError;

/// What is wrong with a draft.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// Two rules have this id, or one is named like something built in.
    #[error("the id `{0}` is taken")]
    DuplicateId(String),
    /// Two roles have this name, or one is named like something built in.
    #[error("the role `{0}` is taken")]
    DuplicateRole(String),
    /// A rule names a role that does not exist.
    #[error("rule `{rule}` names the role `{role}`, which does not exist")]
    UnknownRole {
        /// Its id.
        rule: String,
        /// The name.
        role: String,
    },
    /// A grant names no role, and so permits nobody anything.
    #[error("grant `{0}` names no role")]
    NoRole(String),
    /// What no record could show: empty, or with control characters.
    #[error("`{0}` is no id: it is empty or has control characters")]
    Id(String),
    /// The quarantine topic is no Topic Name.
    #[error("the quarantine topic `{topic}` is no topic: {why}")]
    QuarantineTopic {
        /// As written.
        topic: String,
        /// What is wrong with it.
        why: String,
    },
    /// A rule has a filter that is none.
    #[error("rule `{rule}` has the topic filter `{filter}`: {why}")]
    Filter {
        /// Its id.
        rule: String,
        /// As written.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// A rule about messages that speaks of none.
    #[error("rule `{0}` has no topic filter, and so speaks of no message")]
    NoTopic(String),
    /// A rule asks for values, or a schema, of something that has none.
    #[error("rule `{rule}` asks for {what}, which needs {needs}")]
    Format {
        /// Its id.
        rule: String,
        /// What it asks for.
        what: &'static str,
        /// What is not given, or is something else.
        needs: &'static str,
    },
    /// What a rule asks of a value can't be, or can't be told.
    #[error("rule `{rule}`, field `{field}`: {why}")]
    Check {
        /// Its id.
        rule: String,
        /// The field or metric.
        field: String,
        /// What is wrong.
        why: String,
    },
    /// A rule's fields can't be read.
    #[error("rule `{rule}`: {why}")]
    Reader {
        /// Its id.
        rule: String,
        /// Why not.
        why: ReaderError,
    },
    /// An interlock looks at something that is no topic.
    #[error("rule `{rule}` has an interlock with the topic `{topic}`: {why}")]
    Interlock {
        /// Its id.
        rule: String,
        /// As written.
        topic: String,
        /// What is wrong with it.
        why: String,
    },
    /// A rule about signatures can't be followed.
    #[error("rule `{rule}`: {why}")]
    Signature {
        /// Its id.
        rule: String,
        /// Why not.
        why: String,
    },
    /// A rule about rates can't be followed.
    #[error("rule `{rule}`: {why}")]
    Rate {
        /// Its id.
        rule: String,
        /// Why not.
        why: String,
    },
    /// Two rules would rewrite the same message.
    #[error("rules `{0}` and `{1}` both take off or make signatures of the same messages")]
    TwoRewrites(String, String),
}
