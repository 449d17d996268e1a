//! What no single connection shows: clients that come and go too fast, drive one another out, leave Wills, guess or break
//! the protocol again and again. Who is well-behaved is served all the while.

mod bans;
mod clients;
mod guesses;

use crate::sources::dial_from;
use crate::support::gateway::Gateway;
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, Connect};

const GOOD: [u8; 4] = [127, 0, 0, 1];
const BAD: [u8; 4] = [127, 66, 0, 9];

/// The code of the CONNACK; none where it is closed without one.
fn asks(own: [u8; 4], gateway: &Gateway, connect: &Connect) -> (Option<u8>, RawClient) {
    let mut client = dial_from(own, gateway.plain());
    let _ = client.try_send(&connect.bytes());
    let code = client.try_frame(crate::support::PATIENCE).ok().map(|connack| {
        assert_eq!(connack[0], 0x20, "a CONNACK: {connack:02x?}");
        wire::body(&connack)[1]
    });
    (code, client)
}

fn detections(gateway: &Gateway, detector: &str) -> f64 {
    gateway.metric("tidegate_detections_total", &[&format!("detector=\"{detector}\"")])
}
