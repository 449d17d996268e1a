//! A password file as a whole: read, and replaced by one rename.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::MAX_TEXT_BYTES;
use crate::credentials::password::name_of;

/// For its owner alone.
const PRIVATE: u32 = 0o600;
/// What others may do is taken away from a file that is changed.
const NOT_FOR_OTHERS: u32 = 0o770;
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The text of a file.
pub(in crate::cli) fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    text_of(&File::open(path)?)
}

/// Puts `line` in the place of the lines of `name`, or behind all others; no line takes them away. Whether there were
/// any. Where there is nothing to do, the file is left as it is.
///
/// Two at once on one file wait for each other.
pub(in crate::cli) fn change(path: &Path, create: bool, name: &str, line: Option<&str>) -> io::Result<bool> {
    if create {
        make(path)?;
    }
    // Behind a symbolic link is the file that is meant.
    let path = fs::canonicalize(path)?;
    let old = locked(&path)?;
    let text = text_of(&old)?;
    let (new, found) = edited(&text, name, line);
    if found || line.is_some() {
        replace(&path, &old, &new)?;
    }
    Ok(found)
}

fn text_of(file: &File) -> io::Result<Zeroizing<String>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if size > MAX_TEXT_BYTES {
        return Err(io::Error::other("the file is too large"));
    }
    let mut text = Zeroizing::new(String::with_capacity(size + 1));
    file.take(MAX_TEXT_BYTES as u64).read_to_string(&mut text)?;
    Ok(text)
}

fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The file, locked against others who would change it.
fn locked(path: &Path) -> io::Result<File> {
    for _ in 0..LOCK_TRIES {
        let file = File::open(path)?;
        match file.try_lock() {
            Ok(()) => {
                let (own, current) = (file.metadata()?, fs::metadata(path)?);
                // Whoever had the lock before has put another file there.
                if (own.dev(), own.ino()) == (current.dev(), current.ino()) {
                    return Ok(file);
                }
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("another program is changing the file"))
}

/// The text with its line of `name` replaced, and whether there was one.
fn edited(text: &str, name: &str, line: Option<&str>) -> (Zeroizing<String>, bool) {
    let mut new = Zeroizing::new(String::with_capacity(text.len() + line.map_or(0, str::len) + 2));
    let mut found = false;
    for old in text.split_inclusive('\n') {
        if name_of(old) != Some(name) {
            new.push_str(old);
            continue;
        }
        if !found && let Some(line) = line {
            new.push_str(line);
            new.push_str(old.get(old.trim_end_matches(['\r', '\n']).len()..).unwrap_or_default());
        }
        found = true;
    }
    if let Some(line) = line.filter(|_| !found) {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        if !new.is_empty() && !new.ends_with('\n') {
            new.push_str(end);
        }
        new.push_str(line);
        new.push_str(end);
    }
    (new, found)
}

/// Puts a text in the place of a file, with its owner.
fn replace(path: &Path, old: &File, text: &str) -> io::Result<()> {
    let beside = beside(path)?;
    let written = write(&beside, old, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&beside);
    }
    written?;
    // The rename is on disk once its folder is; not all file systems let a folder be synced.
    let _ = path.parent().map(|folder| File::open(folder).and_then(|folder| folder.sync_all()));
    Ok(())
}

fn write(path: &Path, old: &File, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)?;
    let (was, is) = (old.metadata()?, file.metadata()?);
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        let unkept = |error| io::Error::other(format!("its owner can't be kept: {error}"));
        fchown(&file, Some(was.uid()), Some(was.gid())).map_err(unkept)?;
    }
    file.set_permissions(Permissions::from_mode(was.mode() & NOT_FOR_OTHERS))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A name in the same folder that is nobody else's.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or_else(|| io::Error::other("not a file name"))?);
    name.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_leaves_every_other_line_as_it_is() {
        let line = Some("bob:$new");
        let cases: &[(&str, Option<&str>, &str, bool)] = &[
            ("", line, "bob:$new\n", false),
            ("a:1\n", line, "a:1\nbob:$new\n", false),
            ("a:1", line, "a:1\nbob:$new\n", false),
            ("a:1\r\n", line, "a:1\r\nbob:$new\r\n", false),
            ("# bob:1\n\n x \nbob:1\na:1", line, "# bob:1\n\n x \nbob:$new\na:1", true),
            (" bob :1\r\na:1\r\n", line, "bob:$new\r\na:1\r\n", true),
            ("bob:1\na:1\nbob:2\n", line, "bob:$new\na:1\n", true),
            ("bob:plain:text", line, "bob:$new", true),
            ("#bob:1\nbobby:1\nBob:1\nbob\n", None, "#bob:1\nbobby:1\nBob:1\nbob\n", false),
            ("a:1\nbob:1\n\nbob:2\n#\n", None, "a:1\n\n#\n", true),
            ("bob:1", None, "", true),
        ];
        for (text, line, expected, was_there) in cases {
            let (new, found) = edited(text, "bob", *line);
            assert_eq!((new.as_str(), found), (*expected, *was_there), "{text:?} {line:?}");
        }
    }
}
