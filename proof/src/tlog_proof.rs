//! The C2SP `.tlog-proof` file: one inclusion proof with its checkpoint, as text.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>            (optional; not authenticated by itself)
//! index 1
//! <base64 hash>             (the leaf's sibling first)
//!
//! <the checkpoint, verbatim>
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::base64;
use crate::checkpoint::{Checkpoint, CheckpointError, parse_decimal};
use crate::hash::Hash;
use crate::index::LeafIndex;
use crate::limits::MAX_PATH_HASHES;
use crate::merkle::{self, MerkleError};
use crate::note::VerifierKey;

/// How every such file starts.
pub(crate) const MAGIC: &str = "c2sp.org/tlog-proof@v1\n";

/// A proof that has been read but not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Bytes that travel with the proof. Countersign puts the leaf here.
    pub extra: Option<Vec<u8>>,
    /// Which leaf the proof is about.
    pub index: LeafIndex,
    /// The path from the leaf's sibling upwards.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// Why a `.tlog-proof` file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlogProofError {
    /// Another first line than `c2sp.org/tlog-proof@v1`.
    Magic,
    /// No blank line between the proof and the checkpoint.
    NoCheckpoint,
    /// The base64 after `extra` cannot be read.
    Extra,
    /// No line `index` with a decimal number.
    Index,
    /// A line of the path that is not the base64 of 32 bytes; the first has number 1.
    Path {
        /// Which one.
        number: usize,
    },
    /// More hashes than any path has.
    TooManyHashes,
    /// The checkpoint is refused.
    Checkpoint(CheckpointError),
    /// The path does not lead from the leaf to the checkpoint's root.
    Inclusion(MerkleError),
}

impl TlogProof {
    /// Reads a file in its only spelling.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        let rest = text.strip_prefix(MAGIC).ok_or(TlogProofError::Magic)?;
        // A checkpoint has blank lines of its own, so the first one ends the proof.
        let (head, checkpoint) = rest.split_once("\n\n").ok_or(TlogProofError::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(extra) => {
                lines.next();
                Some(base64::decode(extra).map_err(|_| TlogProofError::Extra)?)
            }
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(parse_decimal).ok_or(TlogProofError::Index)?;
        let mut path = Vec::new();
        for (position, line) in lines.enumerate() {
            if position >= MAX_PATH_HASHES {
                return Err(TlogProofError::TooManyHashes);
            }
            let number = position.saturating_add(1);
            let hash = base64::decode_array(line).map_err(|_| TlogProofError::Path { number })?;
            path.push(Hash::new(hash));
        }
        Ok(Self { extra, index: LeafIndex::new(index), path, checkpoint: checkpoint.into() })
    }

    /// Checks that `leaf` is in the log that `key` signs for, at [`index`](Self::index).
    pub fn verify(&self, leaf: &[u8], key: &VerifierKey) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key).map_err(TlogProofError::Checkpoint)?;
        let hash = merkle::leaf_hash(leaf);
        let (size, root) = (checkpoint.size, &checkpoint.root);
        merkle::verify_inclusion(&hash, self.index, size, &self.path, root).map_err(TlogProofError::Inclusion)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MAGIC)?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64::encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", base64::encode(hash.as_bytes()))?;
        }
        f.write_char('\n')?;
        f.write_str(&self.checkpoint)
    }
}

impl fmt::Display for TlogProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("expected `c2sp.org/tlog-proof@v1` in the first line"),
            Self::NoCheckpoint => f.write_str("expected a blank line before the checkpoint"),
            Self::Extra => f.write_str("expected base64 after `extra`"),
            Self::Index => f.write_str("expected `index` and a decimal number"),
            Self::Path { number } => write!(f, "malformed hash {number} of the path"),
            Self::TooManyHashes => write!(f, "expected at most {MAX_PATH_HASHES} hashes"),
            Self::Checkpoint(error) => write!(f, "checkpoint: {error}"),
            Self::Inclusion(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TlogProofError {}

#[cfg(test)]
mod tests;
