//! The proxies under load, each a process of its own on two addresses: TLS, and TLS with client certificates required.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustls::ClientConfig;

use crate::Result;
use crate::client::Client;
use crate::cores::Cores;
use crate::pki::Pki;

/// Which proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Relay,
    HaProxy,
    /// With a policy that permits everything.
    Tidegate,
    /// With a policy of [`GRANTS`] grants.
    Granted,
    /// With a policy that permits everything but values out of range.
    Inspected,
}

/// Grants of the policy that one subject enforces.
const GRANTS: usize = 1000;

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Relay, Self::HaProxy, Self::Tidegate, Self::Granted, Self::Inspected];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "byte relay",
            Self::HaProxy => "HAProxy",
            Self::Tidegate => "Tidegate",
            Self::Granted => "Tidegate, 1,000 grants",
            Self::Inspected => "Tidegate, two ranges",
        }
    }

    /// HAProxy may be missing; the others come with the bench.
    pub(crate) fn is_installed(self) -> bool {
        self != Self::HaProxy || haproxy_program().is_some()
    }
}

/// A running proxy; killed when dropped.
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) plain: SocketAddr,
    pub(crate) mutual: SocketAddr,
    process: Child,
}

impl Subject {
    /// Starts it and waits until a client has gone through each of its addresses.
    pub(crate) fn start(
        kind: Kind,
        pki: &Pki,
        broker: SocketAddr,
        probe: &Arc<ClientConfig>,
        cores: Cores,
    ) -> Result<Self> {
        let (plain, mutual) = (free_address()?, free_address()?);
        let mut command = match kind {
            Kind::Relay => relay(pki, plain, mutual, broker)?,
            Kind::HaProxy => haproxy(pki, plain, mutual, broker)?,
            Kind::Tidegate => tidegate(pki, "permit-all", PERMIT_ALL, plain, mutual, broker)?,
            Kind::Granted => tidegate(pki, "granted", &grants(), plain, mutual, broker)?,
            Kind::Inspected => tidegate(pki, "inspected", INSPECTED, plain, mutual, broker)?,
        };
        let errors = pki.file(&format!("{}.stderr", kind.name()));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(fs::File::create(&errors)?);
        let mut subject = Self { kind, plain, mutual, process: cores.spawn_proxy(&mut command)? };
        running().push(subject.process.id());
        let give_up = Instant::now() + Duration::from_secs(10);
        for address in [plain, mutual] {
            while let Err(error) = Client::connect(address, Some(probe), "probe").and_then(|client| Ok(client.close()?))
            {
                if Instant::now() > give_up || subject.process.try_wait()?.is_some() {
                    let said = fs::read_to_string(&errors).unwrap_or_default();
                    return Err(format!("{} does not answer on {address}: {error}\n{said}", kind.name()).into());
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(subject)
    }

    /// CPU time of all its threads so far, by the scheduler's own count.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            // A thread may end between the listing and the reading.
            let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += line.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

/// Process ids of the proxies that run.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every proxy of this bench: it is being ended itself.
pub(crate) fn kill_all() {
    for id in running().drain(..) {
        if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        running().retain(|id| *id != self.process.id());
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn relay(pki: &Pki, plain: SocketAddr, mutual: SocketAddr, broker: SocketAddr) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("relay").arg(pki.folder()).args([plain, mutual, broker].map(|address| address.to_string()));
    Ok(command)
}

/// Debian has it where not every user's PATH looks.
fn haproxy_program() -> Option<&'static str> {
    let answers = |program: &&str| Command::new(program).arg("-v").stdout(Stdio::null()).status().is_ok();
    ["haproxy", "/usr/sbin/haproxy"].into_iter().find(answers)
}

/// TLS in, TCP out, blind, all else as HAProxy has it by default.
fn haproxy(pki: &Pki, plain: SocketAddr, mutual: SocketAddr, broker: SocketAddr) -> Result<Command> {
    let (both, ca) = (text(&pki.file("server-both.pem")), text(&pki.file("ca.pem")));
    let settings = format!(
        "global\n  maxconn 9000\n  ssl-default-bind-options ssl-min-ver TLSv1.3\n\
         defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n  maxconn 9000\n\
         frontend plain\n  bind {plain} ssl crt {both}\n  default_backend broker\n\
         frontend mutual\n  bind {mutual} ssl crt {both} ca-file {ca} verify required\n  default_backend broker\n\
         backend broker\n  server stub {broker}\n"
    );
    let file = pki.file("haproxy.cfg");
    fs::write(&file, settings)?;
    let mut command = Command::new(haproxy_program().ok_or("HAProxy is not installed")?);
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}

const PERMIT_ALL: &str = "version = \"1\"\npermit_all = true\n";

/// Everything is permitted whose two values are in range: see [`crate::client::publish`].
const INSPECTED: &str = r##"version = "1"
permit_all = true
[[payload]]
id = "range"
publish = ["#"]
format = "json"
values = [{ field = "/celsius", min = -40.0, max = 150.0 }, { field = "/bar", min = 0, max = 10 }]
"##;

/// One grant for each line of a plant, every other one for the client's own topics; one of them is for the load.
fn grants() -> String {
    let grant = |line: usize| {
        let last = if line.is_multiple_of(2) { "${client_id}" } else { "+" };
        format!(
            "[[grant]]\nid = \"line-{line}\"\nroles = [\"everyone\"]\n\
             publish = [\"plant/line{line}/temperature/{last}\"]\nsubscribe = [\"plant/line{line}/command/{last}\"]\n"
        )
    };
    "version = \"1\"\n".to_owned() + &(0..GRANTS).map(grant).collect::<String>()
}

/// Tidegate as it comes: every default of the settings, no audit file.
fn tidegate(
    pki: &Pki,
    name: &str,
    rules: &str,
    plain: SocketAddr,
    mutual: SocketAddr,
    broker: SocketAddr,
) -> Result<Command> {
    let policy = pki.file(name);
    fs::create_dir_all(&policy)?;
    fs::write(policy.join("policy.toml"), rules)?;
    let settings = format!(
        "policies = [\"{name}\"]\n\
         [[listener]]\nname = \"plain\"\nbind = \"{plain}\"\nbroker = \"stub\"\n\
         tls.certificate = \"server.pem\"\ntls.key = \"server.key\"\ntls.clients = \"none\"\nidentity.sources = [\"anonymous\"]\n\
         [[listener]]\nname = \"mutual\"\nbind = \"{mutual}\"\nbroker = \"stub\"\n\
         tls.certificate = \"server.pem\"\ntls.key = \"server.key\"\ntls.clients = \"required\"\ntls.client_ca = \"ca.pem\"\n\
         [[broker]]\nname = \"stub\"\nservers = [\"{broker}\"]\n"
    );
    let file = pki.file(&format!("{name}.toml"));
    fs::write(&file, settings)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("run").arg("-c").arg(file);
    Ok(command)
}
