//! A sequence of counters goes on where it was, whatever becomes of the gateway meanwhile.

use std::time::Duration;

use super::{Signer, beside, dial, message, on_the_wire, publish, setup, subscribe};
use crate::support::PATIENCE;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::wire::V5_0;
use tidegate::signature::{Carrier, Freshness, Names};

const RULES: &str = r#"
[[signature]]
id = "meters"
publish = ["meter/#"]
carrier = "user-property"
keys = "../public.json"
algorithms = ["HS256"]
freshness = "counter"
max_age = "5m"
"#;

fn start(broker: &Mosquitto, folder: &tempfile::TempDir) -> Gateway {
    let state = format!("[state]\nfolder = {:?}\nflush = \"100ms\"", folder.path().join("state").display().to_string());
    setup(broker, RULES).with(&state).start()
}

#[test]
fn a_counter_is_not_forgotten_over_a_restart_nor_over_a_crash() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("state")).expect("a folder for the state");
    let mut witness = beside(&broker, V5_0, "witness");
    subscribe(&mut witness, V5_0, "meter/#");
    let mut signer = Signer::new("meter-7", Carrier::UserProperty(Names::default()), Freshness::Counter);
    let mut last = Vec::new();
    for round in 0..3 {
        let mut gateway = start(&broker, &folder);
        let mut meter = dial(&gateway, V5_0, "meter-7");
        let send =
            |meter: &mut _, properties: &[u8], payload: &[u8]| publish(meter, V5_0, "meter/7", properties, payload);
        if round > 0 {
            assert_eq!(send(&mut meter, &last, b"3"), 0x87, "played again after round {round}");
            gateway.wait_audit(&[("event", "refused"), ("reason", "replayed"), ("rule", "meters")]);
        }
        for number in 1..=3_u8 {
            let payload = [b'0' + number];
            last = on_the_wire(&signer.sign("meter/7", &payload), &payload).1;
            assert_eq!(send(&mut meter, &last, &payload), 0);
            assert_eq!(message(&mut witness, V5_0).1, payload);
        }
        if round == 1 {
            // Longer than what is not written yet may wait.
            std::thread::sleep(Duration::from_secs(1));
            gateway.process.kill();
        } else {
            gateway.stop();
            assert!(gateway.wait_end(PATIENCE).is_some_and(|status| status.success()));
        }
    }
}
