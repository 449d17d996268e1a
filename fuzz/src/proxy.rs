//! PROXY protocol headers: read in pieces as whole, and what is written reads back.

use std::net::{IpAddr, SocketAddr};

use tidegate::proxy::{Addresses, Header, MAX_HEADER_BYTES, MAX_WRITTEN_BYTES, TlsFacts, begins, read, write};

pub(crate) fn header(data: &[u8]) {
    in_pieces(data);
    written(data);
}

fn in_pieces(data: &[u8]) {
    let whole = read(data);
    let data = data.get(..MAX_HEADER_BYTES).unwrap_or(data);
    for len in 0..data.len() {
        let so_far = read(&data[..len]);
        match so_far {
            Ok(None) => assert!(len == 0 || begins(&data[..len])),
            // What is decided stays decided.
            Ok(Some((_, consumed))) => {
                assert!(consumed <= len);
                assert_eq!(so_far, whole);
            }
            Err(_) => assert_eq!(so_far, whole),
        }
    }
    if let Ok(Some((header, consumed))) = whole {
        assert!(consumed > 0 && consumed <= data.len());
        assert!(header.addresses.is_none_or(|ends| ends.source.ip() == ends.source.ip().to_canonical()));
    }
}

/// The input as what is told of a client.
fn written(data: &[u8]) {
    let Some((ends, rest)) = data.split_at_checked(36) else { return };
    let end = |ip: &[u8], port: &[u8]| {
        let ip = if ip[0] & 1 == 0 {
            IpAddr::from(<[u8; 4]>::try_from(&ip[..4]).unwrap())
        } else {
            IpAddr::from(<[u8; 16]>::try_from(ip).unwrap()).to_canonical()
        };
        SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]]))
    };
    let addresses = Addresses { source: end(&ends[..16], &ends[32..34]), destination: end(&ends[16..32], &ends[34..]) };
    let text = String::from_utf8_lossy(rest);
    let mut parts = text.split('\n');
    let tls = TlsFacts {
        version: "TLSv1.3",
        certificate: ends[35] & 1 == 0,
        common_name: parts.next(),
        cipher: parts.next(),
        server_name: parts.next(),
        alpn: parts.next().map(str::as_bytes),
    };
    let mut out = Vec::new();
    if write(&addresses, Some(&tls), &mut out).is_err() {
        assert!(out.is_empty() && tls.common_name.is_some_and(|name| name.len() > 300));
        return;
    }
    assert!(out.len() <= 16 + MAX_WRITTEN_BYTES);
    assert_eq!(read(&out), Ok(Some((Header { addresses: Some(addresses) }, out.len()))));
}
