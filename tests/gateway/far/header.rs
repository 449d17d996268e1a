//! A reader of PROXY protocol headers for tests alone, so that nothing of the product vouches for itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::support::process::Process;
use crate::support::{tool, wait_for};

/// What a header of version 2 says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// By type.
    pub(super) tlvs: BTreeMap<u8, Vec<u8>>,
    /// Bytes that it takes.
    pub(super) len: usize,
}

/// Reads the header that `bytes` begin with.
pub(super) fn read(bytes: &[u8]) -> Header {
    assert_eq!(&bytes[..13], b"\r\n\r\n\0\r\nQUIT\n\x21", "version 2, PROXY");
    let body = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    let body = &bytes[16..16 + body];
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let (source, destination, rest): (IpAddr, IpAddr, _) = match bytes[13] {
        0x11 => {
            let address = |at: usize| <[u8; 4]>::try_from(&body[at..at + 4]).expect("four bytes").into();
            (address(0), address(4), 8)
        }
        0x21 => {
            let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&body[at..at + 16]).expect("sixteen bytes"));
            (address(0).into(), address(16).into(), 32)
        }
        family => panic!("TCP over IPv4 or IPv6: {family:x}"),
    };
    Header {
        source: (source, port(rest)).into(),
        destination: (destination, port(rest + 2)).into(),
        tlvs: tlvs(&body[rest + 4..]),
        len: 16 + body.len(),
    }
}

/// Types and values; each type once.
pub(super) fn tlvs(mut bytes: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut found = BTreeMap::new();
    while let [kind, high, low, rest @ ..] = bytes {
        let (value, behind) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        assert!(found.insert(*kind, value.to_vec()).is_none(), "{kind:x} twice");
        bytes = behind;
    }
    assert!(bytes.is_empty());
    found
}

/// A header of version 2.
pub(super) fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a short body").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &length, body].concat()
}

/// One that tells of TCP over IPv4.
pub(super) fn tcp4(source: [u8; 4], port: u16) -> Vec<u8> {
    v2(0x21, 0x11, &[&source[..], &[198, 51, 100, 1], &port.to_be_bytes(), &8883_u16.to_be_bytes()].concat())
}

/// HAProxy between `front` and `back`; each may have options, such as `accept-proxy` and `send-proxy`.
pub(super) fn haproxy(folder: &Path, front: (SocketAddr, &str), back: (SocketAddr, &str)) -> Process {
    let file = |ending: &str| folder.join(format!("haproxy-{}.{ending}", front.0.port()));
    let text = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         listen it\n bind {} {}\n server it {} {}\n",
        front.0, front.1, back.0, back.1
    );
    std::fs::write(file("cfg"), text).expect("settings");
    let mut command = Command::new(tool("haproxy", "haproxy"));
    command.arg("-db").arg("-f").arg(file("cfg"));
    let process = Process::start("haproxy", command, &file("log"));
    wait_for("haproxy", || TcpStream::connect(front.0).ok());
    process
}
