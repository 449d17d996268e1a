//! The kinds of values that keys hold: numbers, sizes, durations, words, paths, addresses, lists, tables.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::problem;
use super::read::{Given, Key, Kind, Located, Reading, Table, listed, nearest, read_table};
use super::settings::Server;

/// An integer type of a setting.
pub(super) trait Number: Copy + PartialOrd {
    fn from_u64(value: u64) -> Option<Self>;
    fn to_u64(self) -> u64;
}

macro_rules! numbers {
    ($($Type:ty),+) => {$(
        impl Number for $Type {
            fn from_u64(value: u64) -> Option<Self> {
                Self::try_from(value).ok()
            }
            fn to_u64(self) -> u64 {
                u64::try_from(self).unwrap_or(u64::MAX)
            }
        }
    )+};
}
numbers!(u8, u16, u32, usize);

/// How the numbers of a range are written.
#[derive(Clone, Copy)]
enum Unit {
    Count,
    Bytes,
}

/// A whole number in a range; see [`count`] and [`size`].
pub(super) struct Whole<T> {
    unit: Unit,
    range: RangeInclusive<T>,
}

/// A plain number.
pub(super) fn count<T: Number>(range: RangeInclusive<T>) -> Whole<T> {
    Whole { unit: Unit::Count, range }
}

/// A number of bytes: an integer, or text such as `64KiB`.
pub(super) fn size<T: Number>(range: RangeInclusive<T>) -> Whole<T> {
    Whole { unit: Unit::Bytes, range }
}

impl<T: Number> Whole<T> {
    fn show(&self, value: T) -> String {
        match self.unit {
            Unit::Count => value.to_u64().to_string(),
            Unit::Bytes => show_bytes(value.to_u64()),
        }
    }
}

impl<T: Number> Kind for Whole<T> {
    type Value = T;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<T> {
        let number = match (given.value, self.unit) {
            (DeValue::Integer(integer), _) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            (DeValue::String(text), Unit::Bytes) => match parse_size(text) {
                Some(number) => Some(number),
                None => {
                    reading.invalid(given, &self.expects(), "units are `B`, `KiB`, `MiB` and `GiB`, as in `64KiB`");
                    return None;
                }
            },
            _ => {
                reading.wrong_type(given, &self.expects());
                return None;
            }
        };
        let value = number.and_then(T::from_u64).filter(|value| self.range.contains(value));
        if value.is_none() {
            reading.out_of_range(given, &self.expects());
        }
        value
    }

    fn expects(&self) -> String {
        let what = match self.unit {
            Unit::Count => "a number",
            Unit::Bytes => "a size",
        };
        format!("{what} from `{}` to `{}`", self.show(*self.range.start()), self.show(*self.range.end()))
    }

    fn written(&self, value: &T) -> Option<String> {
        Some(match self.unit {
            Unit::Count => self.show(*value),
            Unit::Bytes => format!("\"{}\"", self.show(*value)),
        })
    }

    fn schema(&self) -> Json {
        let (min, max) = (self.range.start().to_u64(), self.range.end().to_u64());
        let number = json!({"type": "integer", "minimum": min, "maximum": max});
        match self.unit {
            Unit::Count => number,
            Unit::Bytes => json!({"anyOf": [number, {"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$"}]}),
        }
    }
}

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

fn parse_size(text: &str) -> Option<u64> {
    let (digits, bytes) = SIZES.iter().find_map(|(unit, bytes)| text.strip_suffix(unit).map(|rest| (rest, bytes)))?;
    digits_only(digits.trim_end())?.checked_mul(*bytes)
}

fn digits_only(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn show_bytes(bytes: u64) -> String {
    let found = SIZES.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    found.map_or_else(|| "0B".to_owned(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// A size as one would write it.
pub(super) fn show_size(bytes: usize) -> String {
    show_bytes(bytes.to_u64())
}

/// A length of time in a range, such as `10s`.
pub(super) struct Time(RangeInclusive<Duration>);

/// A duration in a range of milliseconds.
pub(super) fn duration(range: RangeInclusive<Duration>) -> Time {
    Time(range)
}

/// Whole seconds, as a duration.
pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Kind for Time {
    type Value = Duration;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Duration> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &format!("{}, as text with a unit", self.expects()));
            return None;
        };
        let Some(value) = parse_duration(text) else {
            reading.invalid(given, &self.expects(), "units are `ms`, `s`, `m`, `h` and `d`, as in `1h30m`");
            return None;
        };
        if !self.0.contains(&value) {
            reading.out_of_range(given, &self.expects());
            return None;
        }
        Some(value)
    }

    fn expects(&self) -> String {
        format!("a duration from `{}` to `{}`", show_duration(*self.0.start()), show_duration(*self.0.end()))
    }

    fn written(&self, value: &Duration) -> Option<String> {
        Some(format!("\"{}\"", show_duration(*value)))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "minLength": 2})
    }
}

const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Numbers with units, the larger before the smaller, each unit once.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut above = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = rest.get(..letters)?;
        let (_, millis) = TIMES.iter().find(|(name, _)| *name == unit)?;
        if *millis >= above {
            return None;
        }
        above = *millis;
        total = total.checked_add(number.checked_mul(*millis)?)?;
        rest = rest.get(letters..)?;
    }
    (!text.is_empty()).then_some(Duration::from_millis(total))
}

/// A duration as one would write it.
pub(super) fn show_duration(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    match millis {
        0 => "0s".to_owned(),
        n if !n.is_multiple_of(1000) => format!("{n}ms"),
        n if n.is_multiple_of(86_400_000) => format!("{}d", n / 86_400_000),
        n if n.is_multiple_of(3_600_000) => format!("{}h", n / 3_600_000),
        n if n.is_multiple_of(60_000) && n > 120_000 => format!("{}m", n / 60_000),
        n => format!("{}s", n / 1000),
    }
}

/// Whole seconds that fit the Keep Alive of a CONNECT.
pub(super) struct KeepAliveSeconds;

impl Kind for KeepAliveSeconds {
    type Value = u16;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<u16> {
        let value = duration(seconds(1)..=seconds(65_535)).parse(given, reading)?;
        if value.subsec_millis() != 0 {
            reading.invalid(given, &self.expects(), "Keep Alive counts whole seconds");
            return None;
        }
        u16::try_from(value.as_secs()).ok()
    }

    fn expects(&self) -> String {
        "a duration from `1s` to `65535s`".to_owned()
    }

    fn written(&self, value: &u16) -> Option<String> {
        Some(format!("\"{value}s\""))
    }

    fn schema(&self) -> Json {
        duration(seconds(1)..=seconds(65_535)).schema()
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<bool> {
        if let DeValue::Boolean(value) = given.value {
            return Some(*value);
        }
        reading.wrong_type(given, &self.expects());
        None
    }

    fn expects(&self) -> String {
        "`true` or `false`".to_owned()
    }

    fn written(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }

    fn schema(&self) -> Json {
        json!({"type": "boolean"})
    }
}

/// A closed set of words.
pub(super) trait Words: Copy + PartialEq + 'static {
    /// Each value and its word.
    const WORDS: &'static [(&'static str, Self)];
}

/// One of the words of `W`.
pub(super) struct Word<W>(PhantomData<W>);

/// One of the words of `W`.
pub(super) fn word<W: Words>() -> Word<W> {
    Word(PhantomData)
}

impl<W: Words> Kind for Word<W> {
    type Value = W;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<W> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let found = W::WORDS.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if found.is_none() {
            let near = nearest(text, W::WORDS.iter().map(|(word, _)| *word));
            let help = near.map(|word| format!("did you mean `{word}`?")).unwrap_or_default();
            reading.invalid(given, &self.expects(), &help);
        }
        found
    }

    fn expects(&self) -> String {
        let words = listed(W::WORDS.iter().map(|(word, _)| *word));
        if W::WORDS.len() > 1 { format!("one of {words}") } else { words }
    }

    fn written(&self, value: &W) -> Option<String> {
        W::WORDS.iter().find(|(_, other)| other == value).map(|(word, _)| format!("\"{word}\""))
    }

    fn schema(&self) -> Json {
        json!({"enum": W::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>()})
    }
}

/// Text that a function takes or refuses.
pub(super) struct Text<T> {
    expects: &'static str,
    check: fn(&str) -> Option<T>,
    write: fn(&T) -> String,
}

impl<T> Kind for Text<T> {
    type Value = T;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<T> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, self.expects);
            return None;
        };
        let value = (self.check)(text);
        if value.is_none() {
            reading.invalid(given, self.expects, "");
        }
        value
    }

    fn expects(&self) -> String {
        self.expects.to_owned()
    }

    fn written(&self, value: &T) -> Option<String> {
        Some(format!("\"{}\"", (self.write)(value)))
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// A name of ours: a word that may stand in a metric's label and in a log line.
pub(super) fn name() -> Text<String> {
    let check = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        ((1..=64).contains(&text.len()) && text.bytes().all(plain)).then(|| text.to_owned())
    };
    Text { expects: "a name of 1 to 64 letters, digits, `-`, `_` or `.`", check, write: String::clone }
}

/// Printable text of at most 128 bytes.
pub(super) fn label() -> Text<String> {
    let check =
        |text: &str| ((1..=128).contains(&text.len()) && !text.contains(char::is_control)).then(|| text.to_owned());
    Text { expects: "a text of 1 to 128 bytes", check, write: String::clone }
}

/// An IP address and port.
pub(super) fn address() -> Text<SocketAddr> {
    Text {
        expects: "an IP address and a port, such as `0.0.0.0:8883` or `[::]:8883`",
        check: |text| text.parse().ok(),
        write: SocketAddr::to_string,
    }
}

/// The path of a URL.
pub(super) fn url_path() -> Text<String> {
    let check = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\"\\".contains(&byte);
        (text.starts_with('/') && text.len() <= 256 && text.bytes().all(plain)).then(|| text.to_owned())
    };
    Text { expects: "a path that begins with `/`, without `?` or `#`", check, write: String::clone }
}

/// The name of an application protocol in ALPN.
pub(super) fn protocol() -> Text<String> {
    let check = |text: &str| {
        ((1..=255).contains(&text.len()) && text.is_ascii() && !text.contains(char::is_control))
            .then(|| text.to_owned())
    };
    Text { expects: "a protocol name of ALPN, such as `mqtt`", check, write: String::clone }
}

/// A DNS name or IP address, as a certificate carries it.
pub(super) fn server_name() -> Text<String> {
    let check = |text: &str| rustls::pki_types::ServerName::try_from(text).ok().map(|_| text.to_owned());
    Text { expects: "a DNS name or an IP address", check, write: String::clone }
}

/// A DNS name that clients ask for, with or without `*` as its first label.
pub(super) fn asked_name() -> Text<String> {
    let check = |text: &str| {
        let name = text.strip_prefix("*.").unwrap_or(text);
        rustls::pki_types::DnsName::try_from(name).ok().map(|_| text.to_owned())
    };
    Text { expects: "a DNS name, such as `gateway.plant` or `*.plant`", check, write: String::clone }
}

/// The host and port of a server.
pub(super) fn server() -> Text<Server> {
    let check = |text: &str| {
        let (host, port) = text.rsplit_once(':')?;
        let port = digits_only(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)?;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_bracketed = bare.is_some();
        let host = bare.unwrap_or(host);
        let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
        let is_name = rustls::pki_types::ServerName::try_from(host).is_ok() && !host.contains(':');
        let is_known = if is_bracketed { is_v6 } else { is_name };
        is_known.then(|| Server { host: host.to_owned(), port })
    };
    Text { expects: "a host and a port, such as `10.0.0.5:1883` or `[fd00::5]:8883`", check, write: Server::to_string }
}

/// A file or folder; relative to the file that names it.
pub(super) struct File;

impl Kind for File {
    type Value = PathBuf;

    /// An empty path where the value is no path: a file was named, if badly, and nobody is to say that none was.
    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<PathBuf> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return Some(PathBuf::new());
        };
        if text.is_empty() || text.contains('\0') {
            reading.invalid(given, &self.expects(), "");
            return Some(PathBuf::new());
        }
        let path = reading.folder().join(text.as_ref());
        reading.files.push(Located { value: path.clone(), span: given.span.clone() });
        Some(path)
    }

    fn expects(&self) -> String {
        "a path".to_owned()
    }

    fn written(&self, value: &PathBuf) -> Option<String> {
        Some(format!("\"{}\"", value.display()))
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// A value that may be left out, with its place.
pub(super) struct Optional<K> {
    kind: K,
    required: bool,
}

/// A value that may be left out.
pub(super) fn optional<K: Kind>(kind: K) -> Optional<K> {
    Optional { kind, required: false }
}

/// A value that has to be there.
pub(super) fn required<K: Kind>(kind: K) -> Optional<K> {
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

/// A list of values, each with its place.
pub(super) struct List<K> {
    kind: K,
    count: RangeInclusive<usize>,
    required: bool,
}

/// A list of so many values.
pub(super) fn list<K: Kind>(kind: K, count: RangeInclusive<usize>) -> List<K> {
    List { kind, count, required: false }
}

/// A list that has to be there, with so many values.
pub(super) fn required_list<K: Kind>(kind: K, count: RangeInclusive<usize>) -> List<K> {
    List { kind, count, required: true }
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<Located<K::Value>>;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Self::Value> {
        let DeValue::Array(array) = given.value else {
            reading.wrong_type(given, &self.expects());
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

/// A table of its own.
pub(super) struct Nested<T>(PhantomData<T>);

/// A table of its own.
pub(super) fn table<T: Table>() -> Nested<T> {
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
        super::reference::table_schema(&T::keys())
    }

    fn keys(&self) -> Vec<Key> {
        T::keys()
    }
}

/// What a listener says of its own about a table of the whole gateway.
#[derive(Clone, Debug)]
pub(super) struct Over<T> {
    value: T,
    given: Vec<(String, Range<usize>)>,
}

impl<T: Table> Over<T> {
    /// Nothing said.
    pub(super) fn nothing() -> Self {
        Self { value: T::default(), given: Vec::new() }
    }

    /// What holds for the listener: its own words over the gateway's.
    pub(super) fn over(self, base: T) -> T {
        base.overridden(self.value, &|key| self.given.iter().any(|(given, _)| given == key))
    }

    /// Where it says a key.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.given.iter().find(|(given, _)| given == key).map(|(_, span)| span.clone())
    }
}

/// A table of the whole gateway, said otherwise for one listener.
pub(super) struct Overrides<T> {
    of: Option<&'static str>,
    table: PhantomData<T>,
}

/// A table of the whole gateway that a listener may say otherwise.
pub(super) fn overridable<T: Table>() -> Overrides<T> {
    Overrides { of: None, table: PhantomData }
}

/// The keys of the gateway's table `of`, for one listener.
pub(super) fn overrides<T: Table>(of: &'static str) -> Overrides<T> {
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
        super::reference::table_schema(&T::keys())
    }

    fn keys(&self) -> Vec<Key> {
        if self.of.is_none() { T::keys() } else { Vec::new() }
    }
}
