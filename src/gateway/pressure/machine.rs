//! How much memory there is for this process (Linux; elsewhere it is not known).

use std::fs;
use std::path::{Path, PathBuf};

/// Of what there is, the gateway takes four fifths.
const SHARE: (u64, u64) = (4, 5);

/// What the gateway may hold where the settings do not say: its share of the machine's memory, or of what its control groups
/// leave it. None where neither is known.
pub(super) fn memory_budget() -> Option<u64> {
    let all = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let least = groups().into_iter().filter_map(|file| limit(&fs::read_to_string(file).ok()?)).chain(all).min()?;
    Some(least / SHARE.1 * SHARE.0)
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    rest.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What such a file says; none where it says `max`.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The files that may limit this process: of its control group, and of those around it.
fn groups() -> Vec<PathBuf> {
    fs::read_to_string("/proc/self/cgroup").map_or_else(|_| Vec::new(), |text| files_of(&text))
}

fn files_of(cgroup: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let inner = Path::new(path.trim_start_matches('/'));
        files.extend(inner.ancestors().map(|group| Path::new(root).join(group).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_a_share_of_what_there_is() {
        assert_eq!(total("MemFree: 7 kB\nMemTotal:       24682952 kB\n"), Some(24_682_952 * 1024));
        assert_eq!(total("MemTotal: much\n"), None);
        assert_eq!((limit("536870912\n"), limit("max\n"), limit("")), (Some(536_870_912), None, None));
        if cfg!(target_os = "linux") {
            assert!(memory_budget().is_some_and(|bytes| bytes > 1 << 26));
        }
    }

    #[test]
    fn every_control_group_around_the_process_counts() {
        let of = |text| files_of(text).iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            of("0::/system.slice/tidegate.service\n"),
            [
                "/sys/fs/cgroup/system.slice/tidegate.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(of("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            of("5:cpu,cpuacct:/a\n4:memory:/a\n"),
            ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
        assert_eq!(of("nonsense"), [""; 0]);
    }
}
