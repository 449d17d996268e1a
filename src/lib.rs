//! Tidegate, a transparent MQTT security gateway.
//!
//! The map, floor by floor; a module imports only from floors below its own (`tests/layering.rs` holds it to that).
//!
//! 1. [`mqtt`]: Control Packets of MQTT 3.1, 3.1.1 and 5.0; [`identity`]: what is known of a client;
//!    [`proxy`]: PROXY protocol headers; [`payload`]: application payloads to named values; [`jwk`]: key sets;
//!    [`rate`]: token buckets
//! 2. [`credentials`]: what a client shows to prove who it is; [`signature`]: signed messages
//! 3. [`policy`]: Request in, Decision out
//! 4. [`enforce`]: one Network Connection as a state machine; [`import`]: Mosquitto's access control to a policy
//! 5. [`config`]: settings and policy files to checked values; [`envelope`]: quarantined messages as JSON
//! 6. [`tls`], [`audit`], [`metrics`]: settings to rustls, Events to records and to Prometheus; [`store`]: what
//!    outlives a connection
//! 7. [`gateway`]: the only sockets, tasks and clock
//! 8. [`cli`]: one file per command
//!
//! Floors 1 to 4 are sans-IO: bytes and time in, bytes and verdicts out.

pub mod audit;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod enforce;
pub mod envelope;
pub mod gateway;
pub mod identity;
pub mod import;
pub mod jwk;
pub mod metrics;
pub mod mqtt;
pub mod payload;
pub mod policy;
pub mod proxy;
pub mod rate;
pub mod signature;
pub mod store;
pub mod tls;
