//! A valve that may be opened only while the pressure is known to be low.

use std::time::Duration;

use super::{beside, dial, message, publish, setup, subscribe};
use crate::support::mosquitto::Mosquitto;
use crate::support::wire::{V5_0, VERSIONS};

const RULES: &str = r#"
[[payload]]
id = "valve"
publish = ["plant/+/valve/open"]
format = "json"
interlocks = [{ topic = "plant/${topic.2}/pressure", field = "/bar", max = 4.0, max_age = "2s" }]
"#;

#[test]
fn the_valve_opens_only_while_the_pressure_is_low_and_known() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let line = format!("plant/line{number}");
        let (valve, pressure) = (format!("{line}/valve/open"), format!("{line}/pressure"));
        let mut witness = beside(&broker, V5_0, "witness");
        subscribe(&mut witness, V5_0, &valve);
        let mut sensor = dial(&gateway, version, "pressure-1");
        let mut operator = dial(&gateway, V5_0, "operator");
        let mut opens = || publish(&mut operator, V5_0, &valve, &[], b"true");
        // Nobody knows the pressure.
        assert_eq!(opens(), 0x99);
        // Of another line it says nothing.
        publish(&mut sensor, version, "plant/other/pressure", &[], br#"{"bar":1}"#);
        assert_eq!(opens(), 0x99);
        for (bar, expected) in [("3.2", 0), ("4.0", 0), ("4.01", 0x99), ("\"low\"", 0x99), ("2", 0)] {
            publish(&mut sensor, version, &pressure, &[], format!("{{\"bar\":{bar}}}").as_bytes());
            assert_eq!(opens(), expected, "{bar}");
        }
        // What was known is too old.
        std::thread::sleep(Duration::from_millis(2100));
        assert_eq!(opens(), 0x99);
        publish(&mut sensor, version, &pressure, &[], br#"{"bar":2}"#);
        assert_eq!(opens(), 0);
        for _ in 0..4 {
            assert_eq!(message(&mut witness, V5_0).1, b"true");
        }
    }
    gateway.wait_audit(&[("event", "refused"), ("reason", "interlock"), ("rule", "valve")]);
}
