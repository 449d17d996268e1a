//! What an import has to tell: what has no equal, and what every import changes.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde_json::{Value, json};

/// Places named in one remark; what is more is counted.
const MAX_PLACES: usize = 8;

/// A line of a file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1; none for the whole file.
    pub line: Option<usize>,
}

impl Place {
    /// A line of a file.
    #[must_use]
    pub fn new(file: &Arc<str>, line: usize) -> Self {
        Self { file: Arc::clone(file), line: Some(line) }
    }

    /// A whole file.
    #[must_use]
    pub fn whole(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), line: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// Places, as a remark names them: `FILE:3, 7`.
pub(super) fn listed(places: &[Place]) -> String {
    let mut text = String::new();
    let mut file = None;
    for place in places.iter().take(MAX_PLACES) {
        let line = place.line.filter(|_| file == Some(&place.file));
        let next = line.map_or_else(|| place.to_string(), |line| line.to_string());
        text.push_str(if text.is_empty() { "" } else { ", " });
        text.push_str(&next);
        file = Some(&place.file);
    }
    if let Some(more) = places.len().checked_sub(MAX_PLACES).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// Why a file can't be taken over: it can't be read, or Mosquitto itself would not start with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
}

/// What kind of difference it is; [`Kind::label`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `%c` or `%u` is a part of a level.
    PartOfALevel,
    /// A text that would be read as a variable, a pattern, or not at all.
    Text,
    /// A line of one list that another overrules for some clients only, and who they are is not known beforehand.
    Precedence,
    /// A subscription is refused although only a part of it is.
    SubscribeDeny,
    /// A right to one very filter is one to every filter within it.
    SubscribeLiteral,
    /// A right that is spelled with `$share`, or reaches into it.
    SharedSubscription,
    /// A filter that Mosquitto holds to cover more than it matches.
    Covering,
    /// UNSUBSCRIBE is never refused.
    Unsubscribe,
    /// A user that can't log in here as it can there.
    User,
    /// A way to know a client that there is no equal of.
    Authentication,
    /// A setting that changes what topics or names mean.
    Setting,
    /// Two sources of access control at once.
    TwoSources,
    /// It has no effect in Mosquitto either.
    NoEffect,
    /// What to do with it.
    Advice,
    /// What every import of this kind changes.
    Always,
}

impl Kind {
    /// The word for it in answers for programs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PartOfALevel => "part_of_a_level",
            Self::Text => "text",
            Self::Precedence => "precedence",
            Self::SubscribeDeny => "subscribe_deny",
            Self::SubscribeLiteral => "subscribe_literal",
            Self::SharedSubscription => "shared_subscription",
            Self::Covering => "covering",
            Self::Unsubscribe => "unsubscribe",
            Self::User => "user",
            Self::Authentication => "authentication",
            Self::Setting => "setting",
            Self::TwoSources => "two_sources",
            Self::NoEffect => "no_effect",
            Self::Advice => "advice",
            Self::Always => "always",
        }
    }

    /// Whether the policy answers otherwise than the files did.
    #[must_use]
    pub const fn is_difference(self) -> bool {
        match self {
            Self::PartOfALevel
            | Self::Text
            | Self::Precedence
            | Self::SubscribeDeny
            | Self::SubscribeLiteral
            | Self::SharedSubscription
            | Self::Covering
            | Self::Unsubscribe
            | Self::User
            | Self::Authentication
            | Self::Setting
            | Self::TwoSources => true,
            Self::NoEffect | Self::Advice | Self::Always => false,
        }
    }
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// What kind it is.
    pub kind: Kind,
    /// The line that it is about.
    pub place: Option<Place>,
    /// What stands there, and what the policy says in its place.
    pub text: String,
}

impl Item {
    /// As a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.label(),
            "file": self.place.as_ref().map(|place| &*place.file),
            "line": self.place.as_ref().and_then(|place| place.line),
            "text": self.text,
        })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// Everything that an import has to tell, in the order of the files.
#[derive(Clone, Debug, Default)]
pub struct Report {
    items: Vec<Item>,
    seen: HashSet<Item>,
}

impl Report {
    /// Adds one thing, once.
    pub(super) fn add(&mut self, kind: Kind, place: Option<&Place>, text: impl Into<String>) {
        let item = Item { kind, place: place.cloned(), text: text.into() };
        if self.seen.insert(item.clone()) {
            self.items.push(item);
        }
    }

    /// Whether something of this kind is told.
    #[must_use]
    pub fn tells(&self, kind: Kind) -> bool {
        self.items.iter().any(|item| item.kind == kind)
    }

    /// What the policy answers otherwise than the files did.
    pub fn differences(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.kind.is_difference())
    }

    /// All else.
    pub fn remarks(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| !item.kind.is_difference())
    }
}
