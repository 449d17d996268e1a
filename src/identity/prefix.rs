//! Addresses that begin alike.

use std::net::IpAddr;

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Any of them.
    pub address: IpAddr,
    /// How many leading bits count: at most 32, or 128.
    pub bits: u8,
}

impl Prefix {
    /// Reads `10.0.0.0/8`, or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => widest,
            Some(bits) if !bits.bytes().all(|byte| byte.is_ascii_digit()) => return None,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= widest)?,
        };
        Some(Self { address, bits })
    }

    /// Whether `address` is one of them. An IPv4 address is itself however it is written: as `::ffff:10.0.0.1`, too.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |own: u128, other: u128, width: u32| {
            let behind = width.saturating_sub(u32::from(self.bits));
            own.checked_shr(behind).unwrap_or(0) == other.checked_shr(behind).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(u32::from(own).into(), u32::from(other).into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.into(), other.into(), 128),
            (IpAddr::V6(own), IpAddr::V4(other)) => {
                self.bits >= 96 && same(own.into(), other.to_ipv6_mapped().into(), 128)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_prefix_by_its_leading_bits() {
        for (prefix, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "::10.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "11.9.9.9", false),
        ] {
            assert_eq!(
                Prefix::parse(prefix).unwrap().contains(address.parse().unwrap()),
                expected,
                "{prefix} {address}"
            );
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0/8", "::/129", "::/8/8", "a"]
        {
            assert_eq!(Prefix::parse(text), None, "{text}");
        }
    }
}
