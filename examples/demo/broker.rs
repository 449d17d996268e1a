//! A broker for a machine that has no Mosquitto: QoS 0 and 1, deliveries at QoS 0, no sessions, nothing retained.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::wire::{self, V50};

/// What one connected client has subscribed to.
struct Subscriber {
    level: u8,
    stream: TcpStream,
    filters: Vec<String>,
}

type Subscribers = Arc<Mutex<HashMap<u64, Subscriber>>>;

/// Serves the listener until the process ends.
pub(crate) fn serve(listener: TcpListener) {
    let subscribers = Subscribers::default();
    thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming().flatten()) {
            let subscribers = Arc::clone(&subscribers);
            thread::spawn(move || {
                // The end of a connection is no news here.
                let _ = client(number, &stream, &subscribers);
                lock(&subscribers).remove(&number);
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    });
}

fn lock(subscribers: &Subscribers) -> std::sync::MutexGuard<'_, HashMap<u64, Subscriber>> {
    subscribers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn client(number: u64, stream: &TcpStream, subscribers: &Subscribers) -> io::Result<()> {
    let (mut reader, mut writer) = (stream, stream);
    let (first, body) = wire::read_packet(&mut reader)?;
    let level = match (first, wire::take_string(&body)) {
        (0x10, Some(("MQTT", [level, ..]))) => *level,
        _ => return Ok(()),
    };
    writer.write_all(&wire::packet(0x20, if level == V50 { &[0, 0, 0] } else { &[0, 0] }))?;
    let entry = Subscriber { level, stream: stream.try_clone()?, filters: Vec::new() };
    lock(subscribers).insert(number, entry);
    loop {
        let (first, body) = wire::read_packet(&mut reader)?;
        match first >> 4 {
            3 => {
                let Some(message) = wire::message(level, first, &body) else { return Ok(()) };
                let answer = wire::packet(0x40, &message.packet_id.to_be_bytes());
                deliver(subscribers, &message);
                match message.qos {
                    0 => {}
                    1 => writer.write_all(&answer)?,
                    _ => return Ok(()),
                }
            }
            8 => {
                let Some((id, filter)) = subscription(level, &body) else { return Ok(()) };
                if let Some(entry) = lock(subscribers).get_mut(&number) {
                    entry.filters.push(filter);
                }
                let [high, low] = id;
                let suback: &[u8] = if level == V50 { &[high, low, 0, 0] } else { &[high, low, 0] };
                writer.write_all(&wire::packet(0x90, suback))?;
            }
            12 => writer.write_all(&wire::packet(0xD0, &[]))?,
            _ => return Ok(()),
        }
    }
}

/// The Packet Identifier and the first Topic Filter of a SUBSCRIBE.
fn subscription(level: u8, body: &[u8]) -> Option<([u8; 2], String)> {
    let (id, mut rest) = body.split_first_chunk()?;
    if level == V50 {
        let (properties, behind) = rest.split_first()?;
        rest = behind.get(usize::from(*properties)..)?;
    }
    let (filter, _) = wire::take_string(rest)?;
    Some((*id, filter.to_owned()))
}

fn deliver(subscribers: &Subscribers, message: &wire::Message<'_>) {
    for subscriber in lock(subscribers).values_mut() {
        if subscriber.filters.iter().any(|filter| matches(filter, message.topic)) {
            let bytes = wire::publish(subscriber.level, 0, 0, message.topic, message.payload);
            let _ = subscriber.stream.write_all(&bytes);
        }
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}
