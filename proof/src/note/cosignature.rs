//! Cosignatures (C2SP tlog-cosignature, `cosignature/v1`): a witness's dated signature of a checkpoint.
//!
//! ```text
//! blob      time (8 bytes, big-endian) ‖ Ed25519 signature (64)
//! message   "cosignature/v1" newline "time " <decimal> newline <the whole text of the note>
//! ```
//!
//! A witness says: at this time, the log's tree was this one, and it extends every one that I cosigned before. The time
//! is seconds since 1970, never zero.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{KeyKind, NoteError, NoteSignature, SignerKey, VerifierKey, check_characters};
use crate::key::{PublicKey, Signature, SignatureError};

/// The latest time that every implementation can read: Go's is a signed number.
const MAX_TIME: u64 = i64::MAX.unsigned_abs();

/// Why nothing was cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CosignError {
    /// A time that a cosignature cannot have.
    Time {
        /// Seconds since 1970.
        got: u64,
    },
    /// The text is not fit for a note.
    Text(NoteError),
}

impl SignerKey {
    /// The public half, as that of a witness.
    pub fn cosigner(&self) -> VerifierKey {
        VerifierKey::with_kind(self.name().clone(), self.secret().public(), KeyKind::Cosignature)
    }

    /// Cosigns the text of a note at a time in seconds since 1970.
    pub fn cosign(&self, text: &str, time: u64) -> Result<NoteSignature, CosignError> {
        if !is_time(time) {
            return Err(CosignError::Time { got: time });
        }
        check_characters(text).map_err(CosignError::Text)?;
        if !text.ends_with('\n') {
            return Err(CosignError::Text(NoteError::FinalNewline));
        }
        let mut blob = Vec::with_capacity(72);
        blob.extend_from_slice(&time.to_be_bytes());
        blob.extend_from_slice(self.secret().sign(message(time, text).as_bytes()).as_bytes());
        Ok(NoteSignature { name: self.name().clone(), hash: self.cosigner().hash(), blob })
    }
}

impl NoteSignature {
    /// When a cosignature says that it was made, in seconds since 1970. Nothing is known of it before it is verified.
    pub fn cosigned_at(&self) -> Option<u64> {
        self.blob.first_chunk().map(|time| u64::from_be_bytes(*time))
    }
}

pub(super) fn verify(blob: &[u8], text: &str, key: &PublicKey) -> Result<(), SignatureError> {
    let (time, signature) = blob.split_first_chunk::<8>().ok_or(SignatureError::Length { got: blob.len() })?;
    let (time, signature) = (u64::from_be_bytes(*time), Signature::from_slice(signature)?);
    if !is_time(time) {
        return Err(SignatureError::Invalid);
    }
    key.verify(message(time, text).as_bytes(), &signature)
}

const fn is_time(time: u64) -> bool {
    time > 0 && time <= MAX_TIME
}

/// What a witness signs: the time and the whole text.
fn message(time: u64, text: &str) -> String {
    alloc::format!("cosignature/v1\ntime {time}\n{text}")
}

impl fmt::Display for CosignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { got } => write!(f, "expected a time from 1 to {MAX_TIME} s, got {got}"),
            Self::Text(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CosignError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64;
    use crate::key::{KeyName, SecretKey};
    use crate::note::Note;
    use std::string::ToString;

    const TEXT: &str = "ledger.example/agents\n3\n2y7/5k02NSvNTCYL3g4RODEMn3e4nUxXV4ZS+bGFtjA=\n";
    const VKEY: &str = "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";
    const LINE: &str = "\u{2014} witness.example/w1 \
        IDJKvgAAAABlU/EAa8/CEEL9qGthQc6dNY0oS8jmvY6CFRS59KJ0ikTAxhfcNdQoKp/ymoIpiUKg8U+3gJx+5Vv2z5P34rHRaNypAw==";

    fn witness() -> SignerKey {
        let seed: Vec<u8> = (0x20..0x40).collect();
        SignerKey::new(KeyName::new("witness.example/w1").unwrap(), SecretKey::from_seed(seed.try_into().unwrap()))
    }

    #[test]
    fn published_cosignature() {
        let witness = witness();
        assert_eq!(witness.cosigner().to_string(), VKEY);
        let line = witness.cosign(TEXT, 1_700_000_000).unwrap();
        assert_eq!(line.to_string(), LINE);
        assert_eq!(line.blob.len() + 4, 76);
        assert_eq!(NoteSignature::parse(LINE), Some(line.clone()));
        assert_eq!(line.cosigned_at(), Some(1_700_000_000));
        assert_eq!(line.verify(TEXT, &witness.cosigner()), Ok(()));
    }

    #[test]
    fn a_cosignature_is_by_one_key_under_one_name_at_a_time_that_is_not_zero() {
        let witness = witness();
        let good = witness.cosign(TEXT, 1).unwrap();
        assert_eq!(good.verify(TEXT, &witness.verifier()), Err(SignatureError::Invalid), "as a log's");
        let other = SignerKey::new(KeyName::new("witness.example/w2").unwrap(), witness.secret().clone());
        assert_eq!(good.verify(TEXT, &other.cosigner()), Err(SignatureError::Invalid), "under another name");
        assert_eq!(good.verify("other\n", &witness.cosigner()), Err(SignatureError::Invalid));
        for time in [0, MAX_TIME + 1, u64::MAX] {
            assert_eq!(witness.cosign(TEXT, time), Err(CosignError::Time { got: time }));
            // Signed nevertheless, it is refused.
            let mut blob = time.to_be_bytes().to_vec();
            blob.extend_from_slice(witness.secret().sign(message(time, TEXT).as_bytes()).as_bytes());
            let line = NoteSignature { blob, ..good.clone() };
            assert_eq!(line.verify(TEXT, &witness.cosigner()), Err(SignatureError::Invalid), "{time}");
        }
        assert!(witness.cosign(TEXT, MAX_TIME).unwrap().verify(TEXT, &witness.cosigner()).is_ok());
    }

    #[test]
    fn only_the_text_of_a_note_is_cosigned() {
        let refused = |text: &str| witness().cosign(text, 1).unwrap_err();
        assert_eq!(refused("a"), CosignError::Text(NoteError::FinalNewline));
        assert_eq!(refused("a\tb\n"), CosignError::Text(NoteError::ControlCharacter));
    }

    #[test]
    fn a_line_is_read_in_its_only_spelling() {
        for line in
            ["", "\u{2014}", &LINE.replace('\u{2014}', "-"), &std::format!("{LINE}\n"), &std::format!("{LINE} ")]
        {
            assert_eq!(NoteSignature::parse(line), None, "{line:?}");
        }
        let short = std::format!("\u{2014} a {}", base64::encode(&[1, 2, 3, 4, 5]));
        let line = NoteSignature::parse(&short).unwrap();
        assert_eq!(line.cosigned_at(), None);
        let note = Note { text: TEXT.into(), signatures: std::vec![line] };
        assert_eq!(note.verify(&[witness().cosigner()]), Err(NoteError::NoKnownKey));
    }
}
