//! User names and passwords from files: ours and Mosquitto's.

use std::process::Command;

use tidegate::credentials::password::{Cost, hash};

use super::{
    BAD_CREDENTIALS, NOT_AUTHORIZED, Outcome, QUOTA, UNAVAILABLE, dial, is_nowhere, judge, knock, run, with_login,
};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{Connect, V3_1_1, V5_0, VERSIONS};
use crate::support::{repository, tool, wait_for};

pub(crate) const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

pub(crate) fn file(users: &[(&str, &str)], cost: Cost) -> String {
    let line =
        |(user, password): &(&str, &str)| format!("{user}:{}\n", *hash(password.as_bytes(), cost).expect("a hash"));
    users.iter().map(line).collect()
}

fn setup(broker: &RecordingBroker, passwords: &str) -> Setup {
    Setup::to(broker.address)
        .only(&[Door::Plain])
        .file("passwords", passwords)
        .each_listener("identity.sources = [\"password\"]\nidentity.password.files = [\"passwords\"]")
}

/// Checks that were made.
pub(crate) fn checks(gateway: &Gateway) -> f64 {
    gateway.metric("tidegate_password_check_seconds_count", &[])
}

#[test]
fn a_user_with_its_password_is_let_in_and_nobody_else_is_told_why_not() {
    let broker = RecordingBroker::polite();
    let gateway = setup(&broker, &file(&[("pump-7", "open sesame"), ("pump-8", "p8")], CHEAP)).start();
    for version in VERSIONS {
        let mut number = 0;
        let mut ask = |name: Option<&str>, password: Option<&str>| {
            number += 1;
            let client_id = format!("c-{version}-{number}");
            let connect = match name {
                Some(name) => with_login(version, &client_id, name, password),
                None => Connect::new(version, &client_id),
            };
            judge(&gateway, dial(&gateway, Door::Plain, None), &connect)
        };
        let wrong = || Outcome::refused(BAD_CREDENTIALS.of(version), "identity.password");
        let before = broker.connections();
        assert_eq!(ask(Some("pump-7"), Some("p8")), wrong());
        assert_eq!(ask(Some("pump-7"), Some("open sesame ")), wrong());
        assert_eq!(ask(Some("pump-7"), Some("")), wrong());
        assert_eq!(ask(Some("pump-7"), None), wrong());
        assert_eq!(ask(Some("PUMP-7"), Some("open sesame")), wrong());
        assert_eq!(ask(Some("nobody"), Some("open sesame")), wrong());
        assert_eq!(ask(None, None), Outcome::refused(NOT_AUTHORIZED.of(version), "identity"));
        assert_eq!(broker.connections(), before, "the broker heard of none of them");
        assert_eq!(ask(Some("pump-7"), Some("open sesame")), Outcome::known("pump-7", "password"));
        assert_eq!(ask(Some("pump-8"), Some("p8")), Outcome::known("pump-8", "password"));
    }
    // 5.0: a password without a user name.
    let mut alone = with_login(V5_0, "alone", "", None).bytes();
    assert_eq!(alone[alone.len() - 9], 0, "properties");
    let body = alone.len() - 2;
    alone.truncate(body);
    alone[9] = 0x42;
    alone.extend([0, 2, b'p', b'8']);
    alone[1] += 2;
    let mut client = dial(&gateway, Door::Plain, None);
    client.send(&alone);
    assert_eq!(client.frame()[3], 0x86);
    let told = knock(dial(&gateway, Door::Plain, None), &with_login(V5_0, "told", "nobody", Some("x"))).1;
    assert_eq!(told.as_deref(), Some("refused by rule identity.password, policy 1"));
    let counted = |outcome| gateway.metric("tidegate_authentications_total", &["method=\"password\"", outcome]);
    assert_eq!((counted("outcome=\"accepted\""), counted("outcome=\"identity.password\"")), (6.0, 20.0));
    is_nowhere(&gateway, "open sesame");
}

#[test]
fn a_password_file_of_mosquitto_is_taken_as_it_is() {
    let mosquitto = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("made").display().to_string();
    run("mosquitto_passwd", "mosquitto", &["-c", "-b", &path, "pump-7", "open sesame"]);
    run("mosquitto_passwd", "mosquitto", &["-b", &path, "pump-8", "pässwörd: $7$"]);
    let made = std::fs::read_to_string(&path).expect("a password file");
    let gateway = Setup::to(mosquitto.address)
        .only(&[Door::Plain])
        .file("passwords", &made)
        .each_listener("identity.sources = [\"password\"]\nidentity.password.files = [\"passwords\"]")
        .start();
    let port = gateway.plain().port().to_string();
    for version in ["mqttv31", "mqttv311", "mqttv5"] {
        for (user, password, expected) in [
            ("pump-7", "open sesame", true),
            ("pump-8", "pässwörd: $7$", true),
            ("pump-7", "pässwörd: $7$", false),
            ("pump-9", "open sesame", false),
        ] {
            let mut publish = Command::new(tool("mosquitto_pub", "mosquitto-clients"));
            publish.args(["-V", version, "-h", "127.0.0.1", "-p", &port, "-u", user, "-P", password]);
            let output = publish.args(["-q", "1", "-t", "a", "-m", "x"]).output().expect("mosquitto_pub starts");
            assert_eq!(output.status.success(), expected, "{version} {user} {output:?}");
        }
    }
}

#[test]
fn a_user_who_does_not_exist_costs_as_much_as_one_who_does_and_a_good_password_is_remembered() {
    let broker = RecordingBroker::polite();
    let setup = setup(&broker, &file(&[("pump-7", "p7")], CHEAP));
    let gateway = setup.with("[authentication]\ncache = \"3s\"").start();
    let ask = |name: &str, password: &str| {
        let connect = with_login(V3_1_1, "c", name, Some(password));
        let before = checks(&gateway);
        let code = knock(RawClient::dial(gateway.plain()), &connect).0;
        (code, checks(&gateway) - before)
    };
    assert_eq!(ask("nobody", "p7"), (Some(4), 1.0));
    assert_eq!(ask("pump-7", "x"), (Some(4), 1.0));
    assert_eq!(ask("nobody", "p7"), (Some(4), 1.0), "a wrong one is not remembered");
    assert_eq!(ask("pump-7", "p7"), (Some(0), 1.0));
    assert_eq!(ask("pump-7", "p7"), (Some(0), 0.0));
    assert_eq!(ask("pump-7", "x"), (Some(4), 1.0));
    std::thread::sleep(std::time::Duration::from_millis(3100));
    assert_eq!(ask("pump-7", "p7"), (Some(0), 1.0), "no longer than the settings say");
    let cached = |result| gateway.metric("tidegate_authentication_cache_total", &["source=\"password\"", result]);
    assert_eq!((cached("result=\"hit\""), cached("result=\"miss\"")), (1.0, 6.0));
}

#[test]
fn clients_that_come_back_at_once_with_one_password_cost_few_checks() {
    let broker = RecordingBroker::polite();
    let gateway = setup(&broker, &file(&[("plant", "p")], Cost::default())).start();
    let address = gateway.plain();
    let clients: Vec<_> = (0..100)
        .map(|number| {
            std::thread::spawn(move || {
                let connect = with_login(V3_1_1, &format!("c{number}"), "plant", Some("p"));
                knock(RawClient::dial(address), &connect).0
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().expect("a client"), Some(0));
    }
    assert!(checks(&gateway) <= 4.0, "{} checks", checks(&gateway));
}

/// About a fifth of a second each, more on a busy machine.
const DEAR: Cost = Cost { memory_kib: 32 << 10, passes: 24, lanes: 1 };

#[test]
fn more_checks_than_may_wait_are_refused_and_those_that_wait_too_long_too() {
    let broker = RecordingBroker::polite();
    let setup = || setup(&broker, &file(&[("pump-7", "p7")], DEAR));
    let flood = |gateway: &Gateway, count: usize| {
        let address = gateway.plain();
        let clients: Vec<_> = (0..count)
            .map(|number| {
                std::thread::spawn(move || {
                    let connect = with_login(V5_0, &format!("c{number}"), "pump-7", Some(&number.to_string()));
                    knock(RawClient::dial(address), &connect)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect::<Vec<_>>()
    };
    let told = |answers: &[(Option<u8>, Option<String>)], code: u8, rule: &str| {
        let rule = format!("refused by rule {rule}, policy 1");
        answers.iter().filter(|(came, text)| *came == Some(code) && text.as_deref() == Some(rule.as_str())).count()
    };
    let gateway = setup().with("[authentication]\nworkers = 1\nmax_queue = 4\ndeadline = \"60s\"").start();
    let answers = flood(&gateway, 12);
    let (full, wrong) =
        (told(&answers, QUOTA.1, "identity.password.queue"), told(&answers, BAD_CREDENTIALS.1, "identity.password"));
    // One address gets half of the queue, and one is being checked.
    assert!(full >= 8 && wrong >= 2 && full + wrong == 12, "{answers:?}");
    drop(gateway);
    let gateway = setup().with("[authentication]\nworkers = 1\nmax_queue = 100\ndeadline = \"100ms\"").start();
    let answers = flood(&gateway, 6);
    let late = told(&answers, UNAVAILABLE.1, "identity.password.deadline");
    assert!(late >= 4, "{answers:?}");
    // Nobody waits for what was given up.
    wait_for("an empty queue", || (gateway.metric("tidegate_passwords_waiting", &[]) < 1.0).then_some(()));
    assert!(checks(&gateway) <= 3.0, "{} checks", checks(&gateway));
}

/// What Paho (Python) says of the CONNACK.
fn paho(gateway: &Gateway, version: u8, login: Option<[&str; 2]>) -> String {
    let python = repository(".venv/bin/python");
    assert!(python.is_file(), "`{}` is missing: run `tests/prepare`, which installs paho-mqtt", python.display());
    let arguments = serde_json::json!({"port": gateway.plain().port(), "version": version, "login": login});
    let mut script = Command::new(python);
    script.arg(repository("tests/clients/login_paho.py")).arg(arguments.to_string());
    let output = script.output().expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn a_client_library_understands_what_it_is_told() {
    let broker = RecordingBroker::polite();
    let gateway = setup(&broker, &file(&[("pump-7", "p7")], CHEAP)).start();
    for version in VERSIONS {
        assert_eq!(paho(&gateway, version, Some(["pump-7", "p7"])), "Success");
        assert_eq!(paho(&gateway, version, Some(["pump-7", "p8"])), "Bad user name or password");
        assert_eq!(paho(&gateway, version, None), "Not authorized");
    }
}

#[test]
fn a_connect_that_is_refused_is_counted_and_its_record_names_its_version() {
    let gateway = setup(&RecordingBroker::polite(), &file(&[("pump-7", "p")], CHEAP)).start();
    knock(dial(&gateway, Door::Plain, None), &with_login(V5_0, "told", "nobody", Some("x")));
    let ended = gateway.wait_audit(&[("event", "ended"), ("cause", "bad_credentials")]);
    assert_eq!((ended["version"].as_str(), ended["client_packets"].as_u64()), (Some("5.0"), Some(1)));
    gateway.wait_metric("tidegate_packets_total", &["type=\"connect\"", "version=\"5.0\""], 1.0);
}
