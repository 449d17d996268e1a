//! The task that keeps the connection to one broker and publishes what waits.
//!
//! At QoS 1 a message is over once the broker has acknowledged it; a connection that is lost before has it sent again, so
//! it may come twice and never not at all. Read [`run`] first.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::super::session::{Heard, Hello, Session, SessionError};
use super::pauses::Pauses;
use super::{Held, Outbox, Way};
use crate::envelope::Loss;
use crate::mqtt::Version;
use crate::mqtt::encode;
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::packet::{Publish, PublishProperties};
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::{Direction, Limits};

/// For all servers of the broker together, and again for its CONNACK.
const DIAL: Duration = Duration::from_secs(10);

/// How long the broker may leave a PUBLISH or a PINGREQ without an answer, or take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it has to take the last bytes.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// Messages under way at once.
const WINDOW: u16 = 32;

/// Connections that the broker may end over one message. Before 5.0 it has no other way to say that it takes none so large, or
/// none of that topic; others wait behind it, and must not for ever.
const TRIES: u8 = 4;

/// Between two looks at the time.
const TICK: Duration = Duration::from_secs(1);

/// Bytes of a packet of the broker's: it has nothing but acknowledgements to send.
const MAX_PACKET_BYTES: usize = 64 << 10;

/// Why a session ended.
enum Over {
    /// All is published, and no more is to come; or there is no more time.
    Ended,
    /// There is another way to the broker.
    Changed,
    /// It broke.
    Lost(SessionError),
}

/// Keeps the connection until the outbox is closed.
pub(super) async fn run(outbox: Arc<Outbox>) {
    let mut end = outbox.end.subscribe();
    let mut pauses = Pauses::new();
    let own_id = own_client_id(&outbox.broker);
    let mut is_said = false;
    loop {
        outbox.metrics.connected(false);
        if is_over(&end, &outbox) {
            break;
        }
        let way = outbox.way.load_full();
        let opened = tokio::select! {
            opened = open(&way, &own_id) => opened,
            () = late(&mut end) => break,
        };
        let error = match opened {
            Err(error) => error,
            Ok(session) => {
                if is_said {
                    tracing::info!(broker = &*outbox.broker, "quarantined messages are published again");
                }
                is_said = false;
                outbox.metrics.connected(true);
                let began = Instant::now();
                let over = serve(&outbox, session, &way, &mut end).await;
                pauses.lasted(began.elapsed());
                match over {
                    Over::Ended => break,
                    Over::Changed => continue,
                    Over::Lost(error) => error,
                }
            }
        };
        outbox.metrics.connected(false);
        say(&outbox, &error, &mut is_said);
        tokio::select! {
            () = sleep(pauses.take()) => {}
            () = outbox.changed.notified() => {}
            () = late(&mut end) => break,
        }
    }
    outbox.metrics.connected(false);
    drop_all(&outbox, &end).await;
}

/// Said once, until it is reached again.
fn say(outbox: &Outbox, error: &SessionError, is_said: &mut bool) {
    let broker = &*outbox.broker;
    let why = std::error::Error::source(error).map(ToString::to_string);
    if std::mem::replace(is_said, true) {
        tracing::debug!(broker, %error, why, "quarantined messages still can't be published");
    } else {
        tracing::warn!(broker, %error, why, "quarantined messages can't be published; they wait");
    }
}

/// What is left when there is no more time is lost, and each is recorded.
async fn drop_all(outbox: &Outbox, end: &watch::Receiver<Option<(Instant, Loss)>>) {
    let loss = end.borrow().map_or(Loss::ShutDown, |(_, loss)| loss);
    let mut count = 0_usize;
    while let Some(held) = outbox.queue.next(true) {
        outbox.lost(&held, loss).await;
        count += 1;
    }
    if count > 0 {
        tracing::warn!(broker = &*outbox.broker, count, "quarantined messages are lost: the broker has not taken them");
    }
}

/// Whether the outbox is closed and nothing waits.
fn is_over(end: &watch::Receiver<Option<(Instant, Loss)>>, outbox: &Outbox) -> bool {
    let end = *end.borrow();
    end.is_some_and(|(by, _)| outbox.queue.is_empty() || Instant::now() >= by)
}

/// Waits until there is no more time.
async fn late(end: &mut watch::Receiver<Option<(Instant, Loss)>>) {
    let by = end.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    match by {
        Some((by, _)) => sleep_until(by.into()).await,
        // INVARIANT: the outbox holds the sender and is held here.
        None => std::future::pending().await,
    }
}

/// `tidegate-quarantine-BROKER-12345678`: two gateways in front of one broker must not take each other's place.
fn own_client_id(broker: &str) -> String {
    let own = RandomState::new().hash_one(broker);
    format!("tidegate-quarantine-{broker}-{:08x}", own & 0xFFFF_FFFF)
}

async fn open(way: &Way, own_id: &str) -> Result<Session, SessionError> {
    let dialled = way.upstream.dial(DIAL, &way.upstream.far.own_call()).await?;
    let settings = &way.settings;
    let hello = Hello {
        version: settings.version,
        client_id: settings.client_id.as_deref().unwrap_or(own_id),
        credentials: &settings.credentials,
        keep_alive: settings.keep_alive,
        max_packet_bytes: MAX_PACKET_BYTES,
    };
    let mut session = Session::open(dialled.transport, &hello, Instant::now() + DIAL).await?;
    session.open = Some(dialled.open);
    Ok(session)
}

/// What is under way.
struct Flight {
    sent: VecDeque<(NonZeroU16, Held)>,
    last: u16,
    /// When the broker last showed that it goes on.
    moved: Instant,
    pinged: Option<Instant>,
}

impl Flight {
    fn fresh_id(&mut self) -> NonZeroU16 {
        loop {
            self.last = self.last.wrapping_add(1);
            let id = NonZeroU16::new(self.last).filter(|id| !self.sent.iter().any(|(used, _)| used == id));
            if let Some(id) = id {
                return id;
            }
        }
    }

    /// What may have ended a connection goes alone.
    fn has_room(&self, window: usize) -> bool {
        self.sent.len() < window && self.sent.front().is_none_or(|(_, held)| held.tries == 0)
    }

    fn acknowledged(&mut self, id: NonZeroU16) -> Option<Held> {
        self.moved = Instant::now();
        let at = self.sent.iter().position(|(sent, _)| *sent == id)?;
        self.sent.remove(at).map(|(_, held)| held)
    }
}

async fn serve(
    outbox: &Outbox,
    mut session: Session,
    way: &Way,
    end: &mut watch::Receiver<Option<(Instant, Loss)>>,
) -> Over {
    let mut flight = Flight { sent: VecDeque::new(), last: 0, moved: Instant::now(), pinged: None };
    let over = turn(outbox, &mut session, way, &mut flight, end).await;
    let over = over.unwrap_or_else(Over::Lost);
    put_back(outbox, flight, &over).await;
    if let Over::Ended | Over::Changed = over {
        session.close(GOODBYE).await;
    }
    over
}

/// What is not acknowledged waits again, unless the broker has ended too many connections over it.
async fn put_back(outbox: &Outbox, flight: Flight, over: &Over) {
    let is_ended = match over {
        Over::Lost(SessionError::Closed | SessionError::Goodbye(_) | SessionError::Transport(_)) => true,
        Over::Lost(_) | Over::Ended | Over::Changed => false,
    };
    let mut kept = Vec::with_capacity(flight.sent.len());
    for (_, mut held) in flight.sent {
        held.tries = held.tries.saturating_add(is_ended.into());
        if held.tries < TRIES {
            kept.push(held);
        } else {
            let broker = &*outbox.broker;
            tracing::warn!(broker, topic = %held.held_at, "the broker ends every connection over a quarantined message");
            outbox.lost(&held, Loss::Refused).await;
        }
    }
    outbox.queue.put_back(kept.into_iter());
}

async fn turn(
    outbox: &Outbox,
    session: &mut Session,
    way: &Way,
    flight: &mut Flight,
    end: &mut watch::Receiver<Option<(Instant, Loss)>>,
) -> Result<Over, SessionError> {
    let window = usize::from(WINDOW.min(session.taken.receive_maximum));
    let qos = way.settings.qos.min(session.taken.max_qos);
    let mut time = end.clone();
    loop {
        while flight.has_room(window) && session.is_flushed() {
            let Some(held) = outbox.queue.next(flight.sent.is_empty()) else { break };
            send(outbox, session, flight, qos, held).await?;
        }
        if flight.sent.is_empty() && session.is_flushed() && is_over(end, outbox) {
            return Ok(Over::Ended);
        }
        keep_alive(session, flight).await?;
        let has_room = flight.has_room(window) && session.is_flushed();
        tokio::select! {
            biased;
            heard = session.next() => hear(outbox, flight, heard?).await?,
            () = outbox.changed.notified() => return Ok(Over::Changed),
            () = late(&mut time) => return Ok(Over::Ended),
            () = outbox.queue.news(), if has_room => {}
            Ok(()) = end.changed() => {}
            () = sleep(TICK) => {}
        }
    }
}

async fn send(
    outbox: &Outbox,
    session: &mut Session,
    flight: &mut Flight,
    qos: QoS,
    held: Held,
) -> Result<(), SessionError> {
    let id = (qos != QoS::Zero).then(|| flight.fresh_id());
    let bytes = publish(session.version(), &held, id);
    if bytes.len() > session.taken.max_packet_bytes.min(crate::envelope::MAX_BYTES) {
        outbox.lost(&held, Loss::TooLarge).await;
        return Ok(());
    }
    if flight.sent.is_empty() {
        flight.moved = Instant::now();
    }
    let sent = session.send(&bytes).await;
    match id {
        None if sent.is_ok() => outbox.published(&held),
        None => outbox.queue.put_back(std::iter::once(held)),
        Some(id) => flight.sent.push_back((id, held)),
    }
    sent
}

/// The envelope as a PUBLISH, not retained.
fn publish(version: Version, held: &Held, packet_id: Option<NonZeroU16>) -> Vec<u8> {
    let json = held.envelope.to_json();
    let mut block = Vec::new();
    encode::properties([Property::PayloadFormatIndicator(true), Property::ContentType("application/json")], &mut block);
    let place = Place::Packet(PacketType::Publish);
    let all = Properties::new(&block, place, Direction::FromClient, &Limits::default()).unwrap_or_default();
    let message = Publish {
        dup: false,
        qos: if packet_id.is_some() { QoS::One } else { QoS::Zero },
        retain: false,
        topic: &held.held_at,
        packet_id,
        properties: PublishProperties { all, ..PublishProperties::default() },
        payload: json.as_bytes(),
    };
    let mut bytes = Vec::with_capacity(json.len() + held.held_at.len() + 64);
    encode::publish(version, &message, &mut bytes);
    bytes
}

async fn hear(outbox: &Outbox, flight: &mut Flight, heard: Heard) -> Result<(), SessionError> {
    match heard {
        Heard::Flushed => {}
        Heard::Alive => flight.pinged = None,
        Heard::Acknowledged(PacketType::PubAck, id, reason) => {
            let Some(held) = flight.acknowledged(id) else { return Err(SessionError::Unexpected(PacketType::PubAck)) };
            if reason.is_error() {
                let broker = &*outbox.broker;
                tracing::warn!(broker, topic = %held.held_at, reason = reason.name(), "the broker refuses a quarantined message");
                outbox.lost(&held, Loss::Refused).await;
            } else {
                outbox.published(&held);
            }
        }
        Heard::Acknowledged(packet_type, ..) => return Err(SessionError::Unexpected(packet_type)),
        Heard::Subscribed(_) => return Err(SessionError::Unexpected(PacketType::SubAck)),
        Heard::Message(_) => return Err(SessionError::Unexpected(PacketType::Publish)),
    }
    Ok(())
}

/// Asks whether the broker is there, and gives it up when it has been silent for too long.
async fn keep_alive(session: &mut Session, flight: &mut Flight) -> Result<(), SessionError> {
    let now = Instant::now();
    let is_late = |since: Option<Instant>| since.is_some_and(|since| now.duration_since(since) >= PATIENCE);
    let waits = (!flight.sent.is_empty()).then_some(flight.moved);
    if is_late(flight.pinged) || is_late(waits) || is_late(session.blocked_since()) {
        return Err(SessionError::Silent);
    }
    let silence = session.taken.keep_alive * 3 / 4;
    if !silence.is_zero() && flight.pinged.is_none() && now.duration_since(session.last_sent) >= silence {
        let mut bytes = Vec::new();
        encode::pingreq(&mut bytes);
        session.send(&bytes).await?;
        flight.pinged = Some(now);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_gateways_do_not_take_each_others_place() {
        assert_ne!(own_client_id("plant"), own_client_id("plant"));
        assert!(own_client_id("plant").starts_with("tidegate-quarantine-plant-"));
    }
}
