use super::*;
use crate::config::Settings;
use crate::store::{Bounds as StoreBounds, Offence};

const SECOND: Duration = Duration::from_secs(1);

fn settings(tables: &str) -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("policy")).unwrap();
    std::fs::write(folder.path().join("policy/policy.toml"), "version = \"1\"\npermit_all = true\n").unwrap();
    std::fs::write(folder.path().join("bad"), "192.0.2.66\n").unwrap();
    let text = format!(
        "policies = [\"policy\"]\n{tables}\n[[listener]]\nname = \"field\"\nbind = \"127.0.0.1:0\"\nbroker = \"plant\"\n\
         [[broker]]\nname = \"plant\"\nservers = [\"127.0.0.1:1883\"]\n"
    );
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    let settings = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    (folder, settings)
}

fn store() -> Arc<Store> {
    let bounds = StoreBounds { max_histories: 9, max_facts: 9, max_nonces: 9, max_counters: 9, max_buckets: 1_000 };
    Arc::new(Store::new(&bounds))
}

fn sources(tables: &str, store: &Arc<Store>) -> Sources {
    let (_folder, settings) = settings(tables);
    let listener = &settings.listeners[0];
    let lists = Reader::default().lists(&listener.addresses).unwrap();
    Sources::new(listener, lists, crate::gateway::build::bounds(&listener.limits), Arc::clone(store))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn lists_come_before_bans_and_bans_before_rates() {
    let store = store();
    let tables = "[addresses]\ndeny = [\"bad\"]\n[protection]\nconnections_per_address = \"2/1s\"\n\
                  connections_per_prefix = \"3/1s\"";
    let sources = sources(tables, &store);
    let now = Instant::now();
    let judge = |text: &str, now: Instant| sources.judge(address(text), now);
    assert_eq!(judge("192.0.2.66", now), Err(Barred::Denied));
    assert_eq!([judge("192.0.2.1", now), judge("192.0.2.1", now)], [Ok(()), Ok(())]);
    assert_eq!(judge("192.0.2.1", now), Err(Barred::AddressRate));
    assert_eq!([judge("192.0.2.2", now), judge("192.0.2.3", now)], [Ok(()), Err(Barred::PrefixRate)]);
    assert_eq!(judge("198.51.100.1", now), Ok(()), "nobody else is concerned");
    assert_eq!(judge("192.0.2.1", now + SECOND), Ok(()), "and it passes");
    let tick = store.epoch().tick(now);
    let who = |text: &str| Who::Address(Network::of(address(text)));
    store.bans().ban(who("192.0.2.1"), sources.lengths(None), Offence::Malformed, tick).unwrap();
    store.bans().ban(who("192.0.2.66"), sources.lengths(None), Offence::Malformed, tick).unwrap();
    assert_eq!(judge("192.0.2.1", now + SECOND), Err(Barred::Banned));
    assert_eq!(judge("::ffff:192.0.2.1", now + SECOND), Err(Barred::Banned));
    assert_eq!(judge("192.0.2.66", now), Err(Barred::Denied));
    assert_eq!(judge("192.0.2.1", now + 62 * SECOND), Ok(()), "it has ended");
}

#[test]
fn one_address_of_ipv6_is_a_network_of_64_bits() {
    let store = store();
    let sources = sources("[protection]\nconnections_per_address = \"2/1s\"", &store);
    let now = Instant::now();
    let judge = |text: &str| sources.judge(address(text), now);
    assert_eq!([judge("2001:db8::1"), judge("2001:db8::2")], [Ok(()), Ok(())]);
    assert_eq!(judge("2001:db8::3"), Err(Barred::AddressRate));
    assert_eq!(judge("2001:db8:0:1::1"), Ok(()));
}

#[test]
fn where_nothing_is_counted_no_rate_and_no_ban_holds_but_lists_do() {
    let store = store();
    let tables =
        "[addresses]\ndeny = [\"bad\"]\nexempt = [\"192.0.2.0/24\"]\n[protection]\nconnections_per_address = \"1/1s\"";
    let sources = sources(tables, &store);
    let now = Instant::now();
    let tick = store.epoch().tick(now);
    let who = Who::Address(Network::of(address("192.0.2.1")));
    store.bans().ban(who, sources.lengths(None), Offence::Malformed, tick).unwrap();
    for _ in 0..10 {
        assert_eq!(sources.judge(address("192.0.2.1"), now), Ok(()));
    }
    assert_eq!(sources.judge(address("192.0.2.66"), now), Err(Barred::Denied));
    let identity = Identity::new("field".into(), "192.0.2.1:5000".parse().unwrap(), None);
    assert_eq!(sources.banned(&identity, now), None);
}

#[test]
fn a_client_is_banned_by_its_proven_name_wherever_it_dials_from_and_by_its_address_whoever_it_is() {
    let store = store();
    let sources = sources("", &store);
    let now = Instant::now();
    let tick = store.epoch().tick(now);
    store.bans().ban(Who::Client("press-4"), sources.lengths(None), Offence::Rate, tick).unwrap();
    let bad = Who::Address(Network::of(address("192.0.2.66")));
    store.bans().ban(bad, sources.lengths(None), Offence::Malformed, tick).unwrap();
    let of = |name: &str, method, source: &str| {
        let mut identity = Identity::new("field".into(), source.parse().unwrap(), None);
        (identity.name, identity.method) = (Some(name.into()), method);
        sources.banned(&identity, now).map(|ban| ban.offence)
    };
    use crate::identity::Method::{Anonymous, Certificate};
    assert_eq!(of("press-4", Certificate, "192.0.2.1:1"), Some(Offence::Rate));
    assert_eq!(of("press-5", Certificate, "192.0.2.1:1"), None);
    assert_eq!(of("press-4", Anonymous, "192.0.2.1:1"), None, "a name that anybody can take");
    assert_eq!(of("press-5", Certificate, "192.0.2.66:1"), Some(Offence::Malformed));
}

#[test]
fn what_somebody_is_banned_for_is_among_the_labels_of_the_metrics() {
    let page = crate::metrics::reference();
    let (_, behind) = page.split_once("## `tidegate_bans_total`").unwrap();
    let (family, _) = behind.split_once("\n## ").unwrap();
    for offence in Offence::ALL {
        assert!(family.contains(&format!("`{}`", offence.label())), "{} is not in: {family}", offence.label());
    }
}

#[test]
fn a_plant_of_thousands_behind_one_address_restarts_with_defaults() {
    let store = store();
    let sources = sources("", &store);
    let now = Instant::now();
    let refused = (0..5_000).filter(|_| sources.judge(address("192.0.2.1"), now).is_err()).count();
    assert_eq!(refused, 0);
}
