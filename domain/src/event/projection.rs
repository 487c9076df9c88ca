//! `projection.attested`: the follower states its read models' digests, and a verifier must reproduce them.

use proof::hash::Hash;
use proof::index::TreeSize;
use serde::{Deserialize, Serialize};

/// One read model's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionDigest {
    /// Its name.
    pub name: String,
    /// Its fold's version.
    pub version: u32,
    /// Running SHA-256 over its row changes.
    pub digest: Hash,
}

/// `projection.attested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionAttested {
    /// Events folded.
    pub position: TreeSize,
    /// Each read model.
    pub projections: Vec<ProjectionDigest>,
}
