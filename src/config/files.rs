//! Files that settings name and that are read with them: secrets, and tables by identity.
//!
//! Nothing of a secret file is shown: its problems tell the line alone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE64;
use serde_json::{Value as Json, json};
use toml::de::DeValue;
use zeroize::Zeroize as _;

use super::kinds::{Map, Nested, Unwatched, optional, plain_text, required};
use super::problem::{self, Problem, Source};
use super::read::{Given, Kind, Located, Reading, read_text, settings};
use super::settings::{FixedCredentials, KeyPair, Secret};

/// Bytes of a file that holds one secret.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Whether every user of this machine may read a file.
#[cfg(unix)]
pub(crate) fn readable_by_all(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

/// Whether every user of this machine may read a file: nothing is known of that here.
#[cfg(not(unix))]
pub(crate) fn readable_by_all(_: &Path) -> bool {
    false
}

/// The secret that a file holds, without a line break at its end.
pub(super) fn secret(file: &Located<PathBuf>, reading: &mut Reading) -> Option<Secret> {
    let mut bytes = bytes(file, reading)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    if bytes.is_empty() {
        refuse(file, "it is empty", reading);
        return None;
    }
    Some(Secret::new(bytes))
}

/// The secret that a file holds in base64.
pub(super) fn base64_secret(file: &Located<PathBuf>, reading: &mut Reading) -> Option<Secret> {
    let text = secret(file, reading)?;
    let decoded = BASE64.decode(text.bytes()).ok().filter(|key| !key.is_empty());
    if decoded.is_none() {
        refuse(file, "expected a key in base64", reading);
    }
    decoded.map(Secret::new)
}

fn bytes(file: &Located<PathBuf>, reading: &mut Reading) -> Option<Vec<u8>> {
    if file.value.as_os_str().is_empty() {
        return None;
    }
    match super::read_bytes(&file.value, MAX_SECRET_BYTES) {
        Ok(bytes) => Some(bytes),
        Err(why) => {
            super::check::no_file("can't open", &file.value, &why, &file.span, reading);
            None
        }
    }
}

fn refuse(file: &Located<PathBuf>, why: &str, reading: &mut Reading) {
    let message = format!("can't use `{}`", file.value.display());
    let problem = reading.at(problem::Kind::Invalid, &file.span, message).label(why);
    reading.report(problem);
}

settings! {
    /// What belongs to one identity.
    struct AccountTable {
        /// The user name; the identity when not given.
        username: Option<Located<String>> = None, optional(plain_text());
        /// The password.
        password: Option<Located<Secret>> = None, optional(SecretText);
    }
}

settings! {
    /// The certificate of one identity.
    struct CertificateTable {
        /// PEM file: the certificate, then its intermediates.
        certificate: Option<Located<PathBuf>> = None, required(Unwatched);
        /// PEM file: its private key.
        key: Option<Located<PathBuf>> = None, required(Unwatched);
    }
}

/// User name and password of each identity.
pub(super) fn accounts(
    file: &Located<PathBuf>,
    reading: &mut Reading,
) -> Option<Arc<HashMap<Box<str>, FixedCredentials>>> {
    let table = by_identity::<Nested<AccountTable>>(file, true, reading)?;
    let accounts = table.0.into_iter().map(|(identity, account)| {
        let AccountTable { username, password } = account.value;
        let username = username.map_or_else(|| identity.value.clone(), |username| username.value);
        let password = password.map(|password| password.value);
        (identity.value.into(), FixedCredentials { username: Some(username.into()), password })
    });
    Some(Arc::new(accounts.collect()))
}

/// The key of each identity.
pub(super) fn keys(file: &Located<PathBuf>, reading: &mut Reading) -> Option<Arc<HashMap<Box<str>, Secret>>> {
    let table = by_identity::<Base64Text>(file, true, reading)?;
    Some(Arc::new(table.0.into_iter().map(|(identity, key)| (identity.value.into(), key.value)).collect()))
}

/// The certificate of each identity.
pub(super) fn certificates(file: &Located<PathBuf>, reading: &mut Reading) -> Option<Arc<HashMap<Box<str>, KeyPair>>> {
    let table = by_identity::<Nested<CertificateTable>>(file, false, reading)?;
    let pairs = table.0.into_iter().filter_map(|(identity, pair)| {
        let CertificateTable { certificate, key } = pair.value;
        let pair = KeyPair { certificate: certificate?.value, key: key?.value, server_names: Vec::new() };
        Some((identity.value.into(), pair))
    });
    Some(Arc::new(pairs.collect()))
}

/// Reads a file with a key for each identity. Of a secret one nothing is quoted.
fn by_identity<K: Kind + Default>(file: &Located<PathBuf>, is_secret: bool, reading: &mut Reading) -> Option<Map<K>> {
    if file.value.as_os_str().is_empty() {
        return None;
    }
    let source = match super::open(&file.value, super::MAX_TABLE_BYTES) {
        Ok(source) => source,
        Err(problem) => {
            super::check::no_file("can't open", &file.value, &problem.label, &file.span, reading);
            return None;
        }
    };
    let mut inner = Reading::new(&source);
    let (table, is_toml) = read_text::<Map<K>>(&mut inner);
    if is_secret {
        let blank = Arc::new(Source { path: source.path.clone(), text: String::new() });
        reading.problems.extend(inner.problems.drain(..).map(|problem| without_text(&problem, &blank)));
    } else {
        reading.problems.append(&mut inner.problems);
    }
    reading.more_files.extend(inner.files.drain(..).map(|named| named.value));
    drop(inner);
    if let Some(mut source) = Arc::into_inner(source).filter(|_| is_secret) {
        source.text.zeroize();
    }
    is_toml.then_some(table)
}

/// A problem of a file that must not be quoted.
fn without_text(problem: &Problem, blank: &Arc<Source>) -> Problem {
    let line = problem.position().map(|(line, _)| format!(" on line {line}")).unwrap_or_default();
    let message = match problem.kind {
        problem::Kind::Syntax => "not TOML",
        problem::Kind::UnknownKey => "unknown key",
        problem::Kind::MissingKey => "a key is missing",
        problem::Kind::WrongType => "a value has the wrong type",
        problem::Kind::Unreadable
        | problem::Kind::Invalid
        | problem::Kind::OutOfRange
        | problem::Kind::Duplicate
        | problem::Kind::UnknownName
        | problem::Kind::Contradiction
        | problem::Kind::MissingFile
        | problem::Kind::Tls
        | problem::Kind::NoPolicy
        | problem::Kind::NoIdentity
        | problem::Kind::FailedCase
        | problem::Kind::Unsafe
        | problem::Kind::Unused
        | problem::Kind::Restart => "a value can't be understood",
    };
    Problem::new(problem.kind, blank, None, format!("{message}{line}"))
        .label("what stands there is not shown, for it may be secret")
}

/// Text that is a secret.
#[derive(Clone, Debug, Default)]
struct SecretText;

impl Kind for SecretText {
    type Value = Secret;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Secret> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        Some(Secret::new(text.as_bytes().to_vec()))
    }

    fn expects(&self) -> String {
        "a text".to_owned()
    }

    fn written(&self, _: &Secret) -> Option<String> {
        None
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// A key in base64.
#[derive(Clone, Debug, Default)]
struct Base64Text;

impl Kind for Base64Text {
    type Value = Secret;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Secret> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let decoded = BASE64.decode(text.as_bytes()).ok().filter(|key| !key.is_empty());
        if decoded.is_none() {
            reading.invalid(given, &self.expects(), "");
        }
        decoded.map(Secret::new)
    }

    fn expects(&self) -> String {
        "a key in base64".to_owned()
    }

    fn written(&self, _: &Secret) -> Option<String> {
        None
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "contentEncoding": "base64"})
    }
}
