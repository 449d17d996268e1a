//! A flood of wrong passwords, which cost milliseconds each on purpose, beside a client that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidegate::credentials::password::Cost;

use super::passwords::{checks, file};
use super::{knock, with_login};
use crate::support::gateway::{Door, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, V3_1_1, ack, publish};

const FLOODING: Duration = Duration::from_secs(3);

/// How long a QoS 1 exchange takes, in order.
fn exchanges(client: &mut RawClient, during: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut took = Vec::new();
    for id in 1.. {
        if began.elapsed() > during {
            break;
        }
        let sent = Instant::now();
        client.send(&publish(V3_1_1, 2, "plant/line1/temperature", id, &[], b"21.5"));
        client.expect(&ack(wire::PUBACK, id));
        took.push(sent.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    took.sort_unstable();
    took
}

#[test]
fn messages_keep_flowing_while_wrong_passwords_are_poured_in() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .only(&[Door::Plain])
        .file("passwords", &file(&[("pump-7", "p7")], Cost::default()))
        // What bounds guesses would end the flood before it is one.
        .with("[protection]\ntarpit = \"0s\"\nfailed_authentications = \"100000/1s\"")
        .with("failed_authentications_per_name = \"100000/1s\"")
        .each_listener("identity.sources = [\"password\"]\nidentity.password.files = [\"passwords\"]")
        .start();
    let mut client = RawClient::connect(gateway.plain(), &with_login(V3_1_1, "pump-7", "pump-7", Some("p7")));
    let quiet = exchanges(&mut client, Duration::from_secs(1));

    let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let flood: Vec<_> = (0..16)
        .map(|number| {
            let (stop, refused, address) = (Arc::clone(&stop), Arc::clone(&refused), gateway.plain());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let name = if number % 2 == 0 { "pump-7" } else { "nobody" };
                    let connect = with_login(V3_1_1, &format!("c{number}"), name, Some("wrong"));
                    assert_eq!(knock(RawClient::dial(address), &connect).0, Some(4));
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let busy = exchanges(&mut client, FLOODING);
    stop.store(true, Ordering::Relaxed);
    for thread in flood {
        thread.join().expect("a client");
    }
    let at = |took: &[Duration], percent: usize| took[(took.len() - 1) * percent / 100];
    let told = |took: &[Duration]| format!("{} with p50 {:?}, p99 {:?}", took.len(), at(took, 50), at(took, 99));
    let refused = refused.load(Ordering::Relaxed);
    eprintln!("quiet: {}; with {refused} refused: {}", told(&quiet), told(&busy));
    assert!(refused > 10 && checks(&gateway) > 10.0, "it was a flood: {refused}");
    // Whatever else the machine does, an exchange must not wait for a password to be checked (some 30 ms each).
    assert!(at(&busy, 50) < Duration::from_millis(10), "{}", told(&busy));
    assert!(at(&busy, 95) < Duration::from_millis(60), "{}", told(&busy));
}
