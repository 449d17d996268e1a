use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::world::*;
use crate::config::BrokerCredentials;

/// Nothing listens there, once this is back.
async fn without_broker(world: &mut World) {
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(std::mem::replace(&mut world.broker, elsewhere));
}

#[tokio::test]
async fn a_client_is_told_that_no_broker_is_there() {
    for (connect, told) in [
        (CONNECT, &b"\x20\x03\x00\x88\x00"[..]),
        (b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02c1", b"\x20\x02\x00\x03"),
    ] {
        let mut world = World::new("").await;
        without_broker(&mut world).await;
        let (mut client, task) = world.dial().await;
        client.write_all(connect).await.unwrap();
        assert_eq!(read_to_end(&mut client).await, told);
        drop(client);
        soon(task).await.unwrap();
        assert_eq!(world.ended(), [("broker_unreachable".to_owned(), "broker".to_owned())]);
    }
}

#[tokio::test]
async fn no_byte_of_a_connect_pushes_its_deadline_back() {
    let world = World::new("[deadlines]\ntls_handshake = \"400ms\"\nconnect = \"400ms\"").await;
    let (client, task) = world.dial().await;
    let start = Instant::now();
    let (mut reading, mut writing) = client.into_split();
    let dribble = tokio::spawn(async move {
        for byte in CONNECT {
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    });
    let mut told = Vec::new();
    let _ = soon(reading.read_to_end(&mut told)).await;
    assert!(told.is_empty() && start.elapsed() < Duration::from_millis(1500), "it would have been whole by then");
    dribble.abort();
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("connect_deadline".to_owned(), "client".to_owned())]);
}

#[tokio::test]
async fn a_drain_ends_those_that_are_still_opening() {
    let world = World::new("").await;
    let (mut silent, task) = world.dial().await;
    world.drain(Instant::now());
    assert_eq!(read_to_end(&mut silent).await, b"");
    soon(task).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_speaks_first_is_not_listened_to() {
    let world = World::new("").await;
    let (mut client, task) = world.dial().await;
    client.write_all(CONNECT).await.unwrap();
    let (mut broker, _) = soon(world.broker.accept()).await.unwrap();
    broker.write_all(PINGREQ).await.unwrap();
    assert_eq!(read_to_end(&mut client).await, b"\x20\x03\x00\x80\x00");
    drop((client, broker));
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("wrong_direction".to_owned(), "broker".to_owned())]);
}

#[tokio::test]
async fn who_is_shown_to_the_broker_as_the_settings_say_brings_no_proof_of_its_own() {
    // Authentication Method "SCRAM", of which the gateway sees nothing but the envelope.
    let connect = b"\x10\x17\x00\x04MQTT\x05\x02\x00\x00\x08\x15\x00\x05SCRAM\x00\x02c1";
    let world = World::with_broker(|plant| plant.credentials = BrokerCredentials::Remove).await;
    let (mut client, task) = world.dial().await;
    client.write_all(connect).await.unwrap();
    assert!(timeout(Duration::from_millis(500), world.broker.accept()).await.is_err(), "the broker is not dialled");
    let told = read_to_end(&mut client).await;
    assert_eq!((told[0], told[3]), (0x20, 0x87), "{told:02x?}");
    drop(client);
    soon(task).await.unwrap();
    assert_eq!(world.ended()[0].0, "broker_credentials");
    let world = World::new("").await;
    let (mut client, _task) = world.dial().await;
    client.write_all(connect).await.unwrap();
    let (mut broker, _) = soon(world.broker.accept()).await.unwrap();
    assert_eq!(read(&mut broker, connect.len()).await, connect, "else it is the broker's business");
}
