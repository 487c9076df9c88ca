//! Keys and runners as `decide` sees them.

use crate::event::key::{Credential, NewKey};
use crate::event::runner::NewRunner;
use proof::index::LeafIndex;
use serde::{Deserialize, Serialize};

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyStatus {
    /// Yes.
    Enabled,
    /// Not now.
    Disabled,
    /// Never again.
    Deleted,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// As it was created.
    pub key: NewKey,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// Where it was created.
    pub created: LeafIndex,
    /// Whether root enrolled it.
    pub enrolled_by_root: bool,
}

impl KeyRecord {
    /// Whether it speaks by signing.
    pub fn is_public_key(&self) -> bool {
        matches!(self.key.credential, Credential::Ed25519(_))
    }
}

/// A runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerRecord {
    /// As root enrolled it.
    pub runner: NewRunner,
    /// Where it was registered.
    pub registered: LeafIndex,
    /// Its last lease; a request must have seen a head beyond it.
    pub last_lease: Option<LeafIndex>,
}
