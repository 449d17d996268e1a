//! Lists of networks that may connect and that may not, from files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Barred;
use crate::config::Addresses;
use crate::gateway::authenticate::FileProblem;
use crate::identity::{PrefixSet, Prefixes};

/// Networks of all files of one list.
const MAX_NETWORKS: usize = 4_000_000;

/// Bytes of a line, its remark included.
const MAX_LINE_BYTES: usize = 4096;

/// Of a file so many lines are named that are wrong.
const MAX_NAMED: usize = 20;

/// Who may connect, and who may not.
#[derive(Clone, Debug, Default)]
pub(in crate::gateway) struct Lists {
    /// None where all may.
    allow: Option<Arc<PrefixSet>>,
    deny: Option<Arc<PrefixSet>>,
}

impl Lists {
    /// Whether one that dials from `address` may. What is denied is so whether it is allowed or not.
    pub(super) fn permit(&self, address: IpAddr) -> Result<(), Barred> {
        if self.deny.as_ref().is_some_and(|deny| deny.contains(address)) {
            return Err(Barred::Denied);
        }
        if self.allow.as_ref().is_some_and(|allow| !allow.contains(address)) {
            return Err(Barred::NotAllowed);
        }
        Ok(())
    }
}

/// Reads each list once, for all listeners that name it.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Reader {
    /// None where one of the files can't be used.
    read: HashMap<Vec<PathBuf>, Option<Arc<PrefixSet>>>,
}

impl Reader {
    /// The lists of one listener.
    ///
    /// # Errors
    /// What is wrong with the files; nothing where that has been said for another listener.
    pub(in crate::gateway) fn lists(&mut self, addresses: &Addresses) -> Result<Lists, Vec<FileProblem>> {
        let mut problems = Vec::new();
        let allow = self.list(&addresses.allow, &mut problems);
        let deny = self.list(&addresses.deny, &mut problems);
        if let (Some(set), Some(file)) = (&allow, addresses.allow.first())
            && set.is_empty()
        {
            problems.push(problem(file, "names no network: nobody could connect"));
        }
        let is_whole = allow.is_some() != addresses.allow.is_empty() && deny.is_some() != addresses.deny.is_empty();
        if problems.is_empty() && is_whole { Ok(Lists { allow, deny }) } else { Err(problems) }
    }

    fn list(&mut self, files: &[PathBuf], problems: &mut Vec<FileProblem>) -> Option<Arc<PrefixSet>> {
        if files.is_empty() {
            return None;
        }
        if let Some(read) = self.read.get(files) {
            return read.clone();
        }
        let before = problems.len();
        let mut prefixes = Prefixes::default();
        for file in files {
            read(file, &mut prefixes, problems);
        }
        let set = (problems.len() == before).then(|| Arc::new(prefixes.finish()));
        self.read.insert(files.to_vec(), set.clone());
        set
    }
}

fn problem(file: &Path, message: impl Into<String>) -> FileProblem {
    FileProblem { file: Some(file.to_owned()), message: message.into() }
}

fn read(file: &Path, prefixes: &mut Prefixes, problems: &mut Vec<FileProblem>) {
    let mut wrong = 0_usize;
    let outcome = lines(file, |number, line| {
        let said = match std::str::from_utf8(line) {
            Ok(_) if line.len() > MAX_LINE_BYTES => Err(format!("the line is longer than {MAX_LINE_BYTES} bytes")),
            Ok(line) => prefixes.read_line(line).map_err(|error| error.to_string()),
            Err(_) => Err("the line is no UTF-8".to_owned()),
        };
        if let Err(why) = said {
            wrong += 1;
            if wrong <= MAX_NAMED {
                problems.push(problem(file, format!("line {number}: {why}")));
            }
        }
        prefixes.len() <= MAX_NETWORKS
    });
    match outcome {
        Ok(true) if wrong > MAX_NAMED => {
            problems.push(problem(file, format!("and {} more lines are wrong", wrong - MAX_NAMED)));
        }
        Ok(true) => {}
        Ok(false) => problems.push(problem(file, format!("more than {MAX_NETWORKS} networks in one list"))),
        Err(error) => problems.push(problem(file, format!("can't be read: {error}"))),
    }
}

/// Hands on each line with its number, of a long one the beginning, as long as that says to go on; false where it did not.
fn lines(file: &Path, mut each: impl FnMut(usize, &[u8]) -> bool) -> io::Result<bool> {
    let file = File::open(file)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let most = u64::try_from(MAX_LINE_BYTES + 1).unwrap_or(u64::MAX);
        if reader.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let is_whole = line.last() == Some(&b'\n') || line.len() <= MAX_LINE_BYTES;
        if !each(number, &line) {
            return Ok(false);
        }
        if !is_whole {
            reader.skip_until(b'\n')?;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    fn addresses(allow: &[&PathBuf], deny: &[&PathBuf]) -> Addresses {
        let files = |files: &[&PathBuf]| files.iter().copied().cloned().collect();
        Addresses { allow: files(allow), deny: files(deny), exempt: Vec::new() }
    }

    fn permits(lists: &Lists, address: &str) -> Result<(), Barred> {
        lists.permit(address.parse().unwrap())
    }

    #[test]
    fn what_is_denied_is_so_and_what_is_not_allowed_too() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let plant = folder.file("plant", "# the plant\r\n10.0.0.0/8\r\n");
        let office = folder.file("office", "192.0.2.0/24");
        let bad = folder.file("bad", "10.6.6.0/24\n");
        let none = folder.file("none", "# nobody yet\n");
        let mut reader = Reader::default();
        for (allow, deny, [plain, evil, other]) in [
            (vec![], vec![], [Ok(()), Ok(()), Ok(())]),
            (vec![], vec![&none], [Ok(()), Ok(()), Ok(())]),
            (vec![], vec![&bad], [Ok(()), Err(Barred::Denied), Ok(())]),
            (vec![&plant], vec![], [Ok(()), Ok(()), Err(Barred::NotAllowed)]),
            (vec![&plant, &office], vec![&none, &bad], [Ok(()), Err(Barred::Denied), Ok(())]),
        ] {
            let lists = reader.lists(&addresses(&allow, &deny)).unwrap();
            let said = ["10.1.1.1", "::ffff:10.6.6.6", "192.0.2.7"].map(|address| permits(&lists, address));
            assert_eq!(said, [plain, evil, other], "{allow:?} {deny:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said_with_its_line_and_once() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let long = format!("10.0.0.1 # {}\n10.0.0.300\n", "x".repeat(MAX_LINE_BYTES));
        let many = "a\n".repeat(MAX_NAMED + 5);
        for (text, expected) in [
            (
                b"10.0.0.1\n\nplant\n".as_slice(),
                vec!["line 3: expected an address or a network such as `192.0.2.0/24`"],
            ),
            (b"\xff\n", vec!["line 1: the line is no UTF-8"]),
            (
                long.as_bytes(),
                vec![
                    "line 1: the line is longer than 4096 bytes",
                    "line 2: expected an address or a network such as `192.0.2.0/24`",
                ],
            ),
            (b"# nothing\n", vec!["names no network: nobody could connect"]),
        ] {
            let file = folder.file("list", text);
            let problems = Reader::default().lists(&addresses(&[&file], &[])).unwrap_err();
            let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            assert_eq!(said, expected);
        }
        let file = folder.file("list", many);
        let mut reader = Reader::default();
        let problems = reader.lists(&addresses(&[], &[&file])).unwrap_err();
        assert_eq!(
            (problems.len(), problems[MAX_NAMED].message.as_str()),
            (MAX_NAMED + 1, "and 5 more lines are wrong")
        );
        assert_eq!(reader.lists(&addresses(&[], &[&file])).unwrap_err(), [], "said for another listener");
        for missing in [folder.0.path().join("missing"), folder.0.path().to_owned(), PathBuf::from("/dev/zero")] {
            assert_eq!(Reader::default().lists(&addresses(&[], &[&missing])).unwrap_err().len(), 1, "{missing:?}");
        }
    }
}
