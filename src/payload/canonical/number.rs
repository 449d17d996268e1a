//! Numbers as ECMAScript writes them (RFC 8785 section 3.2.2.3).

use std::fmt::Write as _;

/// Writes a finite number.
pub(super) fn write(value: f64, out: &mut String) {
    if value == 0.0 {
        // Minus zero too.
        out.push('0');
        return;
    }
    // The shortest digits that read as the same double, of several the nearest: as ECMAScript asks.
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = even(value, &digits, exponent).unwrap_or(digits);
    if mantissa.starts_with('-') {
        out.push('-');
    }
    place(&digits, exponent + 1, out);
}

/// Where two shortest texts are equally near, the even one, as RFC 8785 asks; Rust takes the larger.
fn even(value: f64, digits: &str, exponent: i32) -> Option<String> {
    /// A double has at most 767 digits.
    const ALL: usize = 800;
    let is_tie = |places: usize| {
        let exact = format!("{:.places$e}", value.abs());
        let (mantissa, _) = exact.split_once('e')?;
        let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let (short, rest) = all.split_at_checked(digits.len())?;
        (rest.strip_prefix('5')?.bytes().all(|digit| digit == b'0')).then(|| short.to_owned())
    };
    // Nearly never, so first with one digit more.
    let _ = is_tie(digits.len())?;
    let mut lower = is_tie(ALL)?;
    let last = lower.pop()?.to_digit(10)?;
    // Of a 9, one more would be a shorter text.
    lower.push(char::from_digit(last + last % 2, 10)?);
    let read: f64 = format!("{lower}e{}", i64::from(exponent) + 1 - i64::try_from(lower.len()).ok()?).parse().ok()?;
    (read.to_bits() == value.abs().to_bits()).then_some(lower)
}

/// Number::toString of ECMA-262: `point` digits stand before the decimal point.
fn place(digits: &str, point: i32, out: &mut String) {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    let split = |at: i32| digits.split_at_checked(usize::try_from(at).unwrap_or_default()).unwrap_or((digits, ""));
    if (count..=21).contains(&point) {
        out.push_str(digits);
        out.push_str(&zeros(point - count));
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = split(point);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else if (-5..=0).contains(&point) {
        out.push_str("0.");
        out.push_str(&zeros(-point));
        out.push_str(digits);
    } else {
        let (first, rest) = split(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        let exponent = point - 1;
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{}", exponent.unsigned_abs());
    }
}
