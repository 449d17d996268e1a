//! Makes a key and adds it to the sets that sign and check.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::message::{Failure, read_keys};
use super::{Arguments, algorithm};
use crate::cli::{Exit, answer};
use crate::jwk::{About, KeyProblem, Keys, NewKey, SigningKeys};
use crate::signature::MAX_KID_BYTES;

/// For its owner alone.
const PRIVATE: u32 = 0o600;

pub(super) fn make(arguments: &Arguments, name: &str) -> Result<Exit, Failure> {
    let algorithm = algorithm(name, NewKey::ALGORITHMS)?;
    let kid = arguments.kid.clone().unwrap_or_default();
    if !(1..=MAX_KID_BYTES).contains(&kid.len()) || kid.chars().any(char::is_control) {
        return Err(Failure::Usage(format!("--kid is not of 1 to {MAX_KID_BYTES} bytes without control characters")));
    }
    let about = About {
        kid,
        identities: arguments.identity.clone(),
        not_before: arguments.not_before.as_deref().map(seconds).transpose()?,
        expires: arguments.expires.as_deref().map(seconds).transpose()?,
    };
    let key = NewKey::generate(algorithm, &about).map_err(|_| Failure::Failed("no random bytes".into()))?;
    let signs = |text: &[u8]| SigningKeys::parse(text).map(|_| ());
    let checks = |text: &[u8]| Keys::parse(text).map(|_| ());
    let private = added(&arguments.keys, &key.private, signs)?;
    // Both are known to be good before either is written.
    let public = arguments.public.as_deref().map(|path| added(path, &key.public, checks).map(|text| (path, text)));
    let public = public.transpose()?;
    replace(&arguments.keys, &private).map_err(|error| Failure::file(&arguments.keys, &error))?;
    if let Some((path, text)) = &public {
        replace(path, text).map_err(|error| Failure::file(path, &error))?;
    }
    say(arguments, &about.kid, algorithm.name());
    Ok(Exit::Done)
}

fn seconds(text: &str) -> Result<i64, Failure> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    time.map(OffsetDateTime::unix_timestamp).map_err(|_| Failure::Usage(format!("`{text}` is no time of RFC 3339")))
}

/// The text of the set with one key more; a new set where there is no file.
fn added(
    path: &Path,
    key: &str,
    check: impl Fn(&[u8]) -> Result<(), Vec<KeyProblem>>,
) -> Result<Zeroizing<String>, Failure> {
    let refused = |problems: Vec<KeyProblem>| Failure::keys(path, &problems);
    let text = if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        Zeroizing::new(format!("{{\"keys\":[\n{key}\n]}}\n"))
    } else {
        let old = read_keys(path)?;
        check(&old).map_err(refused)?;
        // A good set that ends in `]}` ends so behind its last key, or behind another list of its own.
        let old = str::from_utf8(&old).unwrap_or_default().trim_end();
        let list = old.strip_suffix('}').map(str::trim_end).and_then(|rest| rest.strip_suffix(']'));
        let list = list.ok_or_else(|| Failure::No(format!("{}: `keys` is not at its end", path.display())))?;
        Zeroizing::new(format!("{},\n{key}\n]}}\n", list.trim_end()))
    };
    check(text.as_bytes()).map_err(refused)?;
    Ok(text)
}

/// Writes a file beside its place and moves it there, so that nobody reads half of it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Behind a symbolic link is the file that is meant.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            // One that was there keeps its mode, less what others may do.
            match fs::metadata(&path) {
                Ok(old) => file.set_permissions(kept(&old)),
                Err(_) => Ok(()),
            }
        })
        .and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn kept(old: &fs::Metadata) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(old.permissions().mode() & 0o770)
}

fn say(arguments: &Arguments, kid: &str, algorithm: &str) {
    let keys = arguments.keys.display();
    let public = arguments.public.as_ref().map(|path| path.display().to_string());
    if arguments.json {
        answer(json!({"kid": kid, "algorithm": algorithm, "keys": keys.to_string(), "public": public}));
        return;
    }
    answer(format_args!("{keys}: `{kid}` ({algorithm}) added; it signs: keep it where only the signer can read it"));
    if let Some(public) = public {
        answer(format_args!("{public}: `{kid}` ({algorithm}) added; it checks"));
    }
}
