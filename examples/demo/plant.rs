//! What stands before the devices connect: a folder with keys and settings, a broker, the gateway.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::broker;
use crate::device::{Device, Failure, PATIENCE};
use crate::pki::Pki;

/// A device whose certificate is on the revocation list.
pub(crate) const REVOKED: &str = "temp-05";

/// A program of ours that ends when it is dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let asked = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).map(|pid| kill_process(pid, Signal::TERM));
        let until = Instant::now() + PATIENCE;
        while matches!(asked, Some(Ok(()))) && Instant::now() < until {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything that runs, and where to find it.
pub(crate) struct Plant {
    // Dropped in this order: the gateway says goodbye while the broker is still there.
    gateway_program: Program,
    broker_program: Option<Program>,
    /// Whom the devices trust, and who vouches for them.
    pub(crate) pki: Pki,
    pub(crate) folder: PathBuf,
    pub(crate) broker_name: String,
    pub(crate) broker: SocketAddr,
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Plant {
    /// Writes the folder anew and starts broker and gateway.
    pub(crate) fn start() -> Result<Self, Failure> {
        let (program, folder) = places()?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("policies/demo"))?;
        let pki = Pki::new(&program, folder.join("pki"), "Demo plant CA")?;
        pki.server()?;
        pki.client(REVOKED, "sensors")?;
        pki.revoke(REVOKED)?;
        let [broker, gateway, admin] = free_addresses()?;
        write_settings(&folder, broker, gateway, admin)?;
        let (broker_name, broker_program) = start_broker(&folder, broker)?;
        let gateway_program = spawn(
            Command::new(program).arg("run").arg("-c").arg(folder.join("gateway.toml")),
            &folder.join("gateway.log"),
        )?;
        let mut plant = Self { gateway_program, broker_program, pki, folder, broker_name, broker, gateway, admin };
        plant.wait_until_ready()?;
        Ok(plant)
    }

    pub(crate) fn audit_file(&self) -> PathBuf {
        self.folder.join("audit.jsonl")
    }

    /// A GET on the admin address: status line, headers and body.
    pub(crate) fn admin_answer(&self, path: &str) -> Result<String, Failure> {
        let mut socket = TcpStream::connect_timeout(&self.admin, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            let programs = [Some(&mut self.gateway_program), self.broker_program.as_mut()];
            for program in programs.into_iter().flatten() {
                if let Some(status) = program.0.try_wait()? {
                    let log = fs::read_to_string(self.folder.join("gateway.log")).unwrap_or_default();
                    return Err(format!("a program ended at once ({status}); the gateway's log:\n{log}").into());
                }
            }
            let broker_is_up = Device::dial_plain(self.broker).is_ok();
            if broker_is_up && self.admin_answer("/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("not ready in {PATIENCE:?}; see {}", self.folder.display()).into());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The gateway's program and the demo's folder, both beside where cargo has put this example.
fn places() -> Result<(PathBuf, PathBuf), Failure> {
    let example = std::env::current_exe()?;
    let built = example.parent().and_then(Path::parent).ok_or("not run from cargo's target folder")?;
    let program = built.join("tidegate");
    if !program.is_file() {
        return Err(format!("`{}` is not built: run `make demo`", program.display()).into());
    }
    let folder = std::env::var_os("TIDEGATE_DEMO_FOLDER").map_or_else(|| built.join("demo"), PathBuf::from);
    Ok((program, folder))
}

/// Held together, so that they differ; free again on return.
fn free_addresses() -> Result<[SocketAddr; 3], Failure> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, two, three) = (bind()?, bind()?, bind()?);
    Ok([one.local_addr()?, two.local_addr()?, three.local_addr()?])
}

fn write_settings(folder: &Path, broker: SocketAddr, gateway: SocketAddr, admin: SocketAddr) -> Result<(), Failure> {
    fs::write(folder.join("policies/demo/policy.toml"), include_str!("policy.toml"))?;
    let settings = format!(
        r#"policies = ["policies/demo"]

[[listener]]
name = "field"
bind = "{gateway}"
broker = "plant"
tls.certificate = "pki/gateway.pem"
tls.key = "pki/gateway.key"
tls.clients = "required"
tls.client_ca = "pki/ca.pem"
tls.crl = ["pki/crl.pem"]

[[broker]]
name = "plant"
servers = ["{broker}"]

[admin]
bind = "{admin}"

[audit]
file = "audit.jsonl"
"#
    );
    Ok(fs::write(folder.join("gateway.toml"), settings)?)
}

/// A real Mosquitto where the machine has one, else the broker of this example.
fn start_broker(folder: &Path, address: SocketAddr) -> Result<(String, Option<Program>), Failure> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mosquitto = path
        .split(':')
        .chain(["/usr/sbin"])
        .map(|folder| Path::new(folder).join("mosquitto"))
        .find(|file| file.is_file());
    let Some(mosquitto) = mosquitto.filter(|_| std::env::var_os("TIDEGATE_DEMO_EMBEDDED").is_none()) else {
        broker::serve(TcpListener::bind(address)?);
        return Ok(("the embedded broker (no Mosquitto on this machine)".to_owned(), None));
    };
    let settings = folder.join("mosquitto.conf");
    let (ip, port) = (address.ip(), address.port());
    fs::write(&settings, format!("listener {port} {ip}\nallow_anonymous true\npersistence false\n"))?;
    let program = spawn(Command::new(&mosquitto).arg("-c").arg(settings), &folder.join("mosquitto.log"))?;
    Ok((mosquitto.display().to_string(), Some(program)))
}

/// Starts a program in a process group of its own, so that Ctrl-C reaches the demo alone, which then ends it in order.
fn spawn(command: &mut Command, log: &Path) -> Result<Program, Failure> {
    let log = File::create(log)?;
    let errors = log.try_clone()?;
    let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0).spawn();
    Ok(Program(child.map_err(|error| format!("{}: {error}", command.get_program().display()))?))
}
