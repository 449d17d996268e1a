//! `tidegate token` as it is called.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use tidegate::credentials::admission::{Denial, Keys};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("admission.keys")
    }

    fn token(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("token").arg("--keys").arg(self.file()).args(arguments).output().unwrap()
    }

    /// What it writes, and it must be done.
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.token(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        keys.add(&fs::read_to_string(self.file()).unwrap()).unwrap();
        keys
    }
}

fn now() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

#[test]
fn a_token_is_made_with_the_newest_key_and_holds_as_long_as_was_asked() {
    let folder = Folder::new();
    assert!(folder.said(&["--new-key"]).starts_with("key 1 is added to "));
    assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600, "for its owner alone");
    let old = folder.said(&["--for", "1h"]);
    let made: Value = serde_json::from_str(&folder.said(&["--new-key", "--json"])).unwrap();
    assert_eq!(made["key"], 2);
    let new = folder.said(&[]);
    let keys = folder.keys();
    let pass = |token: &str| keys.check(token.as_bytes(), now()).unwrap();
    assert_eq!((pass(&old).key, pass(&new).key), (1, 2), "old keys stay");
    let left = |token: &str| i64::from(pass(token).expires) - now();
    assert!((3590..=3600).contains(&left(&old)), "{}", left(&old));
    assert!((2_591_990..=2_592_000).contains(&left(&new)), "thirty days when nothing is said: {}", left(&new));
    assert_eq!(pass(&folder.said(&["--key", "1"])).key, 1);

    let told: Value = serde_json::from_str(&folder.said(&["--name", "pump-7", "--json"])).unwrap();
    let bound = pass(told["token"].as_str().unwrap());
    assert_eq!((told["name"].as_str(), told["key"].as_u64(), bound.is_bound()), (Some("pump-7"), Some(2), true));
    assert_eq!(keys.admit(&bound, Some("pump-8")), Err(Denial::Name));
}

#[test]
fn a_token_is_checked_and_the_exit_code_says_whether_it_holds() {
    let folder = Folder::new();
    folder.said(&["--new-key"]);
    let token = folder.said(&["--name", "pump-7"]);
    assert!(folder.said(&["--check", &token]).starts_with("it holds until "));
    folder.said(&["--check", &token.to_ascii_uppercase(), "--name", "pump-7"]);
    let brief = folder.said(&["--for", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    for (arguments, why) in [
        (vec!["--check", &token, "--name", "pump-8"], "name"),
        (vec!["--check", token.trim_start_matches('a')], "invalid"),
        (vec!["--check", ""], "invalid"),
        (vec!["--check", &brief], "expired"),
    ] {
        let output = folder.token(&[&arguments[..], &["--json"]].concat());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), told["why"].as_str()), (Some(1), Some(why)), "{arguments:?}");
        assert_eq!(folder.token(&arguments).status.code(), Some(1));
    }
}

#[test]
fn what_can_t_be_done_changes_nothing_and_shows_no_key() {
    let folder = Folder::new();
    assert_eq!(folder.token(&[]).status.code(), Some(3), "no file");
    assert!(!folder.file().exists());
    fs::write(folder.file(), "# none yet\n").unwrap();
    assert_eq!(folder.token(&[]).status.code(), Some(1), "no key");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    fs::write(folder.file(), format!("65535:{key}\n")).unwrap();
    assert_eq!(folder.token(&["--new-key"]).status.code(), Some(1), "no number is left");
    assert_eq!(folder.token(&["--key", "1"]).status.code(), Some(1));
    assert_eq!(folder.token(&["--for", "36500d"]).status.code(), Some(2), "beyond what a token can say");
    assert_eq!(folder.token(&["--for", "soon"]).status.code(), Some(2));
    fs::write(folder.file(), format!("1:{key}\nx:{key}\n1:{key}\n")).unwrap();
    for arguments in [&["--new-key"][..], &[]] {
        let output = folder.token(arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("line 2: ") && said.contains("line 3: ") && !said.contains("AAECAwQF"), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), format!("1:{key}\nx:{key}\n1:{key}\n"));
}
