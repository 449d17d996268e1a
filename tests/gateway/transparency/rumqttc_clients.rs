//! Scenarios played by rumqttc, its 3.1.1 and its 5.0 client.

use std::net::SocketAddr;
use std::time::Duration;

use super::legs::{Leg, Transcript, compare};
use crate::support::gateway::Door;
use crate::support::{PATIENCE, wait_for};

const LARGEST: u32 = 4 << 20;

#[test]
fn rumqttc_sees_the_same_through_the_gateway_in_3_1_1() {
    compare(Door::Plain, v4::play);
}

#[test]
fn rumqttc_sees_the_same_through_the_gateway_in_5_0() {
    compare(Door::Plain, v5::play);
}

/// The two clients have the same shape and share no trait: the scenarios are written once and compiled for each.
macro_rules! scenarios {
    () => {
        use super::*;

        /// A client with what it has seen; its protocol moves only while it is asked for something.
        struct Speaker {
            id: String,
            client: Client,
            connection: Connection,
            seen: Vec<String>,
        }

        impl Speaker {
            fn enter(leg: &Leg, id: &str, keep: bool, will: Option<(&str, QoS)>) -> Self {
                let (client, connection) = Client::new(options(leg.address(), id, keep, will), 2_000);
                let mut speaker = Self { id: id.to_owned(), client, connection, seen: Vec::new() };
                speaker.until("ConnAck");
                speaker
            }

            /// The next packet from the other side.
            fn incoming(&mut self) -> Option<Packet> {
                loop {
                    match self.connection.recv_timeout(PATIENCE) {
                        Ok(Ok(Event::Incoming(packet))) => {
                            let mut shown = format!("{packet:?}");
                            if let Packet::Publish(publish) = &packet {
                                shown = format!("Publish {shown} {:x}", sum(&publish.payload));
                            }
                            shown.truncate(1_000);
                            self.seen.push(format!("{}: {shown}", self.id));
                            return Some(packet);
                        }
                        Ok(Ok(Event::Outgoing(_))) => {}
                        Ok(Err(_)) => return None,
                        Err(error) => panic!("{}: {error:?} after {:#?}", self.id, self.seen),
                    }
                }
            }

            /// Goes on until a packet of this kind has come.
            fn until(&mut self, kind: &str) -> Packet {
                loop {
                    let Some(packet) = self.incoming() else { panic!("{} lost after {:#?}", self.id, self.seen) };
                    if format!("{packet:?}").starts_with(kind)
                        || (kind == "Publish" && matches!(packet, Packet::Publish(_)))
                    {
                        return packet;
                    }
                }
            }

            fn subscribe(&mut self, filter: &str, qos: QoS) {
                self.client.subscribe(filter, qos).expect("room in the queue");
                self.until("SubAck");
            }

            fn publish(&mut self, topic: &str, qos: QoS, retain: bool, payload: &[u8]) {
                self.client.publish(topic, qos, retain, payload.to_vec()).expect("room in the queue");
                match qos {
                    // Its being written is no event of the other side: the next exchange pushes it out.
                    QoS::AtMostOnce => self.round_trip(),
                    QoS::AtLeastOnce => drop(self.until("PubAck")),
                    QoS::ExactlyOnce => drop(self.until("PubComp")),
                }
            }

            fn round_trip(&mut self) {
                self.client.subscribe("nothing/here", QoS::AtMostOnce).expect("room in the queue");
                self.until("SubAck");
            }

            fn message(&mut self) -> Vec<u8> {
                match self.until("Publish") {
                    Packet::Publish(publish) => publish.payload.to_vec(),
                    other => panic!("no message: {other:?}"),
                }
            }

            /// DISCONNECT; Mosquitto has read it.
            fn leave(mut self, leg: &Leg) -> Vec<String> {
                // Whatever is under way comes before this answer.
                self.round_trip();
                let text = format!("Received DISCONNECT from {}\n", self.id);
                let before = leg.mosquitto.process.log().matches(&text).count();
                self.client.disconnect().expect("room in the queue");
                while self.incoming().is_some() {}
                wait_for(&text, || (leg.mosquitto.process.log().matches(&text).count() > before).then_some(()));
                self.seen
            }
        }

        pub(super) fn play(leg: &Leg) -> Vec<Transcript> {
            let scenarios: [(&str, fn(&Leg) -> Vec<String>); 7] = [
                ("each QoS both ways", each_qos),
                ("retained", retained),
                ("the Will of a lost client, not of one that leaves", will),
                ("messages for one that is away", offline),
                ("takeover", takeover),
                ("a megabyte", megabyte),
                ("a burst in flight", burst),
            ];
            scenarios.iter().map(|(name, scenario)| ((*name).to_owned(), scenario(leg))).collect()
        }

        const EACH: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

        fn each_qos(leg: &Leg) -> Vec<String> {
            let mut publisher = Speaker::enter(leg, "qos-p", false, None);
            let mut seen = Vec::new();
            for granted in EACH {
                let mut subscriber = Speaker::enter(leg, &format!("qos-{granted:?}"), false, None);
                subscriber.subscribe("qos/+", granted);
                for qos in EACH {
                    publisher.publish("qos/größe", qos, false, b"x\x00\xff");
                    assert_eq!(subscriber.message(), b"x\x00\xff");
                }
                seen.extend(subscriber.leave(leg));
            }
            seen.extend(publisher.leave(leg));
            seen
        }

        fn retained(leg: &Leg) -> Vec<String> {
            let mut publisher = Speaker::enter(leg, "ret-p", false, None);
            publisher.publish("retained/a", QoS::AtLeastOnce, true, b"kept");
            let mut late = Speaker::enter(leg, "ret-l", false, None);
            late.subscribe("retained/a", QoS::AtLeastOnce);
            late.message();
            publisher.publish("retained/a", QoS::AtLeastOnce, true, b"");
            [publisher.leave(leg), late.leave(leg)].concat()
        }

        fn will(leg: &Leg) -> Vec<String> {
            let mut watcher = Speaker::enter(leg, "will-w", false, None);
            watcher.subscribe("will/#", QoS::ExactlyOnce);
            for qos in EACH {
                let leaving = Speaker::enter(leg, &format!("calm-{qos:?}"), false, Some(("will/calm", qos)));
                leaving.leave(leg);
                drop(Speaker::enter(leg, &format!("dying-{qos:?}"), false, Some(("will/dying", qos))));
                assert_eq!(watcher.message(), b"gone");
            }
            assert!(!watcher.seen.iter().any(|line| line.contains("calm")), "{:#?}", watcher.seen);
            watcher.leave(leg)
        }

        fn offline(leg: &Leg) -> Vec<String> {
            let mut away = Speaker::enter(leg, "off", true, None);
            away.subscribe("off/#", QoS::ExactlyOnce);
            let mut seen = away.leave(leg);
            let mut publisher = Speaker::enter(leg, "off-p", false, None);
            for number in 0..6 {
                publisher.publish("off/a", EACH[1 + usize::from(number % 2)], false, &[number]);
            }
            let mut back = Speaker::enter(leg, "off", true, None);
            let came: Vec<u8> = (0..6).map(|_| back.message()[0]).collect();
            assert_eq!(came, [0, 1, 2, 3, 4, 5]);
            for _ in 0..3 {
                back.until("PubRel");
            }
            seen.extend(back.leave(leg));
            seen
        }

        fn takeover(leg: &Leg) -> Vec<String> {
            let mut first = Speaker::enter(leg, "take", false, None);
            let second = Speaker::enter(leg, "take", false, None);
            while first.incoming().is_some() {}
            [first.seen, second.leave(leg)].concat()
        }

        fn megabyte(leg: &Leg) -> Vec<String> {
            let (mut publisher, mut subscriber) =
                (Speaker::enter(leg, "large-p", false, None), Speaker::enter(leg, "large-s", false, None));
            subscriber.subscribe("large", QoS::ExactlyOnce);
            let payload: Vec<u8> = (0..1_048_576_u32).map(|number| (number % 251).to_le_bytes()[0]).collect();
            for qos in EACH {
                publisher.publish("large", qos, false, &payload);
                assert!(subscriber.message() == payload);
            }
            [publisher.leave(leg), subscriber.leave(leg)].concat()
        }

        fn burst(leg: &Leg) -> Vec<String> {
            let (mut publisher, mut subscriber) =
                (Speaker::enter(leg, "burst-p", false, None), Speaker::enter(leg, "burst-s", false, None));
            subscriber.subscribe("burst", QoS::AtLeastOnce);
            for number in 0..200_u8 {
                publisher.client.publish("burst", QoS::AtLeastOnce, false, vec![number]).expect("room in the queue");
            }
            for _ in 0..200 {
                publisher.until("PubAck");
            }
            let came: Vec<u8> = (0..200).map(|_| subscriber.message()[0]).collect();
            assert!(came.iter().copied().eq(0..200), "in order: {came:?}");
            [publisher.leave(leg), subscriber.leave(leg)].concat()
        }
    };
}

mod v4 {
    use rumqttc::{Client, Connection, Event, LastWill, MqttOptions, Packet, QoS};

    scenarios!();

    fn options(address: SocketAddr, id: &str, keep: bool, will: Option<(&str, QoS)>) -> MqttOptions {
        let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
        let largest = usize::try_from(LARGEST).expect("a size");
        options.set_clean_session(!keep).set_max_packet_size(largest, largest).set_keep_alive(Duration::from_secs(30));
        options.set_inflight(15);
        if let Some((topic, qos)) = will {
            options.set_last_will(LastWill::new(topic, "gone", qos, false));
        }
        options
    }
}

mod v5 {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{LastWill, Packet};
    use rumqttc::v5::{Client, Connection, Event, MqttOptions};

    scenarios!();

    fn options(address: SocketAddr, id: &str, keep: bool, will: Option<(&str, QoS)>) -> MqttOptions {
        let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
        options.set_clean_start(!keep).set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(Some(LARGEST)).set_session_expiry_interval(keep.then_some(3600));
        options.set_topic_alias_max(Some(10)).set_receive_maximum(Some(50));
        if let Some((topic, qos)) = will {
            options.set_last_will(LastWill::new(topic, "gone", qos, false, None));
        }
        options
    }
}

fn sum(payload: &[u8]) -> u64 {
    payload.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
