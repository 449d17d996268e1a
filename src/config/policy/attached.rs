//! Files that rules name: schemas, descriptors, keys. One that several rules name is read once.

mod json;
mod keys;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::config::check::no_file;
use crate::config::problem::{self, Problem, Source};
use crate::config::read::{Located, Reading};
use crate::jwk::{Keys, SigningKeys};
use crate::payload::protobuf::{Descriptor, DescriptorError};
use crate::payload::schema::{Schema, SchemaError};

/// Bytes of a schema, or of a file that one refers to.
const MAX_SCHEMA_BYTES: u64 = 1 << 20;

/// What was read; none for what is said to be wrong already.
#[derive(Default)]
pub(super) struct Attached {
    schemas: HashMap<PathBuf, Option<Arc<Schema>>>,
    descriptors: HashMap<PathBuf, Option<Arc<[u8]>>>,
    keys: HashMap<PathBuf, Option<Arc<Keys>>>,
    signing_keys: HashMap<PathBuf, Option<Arc<SigningKeys>>>,
}

impl Attached {
    /// A schema, with what it refers to.
    pub(super) fn schema(&mut self, file: &Located<PathBuf>, reading: &mut Reading) -> Option<Arc<Schema>> {
        once(&mut self.schemas, file, reading, schema)
    }

    /// Keys that verify.
    pub(super) fn keys(&mut self, file: &Located<PathBuf>, reading: &mut Reading) -> Option<Arc<Keys>> {
        once(&mut self.keys, file, reading, keys::verifying)
    }

    /// Keys that sign.
    pub(super) fn signing_keys(&mut self, file: &Located<PathBuf>, reading: &mut Reading) -> Option<Arc<SigningKeys>> {
        once(&mut self.signing_keys, file, reading, keys::signing)
    }

    /// A type of message of a file of descriptors.
    pub(super) fn descriptor(
        &mut self,
        file: &Located<PathBuf>,
        message: &Located<String>,
        reading: &mut Reading,
    ) -> Option<Descriptor> {
        if file.value.as_os_str().is_empty() {
            return None;
        }
        let max = u64::try_from(Descriptor::MAX_BYTES).unwrap_or(u64::MAX);
        let bytes = self.descriptors.entry(file.value.clone()).or_insert_with(|| {
            let read = crate::config::read_bytes(&file.value, max);
            let failed = |why: String| no_file("can't open", &file.value, &why, &file.span, reading);
            read.map_err(failed).ok().map(Arc::from)
        });
        let bytes = bytes.as_ref()?;
        match Descriptor::new(bytes, &message.value) {
            Ok(descriptor) => Some(descriptor),
            Err(error) => {
                let at = if matches!(error, DescriptorError::NoMessage(_)) { &message.span } else { &file.span };
                let words = format!("can't use `{}`", file.value.display());
                let problem = reading.at(problem::Kind::Invalid, at, words).label(error.to_string());
                reading.report(problem);
                None
            }
        }
    }
}

/// What was read of a file, or what is read of it now.
fn once<T>(
    known: &mut HashMap<PathBuf, Option<Arc<T>>>,
    file: &Located<PathBuf>,
    reading: &mut Reading,
    read: fn(&Located<PathBuf>, &mut Reading) -> Option<T>,
) -> Option<Arc<T>> {
    if file.value.as_os_str().is_empty() {
        return None;
    }
    known.entry(file.value.clone()).or_insert_with(|| read(file, reading).map(Arc::new)).clone()
}

/// A document of JSON, with its text to point into.
fn document(path: &Path) -> Result<(Arc<Source>, Json), Problem> {
    let source = crate::config::open(path, MAX_SCHEMA_BYTES)?;
    match serde_json::from_str(&source.text) {
        Ok(document) => Ok((source, document)),
        Err(error) => {
            let at = json::offset(&source.text, error.line(), error.column());
            let words = error.to_string();
            let words = words.split(" at line ").next().unwrap_or_default().to_owned();
            Err(Problem::new(problem::Kind::Syntax, &source, Some(at..at), "not JSON".to_owned()).label(words))
        }
    }
}

/// A schema; its problems are told where they stand.
fn schema(file: &Located<PathBuf>, reading: &mut Reading) -> Option<Schema> {
    let (source, whole) = match document(&file.value) {
        Ok(read) => read,
        Err(problem) if problem.kind == problem::Kind::Unreadable => {
            no_file("can't open", &file.value, &problem.label, &file.span, reading);
            return None;
        }
        Err(problem) => {
            reading.report(problem.help(named(file, reading)));
            return None;
        }
    };
    let mut broken = None;
    let mut more = Vec::new();
    let folder = file.value.parent().unwrap_or(Path::new(""));
    let mut resolve = |uri: &str| {
        let path = as_named(path_of(uri)?, folder);
        more.push(path.clone());
        document(&path).map(|(_, document)| document).map_err(|problem| {
            let is_there = problem.kind != problem::Kind::Unreadable;
            let words = if is_there { problem.message.clone() } else { problem.label.clone() };
            broken = Some(problem).filter(|_| is_there).or(broken.take());
            words
        })
    };
    let compiled = Schema::compile(&whole, &uri_of(&file.value), &mut resolve);
    reading.more_files.append(&mut more);
    compiled
        .map_err(|error| {
            let problem = broken.unwrap_or_else(|| flaw(&error, &source, folder));
            let help = if problem.help.is_empty() { named(file, reading) } else { problem.help.clone() };
            reading.report(problem.help(help));
        })
        .ok()
}

/// Who names a file.
fn named(file: &Located<PathBuf>, reading: &Reading) -> String {
    let line = reading.source.line(file.span.start);
    format!("line {line} of `{}` names it", reading.source.path.display())
}

/// A problem of a schema, where it stands.
fn flaw(error: &SchemaError, source: &Arc<Source>, folder: &Path) -> Problem {
    let whole = |kind, text: &str| Problem::new(kind, source, None, "can't use this schema".to_owned()).label(text);
    match error {
        SchemaError::Dialect(_) => Problem {
            span: json::place(&source.text, "/$schema"),
            ..whole(problem::Kind::UnknownName, &error.to_string())
        },
        SchemaError::Unresolved { uri, problem } => {
            // The last name in it is most likely written as it is.
            let name = uri.split('#').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            let at = source.text.find(name).filter(|_| !name.is_empty());
            let (named, help) = match path_of(uri) {
                Ok(path) => (as_named(path, folder).display().to_string(), ""),
                Err(_) => (
                    uri.clone(),
                    "write it to a file beside this one, name that, and leave `$id` out or give it no host",
                ),
            };
            Problem {
                span: at.map(|at| at..at + name.len()),
                message: format!("can't follow the reference to `{named}`"),
                ..whole(problem::Kind::MissingFile, problem).help(help)
            }
        }
        SchemaError::Documents | SchemaError::Values => whole(problem::Kind::OutOfRange, &error.to_string()),
        SchemaError::Invalid { place, problem } => {
            let span = json::place(&source.text, place);
            let text = if span.is_some() || place.is_empty() { problem.clone() } else { error.to_string() };
            Problem { span, message: "this is no JSON Schema".to_owned(), ..whole(problem::Kind::Invalid, &text) }
        }
    }
}

/// The URI of a file.
fn uri_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = String::from("file://");
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// A path in a folder, as the folder is written.
fn as_named(path: PathBuf, folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_default();
    path.strip_prefix(&whole).map(|rest| folder.join(rest)).unwrap_or(path)
}

/// The file of a URI.
fn path_of(uri: &str) -> Result<PathBuf, String> {
    let remote = || "only files are read: nothing is fetched over the network".to_owned();
    let path = uri.strip_prefix("file://").filter(|path| path.starts_with('/')).ok_or_else(remote)?;
    let mut bytes = Vec::with_capacity(path.len());
    let mut parts = path.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let decoded = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.ok_or("`%` begins no two digits")?);
        bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    String::from_utf8(bytes).map(PathBuf::from).map_err(|_| "not UTF-8".to_owned())
}
