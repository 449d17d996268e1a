//! `make demo ARGS=--once` runs, and tells its story as it should.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::process::Command;

fn check(embedded_broker: bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO"));
    demo.args(["run", "--quiet", "--example", "demo", "--", "--once"]);
    demo.env("TIDEGATE_DEMO_FOLDER", folder.path().join("demo"));
    if embedded_broker {
        demo.env("TIDEGATE_DEMO_EMBEDDED", "1");
    }
    let output = demo.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("8 messages published, 8 at the broker"), "{told}");
}

#[test]
fn the_demo_runs_with_mosquitto() {
    check(false);
}

#[test]
fn the_demo_runs_with_its_own_broker() {
    check(true);
}
