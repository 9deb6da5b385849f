//! Ordered maps and sets made entry by entry. `collect` sorts first, with 5 KB of code for each type; for the few entries of a configuration or of a script's
//! row that is no faster. Not for rows.

use std::collections::{BTreeMap, BTreeSet};

/// Of keys and values; of equal keys the last one's value stays.
pub fn map_of<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}

pub fn set_of<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_collect_makes() {
        let pairs = [(3, 'a'), (1, 'b'), (3, 'c'), (2, 'd')];
        assert_eq!(map_of(pairs), pairs.into_iter().collect::<BTreeMap<_, _>>());
        assert_eq!(map_of(pairs)[&3], 'c');
        assert_eq!(set_of([3, 1, 3]), BTreeSet::from([1, 3]));
    }
}
