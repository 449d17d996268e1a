//! Whether files have changed: by what they hold, not by when they were written.
//!
//! Files are looked at, not subscribed to: a mounted ConfigMap changes by a symbolic link further up, an editor by a
//! file of another name, and a share on the network says nothing at all. Not here: what is done about it (`reload`).

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{self, SHA256};
use zeroize::Zeroizing;

/// What is read of a file at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A file that was written so recently may be written again without its marks telling.
const YOUNG: Duration = Duration::from_secs(10);

/// What paths held at one time; a path that can't be read holds nothing.
pub(super) type Look = BTreeMap<PathBuf, Option<[u8; 32]>>;

/// What need not be read again: what each path held at the last look, with its marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cache(HashMap<PathBuf, (Marks, Option<[u8; 32]>)>);

/// What the system says of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Marks {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the same marks mean the same content.
    fn can_be_trusted(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let old = i64::try_from(now.saturating_sub(YOUNG.as_secs())).unwrap_or_default();
        self.modified.0 < old && self.changed.0 < old
    }
}

impl Cache {
    /// Looks at files and folders. Of a folder it is the names in it and the marks behind them that count, but for names
    /// that begin with a dot.
    pub(super) fn look(&mut self, paths: &[PathBuf], now: SystemTime) -> Look {
        let mut before = std::mem::take(&mut self.0);
        let mut look = Look::new();
        for path in paths {
            let Ok(metadata) = fs::metadata(path) else {
                look.insert(path.clone(), None);
                continue;
            };
            let marks = Marks::of(&metadata);
            let known = before.remove(path).filter(|(known, _)| *known == marks && marks.can_be_trusted(now));
            let held = match known {
                Some((_, held)) if metadata.is_file() => held,
                Some(_) | None => read(path, &metadata).ok(),
            };
            self.0.insert(path.clone(), (marks, held));
            look.insert(path.clone(), held);
        }
        look
    }
}

fn read(path: &Path, metadata: &Metadata) -> io::Result<[u8; 32]> {
    let mut digest = digest::Context::new(&SHA256);
    if metadata.is_dir() {
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.retain(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let marks = fs::metadata(entry.path()).ok().map(|metadata| Marks::of(&metadata));
            digest.update(entry.file_name().as_encoded_bytes());
            digest.update(format!("\0{marks:?}\0").as_bytes());
        }
    } else if metadata.is_file() {
        let mut file = File::open(path)?;
        let mut chunk = Zeroizing::new(vec![0; CHUNK_BYTES]);
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                bytes => digest.update(chunk.get(..bytes).unwrap_or_default()),
            }
        }
    }
    // Of a pipe or a device nothing is read: that would take it away from whoever it is for.
    digest.finish().as_ref().try_into().map_err(io::Error::other)
}

/// The paths that hold something else than before.
pub(super) fn differing(before: &Look, now: &Look) -> Vec<PathBuf> {
    let paths: std::collections::BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    paths.into_iter().filter(|path| before.get(*path) != now.get(*path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at the paths twice: with what is kept, and anew.
    fn look(cache: &mut Cache, paths: &[PathBuf]) -> Look {
        let found = cache.look(paths, SystemTime::now());
        assert_eq!(found, Cache::default().look(paths, SystemTime::now()));
        found
    }

    #[test]
    fn what_counts_of_a_file_is_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.toml");
        let paths = [file.clone()];
        let mut cache = Cache::default();
        let absent = look(&mut cache, &paths);
        assert_eq!(absent[&file], None);
        fs::write(&file, "one").unwrap();
        let one = look(&mut cache, &paths);
        assert_eq!(differing(&absent, &one), paths);
        fs::write(&file, "one").unwrap();
        assert_eq!(look(&mut cache, &paths), one, "written again, and the same");
        // As many bytes, and perhaps within one tick of the clock.
        fs::write(&file, "two").unwrap();
        let two = look(&mut cache, &paths);
        assert_eq!(differing(&one, &two), paths);
        fs::write(folder.path().join("new"), "one").unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
        assert_eq!(look(&mut cache, &paths), one, "put in its place");
        fs::remove_file(&file).unwrap();
        assert_eq!(look(&mut cache, &paths), absent);
    }

    #[test]
    fn a_link_is_followed_wherever_on_the_way_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("v1", "one"), ("v2", "two")] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("policy.toml"), text).unwrap();
        }
        // As a ConfigMap is mounted: the file is a link into `..data`, which is a link itself.
        std::os::unix::fs::symlink("v1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/policy.toml", at("policy.toml")).unwrap();
        let paths = [at("policy.toml")];
        let mut cache = Cache::default();
        let before = look(&mut cache, &paths);
        std::os::unix::fs::symlink("v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert_eq!(differing(&before, &look(&mut cache, &paths)), paths);
    }

    #[test]
    fn a_folder_changes_with_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let paths = [folder.path().to_owned()];
        let mut cache = Cache::default();
        let mut last = look(&mut cache, &paths);
        let mut changes = |expected: bool| {
            let now = look(&mut cache, &paths);
            assert_eq!(!differing(&last, &now).is_empty(), expected);
            last = now;
        };
        fs::write(at("press-4.pem"), "one").unwrap();
        changes(true);
        changes(false);
        fs::write(at("press-4.pem"), "another").unwrap();
        changes(true);
        fs::write(at(".press-4.pem.swp"), "an editor at work").unwrap();
        changes(false);
        fs::remove_file(at("press-4.pem")).unwrap();
        changes(true);
    }

    #[test]
    fn an_old_file_is_not_read_again_and_a_young_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, "one").unwrap();
        let mut cache = Cache::default();
        let paths = [file.clone()];
        let found = cache.look(&paths, SystemTime::now());
        let (marks, _) = cache.0[&file];
        cache.0.insert(file.clone(), (marks, None));
        assert_eq!(cache.look(&paths, SystemTime::now()), found, "read again");
        cache.0.insert(file.clone(), (marks, None));
        assert_eq!(cache.look(&paths, SystemTime::now() + 2 * YOUNG)[&file], None, "taken from what is kept");
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let paths = [PathBuf::from("/dev/zero")];
        assert!(Cache::default().look(&paths, SystemTime::now())[&paths[0]].is_some());
    }
}
