//! A policy as text: `policy.toml`, and the lists of members that are too long to stand in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::rules::Rules;
use crate::policy::{Broad, Condition, Deny, Grant, Role};

/// Members that stand in the policy itself.
const MAX_INLINE: usize = 12;
/// Characters of a list that stands on one line.
const MAX_LINE: usize = 100;

/// Files by name.
pub(super) type FilesOf = BTreeMap<String, String>;

/// Writes a policy, and the files that it names.
pub(super) fn policy(rules: &Rules, head: &str) -> FilesOf {
    let mut files = FilesOf::new();
    let mut text = String::new();
    for line in head.lines() {
        comment(&mut text, line);
    }
    setting(&mut text, "version", &quoted(&rules.draft.version));
    for role in &rules.draft.roles {
        table(&mut text, "role", rules.notes.get(&role.name));
        self::role(&mut text, role, &mut files);
    }
    for grant in &rules.draft.grants {
        table(&mut text, "grant", rules.notes.get(&grant.id));
        self::grant(&mut text, grant);
    }
    for deny in &rules.draft.denies {
        table(&mut text, "deny", rules.notes.get(&deny.id));
        self::deny(&mut text, deny);
    }
    files.insert("policy.toml".to_owned(), text);
    files
}

fn role(text: &mut String, role: &Role, files: &mut FilesOf) {
    setting(text, "name", &quoted(&role.name));
    let mut matches: Vec<String> = role
        .conditions
        .iter()
        .filter_map(|condition| match condition {
            Condition::Text { attribute, any } => {
                let any: Vec<&str> = any.iter().map(|pattern| pattern.as_str()).collect();
                Some(format!("{} = {}", attribute.name(), one_or_many(&any)))
            }
            Condition::Address(_) => None,
        })
        .collect();
    let mut members: Vec<&str> = role.members.iter().flatten().map(|member| &**member).collect();
    members.sort_unstable();
    let is_short = members.len() <= MAX_INLINE && members.iter().all(|name| is_glob_of_itself(name));
    match role.members {
        Some(_) if is_short => matches.push(format!("identity = {}", one_or_many(&members))),
        Some(_) => {
            let file = format!("members/{}.txt", role.name);
            setting(text, "members", &quoted(&file));
            files.insert(file, members.iter().fold(String::new(), |text, name| text + name + "\n"));
        }
        // Without a condition a role would be nobody's by mistake.
        None if matches.is_empty() => matches.push("listener = \"*\"".to_owned()),
        None => {}
    }
    if !matches.is_empty() {
        setting(text, "match", &format!("{{ {} }}", matches.join(", ")));
    }
    if role.on_broad_subscription == Broad::Filter {
        setting(text, "on_broad_subscription", "\"filter\"");
    }
}

fn grant(text: &mut String, grant: &Grant) {
    setting(text, "id", &quoted(&grant.id));
    list(text, "roles", &grant.roles);
    let says_nothing = grant.publish.is_empty() && grant.subscribe.is_empty() && grant.receive.is_empty();
    if says_nothing {
        setting(text, "connect", "true");
    }
    filters(text, &grant.publish, &grant.subscribe, &grant.receive);
    if let Some(groups) = &grant.share_groups {
        list(text, "share_groups", groups);
    }
}

fn deny(text: &mut String, deny: &Deny) {
    setting(text, "id", &quoted(&deny.id));
    if !deny.roles.is_empty() {
        list(text, "roles", &deny.roles);
    }
    if deny.connect {
        setting(text, "connect", "true");
    }
    filters(text, &deny.publish, &deny.subscribe, &deny.receive);
    if !deny.except.is_empty() {
        list(text, "except", &deny.except);
    }
}

fn filters(text: &mut String, publish: &[String], subscribe: &[String], receive: &[String]) {
    for (key, filters) in [("publish", publish), ("subscribe", subscribe), ("receive", receive)] {
        if !filters.is_empty() {
            list(text, key, filters);
        }
    }
}

fn table(text: &mut String, name: &str, note: Option<&String>) {
    text.push('\n');
    for line in note.iter().flat_map(|note| note.lines()) {
        comment(text, line);
    }
    let _ = writeln!(text, "[[{name}]]");
}

/// A remark; what a comment can't hold is left out.
pub(super) fn comment(text: &mut String, line: &str) {
    let plain: String = line.chars().filter(|c| !c.is_control()).collect();
    let _ = writeln!(text, "# {plain}");
}

pub(super) fn setting(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {value}");
}

/// A list of texts; over several lines where it is long.
fn list(text: &mut String, key: &str, values: &[String]) {
    let texts: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    let one_line = texts.join(", ");
    if one_line.chars().count() <= MAX_LINE {
        setting(text, key, &format!("[{one_line}]"));
        return;
    }
    let _ = writeln!(text, "{key} = [");
    for value in texts {
        let _ = writeln!(text, "  {value},");
    }
    text.push_str("]\n");
}

fn one_or_many(values: &[&str]) -> String {
    let texts: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// Whether a glob of this text fits it alone.
fn is_glob_of_itself(text: &str) -> bool {
    !text.is_empty() && !text.contains('*') && !text.contains("${")
}

/// A text of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_as_they_were() {
        for text in ["", "a\"b\\c", "tab\tline\n\u{7f}\u{85}\u{1}", "é😀", "${identity}"] {
            let document = format!("v = {}", quoted(text));
            let table = toml::de::DeTable::parse(&document).unwrap();
            let value = table.get_ref().get("v").unwrap().get_ref();
            assert_eq!(value.as_str(), Some(text), "{text:?}");
        }
    }
}
