//! A glob over one text.

/// Text in which `*` stands for any run of characters; anchored at both ends, compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Takes a pattern as it is written.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text itself where it holds no `*`: it matches that alone.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&*self.0)
    }

    /// Whether it matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        matches_pieces(self.0.split('*'), text)
    }
}

/// Whether `text` is these pieces with anything between two of them. Each is found as early as can be: no backtracking.
pub(super) fn matches_pieces<'p>(mut pieces: impl DoubleEndedIterator<Item = &'p str>, text: &str) -> bool {
    let Some(first) = pieces.next() else { return text.is_empty() };
    let Some(last) = pieces.next_back() else { return first == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    for piece in pieces {
        let Some((_, behind)) = text.split_once(piece) else { return false };
        text = behind;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters_and_all_else_is_itself() {
        for (pattern, text, expected) in [
            ("temp-*", "temp-07", true),
            ("temp-*", "temp-", true),
            ("temp-*", "xtemp-07", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("*a", "ba", true),
            ("*a*", "bab", true),
            ("ab*ba", "aba", false),
            ("a.c", "abc", false),
            ("Temp", "temp", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
        assert_eq!(Pattern::new("a").literal(), Some("a"));
        assert_eq!(Pattern::new("a*").literal(), None);
    }
}
