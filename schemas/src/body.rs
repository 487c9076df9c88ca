//! A body beside a command or an answer: what a commitment opens to.

use proof::commitment::{Commitment, Salt};
use serde::{Deserialize, Serialize};

/// A body with its salt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// 32 random bytes, in hex.
    pub salt: Salt,
    /// What it is.
    pub media_type: String,
    /// The bytes, in standard base64.
    pub base64: String,
}

impl Body {
    /// Wraps bytes.
    pub fn new(salt: Salt, media_type: &str, bytes: &[u8]) -> Self {
        Self { salt, media_type: media_type.to_owned(), base64: proof::base64::encode(bytes) }
    }

    /// The bytes.
    ///
    /// # Errors
    /// If the text is not standard base64 with padding.
    pub fn bytes(&self) -> Result<Vec<u8>, proof::base64::Base64Error> {
        proof::base64::decode(&self.base64)
    }

    /// The commitment that this body opens.
    ///
    /// # Errors
    /// If the text is not standard base64 with padding.
    pub fn commitment(&self) -> Result<Commitment, proof::base64::Base64Error> {
        Ok(Commitment::new(&self.salt, &self.bytes()?, &self.media_type))
    }
}
