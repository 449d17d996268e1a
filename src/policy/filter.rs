//! Topic Filters of rules, and what they are held against: texts as levels.
//!
//! A Topic Name is a Topic Filter without wildcards, and a filter matches it where it covers it: so there is one way to
//! hold a rule against a Topic Name and against a Topic Filter. Read [`Level::fits`] first.

use std::collections::HashMap;

use crate::identity::{Attribute, Identity};
use crate::mqtt::{Limits, topic};

/// One level of a rule's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level<T, V> {
    /// This text.
    Exact(T),
    /// `+`
    One,
    /// `#`
    Rest,
    /// What the connection has for a variable.
    Variable(V),
}

/// What a variable without a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Void {
    /// Nothing: no text fits it, for nobody may have more for it.
    Nothing,
    /// Any level, as `+`: who denies and can't tell denies.
    Anything,
}

/// Takes a rule's filter apart.
///
/// No Topic Name is empty, so `#` stands for no less than `+/#`, and `/#` for `/+/#`: that is how they come out.
pub(super) fn parse(filter: &str) -> Result<Vec<Level<&str, Attribute>>, String> {
    let levels = split(filter)?;
    if filter.starts_with("$share/") {
        return Err("a rule speaks of what stands behind `$share/NAME/`; `share_groups` names the groups".to_owned());
    }
    let plain: Vec<&str> = levels.iter().map(Level::in_place).collect();
    topic::check_filter(&plain.join("/"), &Limits::default()).map_err(|error| error.to_string())?;
    Ok(match levels.as_slice() {
        [Level::Rest] => vec![Level::One, Level::Rest],
        [Level::Exact(""), Level::Rest] => vec![Level::Exact(""), Level::One, Level::Rest],
        _ => levels,
    })
}

fn split(filter: &str) -> Result<Vec<Level<&str, Attribute>>, String> {
    const WHOLE: &str = "a variable stands for a whole level";
    let mut levels = Vec::new();
    let mut rest = Some(filter);
    while let Some(text) = rest {
        if let Some(behind) = text.strip_prefix("${") {
            // The name of a claim may hold `/`.
            let (name, after) = behind.split_once('}').ok_or("`${` without `}`")?;
            let attribute = Attribute::parse(name);
            levels.push(Level::Variable(attribute.ok_or(format!("nothing known of a client is called `{name}`"))?));
            rest = after.strip_prefix('/');
            if rest.is_none() && !after.is_empty() {
                return Err(WHOLE.to_owned());
            }
            continue;
        }
        let (level, after) = text.split_once('/').map_or((text, None), |(level, after)| (level, Some(after)));
        levels.push(match level {
            "+" => Level::One,
            "#" => Level::Rest,
            _ if level.contains("${") => return Err(WHOLE.to_owned()),
            _ => Level::Exact(level),
        });
        rest = after;
    }
    Ok(levels)
}

impl<'a> Level<&'a str, Attribute> {
    /// As text, something for a variable.
    const fn in_place(&self) -> &'a str {
        match self {
            Self::Exact(text) => text,
            Self::One => "+",
            Self::Rest => "#",
            Self::Variable(_) => "v",
        }
    }
}

impl<T: AsRef<str>> Level<T, u32> {
    /// Whether this level takes all that `asked` stands for.
    pub(super) fn fits(&self, asked: &Asked<'_>, values: &Values, void: Void) -> bool {
        match self {
            Self::Rest => true,
            _ if asked.is_rest() => false,
            Self::Exact(text) => text.as_ref() == asked.text,
            Self::One => !asked.is_hidden(),
            Self::Variable(variable) => match values.at(*variable, asked.depth) {
                Some(value) => value == asked.text,
                None => void == Void::Anything && !asked.is_hidden(),
            },
        }
    }

    /// Whether it stands for anything at all.
    fn exists(&self, depth: usize, values: &Values, void: Void) -> bool {
        match self {
            Self::Variable(variable) => void == Void::Anything || values.at(*variable, depth).is_some(),
            Self::Exact(_) | Self::One | Self::Rest => true,
        }
    }

    /// Whether some text is taken by this level and by `asked`.
    fn meets(&self, asked: &Asked<'_>, values: &Values, void: Void) -> bool {
        let wild = asked.is_one() || asked.is_rest();
        match self {
            Self::Exact(text) if wild => asked.depth > 0 || !text.as_ref().starts_with('$'),
            Self::Variable(_) if wild => self.exists(asked.depth, values, void),
            Self::One | Self::Rest if wild => true,
            Self::Exact(_) | Self::One | Self::Rest | Self::Variable(_) => self.fits(asked, values, void),
        }
    }
}

/// One level of a Topic Name or Topic Filter that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) text: &'a str,
    /// Levels before it.
    pub(super) depth: usize,
}

impl<'a> Asked<'a> {
    /// All levels of a text, `#` and `/#` as [`parse`] has them.
    pub(super) fn levels(text: &'a str) -> impl Iterator<Item = Self> {
        let text = match text {
            "#" => "+/#",
            "/#" => "/+/#",
            other => other,
        };
        text.split('/').enumerate().map(|(depth, text)| Self { text, depth })
    }

    pub(super) fn is_one(&self) -> bool {
        self.text == "+"
    }

    pub(super) fn is_rest(&self) -> bool {
        self.text == "#"
    }

    /// Whether no wildcard takes it. [MQTT-4.7.2-1]
    pub(super) fn is_hidden(&self) -> bool {
        self.depth == 0 && self.text.starts_with('$')
    }
}

/// A filter of a rule by itself, where there is no need to find it among many.
#[derive(Debug)]
pub(super) struct Filter(Box<[Level<Box<str>, u32>]>);

impl Filter {
    /// Takes a filter that [`parse`] has taken.
    pub(super) fn new(levels: &[Level<&str, Attribute>], mut variable: impl FnMut(&Attribute) -> u32) -> Self {
        let levels = levels.iter().map(|level| match level {
            Level::Exact(text) => Level::Exact((*text).into()),
            Level::One => Level::One,
            Level::Rest => Level::Rest,
            Level::Variable(attribute) => Level::Variable(variable(attribute)),
        });
        Self(levels.collect())
    }

    /// Whether it matches all that `text` stands for: one Topic Name, or all that a Topic Filter matches.
    pub(super) fn covers(&self, text: &str, values: &Values, void: Void) -> bool {
        let mut asked = Asked::levels(text);
        for level in &self.0 {
            if *level == Level::Rest {
                return true;
            }
            if !asked.next().is_some_and(|asked| level.fits(&asked, values, void)) {
                return false;
            }
        }
        asked.next().is_none()
    }

    /// Whether some Topic Name is matched by it and by the Topic Filter `text`.
    pub(super) fn overlaps(&self, text: &str, values: &Values, void: Void) -> bool {
        let (mut own, mut asked) = (self.0.iter(), Asked::levels(text));
        loop {
            match (own.next(), asked.next()) {
                (None, None) | (Some(Level::Rest), _) => return true,
                (own_level, Some(level)) if level.is_rest() => {
                    let depth = level.depth;
                    return own_level.into_iter().chain(own).all(|level| level.exists(depth, values, void));
                }
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(own), Some(level)) if own.meets(&level, values, void) => {}
                (Some(_), Some(_)) => return false,
            }
        }
    }
}

/// What one connection has for each variable of a policy.
#[derive(Debug, Default)]
pub(super) struct Values(Option<Box<Known>>);

/// By the numbers of variables.
#[derive(Debug)]
struct Known(Box<[Option<Box<str>>]>);

impl Values {
    pub(super) fn of(identity: &Identity, variables: &[Attribute]) -> Self {
        // A value that would be more than one level of a Topic Name, or a wildcard, is none.
        let fits = |value: &str| !value.is_empty() && !value.contains(['+', '#', '/', '\0']);
        let value =
            |attribute: &Attribute| attribute.one(identity).filter(|value| fits(value)).map(|value| value.into());
        Self((!variables.is_empty()).then(|| Box::new(Known(variables.iter().map(value).collect()))))
    }

    /// The value at this level; a first level is never made to begin with `$`.
    pub(super) fn at(&self, variable: u32, depth: usize) -> Option<&str> {
        let value = self.0.as_deref()?.0.get(variable as usize)?.as_deref()?;
        (depth > 0 || !value.starts_with('$')).then_some(value)
    }
}

/// The texts of exact levels, each as a number; of those that begin with `$` it is odd.
#[derive(Debug, Default)]
pub(super) struct Symbols(HashMap<Box<str>, u32>);

impl Symbols {
    pub(super) const UNKNOWN: u32 = u32::MAX;

    /// The number of a text, from now on.
    pub(super) fn take(&mut self, text: &str) -> u32 {
        if let Some(known) = self.0.get(text) {
            return *known;
        }
        let number = super::number(self.0.len()) * 2 + u32::from(text.starts_with('$'));
        self.0.insert(text.into(), number);
        number
    }

    /// The number of a text, where it has one.
    pub(super) fn find(&self, text: &str) -> u32 {
        self.0.get(text).copied().unwrap_or(Self::UNKNOWN)
    }

    pub(super) const fn begins_with_dollar(symbol: u32) -> bool {
        symbol % 2 == 1
    }
}
