//! Ed25519 keys and signatures (RFC 8032), judged strictly.
//!
//! RFC 8032 leaves verifiers room to differ. A ledger cannot have that: whether a signature is
//! good must be one fact. So keys that are weak (of small order, for which one signature fits
//! many messages) or not in canonical form never become a [`PublicKey`], and signatures are
//! checked without cofactor, with canonical `s` and an `R` that is recomputed byte for byte.

mod name;

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::hash;
use core::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base64;
use crate::hash::{decode_hex, sha256, write_hex};

pub use name::KeyName;

/// A checked Ed25519 public key.
#[derive(Clone, Copy)]
pub struct PublicKey {
    key: VerifyingKey,
    // Every signature is looked up by its key's id, so it is computed once.
    id: KeyId,
}

/// An Ed25519 signature: 64 bytes that may or may not verify.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

/// An Ed25519 secret key. Zeroized on drop.
#[derive(Clone)]
pub struct SecretKey {
    key: SigningKey,
    public: PublicKey,
}

/// The name of a key inside the ledger: `ed25519:` and the first 16 bytes of the SHA-256 of the
/// 32 public key bytes, in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

/// Why bytes or text are not a key, key id or key name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The bytes do not encode a point of the curve.
    NotAPoint,
    /// The bytes encode a point in another than its canonical form.
    NotCanonical,
    /// The point is of small order: one signature would fit many messages.
    Weak,
    /// Text that is not `ed25519:` and 32 lower-case hex digits.
    Id,
    /// A key name that is empty, too long, or holds white space, a control character or `+`.
    Name,
}

/// Why a signature was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The signature does not fit the message and the key.
    Invalid,
    /// A signature has 64 bytes.
    Length {
        /// How many bytes there were.
        got: usize,
    },
}

impl PublicKey {
    /// Checks the 32 bytes of a public key.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_reduced(bytes) {
            return Err(KeyError::NotCanonical);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        // Also refuses the two points with x = 0, whose sign bit could be spelled either way.
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self::from_checked(key))
    }

    fn from_checked(key: VerifyingKey) -> Self {
        let digest = sha256(key.as_bytes());
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        Self { key, id: KeyId(id) }
    }

    /// The key's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The id under which the ledger knows this key.
    pub const fn key_id(&self) -> KeyId {
        self.id
    }

    /// Whether `signature` is this key's over exactly these bytes.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
    }
}

/// Whether the y coordinate is below p = 2^255 - 19; the top bit is the sign of x.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *first < 0xED || last & 0x7F != 0x7F || middle.iter().any(|byte| *byte != 0xFF)
}

impl Signature {
    /// A signature from its 64 bytes.
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// A signature from a slice of 64 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SignatureError> {
        bytes.try_into().map(Self).map_err(|_| SignatureError::Length { got: bytes.len() })
    }

    /// The signature's bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl SecretKey {
    /// The key that grows from a 32-byte seed. The seed must come from a secure source.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&seed);
        let public = PublicKey::from_checked(key.verifying_key());
        Self { key, public }
    }

    /// The seed, for writing a key file. Secret.
    pub fn seed(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The public half.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs exactly these bytes. Deterministic: no randomness is used.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl hash::Hash for PublicKey {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        write_hex(self.as_bytes(), f)?;
        f.write_str(")")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::encode(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = base64::decode_array(&text).map_err(de::Error::custom)?;
        Self::from_bytes(&bytes).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", base64::encode(&self.0))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base64::decode_array(&text).map(Self).map_err(de::Error::custom)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public.id)
    }
}

impl KeyId {
    const PREFIX: &'static str = "ed25519:";
    /// Characters of a key id's text: the prefix and 32 hex digits.
    pub(crate) const TEXT_LEN: usize = 40;

    /// The digest bytes behind the text.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(KeyError::Id)?;
        decode_hex(digits).map(Self).ok_or(KeyError::Id)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPoint => "expected an Ed25519 point",
            Self::NotCanonical => "expected the canonical encoding of an Ed25519 point",
            Self::Weak => "weak key: a point of small order",
            Self::Id => "expected `ed25519:` and 32 lower-case hex digits",
            Self::Name => "expected a key name without white space, control characters or `+`",
        })
    }
}

impl core::error::Error for KeyError {}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("signature does not verify"),
            Self::Length { got } => write!(f, "expected a signature of 64 bytes, got {got}"),
        }
    }
}

impl core::error::Error for SignatureError {}

#[cfg(test)]
mod tests;
