//! The record layer: whatever the cut, what went in comes out.

use std::sync::Arc;

use tidegate::tls::failure::HandshakeFailure;
use tidegate::tls::session::{MAX_WAITING_BYTES, Session, SessionError};

use crate::bench::{Bench, Fault, Ours, Theirs, connect, name, settle};

fn bulk(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
}

/// Ours as server and as client, each with rustls as the peer.
fn pairs(bench: &Bench, tls12: bool, fragment: Option<usize>) -> Vec<(&'static str, Ours, Theirs)> {
    let mut device = bench.device(Some(&bench.pki.pair("client")), tls12);
    device.max_fragment_size = fragment;
    let server = bench.server();
    let mut broker = (*server.config).clone();
    broker.max_fragment_size = fragment;
    let mut settings = bench.client_settings();
    settings.identity = Some((bench.pki.path("client.pem"), bench.pki.path("client.key")));
    let mut client = (*settings.build(std::time::SystemTime::now()).unwrap().config).clone();
    if tls12 {
        client = bench.device(Some(&bench.pki.pair("client")), true);
    }
    vec![
        ("server", Ours::server(&server), Theirs::client(&Arc::new(device))),
        ("client", Ours::new(Session::client(Arc::new(client), name()).unwrap()), Theirs::server(&Arc::new(broker))),
    ]
}

#[test]
fn data_passes_both_ways_however_it_is_cut() {
    let bench = Bench::new();
    let data = bulk(300_000);
    for tls12 in [false, true] {
        for fragment in [None, Some(32), Some(100)] {
            for piece in [1, 7, 1000, 16_384, usize::MAX] {
                for (end, mut ours, mut theirs) in pairs(&bench, tls12, fragment) {
                    let what = format!("{end}, TLS 1.2 {tls12}, fragments {fragment:?}, {piece} at a time");
                    settle(&mut ours, &mut theirs, piece).unwrap();
                    assert!(!ours.session.is_handshaking() && !theirs.connection.is_handshaking(), "{what}");
                    let size = if piece == 1 || fragment.is_some() { 3000 } else { data.len() };
                    ours.encrypt(&data[..size]);
                    theirs.write(&data[..size]);
                    settle(&mut ours, &mut theirs, piece).unwrap();
                    assert!(ours.plain == data[..size] && theirs.plain == data[..size], "{what}");
                    assert!(ours.wire.is_empty() && ours.out.is_empty(), "{what}");
                }
            }
        }
    }
}

#[test]
fn sending_while_a_handshake_message_is_half_here() {
    // The broker's tickets come in fragments; between any two bytes of them we send.
    let bench = Bench::new();
    let mut broker = (*bench.server().config).clone();
    broker.max_fragment_size = Some(32);
    let settings = tidegate::tls::client::ClientSettings {
        identity: Some((bench.pki.path("client.pem"), bench.pki.path("client.key"))),
        ..bench.client_settings()
    };
    let client = settings.build(std::time::SystemTime::now()).unwrap();
    let mut ours = Ours::new(Session::client(Arc::clone(&client.config), name()).unwrap());
    let mut theirs = Theirs::server(&Arc::new(broker));
    let (mut sent, mut held) = (0, 0);
    ours.take(&[]).unwrap();
    for _ in 0..6 {
        theirs.take(&ours.drain()).unwrap();
        for byte in theirs.drain() {
            ours.take(&[byte]).unwrap();
            held = held.max(ours.wire.len());
            if !ours.session.is_handshaking() {
                ours.encrypt(b"x");
                sent += 1;
            }
        }
    }
    assert!(sent > 200 && held > 200, "a ticket did come in fragments: {sent} {held}");
    theirs.write(b"done");
    settle(&mut ours, &mut theirs, 1).unwrap();
    assert_eq!((theirs.plain.len(), ours.plain.as_slice()), (sent, b"done".as_slice()));
}

#[test]
fn the_peer_may_renew_its_keys_and_ask_us_to() {
    let bench = Bench::new();
    for (end, mut ours, mut theirs) in pairs(&bench, false, None) {
        settle(&mut ours, &mut theirs, usize::MAX).unwrap();
        for round in 0..40_u8 {
            theirs.connection.refresh_traffic_keys().unwrap();
            theirs.write(&[round]);
            settle(&mut ours, &mut theirs, if round % 2 == 0 { 1 } else { usize::MAX }).unwrap();
            ours.encrypt(&[round]);
            settle(&mut ours, &mut theirs, usize::MAX).unwrap();
        }
        let expected: Vec<u8> = (0..40).collect();
        assert!(ours.plain == expected && theirs.plain == expected, "{end}");
    }
}

#[test]
fn close_notify_is_said_once_and_heard() {
    let bench = Bench::new();
    for tls12 in [false, true] {
        for (end, mut ours, mut theirs) in pairs(&bench, tls12, None) {
            settle(&mut ours, &mut theirs, usize::MAX).unwrap();
            theirs.write(b"last words");
            theirs.connection.send_close_notify();
            let mut wire = theirs.drain();
            wire.extend_from_slice(b"what comes behind a close is nobody's business");
            ours.take(&wire).unwrap();
            assert!(ours.peer_closed && ours.wire.is_empty() && ours.plain == b"last words", "{end}");
            ours.encrypt(b"and mine");
            ours.session.close(&mut ours.out);
            let said = ours.out.len();
            ours.session.close(&mut ours.out);
            assert_eq!(ours.out.len(), said, "said once");
            assert_eq!(ours.session.encrypt(b"x", &mut ours.out), Err(SessionError::Over));
            let mut goodbye = &ours.drain()[..];
            theirs.connection.read_tls(&mut goodbye).unwrap();
            assert!(theirs.connection.process_new_packets().unwrap().peer_has_closed(), "{end}");
            ours.take(b"more").unwrap();
            assert!(ours.peer_closed && ours.wire.is_empty());
        }
    }
}

#[test]
fn nothing_is_encrypted_before_the_handshake_is_over() {
    let bench = Bench::new();
    for (_, mut ours, _) in pairs(&bench, false, None) {
        assert_eq!(ours.session.encrypt(b"too early", &mut ours.out), Err(SessionError::Handshaking));
        ours.session.close(&mut ours.out);
        assert!(ours.out.is_empty());
    }
}

#[test]
fn garbage_ends_it_with_an_alert() {
    let bench = Bench::new();
    let server = bench.server();
    let cases: [(&str, &[u8], HandshakeFailure); 5] = [
        ("plain MQTT", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", HandshakeFailure::NotTls),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n", HandshakeFailure::NotTls),
        ("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", HandshakeFailure::NotTls),
        ("empty handshake record", b"\x16\x03\x01\x00\x00", HandshakeFailure::Malformed),
        ("data first", b"\x17\x03\x03\x00\x05hello", HandshakeFailure::Malformed),
    ];
    for (what, bytes, expected) in cases {
        let mut ours = Ours::server(&server);
        let error = ours.take(bytes).unwrap_err();
        assert_eq!(error.failure(), expected, "{what}: {error}");
        assert_eq!(ours.out.filled().first(), Some(&0x15), "{what}: an alert is due");
        assert_eq!(ours.take(b""), Err(SessionError::Over));
    }
}

#[test]
fn a_bit_flipped_on_the_way_is_noticed() {
    let bench = Bench::new();
    for tls12 in [false, true] {
        for (end, mut ours, mut theirs) in pairs(&bench, tls12, None) {
            settle(&mut ours, &mut theirs, usize::MAX).unwrap();
            theirs.write(b"first");
            let mut wire = theirs.drain();
            theirs.write(b"second");
            wire.extend(theirs.drain());
            *wire.last_mut().unwrap() ^= 1;
            let error = ours.take(&wire).unwrap_err();
            assert_eq!(error.failure(), HandshakeFailure::Decrypt, "{end}");
            assert_eq!(ours.plain, b"first", "{end}: what came before it counts");
            assert!(matches!(theirs.take(&ours.drain()), Err(rustls::Error::AlertReceived(_))), "{end}");
        }
    }
}

#[test]
fn a_handshake_message_in_a_thousand_crumbs_is_not_waited_for() {
    let bench = Bench::new();
    let mut ours = Ours::server(&bench.server());
    // A ClientHello of 60,000 bytes, a byte to a record.
    let mut wire = b"\x16\x03\x01\x00\x04\x01\x00\xea\x60".to_vec();
    while wire.len() <= MAX_WAITING_BYTES {
        wire.extend_from_slice(b"\x16\x03\x01\x00\x01\x03");
    }
    let error = ours.take(&wire).unwrap_err();
    assert_eq!(error, SessionError::Oversized);
    assert_eq!(error.failure(), HandshakeFailure::Malformed);
}

#[test]
fn what_the_peer_hears_when_its_message_makes_no_sense() {
    let bench = Bench::new();
    let device = Arc::new(bench.device(Some(&bench.pki.pair("client")), false));
    let (mut ours, mut theirs) = connect(&bench.server(), &device).unwrap();
    let error = ours.take(b"\x17\x03\x03\xff\xff").unwrap_err();
    assert_eq!(error.failure(), HandshakeFailure::Malformed);
    assert!(matches!(*settle(&mut ours, &mut theirs, 1).unwrap_err(), Fault::Ours(SessionError::Over)));
    assert!(matches!(theirs.take(&ours.drain()), Err(rustls::Error::AlertReceived(_))));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 96, ..Default::default() })]

    /// Whatever is done to what the peer sends, at whatever stage: no panic, and nothing that it did not send.
    #[test]
    fn no_damage_on_the_way_gets_data_through_that_was_not_sent(
        end in 0..2_usize, tls12: bool, fragment in proptest::option::of(32..300_usize),
        at in 0..6000_usize, flip in 1..=255_u8, cut: bool, piece in 1..700_usize,
    ) {
        let bench = shared();
        let (_, mut ours, mut theirs) = pairs(bench, tls12, fragment).swap_remove(end);
        let data = bulk(500);
        let (mut passed, mut failed) = (0, false);
        let mut damage = |bytes: &mut Vec<u8>| {
            if let Some(index) = at.checked_sub(passed).filter(|index| *index < bytes.len()) {
                if cut { bytes.remove(index); } else { bytes[index] ^= flip; }
            }
            passed += bytes.len();
        };
        let mut written = false;
        let _ = ours.take(&[]);
        for _ in 0..12 {
            if !theirs.connection.is_handshaking() && !written {
                theirs.write(&data);
                written = true;
            }
            let mut bytes = theirs.drain();
            damage(&mut bytes);
            for chunk in bytes.chunks(piece) {
                failed = failed || ours.take(chunk).is_err();
                let _ = ours.session.encrypt(b"meanwhile", &mut ours.out);
            }
            let answer = ours.drain();
            if theirs.take(&answer).is_err() { break; }
        }
        ours.session.close(&mut ours.out);
        proptest::prop_assert!(data.starts_with(&ours.plain), "only a prefix of what was sent");
        proptest::prop_assert!(theirs.plain.len() % b"meanwhile".len() == 0);
    }
}

fn shared() -> &'static Bench {
    static BENCH: std::sync::OnceLock<Bench> = std::sync::OnceLock::new();
    BENCH.get_or_init(Bench::new)
}
