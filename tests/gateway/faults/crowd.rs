//! Too many: connections that say nothing, and more connections than descriptors.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use super::{Rest, is_served, wait_cause};
use crate::support::gateway::{Door, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wait_within;
use crate::support::wire::{self, Connect, V3_1_1, V5_0};

/// As many descriptors for this process as it may have.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let now = getrlimit(Resource::Nofile).current;
    assert!(now.is_none_or(|count| count > 5_000), "this test needs 5,000 descriptors, it may have {now:?}");
}

#[test]
fn two_thousand_connections_that_say_nothing_keep_nobody_out_and_end_by_their_deadline() {
    raise_descriptors();
    let broker = RecordingBroker::polite();
    // All come from one address, which would be banned for it.
    let deadlines = "[deadlines]\ntls_handshake = \"5s\"\nconnect = \"5s\"\n[addresses]\nexempt = [\"127.0.0.1\"]";
    let gateway = Setup::to(broker.address).with(deadlines).start();
    let rest = Rest::of(&gateway);
    let began = Instant::now();
    let silent: Vec<TcpStream> = (0..2_000)
        .map(|number| {
            let door = if number % 2 == 0 { Door::Plain } else { Door::Tls };
            // Not from where the others dial: so many failed handshakes of one address have it banned.
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.bind(&SocketAddr::from(([127, 66, 0, 7], 0)).into()).expect("an address of this machine");
            socket.connect(&gateway.address(door).into()).expect("accepted");
            TcpStream::from(socket)
        })
        .collect();
    is_served(&gateway, "has something to say");
    let open = gateway.connections_open();
    assert!(began.elapsed() > Duration::from_secs(5) || open >= 1_900.0, "{open} are open");
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
    assert!(began.elapsed() >= Duration::from_millis(4_500), "not before the deadline");
    wait_cause(&gateway, "connect_deadline", 1_000.0);
    is_served(&gateway, "still");
    drop(silent);
    rest.is_back(&gateway);
    assert_eq!(broker.connections(), 3, "no broker was dialled for silence");
}

#[test]
fn a_gateway_out_of_descriptors_serves_again_once_some_are_free() {
    let broker = RecordingBroker::polite();
    let mut gateway = Setup::to(broker.address).max_descriptors(96).start();
    let rest = Rest::of(&gateway);
    let connect = Connect::new(V3_1_1, "one of many");
    let mut crowd: Vec<RawClient> = (0..300).filter_map(|_| RawClient::try_dial(gateway.plain()).ok()).collect();
    for client in &mut crowd {
        let _ = client.try_send(&connect.bytes());
    }
    let served =
        crowd.iter_mut().map(|client| client.try_frame(Duration::from_millis(5))).filter(Result::is_ok).count();
    assert!(served < 96, "{served} of 300 with 96 descriptors");
    assert!(gateway.process.has_ended().is_none(), "it lives");
    drop(crowd);
    let recovered = wait_within(crate::support::PATIENCE, || {
        let mut client = RawClient::try_dial(gateway.plain()).ok()?;
        client.try_send(&connect.bytes()).ok()?;
        client.try_frame(Duration::from_secs(2)).ok().filter(|frame| frame[..] == [0x20, 2, 0, 0])
    });
    assert!(recovered.is_some(), "accept recovers");
    is_served(&gateway, "after the crowd");
    rest.is_back(&gateway);
}

#[test]
fn connections_over_the_limit_are_refused_and_counted() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with("[limits]\nmax_connections = 5").start();
    let mut within: Vec<RawClient> = (0..5)
        .map(|number| RawClient::connect(gateway.plain(), &Connect::new(V3_1_1, &format!("n{number}"))))
        .collect();
    for _ in 0..3 {
        let mut over = RawClient::dial(gateway.plain());
        let _ = over.try_send(&Connect::new(V3_1_1, "over").bytes());
        let (told, ended) = over.rest(Duration::from_secs(10));
        assert!(
            !told.starts_with(&[0x20, 2, 0, 0]) && ended != crate::support::raw_client::Ended::Silent,
            "{told:02x?}"
        );
    }
    gateway.wait_metric("tidegate_connections_refused_total", &[], 3.0);
    within.pop().expect("five").goodbye();
    gateway.wait_metric("tidegate_connections_ended_total", &["cause=\"client_disconnect\""], 1.0);
    let back = wait_within(crate::support::PATIENCE, || {
        let mut client = RawClient::try_dial(gateway.plain()).ok()?;
        client.try_send(&Connect::new(V3_1_1, "next").bytes()).ok()?;
        client.try_frame(Duration::from_secs(2)).ok().filter(|frame| frame[..] == [0x20, 2, 0, 0])
    });
    assert!(back.is_some(), "a place that is left is given again");
}

#[test]
fn what_all_hold_together_is_bounded_and_given_back() {
    let broker = RecordingBroker::polite();
    let bounds = "[limits]\nmax_buffered_bytes = \"512KiB\"\nmax_buffered_total_bytes = \"1MiB\"";
    let gateway = Setup::to(broker.address).with(bounds).start();
    let rest = Rest::of(&gateway);
    // A SUBSCRIBE must be there as a whole to be judged; of these, no more than five find room.
    let topic = format!("{}x", "a/".repeat(100));
    let filters: Vec<(&str, u8)> = std::iter::repeat_n((topic.as_str(), 0), 1000).collect();
    let large = wire::subscribe(V5_0, 1, &filters);
    let mut clients: Vec<RawClient> = (0..8)
        .map(|number| RawClient::connect(gateway.plain(), &Connect::new(V5_0, &format!("holds-{number}"))))
        .collect();
    for client in &mut clients {
        let _ = client.try_send(&large[..large.len() - 1]);
    }
    wait_cause(&gateway, "overload", 3.0);
    crate::support::wait_for("no more to be held than may be", || {
        let held = gateway.metric("tidegate_buffered_bytes", &[]);
        (held > 0.0 && held <= 1_048_576.0).then_some(())
    });
    let told = clients.iter_mut().filter_map(|client| client.try_frame(Duration::from_millis(100)).ok());
    assert!(told.filter(|frame| wire::disconnect_reason(frame) == Some(0x97)).count() >= 3, "the others are told");
    let served = clients.iter_mut().filter_map(|client| {
        client.try_send(&large[large.len() - 1..]).ok()?;
        client.try_frame(Duration::from_secs(5)).ok().filter(|frame| frame[0] == 0x90)
    });
    assert!(served.count() >= 1, "who found room is served");
    drop(clients);
    // Until it is known that little is left, they are let in, and ended; then they are turned away.
    let early: Vec<RawClient> = (0..40)
        .filter_map(|number| {
            let mut connect = Connect::new(V5_0, &format!("early-{number}"));
            connect.login = Some(("who".to_owned(), Some(vec![b'x'; 60_000])));
            let mut client = RawClient::try_dial(gateway.plain()).ok()?;
            let _ = client.try_send(&connect.bytes()[..60_000]);
            Some(client)
        })
        .collect();
    crate::support::wait_for("those without room to be turned away", || {
        let ended = gateway.metric("tidegate_connections_ended_total", &["cause=\"overload\""]);
        let turned_away = gateway.metric("tidegate_shed_total", &["what=\"buffers\""]);
        (ended + turned_away >= 3.0 + 20.0).then_some(())
    });
    drop(early);
    rest.is_back(&gateway);
    gateway.wait_metric("tidegate_buffered_bytes", &[], 0.0);
    gateway.wait_metric("tidegate_pressure_level", &[], 0.0);
    is_served(&gateway, "after all");
}
