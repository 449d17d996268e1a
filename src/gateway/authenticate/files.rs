//! Files that identity sources are read from, and what is wrong with them.

use std::fmt;
use std::path::PathBuf;

/// What is wrong with a file that says who clients are. Holds nothing of what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct FileProblem {
    /// The file, where it is about one.
    pub(in crate::gateway) file: Option<PathBuf>,
    /// What is wrong, and where.
    pub(in crate::gateway) message: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "`{}`: {}", file.display(), self.message),
            None => f.write_str(&self.message),
        }
    }
}
