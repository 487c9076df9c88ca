//! Identifiers. Each kind is its own type, so that a job id cannot stand where a proposal id belongs.

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Why a string cannot be an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdError {
    what: &'static str,
    problem: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.problem)
    }
}

impl std::error::Error for IdError {}

fn check(what: &'static str, text: &str) -> Result<(), IdError> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > limits::ID_BYTES {
        "is longer than 128 bytes"
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c)) {
        "holds white space, a control character or an invisible one"
    } else {
        return Ok(());
    };
    Err(IdError { what, problem })
}

/// Characters that are not seen, or that change the order of others: with them two names could look alike to whoever
/// approves.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks the spelling: 1 to 128 bytes, no white space, no control character.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check($what, &text)?;
                Ok(Self(text))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(input)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// An intent: what somebody wants.
    IntentId, "intent_id"
);
id!(
    /// A proposal: a concrete action put forward.
    ProposalId, "proposal_id"
);
id!(
    /// A job: work minted by a decision.
    JobId, "job_id"
);
id!(
    /// The name of an agent, as the policy bundle spells it.
    AgentName, "agent"
);
id!(
    /// A person, agent, service or runner, as its key record names it.
    PrincipalId, "principal_id"
);
id!(
    /// A registered runner.
    RunnerId, "runner_id"
);
id!(
    /// A key of this ledger: `key_…` for an API key, `ed25519:…` for a public key.
    AnyKeyId, "key_id"
);
id!(
    /// A tool of the manifest.
    ToolName, "tool"
);

/// A session: one principal, acting as one agent, for one intent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// Derived, so that nobody can join or split sessions by choosing names: the first 16 bytes of the SHA-256 of the
    /// canonical array of its parts.
    pub fn derive(principal_kind: &str, principal: &PrincipalId, agent: &AgentName, intent: &IntentId) -> Self {
        let parts = serde_json::json!([principal_kind, principal, agent, intent]);
        let digest = proof::hash::sha256(&proof::canonical::value_to_vec(&parts)).to_string();
        Self(digest.chars().take(32).collect())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_checked_when_read_from_json() {
        for bad in
            ["\"\"", "\"a b\"", "\"a\\u0000\"", "\"a\u{200b}\"", "\"\u{202e}a\"", &format!("\"{}\"", "x".repeat(129))]
        {
            assert!(serde_json::from_str::<ProposalId>(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<ProposalId>("\"p-deploy-1\"").is_ok());
    }

    #[test]
    fn a_session_cannot_be_joined_by_moving_a_separator() {
        let derive = |p: &str, a: &str, i: &str| {
            SessionId::derive("agent", &p.parse().unwrap(), &a.parse().unwrap(), &i.parse().unwrap())
        };
        assert_ne!(derive("a:b", "c", "d"), derive("a", "b:c", "d"));
    }
}
