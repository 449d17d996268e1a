//! What rules are made of: globs, Topic Filters with variables, QoS.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::identity::unknown_variable;
use super::text::Text;
use crate::config::read::{Given, Kind, Reading};
use crate::identity::{Attribute, Pattern};
use crate::mqtt::frame::QoS;
use crate::mqtt::{Limits, topic};

/// Text in which `*` is any run of characters.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Glob;

/// Text in which `*` is any run of characters.
pub(in crate::config) fn glob() -> Glob {
    Glob
}

impl Kind for Glob {
    type Value = Pattern;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Pattern> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        if text.is_empty() {
            reading.invalid(given, &self.expects(), "what is empty is nobody");
            return None;
        }
        if text.contains("${") {
            reading.invalid(given, &self.expects(), "there are no variables here: a role says who somebody is");
            return None;
        }
        Some(Pattern::new(text))
    }

    fn expects(&self) -> String {
        "a text, in which `*` is any run of characters".to_owned()
    }

    fn written(&self, value: &Pattern) -> Option<String> {
        Some(format!("\"{}\"", value.as_str()))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

/// A Topic Filter of a rule.
pub(in crate::config) struct TopicFilter;

/// A Topic Filter of a rule, in which a level may be a variable.
pub(in crate::config) fn topic_filter() -> TopicFilter {
    TopicFilter
}

impl TopicFilter {
    /// The filter with `+` in place of each variable: what it can stand for at most.
    ///
    /// # Errors
    /// What is wrong with its variables.
    pub(in crate::config) fn widest(filter: &str) -> Result<String, String> {
        let whole = || "a variable is a whole level".to_owned();
        let mut widest = String::with_capacity(filter.len());
        let mut rest = filter;
        // The name of a claim may hold `/`.
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) = behind.split_once('}').ok_or("`${` is not closed with `}`")?;
            if Attribute::parse(name).is_none() {
                return Err(unknown_variable(name));
            }
            widest.push_str(before);
            let begins_level = widest.is_empty() || widest.ends_with('/');
            if !begins_level || !(after.is_empty() || after.starts_with('/')) {
                return Err(whole());
            }
            widest.push('+');
            rest = after;
        }
        widest.push_str(rest);
        Ok(widest)
    }

    /// What is wrong with it.
    fn judge(text: &str) -> Result<(), String> {
        if text.starts_with("$share/") {
            return Err("a rule names no share: `share_groups` says which may be used".to_owned());
        }
        let widest = Self::widest(text)?;
        topic::check_filter(&widest, &Limits::default()).map_err(|error| error.description().to_owned())
    }
}

impl Kind for TopicFilter {
    type Value = String;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<String> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        match Self::judge(text) {
            Ok(()) => Some(text.to_string()),
            Err(why) => {
                reading.invalid(given, &self.expects(), &why);
                None
            }
        }
    }

    fn expects(&self) -> String {
        "a Topic Filter, in which a level may be a variable such as `${identity}`".to_owned()
    }

    fn written(&self, value: &String) -> Option<String> {
        Some(format!("\"{value}\""))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

/// A Topic Name that clients can publish to.
pub(in crate::config) fn topic_name() -> Text<String> {
    let check = |text: &str| {
        let is_name = topic::check_name(text, &Limits::default()).is_ok();
        (is_name && !text.starts_with('$')).then(|| text.to_owned())
    };
    Text { expects: "a Topic Name that does not begin with `$`", check, write: String::clone }
}

/// What topics are held to beside the standard: nothing that a listener might leave open.
fn lenient() -> Limits {
    Limits {
        max_topic_bytes: usize::from(u16::MAX),
        max_topic_levels: usize::from(u16::MAX),
        refuse_control_characters: false,
        ..Limits::default()
    }
}

/// Any Topic Name.
pub(in crate::config) fn topic() -> Text<String> {
    let check = |text: &str| topic::check_name(text, &lenient()).is_ok().then(|| text.to_owned());
    Text { expects: "a Topic Name, without `+` and `#`", check, write: String::clone }
}

/// Any Topic Filter, that of a Shared Subscription too.
pub(in crate::config) fn subscription() -> Text<String> {
    let check = |text: &str| topic::check_filter(text, &lenient()).is_ok().then(|| text.to_owned());
    Text { expects: "a Topic Filter", check, write: String::clone }
}

/// A Quality of Service.
pub(in crate::config) struct Quality;

/// A Quality of Service.
pub(in crate::config) fn qos() -> Quality {
    Quality
}

impl Kind for Quality {
    type Value = QoS;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<QoS> {
        let value = super::count(0..=2_u8).parse(given, reading)?;
        QoS::from_u8(value)
    }

    fn expects(&self) -> String {
        "`0`, `1` or `2`".to_owned()
    }

    fn written(&self, value: &QoS) -> Option<String> {
        Some(value.value().to_string())
    }

    fn schema(&self) -> Json {
        json!({"enum": [0, 1, 2]})
    }
}
