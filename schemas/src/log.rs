//! `GET /api/v1/head`, `GET /api/v1/consistency`.

use domain::event::ledger::Profile;
use proof::hash::Hash;
use proof::index::TreeSize;
use serde::{Deserialize, Serialize};

/// The committed head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The log's name.
    pub origin: String,
    /// How strict the ledger is.
    pub profile: Profile,
    /// Events in the log.
    pub size: TreeSize,
    /// The tree's root.
    pub root: Hash,
    /// The signed checkpoint (C2SP).
    pub checkpoint: String,
    /// Digest of the policy bundle in force.
    pub policy: Hash,
    /// Digest of the tool manifest in force.
    pub manifest: Hash,
}
