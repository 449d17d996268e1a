//! A broker that keeps every byte it receives and answers as a test tells it to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::raw_client::Ended;
use super::{ports, wait_for, wire};

/// What the broker does about one frame.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    GoOn,
    /// Ends the connection.
    Close,
    /// Keeps it open and never reads again.
    Stall,
}

/// Sends these bytes and goes on.
pub(crate) fn answer(bytes: impl Into<Vec<u8>>) -> Answer {
    Answer { bytes: bytes.into(), then: Then::GoOn }
}

/// Sends these bytes and does this.
pub(crate) fn answer_then(bytes: impl Into<Vec<u8>>, then: Then) -> Answer {
    Answer { bytes: bytes.into(), then }
}

/// The least that a well-behaved broker answers.
pub(crate) fn polite(frame: &[u8], version: u8) -> Vec<u8> {
    let body = wire::body(frame);
    let id = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    match frame[0] >> 4 {
        1 => wire::connack(version, false, 0),
        3 => match frame[0] & 0x06 {
            0x02 => wire::ack(wire::PUBACK, id(2 + usize::from(id(0)))),
            0x04 => wire::ack(wire::PUBREC, id(2 + usize::from(id(0)))),
            _ => Vec::new(),
        },
        5 => wire::ack(wire::PUBREL, id(0)),
        6 => wire::ack(wire::PUBCOMP, id(0)),
        8 => wire::packet(
            0x90,
            &[&body[..2], vec![0; usize::from(version == 5)].as_slice(), &codes(body, version, true)].concat(),
        ),
        10 => {
            let codes = if version == 5 { [vec![0], codes(body, version, false)].concat() } else { Vec::new() };
            wire::packet(0xb0, &[&body[..2], codes.as_slice()].concat())
        }
        12 => wire::PINGRESP.to_vec(),
        _ => Vec::new(),
    }
}

/// A success for each filter: its QoS in a SUBACK, 0 in an UNSUBACK.
fn codes(body: &[u8], version: u8, with_options: bool) -> Vec<u8> {
    let mut rest = &body[2..];
    if version == 5 {
        rest = &rest[1 + usize::from(rest[0])..];
    }
    let mut codes = Vec::new();
    while rest.len() > 2 {
        let end = 2 + usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        codes.push(if with_options { rest[end] & 3 } else { 0 });
        rest = &rest[end + usize::from(with_options)..];
    }
    codes
}

/// What one connection brought.
struct Record {
    received: Vec<u8>,
    ended: Option<Ended>,
    socket: TcpStream,
}

type Records = Arc<Mutex<Vec<Record>>>;
type Manner = Arc<dyn Fn(&[u8], u8) -> Answer + Send + Sync>;

pub(crate) struct RecordingBroker {
    pub(crate) address: SocketAddr,
    records: Records,
    stopped: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl RecordingBroker {
    pub(crate) fn polite() -> Self {
        Self::start(|frame, version| answer(polite(frame, version)))
    }

    /// `manner` is asked about each whole frame, with the protocol level of the connection's CONNECT.
    pub(crate) fn start(manner: impl Fn(&[u8], u8) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on(ports::free_port(), manner)
    }

    pub(crate) fn start_on(port: u16, manner: impl Fn(&[u8], u8) -> Answer + Send + Sync + 'static) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind(address).expect("a free port");
        let (records, stopped) = (Records::default(), Arc::new(AtomicBool::new(false)));
        let (kept, stop, manner) = (Arc::clone(&records), Arc::clone(&stopped), Arc::new(manner) as Manner);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let number = {
                    let socket = stream.try_clone().expect("a second handle");
                    let mut records = lock(&kept);
                    records.push(Record { received: Vec::new(), ended: None, socket });
                    records.len() - 1
                };
                let (kept, manner) = (Arc::clone(&kept), Arc::clone(&manner));
                std::thread::spawn(move || serve(stream, number, &kept, &manner));
            }
        });
        Self { address, records, stopped, acceptor: Some(acceptor) }
    }

    pub(crate) fn connections(&self) -> usize {
        lock(&self.records).len()
    }

    /// Every byte of one connection until now.
    pub(crate) fn received(&self, number: usize) -> Vec<u8> {
        lock(&self.records).get(number).map(|record| record.received.clone()).unwrap_or_default()
    }

    /// The frames of one connection until now.
    pub(crate) fn frames(&self, number: usize) -> Vec<Vec<u8>> {
        let mut bytes = self.received(number);
        std::iter::from_fn(|| wire::take_frame(&mut bytes)).collect()
    }

    /// Waits until this many bytes came on a connection, and gives all that came.
    pub(crate) fn wait_received(&self, number: usize, count: usize) -> Vec<u8> {
        let what = format!("{count} bytes at the broker on connection {number}");
        wait_for(&what, || Some(self.received(number)).filter(|bytes| bytes.len() >= count))
    }

    /// Waits until the peer has ended a connection.
    pub(crate) fn wait_ended(&self, number: usize) -> Ended {
        wait_for(&format!("the end of connection {number} at the broker"), || {
            lock(&self.records).get(number).and_then(|record| record.ended)
        })
    }

    /// Waits until the peer has ended every connection there was.
    pub(crate) fn wait_all_ended(&self) {
        wait_for("the end of every connection at the broker", || {
            lock(&self.records).iter().all(|record| record.ended.is_some()).then_some(())
        });
    }

    /// Sends bytes that nobody asked for.
    pub(crate) fn push(&self, number: usize, bytes: &[u8]) {
        assert!(self.try_push(number, bytes), "the gateway takes the bytes");
    }

    /// The same, unless the connection is gone.
    pub(crate) fn try_push(&self, number: usize, bytes: &[u8]) -> bool {
        let mut socket = lock(&self.records)[number].socket.try_clone().expect("a second handle");
        socket.write_all(bytes).is_ok()
    }
}

impl Drop for RecordingBroker {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for record in lock(&self.records).iter() {
            let _ = record.socket.shutdown(Shutdown::Both);
        }
    }
}

/// Takes a PROXY protocol header off the front, if there is one; none where it is not whole.
fn take_proxy_header(pending: &mut Vec<u8>) -> Option<()> {
    let end = match pending.first() {
        Some(b'P') => pending.iter().position(|byte| *byte == b'\n')? + 1,
        Some(b'\r') => 16 + usize::from(u16::from_be_bytes([*pending.get(14)?, *pending.get(15)?])),
        _ => 0,
    };
    (pending.len() >= end).then(|| drop(pending.drain(..end)))
}

fn lock(records: &Records) -> MutexGuard<'_, Vec<Record>> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: TcpStream, number: usize, records: &Records, manner: &Manner) {
    let _ = stream.set_nodelay(true);
    let (mut pending, mut version, mut chunk) = (Vec::new(), 4, vec![0; 65_536]);
    let mut begun = false;
    loop {
        let ended = match stream.read(&mut chunk) {
            Ok(0) => Some(Ended::Closed),
            Ok(count) => {
                lock(records)[number].received.extend(&chunk[..count]);
                pending.extend(&chunk[..count]);
                None
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => None,
            Err(_) => Some(Ended::Reset),
        };
        if ended.is_some() {
            lock(records)[number].ended = ended;
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        // At the beginning alone: what begins a PUBREC begins a header too.
        if !begun && take_proxy_header(&mut pending).is_none() {
            continue;
        }
        begun = true;
        while let Some(frame) = wire::take_frame(&mut pending) {
            if frame[0] >> 4 == 1 {
                let body = wire::body(&frame);
                version = body.get(2 + usize::from(body[1])).copied().unwrap_or(0);
            }
            let Answer { bytes, then } = manner(&frame, version);
            let _ = stream.write_all(&bytes);
            match then {
                Then::GoOn => {}
                Then::Stall => return,
                Then::Close => {
                    let _ = stream.shutdown(Shutdown::Both);
                    return;
                }
            }
        }
    }
}
