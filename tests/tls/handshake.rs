//! Who gets through a handshake, and why not.

use std::sync::Arc;

use crate::bench::{Bench, connect};

#[test]
fn a_device_with_its_certificate_gets_through() {
    let bench = Bench::new();
    for (tls12, version) in [(false, "TLSv1.3"), (true, "TLSv1.2")] {
        let device = Arc::new(bench.device(Some(&bench.pki.pair("client")), tls12));
        let (ours, _) = connect(&bench.server(), &device).unwrap();
        assert_eq!(ours.session.protocol_version(), Some(version));
        assert_eq!(ours.session.server_name(), Some("localhost"));
        assert_eq!(ours.session.peer_certificates().map(<[_]>::len), Some(1));
        assert!(!ours.session.is_resumed());
        if !tls12 {
            assert_eq!(ours.session.key_exchange(), Some("X25519MLKEM768"), "post-quantum where both can");
        }
    }
}
