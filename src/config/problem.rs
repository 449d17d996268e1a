//! What is wrong with a file, and where.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

/// The text of a settings or policy file, kept to point into.
#[derive(Debug)]
pub struct Source {
    /// Where it was read.
    pub path: PathBuf,
    /// What it said; empty when it could not be read.
    pub text: String,
}

impl Source {
    /// Line and column of a byte, both from 1; the column counts characters.
    fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// The line that a byte stands on, from 1.
    pub(super) fn line(&self, byte: usize) -> usize {
        self.position(byte).0
    }
}

/// How much a problem weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken, and whoever runs it should know.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What kind of problem it is; [`Kind::label`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file that can't be read.
    Unreadable,
    /// Not TOML.
    Syntax,
    /// A key that does not exist.
    UnknownKey,
    /// A key that has to be there.
    MissingKey,
    /// A value of another type.
    WrongType,
    /// A value that says nothing we know.
    Invalid,
    /// A value outside its range.
    OutOfRange,
    /// The same thing twice.
    Duplicate,
    /// A name that nothing bears.
    UnknownName,
    /// Two settings that can't both hold.
    Contradiction,
    /// A file or folder that is not there.
    MissingFile,
    /// A certificate, key or revocation list that can't be used.
    Tls,
    /// A policy that permits nothing.
    NoPolicy,
    /// A listener whose clients are nobody.
    NoIdentity,
    /// A case of a policy that does not hold.
    FailedCase,
    /// A choice that gives up protection.
    Unsafe,
    /// Something that has no effect.
    Unused,
    /// A key that can't change while the gateway runs.
    Restart,
}

impl Kind {
    /// The word for it in answers for programs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown_key",
            Self::MissingKey => "missing_key",
            Self::WrongType => "wrong_type",
            Self::Invalid => "invalid",
            Self::OutOfRange => "out_of_range",
            Self::Duplicate => "duplicate",
            Self::UnknownName => "unknown_name",
            Self::Contradiction => "contradiction",
            Self::MissingFile => "missing_file",
            Self::Tls => "tls",
            Self::NoPolicy => "no_policy",
            Self::NoIdentity => "no_identity",
            Self::FailedCase => "failed_case",
            Self::Unsafe => "unsafe",
            Self::Unused => "unused",
            Self::Restart => "restart",
        }
    }
}

/// One thing wrong with a file.
#[derive(Clone, Debug)]
pub struct Problem {
    /// How much it weighs.
    pub severity: Severity,
    /// What kind it is.
    pub kind: Kind,
    /// The file.
    pub source: Arc<Source>,
    /// The bytes of the file that it is about; none when it is about the whole of it.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What was found and what was expected; may be empty.
    pub label: String,
    /// One line of help; may be empty.
    pub help: String,
}

impl Problem {
    /// An error with neither label nor help yet.
    pub(super) fn new(kind: Kind, source: &Arc<Source>, span: Option<Range<usize>>, message: String) -> Self {
        let severity = Severity::Error;
        Self { severity, kind, source: Arc::clone(source), span, message, label: String::new(), help: String::new() }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether the file is refused for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Line and column, both from 1.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.span.as_ref().map(|span| self.source.position(span.start))
    }

    /// The problem as a JSON object.
    pub fn to_json(&self) -> Value {
        let (line, column) = self.position().unzip();
        json!({
            "severity": self.severity.label(),
            "kind": self.kind.label(),
            "file": self.source.path.display().to_string(),
            "line": line,
            "column": column,
            "message": self.message,
            "label": self.label,
            "help": self.help,
        })
    }

    fn render(&self) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = self.source.path.display().to_string();
        let title = level.primary_title(self.message.as_str());
        let mut group: Group<'_> = match self.span.clone() {
            Some(span) => {
                let (line, number, span) = the_line(&self.source.text, span);
                let label = (!self.label.is_empty()).then_some(self.label.as_str());
                let caret = AnnotationKind::Primary.span(span).label(label);
                title.element(Snippet::source(line).line_start(number).path(path).annotation(caret))
            }
            None => {
                let group = title.element(Origin::path(path));
                if self.label.is_empty() { group } else { group.element(Level::NOTE.message(self.label.as_str())) }
            }
        };
        if !self.help.is_empty() {
            group = group.element(Level::HELP.message(self.help.as_str()));
        }
        Renderer::plain().render(&[group])
    }
}

/// The line that a span begins on, its number, and what of the span is on it: a table may span the whole file, and a
/// file may have many problems.
fn the_line(text: &str, span: Range<usize>) -> (&str, usize, Range<usize>) {
    let start = span.start.min(text.len());
    let (before, behind) = text.split_at_checked(start).unwrap_or((text, ""));
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let end = behind.find('\n').map_or(text.len(), |at| before.len() + at);
    let line = text.get(begin..end).unwrap_or_default();
    let from = before.len() - begin;
    let number = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, number, from..span.end.saturating_sub(begin).clamp(from, line.len()))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

/// Every problem of the files read, errors first, then by file and place; never empty.
#[derive(Clone, Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// In the order in which they are shown.
    pub fn new(mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
        Self(problems)
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

/// Errors before warnings, then by file and place.
pub(super) fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        let place = |p: &Problem| (p.severity, p.source.path.clone(), p.span.as_ref().map(|span| span.start));
        place(a).cmp(&place(b))
    });
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
