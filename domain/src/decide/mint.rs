//! Minting a job from an allowed proposal. The one place where work comes into being.

use super::{Context, Draft};
use crate::command::Rejection;
use crate::event::job::{Job, JobCreated};
use crate::event::proposal::Proposal;
use crate::event::{Actor, EventData, Subject};
use crate::gate;
use crate::id::{JobId, SessionId};
use crate::limits;
use crate::reason::Reason;
use crate::state::State;
use proof::index::LeafIndex;

/// What the job rests on.
pub(super) struct Basis {
    pub(super) decision: LeafIndex,
    pub(super) approvals: Vec<LeafIndex>,
    pub(super) actor: Actor,
    pub(super) session: Option<SessionId>,
}

pub(super) fn job(state: &State, proposal: &Proposal, context: &Context<'_>, basis: Basis) -> Result<Draft, Rejection> {
    let (policy, seed) = (context.policy, &context.seed);
    let internal = |what: &str| Rejection::malformed(format!("cannot mint: {what}"));
    let envelope = gate::effective_envelope(proposal).map_err(|e| internal(&e.to_string()))?;
    let actions = gate::effective_actions(proposal);
    let manifest = policy.manifest();
    let tools: Vec<_> = actions.iter().filter_map(|a| manifest.tools.get(&a.tool)).collect();
    let tool_seconds: u64 = tools.iter().map(|t| u64::from(t.timeout_seconds)).sum();
    let seconds = tool_seconds.min(u64::from(envelope.autonomy_budget.max_runtime_seconds));
    // Work that changes nothing may be tried again; of any other, a lapsed lease leaves what happened unknown.
    let harmless = tools.iter().all(|t| policy.bundle().read_only(&t.effects));
    let job_id: JobId = seed.uuid("job").parse().map_err(|_| internal("job id"))?;
    if state.job_created(&job_id)?.is_some() {
        let detail = format!("job `{job_id}` exists already: its seed was used before");
        return Err(Rejection::conflict(Reason::AlreadyExists, detail));
    }
    let job = Job {
        job_id,
        proposal_id: proposal.proposal_id.clone(),
        agent: proposal.agent.clone(),
        action_digest: proposal.action_digest(),
        effects: proposal.effects.clone(),
        manifest: policy.manifest_digest(),
        policy: policy.bundle_digest(),
        envelope_hash: envelope.hash(),
        deployment_envelope: envelope,
        execution_mode: gate::execution_mode(proposal).ok_or_else(|| internal("execution mode"))?,
        reversibility_class: proposal.reversibility_class.clone(),
        rollback_proof: proposal.rollback_proof.clone(),
        cleanup_cost: proposal.cleanup_cost.clone(),
        budget_multiplier: gate::budget::multiplier(proposal.cleanup_cost.as_deref()),
        human_approved: !basis.approvals.is_empty(),
        timeout_ms: seconds * 1000,
        attempts_max: if harmless { limits::ATTEMPTS_MAX } else { 1 },
        actions,
    };
    let mut causes = vec![basis.decision];
    causes.extend(&basis.approvals);
    Ok(Draft {
        subject: Subject::of("job", &job.job_id),
        actor: basis.actor,
        session: basis.session,
        causes,
        data: EventData::JobCreated(JobCreated { job, decision: basis.decision, approvals: basis.approvals }),
    })
}
