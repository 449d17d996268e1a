//! Numbers: counts, sizes, durations, each in a range.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::config::read::{Given, Kind, Reading};

/// An integer type of a setting.
pub(in crate::config) trait Number: Copy + PartialOrd {
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
pub(in crate::config) struct Whole<T> {
    unit: Unit,
    range: RangeInclusive<T>,
}

/// A plain number.
pub(in crate::config) fn count<T: Number>(range: RangeInclusive<T>) -> Whole<T> {
    Whole { unit: Unit::Count, range }
}

/// A number of bytes: an integer, or text such as `64KiB`.
pub(in crate::config) fn size<T: Number>(range: RangeInclusive<T>) -> Whole<T> {
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

pub(super) fn parse_size(text: &str) -> Option<u64> {
    let (digits, bytes) = SIZES.iter().find_map(|(unit, bytes)| text.strip_suffix(unit).map(|rest| (rest, bytes)))?;
    digits_only(digits)?.checked_mul(*bytes)
}

pub(super) fn digits_only(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

pub(super) fn show_bytes(bytes: u64) -> String {
    let found = SIZES.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    found.map_or_else(|| "0B".to_owned(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// A size as one would write it.
pub(in crate::config) fn show_size(bytes: usize) -> String {
    show_bytes(bytes.to_u64())
}

/// A length of time in a range, such as `10s`.
pub(in crate::config) struct Time(RangeInclusive<Duration>);

/// A duration in a range of milliseconds.
pub(in crate::config) fn duration(range: RangeInclusive<Duration>) -> Time {
    Time(range)
}

/// Whole seconds, as a duration.
pub(in crate::config) const fn seconds(seconds: u64) -> Duration {
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
pub(in crate::config) fn parse_duration(text: &str) -> Option<Duration> {
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
pub(in crate::config) fn show_duration(value: Duration) -> String {
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
pub(in crate::config) struct KeepAliveSeconds;

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
