//! The folder of a PKI: PEM files, and `index.jsonl` with a line for each certificate issued or revoked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::authority::{Authority, Signed, Subject};
use super::{Failure, moment};

const INDEX: &str = "index.jsonl";
const LIST: &str = "crl.pem";

/// A certificate of the index.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) name: String,
    /// In lower hex.
    pub(super) serial: String,
    pub(super) revoked: Option<OffsetDateTime>,
}

pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it where there is none.
    pub(super) fn make(path: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(path).map_err(failed("make the folder", path))?;
        Ok(Self(path.to_owned()))
    }

    /// One with a CA.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let folder = Self(path.to_owned());
        let has_authority = ["ca.pem", "ca.key"].iter().all(|file| folder.0.join(file).exists());
        if has_authority { Ok(folder) } else { Err(Failure::NoAuthority(path.to_owned())) }
    }

    /// How a file of it is shown.
    pub(super) fn shown(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }

    pub(super) fn authority(&self) -> Result<Authority, Failure> {
        let (certificate, key) = (self.0.join("ca.pem"), self.0.join("ca.key"));
        let pem = fs::read_to_string(&certificate).map_err(failed("read", &certificate))?;
        Authority::read(pem, Zeroizing::new(fs::read_to_string(&key).map_err(failed("read", &key))?))
    }

    /// Writes the CA, and begins the index.
    pub(super) fn write_authority(&self, authority: &Authority, force: bool) -> Result<(), Failure> {
        self.refuse_to_replace(&["ca.key", "ca.pem", INDEX, LIST], force)?;
        self.write_pair("ca", &authority.certificate, &authority.key)?;
        self.replace(INDEX, "", 0o644)
    }

    pub(super) fn write_issued(
        &self,
        subject: &Subject,
        signed: &Signed,
        now: OffsetDateTime,
        force: bool,
    ) -> Result<(), Failure> {
        // In the index first: a certificate that is not there can't be revoked.
        let files = [format!("{}.pem", subject.name), format!("{}.key", subject.name)];
        self.refuse_to_replace(&files, force)?;
        self.append(&json!({
            "issued": moment(now),
            "name": subject.name,
            "use": subject.usage.label(),
            "serial": signed.serial,
            "not_after": moment(signed.not_after),
        }))?;
        self.write_pair(&subject.name, &signed.certificate, &signed.key)
    }

    pub(super) fn record_revoked(&self, name: &str, serial: &str, now: OffsetDateTime) -> Result<(), Failure> {
        self.append(&json!({"revoked": moment(now), "name": name, "serial": serial}))
    }

    /// Writes the revocation list anew; its next update.
    pub(super) fn write_list(
        &self,
        authority: &Authority,
        now: OffsetDateTime,
        valid: Duration,
    ) -> Result<OffsetDateTime, Failure> {
        let revoked = self.index()?.into_iter().filter(|issued| issued.revoked.is_some());
        let (pem, next_update) = authority.list(revoked, now, valid)?;
        self.replace(LIST, &pem, 0o644)?;
        Ok(next_update)
    }

    /// Every certificate issued, in order.
    pub(super) fn index(&self) -> Result<Vec<Issued>, Failure> {
        let path = self.0.join(INDEX);
        let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
        let mut all: Vec<Issued> = Vec::new();
        for (line, record) in (1..).zip(text.lines()) {
            let bad = || Failure::Index { path: path.clone(), line };
            let record: Value = serde_json::from_str(record).map_err(|_| bad())?;
            let field = |key| record.get(key).and_then(Value::as_str);
            let (name, serial) = (field("name").ok_or_else(bad)?, field("serial").ok_or_else(bad)?);
            match field("revoked") {
                None => all.push(Issued { name: name.to_owned(), serial: serial.to_owned(), revoked: None }),
                Some(time) => {
                    let time = OffsetDateTime::parse(time, &Rfc3339).map_err(|_| bad())?;
                    let known = all.iter_mut().find(|issued| issued.serial == serial).ok_or_else(bad)?;
                    known.revoked.get_or_insert(time);
                }
            }
        }
        Ok(all)
    }

    /// One write of one line: commands that run at the same time do not mix theirs.
    fn append(&self, record: &Value) -> Result<(), Failure> {
        let path = self.0.join(INDEX);
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{record}\n").as_bytes()));
        written.map_err(failed("write", &path))
    }

    fn refuse_to_replace(&self, files: &[impl AsRef<Path>], force: bool) -> Result<(), Failure> {
        let paths = files.iter().map(|file| self.0.join(file));
        match paths.filter(|_| !force).find(|path| path.symlink_metadata().is_ok()) {
            Some(path) => Err(Failure::Exists(path)),
            None => Ok(()),
        }
    }

    fn write_pair(&self, name: &str, certificate: &str, key: &str) -> Result<(), Failure> {
        self.replace(&format!("{name}.key"), key, 0o600)?;
        self.replace(&format!("{name}.pem"), certificate, 0o644)
    }

    /// Writes a file beside its place and moves it there, so that nobody reads half of it.
    fn replace(&self, file: &str, text: &str, mode: u32) -> Result<(), Failure> {
        let path = self.0.join(file);
        let beside = self.0.join(format!(".{file}.{}", std::process::id()));
        let written = write(&beside, text, mode).and_then(|()| fs::rename(&beside, &path));
        if written.is_err() {
            // What could not be written is not left behind; if that fails too, the first error says why.
            let _ = fs::remove_file(&beside);
        }
        written.map_err(failed("write", &path))
    }
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::File { what, path, source }
}
