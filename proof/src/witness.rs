//! What a witness does (C2SP tlog-witness): it is shown a newer head of a log, and cosigns it only if it extends the one
//! that it cosigned before.
//!
//! ```text
//! POST <witness>/add-checkpoint
//!
//! old 2                         the size that the witness cosigned last, as the log believes
//! <base64 hash>                 the consistency proof from there: at most 63 lines
//!                               one empty line
//! <the log's signed checkpoint, verbatim>
//! ```
//!
//! [`judge`] is pure: it is given what the witness remembers. Whoever calls it must hold that still until a new head is on
//! stable storage, and must not hand out a cosignature before.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::base64;
use crate::checkpoint::{Checkpoint, CheckpointError, parse_decimal};
use crate::hash::{Hash, sha256};
use crate::index::TreeSize;
use crate::limits::{MAX_ADD_CHECKPOINT_BYTES, MAX_WITNESS_PROOF_HASHES};
use crate::merkle::{self, MerkleError};
use crate::note::{Note, NoteError, NoteSignature, VerifierKey};

/// The media type of a refusal that names a size.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// A request to cosign a head, read but not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness cosigned last, as whoever asks believes; zero if it never cosigned.
    pub old: TreeSize,
    /// That the checkpoint's tree extends the one of that size.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: Note,
}

/// Why a text is no such request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddCheckpointError {
    /// It is too long.
    Size {
        /// How many bytes there were.
        got: usize,
    },
    /// The first line is not `old` and a decimal number in its only spelling.
    Old,
    /// No empty line before the checkpoint.
    NoCheckpoint,
    /// More hashes than a proof has.
    TooManyHashes,
    /// A line of the proof that is not the base64 of 32 bytes; the first has number 1.
    Proof {
        /// Which one.
        number: usize,
    },
    /// The checkpoint is not a signed note.
    Note(NoteError),
    /// The note is not a checkpoint.
    Checkpoint(CheckpointError),
}

/// The head of a log that a witness cosigned last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastCosigned {
    /// Its size.
    pub size: TreeSize,
    /// Its root.
    pub root: Hash,
}

/// What a witness knows of a log.
#[derive(Clone, Copy, Debug)]
pub struct KnownLog<'a> {
    /// The keys that sign for it.
    pub keys: &'a [VerifierKey],
    /// What was cosigned last, unless nothing was.
    pub last: Option<LastCosigned>,
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request cannot be read.
    Malformed(AddCheckpointError),
    /// The request says that a larger tree was cosigned than the checkpoint's.
    OldBeyondCheckpoint {
        /// The old size.
        old: TreeSize,
        /// The checkpoint's.
        size: TreeSize,
    },
    /// The witness does not know the log.
    UnknownLog {
        /// The log that the checkpoint names.
        origin: String,
    },
    /// No signature by a key of the log, or one that does not verify.
    NotSigned(NoteError),
    /// Another size was cosigned last.
    OtherSize {
        /// That size: whoever asks should start from it.
        last: TreeSize,
    },
    /// The log has two trees of the same size.
    OtherRoot {
        /// The root that was cosigned.
        cosigned: Hash,
        /// The root of the checkpoint.
        got: Hash,
    },
    /// An empty tree with another root than the empty tree's.
    EmptyRoot,
    /// The proof does not lead from the cosigned tree to the checkpoint's.
    Inconsistent(MerkleError),
}

impl AddCheckpoint {
    /// Reads a request in its only spelling.
    pub fn parse(text: &str) -> Result<Self, AddCheckpointError> {
        if text.len() > MAX_ADD_CHECKPOINT_BYTES {
            return Err(AddCheckpointError::Size { got: text.len() });
        }
        // A checkpoint has an empty line of its own, so the first one ends the proof.
        let (head, note) = text.split_once("\n\n").ok_or(AddCheckpointError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal);
        let old = TreeSize::new(old.ok_or(AddCheckpointError::Old)?);
        let mut proof = Vec::new();
        for (position, line) in lines.enumerate() {
            if position >= MAX_WITNESS_PROOF_HASHES {
                return Err(AddCheckpointError::TooManyHashes);
            }
            let number = position.saturating_add(1);
            let hash = base64::decode_array(line).map_err(|_| AddCheckpointError::Proof { number })?;
            proof.push(Hash::new(hash));
        }
        let note = Note::parse(note).map_err(AddCheckpointError::Note)?;
        let request = Self { old, proof, note };
        request.claimed()?;
        Ok(request)
    }

    /// What the checkpoint says, whoever signed it; also if it says that the empty tree has another root.
    pub fn claimed(&self) -> Result<Checkpoint, AddCheckpointError> {
        Checkpoint::parse_lines(&self.note.text).map_err(AddCheckpointError::Checkpoint)
    }
}

/// Decides whether a witness cosigns the head of a request: what is cosigned, or why nothing is.
///
/// `known` is what the witness knows of the log that the request [claims](AddCheckpoint::claimed) to be of, if it knows
/// that log. The checks, in this order:
///
/// 1. the log is known (404), and one of its keys signed the checkpoint, and none wrongly (403);
/// 2. the old size is no larger than the checkpoint's (400), and an empty tree has the empty root (422);
/// 3. the old size is the one that was cosigned last, zero if nothing was (409);
/// 4. a tree of the same size has the same root (422), and the proof leads from the old tree to the new one (422). From
///    nothing, and to the same size, the only proof is the empty one.
pub fn judge(request: &AddCheckpoint, known: Option<KnownLog<'_>>) -> Result<Checkpoint, Refusal> {
    let checkpoint = request.claimed().map_err(Refusal::Malformed)?;
    let Some(log) = known else {
        return Err(Refusal::UnknownLog { origin: checkpoint.origin });
    };
    let keys: Vec<VerifierKey> =
        log.keys.iter().filter(|key| key.name().as_str() == checkpoint.origin).cloned().collect();
    request.note.verify(&keys).map_err(Refusal::NotSigned)?;
    let (old, size) = (request.old, checkpoint.size);
    if old > size {
        return Err(Refusal::OldBeyondCheckpoint { old, size });
    }
    let empty = merkle::empty_root();
    if size == TreeSize::ZERO && checkpoint.root != empty {
        return Err(Refusal::EmptyRoot);
    }
    let last = log.last.unwrap_or(LastCosigned { size: TreeSize::ZERO, root: empty });
    if old != last.size {
        return Err(Refusal::OtherSize { last: last.size });
    }
    if size == last.size && checkpoint.root != last.root {
        return Err(Refusal::OtherRoot { cosigned: last.root, got: checkpoint.root });
    }
    merkle::verify_consistency(last.size, &last.root, size, &checkpoint.root, &request.proof)
        .map_err(Refusal::Inconsistent)?;
    Ok(checkpoint)
}

/// Reads the answer of a witness that cosigned: one or more signature lines.
pub fn parse_cosignatures(answer: &str) -> Result<Vec<NoteSignature>, NoteError> {
    let lines = answer.strip_suffix('\n').ok_or(NoteError::FinalNewline)?;
    let mut found = Vec::new();
    for (position, line) in lines.split('\n').enumerate() {
        if position >= crate::limits::MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let number = position.saturating_add(1);
        found.push(NoteSignature::parse(line).ok_or(NoteError::SignatureLine { number })?);
    }
    Ok(found)
}

/// Reads the answer of a witness that cosigned another size last: that size and a newline.
pub fn parse_size(answer: &str) -> Option<TreeSize> {
    answer.strip_suffix('\n').and_then(parse_decimal).map(TreeSize::new)
}

/// Where a witness serves the last checkpoint that it cosigned for a log: this, and `/checkpoint`.
pub fn log_address(origin: &str) -> Hash {
    sha256(origin.as_bytes())
}

impl Refusal {
    /// The HTTP status that the protocol has for it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldBeyondCheckpoint { .. } => 400,
            Self::NotSigned(_) => 403,
            Self::UnknownLog { .. } => 404,
            Self::OtherSize { .. } => 409,
            Self::OtherRoot { .. } | Self::EmptyRoot | Self::Inconsistent(_) => 422,
        }
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", base64::encode(hash.as_bytes()))?;
        }
        f.write_char('\n')?;
        self.note.fmt(f)
    }
}

impl fmt::Display for AddCheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { got } => write!(f, "expected at most {MAX_ADD_CHECKPOINT_BYTES} bytes, got {got}"),
            Self::Old => f.write_str("expected `old` and a decimal number in the first line"),
            Self::NoCheckpoint => f.write_str("expected an empty line before the checkpoint"),
            Self::TooManyHashes => write!(f, "expected at most {MAX_WITNESS_PROOF_HASHES} hashes"),
            Self::Proof { number } => write!(f, "malformed hash {number} of the proof"),
            Self::Note(error) => write!(f, "checkpoint: {error}"),
            Self::Checkpoint(error) => write!(f, "checkpoint: {error}"),
        }
    }
}

impl core::error::Error for AddCheckpointError {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::OldBeyondCheckpoint { old, size } => {
                write!(f, "expected an old size of at most {size}, the checkpoint's, got {old}")
            }
            Self::UnknownLog { origin } => write!(f, "the log `{origin}` is not known here"),
            Self::NotSigned(error) => write!(f, "not signed by the log: {error}"),
            Self::OtherSize { last } => write!(f, "the size cosigned last is {last}"),
            Self::OtherRoot { cosigned, got } => {
                write!(f, "a tree of the same size with root {cosigned} was cosigned, got root {got}")
            }
            Self::EmptyRoot => CheckpointError::EmptyRoot.fmt(f),
            Self::Inconsistent(error) => write!(f, "the proof does not hold: {error}"),
        }
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests;
