//! Settings and policy files to checked values: every problem of a run at once, each with its place.
//!
//! Not here: what is in a certificate or a key (`tls`). Read [`Settings`] first; [`load`] makes it.

pub mod cases;
mod check;
mod files;
mod kinds;
mod policy;
mod problem;
mod read;
pub mod reference;
mod restart;
mod settings;
mod tables;

#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use files::readable_by_all;
pub use problem::{Kind, Problem, Problems, Severity, Source};
pub use restart::needs_restart;
pub use settings::*;

use crate::policy::Policy;
use read::Located;

/// Bytes of a settings file; anything larger is not one.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;
/// Bytes of a policy file, or of a table by identity.
const MAX_TABLE_BYTES: u64 = 16 << 20;

/// Reads and checks a settings file and the policy that it names.
///
/// # Errors
/// Every problem of both files.
pub fn load(path: &Path) -> Result<Settings, Problems> {
    let mut problems = Vec::new();
    let settings = match open(path, MAX_SETTINGS_BYTES) {
        Ok(source) => check::settings(&source, &mut problems),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let has_error = problems.iter().any(Problem::is_error);
    match settings {
        Some(mut settings) if !has_error => {
            problem::sort(&mut problems);
            settings.warnings = problems;
            Ok(settings)
        }
        _ => Err(Problems::new(problems)),
    }
}

/// A duration as the settings write it, such as `1h30m`.
pub fn duration(text: &str) -> Option<Duration> {
    kinds::parse_duration(text)
}

/// `HOST:PORT` as settings write it.
#[must_use]
pub fn server(text: &str) -> Option<Server> {
    kinds::parse_server(text)
}

/// A policy that was read without settings.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Arc<Policy>,
    /// What deserves saying and is no error, by file and place.
    pub warnings: Vec<Problem>,
}

/// Reads and checks the policies of some folders as one, without the settings of a gateway.
///
/// # Errors
/// Every problem of their files.
pub fn load_policy(folders: &[&Path]) -> Result<LoadedPolicy, Problems> {
    let mut problems = Vec::new();
    let folders: Vec<Located<PathBuf>> =
        folders.iter().map(|folder| Located { value: folder.to_path_buf(), span: 0..0 }).collect();
    let wanted = policy::Wanted { folders: &folders, by: None, listeners: None };
    match policy::load(&wanted, &mut problems, &mut Vec::new()) {
        Some(policy) if !problems.iter().any(Problem::is_error) => {
            problem::sort(&mut problems);
            Ok(LoadedPolicy { policy, warnings: problems })
        }
        _ => Err(Problems::new(problems)),
    }
}

/// Reads a file of text whole.
fn open(path: &Path, max_bytes: u64) -> Result<Arc<Source>, Problem> {
    let refuse = |text: &str, help: &str| {
        let source = Arc::new(Source { path: path.to_owned(), text: String::new() });
        Problem::new(Kind::Unreadable, &source, None, "can't read this file".to_owned()).label(text).help(help)
    };
    let bytes = read_bytes(path, max_bytes).map_err(|why| refuse(&why, ""))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Arc::new(Source { path: path.to_owned(), text })),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(refuse(&format!("byte {at} is not UTF-8"), "settings are UTF-8 text"))
        }
    }
}

/// Reads a file whole, or says why not.
fn read_bytes(path: &Path, max_bytes: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(reason(&error));
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
        return Err(format!("larger than {}", kinds::show_size(usize::try_from(max_bytes).unwrap_or(usize::MAX))));
    }
    Ok(bytes)
}

/// Why a file can't be read.
fn reason(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::NotFound {
        return "no such file or folder".to_owned();
    }
    error.kind().to_string()
}
