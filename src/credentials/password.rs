//! A password file: lines of `name:hash`, as Mosquitto's `password_file` has them.
//!
//! Reads text, never a file. What one line says, and whether a password fits it, is [`Entry`]'s.

mod entry;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

pub use entry::{Cost, Entry, HashError, hash};

/// The longest user name of MQTT, in bytes [MQTT-1.5.4].
pub const MAX_NAME_BYTES: usize = 65_535;
/// The largest text that is read: some two million entries.
pub const MAX_TEXT_BYTES: usize = 256 << 20;
/// Problems of one file that are listed; the rest are not looked for.
pub const MAX_PROBLEMS: usize = 100;

/// The entries of a password file.
///
/// Holds the lines as they are and an index by name, so a file of 100,000 entries takes little more than its own size.
/// Wiped when dropped; `Debug` shows the count alone.
pub struct Passwords {
    /// `name:hash` and a line feed, for each entry.
    lines: Zeroizing<String>,
    /// Where each entry begins in `lines`, by ascending name.
    index: Box<[u32]>,
    weak: usize,
    /// Spreads the stand-ins over the entries; secret, as it is made of them.
    key: hmac::Key,
}

/// A line of a password file that can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub what: Flaw,
}

/// What can be wrong with a line of a password file. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No `:` in it.
    #[error("no `:` between a name and a hash")]
    NoColon,
    /// Nothing before the `:`.
    #[error("the name is empty")]
    NameEmpty,
    /// Longer than [`MAX_NAME_BYTES`].
    #[error("the name is longer than {MAX_NAME_BYTES} bytes")]
    NameTooLong,
    /// A control character, such as a tab, in the name.
    #[error("the name has a control character")]
    NameControl,
    /// A name that a line can't carry: with `:`, a `#` in front, or blanks around it.
    #[error("the name has a `:`, begins with `#`, or has blanks around it, which the file can't carry")]
    NameUnwritable,
    /// Nothing behind the `:`.
    #[error("no hash behind the name")]
    HashEmpty,
    /// The password itself, it seems.
    #[error("the password is not hashed")]
    NotHashed,
    /// A kind of hash that is not known here.
    #[error("the hash is none of `$argon2id$`, `$7$` and `$6$`")]
    UnknownHash,
    /// A known kind of hash in a form that its makers do not write.
    #[error("the hash is malformed")]
    Malformed,
    /// A salt or hash shorter or longer than any tool makes.
    #[error("the length of salt or hash is out of bounds")]
    Length,
    /// So dear that checking it would hold up everybody else.
    #[error("the cost of the hash is above the limit")]
    TooCostly,
    /// The name stands in an earlier line too.
    #[error("the name is already given in line {first}")]
    Duplicate {
        /// That line.
        first: usize,
    },
    /// [`MAX_TEXT_BYTES`].
    #[error("the file is larger than {} MiB", MAX_TEXT_BYTES >> 20)]
    TooLarge,
    /// [`MAX_PROBLEMS`].
    #[error("more than {MAX_PROBLEMS} problems; the rest is not shown")]
    TooManyProblems,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { write!(f, "{}", self.what) } else { write!(f, "line {}: {}", self.line, self.what) }
    }
}

impl Passwords {
    /// Reads the text of a password file.
    ///
    /// As Mosquitto does, it passes over empty lines and lines that begin with `#`, and trims blanks around name and
    /// hash. A line that Mosquitto would pass over in silence or take as a plain password is a problem. Whoever calls
    /// refuses the file when there is any; the entries without problems are given all the same, so that they can be
    /// counted.
    pub fn parse(text: &str) -> (Self, Vec<Problem>) {
        let mut reading = Reading::default();
        if text.len() > MAX_TEXT_BYTES {
            reading.problem(0, Flaw::TooLarge);
        } else {
            // Of its full size at once: a buffer that grows leaves copies behind.
            reading.lines.reserve_exact(text.len().saturating_add(1));
            for (number, line) in (1..).zip(text.split('\n')) {
                if reading.is_full() {
                    break;
                }
                reading.line(number, line);
            }
        }
        reading.finish()
    }

    /// The entry of a user; the name is compared byte for byte.
    pub fn get(&self, user: &str) -> Option<Entry> {
        let at = self.index.binary_search_by(|start| split(&self.lines, *start).0.cmp(user)).ok()?;
        self.entry(at)
    }

    /// An entry that no password fits, to be checked for a user who has none, so that the time does not tell.
    ///
    /// It costs what the entry of some user costs, always the same for one name: over many names, those who exist and
    /// those who do not take the same times in the same shares, also where the file mixes kinds of hash.
    pub fn stand_in(&self, user: &str) -> Entry {
        let tag = hmac::sign(&self.key, user.as_bytes());
        let number = tag.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes);
        let at = number.checked_rem(self.index.len() as u64).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.entry(at)).map_or_else(Entry::default_stand_in, Entry::into_stand_in)
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let (_, hash) = split(&self.lines, *self.index.get(at)?);
        Entry::parse(hash).ok()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many entries are cheap to guess once the file is lost: `$6$`, and `$7$` and `$argon2id$` of low cost.
    pub fn weak(&self) -> usize {
        self.weak
    }

    /// The names, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.iter().map(|start| split(&self.lines, *start).0)
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("entries", &self.index.len()).finish_non_exhaustive()
    }
}

/// Whether a line of a password file can carry this name.
///
/// # Errors
/// Why it can't.
pub fn check_name(name: &str) -> Result<(), Flaw> {
    match name {
        "" => Err(Flaw::NameEmpty),
        _ if name.len() > MAX_NAME_BYTES => Err(Flaw::NameTooLong),
        _ if name.chars().any(char::is_control) => Err(Flaw::NameControl),
        _ if name.contains(':') || name.starts_with('#') || trim(name) != name => Err(Flaw::NameUnwritable),
        _ => Ok(()),
    }
}

/// The name in a line, where it is one that carries an entry; for tools that change a file line by line.
pub fn name_of(line: &str) -> Option<&str> {
    if line.starts_with('#') { None } else { line.split_once(':').map(|(name, _)| trim(name)) }
}

/// What is read so far.
#[derive(Default)]
struct Reading {
    lines: Zeroizing<String>,
    /// Where an entry begins, and the line it came from.
    starts: Vec<(u32, usize)>,
    weak: usize,
    problems: Vec<Problem>,
}

impl Reading {
    fn line(&mut self, number: usize, line: &str) {
        if line.starts_with('#') || trim(line).is_empty() {
            return;
        }
        match entry_of(line) {
            Ok((name, hash, entry)) => {
                // INVARIANT: fits, as the text is at most `MAX_TEXT_BYTES`.
                self.starts.push((u32::try_from(self.lines.len()).unwrap_or(u32::MAX), number));
                self.weak += usize::from(entry.is_weak());
                self.lines.extend([name, ":", hash, "\n"]);
            }
            Err(what) => self.problem(number, what),
        }
    }

    fn problem(&mut self, line: usize, what: Flaw) {
        if !self.is_full() {
            self.problems.push(Problem { line, what });
        }
        if self.problems.len() == MAX_PROBLEMS {
            self.problems.push(Problem { line: 0, what: Flaw::TooManyProblems });
        }
    }

    fn is_full(&self) -> bool {
        self.problems.len() > MAX_PROBLEMS
    }

    fn finish(mut self) -> (Passwords, Vec<Problem>) {
        let mut starts = std::mem::take(&mut self.starts);
        let name = |start: u32| split(&self.lines, start).0;
        starts.sort_unstable_by(|(a, line_a), (b, line_b)| name(*a).cmp(name(*b)).then(line_a.cmp(line_b)));
        let mut doubles = Vec::new();
        starts.dedup_by(|(start, line), (kept, first)| {
            let is_double = name(*start) == name(*kept);
            if is_double {
                doubles.push(Problem { line: *line, what: Flaw::Duplicate { first: *first } });
            }
            is_double
        });
        doubles.sort_unstable_by_key(|problem| problem.line);
        for double in doubles {
            self.problem(double.line, double.what);
        }
        self.problems.sort_by_key(|problem| if problem.line == 0 { usize::MAX } else { problem.line });
        let key = digest::digest(&digest::SHA256, self.lines.as_bytes());
        let passwords = Passwords {
            lines: self.lines,
            index: starts.iter().map(|(start, _)| *start).collect(),
            weak: self.weak,
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
        };
        (passwords, self.problems)
    }
}

fn entry_of(line: &str) -> Result<(&str, &str, Entry), Flaw> {
    let (name, hash) = line.split_once(':').ok_or(Flaw::NoColon)?;
    let (name, hash) = (trim(name), trim(hash));
    check_name(name)?;
    Ok((name, hash, Entry::parse(hash)?))
}

/// Name and hash of the entry that begins there.
fn split(lines: &str, start: u32) -> (&str, &str) {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let line = lines.get(start..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
    line.split_once(':').unwrap_or_default()
}

/// Without the blanks around it that C's `isspace` knows.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r'])
}
