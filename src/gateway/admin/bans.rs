//! The page that shows who is shut out: JSON, a ban in each line.

use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::envelope::{rfc3339, without_hidden};
use crate::policy::Memory as _;
use crate::store::{Banned, Store};

/// Bans that are shown. More of them are counted.
const MOST: usize = 1000;

/// Everybody that is banned, as far as the page goes.
pub(super) fn page(store: &Store, now: (Instant, SystemTime)) -> String {
    let tick = store.epoch().tick(now.0);
    let (addresses, clients) = store.bans().in_force(tick);
    let shown = store.bans().list(MOST, tick);
    let line = |Banned { who, is_client, ban }: &Banned| {
        let ends = now.1.checked_add(tick.until(ban.until)).unwrap_or(now.1);
        let line = json!({
            "kind": if *is_client { "client" } else { "address" },
            "who": who,
            "until": rfc3339((ends + HALF_MILLISECOND).into()),
            "cause": ban.offence.label(),
            "strike": ban.strike,
        });
        without_hidden(line.to_string())
    };
    let lines: Vec<String> = shown.iter().map(line).collect();
    format!("{{\"addresses\":{addresses},\"clients\":{clients},\"bans\":[\n{}\n]}}\n", lines.join(",\n"))
}

/// The clocks are read one after the other.
const HALF_MILLISECOND: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Network, Who};
    use crate::store::{Bounds, Lengths, Offence};

    #[test]
    fn bans_are_shown_with_their_end_and_no_terminal_acts_on_a_name() {
        let bounds = Bounds { max_histories: 1, max_facts: 1, max_nonces: 1, max_counters: 1, max_buckets: 1 };
        let store = Store::new(&bounds);
        let now = (Instant::now(), SystemTime::UNIX_EPOCH);
        let tick = store.epoch().tick(now.0);
        let read = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
        assert_eq!(read(&page(&store, now)), json!({"addresses": 0, "clients": 0, "bans": []}));
        let lengths = Lengths { first: Duration::from_secs(60), max: Duration::from_secs(60) };
        store.bans().ban(Who::Client("a\u{1b}[31m\"b"), lengths, Offence::Rate, tick).unwrap();
        let networks = u32::try_from(MOST).unwrap();
        for network in 0..networks {
            store.bans().ban(Who::Address(Network::V4(network)), lengths, Offence::Malformed, tick).unwrap();
        }
        let text = page(&store, now);
        assert!(!text.contains('\u{1b}') && text.lines().count() == MOST + 2, "a ban in each line");
        let page = read(&text);
        assert_eq!((&page["addresses"], &page["clients"]), (&json!(MOST), &json!(1)));
        let bans = page["bans"].as_array().unwrap();
        assert_eq!(bans.len(), MOST);
        assert_eq!((&bans[0]["kind"], &bans[0]["who"]), (&json!("client"), &json!("a\u{1b}[31m\"b")));
        assert_eq!((&bans[0]["cause"], &bans[0]["strike"]), (&json!("rate"), &json!(1)));
        assert!(bans[0]["until"].as_str().unwrap().starts_with("1970-01-01T00:01:0"), "{}", bans[0]);
    }
}
