//! The witnesses of a policy, and how each is doing.

use super::asking::Outcome;
use super::round::{names, pause};
use proof::index::TreeSize;
use proof::note::VerifierKey;
use proof::policy::TrustPolicy;
use std::fmt;
use std::time::Duration;
use tokio::task::Id;
use tokio::time::Instant;

/// Why no witness can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CosignerError {
    /// The policy does not name this log's key.
    OtherLog {
        /// The key.
        key: VerifierKey,
    },
    /// A witness has an address that cannot be used.
    Url {
        /// The witness.
        name: String,
        /// What stands there.
        url: String,
    },
    /// The witnesses that have an address can never be the quorum.
    Unreachable {
        /// The quorum.
        quorum: String,
    },
    /// No witness has an address.
    Nobody,
    /// The ledger has no genesis, or one that names no key.
    NoKey,
    /// What is remembered of the witnesses cannot be written.
    Memory(String),
}

/// A witness that is asked.
pub(super) struct Member {
    /// Its place in the policy.
    pub(super) place: usize,
    pub(super) name: String,
    pub(super) key: VerifierKey,
    pub(super) url: String,
    pub(super) failures: u32,
    pub(super) not_before: Option<Instant>,
    /// The size of the head that it is being asked about, and the task that asks.
    pub(super) asked: Option<(TreeSize, Id)>,
}

/// The witnesses that can be asked.
pub(super) fn members(policy: &TrustPolicy) -> Result<Vec<Member>, CosignerError> {
    let mut members = Vec::new();
    for (place, witness) in policy.witnesses().iter().enumerate() {
        let Some(url) = &witness.url else { continue };
        if !url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
            return Err(CosignerError::Url { name: witness.name.clone(), url: url.clone() });
        }
        members.push(Member {
            place,
            name: witness.name.clone(),
            key: witness.key.clone(),
            url: url.trim_end_matches('/').to_owned(),
            failures: 0,
            not_before: None,
            asked: None,
        });
    }
    if members.is_empty() {
        return Err(CosignerError::Nobody);
    }
    if !policy.is_met(&names(policy, members.iter().map(|member| &member.place))) {
        return Err(CosignerError::Unreachable { quorum: policy.quorum().unwrap_or("none").to_owned() });
    }
    Ok(members)
}

impl Member {
    pub(super) fn learn(&mut self, outcome: &Outcome, now: Instant, interval: Duration) {
        match outcome {
            Outcome::Cosigned(_) => (self.failures, self.not_before) = (0, None),
            // There is nothing to ask before there is a newer head.
            Outcome::IsAhead(_) => (self.failures, self.not_before) = (0, Some(now + interval)),
            Outcome::Contradicted(why) => {
                tracing::error!(
                    witness = self.name,
                    why,
                    "FORK SUSPECTED: a witness knows another history of this log"
                );
                self.fail(now);
            }
            Outcome::Failed(why) => {
                tracing::warn!(witness = self.name, why, "a witness did not cosign");
                self.fail(now);
            }
        }
    }

    pub(super) fn fail(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let mut random = [u8::MAX];
        // Without entropy the pause is the longest.
        let _ = getrandom::fill(&mut random);
        let [random] = random;
        self.not_before = Some(now + pause(self.failures, random));
    }
}

impl fmt::Display for CosignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherLog { key } => write!(f, "it has no line `log {key}`, which is this log"),
            Self::Url { name, url } => write!(
                f,
                "witness `{name}` has the address `{url}`, expected `http://host[:port][/path]`: this build has no TLS, so \
                 a proxy must stand before a witness that speaks `https://`"
            ),
            Self::Unreachable { quorum } => {
                write!(f, "the witnesses that have an address can never be the quorum `{quorum}`")
            }
            Self::Nobody => f.write_str("no witness in it has an address to be asked at"),
            Self::Memory(error) => f.write_str(error),
            Self::NoKey => f.write_str("the ledger names no checkpoint key"),
        }
    }
}

impl std::error::Error for CosignerError {}
