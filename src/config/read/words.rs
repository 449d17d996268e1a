//! Words of messages: lists of them, text from a file, and the word that was meant.

/// `a`, `b`, `c`
pub(in crate::config) fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Text from a file, fit to be shown.
pub(in crate::config) fn escaped(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

/// The word that was probably meant.
pub(in crate::config) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(40).collect::<String>().to_lowercase().replace('-', "_");
    let scored = known.map(|other| (distance(&word, &other.to_lowercase().replace('-', "_")), other));
    let (steps, found) = scored.min_by_key(|(steps, _)| *steps)?;
    (steps <= 1 + word.chars().count() / 4).then_some(found)
}

/// Insertions, deletions, replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(b.chars()) {
            let cost = diagonal + usize::from(ca != cb);
            diagonal = *cell;
            left = cost.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
