//! One message, judged by what is known.

use super::birth::{Birth, Declared};
use super::known::{Edge, Life, Side, Used};
use super::{Asked, Named, Place, Seq, What};
use crate::payload::sparkplug::{Datatype, Fault, FaultKind, Metric, Payload};

pub(super) struct Judging<'n, 'm, 'p> {
    side: &'n Side,
    place: Option<usize>,
    edge: Option<&'n Edge>,
    asked: Asked,
    payload: &'m Payload<'p>,
    each: &'m mut dyn FnMut(&Named<'_, 'p>),
    fault: Option<Fault>,
}

/// The metric with the number that ties an NBIRTH to its NDEATH.
const BD_SEQ: &str = "bdSeq";
/// The metric by which a host asks for a BIRTH; every node has it [tck-id-payloads-nbirth-rebirth-req].
const REBIRTH: &str = "Node Control/Rebirth";

impl<'n, 'm, 'p> Judging<'n, 'm, 'p> {
    pub(super) fn new(
        side: &'n Side,
        place: Option<usize>,
        asked: Asked,
        payload: &'m Payload<'p>,
        each: &'m mut dyn FnMut(&Named<'_, 'p>),
    ) -> Self {
        Self { side, place, edge: side.at(place), asked, payload, each, fault: None }
    }

    /// The first that was wrong.
    pub(super) fn fault(self) -> Result<(), Fault> {
        self.fault.map_or(Ok(()), Err)
    }

    fn wrong(&mut self, what: FaultKind, metric: Option<&str>) {
        if self.fault.is_none() {
            self.fault = Some(Fault::of(what, metric));
        }
    }

    /// An NDEATH that is the Will [tck-id-payloads-ndeath-will-message].
    pub(super) fn will(&mut self, place: impl FnOnce() -> Box<Place>) -> (Seq, What) {
        let bd_seq = self.dead_metrics();
        if !self.side.has_room(self.place) {
            self.wrong(FaultKind::TooMany, None);
        }
        (Seq::Stays, bd_seq.map_or(What::Nothing, |bd_seq| What::Registers(place(), bd_seq)))
    }

    pub(super) fn other_will(&mut self) -> (Seq, What) {
        if self.asked.sequence {
            self.wrong(FaultKind::Will, None);
        }
        self.metrics(|judging, metric| judging.known(metric, None, None, true));
        (Seq::Stays, What::Nothing)
    }

    pub(super) fn node_birth(&mut self, place: impl FnOnce() -> Box<Place>) -> (Seq, What) {
        let seq = self.seq(false);
        let mut bd_seq = None;
        let birth = self.birth(|metric| {
            if metric.name == Some(BD_SEQ) {
                bd_seq = metric.unsigned();
            }
        });
        if self.asked.sequence {
            match (bd_seq, self.edge.and_then(|edge| edge.will)) {
                (None, _) => self.wrong(FaultKind::NoBdSeq, None),
                (Some(_), None) => self.wrong(FaultKind::NoDeath, None),
                (Some(bd_seq), Some(will)) if bd_seq != will => self.wrong(FaultKind::BdSeq, None),
                (Some(_), Some(_)) => {}
            }
        }
        let less = self.edge.map(Edge::used).unwrap_or_default();
        let birth = self.room(birth, less, 0);
        (seq, What::NodeBirth(place(), birth, bd_seq))
    }

    pub(super) fn device_birth(&mut self, place: impl FnOnce() -> Box<Place>, device: &str) -> (Seq, What) {
        if self.asked.sequence {
            self.alive(self.edge.map(|edge| edge.node.life));
        }
        let seq = self.seq(true);
        let birth = self.birth(|_| {});
        let known = self.edge.and_then(|edge| edge.device(device));
        if let Some(edge) = self.edge {
            // Of the whole node [tck-id-payloads-alias-uniqueness].
            let of_another = |metric: &&Declared| {
                let held = metric.alias.and_then(|alias| edge.by_alias(alias));
                held.is_some_and(|(part, _)| Some(part) != known.map(|device| device + 1))
            };
            if let Some(metric) = birth.metrics.iter().find(of_another) {
                self.wrong(FaultKind::DeclaredTwice, Some(&metric.name));
            }
        }
        let part = known.and_then(|device| self.edge?.devices.get(device));
        let less = part.map(|part| part.used()).unwrap_or_default();
        let devices = usize::from(known.is_none());
        let birth = self.room(birth, less, devices * device.len());
        let birth = Birth { has_room: birth.has_room && self.has_room_for_device(devices), ..birth };
        (seq, What::DeviceBirth(place(), device.into(), birth))
    }

    pub(super) fn node_data(&mut self) -> (Seq, What) {
        let seq = self.seq(true);
        self.data(0, self.edge.map(|edge| edge.node.life));
        (seq, What::Nothing)
    }

    pub(super) fn device_data(&mut self, device: &str) -> (Seq, What) {
        let (part, life) = self.device(device);
        let seq = self.seq(true);
        self.data(part, life);
        (seq, What::Nothing)
    }

    pub(super) fn node_death(&mut self) -> (Seq, What) {
        if self.asked.sequence {
            self.alive(self.edge.map(|edge| edge.node.life));
        }
        let bd_seq = self.dead_metrics();
        if self.asked.sequence && bd_seq.is_some() && self.edge.and_then(|edge| edge.bd_seq) != bd_seq {
            self.wrong(FaultKind::BdSeq, None);
        }
        (Seq::Stays, What::NodeDeath)
    }

    pub(super) fn device_death(&mut self, device: &str) -> (Seq, What) {
        let (_, life) = self.device(device);
        if self.asked.sequence {
            self.alive(life);
        }
        let seq = self.seq(true);
        self.metrics(|judging, metric| judging.known(metric, None, None, true));
        let device = self.edge.and_then(|edge| edge.device(device));
        (seq, device.map_or(What::Nothing, What::DeviceDeath))
    }

    /// A command, to what has declared itself to the other side.
    pub(super) fn node_command(&mut self, node: Option<&'n Edge>) -> (Seq, What) {
        self.command(node, 0, node.map(|node| node.node.life));
        (Seq::Stays, What::Nothing)
    }

    pub(super) fn device_command(&mut self, node: Option<&'n Edge>, device: &str) -> (Seq, What) {
        let device = node.and_then(|node| Some((node.device(device)?, node)));
        let (part, life) = match device {
            Some((device, node)) => (device + 1, node.devices.get(device).map(|part| part.life)),
            None => (usize::MAX, None),
        };
        self.command(node, part, life);
        (Seq::Stays, What::Nothing)
    }

    fn command(&mut self, node: Option<&'n Edge>, part: usize, life: Option<Life>) {
        self.metrics(|judging, metric| {
            // A host asks for a rebirth just because it has heard of none.
            if part == 0 && metric.name == Some(REBIRTH) && metric.alias.is_none() {
                return judging.tell(metric, metric.name, Some(Datatype::Boolean));
            }
            if judging.asked.declared {
                judging.alive(life);
            }
            judging.known(metric, node, Some(part), !judging.asked.declared);
        });
    }

    fn data(&mut self, part: usize, life: Option<Life>) {
        if self.asked.sequence || self.asked.declared {
            self.alive(life);
        }
        let (edge, declared) = (self.edge, self.asked.declared);
        self.metrics(|judging, metric| judging.known(metric, edge, Some(part), !declared));
    }

    /// The part that a device is of its node, and how it is.
    fn device(&self, device: &str) -> (usize, Option<Life>) {
        let Some(edge) = self.edge else { return (usize::MAX, None) };
        match edge.device(device) {
            Some(place) => (place + 1, edge.devices.get(place).map(|part| part.life)),
            None if edge.node.life == Life::Dead => (usize::MAX, Some(Life::Dead)),
            None => (usize::MAX, None),
        }
    }

    fn alive(&mut self, life: Option<Life>) {
        match life {
            Some(Life::Alive) => {}
            Some(Life::Dead) => self.wrong(FaultKind::Dead, None),
            Some(Life::NotBorn) | None => self.wrong(FaultKind::NotBorn, None),
        }
    }

    /// What the payload's `seq` does, held against the last where it must follow it.
    fn seq(&mut self, follows: bool) -> Seq {
        let Some(seq) = self.payload.seq else {
            if self.asked.sequence {
                self.wrong(FaultKind::NoSeq, None);
            }
            return Seq::Lost;
        };
        let next = self.edge.and_then(|edge| edge.next);
        if follows && self.asked.sequence && next.is_some_and(|next| next != seq) {
            self.wrong(FaultKind::Seq, None);
        }
        Seq::Was(seq)
    }

    /// The metrics of an NDEATH, and the number among them.
    fn dead_metrics(&mut self) -> Option<u64> {
        let mut bd_seq = None;
        self.metrics(|judging, metric| {
            if metric.name == Some(BD_SEQ) {
                bd_seq = metric.unsigned();
            }
            judging.known(metric, None, None, true);
        });
        if bd_seq.is_none() && self.asked.sequence {
            self.wrong(FaultKind::NoBdSeq, None);
        }
        bd_seq
    }

    /// The metrics of a BIRTH: each has a name and a datatype [tck-id-payloads-metric-datatype-req].
    fn birth(&mut self, mut look: impl FnMut(&Metric<'p>)) -> Birth {
        let mut birth = Birth::default();
        self.metrics(|judging, metric| {
            look(&metric);
            let Some(name) = metric.name else { return judging.wrong(FaultKind::NoName, None) };
            let Some(datatype) = metric.datatype else { return judging.wrong(FaultKind::Datatype, Some(name)) };
            birth.metrics.push(Declared { name: name.into(), datatype, alias: metric.alias });
            judging.tell(metric, Some(name), Some(datatype));
        });
        if let Some(twice) = birth.close() {
            self.wrong(FaultKind::DeclaredTwice, Some(&twice));
        }
        birth
    }

    /// Whether there is room for a BIRTH, in place of what is given up for it.
    fn room(&mut self, birth: Birth, less: Used, name_bytes: usize) -> Birth {
        let more = Used { devices: 0, metrics: birth.metrics.len(), name_bytes: birth.name_bytes() + name_bytes };
        let has_room = self.side.has_room(self.place) && self.side.has_room_for(more, less);
        if !has_room {
            self.wrong(FaultKind::TooMany, None);
        }
        Birth { has_room, ..birth }
    }

    fn has_room_for_device(&mut self, devices: usize) -> bool {
        let has_room = self.side.has_room_for(Used { devices, ..Used::default() }, Used::default());
        if !has_room {
            self.wrong(FaultKind::TooMany, None);
        }
        has_room
    }

    /// Goes through the metrics, up to one that can't be read.
    fn metrics(&mut self, mut judge: impl FnMut(&mut Self, Metric<'p>)) {
        for metric in self.payload.metrics() {
            match metric {
                Ok(metric) => judge(self, metric),
                Err(flaw) => {
                    if self.fault.is_none() {
                        self.fault = Some(flaw.into());
                    }
                    return;
                }
            }
        }
    }

    /// A metric that should be one of a part of a node. `any`: one that is not will do.
    fn known(&mut self, metric: Metric<'p>, edge: Option<&'n Edge>, part: Option<usize>, any: bool) {
        let declared = match (metric.alias, metric.name) {
            (None, None) => return self.wrong(FaultKind::NoName, None),
            (Some(alias), name) => match edge.and_then(|edge| edge.by_alias(alias)) {
                Some((of, declared)) if Some(of) == part && name.is_none_or(|name| name == &*declared.name) => {
                    Some(declared)
                }
                // Who knows the alias and who goes by the name would read two metrics.
                Some(_) => return self.wrong(FaultKind::Alias, name),
                None if !any => return self.wrong(FaultKind::Alias, name),
                None => None,
            },
            (None, Some(_)) => None,
        };
        let by_name = || edge?.part(part?)?.by_name(metric.name?);
        let declared = declared.or_else(by_name);
        let name = declared.map_or(metric.name, |declared| Some(&*declared.name));
        if declared.is_none() && !any {
            return self.wrong(FaultKind::Undeclared, name);
        }
        let datatype = declared.map(|declared| declared.datatype);
        if datatype.is_some() && metric.datatype.is_some() && datatype != metric.datatype {
            return self.wrong(FaultKind::Datatype, name);
        }
        self.tell(metric, name, datatype.or(metric.datatype));
    }

    fn tell(&mut self, metric: Metric<'p>, name: Option<&str>, datatype: Option<Datatype>) {
        let value = match metric.value(datatype) {
            Ok(value) => Some(value),
            Err(FaultKind::Datatype) => None,
            Err(fault) => return self.wrong(fault, name),
        };
        (self.each)(&Named { name, metric, value });
    }
}
