//! Reading settings and all that they name, as it was at one moment.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::changes::{Cache, Look, differing};
use super::prepare::{Prepared, prepare};
use crate::config::{self, Problem, Settings, Severity};

/// How often it is tried to read files that are being written.
const TRIES: u32 = 5;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Settings and what they name, for [`run`](super::run).
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What they name.
    pub prepared: Prepared,
    pub(super) look: Look,
}

/// What was read, or what is wrong with it.
pub(super) struct Read {
    pub(super) outcome: Result<(Settings, Prepared), Vec<Problem>>,
    /// What the files held meanwhile.
    pub(super) look: Look,
}

/// Reads a settings file and all that it names.
///
/// # Errors
/// Every problem, warnings among them.
pub fn load(path: &Path) -> Result<Loaded, Vec<Problem>> {
    let Read { outcome, look } = read(path, vec![path.to_owned()], &mut Cache::default());
    outcome.map(|(settings, prepared)| Loaded { settings, prepared, look })
}

/// Reads until none of the files has changed from before to after. `paths` are those that it will probably be.
pub(super) fn read(path: &Path, mut paths: Vec<PathBuf>, cache: &mut Cache) -> Read {
    let mut tries = 1;
    loop {
        let before = cache.look(&paths, SystemTime::now());
        let outcome = once(path);
        if let Ok((settings, _)) = &outcome {
            paths = settings.watched().into_iter().map(Into::into).collect();
        }
        let look = cache.look(&paths, SystemTime::now());
        if look == before {
            return Read { outcome, look };
        }
        if tries == TRIES {
            let outcome = outcome.and_then(|(settings, _)| Err(restless(&settings, &differing(&before, &look))));
            return Read { outcome, look };
        }
        tries += 1;
        if look.keys().eq(before.keys()) {
            std::thread::sleep(PAUSE);
        }
    }
}

fn restless(settings: &Settings, files: &[PathBuf]) -> Vec<Problem> {
    let message = |file: &Path| format!("`{}` changes again and again while it is read", file.display());
    files.iter().map(|file| settings.problem(Severity::Error, message(file), Some(file))).collect()
}

fn once(path: &Path) -> Result<(Settings, Prepared), Vec<Problem>> {
    let settings = config::load(path).map_err(|problems| problems.into_iter().collect::<Vec<_>>())?;
    let prepared = prepare(&settings, SystemTime::now())?;
    Ok((settings, prepared))
}
