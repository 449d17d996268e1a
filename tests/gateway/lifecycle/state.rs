//! The state folder is one gateway's, is read or refused as a whole, and is written at the end.

use std::fs;
use std::process::Command;

use super::{SIGNAL_ONLY, connect};
use crate::support::gateway::Setup;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::V5_0;
use crate::support::{PATIENCE, wait_for};

const STATE: &str = "[state]\nfolder = \"pki\"\nflush = \"100ms\"";

/// What a gateway with these settings says before it gives up.
fn refused(settings: &std::path::Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("run").arg("-c").arg(settings).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_state_folder_is_one_gateways_alone_and_is_never_emptied() {
    let broker = RecordingBroker::polite();
    let mut gateway = Setup::to(broker.address).with(SIGNAL_ONLY).with(STATE).start();
    let settings = gateway.path("gateway.toml");
    let file = gateway.path("pki/state.redb");
    assert!(refused(&settings).contains("is in use by another process"));
    wait_for("a flush", || (gateway.metric("tidegate_state_last_flush_timestamp_seconds", &[]) > 0.0).then_some(()));
    assert!(gateway.metric("tidegate_state_flush_errors_total", &[]) < 0.1);
    for table in ["histories", "facts", "nonces", "counters"] {
        assert!(gateway.metric("tidegate_state_entries", &[&format!("table=\"{table}\"")]) < 0.1);
    }
    // It can't move to another folder while it runs.
    gateway.settings("flush = \"100ms\"", "flush = \"200ms\"");
    gateway.hang_up();
    gateway.wait_reloads("refused", 1.0);
    assert!(gateway.process.log().contains("`state.flush` has changed"));
    connect(&gateway, V5_0, "press-1").goodbye();
    gateway.stop();
    assert_eq!(gateway.wait_end(PATIENCE).and_then(|status| status.code()), Some(0));

    let mut bytes = fs::read(&file).expect("the state file");
    bytes.truncate(bytes.len() / 2);
    fs::write(&file, &bytes).expect("a file");
    let said = refused(&settings);
    assert!(said.contains("can't read the state file") && said.contains("state.redb"), "{said}");
    assert_eq!(fs::read(&file).expect("the state file"), bytes);
}

#[test]
fn a_state_folder_that_is_missing_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("gateway.toml");
    fs::create_dir(folder.path().join("policy")).expect("a folder");
    fs::write(folder.path().join("policy/policy.toml"), "version = \"1\"\npermit_all = true\n").expect("a policy");
    let text = "policies = [\"policy\"]\n[state]\nfolder = \"nowhere\"\n\
                [[listener]]\nname = \"field\"\nbind = \"127.0.0.1:0\"\nbroker = \"plant\"\n\
                [[broker]]\nname = \"plant\"\nservers = [\"127.0.0.1:1\"]\n";
    fs::write(&settings, text).expect("settings");
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("run").arg("-c").arg(&settings).output();
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("gateway.toml:3:10") && said.contains("folder = \"nowhere\""), "{said}");
}
