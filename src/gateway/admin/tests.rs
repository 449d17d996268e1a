use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::store::Bounds;

fn store() -> Arc<Store> {
    let bounds = Bounds { max_histories: 1, max_facts: 1, max_nonces: 1, max_counters: 1, max_buckets: 1 };
    Arc::new(Store::new(&bounds))
}

fn admin() -> (Admin, Arc<Health>) {
    let metrics = Arc::new(Metrics::new(["field"], [("plant", "a:1883")]).unwrap());
    let health = Arc::new(Health::new(["field"], [("plant", "a:1883")]));
    (start("127.0.0.1:0".parse().unwrap(), metrics, Arc::clone(&health), store()).unwrap(), health)
}

/// Sends these bytes; gives what comes back until the other side closes.
fn ask(admin: &Admin, request: &str) -> String {
    let mut stream = TcpStream::connect(admin.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection that is reset ends the answer too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get(admin: &Admin, path: &str) -> (String, String) {
    let answer = ask(admin, &format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn metrics_are_served_as_prometheus_reads_them() {
    let (admin, _) = admin();
    let (head, body) = get(&admin, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("tidegate_connections_open{listener=\"field\"} 0\n"), "{body}");
    admin.stop();
}

#[test]
fn readiness_follows_the_gateway() {
    let (admin, health) = admin();
    let check = |path: &str, status: &str, expected: &str| {
        let (head, body) = get(&admin, path);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
        assert_eq!(body, expected, "{path}");
    };
    check("/readyz", "503", "listener field is not open\n");
    health.listening("field", true);
    check("/readyz", "200", "ok\n");
    health.drain();
    check("/readyz", "503", "draining\n");
    check("/healthz", "200", "ok\n");
    admin.stop();
}

#[test]
fn other_paths_and_methods_are_refused() {
    let (admin, _) = admin();
    let check = |request: &str, status: &str| {
        let answer = ask(&admin, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        answer
    };
    check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "200");
    check("GET /metrics?name=x HTTP/1.1\r\nhost: a\r\n\r\n", "200");
    check("GET /metrics/ HTTP/1.1\r\nhost: a\r\n\r\n", "404");
    check("GET /../etc/passwd HTTP/1.1\r\nhost: a\r\n\r\n", "404");
    let refusal = check("POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi", "405");
    assert!(refusal.contains("allow: GET, HEAD"), "{refusal}");
    let head = check("HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n", "200");
    assert!(head.ends_with("\r\n\r\n"), "a body: {head}");
    check("no http\r\n\r\n", "400");
    check(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100)), "431");
    let endless = ask(&admin, &format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000)));
    assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 431 "), "{endless}");
    admin.stop();
}

#[test]
fn one_connection_carries_one_request() {
    let (admin, _) = admin();
    let request = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = ask(&admin, &request.repeat(2));
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    admin.stop();
}

#[test]
fn it_answers_while_every_thread_of_the_data_path_is_busy() {
    let (admin, _) = admin();
    let busy = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let until = Instant::now() + Duration::from_millis(500);
    for _ in 0..4 {
        busy.spawn(async move { while Instant::now() < until {} });
    }
    let (head, _) = get(&admin, "/healthz");
    assert!(head.starts_with("HTTP/1.1 200"));
    assert!(Instant::now() < until, "it answered only when the others were done");
    busy.shutdown_background();
    admin.stop();
}

#[test]
fn peers_that_send_nothing_are_dropped_and_more_than_the_cap_wait() {
    let (admin, _) = admin();
    let silent: Vec<TcpStream> = (0..MAX_CONNECTIONS).map(|_| TcpStream::connect(admin.address()).unwrap()).collect();
    let start = Instant::now();
    let (head, _) = get(&admin, "/healthz");
    assert!(head.starts_with("HTTP/1.1 200"));
    let waited = start.elapsed();
    assert!(waited > HEADER_DEADLINE / 2 && waited < DEADLINE + Duration::from_secs(5), "{waited:?}");
    drop(silent);
    admin.stop();
}

#[test]
fn stopping_closes_the_address() {
    let (admin, _) = admin();
    let address = admin.address();
    let _idle: Vec<TcpStream> = (0..=MAX_CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    let start = Instant::now();
    admin.stop();
    assert!(start.elapsed() < Duration::from_secs(2), "idle connections don't hold it up");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_taken_address_is_an_error() {
    let (admin, health) = admin();
    let metrics = Arc::new(Metrics::new([], []).unwrap());
    assert!(start(admin.address(), metrics, health, store()).is_err());
    admin.stop();
}
