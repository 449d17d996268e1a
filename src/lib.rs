//! Tidegate, a transparent MQTT security gateway.
//!
//! The map, floor by floor; a module imports only from floors below its own (`tests/layering.rs` holds it to that).
//!
//! 1. [`mqtt`]: Control Packets of MQTT 3.1, 3.1.1 and 5.0; [`identity`]: what is known of a client;
//!    [`proxy`]: PROXY protocol headers
//! 2. [`policy`]: Request in, Decision out; [`credentials`]: what a client shows to prove who it is
//! 3. [`enforce`]: one Network Connection as a state machine; [`import`]: Mosquitto's access control to a policy
//! 4. [`config`]: settings and policy files to checked values
//! 5. [`tls`], [`audit`], [`metrics`]: settings to rustls, Events to records and to Prometheus
//! 6. [`gateway`]: the only sockets, tasks and clock
//! 7. [`cli`]: one file per command
//!
//! Floors 1 to 3 are sans-IO: bytes and time in, bytes and verdicts out.

pub mod audit;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod enforce;
pub mod gateway;
pub mod identity;
pub mod import;
pub mod metrics;
pub mod mqtt;
pub mod policy;
pub mod proxy;
pub mod tls;
