//! Clients that an authentication service vouches for.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::service::{Manner, Service, yes};
use super::{BAD_CREDENTIALS, NOT_AUTHORIZED, Outcome, UNAVAILABLE, dial, is_nowhere, judge, with_login};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::pki::{Pki, Subject};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1, V5_0, VERSIONS};
use crate::support::{PATIENCE, wait_for};

const SOURCE: &str = "identity.sources = [\"http\"]\n";

fn setup(broker: &RecordingBroker, service: &Service, lines: &str) -> Setup {
    let url = format!("identity.http.url = \"http://{}/mqtt/auth?v=1\"", service.address);
    Setup::to(broker.address).only(&[Door::Plain]).each_listener(&format!("{SOURCE}{url}\n{lines}"))
}

fn ask(gateway: &Gateway, version: u8, client_id: &str, password: &str) -> Outcome {
    judge(gateway, dial(gateway, Door::Plain, None), &with_login(version, client_id, "operator", Some(password)))
}

fn refused(codes: super::Codes, rule: &str) -> Outcome {
    Outcome::refused(codes.0, rule)
}

#[test]
fn the_service_is_told_of_the_client_and_its_yes_and_no_decide() {
    let (broker, service) = (RecordingBroker::polite(), Service::start(yes("{\"allow\": true}")));
    let secret = "identity.http.authorization_file = \"bearer\"";
    let gateway = setup(&broker, &service, secret).file("bearer", "Bearer of-the-gateway\n").start();
    for version in VERSIONS {
        service.now(yes("{\"allow\": true}"));
        let client_id = format!("own-{version}");
        assert_eq!(ask(&gateway, version, &client_id, "pass\"word"), Outcome::known("operator", "http"));
        service.now(yes("{\"allow\": true, \"identity\": \"plant operator\", \"claims\": {\"site\": \"north\"}}"));
        let told = Outcome::known("plant operator", "http");
        assert_eq!(ask(&gateway, version, &format!("told-{version}"), "pass\"word"), told);
        let wrong = || Outcome::refused(BAD_CREDENTIALS.of(version), "identity.http");
        service.now(yes("{\"allow\": false}"));
        assert_eq!(ask(&gateway, version, &format!("no-{version}"), "pass\"word"), wrong());
        service.now(Manner::Answers(403, String::new()));
        assert_eq!(ask(&gateway, version, &format!("forbidden-{version}"), "pass\"word"), wrong());
        let before = service.questions().len();
        let nothing = Connect::new(version, &format!("nothing-{version}"));
        let judged = judge(&gateway, dial(&gateway, Door::Plain, None), &nothing);
        assert_eq!(judged, Outcome::refused(NOT_AUTHORIZED.of(version), "identity"));
        assert_eq!(service.questions().len(), before, "nothing is shown that it could judge");
    }
    let questions = service.questions();
    let first = &questions[0];
    assert_eq!(first.line, "POST /mqtt/auth?v=1 HTTP/1.1");
    let host = format!("host: {}", service.address);
    for header in [host.as_str(), "content-type: application/json", "authorization: Bearer of-the-gateway"] {
        assert!(first.headers.iter().any(|line| line == header), "{header}: {:?}", first.headers);
    }
    let body: Value = serde_json::from_str(&first.body).expect("JSON");
    for (name, expected) in [
        ("client_id", "own-3"),
        ("username", "operator"),
        ("password", "pass\"word"),
        ("listener", "plain"),
        ("address", "127.0.0.1"),
        ("version", "3.1"),
    ] {
        assert_eq!(body[name], expected);
    }
    assert_eq!(body["certificate"], Value::Null);
    assert_eq!((questions.len(), service.connections()), (12, 1), "one connection for all of them");
    is_nowhere(&gateway, "pass\"word");
    is_nowhere(&gateway, "of-the-gateway");
}

#[test]
fn a_service_for_forms_answers_by_status_or_word() {
    let (broker, service) = (RecordingBroker::polite(), Service::start(Manner::Answers(200, String::new())));
    let lines = "identity.http.format = \"form\"\nidentity.http.send_password = false";
    let gateway = setup(&broker, &service, lines).start();
    assert_eq!(ask(&gateway, V3_1_1, "a", "x y"), Outcome::known("operator", "http"));
    service.now(Manner::Answers(401, String::new()));
    assert_eq!(ask(&gateway, V3_1_1, "b", "x y"), refused(BAD_CREDENTIALS, "identity.http"));
    service.now(yes("deny"));
    assert_eq!(ask(&gateway, V3_1_1, "c", "x y"), refused(BAD_CREDENTIALS, "identity.http"));
    service.now(Manner::Answers(404, String::new()));
    assert_eq!(ask(&gateway, V3_1_1, "d", "x y"), refused(UNAVAILABLE, "identity.http.status"));
    let body = service.questions()[0].body.clone();
    assert_eq!(body, "username=operator&clientid=a&client_id=a&listener=plain&address=127.0.0.1");
}

#[test]
fn whatever_is_no_answer_refuses_with_a_reason_of_its_own() {
    let (broker, service) = (RecordingBroker::polite(), Service::start(Manner::Closes));
    let lines = "identity.http.timeout = \"300ms\"\nidentity.http.max_failures = 1000";
    let gateway = setup(&broker, &service, lines).start();
    let second = Duration::from_secs(1);
    for (client_id, manner, rule) in [
        ("closes", Manner::Closes, "identity.http.http"),
        ("babbles", Manner::Babbles, "identity.http.http"),
        ("pours", Manner::Pours, "identity.http.http"),
        ("waits", Manner::Waits(second), "identity.http.timeout"),
        ("fails", Manner::Answers(500, "{\"allow\": true}".to_owned()), "identity.http.status"),
        ("moved", Manner::Answers(302, String::new()), "identity.http.status"),
        ("mumbles", yes("maybe"), "identity.http.answer"),
        ("nothing", yes("{}"), "identity.http.answer"),
    ] {
        service.now(manner);
        assert_eq!(ask(&gateway, V3_1_1, client_id, "p"), refused(UNAVAILABLE, rule));
    }
    let asked =
        |outcome: &str| gateway.metric("tidegate_authentication_requests_total", &[&format!("outcome=\"{outcome}\"")]);
    assert_eq!([asked("http"), asked("timeout"), asked("status"), asked("answer")], [3.0, 1.0, 2.0, 2.0]);
    drop(service);
    assert_eq!(ask(&gateway, V3_1_1, "gone", "p"), refused(UNAVAILABLE, "identity.http.connect"));
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_connection_that_the_service_closed_meanwhile_costs_nobody_an_answer() {
    let closing = || Manner::AnswersAndCloses(200, "{\"allow\": true}".to_owned());
    let (broker, service) = (RecordingBroker::polite(), Service::start(closing()));
    let gateway = setup(&broker, &service, "").start();
    for number in 0..20 {
        assert_eq!(ask(&gateway, V3_1_1, &format!("c{number}"), "p"), Outcome::known("operator", "http"));
    }
}

#[test]
fn a_service_that_fails_is_left_alone_and_then_asked_by_one() {
    let (broker, service) = (RecordingBroker::polite(), Service::start(Manner::Answers(503, String::new())));
    let gateway = setup(&broker, &service, "identity.http.max_failures = 3\nidentity.http.pause = \"1s\"").start();
    let mut number = 0;
    let mut ask = || {
        number += 1;
        ask(&gateway, V3_1_1, &format!("c{number}"), "p").rule
    };
    let paused = || gateway.metric("tidegate_authentication_service_paused", &[]);
    for _ in 0..3 {
        assert_eq!(ask().as_deref(), Some("identity.http.down"));
    }
    for _ in 0..5 {
        assert_eq!(ask().as_deref(), Some("identity.http.paused"));
    }
    assert_eq!((service.questions().len(), paused()), (3, 1.0));
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(ask().as_deref(), Some("identity.http.down"));
    assert_eq!(ask().as_deref(), Some("identity.http.paused"), "it failed again");
    std::thread::sleep(Duration::from_millis(1100));
    service.now(yes("{\"allow\": true}"));
    assert_eq!((ask(), ask()), (None, None));
    assert_eq!((service.questions().len(), paused()), (6, 0.0));
    let log = gateway.process.log();
    assert_eq!(log.matches("the authentication service fails").count(), 1, "said once: {log}");
    assert_eq!(log.matches("the authentication service answers again").count(), 1, "{log}");
}

#[test]
fn who_can_not_be_asked_about_is_taken_at_its_word_only_where_that_is_written() {
    let (broker, service) = (RecordingBroker::polite(), Service::start(Manner::Answers(503, String::new())));
    let lines = "identity.http.on_error = \"allow\"\nidentity.http.max_failures = 1000";
    let gateway = setup(&broker, &service, lines).start();
    for (client_id, manner) in [
        ("down", Manner::Answers(503, String::new())),
        ("no gateway", Manner::Answers(502, String::new())),
        ("closes", Manner::Closes),
    ] {
        service.now(manner);
        assert_eq!(ask(&gateway, V3_1_1, client_id, "p"), Outcome::known("operator", "http"), "{client_id}");
    }
    service.now(yes("{\"allow\": false}"));
    assert_eq!(ask(&gateway, V3_1_1, "b", "p"), refused(BAD_CREDENTIALS, "identity.http"));
}

/// What a client can bring about by what it shows: a password too long, or one that the service does not expect.
fn answers_to_a_crafted_question() -> [(&'static str, Manner, &'static str); 6] {
    let status = |status| Manner::Answers(status, "{\"allow\": true}".to_owned());
    [
        ("malformed", status(400), "identity.http.status"),
        ("too large", status(413), "identity.http.status"),
        ("too many", status(429), "identity.http.status"),
        ("thrown", status(500), "identity.http.status"),
        ("log in", status(302), "identity.http.status"),
        ("dialect", yes("{\"result\": \"denied\"}"), "identity.http.answer"),
    ]
}

#[test]
fn a_question_that_a_service_can_not_take_is_no_way_in_and_pauses_it_for_nobody() {
    let (broker, service) = (RecordingBroker::polite(), Service::start(yes("{}")));
    let lines = "identity.http.on_error = \"allow\"\nidentity.http.max_failures = 2\nidentity.http.pause = \"1h\"";
    let gateway = setup(&broker, &service, lines).start();
    for (client_id, manner, rule) in answers_to_a_crafted_question() {
        service.now(manner);
        assert_eq!(ask(&gateway, V3_1_1, client_id, "p"), refused(UNAVAILABLE, rule), "{client_id}");
    }
    service.now(yes("{\"allow\": true}"));
    assert_eq!(ask(&gateway, V3_1_1, "b", "p"), Outcome::known("operator", "http"));
    assert_eq!(gateway.metric("tidegate_authentication_service_paused", &[]), 0.0);
    assert_eq!(service.questions().len(), 7);
}

#[test]
fn a_user_name_without_its_password_names_nobody_who_shows_a_certificate() {
    let broker = RecordingBroker::polite();
    let service = Service::start(yes("{\"allow\": true}"));
    for (send_password, password, expected) in
        [(true, None, "device-7"), (true, Some("p"), "operator"), (false, Some("p"), "device-7")]
    {
        let url = format!("identity.http.url = \"http://{}/\"", service.address);
        let lines = format!("{SOURCE}{url}\nidentity.http.send_password = {send_password}");
        let gateway = Setup::to(broker.address).only(&[Door::Tls]).each_listener(&lines).start();
        let subject = Subject { common_names: &["device-7"], ..Subject::default() };
        let papers = gateway.pki.issue("shown", &subject).expect("a certificate");
        let connect = with_login(V5_0, "c", "operator", password);
        let outcome = judge(&gateway, dial(&gateway, Door::Tls, Some(&papers)), &connect);
        assert_eq!(outcome, Outcome::known(expected, "http"), "{send_password} {password:?}");
    }
}

#[test]
fn yes_and_no_are_remembered_for_their_own_times_and_for_what_was_asked_alone() {
    let (broker, service) = (RecordingBroker::polite(), Service::start(yes("{\"allow\": true}")));
    let lines = "identity.http.cache = \"4s\"\nidentity.http.negative_cache = \"1500ms\"";
    let gateway = setup(&broker, &service, lines).start();
    let ask = |client_id: &str, password: &str| {
        let before = service.questions().len();
        let connect = with_login(V3_1_1, client_id, "operator", Some(password));
        let (code, _) = super::knock(dial(&gateway, Door::Plain, None), &connect);
        (code, service.questions().len() - before)
    };
    assert_eq!(ask("a", "p"), (Some(0), 1));
    assert_eq!(ask("a", "p"), (Some(0), 0));
    assert_eq!(ask("b", "p"), (Some(0), 1), "another client");
    service.now(yes("{\"allow\": false}"));
    assert_eq!(ask("a", "q"), (Some(4), 1), "another password");
    assert_eq!(ask("a", "q"), (Some(4), 0));
    assert_eq!(ask("a", "p"), (Some(0), 0));
    std::thread::sleep(Duration::from_millis(1600));
    assert_eq!(ask("a", "q"), (Some(4), 1));
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(ask("a", "p"), (Some(4), 1));
    service.now(Manner::Answers(500, String::new()));
    assert_eq!((ask("e", "p"), ask("e", "p")), ((Some(3), 1), (Some(3), 1)), "an error is not remembered");
}

#[test]
fn a_connection_ends_when_the_service_said_it_would() {
    let (broker, service) = (RecordingBroker::polite(), Service::start(Manner::Closes));
    let gateway = setup(&broker, &service, "").start();
    let expires = |seconds: u64| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time").as_secs();
        yes(&format!("{{\"allow\": true, \"expires\": {}}}", now + seconds))
    };
    service.now(expires(0));
    assert_eq!(ask(&gateway, V3_1_1, "past", "p"), refused(BAD_CREDENTIALS, "identity.http.expired"));
    service.now(expires(3));
    let mut client = dial(&gateway, Door::Plain, None);
    client.send(&with_login(V5_0, "c", "operator", Some("p")).bytes());
    assert_eq!(wire::body(&client.frame())[1], 0);
    let began = Instant::now();
    assert_eq!(wire::disconnect_reason(&client.rest(PATIENCE).0), Some(0xa0));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_service_over_tls_must_be_certified_and_hears_of_the_clients_certificate() {
    let broker = RecordingBroker::polite();
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::create(folder.path()).expect("certificates");
    let service = Service::start_tls(yes("{\"allow\": true}"), &pki);
    let start = |ca: &str| {
        let url = format!("identity.http.url = \"https://localhost:{}/\"", service.address.port());
        let lines = format!("{SOURCE}{url}\nidentity.http.ca = \"{ca}\"");
        Setup::to(broker.address).only(&[Door::Tls]).each_listener(&lines).start()
    };
    let ask = |gateway: &Gateway| {
        let subject =
            Subject { common_names: &["device-7"], organizational_unit: Some("sensors"), ..Subject::default() };
        let papers = gateway.pki.issue("shown", &subject).expect("a certificate");
        judge(gateway, dial(gateway, Door::Tls, Some(&papers)), &Connect::new(V5_0, "c"))
    };
    let gateway = start(&pki.path("ca.pem").display().to_string());
    assert_eq!(ask(&gateway), Outcome::known("device-7", "http"));
    let body: Value = serde_json::from_str(&service.questions()[0].body).expect("JSON");
    assert_eq!(body["certificate"]["common_names"][0], "device-7");
    assert_eq!(body["certificate"]["organizational_units"][0], "sensors");
    assert_eq!(body["username"], Value::Null);
    let stranger = pki.stranger("stranger").expect("another CA").path("ca.pem");
    let gateway = start(&stranger.display().to_string());
    assert_eq!(ask(&gateway), Outcome::refused(UNAVAILABLE.1, "identity.http.tls"));
}

#[test]
fn no_more_questions_are_open_than_the_settings_say() {
    let wait = Duration::from_millis(300);
    let (broker, service) = (RecordingBroker::polite(), Service::start(Manner::Waits(wait)));
    let lines = "identity.http.max_open = 2\nidentity.http.timeout = \"450ms\"";
    let gateway = setup(&broker, &service, lines).start();
    let address = gateway.plain();
    let clients: Vec<_> = (0..8)
        .map(|number| {
            std::thread::spawn(move || {
                let connect = with_login(V5_0, &format!("c{number}"), "operator", Some("p"));
                super::knock(crate::support::raw_client::RawClient::dial(address), &connect)
            })
        })
        .collect();
    let told: Vec<_> = clients.into_iter().map(|client| client.join().expect("a client")).collect();
    let by = |rule: &str| told.iter().filter(|(_, text)| text.as_deref().unwrap_or_default().contains(rule)).count();
    let accepted = told.iter().filter(|(code, _)| *code == Some(0)).count();
    assert!(accepted >= 2 && by("identity.http.busy") >= 2, "{told:?}");
    assert_eq!(accepted + by("identity.http.busy"), 8, "{told:?}");
    assert!(service.connections() <= 2, "{}", service.connections());
    wait_for("no failure of the service", || {
        (gateway.metric("tidegate_authentication_service_paused", &[]) < 1.0).then_some(())
    });
}
