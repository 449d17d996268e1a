//! Topic Filters against models that are too simple to be wrong.

use tidegate::mqtt::{
    Limits,
    topic::{Filter, check_name, covers, matches, overlaps},
};

/// Reads two filters off the input, by bytes as small texts and as they are, and holds every relation to its model.
pub(crate) fn compare(data: &[u8]) {
    let (one, other) = data.split_at(data.len() / 2);
    form(one);
    relations(&small(one), &small(other));
}

/// A filter of at most three levels out of few.
fn small(data: &[u8]) -> String {
    const LEVELS: [&str; 5] = ["", "a", "$a", "+", "#"];
    let mut levels = Vec::new();
    for byte in data.iter().take(3) {
        let level = LEVELS[usize::from(*byte) % LEVELS.len()];
        levels.push(level);
        if level == "#" {
            break;
        }
    }
    let filter = levels.join("/");
    if filter.is_empty() { "a".to_owned() } else { filter }
}

/// Every Topic Name of at most four levels, out of those that the filters have and one more of each kind.
fn names() -> &'static [String] {
    static NAMES: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    NAMES.get_or_init(|| {
        let mut all: Vec<String> = Vec::new();
        let mut last: Vec<String> = ["", "a", "$a", "z", "$z"].map(str::to_owned).to_vec();
        for _ in 0..4 {
            all.extend(last.iter().filter(|name| !name.is_empty()).cloned());
            last = last.iter().flat_map(|name| ["", "a", "$a", "z"].map(|level| format!("{name}/{level}"))).collect();
        }
        all
    })
}

fn relations(one: &str, other: &str) {
    let by = |filter: &str| -> Vec<bool> { names().iter().map(|name| modelled(filter, name)).collect() };
    let (in_one, in_other) = (by(one), by(other));
    for (name, expected) in names().iter().zip(&in_one) {
        assert_eq!(matches(one, name), *expected, "{one} matches {name}");
    }
    let both = || in_one.iter().zip(&in_other);
    assert_eq!(covers(one, other), both().all(|(one, other)| *one || !other), "{one} covers {other}");
    assert_eq!(overlaps(one, other), both().any(|(one, other)| *one && *other), "{one} overlaps {other}");
}

/// 3.1.1 §4.7, 5.0 §4.7, word by word.
fn modelled(filter: &str, name: &str) -> bool {
    fn levels(filter: &[&str], name: &[&str]) -> bool {
        match (filter, name) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, name @ ..]) => levels(filter, name),
            ([level, filter @ ..], [other, name @ ..]) => level == other && levels(filter, name),
            _ => false,
        }
    }
    let (filter, name): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), name.split('/').collect());
    let hidden = name[0].starts_with('$') && ["+", "#"].contains(&filter[0]);
    !hidden && levels(&filter, &name)
}

/// Whether bytes are a Topic Name or a Topic Filter at all.
fn form(bytes: &[u8]) {
    let limits = Limits { refuse_control_characters: false, ..Limits::default() };
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(Filter::parse(bytes, &limits).is_err());
        return;
    };
    let levels: Vec<&str> = text.split('/').collect();
    let plain = !text.is_empty() && !text.contains('\0') && text.len() <= 4096;
    let name = plain && levels.len() <= 128 && !text.contains(['+', '#']);
    assert_eq!(check_name(text, &limits).is_ok(), name, "name {text:?}");
    let (share, topic) = match levels.as_slice() {
        ["$share", share, topic @ ..] => (Some(*share), topic),
        topic => (None, topic),
    };
    let rest = topic.join("/");
    let share_is_good = share.is_none_or(|share| {
        !share.is_empty() && !share.contains(['+', '#']) && !rest.is_empty() && !rest.starts_with("$share/")
    });
    let whole = |level: &&str, wildcard: char| !level.contains(wildcard) || level.len() == 1;
    let last = topic.len().saturating_sub(1);
    let wildcards = topic
        .iter()
        .enumerate()
        .all(|(at, level)| whole(level, '+') && whole(level, '#') && (*level != "#" || at == last));
    let filter = plain && share_is_good && wildcards && topic.len() <= 128;
    assert_eq!(Filter::parse(bytes, &limits).is_ok(), filter, "filter {text:?}");
    if let Ok(parsed) = Filter::parse(bytes, &limits) {
        assert_eq!((parsed.share(), parsed.topic()), (share, rest.as_str()));
    }
}
