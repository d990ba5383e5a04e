//! A bounded store of what is made once and used often.

use std::collections::HashMap;
use std::hash::Hash;

/// Values that are kept however large they are, so that work which takes turns between a few of them does not make them again and again.
const FEWEST: usize = 4;

/// Values by key, of a limited size in all: when there is no room for a new one, those that were not used for longest leave.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Most bytes of all values.
    limit: usize,
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Copy + Eq + Hash, V: Clone> Cache<K, V> {
    /// An empty one for values of `limit` bytes in all.
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), limit, bytes: 0, clock: 0 }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value of a key.
    pub(crate) fn get(&mut self, key: K) -> Option<V> {
        let entry = self.entries.get_mut(&key)?;
        self.clock += 1;
        entry.used = self.clock;
        Some(entry.value.clone())
    }

    /// Keeps a value of so many bytes; whether others had to leave for it. The last few stay even where they pass the limit.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) -> bool {
        self.remove(key);
        let count = self.entries.len();
        while self.bytes.saturating_add(bytes) > self.limit && self.entries.len() >= FEWEST {
            let Some((&oldest, _)) = self.entries.iter().min_by_key(|(_, entry)| entry.used) else { break };
            self.remove(oldest);
        }
        self.clock += 1;
        let left = self.entries.len() < count;
        self.bytes += bytes;
        self.entries.insert(key, Entry { value, bytes, used: self.clock });
        left
    }

    fn remove(&mut self, key: K) {
        if let Some(entry) = self.entries.remove(&key) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_leave() {
        let mut cache = Cache::new(100);
        for key in 0..10 {
            assert!(!cache.insert(key, key * 10, 10), "{key}");
        }
        assert_eq!(cache.get(0), Some(0));
        assert!(cache.insert(10, 100, 20), "two have to leave");
        assert_eq!([0, 1, 2, 3, 10].map(|key| cache.get(key)), [Some(0), None, None, Some(30), Some(100)]);
        assert_eq!((cache.len(), cache.bytes), (9, 100));
    }

    #[test]
    fn a_few_values_beyond_the_limit_are_kept() {
        let mut cache = Cache::new(10);
        for key in 0..FEWEST {
            assert!(!cache.insert(key, key, 11));
        }
        for key in FEWEST..20 {
            assert!(cache.insert(key, key, 11), "one leaves for the next");
        }
        assert_eq!((cache.len(), cache.bytes), (FEWEST, FEWEST * 11));
        assert!((20 - FEWEST..20).all(|key| cache.get(key) == Some(key)));
    }

    #[test]
    fn a_key_has_one_value() {
        let mut cache = Cache::new(10);
        assert!(!cache.insert(1, 'x', 6));
        assert!(!cache.insert(1, 'y', 7), "the old value gives its room");
        assert_eq!((cache.get(1), cache.bytes), (Some('y'), 7));
    }
}
