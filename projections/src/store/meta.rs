//! What stands beside the rows, and is written with them in one batch.

use domain::event::projection::ProjectionDigest;
use domain::view::{self, Digest};
use proof::{Hash, Sha256, TreeSize};
use serde::{Deserialize, Serialize};

/// Raised when the layout of keys or of this record changes.
const FORMAT: u32 = 1;

/// Position, and what tells whether the rows belong to it and to this log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meta {
    format: u32,
    /// SHA-256 of the log's first payload: which log.
    pub(super) genesis: Hash,
    /// Events folded.
    pub(crate) position: TreeSize,
    /// SHA-256 of the last payload that was folded; zeros before the first: which history.
    pub(super) prev: Hash,
    /// Events since the last `projection.attested`, not counting those.
    pub(crate) unattested: u64,
    /// Each read model, in the order of `view::ALL`.
    pub(super) projections: Vec<Kept>,
}

/// One read model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) digest: Hash,
    pub(super) tally: Tally,
}

/// How many rows there are, and the sum of their hashes: found again by reading them in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tally {
    rows: u64,
    sum: [u64; 4],
}

impl Tally {
    /// One row more.
    pub(super) fn add(&mut self, key: &[u8], row: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        for (sum, part) in self.sum.iter_mut().zip(parts(key, row)) {
            *sum = sum.wrapping_add(part);
        }
    }

    /// One row less.
    pub(super) fn remove(&mut self, key: &[u8], row: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        for (sum, part) in self.sum.iter_mut().zip(parts(key, row)) {
            *sum = sum.wrapping_sub(part);
        }
    }
}

/// SHA-256 over the key's length, the key and the row, as four numbers.
fn parts(key: &[u8], row: &[u8]) -> [u64; 4] {
    let mut hash = Sha256::new();
    hash.update(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(key);
    hash.update(row);
    let hash = hash.finish();
    let (chunks, _) = hash.as_bytes().as_chunks::<8>();
    let mut numbers = [0; 4];
    for (number, chunk) in numbers.iter_mut().zip(chunks) {
        *number = u64::from_be_bytes(*chunk);
    }
    numbers
}

impl Meta {
    /// Nothing folded yet.
    pub(super) fn empty(genesis: Hash) -> Self {
        let projections = view::ALL.iter().map(|projection| Kept {
            name: projection.name.to_owned(),
            version: projection.version,
            digest: Digest::default().hash(),
            tally: Tally::default(),
        });
        Self {
            format: FORMAT,
            genesis,
            position: TreeSize::ZERO,
            prev: Hash::ZERO,
            unattested: 0,
            projections: projections.collect(),
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// Reads the record, and says why its rows are of no use to this build.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let meta: Self = serde_json::from_slice(bytes).map_err(|error| format!("position record: {error}"))?;
        if meta.format != FORMAT {
            return Err(format!("store format {}, this build writes {FORMAT}", meta.format));
        }
        let stored = meta.projections.iter().map(|kept| (kept.name.as_str(), kept.version));
        let known = view::ALL.iter().map(|projection| (projection.name, projection.version));
        if !stored.eq(known.clone()) {
            let known: Vec<String> = known.map(|(name, v)| format!("{name} v{v}")).collect();
            return Err(format!("other read models than this build's {}", known.join(", ")));
        }
        Ok(meta)
    }

    /// What the follower states in the log.
    pub(crate) fn attested(&self) -> Vec<ProjectionDigest> {
        let digests = self.projections.iter().map(|kept| ProjectionDigest {
            name: kept.name.clone(),
            version: kept.version,
            digest: kept.digest,
        });
        digests.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_does_not_depend_on_the_order_of_rows() {
        let (mut forth, mut back) = (Tally::default(), Tally::default());
        let rows: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b", b"2"), (b"ab", b"")];
        for ((key, row), (late_key, late_row)) in rows.iter().zip(rows.iter().rev()) {
            forth.add(key, row);
            back.add(late_key, late_row);
        }
        assert_eq!(forth, back);
        back.remove(b"b", b"2");
        back.add(b"b", b"3");
        assert_ne!(forth, back);
        for (key, row) in rows {
            forth.remove(key, row);
        }
        assert_eq!(forth, Tally::default());
    }

    #[test]
    fn a_store_of_another_build_is_recognised() {
        let meta = Meta::empty(proof::sha256(b"genesis"));
        let bytes = meta.to_bytes().unwrap();
        assert_eq!(Meta::parse(&bytes), Ok(meta.clone()));
        let mut other = meta.clone();
        other.projections[1].version += 1;
        assert!(Meta::parse(&other.to_bytes().unwrap()).unwrap_err().contains("read models"));
        let mut other = meta.clone();
        other.projections.pop();
        assert!(Meta::parse(&other.to_bytes().unwrap()).is_err());
        let mut other = meta;
        other.format += 1;
        assert!(Meta::parse(&other.to_bytes().unwrap()).unwrap_err().contains("format"));
        assert!(Meta::parse(b"{}").is_err());
    }
}
