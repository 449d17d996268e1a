//! A broker that only acknowledges: CONNACK, PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, PINGRESP. It counts messages.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Result, subject};

/// A running stub with any number of addresses.
pub(crate) struct Stub {
    runtime: Handle,
    received: Arc<AtomicU64>,
}

impl Stub {
    pub(crate) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name("stub".to_owned()).spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        handle.spawn(end_with_signal());
        Ok(Self { runtime: handle, received: Arc::default() })
    }

    /// A new address on which the stub answers: one per subject, so that ephemeral ports never run out.
    pub(crate) fn listen(&self) -> Result<SocketAddr> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let received = self.received.clone();
        self.runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, received.clone()));
                }
            }
        });
        Ok(address)
    }

    /// PUBLISH packets received since the start.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }
}

/// SIGTERM or SIGINT ends the bench, and with it the proxies that it has started.
async fn end_with_signal() {
    let terminated = async {
        if let Ok(mut signals) = signal(SignalKind::terminate()) {
            signals.recv().await;
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = ctrl_c() => {}
    }
    subject::kill_all();
    std::process::exit(1);
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

async fn serve(stream: TcpStream, received: Arc<AtomicU64>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut tail = Vec::new();
    let mut answers = Vec::new();
    loop {
        stream.readable().await?;
        let read = SCRATCH.with_borrow_mut(|scratch| read(&stream, scratch, &mut tail, &mut answers));
        match read {
            Ok(None) => return Ok(()),
            Ok(Some(messages)) => _ = received.fetch_add(messages, Ordering::AcqRel),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let mut sent = 0;
        while sent < answers.len() {
            match stream.try_write(&answers[sent..]) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => stream.writable().await?,
                Err(error) => return Err(error),
            }
        }
        answers.clear();
    }
}

/// One read; `None` at its end. What is left of a packet stays in `tail`.
fn read(
    stream: &TcpStream,
    scratch: &mut [u8],
    tail: &mut Vec<u8>,
    answers: &mut Vec<u8>,
) -> std::io::Result<Option<u64>> {
    let kept = tail.len();
    scratch[..kept].copy_from_slice(tail);
    let n = stream.try_read(&mut scratch[kept..])?;
    if n == 0 {
        return Ok(None);
    }
    let bytes = &scratch[..kept + n];
    let (messages, used) = answer(bytes, answers);
    tail.clear();
    tail.extend_from_slice(&bytes[used..]);
    Ok(Some(messages))
}

/// Answers every whole packet; gives the number of messages among them and the bytes used.
fn answer(bytes: &[u8], answers: &mut Vec<u8>) -> (u64, usize) {
    let (mut messages, mut used) = (0, 0);
    while let Some((header, remaining)) = fixed_header(&bytes[used..]) {
        let Some(packet) = bytes.get(used..used + header + remaining) else { break };
        let body = &packet[header..];
        match packet[0] >> 4 {
            1 => answers.extend([0x20, 2, 0, 0]),
            3 => {
                messages += 1;
                let qos = packet[0] >> 1 & 3;
                if qos > 0 {
                    let topic = usize::from(body[0]) << 8 | usize::from(body[1]);
                    let code = if qos == 1 { 0x40 } else { 0x50 };
                    answers.extend([code, 2, body[2 + topic], body[3 + topic]]);
                }
            }
            6 => answers.extend([0x70, 2, body[0], body[1]]),
            8 => answers.extend([0x90, 3, body[0], body[1], 0]),
            10 => answers.extend([0xb0, 2, body[0], body[1]]),
            12 => answers.extend([0xd0, 0]),
            _ => {}
        }
        used += header + remaining;
    }
    (messages, used)
}

/// Length of the fixed header and Remaining Length, once both are there.
fn fixed_header(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut remaining = 0;
    for (place, byte) in bytes.get(1..)?.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((place + 2, remaining));
        }
    }
    None
}
