//! Signed messages from outside: the program as it is called, the examples for device makers, and the test vectors of
//! `docs/signatures.md`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its way to fail")]
#![expect(clippy::indexing_slicing, reason = "a test program: a panic is its way to fail")]

mod command;
#[path = "../../examples/signing/device.rs"]
mod device;
mod examples;
mod vectors;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A key set of `tests/vectors/signatures`.
fn keys(name: &str) -> String {
    repository("tests/vectors/signatures").join(name).to_str().unwrap().to_owned()
}

fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn tidegate(arguments: &[&str], input: &[u8]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments), input)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
