//! Keys of notes, as the one-line texts that people copy around.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use super::{Note, NoteError, NoteSignature, check_characters};
use crate::base64;
use crate::hash::Sha256;
use crate::key::{KeyError, KeyName, PublicKey, SecretKey};

/// How a key signs notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Ed25519 over the note's text (type byte 1).
    Ed25519,
    /// A witness's timestamped Ed25519 cosignature (type byte 4).
    Cosignature,
}

/// The public key of a note's signer: `name+hash+base64(type ‖ key)`, a C2SP "vkey".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: KeyName,
    kind: KeyKind,
    key: PublicKey,
    hash: u32,
}

/// A secret key with its name, for signing notes.
#[derive(Clone, Debug)]
pub struct SignerKey {
    name: KeyName,
    secret: SecretKey,
}

/// Why a line is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLineError {
    /// The line does not have the parts of a key line.
    Format,
    /// A type of key that is not supported.
    Kind {
        /// Its type byte.
        got: u8,
    },
    /// The hash in the line is not that of its name and key.
    Hash {
        /// The hash of name and key.
        expected: u32,
        /// The hash in the line.
        got: u32,
    },
    /// The name or the key itself is refused.
    Key(KeyError),
}

impl KeyKind {
    const fn type_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }

    const fn from_type_byte(byte: u8) -> Result<Self, KeyLineError> {
        match byte {
            1 => Ok(Self::Ed25519),
            4 => Ok(Self::Cosignature),
            got => Err(KeyLineError::Kind { got }),
        }
    }
}

impl VerifierKey {
    /// The key of a signer of notes.
    pub fn new(name: KeyName, key: PublicKey) -> Self {
        Self::with_kind(name, key, KeyKind::Ed25519)
    }

    /// A key of either kind.
    pub fn with_kind(name: KeyName, key: PublicKey, kind: KeyKind) -> Self {
        let hash = short_hash(&name, kind, &key);
        Self { name, kind, key, hash }
    }

    /// Reads a vkey line.
    pub fn parse(line: &str) -> Result<Self, KeyLineError> {
        let (name, hash, bytes) = split_line(line)?;
        let (kind, key) = bytes.split_first().ok_or(KeyLineError::Format)?;
        let kind = KeyKind::from_type_byte(*kind)?;
        let key: &[u8; 32] = key.try_into().map_err(|_| KeyLineError::Format)?;
        let key = PublicKey::from_bytes(key).map_err(KeyLineError::Key)?;
        let parsed = Self::with_kind(name, key, kind);
        check_hash(parsed.hash, hash)?;
        Ok(parsed)
    }

    /// The signer's name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key itself.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// How the key signs.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The first four bytes of SHA-256(name ‖ newline ‖ type ‖ key), which stand before the
    /// signature in every line by this key.
    pub const fn hash(&self) -> u32 {
        self.hash
    }
}

impl SignerKey {
    /// A secret key under this name.
    pub const fn new(name: KeyName, secret: SecretKey) -> Self {
        Self { name, secret }
    }

    /// Reads `PRIVATE+KEY+name+hash+base64(1 ‖ seed)`, the line that Go's `x/mod/sumdb/note`
    /// reads and writes.
    pub fn parse(line: &str) -> Result<Self, KeyLineError> {
        let rest = line.strip_prefix("PRIVATE+KEY+").ok_or(KeyLineError::Format)?;
        let (name, hash, bytes) = split_line(rest)?;
        let (kind, seed) = bytes.split_first().ok_or(KeyLineError::Format)?;
        if *kind != KeyKind::Ed25519.type_byte() {
            return Err(KeyLineError::Kind { got: *kind });
        }
        let seed: &[u8; 32] = seed.try_into().map_err(|_| KeyLineError::Format)?;
        let signer = Self::new(name, SecretKey::from_seed(*seed));
        check_hash(signer.verifier().hash, hash)?;
        Ok(signer)
    }

    /// The line that [`parse`](Self::parse) reads. Secret.
    pub fn encode(&self) -> String {
        let mut bytes = Zeroizing::new(Vec::with_capacity(33));
        bytes.push(KeyKind::Ed25519.type_byte());
        bytes.extend_from_slice(self.secret.seed());
        let text = Zeroizing::new(base64::encode(&bytes));
        alloc::format!("PRIVATE+KEY+{}+{:08x}+{}", self.name, self.verifier().hash, *text)
    }

    /// The signer's name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key itself.
    pub const fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The public half.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey::new(self.name.clone(), self.secret.public())
    }

    /// Signs a text, which must end in a newline, and returns the note with this one signature.
    pub fn sign_note(&self, text: &str) -> Result<String, NoteError> {
        check_characters(text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::FinalNewline);
        }
        let note = self.sign_text(text);
        if note.len() > crate::limits::MAX_NOTE_BYTES {
            return Err(NoteError::Size { got: note.len() });
        }
        Ok(note)
    }

    /// Signs a text that is known to be fit for a note.
    pub(crate) fn sign_text(&self, text: &str) -> String {
        let signature = NoteSignature {
            name: self.name.clone(),
            hash: self.verifier().hash,
            blob: self.secret.sign(text.as_bytes()).as_bytes().to_vec(),
        };
        let note = Note { text: text.into(), signatures: alloc::vec![signature] };
        alloc::format!("{note}")
    }
}

fn short_hash(name: &KeyName, kind: KeyKind, key: &PublicKey) -> u32 {
    let mut hash = Sha256::new();
    hash.update(name.as_str().as_bytes());
    hash.update(&[b'\n', kind.type_byte()]);
    hash.update(key.as_bytes());
    let [a, b, c, d, ..] = *hash.finish().as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Splits `name+hash+base64`; neither name nor hash can hold a `+`.
fn split_line(line: &str) -> Result<(KeyName, u32, Zeroizing<Vec<u8>>), KeyLineError> {
    let (name, rest) = line.split_once('+').ok_or(KeyLineError::Format)?;
    let (hash, key) = rest.split_once('+').ok_or(KeyLineError::Format)?;
    let name = KeyName::new(name).map_err(KeyLineError::Key)?;
    let hash = crate::hash::decode_hex::<4>(hash).ok_or(KeyLineError::Format)?;
    let key = base64::decode(key).map_err(|_| KeyLineError::Format)?;
    Ok((name, u32::from_be_bytes(hash), Zeroizing::new(key)))
}

const fn check_hash(expected: u32, got: u32) -> Result<(), KeyLineError> {
    if expected == got { Ok(()) } else { Err(KeyLineError::Hash { expected, got }) }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(33);
        bytes.push(self.kind.type_byte());
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, self.hash, base64::encode(&bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyLineError;

    fn from_str(line: &str) -> Result<Self, KeyLineError> {
        Self::parse(line)
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifierKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let line = String::deserialize(deserializer)?;
        Self::parse(&line).map_err(de::Error::custom)
    }
}

impl fmt::Display for KeyLineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => f.write_str("expected a key line `name+hash+base64`"),
            Self::Kind { got } => write!(f, "unsupported type of key {got}"),
            Self::Hash { expected, got } => {
                write!(f, "expected key hash {expected:08x}, got {got:08x}")
            }
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for KeyLineError {}
