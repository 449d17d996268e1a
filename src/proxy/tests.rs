use super::*;

fn addresses(source: &str, destination: &str) -> Addresses {
    Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

/// A header of version 2 from what stands behind its signature.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE_V2.as_slice(), &[command, family], &length, body].concat()
}

const V4_ENDS: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0xC3, 0x50, 0x22, 0xB3];

fn v6_ends() -> Vec<u8> {
    let mut ends = Vec::new();
    for end in ["2001:db8::7", "2001:db8::1"] {
        ends.extend_from_slice(&end.parse::<std::net::Ipv6Addr>().unwrap().octets());
    }
    ends.extend_from_slice(&[0xC3, 0x50, 0x22, 0xB3]);
    ends
}

fn tlvs(tlvs: &[u8]) -> Vec<u8> {
    [V4_ENDS, tlvs].concat()
}

/// Byte by byte, whole, and with more behind it: the same header of the same length.
fn holds(bytes: &[u8], expected: Option<Addresses>) {
    let header = Header { addresses: expected };
    for len in 0..bytes.len() {
        assert_eq!(read(&bytes[..len]), Ok(None), "{len} of {}", bytes.escape_ascii());
        assert!(len == 0 || begins(&bytes[..len]));
    }
    assert_eq!(read(bytes), Ok(Some((header, bytes.len()))), "{}", bytes.escape_ascii());
    let more = [bytes, b"\x10PROXY \r\n\r\n"].concat();
    assert_eq!(read(&more), Ok(Some((header, bytes.len()))), "{}", bytes.escape_ascii());
}

#[test]
fn headers_are_read_whole_or_byte_by_byte_and_nothing_behind_them() {
    let v4 = Some(addresses("192.0.2.7:50000", "10.0.0.1:8883"));
    let v6 = Some(addresses("[2001:db8::7]:50000", "[2001:db8::1]:8883"));
    holds(b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 8883\r\n", v4);
    holds(b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 8883\r\n", v6);
    holds(b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 50000 8883\r\n", v4);
    holds(
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n",
        Some(addresses("255.255.255.255:65535", "255.255.255.255:0")),
    );
    holds(&v2(0x21, 0x11, V4_ENDS), v4);
    holds(&v2(0x21, 0x21, &v6_ends()), v6);
    holds(&v2(0x21, 0x11, &tlvs(&[0x01, 0, 4, b'm', b'q', b't', b't', 0x04, 0, 0, 0xE0, 0, 1, 9])), v4);
    let certificate = [&[0x28, 0x0E, 0x00][..], &[7; 0x0E00]].concat();
    holds(&v2(0x21, 0x11, &tlvs(&certificate)), v4);
}

#[test]
fn a_header_without_an_address_leaves_the_sockets_own() {
    holds(b"PROXY UNKNOWN\r\n", None);
    holds(b"PROXY UNKNOWN 192.0.2.7 10.0.0.1 50000 8883\r\n", None);
    holds(&v2(0x20, 0x00, &[]), None);
    holds(&v2(0x20, 0x11, V4_ENDS), None);
    holds(&v2(0x20, 0x11, &[1, 2, 3]), None);
    holds(&v2(0x21, 0x00, &[]), None);
    holds(&v2(0x21, 0x01, &[1, 2, 3]), None);
    holds(&v2(0x21, 0x31, &[b'/'; 216]), None);
}

#[test]
fn what_is_no_header_is_refused_with_its_reason() {
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat();
    let missing: [&[u8]; 6] =
        [b"\x10\x0e\0\x04MQTT", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b"proxy TCP4 ", b"PROXYTCP4", b"\r\n\r\nQ"];
    for bytes in missing {
        assert_eq!(read(bytes), Err(ProxyError::Missing), "{}", bytes.escape_ascii());
        assert!(!begins(bytes), "{}", bytes.escape_ascii());
    }
    let malformed: [&[u8]; 22] = [
        &long,
        b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 8883\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 8883\r \n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 50000\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 8883 1\r\n",
        b"PROXY TCP4  192.0.2.7 10.0.0.1 50000 8883\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 65536\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 +5000 8883\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 050000 8883\r\n",
        b"PROXY TCP4 192.0.2.07 10.0.0.1 50000 8883\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 50000 8883\r\n",
        b"PROXY TCP6 192.0.2.7 10.0.0.1 50000 8883\r\n",
        b"PROXY TCP6 fe80::1%1 fe80::2 50000 8883\r\n",
        b"PROXY UDP4 192.0.2.7 10.0.0.1 50000 8883\r\n",
        b"PROXY UNKNOWN \x1b[2J\r\n",
        b"PROXY unknown\r\n",
        &v2(0x11, 0x11, V4_ENDS),
        &v2(0x22, 0x11, V4_ENDS),
        &v2(0x21, 0x41, V4_ENDS),
        &v2(0x21, 0x11, &V4_ENDS[..11]),
        &v2(0x21, 0x21, V4_ENDS),
        &v2(0x21, 0x11, &tlvs(&[0x01, 0, 4, b'm', b'q'])),
    ];
    for bytes in malformed {
        assert_eq!(read(bytes), Err(ProxyError::Malformed), "{}", bytes.escape_ascii());
    }
    assert_eq!(read(&v2(0x21, 0x11, &tlvs(&[0x01, 0]))), Err(ProxyError::Malformed));
    for family in [0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x32] {
        assert_eq!(read(&v2(0x21, family, &v6_ends())), Err(ProxyError::Transport), "{family:x}");
    }
    let over = u16::try_from(MAX_HEADER_BYTES - FIXED_BYTES + 1).unwrap().to_be_bytes();
    let claims = [SIGNATURE_V2.as_slice(), &[0x21, 0x11], &over].concat();
    assert_eq!(read(&claims), Err(ProxyError::TooLarge), "before any of it has come");
}

/// The value of the one TLV of this type.
fn value(kind: u8, mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    while let [this, high, low, rest @ ..] = bytes {
        let (value, behind) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        if *this == kind {
            found.push(value.to_vec());
        }
        bytes = behind;
    }
    assert!(bytes.is_empty() && found.len() <= 1);
    found.pop()
}

fn written(addresses: &Addresses, tls: Option<&TlsFacts<'_>>) -> Vec<u8> {
    let mut out = Vec::new();
    write(addresses, tls, &mut out).unwrap();
    assert!(out.len() <= FIXED_BYTES + MAX_WRITTEN_BYTES);
    out
}

#[test]
fn what_is_written_reads_back() {
    for (source, destination, read_back) in [
        ("192.0.2.7:50000", "10.0.0.1:8883", None),
        ("[2001:db8::7]:50000", "[2001:db8::1]:8883", None),
        ("[::ffff:192.0.2.7]:50000", "10.0.0.1:8883", Some(addresses("192.0.2.7:50000", "10.0.0.1:8883"))),
        ("192.0.2.7:1", "[2001:db8::1]:2", None),
    ] {
        let ends = addresses(source, destination);
        for tls in [None, Some(&TlsFacts { version: "TLSv1.3", ..TlsFacts::default() })] {
            let expected = Header { addresses: Some(read_back.unwrap_or(ends)) };
            let out = written(&ends, tls);
            assert_eq!(read(&out), Ok(Some((expected, out.len()))));
            let mut line = Vec::new();
            write_v1(&ends, &mut line);
            assert_eq!(read(&line), Ok(Some((expected, line.len()))));
        }
    }
    let out = written(&addresses("192.0.2.7:50000", "10.0.0.1:8883"), None);
    assert_eq!(out, v2(0x21, 0x11, V4_ENDS), "TCP over IPv4, no TLV");
    assert_eq!(written(&addresses("192.0.2.7:1", "[2001:db8::1]:2"), None)[13], 0x21, "two families are one");
}

#[test]
fn a_verified_certificate_and_its_name_are_told_as_brokers_ask() {
    let full = TlsFacts {
        version: "TLSv1.3",
        cipher: Some("TLS_AES_256_GCM_SHA384"),
        certificate: true,
        common_name: Some("temp-07"),
        server_name: Some("gateway.plant"),
        alpn: Some(b"mqtt"),
    };
    let ends = addresses("192.0.2.7:50000", "10.0.0.1:8883");
    let out = written(&ends, Some(&full));
    let tlvs = &out[FIXED_BYTES + 12..];
    let ssl = value(TYPE_SSL, tlvs).unwrap();
    // Mosquitto counts a certificate by bit 2, EMQX shows bit 1; verify is zero.
    assert_eq!(&ssl[..5], [0x07, 0, 0, 0, 0]);
    assert_eq!(value(0x21, &ssl[5..]).unwrap(), b"TLSv1.3");
    assert_eq!(value(0x22, &ssl[5..]).unwrap(), b"temp-07");
    assert_eq!(value(0x23, &ssl[5..]).unwrap(), b"TLS_AES_256_GCM_SHA384");
    assert_eq!(value(0x01, tlvs).unwrap(), b"mqtt");
    assert_eq!(value(0x02, tlvs).unwrap(), b"gateway.plant");

    let bare = TlsFacts { certificate: false, ..full };
    let out = written(&ends, Some(&bare));
    let ssl = value(TYPE_SSL, &out[FIXED_BYTES + 12..]).unwrap();
    assert_eq!(&ssl[..5], [0x01, 0, 0, 0, 1], "no certificate is never a verified one");
    assert_eq!(value(0x22, &ssl[5..]), None, "and has no name");
}

/// What a name may take beside IPv6 addresses and a TLS version.
const ROOM: usize = MAX_WRITTEN_BYTES - 36 - (3 + 5) - (3 + 7) - 3;

#[test]
fn what_has_no_room_is_left_out_but_never_the_name() {
    let ends = addresses("[2001:db8::7]:50000", "[2001:db8::1]:8883");
    let (long, fits, over) = ("n".repeat(600), "n".repeat(ROOM), "n".repeat(ROOM + 1));
    let facts = |common_name, cipher| TlsFacts {
        version: "TLSv1.3",
        certificate: true,
        common_name: Some(common_name),
        cipher: Some(cipher),
        server_name: Some(&long),
        alpn: Some(b"mqtt"),
    };
    let out = written(&ends, Some(&facts(&fits, "TLS_AES_256_GCM_SHA384")));
    assert_eq!(out.len(), FIXED_BYTES + MAX_WRITTEN_BYTES);
    let ssl = value(TYPE_SSL, &out[FIXED_BYTES + 36..]).unwrap();
    assert_eq!(value(0x22, &ssl[5..]).unwrap().len(), ROOM);
    let out = written(&ends, Some(&facts("temp-07", "")));
    assert!(value(0x01, &out[FIXED_BYTES + 36..]).is_some() && value(0x02, &out[FIXED_BYTES + 36..]).is_none());
    let mut nothing = Vec::new();
    assert_eq!(write(&ends, Some(&facts(&over, "")), &mut nothing), Err(TooLong));
    assert!(nothing.is_empty());
}

const TYPE_SSL: u8 = 0x20;

#[test]
fn what_the_gateway_dials_for_itself_names_no_address_in_either_version() {
    for write in [write_local, write_v1_unknown] {
        let mut out = Vec::new();
        write(&mut out);
        let len = out.len();
        out.extend_from_slice(b"\x10\x0c");
        assert_eq!(read(&out), Ok(Some((Header { addresses: None }, len))));
    }
}
