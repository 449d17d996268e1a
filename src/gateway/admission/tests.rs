use super::*;

const BOUNDS: Bounds = Bounds {
    max_connections: 6,
    max_half_open: 4,
    max_per_address: 3,
    max_half_open_per_address: 2,
    max_per_prefix: 5,
    max_half_open_per_prefix: 4,
    ipv4_prefix_bits: 24,
    ipv6_prefix_bits: 56,
};

fn door(max_connections: usize, max_half_open: usize) -> Arc<Door> {
    Arc::new(Door::new(Arc::new(Process::new(max_connections, max_half_open)), BOUNDS))
}

fn settled(door: &Arc<Door>, address: &str) -> Result<Slot, Refusal> {
    let mut slot = door.enter(Some(address.parse().unwrap()))?;
    slot.settle();
    Ok(slot)
}

fn refusal(result: Result<Slot, Refusal>) -> Refusal {
    result.unwrap_err()
}

#[test]
fn each_bound_refuses_the_connection_that_would_break_it() {
    let door = door(100, 100);
    let _half: Vec<_> = (0..2).map(|_| door.enter(Some("10.0.0.1".parse().unwrap())).unwrap()).collect();
    assert_eq!(refusal(door.enter(Some("10.0.0.1".parse().unwrap()))), Refusal::AddressHalfOpen);
    let _more: Vec<_> = (2..4).map(|n| door.enter(Some(IpAddr::from([10, 0, 0, n]))).unwrap()).collect();
    assert_eq!(refusal(door.enter(Some("10.0.0.9".parse().unwrap()))), Refusal::ListenerHalfOpen);
    drop(_half);
    let _settled: Vec<_> = (0..3).map(|_| settled(&door, "10.0.0.5").unwrap()).collect();
    assert_eq!(refusal(door.enter(Some("10.0.0.5".parse().unwrap()))), Refusal::Address);
    assert_eq!(refusal(door.enter(Some("10.0.0.6".parse().unwrap()))), Refusal::Prefix);
    let _other = settled(&door, "10.0.1.1").unwrap();
    assert_eq!(refusal(door.enter(Some("10.0.2.1".parse().unwrap()))), Refusal::Listener);
}

#[test]
fn half_open_connections_are_bounded_by_prefix_until_they_settle() {
    let bounds = Bounds { max_half_open: 100, max_per_prefix: 100, ..BOUNDS };
    let door = Arc::new(Door::new(Arc::new(Process::new(100, 100)), Bounds { max_connections: 100, ..bounds }));
    let mut slots: Vec<_> = (0..4).map(|n| door.enter(Some(IpAddr::from([10, 0, 0, n]))).unwrap()).collect();
    assert_eq!(refusal(door.enter(Some("10.0.0.9".parse().unwrap()))), Refusal::PrefixHalfOpen);
    let _elsewhere = door.enter(Some("10.0.1.1".parse().unwrap())).unwrap();
    slots[0].settle();
    let _in_its_place = door.enter(Some("10.0.0.9".parse().unwrap())).unwrap();
    assert_eq!(refusal(door.enter(Some("10.0.0.8".parse().unwrap()))), Refusal::PrefixHalfOpen);
    drop(slots);
    assert!(door.enter(Some("10.0.0.8".parse().unwrap())).is_ok());
}

#[test]
fn the_process_bounds_hold_over_its_listeners() {
    let process = Arc::new(Process::new(3, 2));
    let (one, two) = (Arc::new(Door::new(Arc::clone(&process), BOUNDS)), Arc::new(Door::new(process, BOUNDS)));
    let _first = one.enter(Some("10.0.0.1".parse().unwrap())).unwrap();
    let mut second = two.enter(Some("10.0.0.1".parse().unwrap())).unwrap();
    assert_eq!(refusal(one.enter(Some("10.0.0.2".parse().unwrap()))), Refusal::ProcessHalfOpen);
    second.settle();
    let _third = settled(&one, "10.0.0.2").unwrap();
    assert_eq!(refusal(two.enter(Some("10.0.0.3".parse().unwrap()))), Refusal::Process);
}

#[test]
fn who_comes_by_a_balancer_counts_where_it_really_is() {
    let door = door(100, 100);
    let unknown = || door.enter(None).unwrap();
    let mut here = [unknown(), unknown(), unknown()];
    for slot in here.iter_mut().take(2) {
        slot.known("10.0.0.1".parse().unwrap()).unwrap();
    }
    assert_eq!(here[2].known("10.0.0.1".parse().unwrap()), Err(Refusal::AddressHalfOpen));
    here[0].settle();
    here[2].known("10.0.0.1".parse().unwrap()).unwrap();
    here[2].settle();
    assert_eq!(unknown().known("10.0.0.1".parse().unwrap()), Err(Refusal::Address));
    assert_eq!(refusal(door.enter(Some("10.0.0.1".parse().unwrap()))), Refusal::Address);
    drop(here);
    let held: Vec<_> = (0..4).map(|_| unknown()).collect();
    assert_eq!(refusal(door.enter(None)), Refusal::ListenerHalfOpen);
    drop(held);
    let counts = lock(&door.counts);
    assert_eq!((counts.all.open, counts.all.half_open), (0, 0));
    assert!(counts.by_address.is_empty() && counts.by_prefix.is_empty());
}

#[test]
fn other_bounds_hold_for_whoever_comes_next() {
    let process = Arc::new(Process::new(100, 100));
    let door = Arc::new(Door::new(Arc::clone(&process), BOUNDS));
    let here: Vec<_> = (1..=3).map(|n| settled(&door, &format!("10.0.{n}.1")).unwrap()).collect();
    let wide = Bounds { ipv4_prefix_bits: 8, max_per_prefix: 4, ..BOUNDS };
    door.rebound(wide);
    let fourth = settled(&door, "10.0.4.1").unwrap();
    assert_eq!(refusal(settled(&door, "10.0.5.1")), Refusal::Prefix);
    door.rebound(Bounds { max_connections: 2, ..wide });
    assert_eq!(refusal(settled(&door, "11.0.0.1")), Refusal::Listener, "who is there stays");
    door.rebound(wide);
    process.rebound(4, 100);
    assert_eq!(refusal(settled(&door, "11.0.0.1")), Refusal::Process);
    process.rebound(5, 0);
    assert_eq!(refusal(settled(&door, "11.0.0.1")), Refusal::ProcessHalfOpen);
    process.rebound(5, 1);
    drop(settled(&door, "11.0.0.1").unwrap());
    drop((here, fourth));
    let counts = lock(&door.counts);
    assert!(counts.all.open == 0 && counts.by_address.is_empty() && counts.by_prefix.is_empty());
}

#[test]
fn a_dropped_slot_leaves_nothing_behind() {
    let door = door(100, 100);
    let half = door.enter(Some("::ffff:10.0.0.1".parse().unwrap())).unwrap();
    let full = settled(&door, "2001:db8::1").unwrap();
    drop((half, full));
    let counts = lock(&door.counts);
    assert_eq!((counts.all.open, counts.all.half_open), (0, 0));
    assert!(counts.by_address.is_empty() && counts.by_prefix.is_empty());
    let process = lock(&door.process.0).count;
    assert_eq!((process.open, process.half_open), (0, 0));
}

#[test]
fn ipv6_neighbours_share_a_prefix() {
    let prefix = |text: &str| BOUNDS.prefix(text.parse().unwrap());
    assert_eq!(prefix("2001:db8:0:1::1"), prefix("2001:db8:0:2::2"));
    assert_ne!(prefix("2001:db8:0:100::1"), prefix("2001:db8:0:200::1"));
    let whole = Bounds { ipv4_prefix_bits: 0, ..BOUNDS };
    assert_eq!(whole.prefix("10.0.0.1".parse().unwrap()), whole.prefix("192.168.0.1".parse().unwrap()));
}
