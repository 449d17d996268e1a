//! `docs/howto/from-mosquitto.md`, command by command.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::process::Process;
use crate::support::{PATIENCE, ports, repository};

/// The commands of the page, as one script.
fn script() -> String {
    let page = fs::read_to_string(repository("docs/howto/from-mosquitto.md")).expect("the page");
    let blocks = page.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_page_about_mosquitto_leads_where_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (front, back) = (ports::free_port().to_string(), ports::free_port().to_string());
    // Ports that nobody else has, and a Mosquitto that may read what this user has written.
    let script = script().replace("11883", "BACK").replace("1883", &front).replace("BACK", &back);
    let script = script.replace("allow_anonymous true\n", "allow_anonymous true\nuser root\n");
    // The settings name the port that Mosquitto is to move to.
    let moved = format!("--out plant\nsed -i 's/127.0.0.1:11883/127.0.0.1:{back}/' plant/gateway.toml\n");
    let script = script.replacen("--out plant\n", &moved, 1);
    let programs = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().expect("a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    // What the page starts ends with it, wherever it fails.
    let script = format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}");
    command.args(["-eux", "-c", &script]).current_dir(folder.path());
    command.env("PATH", format!("{programs}:{path}:/usr/sbin")).env_remove("TIDEGATE_LOG");
    let mut shell = Process::start("the page's commands", command, &folder.path().join("log"));
    let ended = shell.wait_end(PATIENCE);
    let log = shell.log();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{log}");
    for said in [
        "\nwrote plant/policy.toml\n",
        "\nplant: 13 cases ",
        "\nrefused, as in the acl_file\n",
        "Not authorized",
        "\n21\n",
    ] {
        assert!(log.contains(said), "{said:?} is not in:\n{log}");
    }
}
