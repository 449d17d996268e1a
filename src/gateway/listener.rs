//! Accepting clients at one address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::Error;
use super::admission::{Refusal, Slot};
use super::connection::{self, Newcomer};
use super::proxied;
use super::shared::{Port, Shared, Words, drained};
use super::socket::{self, TcpOptions};
use super::sources::Barred;
use crate::metrics::AcceptError;

/// After a failed accept, the first wait; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest wait after a failed accept: what was short (descriptors, memory) comes back when connections end.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connections that are accepted before others get their turn.
const BATCH: usize = 32;

/// One bound address.
pub(super) struct Listener {
    socket: TcpListener,
    port: Arc<Port>,
    /// What accepted sockets take over from this one.
    tcp: TcpOptions,
}

impl Listener {
    pub(super) fn bind(port: Arc<Port>, address: SocketAddr) -> Result<Self, Error> {
        let tcp = port.live.load().tcp;
        let socket = socket::listen(address, &tcp).map_err(|source| Error::Bind {
            name: port.name.to_string(),
            address,
            source,
        })?;
        tracing::info!(listener = %port.name, %address, tls = port.live.load().tls.is_some(), "listening");
        Ok(Self { socket, port, tcp })
    }

    /// Accepts until the gateway drains. `alive` is held by every connection, so that the last one to end can be awaited.
    ///
    /// INVARIANT: nothing in here waits for a peer, a queue or a file, or one flood would keep everybody out.
    pub(super) async fn accept(mut self, shared: Arc<Shared>, mut words: Words, alive: mpsc::Sender<()>) {
        let mut pause = FIRST_PAUSE;
        let lobby = Lobby { shared, words: words.clone(), alive };
        loop {
            let accepted = tokio::select! {
                biased;
                _ = drained(&mut words) => return,
                accepted = self.accept_some(&lobby) => accepted,
            };
            match accepted {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    // A client that was gone before it was accepted is no reason to make the next one wait.
                    if self.port.metrics.accept_failed(&error) != AcceptError::Aborted {
                        tracing::warn!(listener = %self.port.name, %error, ?pause, "accept failed, waiting");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
        }
    }

    /// Waits for connections, and lets in or turns away as many as there are.
    async fn accept_some(&mut self, lobby: &Lobby) -> io::Result<()> {
        let (stream, peer) = self.socket.accept().await?;
        self.admit(stream, canonical(peer), lobby, Ok)?;
        for _ in 1..BATCH {
            match socket::accept_another(&self.socket) {
                Ok((stream, peer)) => self.admit(stream, canonical(peer), lobby, |stream| {
                    stream.set_nonblocking(true)?;
                    TcpStream::from_std(stream)
                })?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Has accepted sockets take over what a reload has put in force, this one too.
    fn follow(&mut self, accepted: &TcpStream) {
        let tcp = self.port.live.load().tcp;
        if tcp == self.tcp {
            return;
        }
        self.tcp = tcp;
        let applied = socket::configure(&self.socket, &tcp).and_then(|()| socket::configure(accepted, &tcp));
        if let Err(error) = applied {
            tracing::warn!(listener = %self.port.name, %error, "can't set the options of sockets");
        }
    }

    /// Gives a connection a task of its own, or closes it. What is turned away the runtime need not know.
    fn admit<S: AsFd>(
        &mut self,
        stream: S,
        peer: SocketAddr,
        lobby: &Lobby,
        registered: impl FnOnce(S) -> io::Result<TcpStream>,
    ) -> io::Result<()> {
        match self.place(peer, &lobby.shared) {
            Ok(slot) => {
                let stream = registered(stream)?;
                self.follow(&stream);
                let newcomer = Newcomer { stream, peer, slot, alive: lobby.alive.clone() };
                let (port, shared) = (Arc::clone(&self.port), Arc::clone(&lobby.shared));
                tokio::spawn(connection::serve(newcomer, port, shared, lobby.words.clone()));
            }
            Err(reason) => {
                socket::turn_away(stream);
                self.port.metrics.refused(reason);
                lobby.shared.not_accepted(&self.port.name, peer, reason);
            }
        }
        Ok(())
    }

    /// A place for a connection, where there is one for whoever dials from there. Whom a load balancer dials for is not known yet.
    fn place(&self, peer: SocketAddr, shared: &Shared) -> Result<Slot, &'static str> {
        let live = self.port.live.load();
        let address = (!proxied::may_tell(live.proxy_protocol.as_ref(), peer.ip())).then(|| peer.ip());
        if let Some(address) = address {
            live.sources.judge(address, Instant::now()).map_err(Barred::label)?;
        }
        let door = &self.port.door;
        let is_known_good = || address.is_none_or(|address| shared.store.known_good(address, Instant::now()));
        if !shared.pressure.admits(door.open_in_all(), is_known_good) {
            return Err(Refusal::Overload.label());
        }
        door.enter(address).map_err(Refusal::label)
    }
}

/// What all accepted connections get.
struct Lobby {
    shared: Arc<Shared>,
    words: Words,
    alive: mpsc::Sender<()>,
}

/// An IPv4 client of a socket for both families by the address that it is known by.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(v4) => (v4, peer.port()).into(),
        IpAddr::V6(_) => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_client_is_known_by_its_ipv4_address() {
        for (seen, known) in [
            ("[::ffff:192.0.2.7]:5000", "192.0.2.7:5000"),
            ("192.0.2.7:5000", "192.0.2.7:5000"),
            ("[fe80::1%2]:5000", "[fe80::1%2]:5000"),
        ] {
            assert_eq!(canonical(seen.parse().unwrap()), known.parse().unwrap());
        }
    }
}
