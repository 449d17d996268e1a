//! What is wrong with a message.

use crate::payload::{Flaw, FlawKind};

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal;)+) => {
        /// What can be wrong with a message of Sparkplug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FaultKind {
            /// Its payload is not what it must be.
            Payload(FlawKind),
            $($(#[doc = $doc])+ $variant,)+
        }

        impl FaultKind {
            /// All but those of payloads.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word that records use; never changes.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    Self::Payload(flaw) => flaw.label(),
                    $(Self::$variant => $label,)+
                }
            }
        }
    };
}

faults! {
    /// The topic is none of Sparkplug B.
    Topic = "not_sparkplug";
    /// A Will that is neither NDEATH nor STATE.
    Will = "will_not_death";
    /// What is said of a host in STATE is not what it must be.
    State = "state";
    /// A metric of no datatype, of one that there is not, or of another than its BIRTH declared.
    Datatype = "datatype";
    /// A value that is not carried as its datatype is.
    ValueType = "value_type";
    /// A value that its datatype can't have.
    ValueRange = "value_range";
    /// A metric with neither a value nor `is_null`.
    NoValue = "no_value";
    /// A metric with both.
    NullWithValue = "null_with_value";
    /// A metric with neither a name nor an alias; of a BIRTH, without a name.
    NoName = "no_name";
    /// An alias that no BIRTH declared, or that of another device or name.
    Alias = "unknown_alias";
    /// A BIRTH declares an alias, or a name differently, twice.
    DeclaredTwice = "declared_twice";
    /// A metric that the BIRTH did not declare.
    Undeclared = "undeclared_metric";
    /// There is no `seq`.
    NoSeq = "no_seq";
    /// It does not follow the `seq` before.
    Seq = "seq";
    /// There is no `bdSeq`.
    NoBdSeq = "no_bd_seq";
    /// It is not that of the Will, or of the NBIRTH.
    BdSeq = "bd_seq";
    /// The connection has no NDEATH of this edge node as its Will.
    NoDeath = "no_death_registered";
    /// Data, or the death, of what this connection has not declared born.
    NotBorn = "not_born";
    /// Data, or the death, of what is dead.
    Dead = "dead";
    /// More edge nodes, devices, metrics or names than one connection may have.
    TooMany = "too_many";
}

/// What is wrong with a message. Never holds a value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub what: FaultKind,
    /// The name of the metric where it was found, of at most [`Flaw::MAX_FIELD_BYTES`] bytes; none where it was not in
    /// one that is known.
    pub metric: Option<Box<str>>,
}

impl Fault {
    /// A fault of no metric.
    #[must_use]
    pub const fn new(what: FaultKind) -> Self {
        Self { what, metric: None }
    }

    /// The same, found in a metric.
    pub(super) fn of(what: FaultKind, metric: Option<&str>) -> Self {
        Self { what, metric: metric.map(bounded) }
    }
}

/// A name of at most so many bytes as a flaw may tell.
pub(super) fn bounded(name: &str) -> Box<str> {
    name.get(..name.floor_char_boundary(Flaw::MAX_FIELD_BYTES)).unwrap_or(name).into()
}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Self {
        Self { what: FaultKind::Payload(flaw.what), metric: flaw.field }
    }
}
