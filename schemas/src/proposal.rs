//! `POST /api/v1/proposals`.

use domain::event::approval::Challenge;
use domain::event::decision::{Required, Ruling};
use domain::gate::GateReport;
use domain::id::{AgentName, IntentId, JobId, ProposalId, ToolName};
use domain::reason::Reason;
use proof::index::LeafIndex;
use proof::receipt::Receipt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One tool call, with its inputs in clear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedAction {
    /// Which tool.
    pub tool: ToolName,
    /// Its inputs.
    #[serde(default)]
    pub inputs: Map<String, Value>,
}

/// Something seen: a plain string, or with its kind and the events it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ObservationInput {
    /// In words.
    Text(String),
    /// In words, with more.
    Full {
        /// In words.
        text: String,
        /// What kind of evidence it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// Events it rests on, by leaf index.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cites: Vec<u64>,
    },
}

/// What the proposer saw and what it concludes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TruthAccountInput {
    /// Seen.
    #[serde(default)]
    pub observations: Vec<ObservationInput>,
    /// Concluded; each an object with a `confidence`.
    #[serde(default)]
    pub claims: Vec<Map<String, Value>>,
}

/// A proposal to be ruled on. Unsigned; a signed one travels as [`Signed`](crate::Signed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitProposal {
    /// Its name; made up by the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal_id: Option<ProposalId>,
    /// What it serves.
    pub intent_id: IntentId,
    /// On whose limits.
    pub agent: AgentName,
    /// In words.
    pub summary: String,
    /// What it touches.
    pub effects: Vec<String>,
    /// What it rests on.
    #[serde(default)]
    pub truth_account: TruthAccountInput,
    /// The tool calls, in order.
    #[serde(default)]
    pub actions: Vec<ProposedAction>,
    /// Attached material: objects of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Vec<std::collections::BTreeMap<String, String>>>,
    /// Declared risk, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_score: Option<f64>,
    /// The model and its limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_envelope: Option<Value>,
    /// `REVERSIBLE`, `PARTIALLY_REVERSIBLE` or `IRREVERSIBLE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversibility_class: Option<String>,
    /// How it would be undone: `description`, and `rollback_tool` or `manual_steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_proof: Option<Value>,
    /// `commit` (the default), `draft` or `preview`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_mode: Option<String>,
    /// `LOW`, `MEDIUM` or `HIGH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_cost: Option<String>,
    /// An earlier proposal that lacked evidence and that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ProposalId>,
    /// Keep all text and inputs out of the log, in the erasable store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
}

/// A text of a proposal that stands beside the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProposalBody {
    /// JSON pointer to it in the proposal as it was submitted.
    pub place: String,
    /// What the proposal says about it; the text's hash is in what an approver signs for.
    pub commitment: proof::commitment::Commitment,
    /// The text; absent when it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// How a proposal was ruled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProposalRuled {
    /// Its name.
    pub proposal_id: ProposalId,
    /// The ruling.
    pub ruling: Ruling,
    /// Every reason, by stable code.
    pub reasons: Vec<Reason>,
    /// Every gate's report.
    pub gates: Vec<GateReport>,
    /// The job, when one was minted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// What a human must answer to, when one is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// Approvals that policy demands, when a human is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<Required>,
    /// Leaf index of the submission.
    pub seq: LeafIndex,
    /// Proof of the submission and all that followed from it at once.
    pub receipt: Receipt,
}
