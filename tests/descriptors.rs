//! The admin address answers when the process has no file descriptor left. A program of its own: its limit is lowered.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use tidegate::gateway::admin::{self, Health};
use tidegate::metrics::Metrics;
use tidegate::store::{Bounds, Store};

fn get(socket: Socket, admin: &admin::Admin, path: &str) -> String {
    socket.connect(&admin.address().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn health_and_metrics_are_answered_without_a_free_descriptor() {
    let metrics = Arc::new(Metrics::new(["field"], []).unwrap());
    let health = Arc::new(Health::new([], []));
    let bounds = Bounds { max_histories: 1, max_facts: 1, max_nonces: 1, max_counters: 1, max_buckets: 1 };
    let store = Arc::new(Store::new(&bounds));
    let admin = admin::start("127.0.0.1:0".parse().unwrap(), metrics, health, store).unwrap();
    let mut sockets: Vec<Socket> = (0..6).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum }).unwrap();
    let hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!hoard.is_empty());
    for path in ["/healthz", "/readyz", "/metrics", "/healthz"] {
        let answer = get(sockets.pop().unwrap(), &admin, path);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{path}: {answer}");
        // The client's own descriptor is free now, and hoarded again.
        let _more: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    }
    drop(hoard);
    assert!(get(sockets.pop().unwrap(), &admin, "/metrics").contains("process_open_fds"));
    admin.stop();
}
