//! What is remembered beyond one connection.

use super::folder_exists;
use crate::config::problem::{self, Problem};
use crate::config::read::Reading;
use crate::config::settings::State;
use crate::config::tables::StateTable;
use crate::policy::Policy;

pub(super) fn state(table: &StateTable, policy: Option<&Policy>, reading: &mut Reading) -> State {
    match (&table.folder, policy.and_then(Policy::counting_rule)) {
        (Some(folder), _) => folder_exists(folder, reading),
        (None, Some(rule)) => {
            let message = "counters of signed messages are forgotten when the gateway ends";
            let problem = Problem::new(problem::Kind::Unsafe, &reading.source, None, message.to_owned())
                .label(format!("the rule `{rule}` takes them, and every message of before once more after a restart"))
                .help("name a folder for them, as in `state.folder = \"/var/lib/tidegate\"`")
                .warning();
            reading.report(problem);
        }
        (None, None) => {}
    }
    State {
        folder: table.folder.as_ref().map(|folder| folder.value.clone()),
        flush: table.flush,
        max_histories: table.max_histories,
        max_facts: table.max_facts,
        max_nonces: table.max_nonces,
        max_counters: table.max_counters,
        max_buckets: table.max_buckets,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::problem::Source;
    use crate::config::read::Located;
    use crate::jwk::{Algorithm, Keys};
    use crate::policy::{Act, Draft, SignatureRule};
    use crate::signature::{Carrier, Freshness, Scheme};

    fn policy(freshness: Freshness) -> Policy {
        let (algorithms, clock_skew) = (vec![Algorithm::Hs256], Duration::ZERO);
        let max_age = Some(Duration::from_secs(30));
        let scheme = Scheme { carrier: Carrier::Jws, algorithms, max_age, clock_skew, freshness };
        let keys = Keys::parse(
            br#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"}]}"#,
        );
        let act = Act::Verify(Arc::new(keys.unwrap()));
        let mut rule = SignatureRule::new("signed", scheme, act);
        rule.rule.publish = vec!["a".to_owned()];
        Policy::new(Draft { signatures: vec![rule], ..Draft::new("1") }).unwrap()
    }

    #[test]
    fn counters_without_a_folder_are_warned_of() {
        let source = Arc::new(Source { path: PathBuf::from("gateway.toml"), text: String::new() });
        let folder = Some(Located { value: std::env::temp_dir(), span: 0..0 });
        for (freshness, folder, expected) in [
            (Freshness::Counter, None, true),
            (Freshness::Either, None, true),
            (Freshness::Nonce, None, false),
            (Freshness::Counter, folder, false),
        ] {
            let mut reading = Reading::new(&source);
            let table = StateTable { folder, ..StateTable::default() };
            state(&table, Some(&policy(freshness)), &mut reading);
            let said: Vec<String> = reading.problems.iter().map(|problem| problem.label.clone()).collect();
            assert_eq!(said.iter().any(|label| label.contains("the rule `signed`")), expected, "{said:?}");
            assert!(!reading.problems.iter().any(Problem::is_error));
        }
    }
}
