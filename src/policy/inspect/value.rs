//! What one value must be, whatever came before it.

use std::cmp::Ordering;

use regex::Regex;

use super::fault::Fault;
use super::rule::{Bound, Check, Scalar, ValueKind};
use crate::payload::Value;

/// What a value must be.
#[derive(Debug)]
pub(super) struct Limits {
    kind: Option<ValueKind>,
    min: Option<Bound>,
    max: Option<Bound>,
    one_of: Box<[Scalar]>,
    pattern: Option<Regex>,
    length: Option<(usize, usize)>,
}

impl Limits {
    /// Takes what does not depend on other values out of a check.
    ///
    /// # Errors
    /// What no value can be.
    pub(super) fn of(check: &Check) -> Result<Self, String> {
        let length = match (check.min_length, check.max_length) {
            (None, None) => None,
            (min, max) => Some((min.unwrap_or(0), max.unwrap_or(usize::MAX))),
        };
        if length.is_some_and(|(min, max)| min > max) {
            return Err("its `min_length` is above its `max_length`".to_owned());
        }
        let is_number = check.min.is_some() || check.max.is_some() || check.max_change.is_some();
        let asks = [
            (is_number, ValueKind::Number, "a number", "`min`, `max` and `max_change`"),
            (check.pattern.is_some(), ValueKind::Text, "text", "`pattern`"),
        ];
        let mut kind = check.kind;
        for (_, asked, what, by) in asks.into_iter().filter(|(is_asked, ..)| *is_asked) {
            match kind {
                None => kind = Some(asked),
                Some(known) if known == asked => {}
                Some(ValueKind::Integer) if asked == ValueKind::Number => {}
                Some(_) => return Err(format!("{by} ask for {what}, and it is to be something else")),
            }
        }
        let own =
            Self { kind, pattern: check.pattern.clone(), length, ..Self::range(check.min, check.max, &check.one_of)? };
        own.is_possible()?;
        Ok(own)
    }

    /// A range and a choice alone.
    ///
    /// # Errors
    /// What no value can be.
    pub(super) fn range(min: Option<Bound>, max: Option<Bound>, one_of: &[Scalar]) -> Result<Self, String> {
        let numbers =
            one_of.iter().filter_map(|one| if let Scalar::Number(number) = one { Some(*number) } else { None });
        for bound in [min, max].into_iter().flatten().chain(numbers) {
            if let Bound::Float(float) = bound
                && !float.is_finite()
            {
                return Err(format!("`{float}` is no number that can be"));
            }
        }
        if let (Some(min), Some(max)) = (min, max)
            && compare(&number(min), &max) == Some(Ordering::Greater)
        {
            return Err("its `min` is above its `max`".to_owned());
        }
        let kind = (min.is_some() || max.is_some()).then_some(ValueKind::Number);
        Ok(Self { kind, min, max, one_of: one_of.into(), pattern: None, length: None })
    }

    /// Whether some text or number of `one_of` is all that is asked for.
    fn is_possible(&self) -> Result<(), String> {
        let fits = |scalar: &Scalar| {
            let value = match scalar {
                Scalar::Number(bound) => number(*bound),
                Scalar::Text(text) => Value::Text((**text).into()),
                Scalar::Boolean(value) => Value::Bool(*value),
            };
            self.judge(&value).is_ok()
        };
        match self.one_of.iter().find(|scalar| !fits(scalar)) {
            None => Ok(()),
            Some(_) => Err("what else is asked of it leaves out some of its `one_of`".to_owned()),
        }
    }

    /// Judges a value.
    ///
    /// # Errors
    /// The word for what is wrong with it.
    #[inline]
    pub(super) fn judge(&self, value: &Value<'_>) -> Result<(), &'static str> {
        if self.kind.is_some_and(|kind| !is(kind, value)) {
            return Err(Fault::TYPE);
        }
        if let Some(min) = &self.min
            && compare(value, min).ok_or(Fault::TYPE)? == Ordering::Less
        {
            return Err(Fault::BELOW_MIN);
        }
        if let Some(max) = &self.max
            && compare(value, max).ok_or(Fault::TYPE)? == Ordering::Greater
        {
            return Err(Fault::ABOVE_MAX);
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|one| equals(value, one)) {
            return Err(Fault::NOT_ONE_OF);
        }
        if let Some(pattern) = &self.pattern {
            let Value::Text(text) = value else { return Err(Fault::TYPE) };
            if !pattern.is_match(text) {
                return Err(Fault::PATTERN);
            }
        }
        let Some((min, max)) = self.length else { return Ok(()) };
        match length(value).ok_or(Fault::TYPE)? {
            length if length < min => Err(Fault::TOO_SHORT),
            length if length > max => Err(Fault::TOO_LONG),
            _ => Ok(()),
        }
    }
}

const fn number(bound: Bound) -> Value<'static> {
    match bound {
        Bound::Integer(integer) => Value::Integer(integer as i128),
        Bound::Float(float) => Value::Float(float),
    }
}

const fn is(kind: ValueKind, value: &Value<'_>) -> bool {
    match kind {
        ValueKind::Number => matches!(value, Value::Integer(_) | Value::Float(_)),
        ValueKind::Integer => matches!(value, Value::Integer(_)),
        ValueKind::Text => matches!(value, Value::Text(_)),
        ValueKind::Boolean => matches!(value, Value::Bool(_)),
        ValueKind::Bytes => matches!(value, Value::Bytes(_)),
        ValueKind::List => matches!(value, Value::List(_)),
        ValueKind::Object => matches!(value, Value::Object(_)),
        ValueKind::Null => matches!(value, Value::Null),
    }
}

/// Characters of a text, bytes, items of a list, members of an object.
fn length(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::Text(text) => Some(text.chars().count()),
        Value::Bytes(bytes) => Some(bytes.len()),
        Value::List(items) => Some(*items),
        Value::Object(members) => Some(*members),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) => None,
    }
}

fn equals(value: &Value<'_>, scalar: &Scalar) -> bool {
    match (value, scalar) {
        (_, Scalar::Number(bound)) => compare(value, bound) == Some(Ordering::Equal),
        (Value::Text(text), Scalar::Text(one)) => **text == **one,
        (Value::Bool(value), Scalar::Boolean(one)) => value == one,
        (_, Scalar::Text(_) | Scalar::Boolean(_)) => false,
    }
}

/// How a number stands to a bound, exactly; none for what is no number.
#[inline]
fn compare(value: &Value<'_>, bound: &Bound) -> Option<Ordering> {
    match (value, bound) {
        (Value::Integer(value), Bound::Integer(bound)) => Some(value.cmp(&i128::from(*bound))),
        (Value::Float(value), Bound::Float(bound)) => value.partial_cmp(bound),
        (Value::Integer(value), Bound::Float(bound)) => Some(mixed(*value, *bound)?),
        (Value::Float(value), Bound::Integer(bound)) => Some(mixed(i128::from(*bound), *value)?.reverse()),
        (Value::Null | Value::Bool(_) | Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Object(_), _) => {
            None
        }
    }
}

/// How a whole number stands to a float, without rounding either.
fn mixed(integer: i128, float: f64) -> Option<Ordering> {
    const TWO_TO_127: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float.is_nan() {
        return None;
    }
    if float >= TWO_TO_127 {
        return Some(Ordering::Less);
    }
    if float < -TWO_TO_127 {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    let order = integer.cmp(&whole_number(whole)?);
    Some(if order == Ordering::Equal { whole.partial_cmp(&float)? } else { order })
}

/// A float without a fraction, of at most 127 bits.
fn whole_number(float: f64) -> Option<i128> {
    const FRACTION_BITS: u64 = 52;
    const BIAS: u64 = 1023;
    let bits = float.to_bits();
    let biased = bits >> FRACTION_BITS & 0x7ff;
    if biased < BIAS {
        return Some(0);
    }
    let fraction = i128::from(bits & ((1 << FRACTION_BITS) - 1) | 1 << FRACTION_BITS);
    let exponent = biased - BIAS;
    let size = if exponent >= FRACTION_BITS {
        // The least float takes all 128 bits.
        let shift = u32::try_from(exponent - FRACTION_BITS).ok()?;
        if exponent == 127 {
            return float.is_sign_negative().then_some(i128::MIN);
        }
        fraction.checked_shl(shift)?
    } else {
        fraction >> (FRACTION_BITS - exponent)
    };
    Some(if float.is_sign_negative() { -size } else { size })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_and_floats_are_compared_without_rounding() {
        let big = (1_i64 << 53) + 1;
        for (integer, float, expected) in [
            (0, 0.0, Ordering::Equal),
            (0, -0.0, Ordering::Equal),
            (1, 1.5, Ordering::Less),
            (2, 1.5, Ordering::Greater),
            (-1, -1.5, Ordering::Greater),
            (-2, -1.5, Ordering::Less),
            (i128::from(big), 9_007_199_254_740_992.0, Ordering::Greater),
            (i128::from(big) - 1, 9_007_199_254_740_992.0, Ordering::Equal),
            (i128::from(i64::MAX), 9_223_372_036_854_775_807.0, Ordering::Less),
            (i128::MAX, 1e300, Ordering::Less),
            (i128::MIN, -1e300, Ordering::Greater),
            (i128::MIN, -170_141_183_460_469_231_731_687_303_715_884_105_728.0, Ordering::Equal),
            (0, 5e-324, Ordering::Less),
            (0, -5e-324, Ordering::Greater),
        ] {
            assert_eq!(mixed(integer, float), Some(expected), "{integer} {float}");
            assert_eq!(compare(&Value::Integer(integer), &Bound::Float(float)), Some(expected), "{integer} {float}");
        }
        assert_eq!(compare(&Value::Integer(big.into()), &Bound::Integer(big - 1)), Some(Ordering::Greater));
    }

    proptest! {
        #[test]
        fn a_float_is_to_itself_as_an_integer_what_it_is(integer in -(1_i64 << 53)..1 << 53, other in any::<i64>()) {
            prop_assert_eq!(mixed(integer.into(), integer as f64), Some(Ordering::Equal));
            prop_assert_eq!(whole_number(integer as f64), Some(integer.into()));
            prop_assert_eq!(mixed(other.into(), integer as f64), Some(other.cmp(&integer)));
        }
    }
}
