//! Deadlines that passed. Silence never allows.

use super::answer::final_decision;
use super::job::open_job;
use super::{Context, Draft, index_of, ledger_actor, ledger_of};
use crate::command::Rejection;
use crate::event::approval::ApprovalExpired;
use crate::event::decision::{Ruling, Stage};
use crate::event::job::{JobEnded, JobLeaseExpired};
use crate::event::{EventData, Subject};
use crate::id::{JobId, ProposalId};
use crate::reason::Reason;
use crate::state::State;
use crate::state::job::JobState;
use crate::state::proposal::ProposalState;

pub(super) fn approval(state: &State, id: &ProposalId, context: &Context<'_>) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    let Some(ProposalState::Waiting(open, ask)) = state.proposal(id).map(|p| &p.state) else {
        return Err(Rejection::conflict(Reason::NotPending, format!("proposal `{id}` is not waiting for a human")));
    };
    if ask.challenge.expires > context.now {
        return Err(Rejection::conflict(
            Reason::NotDue,
            format!("the challenge is open until {}", ask.challenge.expires),
        ));
    }
    let subject = Subject::of("proposal", id);
    let judge = ledger_actor(info)?;
    let draft = |causes, data| Draft {
        subject: subject.clone(),
        actor: judge.clone(),
        session: open.session.clone(),
        causes,
        data,
    };
    let expired = ApprovalExpired { proposal_id: id.clone(), nonce: ask.challenge.nonce.clone() };
    let decision = final_decision(open, Stage::Expiry, Ruling::Deny, Vec::new(), context);
    Ok(vec![
        draft(vec![ask.decision], EventData::ApprovalExpired(expired)),
        draft(vec![index_of(state, 0)], EventData::DecisionRecorded(decision)),
    ])
}

pub(super) fn lease(state: &State, id: &JobId, context: &Context<'_>) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    let record = open_job(state, id)?;
    let JobState::Leased(lease) = &record.state else {
        return Err(Rejection::conflict(Reason::JobNotOpen, format!("job `{id}` is {}", record.state.name())));
    };
    if lease.expires > context.now {
        return Err(Rejection::conflict(Reason::LeaseOpen, format!("the lease is open until {}", lease.expires)));
    }
    let subject = Subject::of("job", id);
    let actor = ledger_actor(info)?;
    let draft = |causes, data| Draft { subject: subject.clone(), actor: actor.clone(), session: None, causes, data };
    let lapsed = JobLeaseExpired { job_id: id.clone(), attempt: lease.attempt };
    let mut drafts = vec![draft(vec![lease.at], EventData::JobLeaseExpired(lapsed))];
    if lease.attempt >= record.job.attempts_max {
        let ended = JobEnded {
            job_id: id.clone(),
            proposal_id: record.proposal_id.clone(),
            attempt: lease.attempt,
            result: None,
            reason: Some(Reason::LeaseExpired),
        };
        drafts.push(draft(vec![index_of(state, 0)], EventData::JobUnknown(ended)));
    }
    Ok(drafts)
}
