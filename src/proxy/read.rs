//! Headers of both versions, as they come in.

use std::net::{IpAddr, SocketAddr};

use ppp::{v1, v2};

use super::{Addresses, FIXED_BYTES, Header, SIGNATURE_V1, SIGNATURE_V2};

/// The longest line of version 1, its CRLF included (section 2.1).
const MAX_V1_BYTES: usize = 107;

/// The longest header that is read. Balancers that add a client certificate (TLV 0x28) stay below it.
pub const MAX_HEADER_BYTES: usize = 4096;

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// They begin like neither version.
    #[error("no PROXY protocol header")]
    Missing,
    /// They begin like one of the two, and go on in a way that it does not allow.
    #[error("PROXY protocol header malformed")]
    Malformed,
    /// It claims more than [`MAX_HEADER_BYTES`].
    #[error("PROXY protocol header larger than {MAX_HEADER_BYTES} bytes")]
    TooLarge,
    /// It speaks of datagrams.
    #[error("PROXY protocol header for another transport than TCP")]
    Transport,
}

impl ProxyError {
    /// Every member.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Malformed, Self::TooLarge, Self::Transport];

    /// A short stable name, for records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "proxy_header_missing",
            Self::Malformed => "proxy_header_malformed",
            Self::TooLarge => "proxy_header_too_large",
            Self::Transport => "proxy_header_transport",
        }
    }
}

/// Whether bytes are a header's, as far as they have come. Neither TLS, MQTT nor HTTP begins like one, so the first byte
/// tells.
#[must_use]
pub fn begins(input: &[u8]) -> bool {
    !input.is_empty() && (agrees(input, SIGNATURE_V1) || agrees(input, SIGNATURE_V2))
}

fn agrees(input: &[u8], signature: &[u8]) -> bool {
    input.iter().zip(signature).all(|(byte, expected)| byte == expected)
}

/// Reads the header that `input` begins with, and how many bytes it takes. `None`: all of `input` belongs to it, and more
/// must come.
///
/// # Errors
/// `input` does not begin with a header. At the first byte that can't be one's in its place, but for a line of version 1,
/// which is judged when it is whole.
pub fn read(input: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    if agrees(input, SIGNATURE_V1) {
        read_v1(input)
    } else if agrees(input, SIGNATURE_V2) {
        read_v2(input)
    } else {
        Err(ProxyError::Missing)
    }
}

fn read_v1(input: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    let window = input.get(..MAX_V1_BYTES).unwrap_or(input);
    let end = window.iter().position(|byte| *byte == b'\n');
    let line = end.and_then(|end| window.get(..=end)).unwrap_or(window);
    let text = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\r")).unwrap_or(line);
    // The standard library reads a `+` in a port, the specification does not.
    if !text.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'+') {
        return Err(ProxyError::Malformed);
    }
    if end.is_none() {
        return if window.len() < MAX_V1_BYTES { Ok(None) } else { Err(ProxyError::Malformed) };
    }
    let header = v1::Header::try_from(line).map_err(|_| ProxyError::Malformed)?;
    let addresses = match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ends) => {
            Some(of((ends.source_address, ends.source_port), (ends.destination_address, ends.destination_port)))
        }
        v1::Addresses::Tcp6(ends) => {
            Some(of((ends.source_address, ends.source_port), (ends.destination_address, ends.destination_port)))
        }
    };
    Ok(Some((Header { addresses }, line.len())))
}

fn read_v2(input: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    let rest = input.get(SIGNATURE_V2.len()..).unwrap_or_default();
    let Some((version_and_command, rest)) = rest.split_first() else { return Ok(None) };
    let local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Malformed),
    };
    let Some((family_and_transport, rest)) = rest.split_first() else { return Ok(None) };
    match family_and_transport {
        // What comes with LOCAL is not looked at (section 2.2).
        0x00..=0x02 | 0x10..=0x12 | 0x20..=0x22 | 0x30..=0x32 if local => {}
        0x00 | 0x01 | 0x11 | 0x21 | 0x31 => {}
        0x02 | 0x10 | 0x12 | 0x20 | 0x22 | 0x30 | 0x32 => return Err(ProxyError::Transport),
        _ => return Err(ProxyError::Malformed),
    }
    let Some((length, _)) = rest.split_first_chunk() else { return Ok(None) };
    let total = FIXED_BYTES + usize::from(u16::from_be_bytes(*length));
    if total > MAX_HEADER_BYTES {
        return Err(ProxyError::TooLarge);
    }
    let Some(whole) = input.get(..total) else { return Ok(None) };
    if local {
        return Ok(Some((Header { addresses: None }, total)));
    }
    let header = v2::Header::try_from(whole).map_err(|_| ProxyError::Malformed)?;
    let addresses = match header.addresses {
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
        v2::Addresses::IPv4(ends) => {
            Some(of((ends.source_address, ends.source_port), (ends.destination_address, ends.destination_port)))
        }
        v2::Addresses::IPv6(ends) => {
            Some(of((ends.source_address, ends.source_port), (ends.destination_address, ends.destination_port)))
        }
    };
    // Nothing is taken from the TLVs, but they must fill the header to its end.
    if addresses.is_some() && header.tlvs().any(|tlv| tlv.is_err()) {
        return Err(ProxyError::Malformed);
    }
    Ok(Some((Header { addresses }, total)))
}

/// IPv4 ends in the clothes of IPv6 are IPv4 ends.
fn of<A: Into<IpAddr>>(source: (A, u16), destination: (A, u16)) -> Addresses {
    let end = |(address, port): (A, u16)| SocketAddr::new(address.into().to_canonical(), port);
    Addresses { source: end(source), destination: end(destination) }
}
