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

/// Where two shortest texts are equally near, the even one, as RFC 8785 asks; Rust's formatter takes the larger.
fn even(value: f64, digits: &str, exponent: i32) -> Option<String> {
    let exact = exact(value)?;
    let half = exact.strip_suffix('5').filter(|half| half.len() == digits.len())?;
    let last = half.chars().next_back()?.to_digit(10)?;
    let mut even = half.strip_suffix(char::is_numeric)?.to_owned();
    // Of a 9, one more would be a shorter text.
    even.push(char::from_digit(last + last % 2, 10)?);
    let point = i64::from(exponent) + 1 - i64::try_from(even.len()).ok()?;
    let read: f64 = format!("{even}e{point}").parse().ok()?;
    (read.to_bits() == value.abs().to_bits()).then_some(even)
}

/// All significant digits of a double, where they are few enough to be halfway between two of 17.
fn exact(value: f64) -> Option<String> {
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).ok()?;
    if exponent == 0 {
        return None;
    }
    let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
    let odd = u128::from(mantissa >> mantissa.trailing_zeros());
    let power = exponent - 1075 + i32::try_from(mantissa.trailing_zeros()).ok()?;
    // Of more than 18 digits beyond these: 5^26 has 19, and what ends in a 5 and zeros has a factor 5 for each 2.
    let number = match power {
        -25..0 => odd * 5_u128.pow(power.unsigned_abs()),
        0..=21 => odd << power,
        _ => return None,
    };
    Some(number.to_string().trim_end_matches('0').to_owned())
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
