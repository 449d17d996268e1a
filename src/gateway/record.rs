//! What one connection tells metrics and audit, and the waiting when the audit queue is full.

use std::collections::VecDeque;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use super::shared::{Live, Port, Shared, unix_millis};
use super::sources::{Grounds, Happened};
use crate::audit::{self, ConnectionContext, Full, Record, Traffic};
use crate::enforce::end::End;
use crate::enforce::event::{Kind, Quarantine};
use crate::enforce::output::{Counts, Output};
use crate::enforce::{Guard, Text};
use crate::envelope::About;
use crate::identity::Identity;
use crate::metrics::{Detector, ServerMetrics, Throttling};
use crate::mqtt::frame::PacketType;
use crate::mqtt::{Direction, Version};
use crate::store::Offence;
use crate::tls::session::Session;

/// One connection's voice.
pub(super) struct Recorder {
    shared: Arc<Shared>,
    port: Arc<Port>,
    live: Arc<Live>,
    number: u64,
    accepted: Instant,
    version: Option<Version>,
    server: Option<Arc<ServerMetrics>>,
    traffic: Traffic,
    waiting: VecDeque<Record>,
    sending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Recorder {
    pub(super) fn new(shared: Arc<Shared>, port: Arc<Port>, live: Arc<Live>, accepted: Instant) -> Self {
        Self {
            number: shared.next_number(),
            shared,
            port,
            live,
            accepted,
            version: None,
            server: None,
            traffic: Traffic::default(),
            waiting: VecDeque::new(),
            sending: None,
        }
    }

    /// What the connection lives by.
    pub(super) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The listener that it came by.
    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    /// The connection lives by something else from now on.
    pub(super) fn adopt(&mut self, live: Arc<Live>) {
        self.live = live;
    }

    /// Whether the process has room for a client from there.
    pub(super) fn has_room_for(&self, address: IpAddr) -> bool {
        // Its own place is counted already.
        self.shared.pressure.admits(0, || self.shared.store.known_good(address, Instant::now()))
    }

    /// The handshake is through.
    pub(super) fn shaken(&self, tls: Option<&Session>) {
        if let Some(session) = tls {
            let is_tls13 = session.protocol_version() == Some("TLSv1.3");
            self.port.metrics.handshake(is_tls13, session.is_resumed(), self.accepted.elapsed());
        }
    }

    /// The CONNECT is permitted.
    pub(super) fn connected(&self, version: Version) {
        self.port.metrics.connected(version);
    }

    /// A client was let in, or leaves that was. Who proves nothing vouches for no address.
    pub(super) fn let_in(&self, identity: &Identity) {
        if identity.name.is_some() {
            self.shared.store.let_in(identity.source.ip(), Instant::now());
        }
    }

    /// A client has done what it may be banned for.
    pub(super) async fn offended(&mut self, offence: Offence, identity: &Identity, was_let_in: bool) {
        self.shared.offended(&self.port, &self.live.limits, offence, identity, was_let_in).await;
    }

    /// A CONNECT of so many bytes is there, and well-formed.
    pub(super) fn asked(&mut self, version: Version, bytes: usize) {
        self.version = Some(version);
        let mut counts = Counts::default();
        counts.add(PacketType::Connect as u8, bytes);
        self.count(version, Direction::FromClient, &counts, None);
    }

    /// The broker's server is reached.
    pub(super) fn dialled(&mut self, server: Arc<ServerMetrics>) {
        self.server = Some(server);
    }

    /// Counts packets that were judged, and what that took if it was measured.
    pub(super) fn count(&mut self, version: Version, from: Direction, counts: &Counts, took: Option<Duration>) {
        let metrics = &self.shared.metrics;
        metrics.packets(version, from, counts);
        self.traffic.add(from, counts);
        if let Some(took) = took {
            metrics.judged(took, counts.packets.iter().sum());
        }
    }

    /// Records refusals and rewrites, and hands over what is quarantined.
    pub(super) fn events(&mut self, identity: &Identity, output: &mut Output) {
        let mut quarantined = output.quarantined.drain(..);
        for mut event in output.events.drain(..) {
            if let Kind::Refused { quarantine: Some(outcome @ Quarantine::Queued), .. } = &mut event.kind
                && let Some(held) = quarantined.next()
            {
                let about = About { identity, connection: self.number, unix_millis: unix_millis() };
                *outcome = self.live.outbox.offer(held, &about);
            }
            self.shared.metrics.event(&event);
            let record = audit::record(&self.context(identity), &event, SystemTime::now());
            self.offer(record);
        }
    }

    /// Counts what began to wait for a rate to have room, and what was too much whatever the policy says.
    pub(super) fn waits(&self, output: &Output) {
        for guard in &output.guarded {
            self.shared.metrics.detected(match guard {
                Guard::Subscriptions => Detector::Subscriptions,
                Guard::Retained => Detector::Retained,
                Guard::OpenQos2 => Detector::OpenQos2,
            });
        }
        output.waits.iter().for_each(|rule| self.shared.metrics.waits(rule.as_str()));
    }

    /// Something of the connection waits for a rate to have room, from `now` on.
    pub(super) fn throttled(&self, now: Instant) -> Throttling {
        self.shared.metrics.throttled(now)
    }

    /// Whether a side may be read: not while a record waits for room.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(sending) = &mut self.sending {
                ready!(sending.as_mut().poll(cx));
                self.sending = None;
            }
            let Some(record) = self.waiting.pop_front() else {
                self.waiting = VecDeque::new();
                return Poll::Ready(());
            };
            let sink = self.shared.audit.clone();
            self.sending = Some(Box::pin(async move { sink.send(record).await }));
        }
    }

    /// Whether a record waits for room.
    pub(super) fn is_waiting(&self) -> bool {
        self.sending.is_some() || !self.waiting.is_empty()
    }

    /// A bound turned it away once its address was known: there never was an MQTT connection.
    pub(super) async fn not_accepted(mut self, peer: SocketAddr, reason: &'static str) {
        self.port.metrics.refused(reason);
        if self.shared.flood.is_first(Happened::not_accepted(&self.port.name, reason), peer.ip()) {
            self.offer(audit::not_accepted(&self.port.name, peer, reason, SystemTime::now()));
            self.flush().await;
        }
    }

    /// A handshake failed: there never was an MQTT connection.
    pub(super) async fn handshake_failed(mut self, peer: SocketAddr, reason: &'static str) {
        self.port.metrics.handshake_failed(reason);
        if self.shared.flood.is_first(Happened::handshake_failed(&self.port.name, reason), peer.ip()) {
            self.offer(audit::handshake_failed(self.number, &self.port.name, peer, reason, SystemTime::now()));
            self.flush().await;
        }
    }

    /// The connection is over.
    pub(super) async fn ended(mut self, identity: &Identity, end: &End) {
        if let Some(first) = end.ban {
            let rule = end.rule.as_ref().map_or("", Text::as_str);
            let grounds = Grounds { offence: Offence::Rate, rule, first: Some(first) };
            self.shared.ban(&self.port, identity.who(), &grounds).await;
        }
        self.shared.metrics.ended(&self.port.metrics, self.server.as_deref(), end);
        let lasted = self.accepted.elapsed();
        let record = audit::ended(&self.context(identity), end, &self.traffic, lasted, SystemTime::now());
        self.offer(record);
        self.flush().await;
    }

    fn context<'c>(&'c self, identity: &'c Identity) -> ConnectionContext<'c> {
        let server = self.server.as_ref().map(|server| server.server());
        let policy = self.live.terms.policy.version();
        ConnectionContext { number: self.number, identity, version: self.version, server, policy }
    }

    fn offer(&mut self, record: Record) {
        if self.is_waiting() {
            self.waiting.push_back(record);
        } else if let Err(Full(record)) = self.shared.audit.try_send(record) {
            self.waiting.push_back(record);
        }
    }

    async fn flush(&mut self) {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await;
    }
}
