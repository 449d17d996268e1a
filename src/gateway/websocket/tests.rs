use proptest::prelude::*;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::{Bytes, Message};

use super::*;

/// A client over a pipe of its own.
struct Client {
    pipe: Pipe,
    socket: tungstenite::WebSocket<Pipe>,
}

fn server(max_message_bytes: usize) -> WebSocket {
    WebSocket::new(Upgrade { path: "/mqtt".into(), max_message_bytes })
}

fn request(path: &str, protocols: &str) -> http::Request<()> {
    let mut request = format!("ws://gateway{path}").into_client_request().unwrap();
    if !protocols.is_empty() {
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
    }
    request
}

/// What came of bytes fed in pieces of `cut`: those for MQTT, whether the client closed, and what is answered.
#[derive(Debug, Default)]
struct Fed {
    plain: Vec<u8>,
    closed: bool,
    answer: Vec<u8>,
    fault: Option<WebSocketError>,
}

fn feed(server: &mut WebSocket, bytes: &[u8], cut: usize) -> Fed {
    let mut fed = Fed::default();
    for piece in bytes.chunks(cut) {
        let mut piece = piece.to_vec();
        let Unframed { len, closed, fault } = server.receive(&mut piece, &mut fed.answer);
        fed.plain.extend_from_slice(&piece[..len]);
        fed.closed = closed;
        fed.fault = fault;
        if fed.fault.is_some() {
            break;
        }
    }
    fed
}

/// Runs an upgrade, its request cut into pieces of `cut` bytes.
fn upgrade(
    server: &mut WebSocket,
    request: http::Request<()>,
    cut: usize,
) -> Result<Client, (WebSocketError, Vec<u8>)> {
    let pipe = Pipe::default();
    let start = ClientHandshake::start(pipe.clone(), request, None).unwrap();
    let Err(HandshakeError::Interrupted(middle)) = start.handshake() else { panic!("an answer is awaited") };
    let fed = feed(server, &pipe.take_outgoing(), cut);
    if let Some(fault) = fed.fault {
        return Err((fault, fed.answer));
    }
    pipe.feed(&fed.answer);
    let (socket, _) = middle.handshake().unwrap();
    Ok(Client { pipe, socket })
}

fn open(max_message_bytes: usize) -> (WebSocket, Client) {
    let mut server = server(max_message_bytes);
    let client =
        upgrade(&mut server, request("/mqtt", "mqtt"), usize::MAX).unwrap_or_else(|(error, _)| panic!("{error}"));
    assert!(server.is_open());
    (server, client)
}

fn received(server: &mut WebSocket, client: &Client, cut: usize) -> (Vec<u8>, bool) {
    let fed = feed(server, &client.pipe.take_outgoing(), cut);
    assert!(fed.fault.is_none(), "{fed:?}");
    client.pipe.feed(&fed.answer);
    (fed.plain, fed.closed)
}

/// A frame as a client writes it, masked by `0x0A0B0C0D`.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        medium => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(medium).unwrap().to_be_bytes());
        }
    }
    let mask = [0x0A, 0x0B, 0x0C, 0x0D];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

#[test]
fn an_upgrade_names_the_path_and_the_subprotocol() {
    for (path, protocols, accepted) in [
        ("/mqtt", "mqtt", true),
        ("/mqtt", "mqttv3.1", true),
        ("/mqtt", "chat, mqtt", true),
        ("/mqtt?token=x", "mqtt", true),
        ("/other", "mqtt", false),
        ("/mqtt", "chat", false),
        ("/mqtt", "MQTTX", false),
        ("/mqtt", "", false),
    ] {
        let outcome = upgrade(&mut server(1024), request(path, protocols), usize::MAX);
        assert_eq!(outcome.is_ok(), accepted, "{path} {protocols}");
        if let Err((error, answer)) = outcome {
            assert_eq!(error.label(), "websocket_upgrade");
            assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
        }
    }
}

#[test]
fn an_upgrade_may_come_in_pieces_but_not_dribbled() {
    assert!(upgrade(&mut server(1024), request("/mqtt", "mqtt"), 8).is_ok());
    assert!(matches!(upgrade(&mut server(1024), request("/mqtt", "mqtt"), 1), Err((WebSocketError::Upgrade(_), _))));
}

#[test]
fn what_is_no_http_request_is_refused() {
    let garbage = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00\r\n\r\n";
    let fed = feed(&mut server(1024), garbage, usize::MAX);
    assert!(matches!(fed.fault, Some(WebSocketError::Upgrade(_))));
}

#[test]
fn messages_are_one_stream_of_bytes_however_they_are_cut() {
    for cut in [1, 2, 7, usize::MAX] {
        let (mut server, mut client) = open(100_000);
        let long: Vec<u8> = (0..70_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for message in [&b"ab"[..], b"", b"cde", &long[..300], &long] {
            client.socket.send(Message::Binary(Bytes::copy_from_slice(message))).unwrap();
        }
        assert_eq!(received(&mut server, &client, cut), ([b"abcde", &long[..300], &long].concat(), false), "{cut}");
    }
}

#[test]
fn a_message_may_come_in_fragments_with_pings_between() {
    for cut in [1, 3, usize::MAX] {
        let (mut server, _) = open(1024);
        let bytes = [frame(0x02, b"ab"), frame(0x89, b"?"), frame(0x00, b"cd"), frame(0x8A, b""), frame(0x80, b"e")];
        let fed = feed(&mut server, &bytes.concat(), cut);
        assert_eq!((fed.plain.as_slice(), fed.answer.as_slice()), (&b"abcde"[..], &b"\x8a\x01?"[..]), "{cut}");
        assert!(fed.fault.is_none() && !fed.closed);
        assert_eq!(feed(&mut server, &frame(0x82, b"next"), cut).plain, b"next");
    }
}

#[test]
fn what_came_of_a_message_is_passed_on_before_its_end() {
    let (mut server, _) = open(1024);
    let bytes = frame(0x82, b"\xc0\x00 and more");
    assert_eq!(feed(&mut server, &bytes[..8], usize::MAX).plain, b"\xc0\x00");
    assert_eq!(feed(&mut server, &bytes[8..], usize::MAX).plain, b" and more");
}

#[test]
fn what_breaks_the_protocol_is_told_and_ends_it() {
    let long = vec![0; 126];
    for (what, bytes, code) in [
        ("text", frame(0x81, b"hello"), 1003),
        ("over the bound", frame(0x82, &vec![0; 1025]), 1009),
        ("over the bound in fragments", [frame(0x02, &[0; 1000]), frame(0x80, &[0; 25])].concat(), 1009),
        ("the largest length", vec![0x82, 0xFF, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0], 1009),
        ("a reserved bit", frame(0xC2, b""), 1002),
        ("a reserved opcode", frame(0x83, b""), 1002),
        ("a reserved control opcode", frame(0x8B, b""), 1002),
        ("no mask", b"\x82\x01a".to_vec(), 1002),
        ("a continuation of nothing", frame(0x80, b"a"), 1002),
        ("a message in another", [frame(0x02, b""), frame(0x82, b"")].concat(), 1002),
        ("a ping in fragments", frame(0x09, b"a"), 1002),
        ("a long ping", frame(0x89, &long), 1002),
        ("half a close code", frame(0x88, b"a"), 1002),
    ] {
        let (mut server, _) = open(1024);
        let passed = feed(&mut server, &[frame(0x82, b"ok"), bytes].concat(), usize::MAX);
        assert!(passed.fault.is_some() && passed.plain.starts_with(b"ok"), "{what}: {passed:?}");
        let close = [&b"\x88\x02"[..], &u16::to_be_bytes(code)].concat();
        assert_eq!(passed.answer, close, "{what}");
        let mut again = Vec::new();
        server.close(&mut again);
        server.send(b"late", &mut again);
        assert!(again.is_empty() && feed(&mut server, b"more", 1).closed, "{what}");
    }
}

#[test]
fn pings_are_answered_and_a_close_is_the_end() {
    let (mut server, mut client) = open(1024);
    client.socket.send(Message::Ping(Bytes::from_static(b"?"))).unwrap();
    assert_eq!(received(&mut server, &client, usize::MAX), (Vec::new(), false));
    assert_eq!(client.socket.read().unwrap(), Message::Pong(Bytes::from_static(b"?")));
    client.socket.close(None).unwrap();
    assert_eq!(received(&mut server, &client, usize::MAX), (Vec::new(), true));
    assert!(matches!(client.socket.read(), Ok(Message::Close(None))));
}

#[test]
fn what_is_sent_arrives_as_binary_messages() {
    let (mut server, mut client) = open(1024);
    for len in [0, 4, 125, 126, 65_535, 65_536] {
        let (message, mut out) = (vec![7; len], Vec::new());
        server.send(&message, &mut out);
        client.pipe.feed(&out);
        assert_eq!(client.socket.read().unwrap(), Message::Binary(message.into()), "{len}");
    }
    let mut out = Vec::new();
    server.close(&mut out);
    assert_eq!(out, b"\x88\x02\x03\xe8");
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = || prop::collection::vec(any::<u8>(), 0..300);
    let first = prop_oneof![6 => Just(0x82_u8), 2 => Just(0x02), 3 => Just(0x80), 1 => Just(0x89), 1 => any::<u8>()];
    let one = prop_oneof![9 => (first, payload()).prop_map(|(first, payload)| frame(first, &payload)), 1 => payload()];
    prop::collection::vec(one, 0..6).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn any_bytes_in_any_cut_come_to_the_same(bytes in frames(), cut in 1..40_usize) {
        let told = |fed: Fed| (fed.plain, fed.closed, fed.answer, fed.fault.map(|fault| fault.to_string()));
        let whole = told(feed(&mut open(512).0, &bytes, usize::MAX));
        prop_assert_eq!(told(feed(&mut open(512).0, &bytes, cut)), whole);
    }
}
