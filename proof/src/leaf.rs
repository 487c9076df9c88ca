//! Event leaves: what the tree hashes.
//!
//! ```text
//! {"payload":<the payload's bytes>,"signatures":[{"keyid":"…","sig":"…"}]}
//! ```
//!
//! A leaf is canonical JSON, and the payload stands in it verbatim: the bytes that were signed
//! are a slice of the bytes that are hashed. Nothing is ever re-serialised.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::base64;
use crate::canonical::{self, JsonError};
use crate::dsse::{self, EnvelopeError, EnvelopeSignature};
use crate::key::{KeyId, PublicKey, SecretKey, Signature};
use crate::limits::MAX_ENVELOPE_SIGNATURES;

pub use crate::limits::MAX_LEAF_BYTES;

/// The DSSE type under which events are signed.
pub const EVENT_PAYLOAD_TYPE: &str = "application/vnd.countersign.event+json";

const PAYLOAD: &[u8] = b"{\"payload\":";
const SIGNATURES: &[u8] = b",\"signatures\":[";
const KEYID: &[u8] = b"{\"keyid\":\"";
const SIG: &[u8] = b"\",\"sig\":\"";
const END_SIGNATURE: &[u8] = b"\"}";
const END: &[u8] = b"]}";
/// Base64 characters of a signature.
const SIG_TEXT_LEN: usize = 88;

/// A leaf that has been read; its signatures have not been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// The event's payload: exactly the bytes that were signed, a canonical JSON object.
    pub payload: &'a [u8],
    /// The signatures over the payload.
    pub signatures: Vec<EnvelopeSignature>,
}

/// Why bytes are not a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafError {
    /// More than [`MAX_LEAF_BYTES`].
    Size {
        /// How many bytes there were.
        got: usize,
    },
    /// The parts around payload and signatures differ from the only form of a leaf.
    Frame {
        /// The byte where the form was left.
        offset: usize,
    },
    /// The payload is not a JSON object.
    PayloadType,
    /// The payload is not canonical JSON.
    Payload(JsonError),
    /// A key id or signature that cannot be read.
    Signature {
        /// Where its text starts.
        offset: usize,
    },
    /// More signatures than are read.
    TooManySignatures,
}

/// Signs an event's payload.
pub fn sign_event(payload: &[u8], key: &SecretKey) -> Signature {
    key.sign(&dsse::pae(EVENT_PAYLOAD_TYPE, payload))
}

/// Puts a payload and its signature into a leaf. The payload must be canonical JSON already.
pub fn build_leaf(payload: &[u8], keyid: &KeyId, sig: &Signature) -> Vec<u8> {
    let frame = [PAYLOAD, SIGNATURES, KEYID, SIG, END_SIGNATURE, END];
    let fixed: usize = frame.iter().map(|part| part.len()).sum();
    let capacity = fixed.saturating_add(payload.len()).saturating_add(KeyId::TEXT_LEN).saturating_add(SIG_TEXT_LEN);
    let mut leaf = Vec::with_capacity(capacity);
    leaf.extend_from_slice(PAYLOAD);
    leaf.extend_from_slice(payload);
    leaf.extend_from_slice(SIGNATURES);
    leaf.extend_from_slice(KEYID);
    // Writing into a Vec cannot fail.
    let _ = write!(Text(&mut leaf), "{keyid}");
    leaf.extend_from_slice(SIG);
    base64::append(sig.as_bytes(), &mut leaf);
    leaf.extend_from_slice(END_SIGNATURE);
    leaf.extend_from_slice(END);
    leaf
}

/// Lets `core::fmt` write into a byte buffer.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<'a> Leaf<'a> {
    /// Reads a leaf in one pass, accepting only its one form.
    ///
    /// The limit on nesting counts from the payload, so that a payload which is canonical on its
    /// own is canonical in a leaf too.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LeafError> {
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(LeafError::Size { got: bytes.len() });
        }
        let mut reader = Reader { bytes, at: 0 };
        reader.skip(PAYLOAD)?;
        let payload = reader.payload()?;
        reader.skip(SIGNATURES)?;
        let mut signatures = Vec::with_capacity(1);
        loop {
            if signatures.len() >= MAX_ENVELOPE_SIGNATURES {
                return Err(LeafError::TooManySignatures);
            }
            signatures.push(reader.signature()?);
            if reader.rest().first() != Some(&b',') {
                break;
            }
            reader.skip(b",")?;
        }
        reader.skip(END)?;
        if reader.rest().is_empty() {
            Ok(Self { payload, signatures })
        } else {
            Err(LeafError::Frame { offset: reader.at })
        }
    }

    /// Checks that `key` signed this event. Other keys' signatures are not looked at.
    pub fn verify(&self, key: &PublicKey) -> Result<(), EnvelopeError> {
        dsse::verify_signatures(EVENT_PAYLOAD_TYPE, self.payload, &self.signatures, key)
    }
}

/// A position in a leaf.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Steps over exactly these bytes.
    fn skip(&mut self, part: &[u8]) -> Result<(), LeafError> {
        let same = self.rest().iter().zip(part).take_while(|(a, b)| a == b).count();
        self.at = self.at.saturating_add(same);
        if same == part.len() { Ok(()) } else { Err(LeafError::Frame { offset: self.at }) }
    }

    fn payload(&mut self) -> Result<&'a [u8], LeafError> {
        let rest = self.rest();
        if rest.first() != Some(&b'{') {
            return Err(LeafError::PayloadType);
        }
        let start = self.at;
        let len = canonical::canonical_prefix(rest).map_err(|error| LeafError::Payload(error.shifted(start)))?;
        self.at = start.saturating_add(len);
        Ok(rest.get(..len).unwrap_or_default())
    }

    fn signature(&mut self) -> Result<EnvelopeSignature, LeafError> {
        self.skip(KEYID)?;
        let error = LeafError::Signature { offset: self.at };
        let keyid = self.text(KeyId::TEXT_LEN).and_then(|text| text.parse().ok());
        let keyid = keyid.ok_or(error)?;
        self.skip(SIG)?;
        let error = LeafError::Signature { offset: self.at };
        let sig = self.text(SIG_TEXT_LEN).and_then(|text| base64::decode_array(text).ok());
        let sig = sig.map(Signature::new).ok_or(error)?;
        self.skip(END_SIGNATURE)?;
        Ok(EnvelopeSignature { keyid, sig })
    }

    /// Takes text of a known length.
    fn text(&mut self, len: usize) -> Option<&'a str> {
        let text = core::str::from_utf8(self.rest().get(..len)?).ok()?;
        self.at = self.at.saturating_add(len);
        Some(text)
    }
}

impl fmt::Display for LeafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { got } => {
                write!(f, "expected a leaf of at most {MAX_LEAF_BYTES} bytes, got {got}")
            }
            Self::Frame { offset } => write!(f, "not the form of a leaf at byte {offset}"),
            Self::PayloadType => f.write_str("expected a JSON object as payload"),
            Self::Payload(error) => write!(f, "payload: {error}"),
            Self::Signature { offset } => write!(f, "malformed signature at byte {offset}"),
            Self::TooManySignatures => {
                write!(f, "expected at most {MAX_ENVELOPE_SIGNATURES} signatures")
            }
        }
    }
}

impl core::error::Error for LeafError {}

#[cfg(test)]
mod tests;
