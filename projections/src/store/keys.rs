//! Where rows are in sled.

use std::ops::Bound;

/// The key of the position and all that belongs to it. No read model's name is empty.
pub(super) const META: &[u8] = b"\0meta";

/// The key of a row.
pub(super) fn row(projection: &str, key: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(projection.len() + 1 + key.len());
    bytes.extend_from_slice(projection.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

/// Which read model's row a key is, and the row's key.
pub(super) fn split(key: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(key).ok()?;
    text.split_once('\0').filter(|(projection, _)| !projection.is_empty())
}

/// Every key that starts with `prefix`, as bounds.
pub(super) fn prefix_bounds(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut end = prefix.to_vec();
    // Text never holds the byte 255, so one step suffices; the loop keeps this true for any bytes.
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return (Bound::Included(prefix.to_vec()), Bound::Excluded(end));
        }
    }
    (Bound::Included(prefix.to_vec()), Bound::Unbounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_key_tells_its_read_model() {
        let key = row("jobs", "job/1");
        assert_eq!(split(&key), Some(("jobs", "job/1")));
        assert_eq!(split(META), None);
        assert_eq!(split(b"\xff\0a"), None);
    }

    #[test]
    fn prefix_bounds_hold_the_prefix_and_nothing_else() {
        let inside = |key: &[u8], prefix: &[u8]| {
            use std::ops::RangeBounds as _;
            prefix_bounds(prefix).contains(&key.to_vec())
        };
        assert!(inside(b"jobs\0a", b"jobs\0"));
        assert!(inside(b"jobs\0", b"jobs\0"));
        assert!(!inside(b"jobs\x01", b"jobs\0"));
        assert!(!inside(b"job", b"jobs\0"));
        assert!(inside(b"a\xff\xff\x01", b"a\xff\xff"));
        assert!(!inside(b"b", b"a\xff\xff"));
        assert!(inside(b"\xff\xff", b"\xff"));
    }
}
