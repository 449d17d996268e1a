//! Loopback ports that nobody else takes: below the ephemeral range, each held by a lock file while this process lives.

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::Mutex;

const FIRST: u16 = 17_000;
const LAST: u16 = 31_999;

static TAKEN: Mutex<Vec<(u16, File)>> = Mutex::new(Vec::new());

/// A port that is free on 127.0.0.1 and, where the machine has it, on ::1.
pub(crate) fn free_port() -> u16 {
    let folder = std::env::temp_dir().join(format!("tidegate-test-ports-{}", rustix::process::getuid().as_raw()));
    std::fs::create_dir_all(&folder).expect("a folder for the port locks");
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let start = u16::try_from(std::process::id() % 15_000).expect("below 15,000");
    let count = LAST - FIRST;
    for step in 0..count {
        let port = FIRST + (start + step) % count;
        if taken.iter().any(|(held, _)| *held == port) {
            continue;
        }
        let Ok(lock) = File::create(folder.join(port.to_string())) else { continue };
        if lock.try_lock().is_ok() && is_free(port) {
            taken.push((port, lock));
            return port;
        }
    }
    panic!("no free port between {FIRST} and {LAST}");
}

fn is_free(port: u16) -> bool {
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
    let v6_in_use = v6.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
    !v6_in_use && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
