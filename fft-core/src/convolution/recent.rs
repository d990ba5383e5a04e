//! A small cache that keeps what was used last.

/// At most `capacity` entries, in the order of their last use.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    capacity: usize,
    entries: Vec<(K, V)>,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { capacity, entries: Vec::new() }
    }

    /// The value of a key, which counts as used.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let at = self.entries.iter().position(|(k, _)| k == key)?;
        self.entries[at..].rotate_left(1);
        self.entries.last().map(|(_, value)| value.clone())
    }

    /// Puts a value in place of an old one of its key, or of the entry whose last use is longest ago where there is no room.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.entries.retain(|(k, _)| *k != key);
        if self.entries.len() >= self.capacity {
            self.entries.remove(0);
        }
        self.entries.push((key, value));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_unused_for_longest_goes() {
        let mut recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        assert_eq!(recent.get(&"a"), Some(1));
        recent.put("c", 3);
        assert_eq!(
            (recent.get(&"b"), recent.get(&"a"), recent.get(&"c"), recent.len()),
            (None, Some(1), Some(3), 2)
        );
        recent.put("a", 4);
        assert_eq!((recent.get(&"a"), recent.len()), (Some(4), 2));
        recent.clear();
        assert_eq!((recent.get(&"a"), recent.len()), (None, 0));
    }
}
