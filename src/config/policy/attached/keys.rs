//! Key sets of signatures. Nothing of them is shown.

use std::path::PathBuf;
use std::str;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::json;
use crate::config::check::no_file;
use crate::config::files::readable_by_all;
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::jwk::{Algorithm, KeyProblem, Keys, MAX_KEYS_BYTES, SigningKeys, UnusedKey};

/// A key set that verifies.
pub(super) fn verifying(file: &Located<PathBuf>, reading: &mut Reading) -> Option<Keys> {
    let set = Set::open(file, reading)?;
    let keys = match Keys::parse(&set.bytes) {
        Ok(keys) => keys,
        Err(problems) => {
            set.refuse(&problems, reading);
            return None;
        }
    };
    set.unused(keys.unused(), reading);
    let nameless = keys.keys().iter().filter(|key| key.kid().is_none()).count();
    if nameless > 0 {
        set.warn(problem::Kind::Unused, &format!("{nameless} without a `kid`: no signature can name it"), reading);
    }
    let now = Timestamp::now().as_millisecond();
    if keys.keys().iter().all(|key| !key.is_valid_at(now)) {
        set.warn(problem::Kind::Unsafe, "none is valid now, by `nbf` and `exp`: no signature holds", reading);
    }
    if keys.supports(Algorithm::Hs256) {
        set.readable("whoever has a secret in it can sign", reading);
    }
    Some(keys)
}

/// A key set that signs.
pub(super) fn signing(file: &Located<PathBuf>, reading: &mut Reading) -> Option<SigningKeys> {
    let set = Set::open(file, reading)?;
    let keys = match SigningKeys::parse(&set.bytes) {
        Ok(keys) => keys,
        Err(problems) => {
            set.refuse(&problems, reading);
            return None;
        }
    };
    set.readable("whoever has a private key can sign", reading);
    Some(keys)
}

/// The text of a key set, wiped when dropped.
struct Set<'f> {
    file: &'f Located<PathBuf>,
    bytes: Zeroizing<Vec<u8>>,
}

impl<'f> Set<'f> {
    fn open(file: &'f Located<PathBuf>, reading: &mut Reading) -> Option<Self> {
        let max = u64::try_from(MAX_KEYS_BYTES).unwrap_or(u64::MAX);
        match crate::config::read_bytes(&file.value, max) {
            Ok(bytes) => Some(Self { file, bytes: Zeroizing::new(bytes) }),
            Err(why) => {
                no_file("can't open", &file.value, &why, &file.span, reading);
                None
            }
        }
    }

    /// A key by its number, and the line that it begins on.
    fn place(&self, number: usize) -> String {
        let text = str::from_utf8(&self.bytes).unwrap_or_default();
        let pointer = format!("/keys/{}", number.saturating_sub(1));
        match json::place(text, &pointer).and_then(|range| text.get(..range.start)) {
            Some(before) => format!("key {number}, on line {}", before.matches('\n').count() + 1),
            None => format!("key {number}"),
        }
    }

    fn refuse(&self, problems: &[KeyProblem], reading: &mut Reading) {
        for KeyProblem { key, what } in problems {
            let label = if *key == 0 { what.to_string() } else { format!("{}: {what}", self.place(*key)) };
            let message = format!("can't use the keys of `{}`", self.file.value.display());
            let problem = reading.at(problem::Kind::Invalid, &self.file.span, message).label(label);
            reading.report(problem);
        }
    }

    fn unused(&self, unused: &[UnusedKey], reading: &mut Reading) {
        for UnusedKey { key, why } in unused {
            self.warn(problem::Kind::Unused, &format!("{} is not used: {why}", self.place(*key)), reading);
        }
    }

    fn warn(&self, kind: problem::Kind, label: &str, reading: &mut Reading) {
        let message = format!("keys of `{}`", self.file.value.display());
        let problem = reading.at(kind, &self.file.span, message).label(label).warning();
        reading.report(problem);
    }

    /// Secrets that others may read.
    fn readable(&self, why: &str, reading: &mut Reading) {
        if readable_by_all(&self.file.value) {
            let label = format!("every user of this machine may read them, and {why}");
            self.warn(problem::Kind::Unsafe, &label, reading);
        }
    }
}
