//! A throw-away PKI, made by `tidegate pki`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::device::Failure;

/// A folder with a CA and what it issues.
pub(crate) struct Pki {
    program: PathBuf,
    folder: PathBuf,
}

impl Pki {
    pub(crate) fn new(program: &Path, folder: PathBuf, name: &str) -> Result<Self, Failure> {
        let pki = Self { program: program.to_owned(), folder };
        pki.run("init", &["--name", name])?;
        Ok(pki)
    }

    /// Another one, whose certificates are worth nothing here.
    pub(crate) fn stranger(&self) -> Result<Self, Failure> {
        Self::new(&self.program, self.folder.with_file_name("stranger"), "Somebody else's CA")
    }

    /// A certificate for the gateway, on this machine.
    pub(crate) fn server(&self) -> Result<(), Failure> {
        self.run("server", &["gateway", "--dns", "localhost", "--ip", "127.0.0.1"])
    }

    /// A certificate for a device, with its name as Common Name and what it is as Organizational Unit: the files of
    /// certificate and key.
    pub(crate) fn client(&self, name: &str, unit: &str) -> Result<(PathBuf, PathBuf), Failure> {
        self.run("client", &[name, "--ou", unit])?;
        Ok((self.file(&format!("{name}.pem")), self.file(&format!("{name}.key"))))
    }

    /// Nobody gets in with a certificate of that name from now on.
    pub(crate) fn revoke(&self, name: &str) -> Result<(), Failure> {
        self.run("revoke", &[name])
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn run(&self, command: &str, rest: &[&str]) -> Result<(), Failure> {
        let output = Command::new(&self.program).args(["pki", command]).arg(&self.folder).args(rest).output()?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
    }
}
