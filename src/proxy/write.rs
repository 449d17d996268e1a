//! Headers as they go out to a broker.

use std::net::{IpAddr, Ipv6Addr};

use super::{Addresses, FIXED_BYTES, SIGNATURE_V2};

/// The most bytes behind the fixed part of a header, addresses included: Mosquitto 2.1 takes no more.
pub const MAX_WRITTEN_BYTES: usize = 500;

/// Version 2, LOCAL.
const LOCAL: u8 = 0x20;
/// Version 2, PROXY.
const PROXY: u8 = 0x21;
/// TCP over IPv4 and IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

const TYPE_ALPN: u8 = 0x01;
const TYPE_AUTHORITY: u8 = 0x02;
const TYPE_SSL: u8 = 0x20;
const SUBTYPE_SSL_VERSION: u8 = 0x21;
const SUBTYPE_SSL_CN: u8 = 0x22;
const SUBTYPE_SSL_CIPHER: u8 = 0x23;

/// The client speaks TLS.
const CLIENT_SSL: u8 = 0x01;
/// It has shown a certificate, on this connection and in this TLS session: Mosquitto and HAProxy go by the session.
const CLIENT_CERTIFICATE: u8 = 0x02 | 0x04;

/// What is said of the client's TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts<'a> {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'a str,
    /// Name of the cipher suite.
    pub cipher: Option<&'a str>,
    /// The client has shown a certificate, and it is verified.
    pub certificate: bool,
    /// Its one Common Name.
    pub common_name: Option<&'a str>,
    /// The name that the client asked for (SNI).
    pub server_name: Option<&'a str>,
    /// The application protocol agreed on.
    pub alpn: Option<&'a [u8]>,
}

/// The Common Name leaves no room: brokers would take the client for one without a certificate's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PROXY protocol header larger than {MAX_WRITTEN_BYTES} bytes")]
pub struct TooLong;

/// Appends a header of version 2 to `out`. It must go out in one write: FlashMQ and Mosquitto want it in one piece.
///
/// # Errors
/// With a Common Name of several hundred bytes; nothing is appended then. ALPN, server name and cipher suite are left out
/// where they have no room.
pub fn write(addresses: &Addresses, tls: Option<&TlsFacts<'_>>, out: &mut Vec<u8>) -> Result<(), TooLong> {
    let mut body = Vec::with_capacity(MAX_WRITTEN_BYTES);
    let family = write_addresses(addresses, &mut body);
    if let Some(tls) = tls {
        write_tls(tls, &mut body)?;
        for (kind, value) in [(TYPE_ALPN, tls.alpn), (TYPE_AUTHORITY, tls.server_name.map(str::as_bytes))] {
            if let Some(value) = value {
                // Without it the header says less, and nothing wrong.
                let _ = append(kind, &[value], &mut body);
            }
        }
    }
    let length = u16::try_from(body.len()).map_err(|_| TooLong)?;
    out.reserve(FIXED_BYTES + body.len());
    out.extend_from_slice(SIGNATURE_V2);
    out.extend_from_slice(&[PROXY, family]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&body);
    Ok(())
}

/// Appends a header of version 2 that says no more than that whoever dials speaks for itself.
pub fn write_local(out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE_V2);
    out.extend_from_slice(&[LOCAL, 0, 0, 0]);
}

/// The same in version 1, which has no word for it but that it is unknown for whom is dialled.
pub fn write_v1_unknown(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PROXY UNKNOWN\r\n");
}

/// Appends a header of version 1, which tells the addresses alone. It must go out in one write.
pub fn write_v1(addresses: &Addresses, out: &mut Vec<u8>) {
    let Addresses { source, destination } = addresses;
    let (family, from, to) = match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ("TCP4", IpAddr::V4(from), IpAddr::V4(to)),
        (from, to) => ("TCP6", as_ipv6(from).into(), as_ipv6(to).into()),
    };
    let line = format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port());
    out.extend_from_slice(line.as_bytes());
}

/// Both ends in one family: where they differ, in IPv6.
fn write_addresses(addresses: &Addresses, body: &mut Vec<u8>) -> u8 {
    let Addresses { source, destination } = addresses;
    let family = match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            body.extend_from_slice(&source.octets());
            body.extend_from_slice(&destination.octets());
            TCP4
        }
        (source, destination) => {
            body.extend_from_slice(&as_ipv6(source).octets());
            body.extend_from_slice(&as_ipv6(destination).octets());
            TCP6
        }
    };
    body.extend_from_slice(&source.port().to_be_bytes());
    body.extend_from_slice(&destination.port().to_be_bytes());
    family
}

fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn write_tls(tls: &TlsFacts<'_>, body: &mut Vec<u8>) -> Result<(), TooLong> {
    let client = CLIENT_SSL | if tls.certificate { CLIENT_CERTIFICATE } else { 0 };
    // Zero is a certificate that was shown and verified.
    let verify = u32::from(!tls.certificate);
    let mut inner = Vec::new();
    append(SUBTYPE_SSL_VERSION, &[tls.version.as_bytes()], &mut inner)?;
    if let Some(name) = tls.common_name.filter(|_| tls.certificate) {
        append(SUBTYPE_SSL_CN, &[name.as_bytes()], &mut inner)?;
    }
    let parts = |inner: &[u8], body: &mut Vec<u8>| append(TYPE_SSL, &[&[client], &verify.to_be_bytes(), inner], body);
    let needed = inner.len();
    if let Some(cipher) = tls.cipher {
        let _ = append(SUBTYPE_SSL_CIPHER, &[cipher.as_bytes()], &mut inner);
    }
    parts(&inner, body).or_else(|TooLong| parts(inner.get(..needed).unwrap_or_default(), body))
}

/// Appends a TLV, or nothing where it has no room.
fn append(kind: u8, value: &[&[u8]], body: &mut Vec<u8>) -> Result<(), TooLong> {
    let len: usize = value.iter().map(|part| part.len()).sum();
    let length = u16::try_from(len).map_err(|_| TooLong)?;
    if body.len() + 3 + len > MAX_WRITTEN_BYTES {
        return Err(TooLong);
    }
    body.push(kind);
    body.extend_from_slice(&length.to_be_bytes());
    value.iter().for_each(|part| body.extend_from_slice(part));
    Ok(())
}
