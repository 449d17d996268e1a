//! Turns at TLS handshakes: a crowd of strangers keeps neither those from it who are connected, nor those who are known.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{client_hello, dial_from};
use crate::support::PATIENCE;
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V5_0};

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 66, 5, 1);

fn enter(gateway: &Gateway, client_id: &str) -> RawClient {
    let config = gateway.tls_client(Some(&gateway.pki.pair("client")));
    let mut client = RawClient::try_dial_tls(gateway.address(Door::Tls), config).expect("a handshake");
    client.send(&Connect::new(V5_0, client_id).bytes());
    let connack = client.frame();
    assert_eq!((connack[0], wire::body(&connack)[1]), (0x20, 0));
    client
}

/// Whether the gateway has answered, or has closed.
fn is_answered(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("an option of sockets");
    stream.peek(&mut [0]).is_ok()
}

#[test]
fn a_source_that_is_known_does_not_wait_behind_a_crowd_of_strangers() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .only(&[Door::Tls])
        .each_listener("identity.sources = [\"certificate\"]")
        .with("[protection]\nmax_handshakes = 1")
        .start();
    enter(&gateway, "early").goodbye();
    let hello = client_hello(&gateway.tls_client(Some(&gateway.pki.pair("client"))));
    let mut crowd: Vec<TcpStream> = (0..600).map(|_| dial_from(STRANGER, gateway.address(Door::Tls))).collect();
    crowd.iter_mut().for_each(|stranger| stranger.write_all(&hello).expect("it takes a ClientHello"));
    let began = Instant::now();
    let known = enter(&gateway, "known");
    let took = began.elapsed();
    let served = crowd.iter().filter(|stranger| is_answered(stranger)).count();
    eprintln!("known source in after {took:?}, when {served} of 600 strangers were answered");
    assert!(served < 400, "it came before most of them: {served} were served, in {took:?}");
    known.goodbye();
    // And they are all served, one after the other.
    crowd.iter().for_each(|stranger| {
        stranger.set_nonblocking(false).expect("an option of sockets");
        stranger.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        assert!(matches!((&*stranger).read(&mut [0; 8]), Ok(1..)), "every stranger has its turn");
    });
}

#[test]
fn a_handshake_that_waits_for_its_client_has_no_turn() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .only(&[Door::Tls])
        .with("[protection]\nmax_handshakes = 1\nmax_waiting_handshakes = 1")
        .start();
    let hello = client_hello(&gateway.tls_client(Some(&gateway.pki.pair("client"))));
    let mut slow = Vec::new();
    for len in [0, 3, 5, hello.len() / 2, hello.len() - 1, hello.len()] {
        for _ in 0..10 {
            let mut stranger = dial_from(STRANGER, gateway.address(Door::Tls));
            stranger.write_all(&hello[..len]).expect("it takes what there is of a ClientHello");
            if len == hello.len() {
                // Each alone, for one alone may wait.
                stranger.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
                assert!(matches!(stranger.read(&mut [0; 8]), Ok(1..)));
            }
            slow.push(stranger);
        }
    }
    let began = Instant::now();
    enter(&gateway, "quick").goodbye();
    assert!(began.elapsed() < Duration::from_secs(3), "sixty slow handshakes held nobody up");
    assert_eq!(gateway.metric("tidegate_handshakes_waiting", &[]), 0.0);
}

#[test]
fn more_than_may_wait_are_closed_and_recorded_and_the_gateway_goes_on() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .only(&[Door::Tls])
        .with("[protection]\nmax_handshakes = 1\nmax_waiting_handshakes = 2")
        .start();
    let hello = Arc::new(client_hello(&gateway.tls_client(Some(&gateway.pki.pair("client")))));
    let refused = || gateway.metric("tidegate_connections_refused_total", &["reason=\"max_waiting_handshakes\""]);
    for _ in 0..20 {
        let mut crowd: Vec<TcpStream> = (0..100).map(|_| dial_from(STRANGER, gateway.address(Door::Tls))).collect();
        crowd.iter_mut().for_each(|stranger| {
            // It may have been closed before.
            let _ = stranger.write_all(&hello);
        });
        if refused() > 0.0 {
            break;
        }
    }
    assert!(refused() > 0.0, "of a hundred at once, none was one too many");
    gateway.wait_audit(&[("event", "not_accepted"), ("reason", "max_waiting_handshakes")]);
    assert_eq!(gateway.metric("tidegate_bans_total", &[]), 0.0, "who is turned away for want of room is not banned");
    enter(&gateway, "afterwards").goodbye();
}
