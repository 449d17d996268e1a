use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

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

/// Runs an upgrade, its request cut into pieces of `cut` bytes.
fn upgrade(
    server: &mut WebSocket,
    request: http::Request<()>,
    cut: usize,
) -> Result<Client, (WebSocketError, Vec<u8>)> {
    let pipe = Pipe::default();
    let start = ClientHandshake::start(pipe.clone(), request, None).unwrap();
    let Err(HandshakeError::Interrupted(middle)) = start.handshake() else { panic!("an answer is awaited") };
    for piece in pipe.take_outgoing().chunks(cut) {
        if let Err(error) = server.receive(piece, &mut Vec::new()) {
            return Err((error, server.take_outgoing()));
        }
    }
    pipe.feed(&server.take_outgoing());
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

fn received(server: &mut WebSocket, client: &Client, cut: usize) -> Result<(Vec<u8>, bool), WebSocketError> {
    let mut plain = Vec::new();
    let mut closed = false;
    for piece in client.pipe.take_outgoing().chunks(cut) {
        closed = server.receive(piece, &mut plain)?;
    }
    Ok((plain, closed))
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
    let garbage = server(1024).receive(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00\r\n\r\n", &mut Vec::new());
    assert!(matches!(garbage, Err(WebSocketError::Upgrade(_))));
}

#[test]
fn messages_are_one_stream_of_bytes_however_they_are_cut() {
    for cut in [1, 2, 7, usize::MAX] {
        let (mut server, mut client) = open(1024);
        for message in [&b"ab"[..], b"", b"cde"] {
            client.socket.send(Message::Binary(Bytes::copy_from_slice(message))).unwrap();
        }
        assert_eq!(received(&mut server, &client, cut).unwrap(), (b"abcde".to_vec(), false));
    }
}

#[test]
fn a_message_may_come_in_fragments() {
    let (mut server, mut client) = open(1024);
    for (code, payload, last) in
        [(Data::Binary, "ab", false), (Data::Continue, "cd", false), (Data::Continue, "e", true)]
    {
        let header = FrameHeader { is_final: last, opcode: OpCode::Data(code), ..FrameHeader::default() };
        client.socket.send(Message::Frame(Frame::from_payload(header, payload.into()))).unwrap();
    }
    assert_eq!(received(&mut server, &client, usize::MAX).unwrap(), (b"abcde".to_vec(), false));
}

#[test]
fn text_and_oversize_are_refused() {
    let (mut server, mut client) = open(1024);
    client.socket.send(Message::Text("hello".into())).unwrap();
    assert!(matches!(received(&mut server, &client, usize::MAX), Err(WebSocketError::Text)));

    let (mut server, mut client) = open(1024);
    client.socket.send(Message::Binary(vec![0; 1025].into())).unwrap();
    assert!(matches!(received(&mut server, &client, usize::MAX), Err(WebSocketError::Frame(_))));
}

#[test]
fn pings_are_answered_and_a_close_is_the_end() {
    let (mut server, mut client) = open(1024);
    client.socket.send(Message::Ping(Bytes::from_static(b"?"))).unwrap();
    assert_eq!(received(&mut server, &client, usize::MAX).unwrap(), (Vec::new(), false));
    client.pipe.feed(&server.take_outgoing());
    assert_eq!(client.socket.read().unwrap(), Message::Pong(Bytes::from_static(b"?")));
    client.socket.close(None).unwrap();
    assert_eq!(received(&mut server, &client, usize::MAX).unwrap(), (Vec::new(), true));
}

#[test]
fn what_is_sent_arrives_as_binary_messages() {
    let (mut server, mut client) = open(1024);
    server.send(b"\x20\x02\x00\x00").unwrap();
    client.pipe.feed(&server.take_outgoing());
    assert_eq!(client.socket.read().unwrap(), Message::Binary(Bytes::from_static(b"\x20\x02\x00\x00")));
}
