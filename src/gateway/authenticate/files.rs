//! Files that identity sources are read from, and what is wrong with them.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::readable_by_all;
use crate::credentials::admission;
use crate::credentials::password::{Flaw, MAX_TEXT_BYTES, Passwords};
use crate::credentials::token::{Algorithm, Keys, MAX_KEYS_BYTES};

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

impl FileProblem {
    fn of(file: &Path, message: impl fmt::Display) -> Self {
        Self { file: Some(file.to_owned()), message: message.to_string() }
    }

    pub(super) fn no_random_bytes() -> Self {
        Self { file: None, message: "the system gives no random bytes".to_owned() }
    }
}

/// Reads password files as if they were one. No name may stand twice, in one or in two of them.
pub(super) fn passwords(files: &[PathBuf], warnings: &mut Vec<FileProblem>) -> Result<Passwords, Vec<FileProblem>> {
    if let [file] = files {
        return read_passwords(file, warnings).map(|(passwords, _)| passwords);
    }
    let mut problems = Vec::new();
    let mut texts = Vec::new();
    for file in files {
        match read_passwords(file, warnings) {
            Ok((_, text)) => texts.push((file, text)),
            Err(more) => problems.extend(more),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // Of its full size at once: a buffer that grows leaves copies behind.
    let size = texts.iter().map(|(_, text)| text.len() + 1).sum();
    let mut all = Zeroizing::new(String::with_capacity(size));
    for (_, text) in &texts {
        all.push_str(text);
        all.push('\n');
    }
    let (passwords, problems) = Passwords::parse(&all);
    if problems.is_empty() {
        return Ok(passwords);
    }
    let places = Places(texts.iter().map(|(file, text)| (file.as_path(), text.matches('\n').count() + 1)).collect());
    Err(problems.iter().map(|problem| places.problem(problem.line, problem.what)).collect())
}

/// The entries of one file and its text, if every line of it can be taken.
fn read_passwords(
    file: &Path,
    warnings: &mut Vec<FileProblem>,
) -> Result<(Passwords, Zeroizing<String>), Vec<FileProblem>> {
    let mut bytes = read(file, MAX_TEXT_BYTES)?;
    if let Err(error) = std::str::from_utf8(&bytes) {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        return Err(vec![FileProblem::of(file, format_args!("line {line}: not UTF-8"))]);
    }
    // INVARIANT: it is UTF-8, as was just seen.
    let text = Zeroizing::new(String::from_utf8(std::mem::take(&mut bytes)).unwrap_or_default());
    let (passwords, problems) = Passwords::parse(&text);
    if !problems.is_empty() {
        return Err(problems.iter().map(|problem| FileProblem::of(file, problem)).collect());
    }
    warnings.extend(readable_by_all(file).then(|| FileProblem::of(file, "every user of this machine may read it")));
    match (passwords.len(), passwords.weak()) {
        (0, _) => warnings.push(FileProblem::of(file, "it has no entry")),
        (_, 0) => {}
        (all, weak) => {
            let message = format_args!(
                "{weak} of {all} entries are soon guessed once the file is lost; `tidegate passwd` makes dearer ones"
            );
            warnings.push(FileProblem::of(file, message));
        }
    }
    Ok((passwords, text))
}

/// Which line of which file a line of all of them is; by files, with their numbers of lines.
struct Places<'f>(Vec<(&'f Path, usize)>);

impl Places<'_> {
    fn find(&self, line: usize) -> Option<(&Path, usize)> {
        let mut line = line;
        for (file, lines) in &self.0 {
            if line <= *lines {
                return Some((file, line));
            }
            line -= lines;
        }
        None
    }

    fn problem(&self, line: usize, what: Flaw) -> FileProblem {
        let Some((file, line)) = self.find(line) else {
            return FileProblem { file: None, message: format!("the password files together: {what}") };
        };
        if let Flaw::Duplicate { first } = what
            && let Some((other, first)) = self.find(first)
        {
            let message = format_args!("line {line}: the name is already given in `{}`, line {first}", other.display());
            return FileProblem::of(file, message);
        }
        FileProblem::of(file, format_args!("line {line}: {what}"))
    }
}

/// Reads a JWK set that some of these algorithms can be checked with.
pub(super) fn keys(
    file: &Path,
    algorithms: &[Algorithm],
    warnings: &mut Vec<FileProblem>,
) -> Result<Keys, Vec<FileProblem>> {
    let bytes = read(file, MAX_KEYS_BYTES)?;
    let keys = Keys::parse(&bytes)
        .map_err(|problems| -> Vec<_> { problems.iter().map(|problem| FileProblem::of(file, problem)).collect() })?;
    if !algorithms.iter().any(|algorithm| keys.supports(*algorithm)) {
        let names: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let message = format_args!("no key in it is for one of the `algorithms` that are taken: {}", names.join(", "));
        return Err(vec![FileProblem::of(file, message)]);
    }
    for unused in keys.unused() {
        warnings.push(FileProblem::of(file, format_args!("key {} is not used: {}", unused.key, unused.why)));
    }
    let has_secret = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];
    if has_secret.iter().any(|algorithm| keys.supports(*algorithm)) && readable_by_all(file) {
        let message = "every user of this machine may read it, and whoever has a secret in it can make tokens";
        warnings.push(FileProblem::of(file, message));
    }
    Ok(keys)
}

/// Reads the keys of admission tokens. No number may stand twice, in one file or in two.
pub(in crate::gateway) fn admission_keys(
    files: &[PathBuf],
    warnings: &mut Vec<FileProblem>,
) -> Result<admission::Keys, Vec<FileProblem>> {
    let (mut keys, mut problems) = (admission::Keys::default(), Vec::new());
    for file in files {
        let added = read(file, admission::MAX_TEXT_BYTES).and_then(|bytes| {
            let text = std::str::from_utf8(&bytes).map_err(|_| vec![FileProblem::of(file, "not UTF-8")])?;
            let of_file = |problems: Vec<admission::Problem>| -> Vec<_> {
                problems.iter().map(|problem| FileProblem::of(file, problem)).collect()
            };
            keys.add(text).map_err(of_file)
        });
        if let Err(more) = added {
            problems.extend(more);
        }
        if readable_by_all(file) {
            let message = "every user of this machine may read it, and whoever has a key in it can make tokens";
            warnings.push(FileProblem::of(file, message));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if keys.newest().is_none() {
        let message = "the files of admission keys hold no key; `tidegate token --new-key` makes one".to_owned();
        return Err(vec![FileProblem { file: files.first().cloned(), message }]);
    }
    Ok(keys)
}

fn read(file: &Path, max_bytes: usize) -> Result<Zeroizing<Vec<u8>>, Vec<FileProblem>> {
    let unreadable =
        |error: std::io::Error| vec![FileProblem::of(file, format_args!("can't be read: {}", error.kind()))];
    let opened = File::open(file).map_err(unreadable)?;
    let size = opened.metadata().map_err(unreadable)?.len();
    let max = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    if size > max {
        return Err(vec![FileProblem::of(file, format_args!("it is larger than {} MiB", max_bytes >> 20))]);
    }
    // Of its full size at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    opened.take(max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > max_bytes {
        return Err(vec![FileProblem::of(file, format_args!("it is larger than {} MiB", max_bytes >> 20))]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// What is said of password files with these texts, errors first.
    fn said(texts: &[&[u8]]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let file = folder.path().join(number.to_string());
            std::fs::write(&file, text).unwrap();
            #[cfg(unix)]
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            files.push(file);
        }
        let mut warnings = Vec::new();
        let problems = passwords(&files, &mut warnings).err().unwrap_or_default();
        let folder = format!("{}/", folder.path().display());
        problems.iter().chain(&warnings).map(|problem| problem.to_string().replace(&folder, "")).collect()
    }

    #[test]
    fn what_is_wrong_with_password_files_is_said_with_file_and_line() {
        let good = |names: &[&str]| names.iter().map(|name| format!("{name}:{GOOD}\n")).collect::<String>();
        for (texts, expected) in [
            (vec![good(&["a", "b"])], vec![]),
            (vec![good(&["a"]), good(&["b"])], vec![]),
            (vec![good(&["a", "b"]), good(&["c", "a"])], vec!["`1`: line 2: the name is already given in `0`, line 1"]),
            (vec![good(&["a", "a"])], vec!["`0`: line 2: the name is already given in line 1"]),
            (
                vec!["a:plain\nb\n".to_owned()],
                vec!["`0`: line 1: the password is not hashed", "`0`: line 2: no `:` between a name and a hash"],
            ),
            (vec![String::new()], vec!["`0`: it has no entry"]),
        ] {
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            assert_eq!(said(&texts), expected);
        }
        assert_eq!(said(&[b"# \n\xff:x\n"]), ["`0`: line 2: not UTF-8"]);
    }
}
