//! The tables of rules about rates as they are written.

use std::time::Duration;

use crate::config::kinds::{
    Words, byte_rate, count, duration, list, name, optional, part, rate, required, seconds, size, table, topic_filter,
    word,
};
use crate::config::policy::tables::{MANY, WhenTable};
use crate::config::read::{Located, settings};
use crate::policy::{Excess, Mode, Per};
use crate::rate::Rate;

/// What is counted together where a prefix is meant, and nothing else is said.
const PREFIX: (u8, u8) = (24, 56);

impl Words for Per {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("identity", Self::Identity),
        ("client", Self::Client),
        ("address", Self::Address),
        ("prefix", Self::Prefix { ipv4: PREFIX.0, ipv6: PREFIX.1 }),
        ("role", Self::Role),
        ("topic", Self::Topic),
        ("listener", Self::Listener),
        ("gateway", Self::Gateway),
    ];
}

impl Words for Excess {
    const WORDS: &'static [(&'static str, Self)] =
        &[("throttle", Self::Throttle), ("reject", Self::Reject), ("disconnect", Self::Disconnect), ("ban", Self::Ban)];
}

settings! {
    /// How much may come, in how long. Everything that counts something must have room for it.
    pub(in crate::config) struct RateTable {
        /// Its id, which records and Reason Strings show; unique among all rules.
        id: Option<Located<String>> = None, required(name());
        /// Whose; names of roles. Everyone's when not given.
        roles: Vec<Located<String>> = Vec::new(), list(name(), 0..=MANY);
        /// Topic Filters of messages that clients publish. A level may be a variable, such as `${identity}`. With neither this nor `receive`, all that clients publish is counted.
        publish: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Topic Filters of messages that are delivered to clients.
        receive: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// What is counted together: of one `identity` (its proven name; who proves none goes by its address, of IPv6 the first 64 bits), of one `client` (identity and Client Identifier), of one `address`, of one `prefix` of addresses, of one `role` (each that `roles` names, or that a client has), of one `topic` (each Topic Name by itself), of one `listener`, of the whole `gateway`.
        per: Option<Located<Per>> = Some(Located { value: Per::Identity, span: 0..0 }), optional(word());
        /// How many leading bits of an address are a prefix, with `per = "prefix"`.
        prefix: Option<Located<PrefixTable>> = None, optional(table());
        /// Messages in a time.
        messages: Option<Located<Rate>> = None, optional(rate());
        /// Bytes of payload in a time.
        bytes: Option<Located<Rate>> = None, optional(byte_rate());
        /// Packets that clients send in a time, acknowledgements and PINGREQ among them.
        packets: Option<Located<Rate>> = None, optional(rate());
        /// Connections in a time, counted when they are authenticated.
        connections: Option<Located<Rate>> = None, optional(rate());
        /// Topic Filters that are subscribed to in a time.
        subscriptions: Option<Located<Rate>> = None, optional(rate());
        /// How many may come at once, of what is counted by number; as many as come in the time of the rate when not given.
        burst: Option<Located<u32>> = None, optional(count(1..=u32::MAX));
        /// How many bytes may come at once; as many as come in the time of the rate when not given.
        burst_bytes: Option<Located<u32>> = None, optional(size(1..=u32::MAX));
        /// A message counts once for each so many bytes of payload that it begins; once, whatever its size, when not given.
        weigh: Option<Located<u32>> = None, optional(size(1..=256 << 20));
        /// What becomes of what comes too fast: `throttle` lets it wait, and what comes behind it, `reject` refuses it (of `packets`, that ends the connection: most have no answer), `disconnect` ends the connection, `ban` ends it and shuts the client out for a while. When not given, what can wait does, and connections and subscriptions are refused.
        on_excess: Option<Located<Excess>> = None, optional(word());
        /// For how long a client is banned the first time, with `on_excess = "ban"`; `5m` when not given. Each further time takes twice as long.
        ban: Option<Located<Duration>> = None, optional(duration(seconds(1)..=seconds(7 * 86_400)));
        /// Parts of the rate that are kept for roles, with `per = "gateway"` or `"listener"`. What a role leaves unused others may borrow; who has no share lives of what is left.
        shares: Vec<Located<ShareTable>> = Vec::new(), list(table(), 0..=100);
        /// When it holds; always when not given.
        when: Option<Located<WhenTable>> = None, optional(table());
        /// With `monitor` it stops nothing, and what it would have stopped is recorded.
        mode: Option<Located<Mode>> = Some(Located { value: Mode::Enforce, span: 0..0 }), optional(word());
    }
}

impl RateTable {
    /// Each role that it names.
    pub(in crate::config) fn named_roles(&self) -> impl Iterator<Item = &Located<String>> {
        self.roles.iter().chain(self.shares.iter().filter_map(|share| share.value.role.as_ref()))
    }
}

settings! {
    /// How many leading bits of an address are a prefix.
    pub(in crate::config) struct PrefixTable {
        /// Of IPv4.
        ipv4: u8 = PREFIX.0, count(1..=32);
        /// Of IPv6.
        ipv6: u8 = PREFIX.1, count(1..=64);
    }
}

settings! {
    /// A part of a rate that is kept for the clients of a role.
    pub(in crate::config) struct ShareTable {
        /// The name of the role. Of several a client has the largest.
        role: Option<Located<String>> = None, required(name());
        /// How much of the rate, and of what may come at once.
        share: Option<Located<u16>> = None, required(part());
    }
}
