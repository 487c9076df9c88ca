//! Checkpoints (C2SP tlog-checkpoint): the head of a log, as the text of a signed note.
//!
//! ```text
//! ledger.example/agents
//! 3
//! 2y7/5k02NSvNTCYL3g4RODEMn3e4nUxXV4ZS+bGFtjA=
//! ```
//!
//! Origin, tree size, root hash. The format allows further lines; this log writes none and reads
//! none, because implementations disagree on whether they are signed.

use alloc::string::String;
use core::fmt;

use crate::base64;
use crate::hash::Hash;
use crate::index::TreeSize;
use crate::key::KeyName;
use crate::merkle::empty_root;
use crate::note::{KeyKind, Note, NoteError, SignerKey, VerifierKey};

/// The head of a log: what its key says the tree is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The log's name, fit to be a [`KeyName`].
    pub origin: String,
    /// How many leaves the tree has.
    pub size: TreeSize,
    /// The root of that tree.
    pub root: Hash,
}

/// Why a checkpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// The text does not have exactly three lines, each with its newline.
    Lines,
    /// The first line cannot be the name of a log.
    Origin,
    /// The second line is not a decimal number in its only spelling.
    Size,
    /// The third line is not the base64 of 32 bytes.
    Root,
    /// An empty tree with another root than the empty tree's.
    EmptyRoot,
    /// The checkpoint is another log's.
    OtherLog {
        /// The log whose key was given.
        expected: KeyName,
        /// The log that the checkpoint names.
        got: String,
    },
    /// The key given is a witness's, which says nothing for the log.
    NotALogKey,
    /// The note or its signature is refused.
    Note(NoteError),
}

impl Checkpoint {
    /// Reads the text of a checkpoint, in its only spelling.
    pub fn parse_body(body: &str) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse_lines(body)?;
        if checkpoint.size == TreeSize::ZERO && checkpoint.root != empty_root() {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(checkpoint)
    }

    /// The three lines, whatever they say: a witness judges a wrong empty root apart from an unreadable checkpoint.
    pub(crate) fn parse_lines(body: &str) -> Result<Self, CheckpointError> {
        let mut lines = body.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        let origin = KeyName::new(origin).map_err(|_| CheckpointError::Origin)?;
        let size = parse_decimal(size).map(TreeSize::new).ok_or(CheckpointError::Size)?;
        let root = base64::decode_array(root).map(Hash::new).map_err(|_| CheckpointError::Root)?;
        Ok(Self { origin: origin.as_str().into(), size, root })
    }

    /// The text that is signed.
    pub fn body(&self) -> String {
        alloc::format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(self.root.as_bytes()))
    }

    /// The signed note. The signer's name should be the origin, or [`open`](Self::open) will
    /// refuse it.
    pub fn sign(&self, signer: &SignerKey) -> String {
        signer.sign_text(&self.body())
    }

    /// Reads a signed note and accepts its checkpoint if the log that owns `key` signed it.
    ///
    /// Other signatures on the note, such as witnesses', are not looked at.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        if key.kind() != KeyKind::Ed25519 {
            return Err(CheckpointError::NotALogKey);
        }
        let note = Note::parse(note).map_err(CheckpointError::Note)?;
        note.verify(core::slice::from_ref(key)).map_err(CheckpointError::Note)?;
        let checkpoint = Self::parse_body(&note.text)?;
        if checkpoint.origin != key.name().as_str() {
            let (expected, got) = (key.name().clone(), checkpoint.origin);
            return Err(CheckpointError::OtherLog { expected, got });
        }
        Ok(checkpoint)
    }
}

/// A decimal number in its only spelling: digits, no sign, no leading zero.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_canonical { text.parse().ok() } else { None }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines => f.write_str("expected a checkpoint of exactly three lines"),
            Self::Origin => f.write_str("expected the name of a log in the first line"),
            Self::Size => f.write_str("expected a decimal tree size in the second line"),
            Self::Root => f.write_str("expected the base64 of a root hash in the third line"),
            Self::EmptyRoot => f.write_str("expected the empty root for an empty tree"),
            Self::OtherLog { expected, got } => {
                write!(f, "expected a checkpoint of `{expected}`, got one of `{got}`")
            }
            Self::NotALogKey => f.write_str("expected a log's key, got a witness's"),
            Self::Note(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CheckpointError {}

#[cfg(test)]
mod tests;
