//! Names of keys in signed notes.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::KeyError;
use crate::limits::MAX_KEY_NAME_BYTES;

/// A C2SP key name, which for a log is also its origin: not empty, without white space, control
/// characters and `+`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyName(String);

impl KeyName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        let is_name = !name.is_empty()
            && name.len() <= MAX_KEY_NAME_BYTES
            && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        if is_name { Ok(Self(name.into())) } else { Err(KeyError::Name) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

impl AsRef<str> for KeyName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for KeyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_note_line_are_refused() {
        assert_eq!(KeyName::new("ledger.example/agents").unwrap().as_str(), "ledger.example/agents");
        let long = "a".repeat(MAX_KEY_NAME_BYTES + 1);
        for name in ["", " ", "a b", "a+b", "a\nb", "a\u{a0}b", "a\u{2003}b", "a\u{7f}", "a\0", &long] {
            assert_eq!(KeyName::new(name), Err(KeyError::Name), "{name:?}");
        }
        assert!(KeyName::new(long.split_at(1).1).is_ok());
    }
}
