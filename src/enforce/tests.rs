//! The state machine against byte strings.

use super::*;

#[test]
fn a_connection_is_small() {
    assert!(size_of::<Connection>() <= 600, "{} bytes", size_of::<Connection>());
}
