//! Who one client is, for whatever is held against it: rates, bans, detectors.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Identity, Method};

/// Who one client is: nothing in it can be chosen by a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who<'n> {
    /// Its name, where that is proven by something that others do not have.
    Client(&'n str),
    /// Where it dials from, where nothing else is proven.
    Address(Network),
}

/// Where a client dials from, as far as it does not choose that: an address of IPv4, a /64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// An address of IPv4, however it was written.
    V4(u32),
    /// The leading 64 bits of an IPv6 address.
    V6(u64),
}

impl Identity {
    /// Who it is. A name that is taken from a Client Identifier or an address is no proof, nor is that of an anonymous client:
    /// it is by where it dials from.
    #[must_use]
    pub fn who(&self) -> Who<'_> {
        match (self.method, &self.name) {
            (Method::Certificate | Method::Password | Method::Token | Method::Http, Some(name)) => Who::Client(name),
            (Method::Certificate | Method::Password | Method::Token | Method::Http, None)
            | (Method::Unproven | Method::Address | Method::Anonymous, _) => {
                Who::Address(Network::of(self.source.ip()))
            }
        }
    }
}

impl Network {
    /// That of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [high, _] = halves(address);
                Self::V6(high)
            }
        }
    }

    /// Its first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        match self {
            Self::V4(bits) => Ipv4Addr::from_bits(bits).into(),
            Self::V6(bits) => Ipv6Addr::from_bits(u128::from(bits) << 64).into(),
        }
    }

    /// The same in two numbers; no two networks have the same.
    #[must_use]
    pub const fn numbers(self) -> [u64; 2] {
        match self {
            Self::V4(bits) => [0, bits as u64],
            Self::V6(bits) => [1, bits],
        }
    }
}

fn halves(address: Ipv6Addr) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |parts: [u16; 4]| parts.into_iter().fold(0, |bits, part| bits << 16 | u64::from(part));
    [join([a, b, c, d]), join([e, f, g, h])]
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4(_) => self.address().fmt(f),
            Self::V6(_) => write!(f, "{}/64", self.address()),
        }
    }
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(name) => f.write_str(name),
            Self::Address(network) => network.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_of_ipv4_and_64_bits_of_ipv6() {
        for (address, shown) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()).to_string(), shown);
        }
        let all = ["0.0.0.0", "::", "0.0.0.1", "0:0:0:1::"].map(|one| Network::of(one.parse().unwrap()).numbers());
        for (place, one) in all.iter().enumerate() {
            assert!(!all[..place].contains(one));
        }
    }

    #[test]
    fn who_is_proven_by_nothing_of_its_own_is_where_it_dials_from() {
        for (method, name, expected) in [
            (Method::Certificate, Some("press-4"), "press-4"),
            (Method::Password, Some("press-4"), "press-4"),
            (Method::Token, Some("press-4"), "press-4"),
            (Method::Http, Some("press-4"), "press-4"),
            (Method::Http, None, "192.0.2.7"),
            (Method::Address, Some("press-4"), "192.0.2.7"),
            (Method::Anonymous, Some("press-4"), "192.0.2.7"),
            (Method::Unproven, None, "192.0.2.7"),
        ] {
            let mut identity = Identity::new("field".into(), "192.0.2.7:5000".parse().unwrap(), None);
            identity.client_id = "anything".into();
            (identity.method, identity.name) = (method, name.map(Into::into));
            assert_eq!(identity.who().to_string(), expected, "{method:?}");
        }
    }
}
