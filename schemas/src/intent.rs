//! `POST /api/v1/intents`.

use domain::id::IntentId;
use proof::index::LeafIndex;
use proof::receipt::Receipt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An intent to be stated. Unsigned; a signed one travels as [`Signed`](crate::Signed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitIntent {
    /// Its name; made up by the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_id: Option<IntentId>,
    /// Who is said to want it; a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `plan`, `build`, `fix`, …; free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// In words.
    pub goal: String,
    /// Free constraints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Value>,
    /// Keep all text out of the log, in the erasable store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
}

/// The intent stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntentAccepted {
    /// Its name.
    pub intent_id: IntentId,
    /// Its leaf index.
    pub seq: LeafIndex,
    /// Proof that it is in the log.
    pub receipt: Receipt,
}
