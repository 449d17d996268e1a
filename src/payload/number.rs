//! Numbers written out in decimal.

use super::walk::Scalar;
use super::{Flaw, FlawKind};

/// The longest that is read, in bytes: no double takes more than 24 to be told apart, no integer that is taken more
/// than 40.
pub const MAX_NUMBER_BYTES: usize = 256;

/// Reads a number of JSON's grammar that begins at a byte of the text. Also gives where it ends.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn scan(text: &str, start: usize) -> Result<(Scalar<'_>, usize), (FlawKind, usize)> {
    let bytes = text.as_bytes();
    let mut at = start;
    let negative = bytes.get(at) == Some(&b'-');
    at += usize::from(negative);
    // A leading zero stands alone.
    let (whole, value) = if bytes.get(at) == Some(&b'0') { (at + 1, 0) } else { digits(bytes, at)? };
    at = whole;
    let fraction = bytes.get(at) == Some(&b'.');
    if fraction {
        (at, _) = digits(bytes, at + 1)?;
    }
    let exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
    if exponent {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        (at, _) = digits(bytes, at + 1 + sign)?;
    }
    if matches!(bytes.get(at), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' | b'_')) {
        return Err((FlawKind::Syntax, at));
    }
    let out_of_range = (FlawKind::NumberRange, start);
    let number = text.get(start..at).filter(|number| number.len() <= MAX_NUMBER_BYTES).ok_or(out_of_range)?;
    let value = if exponent {
        // Without one, so few digits are always finite.
        number.parse::<f64>().ok().filter(|value| value.is_finite()).map(Scalar::Float)
    } else if fraction {
        Some(Scalar::Decimal(number))
    } else if number.len() <= 18 {
        let value = i128::from(value);
        Some(Scalar::Integer(if negative { -value } else { value }))
    } else {
        number.parse().ok().map(Scalar::Integer)
    };
    Ok((value.ok_or(out_of_range)?, at))
}

/// One digit or more: where they end, and their value, which is meaningless beyond 18 of them.
#[inline]
fn digits(bytes: &[u8], start: usize) -> Result<(usize, u64), (FlawKind, usize)> {
    let mut value: u64 = 0;
    let mut at = start;
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    match at {
        at if at > start => Ok((at, value)),
        at if at >= bytes.len() => Err((FlawKind::Truncated, at)),
        at => Err((FlawKind::Syntax, at)),
    }
}

/// Reads a payload that is one number: JSON's grammar, a `+` may stand before it, nothing else around it.
///
/// # Errors
/// It is not one.
pub(super) fn whole(text: &str) -> Result<Scalar<'_>, Flaw> {
    let flaw = |what, at| Flaw { what, at: Some(at), field: None };
    let start = usize::from(text.starts_with('+'));
    if start == 1 && text.as_bytes().get(1) == Some(&b'-') {
        return Err(flaw(FlawKind::Syntax, 1));
    }
    let (value, end) = scan(text, start).map_err(|(what, at)| flaw(what, at))?;
    if end == text.len() { Ok(value) } else { Err(flaw(FlawKind::TrailingBytes, end)) }
}
