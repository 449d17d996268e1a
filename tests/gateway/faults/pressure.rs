//! Short of memory, buffers or descriptors: who is turned away, whose messages wait, and that it passes by itself.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{Rest, is_served};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1};
use crate::support::{wait_for, wait_within};

/// Who a client is, by where it dials from; nobody else has a place to be.
const POLICY: &str = r##"version = "1"

[[role]]
name = "camera"
match = { client_id = "camera-*" }
priority = "bulk"

[[role]]
name = "pump"
match = { client_id = ["pump-*", "first"] }

[[role]]
name = "alarm"
match = { client_id = "alarm-*" }
priority = "vital"

[[grant]]
id = "all"
roles = ["camera", "pump", "alarm"]
publish = ["#"]
"##;

const BUFFERS: &str = "[limits]\nmax_buffered_bytes = \"512KiB\"\nmax_buffered_total_bytes = \"4MiB\"\n";

fn start(broker: &RecordingBroker, tables: &str) -> Gateway {
    let open = "identity.sources = [\"address\"]\nidentity.address.from = [\"127.0.0.0/8\"]";
    Setup::to(broker.address).only(&[Door::Plain]).each_listener(open).policy(POLICY).with(tables).start()
}

/// Waits until the level is this one; says how long that took.
fn wait_level(gateway: &Gateway, wanted: f64) -> Duration {
    let began = Instant::now();
    let what = format!("level {wanted}, not {}", gateway.metric("tidegate_pressure_level", &[]));
    wait_for(&what, || ((gateway.metric("tidegate_pressure_level", &[]) - wanted).abs() < 0.5).then_some(()));
    began.elapsed()
}

/// Has a client hold that many KiB in the gateway, in a packet that must be judged whole and never ends.
fn hold(client: &mut RawClient, kib: usize) {
    let topic = format!("{}x", "a/".repeat(100));
    let filters: Vec<(&str, u8)> = std::iter::repeat_n((topic.as_str(), 0), 1000).collect();
    let large = wire::subscribe(V3_1_1, 1, &filters);
    assert!(large.len() > kib * 1024, "{}", large.len());
    client.send(&large[..kib * 1024]);
}

fn open(gateway: &Gateway, name: &str) -> RawClient {
    RawClient::connect(gateway.plain(), &Connect::new(V3_1_1, name))
}

/// Whether the client's PINGREQ comes through.
fn is_heard(client: &mut RawClient, patience: Duration) -> bool {
    client.send(&wire::PINGREQ);
    client.try_frame(patience).is_ok_and(|frame| frame == wire::PINGRESP)
}

/// Whether a client that dials from there is closed without a word.
fn is_turned_away(gateway: &Gateway, from: Ipv4Addr) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address");
    // It may be over before the system says that it began.
    if socket.connect(&gateway.plain().into()).is_err() {
        return true;
    }
    let mut client = RawClient::from(TcpStream::from(socket));
    let _ = client.try_send(&Connect::new(V3_1_1, "alarm-new").bytes());
    let (told, ended) = client.rest(Duration::from_secs(20));
    told.is_empty() && ended != Ended::Silent
}

#[test]
fn as_buffers_fill_bulk_waits_before_normal_and_vital_goes_on_and_all_recover_by_themselves() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, BUFFERS);
    let rest = Rest::of(&gateway);
    let mut holders: Vec<RawClient> = (0..90).map(|number| open(&gateway, &format!("pump-{number}"))).collect();
    let (mut camera, mut pump, mut alarm) =
        (open(&gateway, "camera-1"), open(&gateway, "pump-x"), open(&gateway, "alarm-1"));
    let (soon, long) = (Duration::from_millis(700), Duration::from_secs(20));
    // Buffers grow by halves, hence not to the byte.
    let mut held = holders.iter_mut();
    let fill = |held: &mut dyn Iterator<Item = &mut RawClient>, thousandths: f64| {
        wait_within(Duration::from_secs(20), || {
            let is_full = || gateway.metric("tidegate_buffered_bytes", &[]) >= thousandths * 4_194_304.0;
            if is_full() {
                return Some(());
            }
            hold(held.next().expect("enough who hold"), 50);
            std::thread::sleep(Duration::from_millis(30));
            is_full().then_some(())
        })
        .expect("the buffers fill");
    };
    fill(&mut held, 0.925);
    wait_for("throttling", || (gateway.metric("tidegate_pressure_level", &[]) >= 3.0).then_some(()));
    assert!(is_heard(&mut alarm, long), "vital at level {}", gateway.metric("tidegate_pressure_level", &[]));
    let (status, _) = gateway.get("/healthz").expect("the admin address answers");
    assert_eq!(status, 200);
    assert!(!is_heard(&mut camera, soon), "bulk waits");
    assert!(is_turned_away(&gateway, Ipv4Addr::LOCALHOST), "nobody new comes in");
    assert!(is_heard(&mut pump, long), "normal goes on until it is critical");
    fill(&mut held, 0.97);
    wait_for("critical", || (gateway.metric("tidegate_pressure_level", &[]) >= 4.0).then_some(()));
    assert!(!is_heard(&mut pump, soon), "normal waits");
    assert!(is_heard(&mut alarm, long), "vital goes on");
    drop(holders);
    let took = wait_level(&gateway, 0.0);
    assert!(took < Duration::from_secs(5), "{took:?}");
    camera.expect(&wire::PINGRESP);
    pump.expect(&wire::PINGRESP);
    gateway.wait_audit(&[("event", "pressure"), ("scarce", "buffers")]);
    gateway.wait_audit(&[("event", "pressure"), ("level", "normal")]);
    gateway.wait_audit(&[("event", "not_accepted"), ("reason", "overload")]);
    gateway.wait_metric("tidegate_shed_total", &["what=\"buffers\""], 1.0);
    is_served(&gateway, "pump-after");
    drop((camera, pump, alarm));
    rest.is_back(&gateway);
}

#[test]
fn where_memory_is_short_an_address_that_is_known_good_still_comes_in() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, "");
    open(&gateway, "pump-1").goodbye();
    // Between 85 and 90 per cent of what it holds already.
    let bytes = gateway.process.resident_kib() * 1024 * 1000 / 875;
    let bound = format!("max_memory_bytes = {bytes}");
    gateway.settings("[admin]", &format!("[limits]\n{bound}\n\n[admin]"));
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    let level = wait_for("a level", || {
        let level = gateway.metric("tidegate_pressure_level", &[]);
        (level > 0.0).then_some(level)
    });
    assert!(level < 2.0, "level {level}");
    is_served(&gateway, "pump-2");
    assert!(is_turned_away(&gateway, Ipv4Addr::new(127, 66, 0, 1)), "a stranger");
    gateway.wait_metric("tidegate_shed_total", &["what=\"memory\""], 1.0);
}

#[test]
fn descriptors_are_left_for_brokers_and_for_the_admin_address() {
    let broker = RecordingBroker::polite();
    let mut gateway = Setup::to(broker.address).only(&[Door::Plain]).max_descriptors(96).start();
    let rest = Rest::of(&gateway);
    let mut crowd: Vec<RawClient> = (0..120).filter_map(|_| RawClient::try_dial(gateway.plain()).ok()).collect();
    let mut served = 0;
    for (number, client) in crowd.iter_mut().enumerate() {
        let _ = client.try_send(&Connect::new(V3_1_1, &format!("c{number}")).bytes());
    }
    for client in &mut crowd {
        served += usize::from(client.try_frame(Duration::from_secs(20)).is_ok());
    }
    let open = gateway.process.descriptors();
    assert!((10..48).contains(&served) && open < 90, "{served} served with {open} of 96 descriptors");
    assert_eq!(gateway.metric("tidegate_accept_errors_total", &[]), 0.0, "accept never fails for want of them");
    assert_eq!(gateway.metric("tidegate_broker_dial_failures_total", &[]), 0.0, "whoever comes in has a broker");
    gateway.wait_metric("tidegate_shed_total", &["what=\"descriptors\""], 1.0);
    assert!(gateway.process.has_ended().is_none(), "it lives");
    drop(crowd);
    rest.is_back(&gateway);
    gateway.wait_metric("tidegate_pressure_level", &[], 0.0);
    is_served(&gateway, "after");
}
