//! The gateway over real sockets: the built binary between real clients and a real broker, a file for each guarantee.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test program: a panic is its way to fail"
)]

mod detectors;
mod far;
mod faults;
mod identity;
mod import;
mod integrity;
mod lifecycle;
mod rates;
mod refusals;
mod shield;
mod sources;
mod strangers;
mod transparency;
mod tutorial;

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with the soak, which needs more of it")]
mod support;
