//! What is known one way.

use std::collections::HashMap;
use std::mem;

use super::birth::{Birth, Declared};
use super::{Bounds, Place, Seq, Step, Way, What};

/// All that is known one way.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) bounds: Bounds,
    pub(super) used: Used,
    edges: Vec<Edge>,
    /// By Group ID and Edge Node ID, the place in `edges`.
    places: HashMap<Box<str>, HashMap<Box<str>, usize>>,
}

/// How much of its bounds a side uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) devices: usize,
    pub(super) metrics: usize,
    pub(super) name_bytes: usize,
}

/// One edge node.
#[derive(Debug, Default)]
pub(super) struct Edge {
    /// The `bdSeq` of the NDEATH that is the Will.
    pub(super) will: Option<u64>,
    /// The `bdSeq` of its NBIRTH.
    pub(super) bd_seq: Option<u64>,
    /// The `seq` that must come next; none where that is not known.
    pub(super) next: Option<u8>,
    pub(super) node: Part,
    pub(super) devices: Vec<Part>,
    device_places: HashMap<Box<str>, usize>,
    /// The part and metric that an alias stands for, the node being part 0 and its devices counted from 1.
    aliases: HashMap<u64, (usize, usize)>,
}

/// A node, or one of its devices.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) life: Life,
    /// By name.
    metrics: Vec<Declared>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Life {
    #[default]
    NotBorn,
    Alive,
    Dead,
}

impl Side {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, used: Used::default(), edges: Vec::new(), places: HashMap::new() }
    }

    pub(super) fn place(&self, group: &str, node: &str) -> Option<usize> {
        self.places.get(group)?.get(node).copied()
    }

    pub(super) fn at(&self, place: Option<usize>) -> Option<&Edge> {
        self.edges.get(place?)
    }

    pub(super) fn edge(&self, group: &str, node: &str) -> Option<&Edge> {
        self.at(self.place(group, node))
    }

    /// Whether one more edge node has room.
    pub(super) fn has_room(&self, known: Option<usize>) -> bool {
        known.is_some() || self.edges.len() < self.bounds.nodes
    }

    /// Whether so much has room in place of what is given up for it.
    pub(super) fn has_room_for(&self, more: Used, less: Used) -> bool {
        let fits = |used: usize, more: usize, less: usize, bound: usize| used.saturating_sub(less) + more <= bound;
        fits(self.used.devices, more.devices, less.devices, self.bounds.devices)
            && fits(self.used.metrics, more.metrics, less.metrics, self.bounds.metrics)
            && fits(self.used.name_bytes, more.name_bytes, less.name_bytes, self.bounds.name_bytes)
    }

    pub(super) fn settle(&mut self, step: Step, goes_on: bool) {
        let mut edge = step.edge;
        match step.what {
            What::Nothing => {}
            What::Registers(place, bd_seq) if goes_on => {
                edge = self.enter(&place);
                if let Some(edge) = edge.and_then(|edge| self.edges.get_mut(edge)) {
                    edge.will = Some(bd_seq);
                }
            }
            What::NodeBirth(place, birth, bd_seq) => {
                let is_born = goes_on && birth.has_room;
                if is_born {
                    edge = self.enter(&place);
                }
                if let Some(edge) = edge.and_then(|edge| self.edges.get_mut(edge)) {
                    edge.end(&mut self.used, Life::NotBorn);
                    if is_born {
                        edge.bd_seq = bd_seq;
                        edge.bear(&mut self.used, 0, birth);
                    }
                }
            }
            What::DeviceBirth(place, device, birth) => {
                let is_born = goes_on && birth.has_room;
                if is_born {
                    edge = self.enter(&place);
                }
                if let Some(edge) = edge.and_then(|edge| self.edges.get_mut(edge)) {
                    if is_born {
                        let part = edge.enter(&mut self.used, device) + 1;
                        edge.bear(&mut self.used, part, birth);
                    } else if let Some(device) = edge.device(&device) {
                        edge.end_part(&mut self.used, device + 1, Life::NotBorn);
                    }
                }
            }
            // What was delivered of a death may be older than the birth: what is known stays.
            What::NodeDeath if goes_on && step.way == Way::Published => {
                if let Some(edge) = edge.and_then(|edge| self.edges.get_mut(edge)) {
                    edge.end(&mut self.used, Life::Dead);
                }
            }
            What::DeviceDeath(device) if goes_on && step.way == Way::Published => {
                if let Some(edge) = edge.and_then(|edge| self.edges.get_mut(edge)) {
                    edge.end_part(&mut self.used, device + 1, Life::Dead);
                }
            }
            What::Registers(..) | What::NodeDeath | What::DeviceDeath(_) => {}
        }
        if let Some(edge) = edge.and_then(|edge| self.edges.get_mut(edge)) {
            match step.seq {
                Seq::Stays => {}
                Seq::Was(seq) => edge.next = Some(seq.wrapping_add(1)),
                Seq::Lost => edge.next = None,
            }
        }
    }

    /// The place of an edge node, which is given one if there is room.
    fn enter(&mut self, place: &Place) -> Option<usize> {
        let known = self.place(&place.group, &place.node);
        if known.is_some() || !self.has_room(known) {
            return known;
        }
        self.edges.push(Edge::default());
        let nodes = self.places.entry(place.group.clone()).or_default();
        nodes.insert(place.node.clone(), self.edges.len() - 1);
        self.used.name_bytes += place.group.len() + place.node.len();
        Some(self.edges.len() - 1)
    }
}

impl Edge {
    /// The place of a device.
    pub(super) fn device(&self, device: &str) -> Option<usize> {
        self.device_places.get(device).copied()
    }

    /// The node itself (0), or a device, counted from 1.
    pub(super) fn part(&self, part: usize) -> Option<&Part> {
        match part.checked_sub(1) {
            None => Some(&self.node),
            Some(device) => self.devices.get(device),
        }
    }

    fn part_mut(&mut self, part: usize) -> Option<&mut Part> {
        match part.checked_sub(1) {
            None => Some(&mut self.node),
            Some(device) => self.devices.get_mut(device),
        }
    }

    /// The part and metric that an alias stands for.
    pub(super) fn by_alias(&self, alias: u64) -> Option<(usize, &Declared)> {
        let (part, metric) = *self.aliases.get(&alias)?;
        Some((part, self.part(part)?.metrics.get(metric)?))
    }

    /// What the node and all its devices use.
    pub(super) fn used(&self) -> Used {
        let parts = self.devices.iter().chain([&self.node]).map(Part::used);
        let devices = Used {
            devices: self.devices.len(),
            metrics: 0,
            name_bytes: self.device_places.keys().map(|name| name.len()).sum(),
        };
        parts.fold(devices, Used::plus)
    }

    /// The node is gone, and all its devices.
    fn end(&mut self, used: &mut Used, life: Life) {
        *used = used.minus(self.used());
        *self = Self { will: self.will, node: Part { life, metrics: Vec::new() }, ..Self::default() };
    }

    fn end_part(&mut self, used: &mut Used, part: usize, life: Life) {
        let Some(ended) = self.part_mut(part) else { return };
        *used = used.minus(ended.used());
        ended.life = life;
        for alias in mem::take(&mut ended.metrics).iter().filter_map(|metric| metric.alias) {
            if self.aliases.get(&alias).is_some_and(|(of, _)| *of == part) {
                self.aliases.remove(&alias);
            }
        }
    }

    /// The place of a device, which is given one if it has none.
    fn enter(&mut self, used: &mut Used, device: Box<str>) -> usize {
        if let Some(known) = self.device(&device) {
            return known;
        }
        *used = used.plus(Used { devices: 1, metrics: 0, name_bytes: device.len() });
        self.devices.push(Part::default());
        self.device_places.insert(device, self.devices.len() - 1);
        self.devices.len() - 1
    }

    fn bear(&mut self, used: &mut Used, part: usize, birth: Birth) {
        self.end_part(used, part, Life::Alive);
        let aliases =
            birth.metrics.iter().enumerate().filter_map(|(place, metric)| Some((metric.alias?, (part, place))));
        self.aliases.extend(aliases);
        if let Some(born) = self.part_mut(part) {
            born.metrics = birth.metrics;
            *used = used.plus(born.used());
        }
    }
}

impl Part {
    pub(super) fn by_name(&self, name: &str) -> Option<&Declared> {
        let found = self.metrics.binary_search_by(|metric| (*metric.name).cmp(name)).ok()?;
        self.metrics.get(found)
    }

    pub(super) fn used(&self) -> Used {
        let name_bytes = self.metrics.iter().map(|metric| metric.name.len()).sum();
        Used { devices: 0, metrics: self.metrics.len(), name_bytes }
    }
}

impl Used {
    pub(super) fn plus(self, more: Self) -> Self {
        Self {
            devices: self.devices + more.devices,
            metrics: self.metrics + more.metrics,
            name_bytes: self.name_bytes + more.name_bytes,
        }
    }

    fn minus(self, less: Self) -> Self {
        Self {
            devices: self.devices.saturating_sub(less.devices),
            metrics: self.metrics.saturating_sub(less.metrics),
            name_bytes: self.name_bytes.saturating_sub(less.name_bytes),
        }
    }
}

#[cfg(test)]
impl Side {
    /// What must hold of it at any time.
    pub(super) fn check(&self) {
        let names = self.places.iter().flat_map(|(group, nodes)| nodes.keys().map(|node| group.len() + node.len()));
        let nodes = Used { name_bytes: names.sum(), ..Used::default() };
        let used = self.edges.iter().map(Edge::used).fold(nodes, Used::plus);
        assert_eq!(self.used, used);
        assert!(self.edges.len() <= self.bounds.nodes && used.devices <= self.bounds.devices);
        assert!(used.metrics <= self.bounds.metrics);
        // Group and Edge Node IDs are bounded by their number; all other names by their bytes.
        assert!(used.name_bytes - nodes.name_bytes <= self.bounds.name_bytes);
        for edge in &self.edges {
            for (alias, (part, metric)) in &edge.aliases {
                let declared = edge.part(*part).and_then(|part| part.metrics.get(*metric));
                assert_eq!(declared.and_then(|declared| declared.alias), Some(*alias));
            }
        }
    }
}
