//! Topic Names and Topic Filters: their form, and how they relate.
//!
//! [`matches()`], [`covers`] and [`overlaps`] take what stands behind `$share/NAME/`: see [`Filter::topic`].

use super::{Limits, error::DecodeError, text};

/// Judges a Topic Name: UTF-8, not empty, no wildcard, within the limits. [MQTT-4.7.3-1] [MQTT-3.3.2-2]
///
/// # Errors
/// The first rule broken.
#[inline]
pub fn name<'a>(bytes: &'a [u8], limits: &Limits) -> Result<&'a str, DecodeError> {
    if bytes.len() > limits.max_topic_bytes {
        return Err(DecodeError::TopicNameTooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
    // So few bytes can't have too many levels.
    if !text::is_plain(bytes) || bytes.len() >= limits.max_topic_levels {
        judge_name(text, limits)?;
    }
    Ok(text)
}

/// As [`name`], for what is text already.
///
/// # Errors
/// The first rule broken.
pub fn check_name(text: &str, limits: &Limits) -> Result<(), DecodeError> {
    name(text.as_bytes(), limits).map(|_| ())
}

/// Finds the rule that a long or unusual Topic Name breaks, if it does.
#[cold]
fn judge_name(text: &str, limits: &Limits) -> Result<(), DecodeError> {
    if text.is_empty() {
        return Err(DecodeError::TopicNameEmpty);
    }
    judge_characters(text, limits)?;
    if text.contains(['+', '#']) {
        return Err(DecodeError::TopicNameWildcard);
    }
    if memchr::memchr_iter(b'/', text.as_bytes()).count() >= limits.max_topic_levels {
        return Err(DecodeError::TopicNameTooDeep);
    }
    Ok(())
}

fn judge_characters(text: &str, limits: &Limits) -> Result<(), DecodeError> {
    if text.contains('\0') {
        return Err(DecodeError::NullCharacter);
    }
    if limits.refuse_control_characters && text::holds_control(text) {
        return Err(DecodeError::ControlCharacter);
    }
    Ok(())
}

/// A Topic Filter of a SUBSCRIBE or UNSUBSCRIBE, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Filter<'a> {
    text: &'a str,
    share: Option<&'a str>,
    topic: &'a str,
}

impl<'a> Filter<'a> {
    /// Judges the bytes of a Topic Filter.
    ///
    /// `$share/NAME/FILTER` is a Shared Subscription in every version: the standard knows it from 5.0 on, brokers honour
    /// it in 3.1.1, and what one reader takes for a ShareName must not be a topic level to another. So a bad form of it
    /// is refused in every version, a second `$share/` inside included.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        if bytes.len() > limits.max_topic_bytes {
            return Err(DecodeError::TopicFilterTooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
        if text.is_empty() {
            return Err(DecodeError::TopicFilterEmpty);
        }
        judge_characters(text, limits)?;
        let filter = Self::split(text);
        filter.judge_share()?;
        judge_wildcards(filter.topic)?;
        if filter.topic.split('/').count() > limits.max_topic_levels {
            return Err(DecodeError::TopicFilterTooDeep);
        }
        Ok(filter)
    }

    /// Takes a Topic Filter apart that has been judged.
    #[must_use]
    pub(super) fn split(text: &'a str) -> Self {
        let Some(rest) = text.strip_prefix("$share/") else { return Self { text, share: None, topic: text } };
        let (share, topic) = rest.split_once('/').unwrap_or((rest, ""));
        Self { text, share: Some(share), topic }
    }

    /// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    fn judge_share(&self) -> Result<(), DecodeError> {
        match self.share {
            None => Ok(()),
            Some(share) if share.is_empty() || share.contains(['+', '#']) => Err(DecodeError::ShareNameInvalid),
            Some(_) if self.topic.is_empty() || self.topic.starts_with("$share/") => {
                Err(DecodeError::ShareFilterInvalid)
            }
            Some(_) => Ok(()),
        }
    }

    /// The whole text, as it stands in the packet.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The ShareName, of a Shared Subscription.
    #[must_use]
    pub const fn share(&self) -> Option<&'a str> {
        self.share
    }

    /// The Topic Filter proper: what stands behind the ShareName, or all of it.
    #[must_use]
    pub const fn topic(&self) -> &'a str {
        self.topic
    }

    /// Whether it has a wildcard.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.topic.contains(['+', '#'])
    }
}

/// Judges a Topic Filter.
///
/// # Errors
/// As [`Filter::parse`].
pub fn check_filter(text: &str, limits: &Limits) -> Result<(), DecodeError> {
    Filter::parse(text.as_bytes(), limits).map(|_| ())
}

/// Wildcards are whole levels, and `#` is the last. 5.0 [MQTT-4.7.1-1] [MQTT-4.7.1-2]
fn judge_wildcards(filter: &str) -> Result<(), DecodeError> {
    let mut levels = filter.split('/');
    while let Some(level) = levels.next() {
        if level.contains('#') && (level.len() > 1 || levels.next().is_some()) {
            return Err(DecodeError::MultiLevelWildcard);
        }
        if level.contains('+') && level.len() > 1 {
            return Err(DecodeError::SingleLevelWildcard);
        }
    }
    Ok(())
}

/// Whether a Topic Filter matches a Topic Name. A filter that begins with a wildcard matches no name that begins with
/// `$`. [MQTT-4.7.2-1]
#[must_use]
pub fn matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut name) = (filter.as_bytes(), name.as_bytes());
    loop {
        (filter, name) = match filter {
            b"#" => return true,
            [b'+', filter @ ..] => (filter, after_level(name)),
            _ => after_equal_bytes(filter, name),
        };
        // Both are behind a level that matches, or in the middle of one that doesn't.
        (filter, name) = match (filter, name) {
            ([], []) | (b"/#", []) => return true,
            ([b'/', filter @ ..], [b'/', name @ ..]) => (filter, name),
            _ => return false,
        };
    }
}

/// What follows the level that `name` begins with.
fn after_level(name: &[u8]) -> &[u8] {
    name.iter().position(|&byte| byte == b'/').and_then(|at| name.get(at..)).unwrap_or_default()
}

/// What is left of both where they differ, or where the level ends.
fn after_equal_bytes<'a>(mut filter: &'a [u8], mut name: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    while let ([one, filter_rest @ ..], [other, name_rest @ ..]) = (filter, name)
        && one == other
        && *one != b'/'
    {
        (filter, name) = (filter_rest, name_rest);
    }
    (filter, name)
}

/// Whether `wide` matches every Topic Name that `narrow` matches.
#[must_use]
pub fn covers(wide: &str, narrow: &str) -> bool {
    if narrow.starts_with('$') && wide.starts_with(['+', '#']) {
        return false;
    }
    let mut narrow = levels(narrow);
    for level in levels(wide) {
        match (level, narrow.next()) {
            ("#", _) => return true,
            (_, None | Some("#")) => return false,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            (_, Some(_)) => return false,
        }
    }
    narrow.next().is_none()
}

/// Whether some Topic Name is matched by both.
#[must_use]
pub fn overlaps(one: &str, other: &str) -> bool {
    let wild = |filter: &str| filter.starts_with(['+', '#']);
    if (one.starts_with('$') && wild(other)) || (other.starts_with('$') && wild(one)) {
        return false;
    }
    let (mut one, mut other) = (levels(one), levels(other));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(one), Some(other)) if one == other => {}
            (Some(_), Some(_)) => return false,
        }
    }
}

/// The levels of a filter. No Topic Name is empty, so `#` stands for no less than `+/#`, and `/#` for `/+/#`.
fn levels(filter: &str) -> impl Iterator<Item = &str> {
    let filter = match filter {
        "#" => "+/#",
        "/#" => "/+/#",
        other => other,
    };
    filter.split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_examples_match() {
        for (filter, name, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/monitor/Clients", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/monitor/Clients", true),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
            ("ACCOUNTS", "Accounts", false),
        ] {
            assert_eq!(matches(filter, name), expected, "{filter} {name}");
        }
    }

    #[test]
    fn filters_cover_and_overlap() {
        for (one, other, covered, overlapping) in [
            ("#", "a/b", true, true),
            ("#", "$SYS/#", false, false),
            ("+/#", "#", true, true),
            ("#", "+/#", true, true),
            ("/+/#", "/#", true, true),
            ("/#", "/+/#", true, true),
            ("+/+/#", "/#", true, true),
            ("a/#", "a", true, true),
            ("a/+", "a/#", false, true),
            ("a/+/#", "a/#", false, true),
            ("a/+/c", "+/b/c", false, true),
            ("a/+", "a/b", true, true),
            ("a/b", "a/+", false, true),
            ("a/b", "a/c", false, false),
            ("+", "/#", false, false),
            ("$SYS/#", "$SYS/+/x", true, true),
            ("+/x", "$a/x", false, false),
        ] {
            assert_eq!(covers(one, other), covered, "{one} covers {other}");
            assert_eq!(overlaps(one, other), overlapping, "{one} overlaps {other}");
            assert_eq!(overlaps(other, one), overlapping, "{other} overlaps {one}");
        }
    }

    #[test]
    fn a_shared_subscription_is_taken_apart() {
        let limits = Limits::default();
        let filter = Filter::parse(b"$share/group/a/+/#", &limits).unwrap();
        assert_eq!((filter.share(), filter.topic()), (Some("group"), "a/+/#"));
        assert_eq!(filter.text(), "$share/group/a/+/#");
        assert!(filter.has_wildcard());
        let plain = Filter::parse(b"$shared/group/a", &limits).unwrap();
        assert_eq!((plain.share(), plain.topic()), (None, "$shared/group/a"));
    }
}
