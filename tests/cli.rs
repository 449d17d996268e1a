//! The program as it is called: exit codes, what goes where, and what can be read by programs.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

fn tidegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).env_remove("TIDEGATE_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder with settings, policy, CA and the gateway's certificate.
fn plant() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("policy")).unwrap();
    write("policy/policy.toml", "version = \"1\"\npermit_all = true\n");
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "Field CA");
    write("ca.pem", &ca.self_signed(&ca_key).unwrap().pem());
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let gateway = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    write("gateway.pem", &gateway.signed_by(&key, &issuer).unwrap().pem());
    write("gateway.key", &key.serialize_pem());
    private(&folder.path().join("gateway.key"));
    write("gateway.toml", SETTINGS);
    folder
}

fn private(key: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
}

const SETTINGS: &str = r#"
policies = ["policy"]

[[listener]]
name = "field"
bind = "127.0.0.1:0"
broker = "plant"
tls.certificate = "gateway.pem"
tls.key = "gateway.key"
tls.client_ca = "ca.pem"

[[broker]]
name = "plant"
servers = ["127.0.0.1:1883"]
"#;

fn check(folder: &TempDir, more: &[&str]) -> Output {
    let path = folder.path().join("gateway.toml");
    tidegate(&[&["check", "-c", path.to_str().unwrap()], more].concat())
}

#[test]
fn help_and_version_are_answers() {
    for (arguments, holds) in [
        (vec!["--version"], concat!("tidegate ", env!("CARGO_PKG_VERSION"))),
        (vec!["--help"], "Exit codes"),
        (vec!["check", "--help"], "/etc/tidegate/gateway.toml"),
        (vec!["run", "--help"], "SIGTERM"),
        (vec!["quarantine", "--help"], "mosquitto_sub"),
        (vec!["quarantine", "replay", "--help"], "--dry-run"),
    ] {
        let output = tidegate(&arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains(holds), "{arguments:?}");
        assert!(text(&output.stdout).lines().all(|line| line.len() <= 80), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_two() {
    for arguments in [vec![], vec!["chek"], vec!["check", "--jsn"], vec!["run", "extra"], vec!["check", "-c"]] {
        let output = tidegate(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(text(&output.stderr).contains("--help"), "{arguments:?}");
    }
}

#[test]
fn good_settings_are_zero() {
    let folder = plant();
    let output = check(&folder, &[]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.ends_with("gateway.toml: can be run: 1 listener, 1 broker; 1 warning\n"), "{said}");
    let answer: Value = serde_json::from_slice(&check(&folder, &["--json"]).stdout).unwrap();
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["problems"][0]["kind"], "unsafe");
}

#[test]
fn problems_are_one() {
    let folder = plant();
    fs::write(folder.path().join("gateway.toml"), SETTINGS.replace("broker = \"plant\"", "broker = \"plan\"")).unwrap();
    let output = check(&folder, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("did you mean `plant`?"));
    let answer: Value = serde_json::from_slice(&check(&folder, &["--json"]).stdout).unwrap();
    assert_eq!(answer["ok"], false);
    let problem = &answer["problems"][0];
    assert_eq!((problem["kind"].as_str(), problem["line"].as_u64()), (Some("unknown_name"), Some(7)));
}

#[test]
fn files_that_say_who_clients_are_are_checked_and_shown_where_the_settings_name_them() {
    let folder = plant();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let source = "identity = { sources = [\"token\", \"password\"], password.files = [\"users\"], \
                  token = { keys = \"keys.json\", algorithms = [\"ES256\"], audience = \"mqtt\" } }\n";
    write("gateway.toml", &SETTINGS.replace("tls.client_ca", &format!("{source}tls.client_ca")));
    write("users", "pump-7:open sesame\npump-8\n");
    write("keys.json", "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2hvcnQ\"}]}");
    let output = check(&folder, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let said = |part: &str| {
        let problems = answer["problems"].as_array().unwrap();
        problems.iter().find(|problem| problem["message"].as_str().unwrap().contains(part)).cloned().unwrap()
    };
    for part in [
        "users`: line 1: the password is not hashed",
        "users`: line 2: no `:` between a name and a hash",
        "keys.json`: key 1: the secret is not of 32 to 1024 bytes",
    ] {
        let problem = said(part);
        assert_eq!((&problem["severity"], &problem["line"]), (&"error".into(), &10.into()), "{problem}");
        assert_eq!(problem["label"], "named by listener `field`");
    }
    assert!(!text(&output.stdout).contains("open sesame"), "nothing of a password file is shown");
}

#[test]
fn certificates_and_keys_are_checked_and_shown_where_the_settings_name_them() {
    let folder = plant();
    fs::write(folder.path().join("gateway.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    fs::write(folder.path().join("ca.pem"), "").unwrap();
    let output = check(&folder, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines: Vec<u64> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|problem| problem["severity"] == "error")
        .map(|problem| problem["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [9, 10], "{answer:#}");
    let path = folder.path().join("gateway.toml");
    let run = tidegate(&["run", "-c", path.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(1), "nothing is started");
    assert!(run.stdout.is_empty() && text(&run.stderr).contains("gateway.toml:9:11"));
}

#[test]
fn no_settings_are_three() {
    for command in ["check", "run"] {
        let output = tidegate(&[command, "-c", "/nowhere/gateway.toml"]);
        assert_eq!(output.status.code(), Some(3), "{command}");
    }
}

#[test]
fn a_log_filter_that_is_none_is_wrong_usage() {
    let folder = plant();
    let path = folder.path().join("gateway.toml");
    let mut run = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = run.args(["run", "-c", path.to_str().unwrap()]).env("TIDEGATE_LOG", "a=b=c").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("TIDEGATE_LOG"));
}

#[test]
fn an_address_that_is_taken_is_three() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = plant();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, SETTINGS.replace("127.0.0.1:0", &address)).unwrap();
    let output = tidegate(&["run", "-c", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains(&address), "{}", text(&output.stderr));
}

#[test]
fn a_gateway_logs_json_where_no_terminal_is_and_ends_well_on_sigterm() {
    let folder = plant();
    let path = folder.path().join("gateway.toml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["run", "--config", path.to_str().unwrap()])
        .env_remove("TIDEGATE_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first: Value = serde_json::from_str(&log.next().unwrap()).unwrap();
    assert_eq!(first["level"], "WARN");
    assert!(first["message"].as_str().unwrap().starts_with("this policy permits everything"), "{first}");
    let ready = log.find(|line| line.contains("\"ready\"")).unwrap();
    assert!(serde_json::from_str::<Value>(&ready).is_ok());
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let rest: Vec<String> = log.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
}

/// What a gateway logs that can't start because its address is taken; on a terminal, or into a pipe.
fn log_of(tables: &str, variable: &str, on_terminal: bool) -> Vec<String> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = plant();
    let path = folder.path().join("gateway.toml");
    let settings = SETTINGS.replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
    fs::write(&path, format!("{settings}\n{tables}")).unwrap();
    let program = env!("CARGO_BIN_EXE_tidegate");
    let mut command = if on_terminal {
        // `script` gives its child a terminal and tells what appears there.
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &format!("{program} run -c {}", path.display()), "/dev/null"]);
        script
    } else {
        let mut plain = Command::new(program);
        plain.args(["run", "-c"]).arg(&path);
        plain
    };
    let output = command.env("TIDEGATE_LOG", variable).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    text(if on_terminal { &output.stdout } else { &output.stderr }).lines().map(str::to_owned).collect()
}

#[test]
fn the_log_is_text_on_a_terminal_and_else_what_the_settings_say() {
    let (text, json) = ("[log]\nformat = \"text\"", "[log]\nformat = \"json\"");
    for (tables, on_terminal, is_text) in
        [("", true, true), ("", false, false), (text, false, true), (json, false, false), (json, true, false)]
    {
        let lines = log_of(tables, "", on_terminal);
        assert!(lines.iter().any(|line| line.contains("ERROR")), "{tables}: {lines:?}");
        for line in lines {
            assert_eq!(
                serde_json::from_str::<Value>(&line).is_err(),
                is_text,
                "{tables}, terminal {on_terminal}: {line}"
            );
            assert!(!line.contains('\u{1b}'), "no colours: {line:?}");
        }
    }
    let warns = |tables, variable| log_of(tables, variable, false).iter().any(|line| line.contains("WARN"));
    assert!(warns("", "") && !warns("[log]\nlevel = \"error\"", ""));
    assert!(warns("[log]\nlevel = \"error\"", "warn"), "the environment variable goes before the settings");
}
