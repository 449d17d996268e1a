//! Clients behind a load balancer: the PROXY protocol header in front of what they send.
//!
//! Only those that the settings name may send one; whoever else begins with one is refused, and what it says is not read.

use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::config::ProxyProtocol;
use crate::proxy::{self, Addresses, Header, ProxyError};

/// Bytes that are looked at at once.
const LOOK_BYTES: usize = 512;

/// The reason of a header from somebody who may not send one.
const FORBIDDEN: &str = "proxy_header_forbidden";

/// Why a header, or what stands in its place, ends a connection: reasons of a failed handshake.
pub(super) fn reasons() -> impl Iterator<Item = &'static str> {
    ProxyError::ALL.into_iter().map(ProxyError::label).chain([FORBIDDEN])
}

/// Whether what comes from `address` may begin with a header, so that where it really comes from is not known yet.
pub(super) fn may_tell(settings: Option<&ProxyProtocol>, address: IpAddr) -> bool {
    settings.is_some_and(|settings| settings.from.iter().any(|prefix| prefix.contains(address)))
}

/// Reads the header, if there is to be one: what it says of the connection's ends. What stands behind it stays unread.
///
/// # Errors
/// A reason of a failed handshake.
pub(super) async fn ends(
    stream: &mut TcpStream,
    peer: SocketAddr,
    settings: &ProxyProtocol,
) -> Result<Option<Addresses>, &'static str> {
    let may = may_tell(Some(settings), peer.ip());
    let mut chunk = [0; LOOK_BYTES];
    if !(may && settings.required) {
        // A client that says nothing at first is refused by the same deadline further on.
        let seen = look(stream, &mut chunk).await?;
        match (proxy::begins(seen), may) {
            (false, _) => return Ok(None),
            (true, false) => return Err(FORBIDDEN),
            (true, true) => {}
        }
    }
    let mut held = Vec::new();
    loop {
        let taken = held.len();
        held.extend_from_slice(look(stream, &mut chunk).await?);
        let (header, end) = match proxy::read(&held).map_err(ProxyError::label)? {
            Some((header, end)) => (Some(header), end),
            // INVARIANT: no more than the largest header and one look are held, for more are malformed.
            None => (None, held.len()),
        };
        take(stream, chunk.get_mut(..end.saturating_sub(taken)).unwrap_or_default()).await?;
        if let Some(Header { addresses }) = header {
            return Ok(addresses);
        }
    }
}

async fn look<'c>(stream: &TcpStream, chunk: &'c mut [u8]) -> Result<&'c [u8], &'static str> {
    let seen = stream.peek(chunk).await.map_err(|_| "io")?;
    chunk.get(..seen).filter(|seen| !seen.is_empty()).ok_or("closed")
}

/// Takes bytes that have been looked at.
async fn take(stream: &mut TcpStream, bytes: &mut [u8]) -> Result<(), &'static str> {
    stream.read_exact(bytes).await.map(|_| ()).map_err(|_| "io")
}
