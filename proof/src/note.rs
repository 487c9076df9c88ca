//! C2SP signed notes (signed-note v1.0.0): text that people can read, with signature lines below.
//!
//! ```text
//! text, of which every line ends in a newline
//!
//! — name base64(hash[4] ‖ signature)
//! ```
//!
//! The text is everything before the *last* blank line. A signature by a key that nobody asked
//! about is ignored; a failing signature by a known key condemns the note.

mod cosignature;
mod keys;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::base64;
use crate::key::{KeyName, Signature, SignatureError};
use crate::limits::{MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES};

pub use cosignature::CosignError;
pub use keys::{KeyKind, KeyLineError, SignerKey, VerifierKey};

/// A note whose signatures have been read but not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The signed text, with its final newline.
    pub text: String,
    /// The signature lines, in order.
    pub signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Who claims to have signed.
    pub name: KeyName,
    /// The short hash that, with the name, tells which key is claimed.
    pub hash: u32,
    /// The signature in the form that the key's kind prescribes; never empty.
    pub blob: Vec<u8>,
}

/// Why a note was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// The note is too long.
    Size {
        /// How many bytes there were.
        got: usize,
    },
    /// A control character other than the newline.
    ControlCharacter,
    /// Text to be signed that does not end in a newline.
    FinalNewline,
    /// No blank line followed by signature lines.
    NoSignatures,
    /// More signature lines than are read.
    TooManySignatures,
    /// A signature line in another form; the first has number 1.
    SignatureLine {
        /// Which one.
        number: usize,
    },
    /// A known key's signature does not verify.
    BadSignature {
        /// The key's name.
        name: KeyName,
    },
    /// None of the signatures is by a known key.
    NoKnownKey,
}

const SIGNATURE_PREFIX: &str = "\u{2014} ";

impl Note {
    /// Reads a note without judging its signatures.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Size { got: note.len() });
        }
        check_characters(note)?;
        // A signature line is never blank, so the last blank line is where the text ends.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::NoSignatures)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        let mut signatures = Vec::new();
        for (position, line) in lines.split('\n').enumerate() {
            if position >= MAX_NOTE_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            let number = position.saturating_add(1);
            signatures.push(NoteSignature::parse(line).ok_or(NoteError::SignatureLine { number })?);
        }
        let mut text = String::from(text);
        text.push('\n');
        Ok(Self { text, signatures })
    }

    /// Checks the signatures of the keys in `keys`; returns those that signed, in the order of
    /// `keys`, each once.
    ///
    /// Signatures by other keys are ignored. A signature that names one of `keys` and does not
    /// verify refuses the whole note, and so does a note that none of them signed.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signers = Vec::new();
        for key in keys {
            let mut claims = self.signatures.iter().filter(|s| s.claims(key)).peekable();
            if claims.peek().is_none() {
                continue;
            }
            for claim in claims {
                claim.verify(&self.text, key).map_err(|_| NoteError::BadSignature { name: key.name().clone() })?;
            }
            if !signers.contains(&key) {
                signers.push(key);
            }
        }
        if signers.is_empty() { Err(NoteError::NoKnownKey) } else { Ok(signers) }
    }
}

impl NoteSignature {
    /// Reads one signature line, without its newline.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, blob) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let name = KeyName::new(name).ok()?;
        let bytes = base64::decode(blob).ok()?;
        let (hash, blob) = bytes.split_first_chunk::<4>()?;
        if blob.is_empty() {
            return None;
        }
        Some(Self { name, hash: u32::from_be_bytes(*hash), blob: blob.to_vec() })
    }

    /// Whether the line says that it is by this key.
    pub fn claims(&self, key: &VerifierKey) -> bool {
        self.hash == key.hash() && self.name == *key.name()
    }

    /// Whether the line is this key's signature of `text`, in the form that the key's kind prescribes.
    pub fn verify(&self, text: &str, key: &VerifierKey) -> Result<(), SignatureError> {
        if !self.claims(key) {
            return Err(SignatureError::Invalid);
        }
        match key.kind() {
            KeyKind::Ed25519 => key.key().verify(text.as_bytes(), &Signature::from_slice(&self.blob)?),
            KeyKind::Cosignature => cosignature::verify(&self.blob, text, key.key()),
        }
    }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    Ok(())
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(self.blob.len().saturating_add(4));
        bytes.extend_from_slice(&self.hash.to_be_bytes());
        bytes.extend_from_slice(&self.blob);
        write!(f, "{SIGNATURE_PREFIX}{} {}", self.name, base64::encode(&bytes))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            writeln!(f, "{signature}")?;
        }
        Ok(())
    }
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { got } => {
                write!(f, "expected a note of at most {MAX_NOTE_BYTES} bytes, got {got}")
            }
            Self::ControlCharacter => f.write_str("control character in a note"),
            Self::FinalNewline => f.write_str("expected a newline at the end of the note's text"),
            Self::NoSignatures => f.write_str("expected a blank line and signature lines at the end of the note"),
            Self::TooManySignatures => {
                write!(f, "expected at most {MAX_NOTE_SIGNATURES} signature lines")
            }
            Self::SignatureLine { number } => write!(f, "malformed signature line {number}"),
            Self::BadSignature { name } => write!(f, "the signature by `{name}` does not verify"),
            Self::NoKnownKey => f.write_str("no signature by a known key"),
        }
    }
}

impl core::error::Error for NoteError {}

#[cfg(test)]
mod tests;
