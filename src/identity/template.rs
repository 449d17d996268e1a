//! Text made from what is known of a client.

use super::pattern::matches_pieces;
use super::{Attribute, Identity};

/// Text in which `${attribute}` stands for what is known of a client and, where texts are held against it, `*` for any
/// run of characters. Values are literal: a `*` or `$` in one stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Value(Attribute),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${` without `}`.
    #[error("`${{` without `}}`")]
    Open,
    /// No attribute has this name.
    #[error("nothing known of a client is called `{0}`")]
    Unknown(Box<str>),
}

impl Template {
    /// Takes a text apart.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) = behind.split_once('}').ok_or(TemplateError::Open)?;
            let attribute = Attribute::parse(name).ok_or_else(|| TemplateError::Unknown(name.into()))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Value(attribute));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self { text: text.into(), parts })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text for this client; none where a value is missing, empty, or not one alone.
    #[must_use]
    pub fn expand(&self, identity: &Identity) -> Option<String> {
        self.expand_if(identity, |_| true)
    }

    /// As [`Self::expand`], and none where a value does not fit.
    #[must_use]
    pub fn expand_if(&self, identity: &Identity, fits: impl Fn(&str) -> bool) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Value(attribute) => {
                    text.push_str(&attribute.one(identity).filter(|value| !value.is_empty() && fits(value))?);
                }
            }
        }
        Some(text)
    }

    /// Whether it matches the whole of `text` for this client; never where a value is missing, or is not one alone.
    #[must_use]
    pub fn matches(&self, identity: &Identity, text: &str) -> bool {
        let mut pieces = vec![String::new()];
        for part in &self.parts {
            match part {
                Part::Value(attribute) => match attribute.one(identity) {
                    Some(value) => pieces.last_mut().into_iter().for_each(|piece| piece.push_str(&value)),
                    None => return false,
                },
                Part::Text(part) => {
                    for (index, piece) in part.split('*').enumerate() {
                        if index > 0 {
                            pieces.push(String::new());
                        }
                        pieces.last_mut().into_iter().for_each(|last| last.push_str(piece));
                    }
                }
            }
        }
        matches_pieces(pieces.iter().map(String::as_str), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> Identity {
        let mut identity = Identity::new("field".into(), ([192, 0, 2, 7], 1).into(), None);
        identity.name = Some(name.into());
        identity
    }

    #[test]
    fn values_are_put_in_and_never_become_patterns() {
        for (template, name, text, expected) in [
            ("${identity}", "temp-07", "temp-07", true),
            ("${identity}", "temp-07", "temp-08", false),
            ("${identity}-*", "temp-07", "temp-07-b", true),
            ("${identity}-*", "temp-07", "temp-07", false),
            ("${identity}", "*", "anything", false),
            ("${identity}", "*", "*", true),
            ("*${identity}", "${client_id}", "x${client_id}", true),
            ("${username}", "temp-07", "", false),
            ("a*b*c", "", "a-b-c", true),
        ] {
            let parsed = Template::parse(template).unwrap();
            assert_eq!(parsed.matches(&identity(name), text), expected, "{template} {name} {text}");
        }
        assert_eq!(Template::parse("hub/${identity}/x").unwrap().expand(&identity("a")).as_deref(), Some("hub/a/x"));
        assert_eq!(Template::parse("${username}").unwrap().expand(&identity("a")), None);
        assert_eq!(Template::parse("hub/${identity}").unwrap().expand(&identity("")), None, "nothing names nobody");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Template::parse("${identity"), Err(TemplateError::Open));
        assert_eq!(Template::parse("${nothing}"), Err(TemplateError::Unknown("nothing".into())));
    }
}
