//! How much may happen in how long.

use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::number::{digits_only, parse_duration, parse_size, seconds, show_bytes, show_duration};
use super::value::{as_float, number};
use crate::config::read::{Given, Kind, Reading};
use crate::rate::Rate;

/// So many, or so much, in so long, such as `10/s`.
pub(in crate::config) struct Pace {
    is_of_bytes: bool,
}

/// A number in a time, as in `100/s` or `5/10m`.
pub(in crate::config) fn rate() -> Pace {
    Pace { is_of_bytes: false }
}

/// Bytes in a time, as in `64KiB/s`.
pub(in crate::config) fn byte_rate() -> Pace {
    Pace { is_of_bytes: true }
}

/// Tokens in a time, all of which may be taken at once.
pub(in crate::config) fn per(tokens: u64, time: Duration) -> Rate {
    Rate::new(tokens, time)
}

/// The longest time that a rate counts by.
const LONGEST_PER: Duration = seconds(30 * 86_400);

impl Pace {
    fn parse_text(&self, text: &str) -> Option<Rate> {
        let (much, time) = text.split_once('/')?;
        let tokens = if self.is_of_bytes { parse_size(much)? } else { digits_only(much)? };
        let time = if time.starts_with(|c: char| c.is_ascii_digit()) {
            parse_duration(time)?
        } else {
            parse_duration(&format!("1{time}"))?
        };
        let is_sound = tokens > 0 && tokens <= u64::from(u32::MAX) * 1024 && !time.is_zero() && time <= LONGEST_PER;
        is_sound.then(|| Rate::new(tokens, time))
    }
}

impl Kind for Pace {
    type Value = Rate;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Rate> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let rate = self.parse_text(text);
        if rate.is_none() {
            let help = if self.is_of_bytes {
                "bytes have a unit, `B`, `KiB`, `MiB` or `GiB`; times are as in `64KiB/s` or `1MiB/10s`"
            } else {
                "as in `10/s`, `200/m` or `5/10s`: so many at once, and as many more in each such time"
            };
            reading.invalid(given, &self.expects(), help);
        }
        rate
    }

    fn expects(&self) -> String {
        if self.is_of_bytes { "bytes in a time, such as `64KiB/s`" } else { "a number in a time, such as `10/s`" }
            .to_owned()
    }

    fn written(&self, value: &Rate) -> Option<String> {
        let tokens = if self.is_of_bytes { show_bytes(value.tokens()) } else { value.tokens().to_string() };
        let time = show_duration(value.per());
        let time = if value.per() == seconds(60) { "1m" } else { &time };
        let time =
            time.strip_prefix('1').filter(|unit| !unit.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(time);
        Some(format!("\"{tokens}/{time}\""))
    }

    fn schema(&self) -> Json {
        let much = if self.is_of_bytes { "[0-9]+(B|KiB|MiB|GiB)" } else { "[0-9]+" };
        json!({"type": "string", "pattern": format!("^{much}/([0-9]+)?(ms|s|m|h|d)([0-9]+[a-z]+)*$")})
    }
}

/// A part of a whole, in thousandths.
pub(in crate::config) struct Part;

/// A part of a whole, such as `0.25`.
pub(in crate::config) fn part() -> Part {
    Part
}

impl Kind for Part {
    type Value = u16;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<u16> {
        let bound = number().parse(given, reading)?;
        // The nearest that there is.
        let part = (1..=1000_u16).find(|part| (f64::from(*part) - as_float(bound) * 1000.0).abs() <= 0.5);
        if part.is_none() {
            reading.out_of_range(given, &self.expects());
        }
        part
    }

    fn expects(&self) -> String {
        "a part of the whole, from `0.001` to `1`".to_owned()
    }

    fn written(&self, value: &u16) -> Option<String> {
        Some((f64::from(*value) / 1000.0).to_string())
    }

    fn schema(&self) -> Json {
        json!({"type": "number", "minimum": 0.001, "maximum": 1})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        for (text, tokens, per) in [
            ("10/s", 10, seconds(1)),
            ("200/m", 200, seconds(60)),
            ("5/10s", 5, seconds(10)),
            ("1/d", 1, seconds(86_400)),
            ("3/100ms", 3, Duration::from_millis(100)),
        ] {
            let parsed = rate().parse_text(text).unwrap();
            assert_eq!((parsed.tokens(), parsed.per(), parsed.burst()), (tokens, per, tokens), "{text}");
            assert_eq!(rate().written(&parsed), Some(format!("\"{text}\"")));
        }
        let bytes = byte_rate().parse_text("64KiB/s").unwrap();
        assert_eq!((bytes.tokens(), bytes.per()), (65_536, seconds(1)));
        assert_eq!(byte_rate().written(&bytes).as_deref(), Some("\"64KiB/s\""));
    }

    #[test]
    fn what_is_no_rate_is_not_read_as_one() {
        for text in
            ["", "10", "/s", "10/", "0/s", "10/0s", "-1/s", "1.5/s", "10/s/s", "10/fortnight", "64KiB/s", "1/31d"]
        {
            assert!(rate().parse_text(text).is_none(), "{text}");
        }
        assert!(byte_rate().parse_text("64/s").is_none());
    }
}
