//! `tidegate import` as it is called: exit codes, what is written and what is left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::repository;

fn tidegate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["import", "mosquitto"]).args(arguments).current_dir(folder).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A folder with the settings of a vector.
fn folder(vector: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(repository("tests/vectors/import").join(vector)).expect("a vector") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("a copy");
    }
    folder
}

#[test]
fn what_has_equals_is_zero_and_what_has_none_is_one() {
    for (vector, code) in [("acl-file", 0), ("dynamic-security", 0), ("oddities", 1)] {
        let folder = folder(vector);
        let output = tidegate(folder.path(), &["mosquitto.conf", "--out", "plant"]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{vector}: {said}{}", text(&output.stderr));
        assert_eq!(said.contains("\nhas no equal:\n"), code == 1, "{said}");
        assert!(said.contains("wrote plant/policy.toml\n") && said.contains("\nto know:\n"), "{said}");
        let output = tidegate(folder.path(), &["mosquitto.conf", "--out", "again", "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(output.status.code(), Some(code), "{vector}");
        let differences = answer["differences"].as_array().expect("a list");
        assert_eq!(differences.is_empty(), code == 0);
        assert!(differences.iter().all(|item| item["file"].is_string() && item["line"].is_u64()), "{answer:#}");
    }
}

#[test]
fn digests_are_readable_by_their_owner_alone_and_are_in_no_other_file() {
    let folder = folder("acl-file");
    tidegate(folder.path(), &["mosquitto.conf", "--out", "plant"]);
    let mode = |file: &str| fs::metadata(folder.path().join(file)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("plant/passwords"), mode("plant/policy.toml") & 0o400), (0o600, 0o400));
    for entry in fs::read_dir(folder.path().join("plant")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let holds = fs::read_to_string(&path).expect("text").contains("$7$");
        assert_eq!(holds, path.ends_with("passwords"), "{}", path.display());
    }
}

#[test]
fn nothing_is_replaced_without_force() {
    let folder = folder("acl-file");
    let plant = folder.path().join("plant");
    fs::create_dir(&plant).expect("a folder");
    fs::write(plant.join("cases.toml"), "mine").expect("a file");
    let output = tidegate(folder.path(), &["mosquitto.conf", "--out", "plant"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("`plant/cases.toml` exists; --force replaces it"));
    let names: Vec<_> =
        fs::read_dir(&plant).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["cases.toml"], "nothing is written in part");
    assert_eq!(fs::read_to_string(plant.join("cases.toml")).expect("text"), "mine");
    let output = tidegate(folder.path(), &["mosquitto.conf", "--out", "plant", "--force"]);
    assert_eq!(output.status.code(), Some(0));
    assert_ne!(fs::read_to_string(plant.join("cases.toml")).expect("text"), "mine");
}

#[test]
fn files_can_be_named_by_themselves_and_before_what_the_settings_name() {
    let folder = folder("acl-file");
    let files = ["--acl-file", "acl", "--password-file", "passwords", "--out", "alone"];
    assert_eq!(tidegate(folder.path(), &files).status.code(), Some(0));
    let policy = |name: &str| fs::read_to_string(folder.path().join(name).join("policy.toml")).expect("a policy");
    assert!(policy("alone").contains("user-scada") && !policy("alone").contains("anonymous"));
    let anonymous = [&files[..4], &["--allow-anonymous", "--out", "anonymous"]].concat();
    assert_eq!(tidegate(folder.path(), &anonymous).status.code(), Some(0));
    assert!(policy("anonymous").contains("$SYS/broker/uptime"));
    fs::write(folder.path().join("other"), "user scada\ntopic read other/#\n").expect("a file");
    let output = tidegate(folder.path(), &["mosquitto.conf", "--acl-file", "other", "--out", "other-plant"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(policy("other-plant").contains("other/#") && !policy("other-plant").contains("plant/press-7/#"));
}

#[test]
fn wrong_usage_is_two() {
    let folder = folder("acl-file");
    for arguments in [
        &["--out", "plant"][..],
        &["mosquitto.conf"],
        &["mosquitto.conf", "--out", "plant", "--allow-anonymous"],
        &["mosquitto.conf", "--out", "plant", "--forse"],
    ] {
        let output = tidegate(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains("--help"), "{arguments:?}");
        assert!(!folder.path().join("plant").exists());
    }
}

#[test]
fn what_mosquitto_would_not_start_with_is_three_and_every_line_of_it_is_named() {
    let folder = folder("acl-file");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    let three = |says: &[&str]| {
        let output = tidegate(folder.path(), &["mosquitto.conf", "--out", "plant"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(says.iter().all(|text| said.contains(text)), "{said}");
        assert!(output.stdout.is_empty() && !folder.path().join("plant").exists());
    };
    write("acl", "user a\ntopic rw x\ntopic a/#/b\n");
    three(&["error: acl:2: `rw` is none of", "error: acl:3: `a/#/b` is no topic filter"]);
    write("mosquitto.conf", "acl_file acl\nacl_file acl\nallow_anonymous maybe\ninclude_dir nowhere\n");
    three(&["mosquitto.conf:2: `acl_file` for the second time", "mosquitto.conf:3: ", "mosquitto.conf:4: "]);
    write("mosquitto.conf", "listener 1883\nacl_file nowhere\n");
    three(&["mosquitto.conf:2: `nowhere`: no such file or folder"]);
    write("mosquitto.conf", "plugin dynamic_security\nplugin_opt_config_file d.json\n");
    write("d.json", "{\"clients\": [\n{\"username\": \"a\"},\n{\"username\": \"a\"}]}");
    three(&["d.json:3: `a` for the second time"]);
    write("d.json", "{\"clients\":\n[}");
    three(&["d.json:2: not JSON"]);
}

#[test]
fn help_fits_a_terminal() {
    for arguments in [&["import", "--help"][..], &["import", "mosquitto", "--help"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).lines().all(|line| line.len() <= 80), "{}", text(&output.stdout));
    }
}
