use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Tick {
    Tick(millis * 1_000_000)
}

#[test]
fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let (bucket, rate) = (Bucket::new(), Rate::new(10, SECOND).with_burst(3));
    for _ in 0..3 {
        assert_eq!(bucket.take(&rate, 1, at(5)), Ok(()));
    }
    assert_eq!(bucket.take(&rate, 1, at(5)), Err(Wait(at(105))));
    assert_eq!(bucket.take(&rate, 1, at(104)), Err(Wait(at(105))));
    assert_eq!(bucket.take(&rate, 1, at(105)), Ok(()));
    assert!(!bucket.is_full(at(404)));
    assert!(bucket.is_full(at(405)));
}

#[test]
fn looking_takes_nothing() {
    let (bucket, rate) = (Bucket::new(), Rate::new(1, SECOND));
    for _ in 0..3 {
        assert_eq!(bucket.look(&rate, 1, at(0)), Ok(()));
    }
    assert_eq!(bucket.take(&rate, 1, at(0)), Ok(()));
    assert_eq!(bucket.look(&rate, 1, at(1)), Err(Wait(at(1000))));
}

#[test]
fn what_costs_more_than_the_burst_waits_for_a_full_bucket_and_is_paid_for() {
    let (bucket, rate) = (Bucket::new(), Rate::new(10, SECOND));
    assert_eq!(bucket.take(&rate, 1, at(0)), Ok(()));
    assert_eq!(bucket.take(&rate, 50, at(0)), Err(Wait(at(100))));
    assert_eq!(bucket.take(&rate, 50, at(100)), Ok(()));
    assert_eq!(bucket.take(&rate, 1, at(100)), Err(Wait(at(4200))));
}

#[test]
fn what_has_happened_is_charged_whether_the_tokens_are_there_or_not() {
    let (bucket, rate) = (Bucket::new(), Rate::new(1, SECOND).with_burst(2));
    for _ in 0..4 {
        bucket.charge(&rate, 1, at(0));
    }
    assert_eq!(bucket.look(&rate, 1, at(0)), Err(Wait(at(3000))));
}

#[test]
fn rates_from_one_in_a_month_to_gigabytes_in_a_second_are_exact_enough() {
    for (tokens, per) in [(1, 30 * 86_400 * SECOND), (3, SECOND), (7, SECOND), (4_000_000_000, SECOND)] {
        let (bucket, rate) = (Bucket::new(), Rate::new(tokens, per));
        assert_eq!(bucket.take(&rate, tokens, Tick(0)), Ok(()));
        let full = bucket.full_at.load(Ordering::Relaxed);
        let exact = nanos(per);
        assert!((exact..=exact + exact / 100_000 + 1).contains(&full), "{tokens} in {per:?}: {full}");
    }
}

#[test]
fn what_was_taken_is_missing_until_it_has_come_back() {
    let (bucket, rate) = (Bucket::new(), Rate::new(10, SECOND).with_burst(3));
    assert_eq!(bucket.missing(&rate, at(0)), 0);
    for taken in 1..=3 {
        bucket.take(&rate, 1, at(0)).unwrap();
        assert_eq!(bucket.missing(&rate, at(0)), taken);
    }
    let later = [0, 1, 100, 101, 299, 300, 1_000].map(|millis| bucket.missing(&rate, at(millis)));
    assert_eq!(later, [3, 3, 2, 2, 1, 0, 0]);
}

proptest! {
    /// Tokens that are granted from `i` on, up to and with `j`, for every such span.
    #[test]
    fn no_span_of_time_grants_more_than_its_rate_and_one_burst(
        tokens in 1_u64..50,
        burst in 1_u64..50,
        asked in prop::collection::vec((0_u64..300, 1_u64..60), 1..200),
    ) {
        let (bucket, rate) = (Bucket::new(), Rate::new(tokens, SECOND).with_burst(burst));
        let mut now = 0;
        let mut granted = Vec::new();
        for (pause, cost) in asked {
            now += pause;
            if bucket.take(&rate, cost, at(now)).is_ok() {
                granted.push((now, cost));
            }
        }
        for (from, (began, _)) in granted.iter().enumerate() {
            let mut sum = 0;
            for (ends, cost) in &granted[from..] {
                sum += cost;
                let largest = burst.max(*cost);
                // In thousandths of a token; those of the rate, and one burst, or one that is larger.
                let most = tokens * (ends - began) + largest * 1000;
                prop_assert!(sum * 1000 <= most, "{sum} tokens in {} ms", ends - began);
            }
        }
    }

    #[test]
    fn whoever_waits_as_told_is_served_and_a_moment_earlier_is_not(
        tokens in 1_u64..1_000,
        burst in 1_u64..100,
        costs in prop::collection::vec(1_u64..150, 1..50),
    ) {
        let (bucket, rate) = (Bucket::new(), Rate::new(tokens, SECOND).with_burst(burst));
        let mut now = Tick(0);
        for cost in costs {
            if let Err(Wait(then)) = bucket.look(&rate, cost, now) {
                prop_assert!(then > now);
                prop_assert!(bucket.look(&rate, cost, Tick(then.0 - 1)).is_err());
                now = then;
            }
            prop_assert_eq!(bucket.take(&rate, cost, now), Ok(()));
        }
    }
}

#[test]
fn threads_that_take_at_once_get_no_more_together() {
    let (bucket, rate) = (Bucket::new(), Rate::new(1000, SECOND).with_burst(500));
    let granted: u64 = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| (0..20_000).filter(|step| bucket.take(&rate, 1, Tick(step * 50_000)).is_ok()).count())
            })
            .collect();
        takers.into_iter().map(|taker| taker.join().unwrap() as u64).sum()
    });
    // One second, and a burst.
    assert!(granted <= 1500, "{granted}");
}
