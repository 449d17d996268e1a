//! `acl_file`: who may read and write what.
//!
//! Read as Mosquitto 2.0 does, line by line: words are parted by spaces alone, `#` is a comment in the first column alone,
//! blanks behind a line are nothing.

use std::sync::Arc;

use super::report::{Mistake, Place};

/// What a line gives, or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Access {
    Read,
    Write,
    ReadWrite,
    Deny,
}

impl Access {
    pub(super) const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    pub(super) const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// A `topic` or `pattern`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) access: Access,
    pub(super) filter: String,
    pub(super) place: Place,
}

/// Everything that an `acl_file` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AclFile {
    /// The `topic` lines before any `user`: for clients without a user name.
    pub(super) anonymous: Vec<Entry>,
    /// The `topic` lines of each user, in the order of first mention; a user may be mentioned again.
    pub(super) users: Vec<(String, Vec<Entry>)>,
    /// The `pattern` lines, wherever they stand: for all clients.
    pub(super) patterns: Vec<Entry>,
}

/// Reads a whole file; every mistake in it.
pub(super) fn parse(bytes: &[u8], file: &Arc<str>) -> Result<AclFile, Vec<Mistake>> {
    let mut read = Reading::default();
    let mut mistakes = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let place = Place::new(file, at + 1);
        if let Err(what) = read.line(line, &place) {
            mistakes.push(Mistake { place, what });
        }
    }
    if mistakes.is_empty() { Ok(read.found) } else { Err(mistakes) }
}

#[derive(Default)]
struct Reading {
    found: AclFile,
    /// Where the `topic` lines go; none before the first `user`.
    user: Option<usize>,
    known: std::collections::HashMap<String, usize>,
}

impl Reading {
    fn line(&mut self, line: &[u8], place: &Place) -> Result<(), String> {
        let line = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
        if line.contains('\0') {
            return Err("a NUL character".to_owned());
        }
        let line = line.trim_end_matches(blank);
        if line.starts_with('#') {
            return Ok(());
        }
        let Some((word, rest)) = first_word(line) else { return Ok(()) };
        match word {
            "topic" => {
                let entry = entry(rest, place)?;
                match self.user.and_then(|at| self.found.users.get_mut(at)) {
                    Some((_, entries)) => entries.push(entry),
                    None => self.found.anonymous.push(entry),
                }
            }
            "pattern" => self.found.patterns.push(entry(rest, place)?),
            "user" => {
                // One blank parts the word from the name, and a name that is all blanks is none.
                let name = rest.trim_matches(blank);
                if name.is_empty() {
                    return Err("`user` without a name".to_owned());
                }
                self.user = Some(self.user(name));
            }
            other => return Err(format!("`{other}` is neither `topic`, `pattern` nor `user`")),
        }
        Ok(())
    }

    fn user(&mut self, name: &str) -> usize {
        *self.known.entry(name.to_owned()).or_insert_with(|| {
            self.found.users.push((name.to_owned(), Vec::new()));
            self.found.users.len() - 1
        })
    }
}

/// C's `isspace`.
pub(super) fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// The first run of characters that are no space, and what follows the one space behind it.
pub(super) fn first_word(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(' ');
    if line.is_empty() {
        return None;
    }
    Some(line.split_once(' ').unwrap_or((line, "")))
}

fn entry(rest: &str, place: &Place) -> Result<Entry, String> {
    let (word, behind) = first_word(rest).ok_or("a topic is due")?;
    // A word alone is the topic, whatever it is; so is none of the four before more.
    let (access, filter) = if behind.is_empty() {
        (Access::ReadWrite, word)
    } else {
        let access = match word {
            "read" => Access::Read,
            "write" => Access::Write,
            "readwrite" => Access::ReadWrite,
            "deny" => Access::Deny,
            other => return Err(format!("`{other}` is none of `read`, `write`, `readwrite`, `deny`")),
        };
        (access, behind.trim_matches(blank))
    };
    if !is_filter(filter) {
        return Err(format!("`{filter}` is no topic filter"));
    }
    Ok(Entry { access, filter: filter.to_owned(), place: place.clone() })
}

/// Wildcards are whole levels, and `#` is the last.
pub(super) fn is_filter(text: &str) -> bool {
    let mut levels = text.split('/').peekable();
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        if (level.contains('#') && !(level == "#" && is_last)) || (level.contains('+') && level != "+") {
            return false;
        }
    }
    text.split('/').count() <= 201
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AclFile, Vec<Option<usize>>> {
        parse(text.as_bytes(), &"acl".into())
            .map_err(|mistakes| mistakes.iter().map(|mistake| mistake.place.line).collect())
    }

    fn said(entries: &[Entry]) -> Vec<(Access, &str, Option<usize>)> {
        entries.iter().map(|entry| (entry.access, entry.filter.as_str(), entry.place.line)).collect()
    }

    #[test]
    fn lines_belong_to_the_user_above_them_and_patterns_to_all() {
        let text = "# a comment\ntopic read $SYS/#\r\n\nuser  alice smith \ntopic a/ b\npattern write c/%c/#\ntopic deny  a/x  \nuser bob\ntopic read\nuser alice smith\n   topic readwrite z\n";
        let acl = read(text.replace("topic a/ b", "topic write a/ b").as_str()).unwrap();
        assert_eq!(said(&acl.anonymous), [(Access::Read, "$SYS/#", Some(2))]);
        assert_eq!(said(&acl.patterns), [(Access::Write, "c/%c/#", Some(6))]);
        let [(alice, hers), (bob, his)] = acl.users.as_slice() else { panic!("{acl:?}") };
        assert_eq!((alice.as_str(), bob.as_str()), ("alice smith", "bob"));
        assert_eq!(
            said(hers),
            [(Access::Write, "a/ b", Some(5)), (Access::Deny, "a/x", Some(7)), (Access::ReadWrite, "z", Some(11))]
        );
        assert_eq!(said(his), [(Access::ReadWrite, "read", Some(9))], "a word alone is the topic");
    }

    #[test]
    fn what_mosquitto_would_not_start_with_is_refused_line_by_line() {
        let text = "topic\ntopic rw a\nuser\nuser   \ntopic read a/#/b\ntopic a+\npattern deny b#\n  # c\nacl x\ntopic read \u{0}\n\ttopic a\n";
        assert_eq!(
            read(text),
            Err(vec![
                Some(1),
                Some(2),
                Some(3),
                Some(4),
                Some(5),
                Some(6),
                Some(7),
                Some(8),
                Some(9),
                Some(10),
                Some(11)
            ])
        );
        assert!(parse(b"topic read \xff", &"acl".into()).is_err());
        assert_eq!(read(""), Ok(AclFile::default()));
    }
}
