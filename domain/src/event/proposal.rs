//! `proposal.submitted`: a concrete action put forward.

use crate::content::{Content, Text, settle};
use crate::effect::Effects;
use crate::id::{AgentName, IntentId, ProposalId, ToolName};
use proof::commitment::Commitment;
use proof::dsse::Envelope;
use proof::hash::{Hash, sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How far an action goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionMode {
    /// For real.
    Commit,
    /// Prepared, not carried out.
    Draft,
    /// Shown, not carried out.
    Preview,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Which tool.
    pub tool: ToolName,
    /// Short inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// Long or personal string inputs, by commitment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bodies: BTreeMap<String, Commitment>,
}

/// Something seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// In words.
    pub text: Text,
    /// What kind of evidence it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Events it rests on, by leaf index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cites: Vec<u64>,
}

/// What the proposer saw and what it concludes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TruthAccount {
    /// Seen.
    pub observations: Vec<Observation>,
    /// Concluded.
    pub claims: Vec<Claim>,
}

/// A conclusion. The confidence stands in clear, since a gate reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The whole claim as it was submitted.
    pub claim: Content,
}

/// A concrete action put forward, as it is bound, approved and minted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its name.
    pub proposal_id: ProposalId,
    /// What it serves.
    pub intent_id: IntentId,
    /// On whose limits.
    pub agent: AgentName,
    /// In words.
    pub summary: Text,
    /// What it touches.
    pub effects: Effects,
    /// What it rests on.
    pub truth_account: TruthAccount,
    /// Attached material.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<BTreeMap<String, Text>>,
    /// The tool calls. None: the compatible surface's `echo`.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Declared risk, 0 to 1 by convention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_score: Option<f64>,
    /// The model and its limits, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_envelope: Option<Value>,
    /// `REVERSIBLE`, `PARTIALLY_REVERSIBLE` or `IRREVERSIBLE`, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversibility_class: Option<String>,
    /// How it would be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_proof: Option<Value>,
    /// `commit`, `draft` or `preview`, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_mode: Option<String>,
    /// `LOW`, `MEDIUM` or `HIGH`, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_cost: Option<String>,
    /// An earlier proposal that lacked evidence and that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ProposalId>,
}

impl Proposal {
    /// Digest of all that was put forward. Approvals and jobs bind to it: what is approved is what is minted.
    pub fn action_digest(&self) -> Hash {
        sha256(&proof::canonical::to_vec(self).unwrap_or_default())
    }

    /// Settles the numbers of every part that is free JSON.
    pub(crate) fn settle(&mut self) {
        let inputs = self.actions.iter_mut().flat_map(|action| action.inputs.values_mut());
        let declared = self.deployment_envelope.iter_mut().chain(&mut self.rollback_proof);
        inputs.chain(declared).for_each(settle);
        for claim in &mut self.truth_account.claims {
            claim.claim.settle();
        }
    }

    /// Every commitment of the proposal, with its place as a JSON pointer.
    pub fn commitments(&self) -> Vec<(String, &Commitment)> {
        let mut found = Vec::new();
        if let Some(commit) = self.summary.commitment() {
            found.push(("/summary".into(), commit));
        }
        for (i, seen) in self.truth_account.observations.iter().enumerate() {
            if let Some(commit) = seen.text.commitment() {
                found.push((format!("/truth_account/observations/{i}/text"), commit));
            }
        }
        for (i, claim) in self.truth_account.claims.iter().enumerate() {
            if let Some(commit) = claim.claim.commitment() {
                found.push((format!("/truth_account/claims/{i}/claim"), commit));
            }
        }
        for (i, artifact) in self.artifacts.iter().enumerate() {
            for (name, text) in artifact {
                if let Some(commit) = text.commitment() {
                    found.push((format!("/artifacts/{i}/{name}"), commit));
                }
            }
        }
        for (i, action) in self.actions.iter().enumerate() {
            for (name, commit) in &action.bodies {
                found.push((format!("/actions/{i}/inputs/{name}"), commit));
            }
        }
        found
    }
}

/// A sensor's report about one place of a command. It never holds what was found there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// JSON pointer into the submitted proposal.
    pub place: String,
    /// What kind of thing.
    pub kind: String,
}

/// Entropy the edge minted for one command; job ids and nonces derive from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(Hash);

impl Seed {
    /// Wraps 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Hash::new(bytes))
    }

    fn mint(&self, label: &str) -> String {
        let mut input = self.0.as_bytes().to_vec();
        input.extend_from_slice(label.as_bytes());
        sha256(&input).to_string()
    }

    /// A nonce of 128 bits, in hex.
    pub fn nonce(&self, label: &str) -> String {
        self.mint(label).chars().take(32).collect()
    }

    /// A UUID, version 8 (RFC 9562: the bits are ours).
    pub fn uuid(&self, label: &str) -> String {
        let hex: Vec<char> = self.mint(label).chars().collect();
        let take = |from: usize, to: usize| hex.iter().skip(from).take(to - from).collect::<String>();
        format!("{}-{}-8{}-a{}-{}", take(0, 8), take(8, 12), take(13, 16), take(17, 20), take(20, 32))
    }
}

/// `proposal.submitted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProposalSubmitted {
    /// The proposal.
    pub proposal: Proposal,
    /// What the sensors reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Minted entropy.
    pub seed: Seed,
    /// The author's statement, if they signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authored: Option<Envelope>,
}
