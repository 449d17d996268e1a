use proptest::prelude::*;

use super::*;

fn set(lines: &str) -> PrefixSet {
    let mut prefixes = Prefixes::default();
    lines.lines().for_each(|line| prefixes.read_line(line).unwrap());
    prefixes.finish()
}

#[test]
fn a_line_is_a_network_an_address_a_remark_or_wrong() {
    let mut prefixes = Prefixes::default();
    for line in ["", "   ", "# a remark", "\t10.0.0.0/8  # the plant", "192.0.2.7", "2001:db8::/32\r", "::1"] {
        assert_eq!(prefixes.read_line(line), Ok(()), "{line}");
    }
    assert_eq!(prefixes.len(), 4);
    for line in
        ["10.0.0.0/33", "10.0.0.0/", "plant", "10.0.0.0/8 10.0.0.0/9", "10.0.0.1-10.0.0.9", "\u{feff}10.0.0.0/8"]
    {
        assert_eq!(prefixes.read_line(line), Err(NoPrefix), "{line}");
    }
    assert_eq!(prefixes.len(), 4);
}

#[test]
fn an_address_is_in_a_set_if_it_is_in_one_of_its_networks() {
    let set =
        set("10.0.0.0/8\n10.1.0.0/16\n192.0.2.7\n2001:db8::/32\n::ffff:198.51.100.0/120\n255.255.255.255\n0.0.0.0/32");
    for (address, expected) in [
        ("10.0.0.0", true),
        ("10.255.255.255", true),
        ("11.0.0.0", false),
        ("9.255.255.255", false),
        ("192.0.2.7", true),
        ("::ffff:192.0.2.7", true),
        ("192.0.2.8", false),
        ("198.51.100.255", true),
        ("198.51.101.0", false),
        ("255.255.255.255", true),
        ("255.255.255.254", false),
        ("0.0.0.0", true),
        ("2001:db8:ffff::1", true),
        ("2001:db9::", false),
        ("::a00:1", false),
    ] {
        assert_eq!(set.contains(address.parse().unwrap()), expected, "{address}");
    }
    assert!(!set.is_empty() && PrefixSet::default().is_empty());
    assert!(!PrefixSet::default().contains("10.0.0.1".parse().unwrap()));
}

#[test]
fn all_of_one_family_is_none_of_the_other() {
    let (four, six) = (set("0.0.0.0/0"), set("::/0"));
    let [v4, v6] = ["203.0.113.9", "2001:db8::1"].map(|address| address.parse().unwrap());
    assert!(four.contains(v4) && !four.contains(v6) && six.contains(v6) && !six.contains(v4));
}

#[test]
fn networks_that_lie_side_by_side_are_one_range() {
    let whole = set(&(0..=255).map(|part| format!("10.0.{part}.0/24\n")).collect::<String>());
    assert_eq!(whole, set("10.0.0.0/16"));
}

fn prefix() -> impl Strategy<Value = Prefix> {
    // Few addresses, so that networks meet.
    let v4 = (0_u32..64, 24_u8..=32).prop_map(|(host, bits)| (IpAddr::from((host << 2).to_be_bytes()), bits));
    let v6 = (0_u128..64, 120_u8..=128).prop_map(|(host, bits)| (IpAddr::from((host << 2).to_be_bytes()), bits));
    let mapped = (0_u32..64, 118_u8..=128)
        .prop_map(|(host, bits)| (std::net::Ipv4Addr::from_bits(host << 2).to_ipv6_mapped().into(), bits));
    prop_oneof![v4, v6, mapped].prop_map(|(address, bits)| Prefix { address, bits })
}

proptest! {
    #[test]
    fn a_set_says_what_each_of_its_networks_says(prefixes in prop::collection::vec(prefix(), 0..200)) {
        let mut gathered = Prefixes::default();
        prefixes.iter().for_each(|prefix| gathered.add(*prefix));
        let set = gathered.finish();
        for host in 0..600_u32 {
            for address in [IpAddr::from(host.to_be_bytes()), IpAddr::from(u128::from(host).to_be_bytes())] {
                let expected = prefixes.iter().any(|prefix| prefix.contains(address));
                prop_assert_eq!(set.contains(address), expected, "{}", address);
            }
        }
    }
}
