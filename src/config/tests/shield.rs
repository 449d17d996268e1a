//! What a listener and a role leave their clients of the protocol, as it is written.

use super::{taken, with};
use crate::enforce::patches::{Patch, Patches};
use crate::mqtt::frame::QoS;
use crate::policy::{Features, Mode, Persistence, Shield};

#[test]
fn a_listener_says_otherwise_what_is_said_for_all() {
    let nothing = taken("");
    assert_eq!(*nothing.listeners[0].terms.shield, Shield::default());
    assert_eq!(nothing.listeners[0].terms.patches, Patches::default());
    let settings = taken(
        "[listener.shield]\nretain = true\nmax_qos = 0\npatches.enable = [\"CVE-2016-9877\"]\n\
         [shield]\nretain = false\nwills = false\nsys_topics = false\npersistent_sessions = \"end\"\n\
         max_session_expiry = \"2h\"\nmax_payload_bytes = \"1KiB\"\nmode = \"monitor\"\nenhanced_authentication = false\n\
         patches.disable = [\"CVE-2020-13821\"]",
    );
    let features = Features {
        wills: false,
        sys_topics: false,
        enhanced_authentication: false,
        persistent_sessions: Persistence::End,
        max_session_expiry: 7200,
        max_payload_bytes: 1024,
        max_qos: QoS::Zero,
        ..Features::ALL
    };
    assert_eq!(*settings.listeners[0].terms.shield, Shield { features, mode: Mode::Monitor });
    let patches = Patches::default().with(Patch::NoPassword);
    assert_eq!(settings.listeners[0].terms.patches, patches, "its own words take the place of the others");
}

#[test]
fn what_is_no_patch_and_what_contradicts_itself_is_named() {
    for (text, said) in [
        ("[shield]\npatches = { enable = [\"CVE-2021-28166\"] }", "`enable` can't be understood"),
        ("[shield]\npersistent_sessions = true", "`persistent_sessions` has the wrong type"),
        ("[shield]\nmax_topic_levels = 3", "unknown key `max_topic_levels`"),
        ("[shield]\nmax_qos = 3", "`max_qos`"),
        (
            "[shield]\npatches = { enable = [\"CVE-2016-9877\"], disable = [\"CVE-2016-9877\"] }",
            "`CVE-2016-9877` is turned on and off",
        ),
        (
            "[listener.shield]\npatches = { enable = [\"CVE-2016-9877\"], disable = [\"CVE-2016-9877\"] }",
            "`CVE-2016-9877` is turned on and off",
        ),
        ("[protection]\nmax_ban = \"30s\"", "`ban` is above `max_ban`"),
        ("[listener.protection]\ntarpit = \"9s\"", "`tarpit` is above `max_tarpit`"),
    ] {
        let problems = with(text).expect_err(text).to_string();
        assert!(problems.contains(said), "{text}: {problems}");
    }
}

#[test]
fn every_word_of_a_role_counts() {
    let folder = tempfile::tempdir().unwrap();
    let role = "version = \"1\"\npermit_all = true\n[[role]]\nname = \"narrow\"\nmatch = { listener = \"*\" }\n\
                wildcard_subscriptions = false\nshared_subscriptions = false\nsubscription_identifiers = false\n\
                retain = false\nsys_topics = false\nwills = false\nenhanced_authentication = false\n\
                persistent_sessions = \"refuse\"\nmax_session_expiry = \"1m\"\nmax_qos = 1\nversions = [\"3.1.1\"]\n\
                max_topic_levels = 2\nmax_topic_bytes = 3\nmax_client_id_bytes = 4\nmax_filters = 5\n\
                max_subscriptions = 6\nmax_payload_bytes = 7\nmax_keep_alive = \"8s\"\nreceive_maximum = 9\n\
                topic_alias_maximum = 10\n";
    std::fs::write(folder.path().join("policy.toml"), role).unwrap();
    let loaded = crate::config::load_policy(&[folder.path()]).unwrap_or_else(|problems| panic!("{problems}"));
    let client = crate::identity::Identity::new("field".into(), ([192, 0, 2, 7], 1883).into(), None);
    let expected = Features {
        wildcard_subscriptions: false,
        shared_subscriptions: false,
        subscription_identifiers: false,
        retain: false,
        sys_topics: false,
        wills: false,
        enhanced_authentication: false,
        persistent_sessions: Persistence::Refuse,
        max_session_expiry: 60,
        max_qos: QoS::One,
        versions: [false, true, false],
        max_topic_levels: 2,
        max_topic_bytes: 3,
        max_client_id_bytes: 4,
        max_filters: 5,
        max_subscriptions: 6,
        max_payload_bytes: 7,
        max_keep_alive: 8,
        receive_maximum: 9,
        topic_alias_maximum: 10,
    };
    assert_eq!(crate::policy::Authority::new(&loaded.policy, &client, 0).enforced(), expected);
}
