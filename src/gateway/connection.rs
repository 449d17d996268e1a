//! One client's connection from accept to the end: handshake, CONNECT, dial, relay, goodbye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use super::admission::{self, Slot};
use super::admit::{Admitted, admit};
use super::authenticate::{Means, Proof};
use super::buffered::Buffered;
use super::detect::{self, Guest};
use super::handshakes::{Handshakes, Overrun, Rank};
use super::proxied;
use super::record::Recorder;
use super::relay::{Ended, Relay};
use super::shared::{Live, Port, Shared, Words, drained};
use super::transport::{Input, Transport, TransportError};
use super::upstream::Dialled;
use super::websocket::WebSocket;
use crate::enforce::end::{Blame, Cause, End};
use crate::enforce::output::Output;
use crate::enforce::{self, Accepted, Connection, Refusal, Terms};
use crate::identity::{Certificate, Identity};
use crate::metrics::Open;
use crate::proxy::Addresses;
use crate::store::Offence;
use crate::tls::failure::HandshakeFailure;
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
    connect: Zeroizing<Vec<u8>>,
    /// What the client sent behind its CONNECT.
    early: Vec<u8>,
    proof: Proof,
    guest: Box<Guest>,
}

/// Why a client got no relay, and what it is still told.
enum Setback {
    /// A bound on connections from where a load balancer says that it comes from, or on handshakes that wait.
    Bound { reason: &'static str },
    /// The handshake of TLS or WebSocket failed, or took too long.
    Handshake { reason: &'static str, client: Option<Transport> },
    /// The CONNECT was not permitted, or did not come, or led nowhere.
    Connect { end: Box<End>, identity: Box<Identity>, client: Transport, reply: Vec<u8> },
    /// The gateway drains.
    Drain,
}

impl Setback {
    fn connect(end: End, identity: Identity, client: Transport, reply: Vec<u8>) -> Self {
        Self::Connect { end: Box::new(end), identity: Box::new(identity), client, reply }
    }
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
    words: Words,
) -> impl Future<Output = ()> + Send {
    let opening = Box::pin(open(newcomer, port, shared, words));
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
    guest: Box<Guest>,
    words: Words,
    stay: Stay,
}

async fn open(newcomer: Newcomer, port: Arc<Port>, shared: Arc<Shared>, mut words: Words) -> Option<Relaying> {
    let Newcomer { stream, mut peer, slot, alive } = newcomer;
    let mut stay = Stay { slot, _open: port.metrics.accepted(), _alive: alive };
    let accepted = Instant::now();
    let live = port.live.load_full();
    let mut recorder = Recorder::new(Arc::clone(&shared), Arc::clone(&port), Arc::clone(&live), accepted);
    let mut buffered = Buffered::new(Arc::clone(&shared.buffered));
    let opening = Opening {
        name: &port.name,
        shared: &shared,
        means: Means { metrics: &port.metrics, pool: &shared.passwords, detectors: &shared.detectors },
        live: &live,
        recorder: &mut recorder,
        buffered: &mut buffered,
        slot: &mut stay.slot,
        peer: &mut peer,
        half_open: port.metrics.half_open(),
        accepted,
    };
    let opened = tokio::select! {
        biased;
        opened = opening.run(stream) => opened,
        _ = drained(&mut words) => Err(Setback::Drain),
    };
    let Opened { connection, client, dialled, connect, early, proof, guest } = match opened {
        Ok(opened) => opened,
        Err(setback) => {
            refuse(setback, &port, peer, recorder).await;
            return None;
        }
    };
    let member = shared.census.join();
    let mut relay = Box::new(Relay::new(connection, client, dialled, early, recorder, buffered, member));
    relay.proof = proof;
    // What was put in force while it opened is not told again.
    relay.catch_up();
    match relay.send_connect(&connect).await {
        Ok(()) => Some(Relaying { relay, guest, words, stay }),
        Err(end) => {
            close(relay, guest, end).await;
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
                Ok(()) = self.words.changed() => {
                    let word = *self.words.borrow_and_update();
                    if let Some(deadline) = word.drain {
                        self.relay.drain(deadline);
                    }
                    self.relay.hear(&word);
                }
            }
        };
        Box::pin(close(self.relay, self.guest, end)).await;
        drop(self.stay);
    }
}

/// The steps from accept to a broker that waits for CONNECT.
struct Opening<'o> {
    name: &'o Arc<str>,
    shared: &'o Shared,
    means: Means<'o>,
    live: &'o Live,
    recorder: &'o mut Recorder,
    buffered: &'o mut Buffered,
    slot: &'o mut Slot,
    /// Where the client dialled from, as far as it is known.
    peer: &'o mut SocketAddr,
    half_open: Open,
    accepted: Instant,
}

impl Opening<'_> {
    async fn run(mut self, mut stream: TcpStream) -> Result<Opened, Setback> {
        let mut early = Zeroizing::new(Vec::new());
        let deadline = self.accepted + self.live.deadlines.handshake;
        let told = timeout_at(deadline.into(), self.told(&mut stream)).await;
        let dialled = told.unwrap_or(Err(Setback::Handshake { reason: "timeout", client: None }))?;
        let mut client = match self.transport(stream) {
            Ok(client) => client,
            Err(reason) => return Err(Setback::Handshake { reason, client: None }),
        };
        let is_known = self.shared.store.known_good(self.peer.ip(), Instant::now());
        let mut queueing = Queueing { handshakes: &self.shared.handshakes, is_known, waits: false, has_begun: false };
        let shaken = timeout_at(deadline.into(), shake_hands(&mut client, &mut early, &mut queueing)).await;
        let shaken = match shaken {
            Ok(Err(Unshaken::Overrun)) => return Err(Setback::Bound { reason: Overrun::LABEL }),
            // It is not the client that was slow.
            Err(_) if queueing.waits => return Err(Setback::Bound { reason: Overrun::LABEL }),
            Ok(Err(Unshaken::Failed("closed" | "io"))) if queueing.has_begun => Err("aborted"),
            Ok(Err(Unshaken::Failed(reason))) => Err(reason),
            Err(_) => Err("timeout"),
            Ok(Ok(())) => Ok(()),
        };
        match shaken.and_then(|()| self.certificate(&client)) {
            Ok(certificate) => {
                let identity = Identity::new(Arc::clone(self.name), *self.peer, certificate);
                self.recorder.shaken(client.tls());
                self.connect(client, dialled, early, identity).await
            }
            Err(reason) => Err(Setback::Handshake { reason, client: Some(client) }),
        }
    }

    /// Hears a load balancer out: for whom it dials, and which address that one dialled, if it says so.
    async fn told(&mut self, stream: &mut TcpStream) -> Result<Option<SocketAddr>, Setback> {
        let ends = match &self.live.proxy_protocol {
            None => Ok(None),
            Some(settings) => proxied::ends(stream, *self.peer, settings).await,
        };
        let ends = ends.map_err(|reason| Setback::Handshake { reason, client: None })?;
        if let Some(Addresses { source, .. }) = ends {
            *self.peer = source;
        }
        if !self.slot.is_known() {
            if !self.recorder.has_room_for(self.peer.ip()) {
                return Err(Setback::Bound { reason: admission::Refusal::Overload.label() });
            }
            let judged = self.live.sources.judge(self.peer.ip(), Instant::now());
            judged.map_err(|barred| Setback::Bound { reason: barred.label() })?;
            let counted = self.slot.known(self.peer.ip());
            counted.map_err(|bound| Setback::Bound { reason: bound.label() })?;
        }
        Ok(ends.map(|ends| ends.destination))
    }

    fn transport(&self, stream: TcpStream) -> Result<Transport, &'static str> {
        let tls = match &self.live.tls {
            Some(tls) => Some(Session::server(Arc::clone(&tls.config)).map_err(|_| "internal")?),
            None => None,
        };
        Ok(Transport::new(stream, tls, self.live.upgrade.clone().map(WebSocket::new)))
    }

    /// Looks at the client's certificate, resumed session or not.
    fn certificate(&self, client: &Transport) -> Result<Option<Certificate>, &'static str> {
        let (Some(port), Some(session)) = (&self.live.tls, client.tls()) else { return Ok(None) };
        let admitted = port.guard.admit(session.peer_certificates(), SystemTime::now());
        admitted.map_err(|failure| failure.label())
    }

    /// What is in force when the CONNECT is there, which is what it is judged by. Where that is not what the handshake
    /// went by, the certificate is looked at again.
    fn in_force(&mut self, client: &Transport) -> Result<Arc<Live>, &'static str> {
        let live = self.recorder.port().live.load_full();
        if !Arc::ptr_eq(&live, self.recorder.live()) {
            if let Some(tls) = &live.tls {
                let before = self.live.tls.as_ref().map(|tls| &*tls.guard);
                let chain = client.tls().and_then(Session::peer_certificates);
                let judged = tls.guard.judge_again(before, chain, SystemTime::now());
                judged.map_err(HandshakeFailure::label)?;
            }
            self.recorder.adopt(Arc::clone(&live));
        }
        Ok(live)
    }

    /// Awaits CONNECT, finds out who asks, asks for permission, and dials. `dialled` is what a load balancer says that the
    /// client dialled.
    async fn connect(
        mut self,
        mut client: Transport,
        dialled: Option<SocketAddr>,
        mut bytes: Zeroizing<Vec<u8>>,
        identity: Identity,
    ) -> Result<Opened, Setback> {
        let deadline = self.accepted + self.live.deadlines.connect;
        let awaited = await_connect(&self.live.terms, &mut client, &mut bytes, self.buffered);
        let late = Err(End::new(Cause::ConnectDeadline, Blame::Client));
        if let Err(end) = timeout_at(deadline.into(), awaited).await.unwrap_or(late) {
            return Err(Setback::connect(end, identity, client, Vec::new()));
        }
        let live = match self.in_force(&client) {
            Ok(live) => live,
            Err(reason) => return Err(Setback::Handshake { reason, client: Some(client) }),
        };
        if let enforce::Opening::Asking(asking) = enforce::open(&bytes, &live.terms) {
            self.recorder.asked(asking.connect.version, asking.consumed);
        }
        let admitted = admit(&live, &self.means, &client, dialled, &bytes, identity).await;
        let Admitted { accepted, consumed, call, proof, guest } = match admitted {
            Ok(admitted) => *admitted,
            Err((Refusal { reply, end }, identity)) => {
                if detect::of_end(&end) == Some(Offence::FailedAuthentications) {
                    self.means.detectors.slow_down(&live.limits, self.peer.ip()).await;
                }
                return Err(Setback::connect(end, identity, client, reply));
            }
        };
        let Accepted { mut connection, rewritten } = accepted;
        self.recorder.connected(connection.version());
        self.slot.settle();
        drop(self.half_open);
        self.recorder.let_in(connection.identity());
        match live.upstream.dial(live.deadlines.dial, &call).await {
            Ok(dialled) => {
                self.recorder.dialled(Arc::clone(&dialled.metrics));
                let whole = consumed.min(bytes.len());
                let early = bytes.split_off(whole);
                let connect = rewritten.unwrap_or(bytes);
                Ok(Opened { connection, client, dialled, connect, early, proof, guest })
            }
            Err(_) => {
                let mut output = Output::default();
                let end = connection.close(Cause::BrokerUnreachable, &mut output);
                self.recorder.events(connection.identity(), &mut output);
                let identity = connection.identity().clone();
                Err(Setback::connect(end, identity, client, output.back))
            }
        }
    }
}

/// Reads until there is a whole CONNECT, or what can't be one.
async fn await_connect(
    terms: &Terms,
    client: &mut Transport,
    bytes: &mut Vec<u8>,
    buffered: &mut Buffered,
) -> Result<(), End> {
    while let enforce::Opening::More = enforce::open(bytes, terms) {
        let gone = match client.read_into(bytes).await {
            Ok(Input::Wire(_) | Input::Plain) => None,
            Ok(Input::End) => Some(Cause::ClientLost),
            Err(error) => Some(error.cause().unwrap_or(Cause::ClientLost)),
        };
        if let Some(cause) = gone {
            return Err(End::new(cause, Blame::Client));
        }
        if !buffered.set(bytes.capacity()) {
            return Err(End::new(Cause::Overload, Blame::Gateway));
        }
    }
    Ok(())
}

/// A handshake's way to its turns.
struct Queueing<'h> {
    handshakes: &'h Handshakes,
    is_known: bool,
    /// It waits for its turn.
    waits: bool,
    /// It has had one.
    has_begun: bool,
}

/// Why there is no handshake.
enum Unshaken {
    Failed(&'static str),
    /// Too many wait for their turn.
    Overrun,
}

impl From<TransportError> for Unshaken {
    fn from(error: TransportError) -> Self {
        Self::Failed(error.label())
    }
}

impl From<Overrun> for Unshaken {
    fn from(Overrun: Overrun) -> Self {
        Self::Overrun
    }
}

/// TLS handshake and WebSocket upgrade; MQTT that comes with their last bytes is in `early`.
async fn shake_hands(client: &mut Transport, early: &mut Vec<u8>, queueing: &mut Queueing<'_>) -> Result<(), Unshaken> {
    let mut rank = if queueing.is_known { Rank::Known } else { Rank::Stranger };
    while client.is_handshaking() {
        if !client.gather().await? {
            return Err(Unshaken::Failed("closed"));
        }
        queueing.waits = true;
        let turn = queueing.handshakes.turn(rank).await?;
        queueing.waits = false;
        // Nothing is computed for whoever could not wait, nor is it held against its address. Later it may be the last words.
        if !queueing.has_begun && client.has_left().await {
            return Err(Unshaken::Failed("closed"));
        }
        queueing.has_begun = true;
        if let Input::End = client.work(early).await? {
            return Err(Unshaken::Failed("closed"));
        }
        drop(turn);
        rank = rank.min(Rank::Begun);
    }
    while !client.is_upgraded() {
        if let Input::End = client.read_into(early).await? {
            return Err(Unshaken::Failed("closed"));
        }
    }
    Ok(())
}

/// Tells a client that it gets no relay, and closes.
async fn refuse(setback: Setback, port: &Port, peer: SocketAddr, mut recorder: Recorder) {
    match &setback {
        Setback::Connect { end, identity, .. } => {
            if let Some(offence) = detect::of_end(end) {
                recorder.offended(offence, identity, false).await;
            }
        }
        // Without a client it was a load balancer.
        Setback::Handshake { reason, client: Some(_) } => {
            if let Some(offence) = detect::of_handshake(reason) {
                let identity = Identity::new(Arc::clone(&port.name), peer, None);
                recorder.offended(offence, &identity, false).await;
            }
        }
        Setback::Handshake { client: None, .. } | Setback::Bound { .. } | Setback::Drain => {}
    }
    let (client, reply) = match setback {
        Setback::Bound { reason } => {
            recorder.not_accepted(peer, reason).await;
            (None, Vec::new())
        }
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
async fn close(relay: Box<Relay>, guest: Box<Guest>, end: End) {
    let Ended { connection, mut client, mut broker, mut recorder, write_deadline } = relay.into_ended();
    guest.leave(&recorder.live().limits, connection.identity(), &end, Instant::now());
    if let Some(offence) = detect::of_end(&end) {
        recorder.offended(offence, connection.identity(), true).await;
    } else if detect::is_guess(&end, connection.identity()) && recorder.live().upstream.far.passes_credentials() {
        recorder.offended(Offence::FailedAuthentications, connection.identity(), false).await;
    }
    recorder.let_in(connection.identity());
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
        assert!(size_of::<Relay>() <= 1152, "relay: {}", size_of::<Relay>());
    }
}
