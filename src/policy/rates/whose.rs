//! By what buckets are told apart: nothing that a client could choose to get another one, but where a rule says so.

use std::net::IpAddr;
use std::sync::Arc;

use super::meter::Context;
use super::plan::{Limit, Said};
use super::rule::Per;
use crate::identity::{Identity, Network, Who};
use crate::policy::Key;
use crate::policy::compile::Ruling;
use crate::policy::roles::Roles;
use crate::rate::Bucket;

/// Of whom a counter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Of the client, or where it comes from, or everyone.
    Client,
    /// Of the clients of a role.
    Role(u32),
    /// Of the clients of a role that has a share.
    Share(u32),
}

impl Subject {
    /// Of whom a rule counts, for someone with these roles.
    pub(super) fn of(rule: &Ruling<Said>, held: &[u32]) -> Vec<Self> {
        let share = rule.said.shares.iter().map(|(role, _)| *role).find(|role| held.contains(role));
        if let Some(role) = share {
            return vec![Self::Share(role)];
        }
        if rule.said.rule.per != Per::Role {
            return vec![Self::Client];
        }
        let is_named = |role: &&u32| rule.roles.contains(role) && !rule.said.rule.roles.is_empty();
        let mut roles: Vec<Self> = held.iter().filter(is_named).map(|role| Self::Role(*role)).collect();
        if rule.said.rule.roles.is_empty() {
            roles.extend(held.iter().filter(|role| **role != Roles::EVERYONE).map(|role| Self::Role(*role)));
        }
        if roles.is_empty() { vec![Self::Role(Roles::EVERYONE)] } else { roles }
    }
}

/// The bucket that a rule's limit draws from; one of the connection's own where nothing outlives it.
pub(super) fn bucket(
    rule: &Ruling<Said>,
    limit: &Limit,
    subject: Subject,
    topic: Option<&str>,
    more: &[&[u8]],
    context: &Context<'_>,
) -> Arc<Bucket> {
    let Some(memory) = context.memory else { return Arc::default() };
    let quick = |parts: &[&[u8]]| Key::quick(memory.keys(), parts);
    // Of another rate, what is in a bucket means something else.
    let (tokens, nanos) = (limit.rate.tokens().to_be_bytes(), limit.rate.per().as_nanos().to_be_bytes());
    let burst = limit.rate.burst().to_be_bytes();
    let Key(own) = quick(&[b"rate", rule.id.as_bytes(), limit.unit.label().as_bytes(), &tokens, &nanos, &burst]);
    let Key(of) = whose(limit.per, subject, topic, context, &quick);
    let (own, of) = (own.to_be_bytes(), of.to_be_bytes());
    let parts: Vec<&[u8]> = [&own[..], &of].into_iter().chain(more.iter().copied()).collect();
    let spare: Vec<&[u8]> = std::iter::once(&own[..]).chain(more.iter().copied()).collect();
    memory.bucket(quick(&spare), quick(&parts), context.now)
}

fn whose(
    per: Per,
    subject: Subject,
    topic: Option<&str>,
    context: &Context<'_>,
    quick: &dyn Fn(&[&[u8]]) -> Key,
) -> Key {
    let Identity { source, client_id, listener, .. } = context.identity;
    let label = per.label().as_bytes();
    match per {
        Per::Identity => who(context.identity, label, b"", quick),
        Per::Client => who(context.identity, label, client_id.as_bytes(), quick),
        Per::Address => network(Network::of(source.ip()), |parts| quick(&[label, parts])),
        Per::Prefix { ipv4, ipv6 } => {
            let (bits, prefix) = begins(source.ip(), ipv4, ipv6);
            quick(&[label, &[bits], &prefix])
        }
        Per::Role => {
            let name = match subject {
                Subject::Role(role) | Subject::Share(role) => (context.role_name)(role),
                Subject::Client => "",
            };
            quick(&[label, name.as_bytes()])
        }
        Per::Topic => quick(&[label, topic.unwrap_or_default().as_bytes()]),
        Per::Listener => quick(&[label, listener.as_bytes()]),
        Per::Gateway => quick(&[label]),
    }
}

fn who(identity: &Identity, label: &[u8], client_id: &[u8], quick: &dyn Fn(&[&[u8]]) -> Key) -> Key {
    match identity.who() {
        Who::Client(name) => quick(&[label, b"name", name.as_bytes(), client_id]),
        Who::Address(of) => network(of, |parts| quick(&[label, b"address", parts, client_id])),
    }
}

fn network(network: Network, then: impl FnOnce(&[u8]) -> Key) -> Key {
    let [kind, bits] = network.numbers().map(u64::to_be_bytes);
    then([kind, bits].as_flattened())
}

/// The leading bits of an address, and how it is to be told from others that are as short.
fn begins(address: IpAddr, ipv4: u8, ipv6: u8) -> (u8, [u8; 16]) {
    let leading = |bits: u128, count: u8| {
        let behind = 128 - u32::from(count.min(128));
        bits.checked_shr(behind).and_then(|bits| bits.checked_shl(behind)).unwrap_or(0).to_be_bytes()
    };
    match address.to_canonical() {
        IpAddr::V4(address) => (4, leading(u128::from(address.to_bits()) << 96, ipv4)),
        IpAddr::V6(address) => (6, leading(address.to_bits(), ipv6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_begin_alike_are_one_prefix() {
        let begins = |text: &str| begins(text.parse().unwrap(), 24, 56);
        for (one, other, expected) in [
            ("192.0.2.1", "192.0.2.255", true),
            ("192.0.2.1", "::ffff:192.0.2.9", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("2001:db8:0:1::1", "2001:db8:0:ff:1::", true),
            ("2001:db8:0:1::1", "2001:db8:0:100::1", false),
            ("192.0.2.1", "c000:0200::1", false),
        ] {
            assert_eq!(begins(one) == begins(other), expected, "{one} {other}");
        }
    }
}
