//! Which of many rules speak of a Topic Name or Topic Filter.
//!
//! One tree for each action, shared by all connections: what differs between them, the roles they have and the values
//! of variables, is compared on the way. Read [`Search`] first.

use std::collections::HashMap;
use std::ops::Range;

use super::filter::{Asked, Level, Symbols, Values, Void};
use super::number;

/// A rule at the end of a filter, for a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    role: u32,
    rule: u32,
}

/// What stands between a node and one below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Edge {
    Symbol(u32),
    Variable(u32),
    One,
}

/// A tree that is still growing.
#[derive(Debug)]
pub(super) struct Builder {
    edges: HashMap<(u32, Edge), u32>,
    nodes: Vec<Growing>,
}

#[derive(Debug, Default)]
struct Growing {
    parent: u32,
    here: Vec<Entry>,
    rest: Vec<Entry>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { edges: HashMap::new(), nodes: vec![Growing::default()] }
    }

    /// Adds a filter of `rule` for these roles.
    pub(super) fn add(&mut self, filter: &[Level<u32, u32>], rule: u32, roles: &[u32]) {
        let (mut at, mut is_rest) = (0, false);
        for level in filter {
            let edge = match level {
                Level::Exact(symbol) => Edge::Symbol(*symbol),
                Level::Variable(variable) => Edge::Variable(*variable),
                Level::One => Edge::One,
                Level::Rest => {
                    is_rest = true;
                    break;
                }
            };
            let fresh = number(self.nodes.len());
            let next = *self.edges.entry((at, edge)).or_insert(fresh);
            if next == fresh {
                self.nodes.push(Growing { parent: at, ..Growing::default() });
            }
            at = next;
        }
        let Some(node) = self.nodes.get_mut(at as usize) else { return };
        let entries = if is_rest { &mut node.rest } else { &mut node.here };
        entries.extend(roles.iter().map(|&role| Entry { role, rule }));
    }

    /// The tree as it is searched.
    pub(super) fn finish(self) -> Trie {
        let mut edges: Vec<((u32, Edge), u32)> = self.edges.into_iter().collect();
        edges.sort_unstable();
        let mut trie = Trie::default();
        let mut edges = edges.into_iter().peekable();
        let mut parents = Vec::with_capacity(self.nodes.len());
        for (at, growing) in self.nodes.into_iter().enumerate() {
            let (symbols, variables) = (trie.symbols.len(), trie.variables.len());
            let mut one = None;
            while let Some(((_, edge), next)) = edges.next_if(|((from, _), _)| *from == number(at)) {
                match edge {
                    Edge::Symbol(symbol) => trie.symbols.push((symbol, next)),
                    Edge::Variable(variable) => trie.variables.push((variable, next)),
                    Edge::One => one = Some(next),
                }
            }
            let least = growing.here.iter().chain(&growing.rest).map(|entry| entry.rule).min();
            let node = Node {
                symbols: Span::new(symbols..trie.symbols.len()),
                variables: Span::new(variables..trie.variables.len()),
                one,
                here: trie.keep(growing.here),
                rest: trie.keep(growing.rest),
                least: least.unwrap_or(u32::MAX),
            };
            trie.nodes.push(node);
            parents.push(growing.parent);
        }
        trie.tell_parents(&parents);
        trie
    }
}

/// Filters of many rules.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    symbols: Vec<(u32, u32)>,
    variables: Vec<(u32, u32)>,
    entries: Vec<Entry>,
}

/// What stands behind the levels that lead here.
#[derive(Debug)]
struct Node {
    /// Exact levels, ascending, and the nodes behind them.
    symbols: Span,
    /// Variables, and the nodes behind them.
    variables: Span,
    /// The node behind `+`.
    one: Option<u32>,
    /// Filters that end here; ascending by role, then rule.
    here: Span,
    /// Filters that end here with `#`.
    rest: Span,
    /// The least of all rules here and below.
    least: u32,
}

/// A part of one of the lists of a [`Trie`].
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u32,
    to: u32,
}

impl Span {
    fn new(range: Range<usize>) -> Self {
        Self { from: number(range.start), to: number(range.end) }
    }

    fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}

impl Trie {
    fn keep(&mut self, mut entries: Vec<Entry>) -> Span {
        entries.sort_unstable();
        entries.dedup();
        let from = self.entries.len();
        self.entries.extend(entries);
        Span::new(from..self.entries.len())
    }

    /// A node comes after its parent, so one pass from the last to the first does.
    fn tell_parents(&mut self, parents: &[u32]) {
        for (at, parent) in parents.iter().enumerate().rev() {
            let least = self.nodes.get(at).map_or(u32::MAX, |node| node.least);
            if let Some(parent) = self.nodes.get_mut(*parent as usize) {
                parent.least = parent.least.min(least);
            }
        }
    }
}

/// One question to a [`Trie`].
pub(super) struct Search<'s, F> {
    trie: &'s Trie,
    asked: &'s [(Asked<'s>, u32)],
    values: &'s Values,
    void: Void,
    /// The roles that the connection has, ascending.
    held: &'s [u32],
    /// Rules from here on are of no interest any more.
    bound: u32,
    found: F,
}

impl<'s, F: FnMut(u32) -> u32> Search<'s, F> {
    /// `found` is called for each rule for one of the roles that is found, perhaps repeatedly; it says from which rule on
    /// none is of interest any more.
    pub(super) fn new(
        trie: &'s Trie,
        asked: &'s [(Asked<'s>, u32)],
        (values, void): (&'s Values, Void),
        held: &'s [u32],
        found: F,
    ) -> Self {
        Self { trie, asked, values, void, held, bound: u32::MAX, found }
    }

    /// Finds the rules with a filter that matches all that is asked for.
    pub(super) fn covering(mut self) {
        self.cover(0, 0);
    }

    /// Finds the rules with a filter that matches some of what is asked for. Denials are asked so, and only they: a
    /// variable stands for something, whatever the connection has.
    pub(super) fn overlapping(mut self) {
        self.void = Void::Anything;
        self.overlap(0, 0);
    }

    fn cover(&mut self, at: u32, depth: usize) {
        let Some(node) = self.node(at) else { return };
        self.tell(node.rest);
        let Some((asked, symbol)) = self.asked.get(depth) else { return self.tell(node.here) };
        if asked.is_rest() {
            return;
        }
        self.step(node, asked, *symbol, |search, next| search.cover(next, depth + 1));
    }

    fn overlap(&mut self, at: u32, depth: usize) {
        let Some(node) = self.node(at) else { return };
        self.tell(node.rest);
        let Some((asked, symbol)) = self.asked.get(depth) else { return self.tell(node.here) };
        if asked.is_rest() {
            return self.all(at);
        }
        if !asked.is_one() {
            return self.step(node, asked, *symbol, |search, next| search.overlap(next, depth + 1));
        }
        for &(symbol, next) in node.symbols.of(&self.trie.symbols) {
            if depth > 0 || !Symbols::begins_with_dollar(symbol) {
                self.overlap(next, depth + 1);
            }
        }
        for &(_, next) in node.variables.of(&self.trie.variables) {
            self.overlap(next, depth + 1);
        }
        if let Some(next) = node.one {
            self.overlap(next, depth + 1);
        }
    }

    /// Goes on behind every level that takes all of `asked`.
    fn step(&mut self, node: &Node, asked: &Asked<'_>, symbol: u32, mut go: impl FnMut(&mut Self, u32)) {
        let symbols = node.symbols.of(&self.trie.symbols);
        if let Ok(at) = symbols.binary_search_by_key(&symbol, |(symbol, _)| *symbol)
            && let Some(&(_, next)) = symbols.get(at)
        {
            go(self, next);
        }
        for &(variable, next) in node.variables.of(&self.trie.variables) {
            if Level::<&str, u32>::Variable(variable).fits(asked, self.values, self.void) {
                go(self, next);
            }
        }
        if let Some(next) = node.one
            && !asked.is_hidden()
        {
            go(self, next);
        }
    }

    /// Everything here and below.
    fn all(&mut self, at: u32) {
        let Some(node) = self.node(at) else { return };
        self.tell(node.rest);
        self.tell(node.here);
        let (symbols, variables) = (node.symbols.of(&self.trie.symbols), node.variables.of(&self.trie.variables));
        for &(_, next) in symbols.iter().chain(variables) {
            self.all(next);
        }
        if let Some(next) = node.one {
            self.all(next);
        }
    }

    fn node(&self, at: u32) -> Option<&'s Node> {
        self.trie.nodes.get(at as usize).filter(|node| node.least < self.bound)
    }

    fn tell(&mut self, span: Span) {
        let entries = span.of(&self.trie.entries);
        if entries.len() <= 8 {
            for entry in entries.iter().filter(|entry| self.held.contains(&entry.role)) {
                self.tell_one(*entry);
            }
            return;
        }
        for &role in self.held {
            let first = entries.partition_point(|entry| entry.role < role);
            for entry in entries.get(first..).unwrap_or_default() {
                if entry.role != role || entry.rule >= self.bound {
                    break;
                }
                self.tell_one(*entry);
            }
        }
    }

    fn tell_one(&mut self, entry: Entry) {
        if entry.rule < self.bound {
            self.bound = (self.found)(entry.rule);
        }
    }
}
