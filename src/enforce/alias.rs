//! Topic Aliases of one direction (5.0, §3.3.2.3.4).

/// What the sender's aliases stand for, and which of them the far side knows as well.
///
/// Bounded by the Topic Alias Maximum announced to the sender times the longest Topic Name that may go on.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    known: Vec<Alias>,
}

#[derive(Debug, Default)]
struct Alias {
    /// Empty: stands for nothing.
    topic: String,
    /// Whether the PUBLISH that set it was forwarded.
    far: bool,
}

impl Aliases {
    /// The Topic Name that `alias` stands for, and whether the far side knows it.
    pub(super) fn resolve(&self, alias: u16) -> Option<(&str, bool)> {
        self.known
            .get(index(alias))
            .filter(|known| !known.topic.is_empty())
            .map(|known| (known.topic.as_str(), known.far))
    }

    /// Takes what a PUBLISH says that `alias` stands for. `far`: that PUBLISH was forwarded.
    pub(super) fn set(&mut self, alias: u16, topic: &str, far: bool) {
        let index = index(alias);
        if index >= self.known.len() {
            self.known.resize_with(index + 1, Alias::default);
        }
        if let Some(known) = self.known.get_mut(index) {
            let same = known.topic == topic;
            if !same {
                known.topic.clear();
                known.topic.push_str(topic);
            }
            known.far = far || (same && known.far);
        }
    }

    /// The far side has been told what `alias` stands for.
    pub(super) fn told(&mut self, alias: u16) {
        if let Some(known) = self.known.get_mut(index(alias)) {
            known.far = true;
        }
    }
}

/// Aliases count from 1; 0 never decodes.
fn index(alias: u16) -> usize {
    usize::from(alias.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_for_the_last_topic_set() {
        let mut aliases = Aliases::default();
        assert_eq!(aliases.resolve(1), None);
        aliases.set(3, "a/b", true);
        assert_eq!(aliases.resolve(1), None);
        assert_eq!(aliases.resolve(3), Some(("a/b", true)));
        aliases.set(3, "c", false);
        assert_eq!(aliases.resolve(3), Some(("c", false)));
        aliases.told(3);
        assert_eq!(aliases.resolve(3), Some(("c", true)));
        assert_eq!(aliases.resolve(4), None);
    }
}
