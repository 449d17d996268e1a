//! Names for roles and rules: what a policy takes, and each once.

use std::collections::{HashMap, HashSet};

/// Characters of a name; what is longer is cut.
const MAX_CHARS: usize = 48;

/// The names that are taken.
#[derive(Debug)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// How often each was wanted.
    wanted: HashMap<String, u32>,
}

impl Default for Names {
    fn default() -> Self {
        Self { taken: ["everyone", "default"].map(str::to_owned).into(), wanted: HashMap::new() }
    }
}

impl Names {
    /// A name that nothing has yet, as like `wanted` as can be.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let plain = plain(wanted);
        let mut name = plain.clone();
        let count = self.wanted.entry(plain.clone()).or_insert(1);
        while !self.taken.insert(name.clone()) {
            *count += 1;
            name = format!("{plain}-{count}");
        }
        name
    }
}

/// Letters, digits, `-`, `_` and `.`; a `-` for all else.
fn plain(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    text.chars().take(MAX_CHARS).map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_each_is_there_once() {
        let mut names = Names::default();
        for (wanted, expected) in [
            ("user-alice", "user-alice"),
            ("user-alice", "user-alice-2"),
            ("user-alice-2", "user-alice-2-2"),
            ("everyone", "everyone-2"),
            ("role-Öl/#", "role--l--"),
            ("", ""),
            (&"x".repeat(99), &"x".repeat(48)),
        ] {
            assert_eq!(names.fresh(wanted), expected);
        }
    }
}
