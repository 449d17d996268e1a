//! `tidegate passwd` as it is called, and the files that Mosquitto's own tool makes.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tidegate::credentials::password::Passwords;

/// SHA-512 of `pass word`, salted.
const CHEAP: &str =
    "$6$AAECAwQFBgcICQoL$GTp4MsNDKIqejNwwxZuw6aOCEyRJyjeyh1zNep5axU9y+B3kt2wm537aqXueObfFL8ObBRu0lLK5LLCxptNGbw==";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(text: &str) -> Self {
        let folder = Self::new();
        fs::write(folder.file(), text).unwrap();
        folder
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("passwords")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// The names of all files: nothing is left lying beside the one that was changed.
    fn names(&self) -> Vec<String> {
        fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn passwd(&self, arguments: &[&str], input: &[u8]) -> Output {
        passwd(&self.file(), arguments, input)
    }

    fn fits(&self, name: &str, password: &str) -> bool {
        let (passwords, problems) = Passwords::parse(&self.text());
        assert_eq!(problems, []);
        passwords.get(name).unwrap().verify(password.as_bytes())
    }
}

fn passwd(file: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("passwd")
        .arg(file)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Exit code, standard output, standard error.
fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn files_of_mosquitto_passwd_are_taken_as_they_are() {
    let names = ["alice", "a b", "ü-7", "#3", "x"];
    for hash in [None, Some("sha512"), Some("sha512-pbkdf2")] {
        let folder = Folder::with("");
        for name in names {
            let mut tool = Command::new("mosquitto_passwd");
            if let Some(hash) = hash {
                tool.args(["-H", hash]);
            }
            let made = tool.arg("-b").arg(folder.file()).args([name, &format!("päss {name}")]).output().unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        let (passwords, problems) = Passwords::parse(&folder.text());
        assert_eq!(problems, [], "{hash:?}");
        // To Mosquitto as well, a line that begins with `#` is a comment.
        assert_eq!(passwords.len(), names.len() - 1);
        for name in passwords.names() {
            let entry = passwords.get(name).unwrap();
            assert!(entry.verify(format!("päss {name}").as_bytes()), "{hash:?} {name}");
            assert!(!entry.verify(b"wrong"), "{hash:?} {name}");
        }
        let answer = folder.passwd(&["alice", "--verify", "--stdin"], "päss alice\n".as_bytes());
        assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    }
}

#[test]
fn an_entry_is_added_replaced_verified_and_deleted() {
    let folder = Folder::new();
    let file = folder.file().display().to_string();
    assert_eq!(
        ended(&folder.passwd(&["alice", "--stdin"], b"x")),
        (Some(3), String::new(), format!("{file}: there is no such file; --create makes it\n"))
    );
    let done = |what: &str| (Some(0), format!("{file}: alice: {what}\n"), String::new());
    let no = |why: &str| (Some(1), format!("{file}: alice: {why}\n"), String::new());
    assert_eq!(ended(&folder.passwd(&["--create", "alice", "--stdin"], b"one\n")), done("added"));
    assert_eq!(fs::metadata(folder.file()).unwrap().mode() & 0o7777, 0o600);
    assert!(folder.text().starts_with("alice:$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(ended(&folder.passwd(&["alice", "--verify", "--stdin"], b"one")), done("the password is right"));
    assert_eq!(ended(&folder.passwd(&["alice", "--verify", "--stdin"], b"two")), no("the password is wrong"));

    assert_eq!(ended(&folder.passwd(&["--create", "alice", "--stdin"], b"two\r\n")), done("replaced"));
    assert!(folder.fits("alice", "two") && !folder.fits("alice", "one"));
    assert_eq!(ended(&folder.passwd(&["alice", "--delete"], b"")), done("deleted"));
    assert_eq!(ended(&folder.passwd(&["alice", "--delete"], b"")), no("no such name"));
    assert_eq!(ended(&folder.passwd(&["alice", "--verify", "--stdin"], b"two")), no("no such name"));
    assert_eq!((folder.text(), folder.names()), (String::new(), vec!["passwords".to_owned()]));
}

/// Arguments, what is typed, and what is to come of it.
type Case = (&'static [&'static str], &'static [u8], &'static str, bool, Option<&'static str>);

#[test]
fn answers_can_be_had_as_json() {
    let folder = Folder::with(&format!("bob:{CHEAP}\n"));
    let cases: &[Case] = &[
        (&["alice", "--stdin"], b"one", "add", true, None),
        (&["alice", "--stdin"], b"one", "replace", true, None),
        (&["alice", "--verify", "--stdin"], b"one", "verify", true, None),
        (&["alice", "--verify", "--stdin"], b"two", "verify", false, Some("the password is wrong")),
        (&["carol", "--verify", "--stdin"], b"two", "verify", false, Some("no such name")),
        (&["alice", "--delete"], b"", "delete", true, None),
        (&["alice", "--delete"], b"", "delete", false, Some("no such name")),
    ];
    for (arguments, input, action, ok, why) in cases {
        let output = folder.passwd(&[arguments, ["--json"].as_slice()].concat(), input);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = serde_json::json!({
            "file": folder.file().display().to_string(), "name": arguments.first(), "action": action, "ok": ok, "why": why,
        });
        assert_eq!(said, expected);
        assert_eq!(output.status.code(), Some(if *ok { 0 } else { 1 }), "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_two_and_changes_nothing() {
    let text = format!("bob:{CHEAP}\n");
    let folder = Folder::with(&text);
    let cases: &[&[&str]] = &[
        &[],
        &["alice", "secret"],
        &["alice", "--password", "secret"],
        &["alice", "--delete", "--verify"],
        &["alice", "--delete", "--stdin"],
        &["alice", "--create", "--verify"],
        &["", "--stdin"],
        &["a:b", "--stdin"],
        &["#a", "--stdin"],
        &[" a", "--stdin"],
        &["a\nb", "--stdin"],
        &["a\u{1b}[31m", "--stdin"],
        &["a\u{85}", "--delete"],
    ];
    for arguments in cases {
        let (code, out, error) = ended(&folder.passwd(arguments, b"secret\n"));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {error}");
        assert!(!error.contains('\u{1b}') && error.lines().count() >= 1, "{arguments:?}: {error:?}");
    }
    assert_eq!(folder.text(), text);
}

#[test]
fn what_can_not_be_done_is_three_and_changes_nothing() {
    let text = format!("bob:{CHEAP}\n");
    let folder = Folder::with(&text);
    let long = vec![b'x'; 65_536];
    let inputs: &[(&[u8], &str)] = &[
        (b"", "no password was given"),
        (b"\n", "no password was given"),
        (b"one\ntwo\n", "more than one line"),
        (&long, "longer than 65,535 bytes"),
        (&[b'x'; 100_000], "longer than 65,535 bytes"),
    ];
    for (input, why) in inputs {
        let (code, out, error) = ended(&folder.passwd(&["alice", "--stdin"], input));
        assert_eq!((code, out.as_str()), (Some(3), ""), "{error}");
        assert!(error.contains(why), "{error}");
    }
    assert_eq!((folder.text(), folder.names()), (text, vec!["passwords".to_owned()]));

    let missing = folder.0.path().join("no/such/folder/passwords");
    for arguments in [&["alice", "--create", "--stdin"][..], &["alice", "--delete"], &["alice", "--verify", "--stdin"]]
    {
        assert_eq!(passwd(&missing, arguments, b"x").status.code(), Some(3), "{arguments:?}");
    }
    for file in [folder.0.path(), Path::new("/dev/null")] {
        assert_eq!(passwd(file, &["alice", "--stdin"], b"x").status.code(), Some(3), "{}", file.display());
    }
    let latin = Folder::new();
    fs::write(latin.file(), b"caf\xe9:x\n").unwrap();
    assert_eq!(latin.passwd(&["alice", "--stdin"], b"x").status.code(), Some(3));
    assert_eq!(fs::read(latin.file()).unwrap(), b"caf\xe9:x\n");
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let folder = Folder::with("");
    // A session of its own has no terminal.
    let output = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_tidegate"), "passwd"])
        .arg(folder.file())
        .arg("alice")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (code, _, error) = ended(&output);
    assert_eq!(code, Some(3));
    assert!(error.contains("no terminal to ask on; see --stdin"), "{error}");
}

#[test]
fn comments_and_other_lines_stay_and_those_that_are_no_entries_are_named() {
    let text = format!("# made by hand\n\nbob:{CHEAP}\nrubbish\n  carol : {CHEAP} \r\n#end");
    let folder = Folder::with(&text);
    let (code, _, error) = ended(&folder.passwd(&["alice", "--stdin"], b"x"));
    let file = folder.file().display().to_string();
    assert_eq!((code, error), (Some(0), format!("{file}: line 4: no `:` between a name and a hash (left as it is)\n")));
    let (before, after) =
        folder.text().split_once("\r\nalice:$argon2id$").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(before.is_empty() || text.starts_with(&before), "{before}");
    assert!(after.ends_with("\r\n"), "{after:?}");
    assert!(folder.text().starts_with(&text));
    assert_eq!(folder.passwd(&["alice", "--delete"], b"").status.code(), Some(0));
    assert_eq!(folder.text(), format!("{text}\r\n"));
}

#[test]
fn a_file_is_replaced_whole_with_its_mode_and_behind_its_link() {
    let folder = Folder::with(&format!("bob:{CHEAP}\n"));
    fs::set_permissions(folder.file(), Permissions::from_mode(0o644)).unwrap();
    let link = folder.0.path().join("link");
    symlink("passwords", &link).unwrap();
    let mut open = fs::File::open(folder.file()).unwrap();
    let before = open.metadata().unwrap();
    assert_eq!(passwd(&link, &["alice", "--stdin"], b"x").status.code(), Some(0));
    let after = fs::metadata(folder.file()).unwrap();
    assert_eq!(after.mode() & 0o7777, 0o640, "as it was, less what others may do");
    assert_eq!((before.uid(), before.gid()), (after.uid(), after.gid()));
    assert_ne!(before.ino(), after.ino(), "another file has its name");
    let mut old = String::new();
    open.read_to_string(&mut old).unwrap();
    assert_eq!(old, format!("bob:{CHEAP}\n"), "whoever reads the old one reads it whole");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(folder.fits("alice", "x") && folder.fits("bob", "pass word"));

    // Only root can give a file to somebody else.
    if chown(folder.file(), Some(1234), Some(4321)).is_ok() {
        assert_eq!(folder.passwd(&["alice", "--stdin"], b"y").status.code(), Some(0));
        let kept = fs::metadata(folder.file()).unwrap();
        assert_eq!((kept.uid(), kept.gid(), kept.mode() & 0o7777), (1234, 4321, 0o640));
    }

    let untouched = fs::metadata(folder.file()).unwrap().ino();
    assert_eq!(folder.passwd(&["nobody", "--delete"], b"").status.code(), Some(1));
    assert_eq!(fs::metadata(folder.file()).unwrap().ino(), untouched);
}

#[test]
fn many_at_once_lose_no_entry() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let folder = &folder;
            scope.spawn(move || {
                let name = format!("device-{number}");
                let output = folder.passwd(&["--create", &name, "--stdin"], name.as_bytes());
                assert_eq!(output.status.code(), Some(0), "{output:?}");
            });
        }
    });
    for number in 0..8 {
        let name = format!("device-{number}");
        assert!(folder.fits(&name, &name), "{name}");
    }
}

/// Types on a terminal, each line once it is asked for; what was seen there, its state afterwards included, and the exit
/// code.
fn typed(folder: &Folder, arguments: &str, lines: &[&str]) -> (String, Option<i32>) {
    let program = env!("CARGO_BIN_EXE_tidegate");
    let command = format!("{program} passwd {} {arguments}; code=$?; stty -a; exit $code", folder.file().display());
    // `script` gives its child a terminal.
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = Vec::new();
    for line in lines {
        let asked = seen.len();
        while !seen.get(asked..).unwrap().ends_with(b": ") {
            let mut byte = [0];
            assert_eq!(screen.read(&mut byte).unwrap(), 1, "asks no more: {}", String::from_utf8_lossy(&seen));
            seen.extend(byte);
        }
        keys.write_all(line.as_bytes()).unwrap();
    }
    let _ = screen.read_to_end(&mut seen);
    drop(keys);
    let seen = String::from_utf8(seen).unwrap();
    for mode in ["echo", "isig", "icanon"] {
        assert!(seen.split_whitespace().any(|word| word == mode), "{mode} is not put back: {seen}");
    }
    (seen, child.wait().unwrap().code())
}

#[test]
fn on_a_terminal_the_password_is_asked_for_twice_and_never_shown() {
    let folder = Folder::with("");
    let (seen, code) = typed(&folder, "alice", &["hunteé\x7fr2\r", "hunter2\r"]);
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.starts_with("New password of alice: \r\nThe same again: \r\n"), "{seen:?}");
    assert!(seen.contains("alice: added"), "{seen:?}");
    assert!(folder.fits("alice", "hunter2"));
    let (seen, code) = typed(&folder, "alice --verify", &["hunter2\r"]);
    assert_eq!(code, Some(0), "{seen}");
    for (lines, why) in [
        (vec!["hunter3\r", "hunter4\r"], "the two passwords are not the same"),
        (vec!["\r"], "no password was given"),
        (vec!["hunter3\r", "hunt\x03"], "cancelled"),
        (vec!["\x04"], "cancelled"),
    ] {
        let (seen, code) = typed(&folder, "alice", &lines);
        assert_eq!(code, Some(3), "{seen}");
        assert!(seen.contains(why) && !seen.contains("hunt"), "{seen:?}");
    }
    assert!(folder.fits("alice", "hunter2"));
}
