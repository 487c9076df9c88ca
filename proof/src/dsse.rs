//! DSSE: signed envelopes around typed bytes.
//!
//! What is signed is the pre-authentication encoding of type and payload, so a signature over one
//! kind of payload never fits another kind.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base64;
use crate::key::{KeyId, PublicKey, SecretKey, Signature};
use crate::limits::MAX_ENVELOPE_SIGNATURES;

/// A typed payload with signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// What the payload is; in JSON `payloadType`.
    pub payload_type: String,
    /// The exact bytes that were signed; in JSON as standard base64.
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    pub payload: Vec<u8>,
    /// The signatures.
    #[serde(deserialize_with = "read_signatures")]
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope or of an event's leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// Which key claims to have signed. A hint for the search, not part of what is signed.
    pub keyid: KeyId,
    /// The signature over [`pae`].
    pub sig: Signature,
}

/// Why a key's signature on an envelope or leaf was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// There is no signature by the key.
    NotSigned {
        /// The key.
        keyid: KeyId,
    },
    /// A signature by the key does not verify.
    BadSignature {
        /// The key.
        keyid: KeyId,
    },
}

/// The pre-authentication encoding: `DSSEv1 <len> <type> <len> <body>`.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    // Room for the word, two lengths of at most 20 digits and four spaces.
    let capacity = payload_type.len().saturating_add(body.len()).saturating_add(50);
    let mut head = String::with_capacity(capacity);
    // Writing into a String cannot fail.
    let _ = write!(head, "DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len());
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl Envelope {
    /// Signs a payload.
    pub fn sign(payload_type: &str, payload: &[u8], key: &SecretKey) -> Self {
        let sig = key.sign(&pae(payload_type, payload));
        Self {
            payload_type: payload_type.into(),
            payload: payload.to_vec(),
            signatures: alloc::vec![EnvelopeSignature { keyid: key.public().key_id(), sig }],
        }
    }

    /// Checks that `key` signed this envelope. Other keys' signatures are not looked at.
    ///
    /// The caller must still look at [`payload_type`](Self::payload_type): the signature says that
    /// the key said this, as this type.
    pub fn verify(&self, key: &PublicKey) -> Result<(), EnvelopeError> {
        verify_signatures(&self.payload_type, &self.payload, &self.signatures, key)
    }
}

/// Checks every signature that claims to be by `key`; there must be one.
pub(crate) fn verify_signatures(
    payload_type: &str,
    payload: &[u8],
    signatures: &[EnvelopeSignature],
    key: &PublicKey,
) -> Result<(), EnvelopeError> {
    let keyid = key.key_id();
    let mut claims = signatures.iter().filter(|claim| claim.keyid == keyid).peekable();
    if claims.peek().is_none() {
        return Err(EnvelopeError::NotSigned { keyid });
    }
    let message = pae(payload_type, payload);
    for claim in claims {
        key.verify(&message, &claim.sig).map_err(|_| EnvelopeError::BadSignature { keyid })?;
    }
    Ok(())
}

fn write_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&base64::encode(bytes))
}

fn read_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    base64::decode(&text).map_err(de::Error::custom)
}

fn read_signatures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EnvelopeSignature>, D::Error> {
    let signatures = Vec::deserialize(deserializer)?;
    if signatures.is_empty() || signatures.len() > MAX_ENVELOPE_SIGNATURES {
        return Err(de::Error::invalid_length(signatures.len(), &"1 to 16 signatures"));
    }
    Ok(signatures)
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSigned { keyid } => write!(f, "no signature by {keyid}"),
            Self::BadSignature { keyid } => write!(f, "the signature by {keyid} does not verify"),
        }
    }
}

impl core::error::Error for EnvelopeError {}

#[cfg(test)]
mod tests;
