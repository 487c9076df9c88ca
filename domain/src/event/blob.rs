//! `blob.erased`: a body and its salt are gone; every proof still holds.

use proof::hash::Hash;
use serde::{Deserialize, Serialize};

/// `blob.erased`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobErased {
    /// The commitment's digest.
    pub sha256: Hash,
    /// In a few words.
    pub why: String,
}
