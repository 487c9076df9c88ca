//! `ledger.created`: the first event; `ledger.restored`: the log goes on from an older copy. Both are signed for by the root key.

use crate::event::key::NewKey;
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::index::TreeSize;
use serde::{Deserialize, Serialize};

/// How strict the ledger is; fixed at genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The root key lies beside the data; an admin may approve alone, recorded as such.
    Dev,
    /// Nothing is relaxed.
    Prod,
}

/// What root says when it founds a ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Genesis {
    /// The log's name; also the checkpoint key's.
    pub origin: String,
    /// How strict it is.
    pub profile: Profile,
    /// The root key, as a vkey line.
    pub root: String,
    /// The key that signs events, as a vkey line.
    pub event: String,
    /// The key that signs checkpoints, as a vkey line.
    pub checkpoint: String,
    /// Digest of the policy bundle.
    pub policy: Hash,
    /// Digest of the tool manifest.
    pub manifest: Hash,
    /// Keys that exist from the start.
    pub keys: Vec<NewKey>,
}

/// `ledger.created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerCreated {
    /// What root said.
    pub genesis: Genesis,
    /// The engine that decides.
    pub engine: u32,
    /// Root's statement.
    pub authored: Envelope,
}

/// What root says when a log goes on from a copy that may be older than what the world has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoration {
    /// Events of the copy: the event that says so is the next one.
    pub size: TreeSize,
    /// The root of the tree of those.
    pub root: Hash,
    /// The newest checkpoint of this log that is known and reaches further: what is behind `size` in it is given up, and
    /// others may hold proof of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// In a few words.
    pub why: String,
}

/// `ledger.restored`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRestored {
    /// What root said.
    pub restoration: Restoration,
    /// Root's statement.
    pub authored: Envelope,
}
