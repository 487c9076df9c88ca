//! The folds behind the read models: `(rows, event) -> row changes`, pure. `projections` stores the rows.
//!
//! A read model's digest is the running SHA-256 over its row changes in order, so any replayer reproduces it without
//! keeping a row.

pub mod approvals;
pub mod jobs;
pub mod proposals;

use crate::event::Event;
use crate::event::projection::ProjectionDigest;
use proof::hash::{Hash, Sha256};
use serde_json::Value;

/// One change to a row.
#[derive(Debug, Clone, PartialEq)]
pub enum RowChange {
    /// The row is now this.
    Put(String, Value),
    /// The row is gone.
    Delete(String),
}

/// Rows as a fold may read them.
pub trait Rows {
    /// A row.
    fn row(&self, key: &str) -> Option<Value>;
}

/// A read model: its name, its fold's version, its fold.
#[derive(Clone, Copy)]
pub struct Projection {
    /// Its name.
    pub name: &'static str,
    /// Raised whenever the fold would write other rows.
    pub version: u32,
    /// The fold.
    pub fold: fn(&dyn Rows, &Event) -> Vec<RowChange>,
}

impl std::fmt::Debug for Projection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} v{}", self.name, self.version)
    }
}

/// Every read model, in the order in which they are attested.
pub const ALL: [Projection; 3] = [approvals::PROJECTION, jobs::PROJECTION, proposals::PROJECTION];

/// A read model's running digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(Hash);

impl Default for Digest {
    fn default() -> Self {
        Self(Hash::ZERO)
    }
}

impl Digest {
    /// From a stored digest.
    pub fn resume(hash: Hash) -> Self {
        Self(hash)
    }

    /// The digest.
    pub fn hash(self) -> Hash {
        self.0
    }

    /// The digest after one more change: SHA-256(digest ‖ canonical `["put", key, row]` or `["delete", key]`).
    #[must_use]
    pub fn after(self, change: &RowChange) -> Self {
        let line = match change {
            RowChange::Put(key, row) => serde_json::json!(["put", key, row]),
            RowChange::Delete(key) => serde_json::json!(["delete", key]),
        };
        let mut hasher = Sha256::new();
        hasher.update(self.0.as_bytes());
        hasher.update(&proof::canonical::value_to_vec(&line));
        Self(hasher.finish())
    }
}

/// A read model in memory: what a verifier folds.
#[derive(Debug, Clone)]
pub struct Folded {
    projection: Projection,
    rows: std::collections::BTreeMap<String, Value>,
    digest: Digest,
}

impl Rows for std::collections::BTreeMap<String, Value> {
    fn row(&self, key: &str) -> Option<Value> {
        self.get(key).cloned()
    }
}

impl Folded {
    /// Nothing folded yet.
    pub fn new(projection: Projection) -> Self {
        Self { projection, rows: std::collections::BTreeMap::new(), digest: Digest::default() }
    }

    /// Folds one event.
    pub fn apply(&mut self, event: &Event) {
        for change in (self.projection.fold)(&self.rows, event) {
            self.digest = self.digest.after(&change);
            match change {
                RowChange::Put(key, row) => self.rows.insert(key, row),
                RowChange::Delete(key) => self.rows.remove(&key),
            };
        }
    }

    /// What the follower would attest now.
    pub fn attested(&self) -> ProjectionDigest {
        ProjectionDigest {
            name: self.projection.name.into(),
            version: self.projection.version,
            digest: self.digest.hash(),
        }
    }

    /// The rows.
    pub fn rows(&self) -> &std::collections::BTreeMap<String, Value> {
        &self.rows
    }
}

/// Key of an entry that keeps rows in log order.
pub fn order_key(seq: proof::index::LeafIndex) -> String {
    format!("order/{:020}", seq.get())
}
