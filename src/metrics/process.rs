//! What the kernel knows of this process (Linux; elsewhere nothing is shown).

use std::fs;

/// Kernel ticks per second in /proc: USER_HZ, 100 on every architecture that Rust's Linux targets name.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time used, user and system.
pub(super) fn cpu_seconds() -> Option<f64> {
    cpu_of(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn cpu_of(stat: &str) -> Option<f64> {
    // The program's name stands in parentheses and may hold anything; the fields behind it are counted from `state`.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(|field| field.parse::<f64>().ok());
    Some((times.next()?? + times.next()??) / TICKS_PER_SECOND)
}

/// Resident memory.
pub(crate) fn resident_bytes() -> Option<u64> {
    number_of(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")?.checked_mul(1024)
}

/// Threads.
pub(super) fn threads() -> Option<u64> {
    number_of(&fs::read_to_string("/proc/self/status").ok()?, "Threads:")
}

fn number_of(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Open file descriptors, the one that this look takes not counted.
pub(crate) fn open_descriptors() -> Option<u64> {
    // Since Linux 6.2 the folder's size is their number, which costs the same however many there are.
    let told = fs::metadata("/proc/self/fd").ok()?.len();
    if told > 0 {
        return Some(told);
    }
    let count = u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
    Some(count.saturating_sub(1))
}

/// The soft limit of open file descriptors.
pub(super) fn max_descriptors() -> Option<u64> {
    number_of(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_name_does_not_move_the_fields() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 3";
        assert_eq!(cpu_of(stat), Some(2.0));
        assert_eq!(cpu_of("12 (a"), None);
    }

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        if cfg!(target_os = "linux") {
            for value in [resident_bytes(), threads(), open_descriptors(), max_descriptors()] {
                assert!(value.is_some_and(|value| value >= 1), "{value:?}");
            }
            assert!(cpu_seconds().is_some());
        }
    }
}
