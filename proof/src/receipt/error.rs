//! Why a receipt was refused.

use alloc::string::String;
use core::fmt;

use crate::canonical::JsonError;
use crate::checkpoint::CheckpointError;
use crate::index::LeafIndex;
use crate::limits::{MAX_LEAF_BYTES, MAX_PATH_HASHES, MAX_RECEIPT_ENTRIES};
use crate::merkle::MerkleError;
use crate::tlog_proof::TlogProofError;

/// Why a receipt was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptError {
    /// The bytes are not one I-JSON document.
    Json(JsonError),
    /// The document has other fields than a receipt.
    Fields(String),
    /// No entry, or more than are read.
    Entries {
        /// How many there were.
        got: usize,
    },
    /// A leaf that is too long.
    LeafSize {
        /// Which leaf.
        index: LeafIndex,
        /// How many bytes it has.
        got: usize,
    },
    /// A path that is longer than any.
    PathLength {
        /// Which leaf's.
        index: LeafIndex,
        /// How many hashes it has.
        got: usize,
    },
    /// The indices are not strictly increasing.
    Order,
    /// The checkpoint is refused.
    Checkpoint(CheckpointError),
    /// A leaf is not in the checkpoint's tree.
    Inclusion {
        /// Which leaf.
        index: LeafIndex,
        /// Why not.
        error: MerkleError,
    },
    /// The `.tlog-proof` form holds exactly one entry.
    NotOneEntry {
        /// How many entries there are.
        got: usize,
    },
    /// The `.tlog-proof` file is refused.
    TlogProof(TlogProofError),
    /// The `.tlog-proof` file does not carry its leaf as text.
    NoLeaf,
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Fields(error) => write!(f, "not a receipt: {error}"),
            Self::Entries { got } => {
                write!(f, "expected 1 to {MAX_RECEIPT_ENTRIES} entries, got {got}")
            }
            Self::LeafSize { index, got } => {
                write!(f, "expected leaf {index} to have at most {MAX_LEAF_BYTES} bytes, got {got}")
            }
            Self::PathLength { index, got } => {
                write!(f, "expected at most {MAX_PATH_HASHES} hashes in the path of leaf {index}, got {got}")
            }
            Self::Order => f.write_str("expected strictly increasing leaf indices"),
            Self::Checkpoint(error) => write!(f, "checkpoint: {error}"),
            Self::Inclusion { index, error } => write!(f, "leaf {index}: {error}"),
            Self::NotOneEntry { got } => write!(f, "expected a receipt of one entry, got {got}"),
            Self::TlogProof(error) => error.fmt(f),
            Self::NoLeaf => f.write_str("expected the leaf's text after `extra`"),
        }
    }
}

impl core::error::Error for ReceiptError {}
