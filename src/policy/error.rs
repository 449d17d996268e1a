//! What is wrong with a draft.

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
}
