use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::world::*;
use crate::config::{BrokerCredentials, Sas, SasKeys, Secret};
use crate::identity::Template;

#[tokio::test]
async fn the_last_words_of_a_client_that_is_gone_at_once_reach_the_broker() {
    let world = World::new("").await;
    let Line { client, mut broker, task } = world.connect(CONNECT).await;
    // Answers to the first of it fail before the last of it is read.
    write_now(&client, &[&REFUSED.repeat(8_000), DISCONNECT].concat());
    reset(client);
    assert_eq!(read_to_end(&mut broker).await, DISCONNECT);
    drop(broker);
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("client_disconnect".to_owned(), "client".to_owned())]);
}

#[tokio::test]
async fn the_last_words_of_a_broker_that_is_gone_at_once_reach_the_client() {
    let world = World::new("").await;
    let Line { mut client, broker, task } = world.connect(CONNECT).await;
    // The client's packets can't be passed on any more when the broker's are read.
    write_now(&client, &publish(1000).repeat(100));
    let words = [publish(1000), b"\xe0\x01\x8e".to_vec()].concat();
    write_now(&broker, &words);
    reset(broker);
    assert!(read_to_end(&mut client).await == words);
    drop(client);
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("broker_disconnect".to_owned(), "broker".to_owned())]);
}

#[tokio::test]
async fn a_broker_that_closes_behind_its_words_is_heard_and_the_client_told() {
    let world = World::new("").await;
    let Line { mut client, mut broker, task } = world.connect(CONNECT).await;
    broker.write_all(&publish(1000)).await.unwrap();
    drop(broker);
    assert!(read_to_end(&mut client).await == [publish(1000), b"\xe0\x01\x89".to_vec()].concat());
    drop(client);
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("broker_lost".to_owned(), "broker".to_owned())]);
}

#[tokio::test]
async fn a_client_that_is_lost_is_no_disconnect() {
    let world = World::new("").await;
    let Line { mut client, mut broker, task } = world.connect(CONNECT).await;
    client.write_all(PINGREQ).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut broker).await, PINGREQ);
    drop(broker);
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("client_lost".to_owned(), "client".to_owned())]);
}

#[tokio::test]
async fn a_refusal_by_the_broker_reaches_the_client_though_it_closes_at_once() {
    let world = World::new("").await;
    let (mut client, task) = world.dial().await;
    client.write_all(CONNECT).await.unwrap();
    let (mut broker, _) = soon(world.broker.accept()).await.unwrap();
    read(&mut broker, CONNECT.len()).await;
    write_now(&broker, b"\x20\x03\x00\x87\x00");
    drop(broker);
    assert_eq!(read_to_end(&mut client).await, b"\x20\x03\x00\x87\x00");
    drop(client);
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("refused_by_broker".to_owned(), "broker".to_owned())]);
}

#[tokio::test]
async fn everything_at_once_is_relayed_in_order() {
    let world = World::new("").await;
    let (mut client, task) = world.dial().await;
    let words = [CONNECT, &publish(1000), DISCONNECT].concat();
    client.write_all(&words).await.unwrap();
    client.shutdown().await.unwrap();
    let (mut broker, _) = soon(world.broker.accept()).await.unwrap();
    read(&mut broker, CONNECT.len()).await;
    broker.write_all(CONNACK).await.unwrap();
    assert!(read_to_end(&mut broker).await == words[CONNECT.len()..]);
    drop(broker);
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("client_disconnect".to_owned(), "client".to_owned())]);
}

#[tokio::test]
async fn a_client_is_told_of_a_broker_that_takes_nothing() {
    let world = World::new("[deadlines]\nwrite = \"300ms\"").await;
    let Line { client, broker, task } = world.connect(CONNECT).await;
    let (mut reading, mut writing) = client.into_split();
    let flood = tokio::spawn(async move {
        let some = publish(16_000).repeat(16);
        while writing.write_all(&some).await.is_ok() {}
    });
    let mut told = Vec::new();
    let _ = soon(tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut told)).await;
    assert_eq!(told, b"\xe0\x01\x89");
    soon(flood).await.unwrap();
    drop((reading, broker));
    soon(task).await.unwrap();
    assert_eq!(world.ended(), [("write_deadline".to_owned(), "broker".to_owned())]);
}

#[tokio::test]
async fn a_drain_ends_the_quiet_at_once_and_the_others_at_its_end() {
    let world = World::new("").await;
    let mut quiet = world.connect(CONNECT).await;
    let mut busy = world.connect(CONNECT).await;
    let qos_one = b"\x32\x07\x00\x01t\x00\x01\x00x";
    busy.client.write_all(qos_one).await.unwrap();
    read(&mut busy.broker, qos_one.len()).await;
    world.drain(Instant::now() + Duration::from_millis(500));
    assert_eq!(read_to_end(&mut quiet.client).await, b"\xe0\x01\x8b");
    let told = Instant::now();
    assert_eq!(read_to_end(&mut busy.client).await, b"\xe0\x01\x8b");
    assert!(told.elapsed() > Duration::from_millis(200), "the open exchange had its time");
    for mut line in [quiet, busy] {
        assert_eq!(read_to_end(&mut line.broker).await, b"", "the broker is not told goodbye");
        drop((line.client, line.broker));
        soon(line.task).await.unwrap();
    }
    assert_eq!(world.ended(), vec![("shut_down".to_owned(), "gateway".to_owned()); 2]);
}

#[tokio::test]
async fn a_connection_ends_before_the_signature_does_that_it_was_let_in_with() {
    let lifetime = Duration::from_secs(3);
    let world = World::with_broker(|plant| {
        let template = |text| Template::parse(text).unwrap();
        let keys = SasKeys::One(Secret::new(b"key".to_vec()));
        let (username, resource) = (template("hub/device"), template("hub/devices/device"));
        plant.credentials = BrokerCredentials::Sas(Sas { username, resource, keys, key_name: None, lifetime });
    })
    .await;
    let (mut client, task) = world.dial().await;
    let began = Instant::now();
    client.write_all(CONNECT).await.unwrap();
    let (mut broker, _) = soon(world.broker.accept()).await.unwrap();
    let header = read(&mut broker, 3).await;
    let len = usize::from(header[1] & 0x7f) + 128 * usize::from(header[2]);
    let connect = read(&mut broker, len).await;
    let connect = String::from_utf8_lossy(&connect);
    assert!(connect.contains("hub/device") && connect.contains("SharedAccessSignature sr=hub%2Fdevices%2Fdevice&sig="));
    broker.write_all(CONNACK).await.unwrap();
    let bytes = read_to_end(&mut client).await;
    assert!(bytes.ends_with(b"\xe0\x02\xa0\x00") || bytes.ends_with(b"\xe0\x01\xa0"), "{bytes:02x?}");
    assert!((1..3).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(read_to_end(&mut broker).await, b"", "without DISCONNECT: the Will is published");
    drop((client, broker));
    soon(task).await.unwrap();
    assert_eq!(world.ended()[0].0, "expired");
}
