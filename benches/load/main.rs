//! Tidegate, a plain byte relay and HAProxy side by side under the same load: CPU, throughput, latency, memory.
//!
//! `cargo bench --bench load -- [--quick] [--rounds N] [--json] [--only TEXT] [--subjects relay,haproxy,tidegate]
//! [--cores-apart]`.
//! What is measured, how and against what targets: docs/performance.md.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report is the product of this program")]
#![expect(clippy::indexing_slicing, reason = "indices come from the program's own lengths; a panic ends a bench only")]

mod client;
mod cores;
mod pki;
mod plan;
mod relay;
mod report;
mod stub;
mod subject;
mod tls;
mod work;

use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let done = match arguments.first().map(String::as_str) {
        Some("relay") => relay::run(&arguments[1..]),
        // `cargo test --benches` runs this program too; only `cargo bench` says so.
        _ if !arguments.iter().any(|argument| argument == "--bench") => Ok(()),
        _ => plan::Plan::parse(&arguments).and_then(|plan| plan.run()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
