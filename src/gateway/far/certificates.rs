//! Client certificates of identities: found, loaded when first needed, kept while their files stay as they are.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Withheld;
use crate::config::{BrokerIdentities, IdentityCertificates, Missing};
use crate::tls::client::showing;
use crate::tls::error::Moment;

/// Certificates that are kept at most, in each of two halves: those used of late, and those before them.
const MAX_KEPT: usize = 4096;

/// Certificates that are looked for at once.
const MAX_LOADING: usize = 4;

/// The longest identity that is looked for as a file's name; file systems take 255 bytes, its ending included.
const MAX_NAME_BYTES: usize = 200;

const WITHHELD: Withheld = Withheld { rule: "broker.tls.identities" };

/// The certificates that one broker is shown.
pub(super) struct Certificates {
    settings: BrokerIdentities,
    own: Arc<ClientConfig>,
    kept: Mutex<Kept>,
    loading: Arc<Semaphore>,
    /// When the log last said that one can't be used, in seconds since 1970.
    last_said: AtomicI64,
}

/// A certificate with its key, by the files that they are in.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

/// What a file looked like when it was read: which one it is, when it was last changed in any way, and its size.
type Stamp = (u64, i64, i64, u64);

#[derive(Clone)]
struct Loaded {
    config: Arc<ClientConfig>,
    not_after: Moment,
    stamps: [Stamp; 2],
}

#[derive(Default)]
struct Kept {
    young: HashMap<Box<str>, Loaded>,
    old: HashMap<Box<str>, Loaded>,
}

impl Kept {
    fn get(&mut self, name: &str) -> Option<Loaded> {
        if let Some(loaded) = self.young.get(name) {
            return Some(loaded.clone());
        }
        let (name, loaded) = self.old.remove_entry(name)?;
        self.put(name, loaded.clone());
        Some(loaded)
    }

    fn put(&mut self, name: Box<str>, loaded: Loaded) {
        if self.young.len() >= MAX_KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, loaded);
    }

    fn forget(&mut self, name: &str) {
        self.young.remove(name);
        self.old.remove(name);
    }
}

impl Certificates {
    pub(super) fn new(settings: &BrokerIdentities, own: &Arc<ClientConfig>) -> Self {
        Self {
            settings: settings.clone(),
            own: Arc::clone(own),
            kept: Mutex::default(),
            loading: Arc::new(Semaphore::new(MAX_LOADING)),
            last_said: AtomicI64::new(0),
        }
    }

    /// TLS with the certificate of the identity of this name.
    ///
    /// # Errors
    /// It has none and must have, what it has can't be used, or its name is none that a file may have.
    pub(super) async fn of(
        self: &Arc<Self>,
        name: Option<&str>,
        within: Duration,
    ) -> Result<Arc<ClientConfig>, Withheld> {
        let Some(name) = name else { return self.missing() };
        let pair = match &self.settings.certificates {
            IdentityCertificates::Folder(folder) if is_file_name(name) => {
                Pair { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) }
            }
            // A name that means another place must not find the certificate that is there, nor pass for one without.
            IdentityCertificates::Folder(_) => return Err(WITHHELD),
            IdentityCertificates::Table(table) => match table.get(name) {
                Some(pair) => Pair { certificate: pair.certificate.clone(), key: pair.key.clone() },
                None => return self.missing(),
            },
        };
        let (certificates, name) = (Arc::clone(self), Box::from(name));
        let looked = async {
            let turn = Arc::clone(&self.loading).acquire_owned().await.ok()?;
            let looking = spawn_blocking(move || {
                let looked = certificates.look(name, &pair);
                drop(turn);
                looked
            });
            looking.await.ok()
        };
        timeout(within, looked).await.ok().flatten().unwrap_or(Err(WITHHELD))
    }

    fn missing(&self) -> Result<Arc<ClientConfig>, Withheld> {
        match self.settings.missing {
            Missing::Refuse => Err(WITHHELD),
            Missing::Own => Ok(Arc::clone(&self.own)),
        }
    }

    fn look(&self, name: Box<str>, pair: &Pair) -> Result<Arc<ClientConfig>, Withheld> {
        let now = Moment::of(SystemTime::now());
        let found = match fs::metadata(&pair.certificate) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.kept(|kept| kept.forget(&name));
                return match self.settings.certificates {
                    IdentityCertificates::Folder(_) => self.missing(),
                    // The table says that there is one.
                    IdentityCertificates::Table(_) => Err(self.say(&name, &pair.certificate, &error)),
                };
            }
            Err(error) => return Err(self.say(&name, &pair.certificate, &error)),
        };
        let stamps = [stamp(&found), fs::metadata(&pair.key).map(|found| stamp(&found)).unwrap_or_default()];
        let before = self.kept(|kept| kept.get(&name)).filter(|loaded| now <= loaded.not_after);
        if let Some(loaded) = before.as_ref().filter(|loaded| loaded.stamps == stamps) {
            return Ok(Arc::clone(&loaded.config));
        }
        match showing(&self.own, &pair.certificate, &pair.key, now) {
            Ok((config, not_after)) => {
                let config = Arc::new(config);
                let loaded = Loaded { config: Arc::clone(&config), not_after, stamps };
                self.kept(|kept| {
                    kept.forget(&name);
                    kept.put(name, loaded);
                });
                Ok(config)
            }
            Err(error) => {
                let withheld = self.say(&name, &pair.certificate, &error);
                // One that is half renewed serves as before until it is whole.
                before.map(|loaded| loaded.config).ok_or(withheld)
            }
        }
    }

    /// Says in the log why a certificate can't be used, once a second at most: each refusal has its line in the audit
    /// file.
    fn say(&self, name: &str, file: &Path, error: &dyn fmt::Display) -> Withheld {
        let now = Moment::of(SystemTime::now()).0;
        if self.last_said.swap(now, Ordering::Relaxed) != now {
            tracing::warn!(identity = ?name, file = %file.display(), %error, "the certificate of an identity can't be used");
        }
        WITHHELD
    }

    /// What is kept is whole after each call, so one left by a panic is still right.
    fn kept<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn stamp(found: &Metadata) -> Stamp {
    (found.ino(), found.ctime(), found.ctime_nsec(), found.size())
}

/// Whether a name is one file's in its folder, and shown as it is.
fn is_file_name(name: &str) -> bool {
    let bad = |c: char| c == '/' || c == '\\' || c.is_control();
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.starts_with('.') && !name.contains(bad)
}
