//! Every policy that is shipped holds its own cases, and its cases speak of every rule.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The folders below `policies/`.
fn shipped() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut folders: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn every_shipped_policy_holds_its_cases() {
    let folders = shipped();
    assert!(folders.len() >= 10);
    let output =
        Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("test").arg("--json").args(&folders).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["ok"]), (Some(0), &Value::Bool(true)), "{answer:#}");
    for policy in answer["policies"].as_array().unwrap() {
        assert!(policy["cases"].as_u64().unwrap() >= 3, "{policy}");
    }
}

#[test]
fn the_cases_of_a_shipped_policy_speak_of_every_rule() {
    for folder in shipped() {
        let [policy, cases] = ["policy.toml", "cases.toml"].map(|file| fs::read_to_string(folder.join(file)).unwrap());
        let ids = policy.lines().filter_map(|line| line.strip_prefix("id = "));
        let unspoken: Vec<&str> = ids.filter(|id| !cases.contains(&format!("rule = {id}"))).collect();
        assert!(unspoken.is_empty(), "{}: {unspoken:?}", folder.display());
    }
}
