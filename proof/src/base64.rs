//! Standard base64 with padding (RFC 4648 section 4), in its canonical spelling only.
//!
//! Bits that padding leaves over must be zero, nothing may follow, and no white space is
//! skipped: two texts never decode to the same bytes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64ct::{Base64, Encoding};

/// Text that is not canonical standard base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64Error {
    /// The number of characters is not a multiple of four.
    Length {
        /// How many characters there were.
        got: usize,
    },
    /// A character outside the alphabet, misplaced padding, or left-over bits that are not zero.
    Encoding,
    /// The text decodes to another number of bytes than the field holds.
    DecodedLength {
        /// How many bytes the field holds.
        expected: usize,
    },
}

/// Writes `bytes` as base64.
pub fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Reads canonical base64.
pub fn decode(text: &str) -> Result<Vec<u8>, Base64Error> {
    if !text.len().is_multiple_of(4) {
        return Err(Base64Error::Length { got: text.len() });
    }
    Base64::decode_vec(text).map_err(|_| Base64Error::Encoding)
}

/// Reads canonical base64 of exactly `N` bytes, without allocating.
pub(crate) fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], Base64Error> {
    if !text.len().is_multiple_of(4) {
        return Err(Base64Error::Length { got: text.len() });
    }
    if text.len() != N.div_ceil(3).saturating_mul(4) {
        return Err(Base64Error::DecodedLength { expected: N });
    }
    let mut bytes = [0; N];
    let decoded = Base64::decode(text, &mut bytes).map_err(|error| match error {
        base64ct::Error::InvalidLength => Base64Error::DecodedLength { expected: N },
        base64ct::Error::InvalidEncoding => Base64Error::Encoding,
    })?;
    if decoded.len() == N { Ok(bytes) } else { Err(Base64Error::DecodedLength { expected: N }) }
}

/// Appends `bytes` as base64 to a byte buffer.
pub(crate) fn append(bytes: &[u8], out: &mut Vec<u8>) {
    // Signatures and hashes take this path for every event; a stack buffer spares them an
    // allocation. Three bytes make four characters, so chunks of 48 keep padding to the end.
    let mut buffer = [0; 64];
    for chunk in bytes.chunks(48) {
        if let Ok(text) = Base64::encode(chunk, &mut buffer) {
            out.extend_from_slice(text.as_bytes());
        }
    }
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { got } => {
                write!(f, "expected a multiple of four base64 characters, got {got}")
            }
            Self::Encoding => f.write_str("expected canonical standard base64 with padding"),
            Self::DecodedLength { expected } => {
                write!(f, "expected the base64 of {expected} bytes")
            }
        }
    }
}

impl core::error::Error for Base64Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_vectors() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "Zg", "Zg=", "Zh==", "Zm9=", "Zm9v\n", "Z g=", "Zm-_", "====", "Zg==Zg==", "=Zg=", "Zg=a", "Z===",
            "Zm9vY===",
        ] {
            assert!(decode(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn append_matches_encode_at_every_length() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in 0..=bytes.len() {
            let mut out = Vec::new();
            append(&bytes[..len], &mut out);
            assert_eq!(out, encode(&bytes[..len]).into_bytes());
        }
    }

    #[test]
    fn arrays_need_their_exact_length() {
        assert_eq!(decode_array::<1>("Zg==").unwrap(), *b"f");
        assert_eq!(decode_array::<2>("Zg=="), Err(Base64Error::DecodedLength { expected: 2 }));
        assert_eq!(decode_array::<3>("Zm8="), Err(Base64Error::DecodedLength { expected: 3 }));
        assert_eq!(decode_array::<4>("Zg=="), Err(Base64Error::DecodedLength { expected: 4 }));
        assert_eq!(decode_array::<1>("Zm9v"), Err(Base64Error::DecodedLength { expected: 1 }));
        assert_eq!(decode_array::<1>("Zh=="), Err(Base64Error::Encoding));
    }
}
