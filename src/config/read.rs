//! From TOML to values, one table at a time, going on after each problem.
//!
//! A table is declared once, by [`settings!`]: its fields, their docs, defaults and kinds give the struct, the parser
//! and the reference. Read [`Kind`] first: what one key may hold.

mod syntax;
mod words;

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::syntax::{stands_apart, syntax};
pub(super) use self::words::{escaped, listed, nearest};
use super::problem::{self, Problem, Source};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// What one key may hold.
pub(super) trait Kind {
    /// What it becomes.
    type Value;

    /// The value, or none and a problem.
    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Self::Value>;

    /// The value; where it is wrong, a problem and what held before.
    fn read(&self, given: &Given<'_>, base: Self::Value, reading: &mut Reading) -> Self::Value {
        self.parse(given, reading).unwrap_or(base)
    }

    /// What is expected, as in "expected a size from …".
    fn expects(&self) -> String;

    /// The value as one would write it; none when there is nothing to write.
    fn written(&self, value: &Self::Value) -> Option<String>;

    /// The JSON Schema of it.
    fn schema(&self) -> Json;

    /// Whether the key has to be there.
    fn is_required(&self) -> bool {
        false
    }

    /// The keys of the table that it holds.
    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }

    /// Whether it is a list of tables.
    fn is_list(&self) -> bool {
        false
    }
}

/// A key and the value given for it.
pub(super) struct Given<'t> {
    pub(super) key: &'t str,
    pub(super) value: &'t DeValue<'t>,
    pub(super) span: Range<usize>,
}

/// One key in the reference.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) doc: String,
    pub(super) expects: String,
    pub(super) default: Option<String>,
    pub(super) required: bool,
    pub(super) schema: Json,
    pub(super) keys: Vec<Key>,
    pub(super) is_list: bool,
}

impl Key {
    /// Describes the key from its kind.
    pub(super) fn new<K: Kind>(name: &'static str, doc: &str, kind: &K, default: &K::Value) -> Self {
        Self {
            name,
            doc: doc.trim().to_owned(),
            expects: kind.expects(),
            default: kind.written(default),
            required: kind.is_required(),
            schema: kind.schema(),
            keys: kind.keys(),
            is_list: kind.is_list(),
        }
    }
}

/// A table whose keys are known.
pub(super) trait Table: Default {
    /// Its keys, in the order of the reference.
    fn keys() -> Vec<Key>;

    /// The JSON Schema of it.
    fn schema() -> Json {
        super::reference::table_schema(&Self::keys())
    }

    /// Takes what the table says over what held before.
    fn read(self, entries: &mut Entries<'_>) -> Self;

    /// This table with the fields of another where `given` says that the key was given.
    fn overridden(self, other: Self, given: &dyn Fn(&str) -> bool) -> Self;
}

/// Problems of one file that are shown.
const MAX_PROBLEMS: usize = 200;

/// A file being read.
pub(super) struct Reading {
    pub(super) source: Arc<Source>,
    pub(super) problems: Vec<Problem>,
    /// Files that it names.
    pub(super) files: Vec<Located<PathBuf>>,
    /// Files that those name.
    pub(super) more_files: Vec<PathBuf>,
    /// Where tables begin that have problems of their own.
    faulty: HashSet<usize>,
}

impl Reading {
    pub(super) fn new(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            problems: Vec::new(),
            files: Vec::new(),
            more_files: Vec::new(),
            faulty: HashSet::new(),
        }
    }

    /// Takes a problem; beyond [`MAX_PROBLEMS`] it only counts.
    pub(super) fn report(&mut self, problem: Problem) {
        match self.problems.len() {
            ..MAX_PROBLEMS => self.problems.push(problem),
            MAX_PROBLEMS => {
                let message = format!("more than {MAX_PROBLEMS} problems: the others are not shown");
                self.problems.push(Problem {
                    severity: problem.severity,
                    ..Problem::new(problem.kind, &self.source, None, message)
                });
            }
            _ => {}
        }
    }

    /// Whether no further problem of this file is shown.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() > MAX_PROBLEMS
    }

    /// A problem at a place of this file.
    pub(super) fn at(&self, kind: problem::Kind, span: &Range<usize>, message: impl Into<String>) -> Problem {
        Problem::new(kind, &self.source, Some(span.clone()), message.into())
    }

    /// Whether something in a table can't be understood: then nobody can say what is missing from it.
    pub(super) fn is_faulty<T>(&self, table: &Located<T>) -> bool {
        self.faulty.contains(&table.span.start)
    }

    /// The folder that relative paths begin at.
    pub(super) fn folder(&self) -> &Path {
        self.source.path.parent().unwrap_or(Path::new(""))
    }

    /// What stands there, shortened, on one line.
    pub(super) fn text(&self, span: &Range<usize>) -> String {
        let text = self.source.text.get(span.clone()).unwrap_or_default();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        if text.is_empty() {
            return "\"\"".to_owned();
        }
        let line = text.lines().next().unwrap_or_default();
        if line.len() == text.len() && line.chars().count() <= 60 {
            return line.to_owned();
        }
        line.chars().take(57).chain("...".chars()).collect()
    }

    /// A value of another type.
    pub(super) fn wrong_type(&mut self, given: &Given<'_>, expects: &str) {
        let found = type_name(given.value);
        let problem = self
            .at(problem::Kind::WrongType, &given.span, format!("`{}` has the wrong type", given.key))
            .label(format!("found {found}, expected {expects}"));
        self.report(problem);
    }

    /// One table where a list of them belongs.
    pub(super) fn table_for_list(&mut self, given: &Given<'_>, expects: &str) {
        let problem = self
            .at(problem::Kind::WrongType, &given.span, format!("`{}` has the wrong type", given.key))
            .label(format!("found a table, expected {expects}"))
            .help("each table of a list has two brackets on both sides, as in `[[listener]]`");
        self.report(problem);
    }

    /// A value that is not what it should be.
    pub(super) fn invalid(&mut self, given: &Given<'_>, expects: &str, help: &str) {
        let found = self.text(&given.span);
        let problem = self
            .at(problem::Kind::Invalid, &given.span, format!("`{}` can't be understood", given.key))
            .label(format!("found `{found}`, expected {expects}"))
            .help(help);
        self.report(problem);
    }

    /// A value outside its range.
    pub(super) fn out_of_range(&mut self, given: &Given<'_>, expects: &str) {
        let found = self.text(&given.span);
        let problem = self
            .at(problem::Kind::OutOfRange, &given.span, format!("`{}` is out of range", given.key))
            .label(format!("found `{found}`, expected {expects}"));
        self.report(problem);
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Rules of a policy that are not known yet.
const RULES_TO_COME: [&str; 1] = ["rate"];

/// A table being read, key by key.
pub(super) struct Entries<'r> {
    table: &'r DeTable<'r>,
    span: Option<Range<usize>>,
    known: Vec<&'static str>,
    is_open: bool,
    pub(super) reading: &'r mut Reading,
}

impl<'r> Entries<'r> {
    /// The entry of a key, over what held before.
    pub(super) fn take<K: Kind>(&mut self, key: &'static str, kind: &K, base: K::Value) -> K::Value {
        self.known.push(key);
        let table = self.table;
        let Some(value) = table.get(key) else {
            if kind.is_required() {
                self.missing(key, &kind.expects());
            }
            return base;
        };
        let given = Given { key, value: value.get_ref(), span: value.span() };
        kind.read(&given, base, self.reading)
    }

    /// Every entry, of a table with keys of the operator's own.
    pub(super) fn each<K: Kind>(&mut self, kind: &K) -> Vec<(Located<String>, Located<K::Value>)> {
        self.is_open = true;
        let mut found = Vec::with_capacity(self.table.len());
        for (key, value) in self.table {
            let name: &str = key.get_ref();
            let given = Given { key: name, value: value.get_ref(), span: value.span() };
            if let Some(value) = kind.parse(&given, self.reading) {
                let key = Located { value: name.to_owned(), span: key.span() };
                found.push((key, Located { value, span: given.span }));
            }
        }
        found
    }

    fn missing(&mut self, key: &str, expects: &str) {
        let source = &self.reading.source;
        let problem = Problem::new(problem::Kind::MissingKey, source, self.span.clone(), format!("`{key}` is missing"))
            .label(format!("expected `{key}`: {expects}"));
        self.reading.report(problem);
    }

    fn report_unknown(&mut self) {
        if self.is_open {
            return;
        }
        let table = self.table;
        for key in table.keys() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let problem = self
                .reading
                .at(problem::Kind::UnknownKey, &key.span(), format!("unknown key `{}`", escaped(name)))
                .label(if self.is_rule_to_come(name) {
                    "there are no such rules yet"
                } else {
                    "there is no such key here"
                })
                .help(self.hint(name));
            self.reading.report(problem);
        }
    }

    /// Whether a policy says what this version can't do: it is refused rather than overlooked.
    fn is_rule_to_come(&self, name: &str) -> bool {
        self.known.contains(&"grant") && RULES_TO_COME.contains(&name)
    }

    fn hint(&self, name: &str) -> String {
        if self.is_rule_to_come(name) {
            return "this version of Tidegate can't hold anyone to it; remove it to go without".to_owned();
        }
        match nearest(name, self.known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            // The one key that is in no table, and in TOML all that follows a table's head is in it.
            None if name == "policies" => "it stands at the top of `gateway.toml`, before the first table".to_owned(),
            None => format!("keys here: {}", listed(self.known.iter().copied())),
        }
    }
}

/// Reads a whole table over what held before; unknown keys are problems.
pub(super) fn read_table<T: Table>(
    base: T,
    table: &DeTable<'_>,
    span: Option<Range<usize>>,
    reading: &mut Reading,
) -> T {
    let before = reading.problems.len();
    let at = span.as_ref().map(|span| span.start);
    let mut entries = Entries { table, span, known: Vec::new(), is_open: false, reading };
    let read = base.read(&mut entries);
    entries.report_unknown();
    if reading.problems.len() > before {
        reading.faulty.extend(at);
    }
    read
}

/// Reads the text of a file as a table: every syntax error, and every problem elsewhere. The second value says whether
/// the text is TOML.
pub(super) fn read_text<T: Table>(reading: &mut Reading) -> (T, bool) {
    let source = Arc::clone(&reading.source);
    let (table, mut errors): (Spanned<DeTable<'_>>, _) = DeTable::parse_recoverable(&source.text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let broken = syntax(&errors, reading);
    let begin = reading.problems.len();
    let read = read_table(T::default(), table.get_ref(), None, reading);
    if !errors.is_empty() {
        let found = reading.problems.split_off(begin);
        reading.problems.extend(found.into_iter().filter(|problem| stands_apart(problem, &broken)));
    }
    (read, errors.is_empty())
}

/// Declares a table: `field: Type = default, kind;` with docs that are the reference. The key is the field's name, or
/// `field as "key"`.
macro_rules! settings {
    ($(#[doc = $about:literal])+ $vis:vis struct $Name:ident {
        $($(#[doc = $doc:literal])+ $field:ident $(as $key:literal)?: $Type:ty = $default:expr, $kind:expr;)*
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        $vis struct $Name {
            $($(#[doc = $doc])+ $vis $field: $Type,)*
        }

        impl Default for $Name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::config::read::Table for $Name {
            fn keys() -> Vec<$crate::config::read::Key> {
                let defaults = Self::default();
                vec![$($crate::config::read::Key::new(
                    $crate::config::read::key!($field $($key)?), concat!($($doc),+), &$kind, &defaults.$field,
                ),)*]
            }

            fn read(self, entries: &mut $crate::config::read::Entries<'_>) -> Self {
                Self { $($field: entries.take($crate::config::read::key!($field $($key)?), &$kind, self.$field),)* }
            }

            fn overridden(self, other: Self, given: &dyn Fn(&str) -> bool) -> Self {
                Self { $($field: if given($crate::config::read::key!($field $($key)?)) { other.$field } else { self.$field },)* }
            }
        }
    };
}
pub(super) use settings;

/// The key of a field.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}
pub(super) use key;
