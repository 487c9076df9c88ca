//! Leasing work, and reporting on it.

use super::{Context, Draft, actor_of, authorize, check_credential, form, index_of, ledger_of};
use crate::command::{Caller, Rejection};
use crate::event::job::{Job, JobEnded, JobLeased, LeaseRequest};
use crate::event::key::Scope;
use crate::event::result::{Evidence, JobResult, ResultRecorded, ResultStatus};
use crate::event::{Actor, EventData, PrincipalKind, Subject};
use crate::id::{JobId, RunnerId};
use crate::limits;
use crate::reason::Reason;
use crate::state::State;
use crate::state::job::{JobRecord, JobState};
use crate::state::key::RunnerRecord;
use proof::dsse::Envelope;
use proof::index::TreeSize;
use proof::key::KeyId;

fn runner_actor(runner: &RunnerRecord) -> Result<Actor, Rejection> {
    Ok(Actor {
        kind: PrincipalKind::Runner,
        id: super::parse_id(runner.runner.runner_id.as_str())?,
        key_id: super::parse_id(&runner.runner.public_key.key_id().to_string())?,
        on_behalf_of: None,
    })
}

/// The runner that signs with the caller's key.
pub(super) fn runner_by_key<'s>(state: &'s State, by: &Caller) -> Result<&'s RunnerRecord, Rejection> {
    let key_id = by.key_id.as_ref().map_or("", |id| id.as_str());
    state.runners().find(|runner| runner.runner.public_key.key_id().to_string() == key_id).ok_or_else(|| {
        Rejection::unauthenticated(Reason::RunnerUnknown, format!("no runner is registered with key `{key_id}`"))
    })
}

/// The runner of that name, which must have that key.
pub(super) fn named_runner<'s>(
    state: &'s State,
    name: &RunnerId,
    key_id: &KeyId,
) -> Result<&'s RunnerRecord, Rejection> {
    let unknown = || Rejection::not_found(Reason::RunnerUnknown, format!("runner `{name}` is not registered"));
    let runner = state.runner(name).ok_or_else(unknown)?;
    if runner.runner.public_key.key_id() != *key_id {
        return Err(Rejection::forbidden(Reason::RunnerUnknown, "the key is not the runner's"));
    }
    Ok(runner)
}

/// A job that has not ended.
pub(super) fn open_job<'s>(state: &'s State, id: &JobId) -> Result<&'s JobRecord, Rejection> {
    if let Some(record) = state.job(id) {
        return Ok(record);
    }
    Err(match state.closed(&Subject::of("job", id))? {
        Some(closed) => Rejection::conflict(Reason::JobNotOpen, format!("job `{id}` is {}", closed.end.name())),
        None => Rejection::not_found(Reason::JobUnknown, format!("there is no job `{id}`")),
    })
}

pub(super) fn lease(
    state: &State,
    request: &LeaseRequest,
    key_id: &KeyId,
    seen: TreeSize,
    authored: &Envelope,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    ledger_of(state)?;
    form::check("the lease request", request)?;
    let runner = named_runner(state, &request.runner_id, key_id)?;
    if seen > state.size() {
        return Err(Rejection::malformed(format!("the runner has seen {seen} events of {}", state.size())));
    }
    // A request that was answered before names a head from before that answer; so an old one cannot be played again.
    if runner.last_lease.is_some_and(|last| !seen.contains(last)) {
        return Err(Rejection::conflict(Reason::LeaseReplayed, "the request is older than the runner's last lease"));
    }
    let fits = |record: &&JobRecord| {
        let job = &record.job;
        job.manifest == request.manifest && job.actions.iter().all(|action| request.tools.contains(&action.tool))
    };
    let record = state
        .ready_jobs()
        .find(fits)
        .ok_or_else(|| Rejection::not_found(Reason::NoJob, "no job is waiting for this runner"))?;
    let JobState::Ready(tries) = &record.state else {
        return Err(Rejection::conflict(Reason::JobNotOpen, "the job is not ready"));
    };
    let lease_ms = (record.job.timeout_ms + limits::LEASE_GRACE_MS).min(limits::LEASE_MS_MAX);
    let data = JobLeased {
        job_id: record.job_id.clone(),
        attempt: tries + 1,
        key_id: *key_id,
        expires: context.now.plus_ms(lease_ms),
        lease: request.clone(),
        authored: authored.clone(),
    };
    Ok(vec![Draft {
        subject: Subject::of("job", &record.job_id),
        actor: runner_actor(runner)?,
        session: None,
        causes: vec![record.created],
        data: EventData::JobLeased(data),
    }])
}

pub(super) fn record(
    state: &State,
    by: &Caller,
    result: &JobResult,
    authored: Option<&Envelope>,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    ledger_of(state)?;
    if authored.is_none() {
        // Who asks comes first: nobody else learns which jobs there are.
        check_credential(authorize(state, by, Scope::RunnerResult, context.now)?, false)?;
    }
    form::check("the result", result)?;
    let record = open_job(state, &result.job_id)?;
    check_form(result, &record.job)?;
    let (actor, evidence, attempt, cause) = match authored {
        Some(_) => under_warrant(state, by, result, record, context)?,
        None => without_warrant(state, by, result, record, context)?,
    };
    let subject = Subject::of("job", &record.job_id);
    let reported = ResultRecorded { result: result.clone(), evidence, authored: authored.cloned() };
    let ended = JobEnded {
        job_id: record.job_id.clone(),
        proposal_id: record.proposal_id.clone(),
        attempt,
        result: Some(index_of(state, 0)),
        reason: (result.status == ResultStatus::Rejected).then_some(Reason::WarrantRefused),
    };
    let ended = match result.status {
        ResultStatus::Completed => EventData::JobCompleted(ended),
        ResultStatus::Failed => EventData::JobFailed(ended),
        ResultStatus::Rejected => EventData::JobRejected(ended),
    };
    let draft = |causes, data| Draft { subject: subject.clone(), actor: actor.clone(), session: None, causes, data };
    Ok(vec![draft(vec![cause], EventData::ResultRecorded(reported)), draft(vec![index_of(state, 0)], ended)])
}

/// No proof, no completion: every action reported, every one done, and something to show.
fn check_form(result: &JobResult, job: &Job) -> Result<(), Rejection> {
    if result.artifacts.len() > limits::RESULT_ARTIFACTS {
        let max = limits::RESULT_ARTIFACTS;
        return Err(Rejection::malformed(format!(
            "the result lists {} artifacts, at most {max}",
            result.artifacts.len()
        )));
    }
    if result.actions.len() > job.actions.len() {
        return Err(Rejection::malformed("the result reports more actions than the job has".into()));
    }
    if result.actions.iter().zip(&job.actions).any(|(done, asked)| done.tool != asked.tool) {
        return Err(Rejection::malformed("the result reports other tools than the job has".into()));
    }
    if result.status == ResultStatus::Completed {
        if result.actions.len() != job.actions.len() || result.actions.iter().any(|action| !action.completed) {
            return Err(Rejection::malformed("a completed job must report every action as completed".into()));
        }
        if result.artifacts.is_empty() {
            let detail = "a completed job must name at least one artifact with its hash";
            return Err(Rejection {
                kind: crate::command::RejectionKind::Malformed,
                reason: Reason::ArtifactsMissing,
                detail: detail.into(),
            });
        }
    }
    Ok(())
}

type Report = (Actor, Evidence, u32, proof::index::LeafIndex);

fn under_warrant(
    state: &State,
    by: &Caller,
    result: &JobResult,
    record: &JobRecord,
    context: &Context<'_>,
) -> Result<Report, Rejection> {
    let runner = runner_by_key(state, by)?;
    let JobState::Leased(lease) = &record.state else {
        let detail = format!("job `{}` is {}, not leased", record.job_id, record.state.name());
        return Err(Rejection::conflict(Reason::LeaseExpired, detail));
    };
    let mine = lease.runner_id == runner.runner.runner_id && lease.key_id == runner.runner.public_key.key_id();
    if !mine || result.attempt != lease.attempt || result.lease != Some(lease.at) {
        return Err(Rejection::conflict(Reason::LeaseForeign, "the lease belongs to another runner or attempt"));
    }
    if lease.expires <= context.now {
        return Err(Rejection::conflict(Reason::LeaseExpired, format!("the lease expired at {}", lease.expires)));
    }
    Ok((runner_actor(runner)?, Evidence::Warrant, lease.attempt, lease.at))
}

fn without_warrant(
    state: &State,
    by: &Caller,
    result: &JobResult,
    record: &JobRecord,
    context: &Context<'_>,
) -> Result<Report, Rejection> {
    let key = authorize(state, by, Scope::RunnerResult, context.now)?;
    let tools = &context.policy.manifest().tools;
    // Of a manifest that is not in force any more nobody can say here what its tools do.
    let harmless = record.job.manifest == context.policy.manifest_digest()
        && record.job.actions.iter().all(|action| tools.get(&action.tool).is_some_and(|tool| tool.effects.is_empty()));
    if !harmless {
        let detail = "a result without a warrant is accepted only for tools without effects";
        return Err(Rejection::forbidden(Reason::WarrantRequired, detail));
    }
    if !matches!(record.state, JobState::Ready(0)) || result.attempt != 0 || result.lease.is_some() {
        let detail = format!(
            "job `{}` is {}; a result without a warrant needs one that nobody leased",
            record.job_id,
            record.state.name()
        );
        return Err(Rejection::conflict(Reason::JobNotOpen, detail));
    }
    Ok((actor_of(key, None), Evidence::None, 0, record.created))
}
