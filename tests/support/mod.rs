//! What the tests over real sockets share: a private Mosquitto, the built gateway, a broker that records, a client that speaks bytes.

pub(crate) mod gateway;
pub(crate) mod mosquitto;
pub(crate) mod pki;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod raw_client;
pub(crate) mod recording_broker;
pub(crate) mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest that a test waits for a thing that happens at once when all is well; long, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until there is an answer; fails the test, saying what was awaited, after `PATIENCE`.
pub(crate) fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, ask).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// Asks until there is an answer or the time is up.
pub(crate) fn wait_within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if began.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The path of a program, looked for in PATH and where Debian keeps daemons; a missing one fails the test by name.
pub(crate) fn tool(program: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("`{program}` is missing: install the package `{package}` (`make test` prepares everything)")
    })
}
