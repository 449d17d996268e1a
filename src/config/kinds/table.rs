//! What holds other values: lists, tables, what may be left out, what a listener says otherwise.

use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::config::problem;
use crate::config::read::{Entries, Given, Key, Kind, Located, Reading, Table, read_table};

/// A value that may be left out, with its place.
pub(in crate::config) struct Optional<K> {
    kind: K,
    required: bool,
}

/// A value that may be left out.
pub(in crate::config) fn optional<K: Kind>(kind: K) -> Optional<K> {
    Optional { kind, required: false }
}

/// A value that has to be there.
pub(in crate::config) fn required<K: Kind>(kind: K) -> Optional<K> {
    Optional { kind, required: true }
}

impl<K: Kind> Kind for Optional<K> {
    type Value = Option<Located<K::Value>>;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Self::Value> {
        let value = self.kind.parse(given, reading)?;
        Some(Some(Located { value, span: given.span.clone() }))
    }

    fn expects(&self) -> String {
        self.kind.expects()
    }

    fn written(&self, value: &Self::Value) -> Option<String> {
        self.kind.written(&value.as_ref()?.value)
    }

    fn schema(&self) -> Json {
        self.kind.schema()
    }

    fn is_required(&self) -> bool {
        self.required
    }

    fn keys(&self) -> Vec<Key> {
        self.kind.keys()
    }

    fn is_list(&self) -> bool {
        self.kind.is_list()
    }
}

/// A value that may be left out, and whose place does not matter; see [`unless_left_out`].
pub(in crate::config) struct Plain<K>(K);

/// A value that may be left out, and whose place does not matter.
pub(in crate::config) fn unless_left_out<K: Kind>(kind: K) -> Plain<K> {
    Plain(kind)
}

impl<K: Kind> Kind for Plain<K> {
    type Value = Option<K::Value>;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Self::Value> {
        self.0.parse(given, reading).map(Some)
    }

    fn expects(&self) -> String {
        self.0.expects()
    }

    fn written(&self, value: &Self::Value) -> Option<String> {
        self.0.written(value.as_ref()?)
    }

    fn schema(&self) -> Json {
        self.0.schema()
    }
}

/// A list of values, each with its place.
pub(in crate::config) struct List<K> {
    kind: K,
    count: RangeInclusive<usize>,
    required: bool,
}

/// A list of so many values.
pub(in crate::config) fn list<K: Kind>(kind: K, count: RangeInclusive<usize>) -> List<K> {
    List { kind, count, required: false }
}

/// A list that has to be there, with so many values.
pub(in crate::config) fn required_list<K: Kind>(kind: K, count: RangeInclusive<usize>) -> List<K> {
    List { kind, count, required: true }
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<Located<K::Value>>;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Self::Value> {
        let DeValue::Array(array) = given.value else {
            if given.value.is_table() && !self.kind.keys().is_empty() {
                reading.table_for_list(given, &self.expects());
            } else {
                reading.wrong_type(given, &self.expects());
            }
            return None;
        };
        if !self.count.contains(&array.len()) {
            let problem = reading
                .at(problem::Kind::OutOfRange, &given.span, format!("`{}` has {} entries", given.key, array.len()))
                .label(format!("expected {}", self.expects()));
            reading.report(problem);
            return None;
        }
        let mut values = Vec::with_capacity(array.len());
        for entry in array {
            let given = Given { key: given.key, value: entry.get_ref(), span: entry.span() };
            if let Some(value) = self.kind.parse(&given, reading) {
                values.push(Located { value, span: given.span });
            }
        }
        Some(values)
    }

    fn expects(&self) -> String {
        let (min, max) = (self.count.start(), self.count.end());
        let count = match (min, max) {
            (0, max) => format!("up to {max}"),
            (min, max) => format!("{min} to {max}"),
        };
        if self.kind.keys().is_empty() {
            format!("a list of {count}, each {}", self.kind.expects())
        } else {
            format!("{count} tables")
        }
    }

    fn written(&self, value: &Self::Value) -> Option<String> {
        if !self.kind.keys().is_empty() {
            return None;
        }
        let entries: Vec<String> = value.iter().filter_map(|entry| self.kind.written(&entry.value)).collect();
        Some(format!("[{}]", entries.join(", ")))
    }

    fn schema(&self) -> Json {
        let (min, max) = (self.count.start(), self.count.end());
        json!({"type": "array", "items": self.kind.schema(), "minItems": min, "maxItems": max})
    }

    fn is_required(&self) -> bool {
        self.required
    }

    fn keys(&self) -> Vec<Key> {
        self.kind.keys()
    }

    fn is_list(&self) -> bool {
        true
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct OneOrMany<K>(K);

/// One value, or a list of them.
pub(in crate::config) fn one_or_many<K: Kind>(kind: K) -> OneOrMany<K> {
    OneOrMany(kind)
}

impl<K: Kind> Kind for OneOrMany<K> {
    type Value = Vec<Located<K::Value>>;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Self::Value> {
        let mut values = Vec::new();
        let mut one = |value, span, reading: &mut Reading| {
            let given = Given { key: given.key, value, span };
            if let Some(value) = self.0.parse(&given, reading) {
                values.push(Located { value, span: given.span });
            }
        };
        match given.value.as_array() {
            None => one(given.value, given.span.clone(), reading),
            Some(array) if array.is_empty() => {
                let problem = reading
                    .at(problem::Kind::OutOfRange, &given.span, format!("`{}` is an empty list", given.key))
                    .label(format!("expected {}", self.expects()));
                reading.report(problem);
                return None;
            }
            Some(array) => array.iter().for_each(|entry| one(entry.get_ref(), entry.span(), reading)),
        }
        Some(values)
    }

    fn expects(&self) -> String {
        format!("{}, or a list of such", self.0.expects())
    }

    fn written(&self, value: &Self::Value) -> Option<String> {
        self.0.written(&value.first()?.value)
    }

    fn schema(&self) -> Json {
        let one = self.0.schema();
        json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
    }
}

/// A table of its own.
pub(in crate::config) struct Nested<T>(PhantomData<T>);

impl<T> Default for Nested<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// A table of its own.
pub(in crate::config) fn table<T: Table>() -> Nested<T> {
    Nested(PhantomData)
}

impl<T: Table> Kind for Nested<T> {
    type Value = T;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<T> {
        Some(self.read(given, T::default(), reading))
    }

    fn read(&self, given: &Given<'_>, base: T, reading: &mut Reading) -> T {
        if let DeValue::Table(table) = given.value {
            return read_table(base, table, Some(given.span.clone()), reading);
        }
        reading.wrong_type(given, &self.expects());
        base
    }

    fn expects(&self) -> String {
        "a table".to_owned()
    }

    fn written(&self, _: &T) -> Option<String> {
        None
    }

    fn schema(&self) -> Json {
        T::schema()
    }

    fn keys(&self) -> Vec<Key> {
        T::keys()
    }
}

/// A table whose keys are the operator's own.
#[derive(Clone, Debug)]
pub(in crate::config) struct Map<K: Kind>(pub(in crate::config) Vec<(Located<String>, Located<K::Value>)>);

impl<K: Kind> Default for Map<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Kind + Default> Table for Map<K> {
    fn keys() -> Vec<Key> {
        Vec::new()
    }

    fn schema() -> Json {
        json!({"type": "object", "additionalProperties": K::default().schema()})
    }

    fn read(self, entries: &mut Entries<'_>) -> Self {
        Self(entries.each(&K::default()))
    }

    fn overridden(self, other: Self, _: &dyn Fn(&str) -> bool) -> Self {
        other
    }
}

/// What a listener says of its own about a table of the whole gateway.
#[derive(Clone, Debug)]
pub(in crate::config) struct Over<T> {
    value: T,
    given: Vec<(String, Range<usize>)>,
}

impl<T: Table> Over<T> {
    /// Nothing said.
    pub(in crate::config) fn nothing() -> Self {
        Self { value: T::default(), given: Vec::new() }
    }

    /// What holds for the listener: its own words over the gateway's.
    pub(in crate::config) fn over(self, base: T) -> T {
        base.overridden(self.value, &|key| self.given.iter().any(|(given, _)| given == key))
    }

    /// Where it says a key.
    pub(in crate::config) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.given.iter().find(|(given, _)| given == key).map(|(_, span)| span.clone())
    }
}

/// A table of the whole gateway, said otherwise for one listener.
pub(in crate::config) struct Overrides<T> {
    of: Option<&'static str>,
    table: PhantomData<T>,
}

/// A table of the whole gateway that a listener may say otherwise.
pub(in crate::config) fn overridable<T: Table>() -> Overrides<T> {
    Overrides { of: None, table: PhantomData }
}

/// The keys of the gateway's table `of`, for one listener.
pub(in crate::config) fn overrides<T: Table>(of: &'static str) -> Overrides<T> {
    Overrides { of: Some(of), table: PhantomData }
}

impl<T: Table> Kind for Overrides<T> {
    type Value = Over<T>;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Over<T>> {
        let Some(table) = given.value.as_table() else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let value = read_table(T::default(), table, Some(given.span.clone()), reading);
        let given = table.iter().map(|(key, value)| (key.get_ref().to_string(), value.span())).collect();
        Some(Over { value, given })
    }

    fn expects(&self) -> String {
        self.of.map_or_else(|| "a table".to_owned(), |of| format!("a table with keys of `[{of}]`"))
    }

    fn written(&self, _: &Over<T>) -> Option<String> {
        None
    }

    fn schema(&self) -> Json {
        crate::config::reference::table_schema(&T::keys())
    }

    fn keys(&self) -> Vec<Key> {
        if self.of.is_none() { T::keys() } else { Vec::new() }
    }
}
