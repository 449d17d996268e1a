use socket2::SockRef;
use tokio::net::TcpListener;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A plain transport whose socket takes little, and its peer.
async fn pair() -> (Transport, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    SockRef::from(&socket).set_send_buffer_size(16 << 10).unwrap();
    SockRef::from(&peer).set_recv_buffer_size(16 << 10).unwrap();
    (Transport::new(socket, None, None), peer)
}

async fn send(transport: &mut Transport, bytes: &[u8]) {
    let sent = poll_fn(|cx| {
        let sent = scratch::lend(|scratch| transport.send(cx, bytes, &mut scratch.io.out, Instant::now()));
        Poll::Ready(sent)
    });
    sent.await.unwrap();
}

/// Flushes as far as it goes without waiting.
async fn flush(transport: &mut Transport) {
    poll_fn(|cx| Poll::Ready(transport.poll_flush(cx, Instant::now()).is_ready())).await;
}

/// Sends until the kernel takes no more.
async fn block(transport: &mut Transport) {
    while transport.unsent_bytes() == 0 {
        send(transport, &[7; 64 << 10]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        flush(transport).await;
    }
}

#[tokio::test]
async fn what_a_slow_reader_took_is_not_kept() {
    let (mut transport, mut peer) = pair().await;
    let mut taken = vec![0; 4 << 10];
    block(&mut transport).await;
    for _ in 0..100 {
        send(&mut transport, &[7; 16 << 10]).await;
        while transport.unsent_bytes() > 16 << 10 {
            // Never so much that nothing waits any more.
            let _read = timeout(Duration::from_millis(5), peer.read(&mut taken)).await;
            flush(&mut transport).await;
        }
        assert!(transport.held_bytes() <= 128 << 10, "{} bytes held", transport.held_bytes());
    }
}

#[tokio::test]
async fn an_idle_transport_holds_nothing() {
    let (mut transport, mut peer) = pair().await;
    block(&mut transport).await;
    assert!(transport.held_bytes() > 0 && transport.blocked_since().is_some());
    let reader = tokio::spawn(async move { tokio::io::copy(&mut peer, &mut tokio::io::sink()).await });
    timeout(PATIENCE, poll_fn(|cx| transport.poll_flush(cx, Instant::now()))).await.unwrap();
    assert_eq!((transport.held_bytes(), transport.blocked_since()), (0, None));
    reader.abort();
}

#[tokio::test]
async fn a_slow_peer_gets_its_last_bytes_within_the_write_deadline() {
    let (mut transport, mut peer) = pair().await;
    block(&mut transport).await;
    let finish = tokio::spawn(async move { transport.finish(b"goodbye", PATIENCE).await });
    // Longer than a peer has to close once it has everything.
    tokio::time::sleep(LINGER + Duration::from_millis(200)).await;
    let mut bytes = Vec::new();
    timeout(PATIENCE, peer.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert!(bytes.ends_with(b"\x07goodbye"));
    drop(peer);
    timeout(PATIENCE, finish).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_took_nothing_for_the_write_deadline_gets_no_more_time() {
    let (mut transport, peer) = pair().await;
    block(&mut transport).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    transport.finish(b"goodbye", Duration::from_secs(1)).await;
    assert!(start.elapsed() < Duration::from_millis(900));
    drop(peer);
}

#[tokio::test]
async fn a_peer_that_does_not_close_is_not_awaited_for_long() {
    let (mut transport, mut peer) = pair().await;
    timeout(LINGER * 3, transport.finish(b"goodbye", PATIENCE)).await.unwrap();
    drop(transport);
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"goodbye");
}

#[tokio::test]
async fn a_password_is_left_neither_in_what_a_connection_borrows_nor_in_what_its_connect_outgrew() {
    let (mut transport, mut peer) = pair().await;
    let (secret, mut bytes) = (b"correct horse battery staple", Vec::new());
    peer.write_all(secret).await.unwrap();
    while bytes.len() < secret.len() {
        transport.read_into(&mut bytes).await.unwrap();
    }
    assert_eq!(bytes, secret);
    let is_there = scratch::lend(|scratch| scratch.io.wire.windows(secret.len()).any(|window| window == secret));
    assert!(!is_there, "in the buffer that all connections of a thread share");
    let outgrown = grown(&mut bytes, 4096);
    assert!(bytes == secret && bytes.capacity() >= secret.len() + 4096);
    assert!(outgrown.capacity() > 0 && outgrown.is_empty(), "it was wiped before it was given back");
}

#[tokio::test]
async fn a_peer_that_has_gone_while_it_waited_is_seen_and_one_that_has_more_to_say_is_not_gone() {
    let (mut transport, mut peer) = pair().await;
    assert!(!transport.has_left().await, "it is silent");
    peer.write_all(b"hello").await.unwrap();
    transport.socket.readable().await.unwrap();
    peer.shutdown().await.unwrap();
    assert!(!transport.has_left().await, "its words come first");
    let mut bytes = Vec::new();
    transport.read_into(&mut bytes).await.unwrap();
    transport.socket.readable().await.unwrap();
    assert!(transport.has_left().await && bytes == b"hello");
}
