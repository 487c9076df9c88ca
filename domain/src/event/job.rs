//! `job.*`: work minted by a decision.

use crate::effect::Effects;
use crate::envelope::DeploymentEnvelope;
use crate::event::proposal::{Action, ExecutionMode};
use crate::id::{AgentName, JobId, ProposalId, RunnerId, ToolName};
use crate::reason::Reason;
use crate::time::Timestamp;
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::index::LeafIndex;
use proof::key::KeyId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Work, whole: a runner acts on nothing that is not here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub job_id: JobId,
    /// The proposal it carries out.
    pub proposal_id: ProposalId,
    /// On whose limits.
    pub agent: AgentName,
    /// The tool calls, in order.
    pub actions: Vec<Action>,
    /// Digest of the proposal.
    pub action_digest: Hash,
    /// What it may touch.
    pub effects: Effects,
    /// Digest of the tool manifest.
    pub manifest: Hash,
    /// Digest of the policy bundle.
    pub policy: Hash,
    /// The model and its limits, after clamping.
    pub deployment_envelope: DeploymentEnvelope,
    /// The deployment envelope hash.
    pub envelope_hash: Hash,
    /// How far it goes.
    pub execution_mode: ExecutionMode,
    /// As declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversibility_class: Option<String>,
    /// As declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_proof: Option<Value>,
    /// As declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_cost: Option<String>,
    /// Share of the budget that its cleanup cost leaves.
    pub budget_multiplier: f64,
    /// Whether a human said yes.
    pub human_approved: bool,
    /// Killed after this long.
    pub timeout_ms: u64,
    /// Leases it may have.
    pub attempts_max: u32,
}

/// `job.created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobCreated {
    /// The work.
    pub job: Job,
    /// The decision that minted it.
    pub decision: LeafIndex,
    /// The approvals it rests on.
    pub approvals: Vec<LeafIndex>,
}

/// What a runner asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// Which runner.
    pub runner_id: RunnerId,
    /// Tools it can run.
    pub tools: BTreeSet<ToolName>,
    /// Digest of the manifest it has.
    pub manifest: Hash,
}

/// `job.leased`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobLeased {
    /// Which job.
    pub job_id: JobId,
    /// Which try, from 1.
    pub attempt: u32,
    /// The key that must sign the result.
    pub key_id: KeyId,
    /// When the lease lapses.
    pub expires: Timestamp,
    /// What the runner asked for.
    pub lease: LeaseRequest,
    /// The runner's statement.
    pub authored: Envelope,
}

/// `job.lease_expired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLeaseExpired {
    /// Which job.
    pub job_id: JobId,
    /// Which try.
    pub attempt: u32,
}

/// `job.completed`, `job.failed`, `job.rejected`, `job.unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnded {
    /// Which job.
    pub job_id: JobId,
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// Which try; 0 when it was never leased.
    pub attempt: u32,
    /// The result it rests on, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<LeafIndex>,
    /// Why, where that is not in the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}
