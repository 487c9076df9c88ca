//! Text and JSON that may be long or personal: in the event when short, else a salted commitment to a body beside the log.

use proof::commitment::Commitment;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Makes a tree's numbers what they are when they are read back from their canonical bytes, where `1.0` is `1`. What
/// `decide` reads must not depend on how a number was spelt: a verifier has only the canonical spelling.
pub(crate) fn settle(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() <= SAFE_INTEGER_MAX);
            if let Some(Ok(whole)) = whole.map(|f| format!("{f:.0}").parse::<i64>()) {
                *value = Value::from(whole);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(members) => members.values_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// 2^53 - 1, beyond which I-JSON has no whole numbers.
const SAFE_INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

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
    /// Settles the value's numbers.
    pub(crate) fn settle(&mut self) {
        if let Self::Inline(value) = self {
            settle(value);
        }
    }

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
