//! `tidegate passwd`: the entries of a password file.
//!
//! Reads and writes no hash of its own: that is `credentials::password`. Read [`passwd`] first.

pub(super) mod file;
mod terminal;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Exit, answer, complain};
use crate::credentials::password::{self, Cost, MAX_TEXT_BYTES, Passwords};

pub(super) const ABOUT: &str = "\
Add, replace, delete or verify an entry of a password file.

Without --delete or --verify, the entry of NAME is added, or replaced where
there is one. The password is asked for twice, on the terminal and without
echo, or read from a pipe with --stdin; it is never an argument, as those can
be seen by everybody on the machine. Only its hash is kept (argon2id, 19 MiB,
two passes).

The file is that of Mosquitto: a line `name:hash` each, `#` begins a comment.
Its other lines stay as they are. It is replaced whole or not at all, so a
running gateway never reads half of it; a new file is for its owner alone,
and one that was there keeps its owner and mode, less what others may do.

The exit code is 0 when it is done or the password is right, 1 when NAME is
not in the file or the password is wrong, 3 when the file can't be read or
written, or no password was given.

With --json the answer is one object: `file`, `name`, `action` (add, replace,
delete or verify), `ok`, and `why` where it is not.";

/// The longest password of MQTT, in bytes.
const MAX_PASSWORD_BYTES: usize = 65_535;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The password file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The user name
    #[arg(value_name = "NAME")]
    name: String,
    /// Make the file where there is none
    #[arg(long, conflicts_with_all = ["delete", "verify"])]
    create: bool,
    /// Delete the entry
    #[arg(long, conflicts_with_all = ["verify", "stdin"])]
    delete: bool,
    /// Ask for the password once and say whether it is right
    #[arg(long)]
    verify: bool,
    /// Read the password from standard input, one line
    #[arg(long)]
    stdin: bool,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// What was done, or asked for.
#[derive(Clone, Copy)]
enum Action {
    Add,
    Replace,
    Delete,
    Verify,
}

/// Why the answer is no.
#[derive(Clone, Copy)]
enum No {
    Unknown,
    Wrong,
}

type Password = Zeroizing<Vec<u8>>;

pub(super) fn passwd(arguments: &Arguments) -> Exit {
    if let Err(flaw) = password::check_name(&arguments.name) {
        complain(format_args!("`{}` can't be a user name: {flaw}", arguments.name.escape_debug()));
        return Exit::Usage;
    }
    let done = if arguments.delete {
        delete(arguments)
    } else if arguments.verify {
        verify(arguments)
    } else {
        write(arguments)
    };
    match done {
        Ok((action, no)) => say(arguments, action, no),
        Err(error) => {
            complain(format_args!("{}: {error}", arguments.file.display()));
            Exit::Failed
        }
    }
}

fn write(arguments: &Arguments) -> io::Result<(Action, Option<No>)> {
    // Before anybody types a password for nothing.
    if !arguments.create && !arguments.file.exists() {
        return Err(io::Error::other("there is no such file; --create makes it"));
    }
    let password = if arguments.stdin { piped()? } else { terminal::ask_twice(&arguments.name)? };
    let hash = password::hash(&password, Cost::default()).map_err(io::Error::other)?;
    let line = Zeroizing::new(format!("{}:{}", arguments.name, *hash));
    let found = file::change(&arguments.file, arguments.create, &arguments.name, Some(&line))?;
    warn_of_other_lines(&arguments.file)?;
    Ok((if found { Action::Replace } else { Action::Add }, None))
}

fn delete(arguments: &Arguments) -> io::Result<(Action, Option<No>)> {
    let found = file::change(&arguments.file, false, &arguments.name, None)?;
    Ok((Action::Delete, (!found).then_some(No::Unknown)))
}

fn verify(arguments: &Arguments) -> io::Result<(Action, Option<No>)> {
    let (passwords, problems) = Passwords::parse(&file::read(&arguments.file)?);
    for problem in problems {
        complain(format_args!("{}: {problem}", arguments.file.display()));
    }
    let password = if arguments.stdin { piped()? } else { terminal::ask(&arguments.name)? };
    let no = match passwords.get(&arguments.name) {
        None => Some(No::Unknown),
        Some(entry) => (!entry.verify(&password)).then_some(No::Wrong),
    };
    Ok((Action::Verify, no))
}

/// A file that was edited by hand may have lines that the gateway refuses; they are not this command's to mend.
fn warn_of_other_lines(path: &Path) -> io::Result<()> {
    let (_, problems) = Passwords::parse(&file::read(path)?);
    for problem in problems {
        complain(format_args!("{}: {problem} (left as it is)", path.display()));
    }
    Ok(())
}

/// One line of standard input, without its end.
fn piped() -> io::Result<Password> {
    // Of its full size at once: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 4));
    io::stdin().lock().take(MAX_PASSWORD_BYTES as u64 + 3).read_to_end(&mut line)?;
    let end = [b"\r\n".as_slice(), b"\n"].into_iter().find(|end| line.ends_with(end)).map_or(0, <[u8]>::len);
    let length = line.len() - end;
    line.truncate(length);
    if line.contains(&b'\n') {
        return Err(io::Error::other("standard input has more than one line"));
    }
    checked(line)
}

fn checked(password: Password) -> io::Result<Password> {
    if password.is_empty() {
        return Err(io::Error::other("no password was given"));
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(io::Error::other("the password is longer than 65,535 bytes"));
    }
    Ok(password)
}

fn say(arguments: &Arguments, action: Action, no: Option<No>) -> Exit {
    let (word, done) = match action {
        Action::Add => ("add", "added"),
        Action::Replace => ("replace", "replaced"),
        Action::Delete => ("delete", "deleted"),
        Action::Verify => ("verify", "the password is right"),
    };
    let why = no.map(|no| match no {
        No::Unknown => "no such name",
        No::Wrong => "the password is wrong",
    });
    let (file, name) = (arguments.file.display(), &arguments.name);
    if arguments.json {
        let file = file.to_string();
        answer(json!({"file": file, "name": name, "action": word, "ok": no.is_none(), "why": why}));
    } else {
        answer(format_args!("{file}: {name}: {}", why.unwrap_or(done)));
    }
    if no.is_none() { Exit::Done } else { Exit::No }
}
