//! Verifying a warrant. Nothing of a job is looked at, let alone run, before all of this holds, whatever the server says:
//!
//! 1. the genesis is the one that the pinned root signed;
//! 2. every event stands under one checkpoint, signed by the checkpoint key that genesis names, and is signed by the
//!    event key that genesis names;
//! 3. that checkpoint extends the last head this runner saw;
//! 4. root registered this runner with this key;
//! 5. a decision allows exactly this job, it is the one that the gates make of the proposal, and the approvals it rests on
//!    were given by people who may give them;
//! 6. the lease is in this runner's name, for this job, by the very request that it answers, and has not lapsed;
//! 7. the manifest and the deployment envelope are those that were decided on, and every tool fits them;
//! 8. every input's body opens its commitment.

mod approvals;
mod ruling;
mod story;

use domain::authored::{SeenHead, StatementKind, check};
use domain::event::job::{Job, JobLeased};
use domain::event::proposal::Action;
use domain::gate;
use domain::manifest::Manifest;
use domain::policy::Policy;
use domain::time::Timestamp;
use proof::commitment::Commitment;
use proof::index::LeafIndex;
use proof::key::PublicKey;
use proof::merkle::verify_consistency;
use proof::note::VerifierKey;
use schemas::job::Warrant;
use serde_json::{Map, Value};
use std::fmt;
use story::Story;
pub(crate) use story::genesis;

/// What a runner knows for certain before any server speaks.
#[derive(Debug, Clone)]
pub struct Pins {
    /// The root key.
    pub root: VerifierKey,
    /// This runner's name.
    pub runner_id: domain::id::RunnerId,
    /// This runner's key.
    pub key: PublicKey,
}

/// Why a warrant is refused: which of the conditions, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The condition's stable name.
    pub condition: &'static str,
    /// What was found.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(condition: &'static str, detail: impl fmt::Display) -> Self {
        Self { condition, detail: detail.to_string() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.condition, self.detail)
    }
}

impl std::error::Error for Refusal {}

/// An action whose inputs are in clear.
#[derive(Debug, Clone, PartialEq)]
pub struct ClearAction {
    /// Which tool.
    pub tool: domain::id::ToolName,
    /// Its inputs, bodies included.
    pub inputs: Map<String, Value>,
}

/// A warrant that holds. Only [`verify`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedWarrant {
    job: Job,
    lease: LeafIndex,
    attempt: u32,
    expires: Timestamp,
    head: SeenHead,
    actions: Vec<ClearAction>,
}

impl VerifiedWarrant {
    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Where the lease stands.
    pub fn lease(&self) -> LeafIndex {
        self.lease
    }

    /// Which try.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When the lease lapses.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The head that this runner has now seen.
    pub fn head(&self) -> SeenHead {
        self.head
    }

    /// What to do, in order.
    pub fn actions(&self) -> &[ClearAction] {
        &self.actions
    }
}

/// Verifies a warrant. `seen` is the last head this runner saw, `policy` the bundle in force with the manifest it can run,
/// `now` its own clock.
pub fn verify(
    warrant: &Warrant,
    pins: &Pins,
    seen: SeenHead,
    policy: &Policy,
    now: Timestamp,
) -> Result<VerifiedWarrant, Refusal> {
    let story = Story::open(warrant, pins)?;
    let head = extends(warrant, &story, seen)?;
    story.registered(pins)?;
    let (lease_at, lease) = story.lease(&warrant.job_id)?;
    let job = decided(&story, &lease, policy)?;
    leased_to(&story, &lease, pins, seen, now)?;
    fits(&job, policy.manifest())?;
    let actions = job.actions.iter().map(|action| clear(action, warrant)).collect::<Result<Vec<_>, _>>()?;
    Ok(VerifiedWarrant { job, lease: lease_at, attempt: lease.attempt, expires: lease.expires, head, actions })
}

fn extends(warrant: &Warrant, story: &Story, seen: SeenHead) -> Result<SeenHead, Refusal> {
    let refuse = |detail: String| Refusal::new("consistent_with_last_head", detail);
    let proof = &warrant.consistency;
    let head = story.head();
    if proof.old != seen.size || proof.new != head.size {
        return Err(refuse(format!(
            "the proof is from {} to {}, expected from {} to {}",
            proof.old, proof.new, seen.size, head.size
        )));
    }
    verify_consistency(seen.size, &seen.root, head.size, &head.root, &proof.path).map_err(|e| refuse(e.to_string()))?;
    Ok(head)
}

/// That governance allowed exactly this job.
fn decided(story: &Story, lease: &JobLeased, policy: &Policy) -> Result<Job, Refusal> {
    let refuse = |detail: &str| Refusal::new("decision_allows_job", detail);
    let created = story.job(&lease.job_id)?;
    let job = &created.job;
    let decision = story.decision(created.decision)?;
    let proposal = story.proposal(&job.proposal_id)?;
    if decision.ruling != domain::event::decision::Ruling::Allow {
        return Err(refuse("the decision is not ALLOW"));
    }
    let digest = proposal.action_digest();
    if decision.proposal_id != job.proposal_id || decision.action_digest != digest || job.action_digest != digest {
        return Err(refuse("the decision is about something else than the job"));
    }
    if decision.policy != job.policy || decision.manifest != job.manifest {
        return Err(refuse("the job names another policy or manifest than the decision"));
    }
    if decision.engine != domain::ENGINE {
        return Err(refuse("the decision was made by an engine that this runner does not know"));
    }
    if job.actions != gate::effective_actions(proposal)
        || job.effects != decision.allowed_effects
        || job.agent != proposal.agent
    {
        return Err(refuse("the job does other things than were allowed"));
    }
    if gate::execution_mode(proposal) != Some(job.execution_mode) {
        return Err(refuse("the job runs in another mode than was allowed"));
    }
    let envelope = gate::effective_envelope(proposal).map_err(|e| Refusal::new("deployment_envelope", e))?;
    if envelope != job.deployment_envelope || envelope.hash() != job.envelope_hash {
        return Err(Refusal::new("deployment_envelope", "the envelope or its hash is not the one that was decided on"));
    }
    approvals::check(story, &created, decision, proposal, policy)?;
    Ok(job.clone())
}

fn leased_to(story: &Story, lease: &JobLeased, pins: &Pins, seen: SeenHead, now: Timestamp) -> Result<(), Refusal> {
    let refuse = |detail: String| Refusal::new("lease_in_this_name", detail);
    if lease.lease.runner_id != pins.runner_id || lease.key_id != pins.key.key_id() {
        return Err(refuse(format!("the lease is for runner `{}` with key `{}`", lease.lease.runner_id, lease.key_id)));
    }
    let asked = check(&lease.authored, &pins.key, StatementKind::Lease, story.origin(), &lease.lease)
        .map_err(|e| refuse(e.to_string()))?;
    // Whoever acts on a lease has seen a later head from then on, so no lease is acted on twice.
    if asked != seen {
        let detail = format!("the lease answers a request made at {} events, not this one", asked.size);
        return Err(Refusal::new("lease_answers_request", detail));
    }
    if lease.expires <= now {
        return Err(refuse(format!("the lease lapsed at {}", lease.expires)));
    }
    Ok(())
}

/// That the runner's own manifest is the one decided on, and that every tool fits the job.
fn fits(job: &Job, manifest: &Manifest) -> Result<(), Refusal> {
    let refuse = |detail: String| Refusal::new("manifest", detail);
    if manifest.digest() != job.manifest {
        return Err(refuse(format!("the job names manifest {}, this runner has {}", job.manifest, manifest.digest())));
    }
    if job.effects.contains(domain::effect::Effect::READ_SECRETS) {
        return Err(refuse("READ_SECRETS is never carried out".into()));
    }
    let scope = job.deployment_envelope.autonomy_budget.max_write_scope;
    for action in &job.actions {
        let tool =
            manifest.tools.get(&action.tool).ok_or_else(|| refuse(format!("there is no tool `{}`", action.tool)))?;
        tool.check_inputs(action).map_err(refuse)?;
        if !tool.effects.is_subset(&job.effects) {
            return Err(refuse(format!("tool `{}` has effects that the job does not allow", action.tool)));
        }
        if !tool.modes.contains(&job.execution_mode) || tool.write_scope > scope {
            return Err(refuse(format!("tool `{}` does not fit the job's mode or write scope", action.tool)));
        }
        if tool.requires_human && !job.human_approved {
            return Err(refuse(format!("tool `{}` needs a human's yes", action.tool)));
        }
    }
    Ok(())
}

fn clear(action: &Action, warrant: &Warrant) -> Result<ClearAction, Refusal> {
    let mut inputs: Map<String, Value> = action.inputs.clone().into_iter().collect();
    for (name, commitment) in &action.bodies {
        inputs.insert(name.clone(), Value::String(body(name, commitment, warrant)?));
    }
    Ok(ClearAction { tool: action.tool.clone(), inputs })
}

fn body(name: &str, commitment: &Commitment, warrant: &Warrant) -> Result<String, Refusal> {
    let refuse = |detail: String| Refusal::new("bodies_open_commitments", detail);
    for body in &warrant.bodies {
        let bytes = body.bytes().map_err(|e| refuse(e.to_string()))?;
        if commitment.opens(&body.salt, &bytes) {
            return String::from_utf8(bytes).map_err(|_| refuse(format!("input `{name}` is not UTF-8")));
        }
    }
    Err(refuse(format!("the body of input `{name}` is missing or was erased")))
}
