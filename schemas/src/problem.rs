//! Problem documents (RFC 9457).

use serde::{Deserialize, Serialize};

/// A refusal: what, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI reference that names the reason: `/docs/reasons#<CODE>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The reason in one sentence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence in words.
    pub detail: String,
    /// The stable reason code.
    pub reason: String,
    /// JSON pointer to the offending member, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Byte offset in the request body, when it could not be read at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
}
