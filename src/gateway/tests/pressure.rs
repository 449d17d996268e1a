use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::world::*;

#[tokio::test]
async fn a_client_that_reads_its_answers_late_is_read_again() {
    // Records that wait for room would wake the connection too.
    let world = World::with_audit(tempfile::tempdir().unwrap(), "on_full = \"drop\"", "").await;
    let Line { client, mut broker, task } = world.connect(CONNECT).await;
    SockRef::from(&client).set_send_buffer_size(16 << 10).unwrap();
    let (mut reading, mut writing) = client.into_split();
    let sending = tokio::spawn(async move {
        writing.write_all(&REFUSED.repeat(50_000)).await.unwrap();
        writing.write_all(PINGREQ).await.unwrap();
        writing
    });
    sleep(Duration::from_secs(2)).await;
    assert!(!sending.is_finished(), "a client that does not read is not read");
    let read_all = tokio::spawn(async move {
        let mut answers = vec![0; 1 << 20];
        while reading.read(&mut answers).await.is_ok_and(|len| len > 0) {}
    });
    assert_eq!(read(&mut broker, PINGREQ.len()).await, PINGREQ);
    drop(soon(sending).await.unwrap());
    drop(broker);
    soon(read_all).await.unwrap();
    soon(task).await.unwrap();
}

#[tokio::test]
async fn the_silence_that_a_full_audit_queue_imposes_is_not_the_clients() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("audit.jsonl");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Both ends, so that opening it waits for nobody.
    let mut records = File::options().read(true).write(true).open(&fifo).unwrap();
    let world = World::with_audit(folder, "max_queue = 4", "").await;
    let connect = b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x01\x00\x00\x02c1";
    let Line { client, mut broker, task } = world.connect(connect).await;
    let (mut reading, mut writing) = client.into_split();
    let reader = tokio::spawn(async move { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await });
    writing.write_all(&REFUSED.repeat(2000)).await.unwrap();
    writing.write_all(PINGREQ).await.unwrap();
    // Twice what the Keep Alive allows.
    sleep(Duration::from_secs(3)).await;
    std::thread::spawn(move || {
        let mut some = [0; 4096];
        while records.read(&mut some).is_ok() {}
    });
    assert_eq!(read(&mut broker, PINGREQ.len()).await, PINGREQ);
    drop((writing, broker));
    soon(reader).await.unwrap().unwrap();
    soon(task).await.unwrap();
}
