//! Effects: what an action touches.

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// An effect tag as a proposer wrote it. Whether it is known is the policy bundle's to say, so that an unknown one is
/// recorded and denied rather than refused at the door.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Effect(String);

/// A set of effects, in order of their spelling.
pub type Effects = BTreeSet<Effect>;

impl Effect {
    /// Denied whatever a policy says (law 4).
    pub const READ_SECRETS: &'static str = "READ_SECRETS";

    /// 1 to 64 printable ASCII characters without spaces.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= limits::EFFECT_BYTES;
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then_some(Self(text))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Effect {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Effect {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::new(text).ok_or_else(|| serde::de::Error::custom("an effect is 1 to 64 printable ASCII characters"))
    }
}
