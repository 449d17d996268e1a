//! Files of a Mosquitto.

use std::path::{Path, PathBuf};

use tidegate::credentials::password::Passwords;
use tidegate::import::{self, Files, Inputs};
use tidegate::policy::Policy;

/// The input, cut at each form feed: `mosquitto.conf`, and then the files that it may name `0`, `1` and so on.
struct Memory<'d>(Vec<&'d [u8]>);

impl Files for Memory<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let at =
            if name == "mosquitto.conf" { Some(0) } else { name.parse().ok().map(|at: usize| at.saturating_add(1)) };
        at.and_then(|at| self.0.get(at)).map(|file| file.to_vec()).ok_or_else(|| "no such file".to_owned())
    }

    fn list(&self, _: &Path) -> Result<Vec<PathBuf>, String> {
        Ok(vec!["3.conf".into(), "mosquitto.conf".into()])
    }
}

/// Whatever can be read becomes a policy that can be put in force, and text that says no more than it.
pub(crate) fn read(data: &[u8]) {
    let files = Memory(data.split(|byte| *byte == b'\x0c').collect());
    let inputs = Inputs { conf: Some("mosquitto.conf".into()), ..Inputs::default() };
    let Ok(import) = import::mosquitto(&inputs, &files) else { return };
    let roles = import.draft.roles.len();
    if let Err(errors) = Policy::new(import.draft) {
        panic!("{errors:?}");
    }
    let policy = &import.files["policy.toml"];
    assert_eq!(policy.lines().filter(|line| *line == "[[role]]").count(), roles);
    for text in import.files.values() {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }
    for text in import.secrets.values() {
        let (_, problems) = Passwords::parse(text);
        assert!(problems.is_empty(), "{problems:?}");
    }
}
