//! `intent.created`.

use crate::content::{Content, Text};
use crate::id::IntentId;
use proof::canonical::JsonError;
use proof::dsse::Envelope;
use proof::hash::{Hash, sha256};
use serde::{Deserialize, Serialize};

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Its name.
    pub intent_id: IntentId,
    /// Who is said to want it; a label, the author is the event's actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `plan`, `build`, `fix`, …; free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// In words.
    pub goal: Text,
    /// Free constraints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Content>,
}

impl Intent {
    /// SHA-256 of its canonical form.
    pub fn digest(&self) -> Result<Hash, JsonError> {
        Ok(sha256(&proof::canonical::to_vec(self)?))
    }

    /// Settles the numbers of its constraints.
    pub(crate) fn settle(&mut self) {
        self.constraints.iter_mut().for_each(Content::settle);
    }
}

/// `intent.created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntentCreated {
    /// The intent.
    pub intent: Intent,
    /// The author's statement, if they signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authored: Option<Envelope>,
}
