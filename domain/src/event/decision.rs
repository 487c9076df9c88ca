//! `decision.recorded`: governance ruled.

use crate::effect::Effects;
use crate::gate::GateReport;
use crate::id::ProposalId;
use crate::reason::Reason;
use proof::hash::Hash;
use proof::index::LeafIndex;
use serde::{Deserialize, Serialize};

/// What a decision, or one gate, says. Ordered from mild to strict; the strictest gate wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ruling {
    /// Go ahead.
    #[serde(rename = "ALLOW")]
    Allow,
    /// A human must say.
    #[serde(rename = "REQUIRE_HUMAN")]
    RequireHuman,
    /// Not enough is known to ask anybody.
    #[serde(rename = "NEED_MORE_EVIDENCE")]
    NeedMoreEvidence,
    /// No.
    #[serde(rename = "DENY")]
    Deny,
}

impl Ruling {
    /// As it is spelt in events and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::RequireHuman => "REQUIRE_HUMAN",
            Self::NeedMoreEvidence => "NEED_MORE_EVIDENCE",
            Self::Deny => "DENY",
        }
    }
}

/// On what occasion a decision was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The proposal came in.
    Submission,
    /// A human answered.
    Approval,
    /// Nobody answered in time.
    Expiry,
}

/// Approvals that policy demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Required {
    /// From how many people.
    pub count: u32,
    /// Whether each must be signed with the approver's own key.
    pub signed: bool,
}

/// `decision.recorded`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecorded {
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// On what occasion.
    pub stage: Stage,
    /// The engine that ruled.
    pub engine: u32,
    /// What it said.
    pub ruling: Ruling,
    /// Every reason, of every gate that was not content.
    pub reasons: Vec<Reason>,
    /// Every gate's report, in report order.
    pub gates: Vec<GateReport>,
    /// Digest of the policy bundle in force.
    pub policy: Hash,
    /// Digest of the tool manifest in force.
    pub manifest: Hash,
    /// Digest of what was put forward.
    pub action_digest: Hash,
    /// Effects that are allowed; empty unless the ruling is `ALLOW`.
    pub allowed_effects: Effects,
    /// Approvals that policy demands, when a human must say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<Required>,
    /// Leaf indices of the approvals it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<LeafIndex>,
}
