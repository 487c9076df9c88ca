//! Salted commitments to bodies that are kept beside the log.
//!
//! The log holds SHA-256(salt ‖ body); salt and body live elsewhere and can be erased together.
//! Without the salt nobody can test guesses of what a short body said.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::hash::{Hash, Sha256, decode_hex, write_hex};

/// What the log says about a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// How many bytes the body has.
    pub length: u64,
    /// What the body is.
    pub media_type: String,
    /// SHA-256 of the salt's 32 bytes and the body.
    pub sha256: Hash,
}

/// Thirty-two random bytes. They must come from a secure source, and never be used twice.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// A salt from its bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The salt's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Commitment {
    /// Commits to a body.
    pub fn new(salt: &Salt, body: &[u8], media_type: &str) -> Self {
        Self { length: length(body), media_type: media_type.into(), sha256: digest(salt, body) }
    }

    /// Whether this is the commitment to `body` under `salt`. Says nothing of the media type.
    pub fn opens(&self, salt: &Salt, body: &[u8]) -> bool {
        self.length == length(body) && self.sha256 == digest(salt, body)
    }
}

fn length(body: &[u8]) -> u64 {
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}

/// The salt has a fixed length, so the boundary between salt and body is never in doubt.
fn digest(salt: &Salt, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(&salt.0);
    hash.update(body);
    hash.finish()
}

/// The salt as hex, for the file that holds it.
struct Hex<'a>(&'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.0, f)
    }
}

impl fmt::Debug for Salt {
    /// Hidden: a salt in a server's log would outlive the erasure of its body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode_hex(&text).map(Self).ok_or_else(|| de::Error::custom("expected 64 lower-case hex digits"))
    }
}

#[cfg(test)]
mod tests;
