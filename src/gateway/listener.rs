//! Accepting clients at one address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::Error;
use super::connection::{self, Newcomer};
use super::proxied;
use super::shared::{Port, Shared, Words, drained};
use super::socket::{self, TcpOptions};
use crate::audit;
use crate::metrics::AcceptError;

/// After a failed accept, the first wait; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest wait after a failed accept: what was short (descriptors, memory) comes back when connections end.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    pub(super) async fn accept(mut self, shared: Arc<Shared>, mut words: Words, alive: mpsc::Sender<()>) {
        let mut pause = FIRST_PAUSE;
        let handed_on = words.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = drained(&mut words) => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = FIRST_PAUSE;
                    let peer = canonical(peer);
                    self.follow(&stream);
                    tokio::select! {
                        biased;
                        () = self.admit(stream, peer, &shared, &handed_on, &alive) => {}
                        // The record of a refusal waits for room as long as the gateway runs.
                        _ = drained(&mut words) => return,
                    }
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

    async fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        shared: &Arc<Shared>,
        words: &Words,
        alive: &mpsc::Sender<()>,
    ) {
        let is_itself = !proxied::may_tell(self.port.live.load().proxy_protocol.as_ref(), peer.ip());
        match self.port.door.enter(is_itself.then(|| peer.ip())) {
            Ok(slot) => {
                let newcomer = Newcomer { stream, peer, slot, alive: alive.clone() };
                let (port, shared) = (Arc::clone(&self.port), Arc::clone(shared));
                tokio::spawn(connection::serve(newcomer, port, shared, words.clone()));
            }
            Err(refusal) => {
                drop(stream);
                self.port.metrics.refused(refusal.label());
                let record = audit::not_accepted(&self.port.name, peer, refusal.label(), SystemTime::now());
                shared.audit.send(record).await;
            }
        }
    }
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
