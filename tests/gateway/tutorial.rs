//! `docs/tutorial.md`, followed word by word: its files written, its commands run, and what it says is seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::mosquitto::Mosquitto;
use crate::support::process::Process;
use crate::support::{ports, repository, tool, wait_for};

/// The blocks of the page, in order: language and text.
fn blocks() -> Vec<(String, String)> {
    let page = fs::read_to_string(repository("docs/tutorial.md")).expect("the tutorial");
    let parts = page.split("\n```").skip(1).step_by(2);
    let split = |part: &str| part.split_once('\n').map(|(language, text)| (language.to_owned(), text.to_owned()));
    parts.filter_map(split).collect()
}

/// Whoever follows the tutorial.
struct Reader {
    /// The folder that stands for the repository.
    folder: TempDir,
    /// Ports of the tutorial, and those that are free here.
    ports: Vec<(&'static str, String)>,
}

impl Reader {
    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("plant").join(file)
    }

    /// A block that holds `words`, with the ports that are free here.
    fn block(&self, language: &str, words: &str) -> String {
        let found = blocks().into_iter().find(|(known, text)| known == language && text.contains(words));
        let (_, mut text) = found.unwrap_or_else(|| panic!("no {language} block holds `{words}`"));
        for (from, to) in &self.ports {
            text = text.replace(from, to);
        }
        text
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        fs::write(path, text).expect("a file is written");
    }

    fn run(&self, within: &Path, script: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().expect("its folder");
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.arg("-ec").arg(script).current_dir(within).env("PATH", path);
        command.output().expect("sh runs")
    }

    /// Runs a block in `plant/pki`, as the tutorial says; what it wrote.
    fn does(&self, words: &str) -> String {
        let script = self.block("sh", words);
        let output = self.run(&self.path("pki"), &script);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn records(&self, event: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path("audit.jsonl")).unwrap_or_default();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.filter(|record| record["event"] == event).collect()
    }
}

#[test]
fn whoever_follows_the_tutorial_gets_there() {
    for program in ["mosquitto_pub", "mosquitto_sub"] {
        tool(program, "mosquitto-clients");
    }
    let broker = Mosquitto::start();
    let ports = vec![
        ("8883", ports::free_port().to_string()),
        ("9464", ports::free_port().to_string()),
        ("1883", broker.address.port().to_string()),
    ];
    let reader = Reader { folder: tempfile::tempdir().expect("a folder"), ports };

    // Keys, policy, settings.
    let made = reader.run(reader.folder.path(), &reader.block("sh", "tidegate pki init"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    reader.write("policies/plant/policy.toml", &reader.block("toml", "version = \"1\""));
    reader.write("gateway.toml", &reader.block("toml", "policies = [\"policies/plant\"]"));
    let both = reader.block("sh", "tidegate check");
    let (check, run) = both.split_once('\n').expect("two commands");
    let checked = reader.run(&reader.path(""), check);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    assert_eq!(run.trim(), "tidegate run -c gateway.toml");
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    gateway.args(["run", "-c", "gateway.toml"]).current_dir(reader.path(""));
    let gateway = Process::start("the gateway", gateway, &reader.path("gateway.log"));
    wait_for("the gateway is ready", || gateway.log().contains("ready").then_some(()));

    // Devices: the operator listens in the background, as long as the story takes.
    let script = reader.block("sh", "mosquitto_sub -h localhost");
    let (listen, speak) = script.split_once("&\n").expect("one in the background");
    let mut operator = Command::new("sh");
    operator.arg("-ec").arg(format!("exec {listen}")).current_dir(reader.path("pki"));
    let operator = Process::start("the operator", operator, &reader.path("operator.log"));
    wait_for("the operator listens", || broker.process.log().contains("plant/#").then_some(()));
    let spoken = reader.run(&reader.path("pki"), speak);
    assert!(spoken.status.success(), "{}", String::from_utf8_lossy(&spoken.stderr));
    wait_for("both messages", || operator.log().contains("humidity/temp-07").then_some(()));
    assert!(operator.log().contains("temperature/temp-07"));
    wait_for("what would be refused", || (reader.records("observed").len() == 1).then_some(()));
    assert_eq!(reader.does("\"event\":\"observed\"").lines().count(), 1);
    assert_eq!(reader.records("observed")[0]["rule"], "default");

    // Granted, while it runs; asked, and proven.
    reader.write("policies/plant/policy.toml", &reader.block("toml", "version = \"2\""));
    wait_for("version 2", || (!reader.records("reloaded").is_empty()).then_some(()));
    let script = reader.block("sh", "tidegate explain");
    let explained = reader.run(&reader.path("pki"), &script);
    let said = String::from_utf8_lossy(&explained.stdout);
    assert!(said.contains("would be refused"), "{said}{}", String::from_utf8_lossy(&explained.stderr));
    reader.write("policies/plant/cases.toml", &reader.block("toml", "[[case]]"));
    assert!(reader.does("tidegate test").contains("1 case held"));

    // Enforced.
    let enforced = reader.block("toml", "version = \"2\"").replace("version = \"2\"", "version = \"3\"");
    reader.write("policies/plant/policy.toml", &enforced.replace("\"monitor\"", "\"enforce\""));
    wait_for("version 3", || (reader.records("reloaded").len() == 2).then_some(()));
    let script = reader.block("sh", "temperature/temp-08");
    reader.run(&reader.path("pki"), script.split("\ngrep").next().expect("one command"));
    wait_for("a refusal", || reader.records("refused").first().cloned());
    assert_eq!(reader.records("refused")[0]["topic"], "plant/line1/temperature/temp-08");
    assert!(!operator.log().contains("temp-08"));

    // A device is lost.
    reader.does("tidegate pki revoke");
    wait_for("the new list", || (reader.records("reloaded").len() == 3).then_some(()));
    let refused = reader.run(&reader.path("pki"), speak);
    assert!(!refused.status.success(), "a revoked certificate");
    wait_for("its record", || (!reader.records("handshake_failed").is_empty()).then_some(()));
    assert_eq!(reader.records("handshake_failed")[0]["reason"], "revoked");
}
