//! SHA-256 digests and their one spelling as text: 64 lower-case hex digits.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest;

/// A SHA-256 digest.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// Text that is not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashError;

impl Hash {
    /// Thirty-two zero bytes: a placeholder for "there is none", as before the first event.
    pub const ZERO: Self = Self([0; 32]);

    /// A digest that was computed elsewhere.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest in these bytes, if there are exactly 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// The SHA-256 digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(sha2::Sha256::digest(bytes).into())
}

/// SHA-256 over bytes that arrive in pieces.
#[derive(Clone, Debug, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// A digest of nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything added.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        decode_hex(text).map(Self).ok_or(HashError)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected 64 lower-case hex digits")
    }
}

impl core::error::Error for HashError {}

/// Writes `bytes` (at most 32) as lower-case hex, without allocating.
pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut buffer = [0; 64];
    let text = buffer.get_mut(..bytes.len().saturating_mul(2)).ok_or(fmt::Error)?;
    hex::encode_to_slice(bytes, text).map_err(|_| fmt::Error)?;
    f.pad(core::str::from_utf8(text).map_err(|_| fmt::Error)?)
}

/// Reads exactly `N` bytes of lower-case hex; upper-case digits are another spelling, so refused.
pub(crate) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn whole_and_streamed_digests_agree_with_fips_180() {
        assert_eq!(sha256(b"abc").to_string(), ABC);
        let mut streamed = Sha256::new();
        streamed.update(b"a");
        streamed.update(b"bc");
        assert_eq!(streamed.finish().to_string(), ABC);
        assert_eq!(std::format!("{:?}", sha256(b"abc")), ABC);
    }

    #[test]
    fn text_has_one_spelling() {
        assert_eq!(ABC.parse::<Hash>().unwrap(), sha256(b"abc"));
        for other in
            [&ABC.to_uppercase(), ABC.trim_start_matches("ba"), &std::format!("{ABC}0"), "", &ABC.replace('b', "g")]
        {
            assert_eq!(other.parse::<Hash>(), Err(HashError), "{other}");
        }
    }

    #[test]
    fn json_is_the_hex_text() {
        let hash = sha256(b"abc");
        let json = std::format!("\"{ABC}\"");
        assert_eq!(serde_json::to_string(&hash).unwrap(), json);
        assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);
        assert!(serde_json::from_str::<Hash>(&json.to_uppercase()).is_err());
    }

    #[test]
    fn slices_of_other_lengths_are_no_hash() {
        assert_eq!(Hash::from_slice(&[0; 32]), Some(Hash::ZERO));
        assert_eq!(Hash::from_slice(&[0; 31]), None);
        assert_eq!(Hash::from_slice(&[0; 33]), None);
    }
}
