//! Rules about rates over the table of buckets.

use std::time::{Duration, Instant};

use super::*;
use crate::identity::{Identity, Method};
use crate::policy::{Allowance, Authority, Draft, Metered, Policy, RateRule, Unit};
use crate::rate::Rate;

struct Client {
    identity: Identity,
    authority: Authority,
}

impl Client {
    /// How many of two packets go on at once.
    fn passes(&mut self, at: Instant) -> usize {
        let packet = Metered::Packet { bytes: 2 };
        let mut meter = || self.authority.meter(&self.identity, packet, at) == Allowance::Pass;
        [meter(), meter()].into_iter().filter(|passed| *passed).count()
    }
}

#[test]
fn who_had_to_share_a_bucket_gets_its_own_once_there_is_room() {
    let limits = vec![(Unit::Packets, Rate::new(1, Duration::from_secs(1)))];
    let rates = vec![RateRule { limits, ..RateRule::new("rule") }];
    let policy = Arc::new(Policy::new(Draft { permit_all: true, rates, ..Draft::new("1") }).unwrap());
    let memory: Arc<dyn Memory> = Arc::new(Store::new(&Bounds { max_buckets: 2000, ..BOUNDS }));
    let client = |name: &str| {
        let identity = Identity::new("field".into(), ([192, 0, 2, 7], 1883).into(), None);
        let identity = Identity { name: Some(name.into()), method: Method::Password, ..identity };
        let authority = Authority::new(&policy, &identity, 0).with_memory(Some(Arc::clone(&memory)));
        Client { identity, authority }
    };
    let start = Instant::now() + Duration::from_secs(1);
    let mut crowd: Vec<Client> = (0..2000).map(|number| client(&format!("crowd-{number}"))).collect();
    assert_eq!(crowd.iter_mut().map(|one| one.passes(start)).sum::<usize>(), 2000);
    let (mut second, mut third) = (client("second"), client("third"));
    assert_eq!((second.passes(start), third.passes(start)), (1, 0), "they share one");
    drop(crowd);
    let later = start + Duration::from_secs(11);
    assert_eq!(second.passes(later), 1, "of the bucket that it shares");
    assert_eq!(second.passes(later), 1, "of one of its own");
    assert_eq!(third.passes(later), 1, "nor does it share any more, once that was empty");
}
