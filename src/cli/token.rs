//! `tidegate token`: keys of admission tokens, and tokens.
//!
//! What a token is made of is in `credentials::admission`. Read [`token`] first.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand;
use clap::Args;
use data_encoding::BASE64;
use serde_json::json;
use zeroize::Zeroizing;

use super::passwd::file;
use super::pki::lifetime;
use super::{Exit, answer, complain};
use crate::credentials::admission::{Denial, KEY_BYTES, Keys};
use crate::store::unix_millis;

pub(super) const ABOUT: &str = "\
Make an admission token, or a key to make them with.

An admission token is shown at the door, before any handshake or password
check: where a listener has `admission`, strangers are turned away there. It
does not prove who a client is. docs/admission.md says where a client puts it,
and describes it byte for byte.

  tidegate token --keys admission.keys --new-key
  tidegate token --keys admission.keys --for 90d --name pump-7

The token is written to standard output. It is made with the newest key of the
file, the one of the highest number, or with that of --key. With --name it lets
in that proven name alone.

--new-key adds a key to the file, under the next number; a file that is missing
is made, for its owner alone. Old keys stay, and so do their tokens: take a line
out when its tokens are to be worth nothing.

--check says whether a token holds now; the exit code is 1 where it does not.

With --json the answer is one object.";

/// How long a token holds when nothing is said.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file of keys
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// Make a key, and add it to the file
    #[arg(long, conflicts_with_all = ["lifetime", "name", "key", "check"])]
    new_key: bool,
    /// How long the token holds, such as 90d [default: 30d]
    #[arg(long = "for", value_name = "DURATION", value_parser = lifetime, conflicts_with = "check")]
    lifetime: Option<Duration>,
    /// The one name that the token lets in
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The number of the key to make it with
    #[arg(long, value_name = "NUMBER", conflicts_with = "check")]
    key: Option<u16>,
    /// Say whether this token holds, and with --name for that name
    #[arg(long, value_name = "TOKEN")]
    check: Option<String>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// Why it was not done.
struct Failure(Exit, String);

pub(super) fn token(arguments: &Arguments) -> Exit {
    let done = match &arguments.check {
        _ if arguments.new_key => new_key(arguments),
        Some(token) => check(arguments, token),
        None => make(arguments),
    };
    done.unwrap_or_else(|Failure(exit, why)| {
        complain(format_args!("{}: {why}", arguments.keys.display()));
        exit
    })
}

fn failed(why: impl Display) -> Failure {
    Failure(Exit::Failed, format!("{why}"))
}

fn read(path: &Path) -> Result<Keys, Failure> {
    let mut keys = Keys::default();
    let text = file::read(path).map_err(failed)?;
    let said = |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    keys.add(&text).map_err(|problems| Failure(Exit::No, said(problems)))?;
    Ok(keys)
}

fn new_key(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = &arguments.keys;
    let newest = if path.exists() { read(path)?.newest().unwrap_or_default() } else { 0 };
    let no_number = || Failure(Exit::No, "the highest number is taken: take keys out, and give others".to_owned());
    let number = newest.checked_add(1).ok_or_else(no_number)?.to_string();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rand::fill(key.as_mut_slice()).map_err(|_| failed("no random bytes"))?;
    let line = Zeroizing::new(format!("{number}:{}", BASE64.encode(key.as_slice())));
    file::change(path, true, &number, Some(&line)).map_err(failed)?;
    if arguments.json {
        answer(json!({"file": path, "key": number.parse().unwrap_or(0_u16)}));
    } else {
        answer(format_args!("key {number} is added to {}", path.display()));
    }
    Ok(Exit::Done)
}

fn make(arguments: &Arguments) -> Result<Exit, Failure> {
    let keys = read(&arguments.keys)?;
    let none = || Failure(Exit::No, "it holds no key: --new-key makes one".to_owned());
    let key = arguments.key.or_else(|| keys.newest()).ok_or_else(none)?;
    let ends = now().saturating_add_unsigned(arguments.lifetime.unwrap_or(DEFAULT_LIFETIME).as_secs());
    let ends =
        u32::try_from(ends).map_err(|_| Failure(Exit::Usage, "no token holds beyond the year 2105".to_owned()))?;
    let token = keys.make(key, ends, arguments.name.as_deref());
    let token = token.ok_or_else(|| Failure(Exit::No, format!("it holds no key {key}")))?;
    if arguments.json {
        answer(json!({"token": token, "key": key, "expires": ends, "name": arguments.name}));
    } else {
        answer(token);
    }
    Ok(Exit::Done)
}

fn check(arguments: &Arguments, token: &str) -> Result<Exit, Failure> {
    let keys = read(&arguments.keys)?;
    let name = arguments.name.as_deref();
    let checked = keys.check(token.as_bytes(), now()).and_then(|pass| match name {
        Some(_) => keys.admit(&pass, name).map(|()| pass),
        None => Ok(pass),
    });
    match checked {
        Ok(pass) if arguments.json => {
            answer(json!({"ok": true, "key": pass.key, "expires": pass.expires, "bound": pass.is_bound()}));
        }
        Ok(pass) => {
            let bound = if pass.is_bound() { ", for one name" } else { "" };
            answer(format_args!("it holds until {} (key {}){bound}", when(pass.expires), pass.key));
        }
        Err(denial) => {
            if arguments.json {
                answer(json!({"ok": false, "why": why(denial)}));
            } else {
                complain(format_args!("it does not hold: {denial}"));
            }
            return Ok(Exit::No);
        }
    }
    Ok(Exit::Done)
}

/// A time as people read it.
fn when(unix: u32) -> String {
    jiff::Timestamp::from_second(unix.into()).map_or_else(|_| unix.to_string(), |time| time.to_string())
}

const fn why(denial: Denial) -> &'static str {
    match denial {
        Denial::Missing => "missing",
        Denial::Invalid => "invalid",
        Denial::Expired => "expired",
        Denial::Name => "name",
    }
}

fn now() -> i64 {
    unix_millis().div_euclid(1000)
}
