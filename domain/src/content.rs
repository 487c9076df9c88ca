//! Text and JSON that may be long or personal: in the event when short, else a salted commitment to a body beside the log.

use proof::commitment::Commitment;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A text: a plain JSON string, or an object that names its commitment. The two cannot be confused, for a text field
/// is never an object of the submitter's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Short enough for the event.
    Inline(String),
    /// In the content store.
    Committed {
        /// What opens to the text.
        commit: Commitment,
    },
}

impl Text {
    /// The text, if it stands in the event.
    pub fn inline(&self) -> Option<&str> {
        match self {
            Self::Inline(text) => Some(text),
            Self::Committed { .. } => None,
        }
    }

    /// Whether it holds any character at all.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Inline(text) => text.trim().is_empty(),
            Self::Committed { commit } => commit.length == 0,
        }
    }

    /// The commitment, if the text stands beside the log.
    pub fn commitment(&self) -> Option<&Commitment> {
        match self {
            Self::Inline(_) => None,
            Self::Committed { commit } => Some(commit),
        }
    }
}

/// Any JSON of a submitter's. Tagged, since such a value could itself look like a commitment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// The value.
    #[serde(rename = "inline")]
    Inline(Value),
    /// A commitment to its canonical JSON.
    #[serde(rename = "commit")]
    Committed(Commitment),
}

impl Content {
    /// The value, if it stands in the event.
    pub fn inline(&self) -> Option<&Value> {
        match self {
            Self::Inline(value) => Some(value),
            Self::Committed(_) => None,
        }
    }

    /// The commitment, if the value stands beside the log.
    pub fn commitment(&self) -> Option<&Commitment> {
        match self {
            Self::Inline(_) => None,
            Self::Committed(commit) => Some(commit),
        }
    }
}
