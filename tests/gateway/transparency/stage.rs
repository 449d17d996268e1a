//! The stage that the scenarios in bytes play on: clients by name, and a line for each frame that any of them receives.

use super::legs::Leg;
use crate::support::raw_client::{Ended, RawClient};
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V5_0};
use crate::support::{PATIENCE, wait_for};

/// A scenario under way: one version, one leg, and all that was seen.
pub(super) struct Stage<'a> {
    pub(super) leg: &'a Leg,
    pub(super) version: u8,
    pub(super) seen: Vec<String>,
}

/// A client on stage.
pub(super) struct Actor {
    pub(super) id: String,
    pub(super) client: RawClient,
}

impl Stage<'_> {
    /// A CONNECT with a Client Identifier that no other scenario uses.
    pub(super) fn connect_of(&self, name: &str) -> Connect {
        Connect::new(self.version, &format!("{name}-{}", self.version))
    }

    /// Dials, sends the CONNECT and takes the CONNACK.
    pub(super) fn enter(&mut self, connect: &Connect) -> Actor {
        let client = self.leg.dial();
        let mut actor = Actor { id: connect.client_id.clone(), client };
        actor.client.send(&connect.bytes());
        let connack = self.take(&mut actor);
        assert_eq!((connack[0], wire::body(&connack)[1]), (0x20, 0), "{} is accepted", actor.id);
        actor
    }

    pub(super) fn note(&mut self, who: &str, frame: &[u8]) {
        let shown: String = frame.iter().take(200).map(|byte| format!("{byte:02x}")).collect();
        let sum = frame
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        self.seen.push(format!("{who} <- {shown} ({} bytes, {sum:016x})", frame.len()));
    }

    /// The next frame of this client.
    pub(super) fn take(&mut self, actor: &mut Actor) -> Vec<u8> {
        let frame = match actor.client.try_frame(PATIENCE) {
            Ok(frame) => frame,
            Err(ended) => {
                panic!("{}: a packet was due, but: {ended:?}; until then:\n{}", actor.id, self.seen.join("\n"))
            }
        };
        self.note(&actor.id, &frame);
        frame
    }

    /// The next frame, whose first byte must be this.
    pub(super) fn take_a(&mut self, first: u8, actor: &mut Actor) -> Vec<u8> {
        let frame = self.take(actor);
        assert_eq!(frame[0], first, "{}: {frame:02x?}", actor.id);
        frame
    }

    /// Nothing has come and nothing is under way: the answer to a PINGREQ is the next packet.
    pub(super) fn nothing(&mut self, actor: &mut Actor) {
        actor.client.send(&wire::PINGREQ);
        let frame = self.take(actor);
        assert!(
            frame == wire::PINGRESP,
            "{}: nothing was due, came {frame:02x?} after\n{}",
            actor.id,
            self.seen.join("\n")
        );
    }

    /// All that has come or is under way.
    pub(super) fn all(&mut self, actor: &mut Actor) -> Vec<Vec<u8>> {
        actor.client.send(&wire::PINGREQ);
        let mut frames = Vec::new();
        loop {
            let frame = self.take(actor);
            if frame == wire::PINGRESP {
                return frames;
            }
            frames.push(frame);
        }
    }

    /// Subscribes and takes the SUBACK.
    pub(super) fn subscribe(&mut self, actor: &mut Actor, filters: &[(&str, u8)]) {
        actor.client.send(&wire::subscribe(self.version, 1, filters));
        self.take_a(0x90, actor);
    }

    /// Publishes and completes the exchange.
    pub(super) fn publish(&mut self, actor: &mut Actor, topic: &str, qos: u8, payload: &[u8]) {
        self.publish_with(actor, topic, qos, &[], payload);
    }

    pub(super) fn publish_with(&mut self, actor: &mut Actor, topic: &str, qos: u8, properties: &[u8], payload: &[u8]) {
        actor.client.send(&wire::publish(self.version, qos << 1, topic, 11, properties, payload));
        match qos {
            1 => drop(self.take_a(PUBACK, actor)),
            2 => {
                self.take_a(PUBREC, actor);
                actor.client.send(&wire::ack(PUBREL, 11));
                self.take_a(PUBCOMP, actor);
            }
            _ => {}
        }
    }

    /// Takes a message and acknowledges it in full.
    pub(super) fn accept(&mut self, actor: &mut Actor) -> Vec<u8> {
        let frame = self.take(actor);
        assert_eq!(frame[0] & 0xf0, 0x30, "{}: a PUBLISH was due: {frame:02x?}", actor.id);
        let body = wire::body(&frame);
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let qos = frame[0] >> 1 & 3;
        if qos > 0 {
            let id = u16::from_be_bytes([body[2 + topic], body[3 + topic]]);
            actor.client.send(&wire::ack(if qos == 1 { PUBACK } else { PUBREC }, id));
            if qos == 2 {
                self.take_a(PUBREL, actor);
                actor.client.send(&wire::ack(PUBCOMP, id));
            }
        }
        frame
    }

    /// The connection ends: what came before that, and the end itself.
    pub(super) fn ended(&mut self, actor: &mut Actor) {
        let (mut bytes, ended) = actor.client.rest(PATIENCE);
        // The one thing that the gateway adds: a 5.0 client is told when the broker is gone.
        if bytes.ends_with(&[0xe0, 1, 0x89]) {
            bytes.truncate(bytes.len() - 3);
        }
        assert_ne!(ended, Ended::Silent, "{}: an end was due", actor.id);
        self.note(&actor.id, &bytes);
        self.seen.push(format!("{} <- the end", actor.id));
    }

    /// DISCONNECT, and Mosquitto has read it.
    pub(super) fn leave(&mut self, actor: Actor) {
        let text = format!("Received DISCONNECT from {}\n", actor.id);
        let before = self.leg.mosquitto.process.log().matches(&text).count();
        actor.client.goodbye();
        wait_for(&format!("Mosquitto to see the DISCONNECT of {}", actor.id), || {
            (self.leg.mosquitto.process.log().matches(&text).count() > before).then_some(())
        });
    }

    /// Gone without a word, and Mosquitto has noticed.
    pub(super) fn vanish(&mut self, actor: Actor) {
        let id = actor.id.clone();
        let gone = |log: &str| {
            log.lines().filter(|line| line.starts_with(&format!("Client {id} ")) && !line.contains("connected")).count()
        };
        let before = gone(&self.leg.mosquitto.process.log());
        actor.client.reset();
        wait_for(&format!("Mosquitto to miss {id}"), || {
            (gone(&self.leg.mosquitto.process.log()) > before).then_some(())
        });
    }

    pub(super) fn is_5(&self) -> bool {
        self.version == V5_0
    }
}
