//! Receipts: leaves with the proof that they are in the log, to be checked anywhere.
//!
//! ```text
//! {"checkpoint":"…","entries":[{"index":5,"leaf":"{\"payload\":…}","path":["…"]}],"v":1}
//! ```
//!
//! `checkpoint` is the signed note and `leaf` the exact leaf, both as text; `path` holds standard
//! base64 of the hashes from the leaf's sibling upwards. All entries are proved under the one
//! checkpoint. A receipt with one entry can also be written as a C2SP `.tlog-proof` file.

mod error;
mod json;

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::index::LeafIndex;
use crate::limits::{MAX_LEAF_BYTES, MAX_PATH_HASHES, MAX_RECEIPT_ENTRIES};
use crate::merkle;
use crate::note::VerifierKey;
use crate::tlog_proof::{self, TlogProof};

pub use error::ReceiptError;

/// A receipt that has been read but not checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "json::Wire")]
pub struct Receipt {
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
    /// The entries, by strictly increasing index.
    pub entries: Vec<ReceiptEntry>,
}

/// One leaf and its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptEntry {
    /// Where the leaf is in the log.
    pub index: LeafIndex,
    /// The exact text of the leaf.
    pub leaf: String,
    /// The path from the leaf's sibling upwards.
    #[serde(serialize_with = "json::write_path", deserialize_with = "json::read_path")]
    pub path: Vec<Hash>,
}

/// What a receipt proved: these leaves are in the log, under this checkpoint.
///
/// Only [`Receipt::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    checkpoint: Checkpoint,
    entries: Vec<(LeafIndex, Vec<u8>)>,
}

impl Receipt {
    /// Checks that the log that owns `key` signed the checkpoint and that every entry is in its
    /// tree.
    ///
    /// Says nothing of what the leaves mean, nor of the signatures inside them.
    pub fn verify(&self, key: &VerifierKey) -> Result<VerifiedReceipt, ReceiptError> {
        self.check_shape()?;
        let checkpoint = Checkpoint::open(&self.checkpoint, key).map_err(ReceiptError::Checkpoint)?;
        let mut entries = Vec::with_capacity(self.entries.len());
        for ReceiptEntry { index, leaf, path } in &self.entries {
            let hash = merkle::leaf_hash(leaf.as_bytes());
            merkle::verify_inclusion(&hash, *index, checkpoint.size, path, &checkpoint.root)
                .map_err(|error| ReceiptError::Inclusion { index: *index, error })?;
            entries.push((*index, leaf.as_bytes().to_vec()));
        }
        Ok(VerifiedReceipt { checkpoint, entries })
    }

    /// The bounds and the order, which need no key.
    fn check_shape(&self) -> Result<(), ReceiptError> {
        if self.entries.is_empty() || self.entries.len() > MAX_RECEIPT_ENTRIES {
            return Err(ReceiptError::Entries { got: self.entries.len() });
        }
        for ReceiptEntry { index, leaf, path } in &self.entries {
            if leaf.len() > MAX_LEAF_BYTES {
                return Err(ReceiptError::LeafSize { index: *index, got: leaf.len() });
            }
            if path.len() > MAX_PATH_HASHES {
                return Err(ReceiptError::PathLength { index: *index, got: path.len() });
            }
        }
        if !self.entries.is_sorted_by(|a, b| a.index < b.index) {
            return Err(ReceiptError::Order);
        }
        Ok(())
    }

    /// The receipt as canonical JSON.
    pub fn to_json(&self) -> Vec<u8> {
        json::write(self)
    }

    /// Reads a receipt from JSON in any spelling, refusing unknown fields.
    pub fn parse_json(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let value = canonical::parse(bytes).map_err(ReceiptError::Json)?;
        let receipt: Self =
            serde_json::from_value(value).map_err(|error| ReceiptError::Fields(alloc::format!("{error}")))?;
        receipt.check_shape()?;
        Ok(receipt)
    }

    /// The receipt's only entry as a `.tlog-proof` file, with the leaf as `extra`.
    pub fn to_tlog_proof(&self) -> Result<String, ReceiptError> {
        let [entry] = self.entries.as_slice() else {
            return Err(ReceiptError::NotOneEntry { got: self.entries.len() });
        };
        let proof = TlogProof {
            extra: Some(entry.leaf.as_bytes().to_vec()),
            index: entry.index,
            path: entry.path.clone(),
            checkpoint: self.checkpoint.clone(),
        };
        Ok(alloc::format!("{proof}"))
    }

    /// Reads a `.tlog-proof` file that carries its leaf as `extra`.
    pub fn parse_tlog_proof(text: &str) -> Result<Self, ReceiptError> {
        let proof = TlogProof::parse(text).map_err(ReceiptError::TlogProof)?;
        let leaf = proof.extra.ok_or(ReceiptError::NoLeaf)?;
        let leaf = String::from_utf8(leaf).map_err(|_| ReceiptError::NoLeaf)?;
        let entry = ReceiptEntry { index: proof.index, leaf, path: proof.path };
        let receipt = Self { checkpoint: proof.checkpoint, entries: alloc::vec![entry] };
        receipt.check_shape()?;
        Ok(receipt)
    }

    /// Reads either form; they differ in their first bytes.
    pub fn parse_any(bytes: &[u8]) -> Result<Self, ReceiptError> {
        match core::str::from_utf8(bytes) {
            Ok(text) if text.starts_with(tlog_proof::MAGIC) => Self::parse_tlog_proof(text),
            _ => Self::parse_json(bytes),
        }
    }
}

impl VerifiedReceipt {
    /// The checkpoint that the log signed.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The leaves that are in the log, and where.
    pub fn entries(&self) -> &[(LeafIndex, Vec<u8>)] {
        &self.entries
    }
}

#[cfg(test)]
mod tests;
