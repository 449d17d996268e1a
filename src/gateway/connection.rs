//! One client's connection from accept to the end: handshake, CONNECT, dial, relay, goodbye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::admission::Slot;
use super::buffered::Buffered;
use super::record::Recorder;
use super::relay::{Ended, Relay};
use super::shared::{Drain, Port, Shared};
use super::transport::{Input, Transport};
use super::upstream::Dialled;
use super::websocket::WebSocket;
use crate::enforce::end::{Blame, Cause, End};
use crate::enforce::output::Output;
use crate::enforce::{self, Accepted, Connection, Terms};
use crate::identity::{Certificate, Identity};
use crate::metrics::Open;
use crate::tls::session::Session;

/// How long a client that gets no relay, or meets the end of the gateway, has to take the last words.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

/// A client that has been accepted.
pub(super) struct Newcomer {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) slot: Slot,
    /// Dropped when the connection is over.
    pub(super) alive: mpsc::Sender<()>,
}

/// A client whose CONNECT is permitted, and the broker that waits for it.
struct Opened {
    connection: Connection,
    client: Transport,
    dialled: Dialled,
    /// The CONNECT, as the broker gets it.
    connect: Vec<u8>,
    /// What the client sent behind its CONNECT.
    early: Vec<u8>,
}

/// Why a client got no relay, and what it is still told.
enum Setback {
    /// The handshake of TLS or WebSocket failed, or took too long.
    Handshake { reason: &'static str, client: Option<Transport> },
    /// The CONNECT was not permitted, or did not come, or led nowhere.
    Connect { end: End, identity: Identity, client: Transport, reply: Vec<u8> },
    /// The gateway drains.
    Drain,
}

/// What is held as long as a client is connected: its place, its count, and the gateway's wait for the last one.
pub(super) struct Stay {
    slot: Slot,
    _open: Open,
    _alive: mpsc::Sender<()>,
}

/// Serves one client to the end. Its opening is a future of its own, gone before the relay begins: an idle connection
/// does not carry what its opening needed.
pub(super) fn serve(
    newcomer: Newcomer,
    port: Arc<Port>,
    shared: Arc<Shared>,
    drain: Drain,
) -> impl Future<Output = ()> + Send {
    let opening = Box::pin(open(newcomer, port, shared, drain));
    async move {
        let relaying = opening.await;
        if let Some(relaying) = relaying {
            relaying.run().await;
        }
    }
}

/// A relay on its way, for whose end the gateway waits.
struct Relaying {
    relay: Box<Relay>,
    drain: Drain,
    stay: Stay,
}

async fn open(newcomer: Newcomer, port: Arc<Port>, shared: Arc<Shared>, mut drain: Drain) -> Option<Relaying> {
    let Newcomer { stream, peer, slot, alive } = newcomer;
    let mut stay = Stay { slot, _open: port.metrics.accepted(), _alive: alive };
    let accepted = Instant::now();
    let mut recorder = Recorder::new(Arc::clone(&shared), Arc::clone(&port), accepted);
    let mut buffered = Buffered::new(Arc::clone(&shared.buffered));
    let opening = Opening {
        port: &port,
        recorder: &mut recorder,
        buffered: &mut buffered,
        slot: &mut stay.slot,
        half_open: port.metrics.half_open(),
        accepted,
    };
    let opened = tokio::select! {
        biased;
        opened = opening.run(stream, peer) => opened,
        _ = drain.changed() => Err(Setback::Drain),
    };
    let Opened { connection, client, dialled, connect, early } = match opened {
        Ok(opened) => opened,
        Err(setback) => {
            refuse(setback, &port, peer, recorder).await;
            return None;
        }
    };
    let mut relay = Box::new(Relay::new(connection, client, dialled, early, recorder, buffered));
    match relay.send_connect(&connect).await {
        Ok(()) => Some(Relaying { relay, drain, stay }),
        Err(end) => {
            close(relay, end).await;
            None
        }
    }
}

impl Relaying {
    async fn run(mut self) {
        let end = loop {
            tokio::select! {
                biased;
                end = self.relay.run() => break end,
                Ok(()) = self.drain.changed() => {
                    if let Some(deadline) = *self.drain.borrow_and_update() {
                        self.relay.drain(deadline);
                    }
                }
            }
        };
        Box::pin(close(self.relay, end)).await;
        drop(self.stay);
    }
}

/// The steps from accept to a broker that waits for CONNECT.
struct Opening<'o> {
    port: &'o Port,
    recorder: &'o mut Recorder,
    buffered: &'o mut Buffered,
    slot: &'o mut Slot,
    half_open: Open,
    accepted: Instant,
}

impl Opening<'_> {
    async fn run(self, stream: TcpStream, peer: SocketAddr) -> Result<Opened, Setback> {
        let mut early = Vec::new();
        let deadline = self.accepted + self.port.deadlines.handshake;
        let mut client = match self.transport(stream) {
            Ok(client) => client,
            Err(reason) => return Err(Setback::Handshake { reason, client: None }),
        };
        let shaken = timeout_at(deadline.into(), shake_hands(&mut client, &mut early)).await;
        match shaken.unwrap_or(Err("timeout")).and_then(|()| self.certificate(&client)) {
            Ok(certificate) => {
                let identity = Identity::new(Arc::clone(&self.port.name), peer, certificate);
                self.recorder.shaken(client.tls());
                self.connect(client, early, identity).await
            }
            Err(reason) => Err(Setback::Handshake { reason, client: Some(client) }),
        }
    }

    fn transport(&self, stream: TcpStream) -> Result<Transport, &'static str> {
        let tls = match &self.port.tls {
            Some(tls) => Some(Session::server(Arc::clone(&tls.config)).map_err(|_| "internal")?),
            None => None,
        };
        Ok(Transport::new(stream, tls, self.port.upgrade.clone().map(WebSocket::new)))
    }

    /// Looks at the client's certificate, resumed session or not.
    fn certificate(&self, client: &Transport) -> Result<Option<Certificate>, &'static str> {
        let (Some(port), Some(session)) = (&self.port.tls, client.tls()) else { return Ok(None) };
        let admitted = port.guard.admit(session.peer_certificates(), SystemTime::now());
        admitted.map_err(|failure| failure.label())
    }

    /// Awaits CONNECT, asks for permission, and dials.
    async fn connect(self, mut client: Transport, mut bytes: Vec<u8>, identity: Identity) -> Result<Opened, Setback> {
        let deadline = self.accepted + self.port.deadlines.connect;
        let awaited = timeout_at(
            deadline.into(),
            await_connect(&self.port.terms, &mut client, &mut bytes, &identity, self.buffered),
        )
        .await;
        let late = Err((End::new(Cause::ConnectDeadline, Blame::Client), Vec::new()));
        let accepted = match awaited.unwrap_or(late) {
            Ok(accepted) => accepted,
            Err((end, reply)) => return Err(Setback::Connect { end, identity, client, reply }),
        };
        let Accepted { mut connection, consumed, rewritten } = *accepted;
        self.recorder.connected(connection.version(), consumed);
        self.slot.settle();
        drop(self.half_open);
        match self.port.upstream.dial(self.port.deadlines.dial).await {
            Ok(dialled) => {
                self.recorder.dialled(Arc::clone(&dialled.metrics));
                let early = bytes.split_off(consumed.min(bytes.len()));
                let connect = rewritten.unwrap_or(bytes);
                Ok(Opened { connection, client, dialled, connect, early })
            }
            Err(_) => {
                let mut output = Output::default();
                let end = connection.close(Cause::BrokerUnreachable, &mut output);
                let identity = connection.identity().clone();
                Err(Setback::Connect { end, identity, client, reply: output.back })
            }
        }
    }
}

/// Reads until there is a whole CONNECT, and asks for permission.
async fn await_connect(
    terms: &Arc<Terms>,
    client: &mut Transport,
    bytes: &mut Vec<u8>,
    identity: &Identity,
    buffered: &mut Buffered,
) -> Result<Box<Accepted>, (End, Vec<u8>)> {
    loop {
        match enforce::open(Instant::now(), bytes, terms, identity) {
            enforce::Opening::Accepted(accepted) => return Ok(accepted),
            enforce::Opening::Refused { reply, end } => return Err((end, reply)),
            enforce::Opening::More => {}
        }
        let gone = match client.read_into(bytes).await {
            Ok(Input::Wire(_) | Input::Plain) => None,
            Ok(Input::End) => Some(Cause::ClientLost),
            Err(error) => Some(error.cause().unwrap_or(Cause::ClientLost)),
        };
        if let Some(cause) = gone {
            return Err((End::new(cause, Blame::Client), Vec::new()));
        }
        if !buffered.set(bytes.capacity()) {
            return Err((End::new(Cause::Overload, Blame::Gateway), Vec::new()));
        }
    }
}

/// TLS handshake and WebSocket upgrade; MQTT that comes with their last bytes is in `early`.
async fn shake_hands(client: &mut Transport, early: &mut Vec<u8>) -> Result<(), &'static str> {
    while client.is_handshaking() || !client.is_upgraded() {
        match client.read_into(early).await {
            Ok(Input::Wire(_) | Input::Plain) => {}
            Ok(Input::End) => return Err("closed"),
            Err(error) => return Err(error.label()),
        }
    }
    Ok(())
}

/// Tells a client that it gets no relay, and closes.
async fn refuse(setback: Setback, port: &Port, peer: SocketAddr, recorder: Recorder) {
    let (client, reply) = match setback {
        Setback::Handshake { reason, client } => {
            recorder.handshake_failed(peer, reason).await;
            (client, Vec::new())
        }
        Setback::Connect { end, identity, client, reply } => {
            recorder.ended(&identity, &end).await;
            (Some(client), reply)
        }
        Setback::Drain => {
            let identity = Identity::new(Arc::clone(&port.name), peer, None);
            recorder.ended(&identity, &End::new(Cause::ShutDown, Blame::Gateway)).await;
            (None, Vec::new())
        }
    };
    if let Some(mut client) = client {
        client.finish(&reply, GOODBYE).await;
    }
}

/// Closes both sides of a relay. The broker gets no DISCONNECT but the client's own, so that it publishes the Will; and
/// for that one, and what came before it, it has as much time as for any other write.
async fn close(relay: Box<Relay>, end: End) {
    let Ended { connection, mut client, mut broker, recorder, write_deadline } = relay.into_ended();
    recorder.ended(connection.identity(), &end).await;
    drop(connection);
    tokio::join!(client.finish(&[], write_deadline), broker.finish(&[], write_deadline));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_does_not_carry_what_its_opening_and_closing_need() {
        assert!(future_bytes(serve) <= 448, "task: {}", future_bytes(serve));
        assert!(size_of::<Relay>() <= 1024, "relay: {}", size_of::<Relay>());
    }
}
