//! Hours of the day, days of the week, time zones.

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::text::Text;
use crate::config::read::{Given, Kind, Reading, escaped, nearest};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// From one minute of the day to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Hours {
    /// Minutes after midnight.
    pub(in crate::config) from: u16,
    /// Minutes after midnight, 1,440 at most; not after `from`: on the next day.
    pub(in crate::config) to: u16,
}

impl Hours {
    /// From midnight to midnight.
    pub(in crate::config) const ALL: Self = Self { from: 0, to: DAY };

    /// Whether they are all of a day.
    pub(in crate::config) fn are_all(self) -> bool {
        self.from % DAY == self.to % DAY
    }
}

/// Hours such as `06:00-22:00`.
pub(in crate::config) fn hours() -> Text<Hours> {
    let check = |text: &str| {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (minute(from)?, minute(to)?);
        (from < DAY).then_some(Hours { from, to })
    };
    let write = |hours: &Hours| {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        format!("{}-{}", clock(hours.from), clock(hours.to))
    };
    Text { expects: "hours such as `06:00-22:00`; `22:00-06:00` reaches into the next day", check, write }
}

/// `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse::<u16>().ok())?
    };
    let minutes = two(minutes).filter(|minutes| *minutes < 60)?;
    let minute = two(hours)? * 60 + minutes;
    (minute <= DAY).then_some(minute)
}

/// Days of the week, Monday first.
pub(in crate::config) type Days = [bool; 7];

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A day, or a run of days such as `mon-fri`.
pub(in crate::config) fn days() -> Text<Days> {
    let check = |text: &str| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let position = |name: &str| NAMES.iter().position(|known| *known == name);
        let (from, to) = (position(from)?, position(to)?);
        let is_in = |day: usize| if from <= to { (from..=to).contains(&day) } else { day >= from || day <= to };
        Some(std::array::from_fn(is_in))
    };
    let write = |days: &Days| {
        let named = NAMES.iter().zip(days).filter(|(_, is_in)| **is_in).map(|(name, _)| *name);
        named.collect::<Vec<_>>().join(", ")
    };
    Text {
        expects: "a day of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`, or a run such as `mon-fri`",
        check,
        write,
    }
}

/// A moment, in seconds since 1970.
pub(in crate::config) struct Moment;

/// A moment with its offset from UTC, as text or as TOML writes it.
pub(in crate::config) fn moment() -> Moment {
    Moment
}

impl Kind for Moment {
    type Value = i64;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<i64> {
        let text = match given.value {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(moment) => moment.to_string(),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => {
                reading.wrong_type(given, &self.expects());
                return None;
            }
        };
        let moment = text.parse::<jiff::Timestamp>().ok();
        if moment.is_none() {
            reading.invalid(given, &self.expects(), "");
        }
        moment.map(jiff::Timestamp::as_second)
    }

    fn expects(&self) -> String {
        "a time with its offset from UTC, such as `2026-11-22T03:00:00+01:00`".to_owned()
    }

    fn written(&self, value: &i64) -> Option<String> {
        jiff::Timestamp::from_second(*value).ok().map(|moment| format!("\"{moment}\""))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "format": "date-time"})
    }
}

/// A time zone by its name.
pub(in crate::config) struct Zone;

/// A time zone by its name.
pub(in crate::config) fn timezone() -> Zone {
    Zone
}

impl Kind for Zone {
    type Value = TimeZone;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<TimeZone> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let zone = TimeZone::get(text).ok().filter(|_| text.len() <= 64);
        if zone.is_none() {
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let near = nearest(text, known.iter().map(String::as_str));
            let help = near.map(|name| format!("did you mean `{}`?", escaped(name))).unwrap_or_default();
            reading.invalid(given, &self.expects(), &help);
        }
        zone
    }

    fn expects(&self) -> String {
        "a time zone, such as `Europe/Berlin` or `UTC`".to_owned()
    }

    fn written(&self, value: &TimeZone) -> Option<String> {
        Some(format!("\"{}\"", value.iana_name().unwrap_or("UTC")))
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}
