//! Folding one event into the state.

use super::closed::{Closed, ClosedKey, End};
use super::job::{JobRecord, JobState};
use super::key::{KeyRecord, KeyStatus, RunnerRecord};
use super::proposal::{Open, ProposalRecord, ProposalState};
use super::{Due, IllegalTransition, LedgerInfo, State};
use crate::event::decision::Ruling;
use crate::event::job::{JobCreated, JobEnded};
use crate::event::key::{Credential, KeyCreated};
use crate::event::ledger::LedgerCreated;
use crate::event::proposal::ProposalSubmitted;
use crate::event::{Event, EventData, Header, Subject};
use crate::id::{AnyKeyId, JobId, ProposalId};
use proof::hash::Hash;
use proof::note::VerifierKey;

type Step = Result<(), String>;

impl State {
    /// Folds one event. `payload_hash` is the SHA-256 of its payload's bytes, which the next event names as `prev`.
    ///
    /// On an error the state is as it was but for the part of the event that was folded: whoever gets one stops.
    pub fn apply(&mut self, event: &Event, payload_hash: Hash) -> Result<(), IllegalTransition> {
        let h = &event.header;
        let illegal = |rule: String| IllegalTransition::new(h.seq, rule);
        self.check_header(h).map_err(illegal)?;
        let subject = event.data.subject();
        if h.subject != subject {
            let (said, type_name) = (h.subject.as_str(), event.data.type_name());
            return Err(illegal(format!("`subject` of `{type_name}` is `{said}`, expected `{}`", subject.as_str())));
        }
        self.fold(event).map_err(illegal)?;
        self.size = h.seq.size_after();
        self.prev = payload_hash;
        self.time = h.time;
        self.group = h.group;
        Ok(())
    }

    fn check_header(&self, h: &Header) -> Step {
        if h.seq != self.size.next_index() {
            return Err(format!("`seq` is {}, expected {}", h.seq, self.size));
        }
        if h.prev != self.prev {
            return Err(format!("`prev` is {}, expected {}", h.prev, self.prev));
        }
        if h.time < self.time {
            return Err(format!("`time` is {}, earlier than {} before", h.time, self.time));
        }
        let version = self.next_version(&h.subject);
        if h.version != version {
            return Err(format!("`version` of `{}` is {}, expected {version}", h.subject.as_str(), h.version));
        }
        if h.causes.iter().any(|c| *c >= h.seq) {
            return Err("`causes` points forward".into());
        }
        if h.group != h.seq && (h.group != self.group || h.seq.get() == 0) {
            return Err(format!("`group` is {}, neither this event nor the group before, {}", h.group, self.group));
        }
        match (&self.ledger, h.seq.get()) {
            (None, 0) => Ok(()),
            (Some(info), _) if info.genesis.origin == h.ledger => Ok(()),
            (Some(info), _) => Err(format!("`ledger` is `{}`, expected `{}`", h.ledger, info.genesis.origin)),
            (None, _) => Err("there is no genesis".into()),
        }
    }

    fn fold(&mut self, event: &Event) -> Step {
        let h = &event.header;
        if self.ledger.is_none() != matches!(event.data, EventData::LedgerCreated(_)) {
            return Err("`ledger.created` is the first event, and only the first".into());
        }
        let mut keep_version = true;
        match &event.data {
            EventData::LedgerCreated(data) => self.created(h, data)?,
            EventData::KeyCreated(data) => self.key_created(h, data)?,
            EventData::KeyDisabled(data) => self.key_changed(&data.key_id, KeyStatus::Enabled, KeyStatus::Disabled)?,
            EventData::KeyEnabled(data) => self.key_changed(&data.key_id, KeyStatus::Disabled, KeyStatus::Enabled)?,
            EventData::KeyDeleted(data) => self.key_deleted(&data.key_id)?,
            EventData::RunnerRegistered(data) => {
                let record = RunnerRecord { runner: data.runner.clone(), registered: h.seq, last_lease: None };
                if self.runners.insert(data.runner.runner_id.clone(), record).is_some() {
                    return Err("the runner is registered already".into());
                }
            }
            EventData::IntentCreated(_) => {
                keep_version = false;
                self.check_new(&h.subject, "the intent")?;
                self.closed.insert(ClosedKey::of(&h.subject), Closed { begun: h.seq, end: End::Stated });
            }
            EventData::ProposalSubmitted(data) => self.proposal_submitted(h, data)?,
            EventData::DecisionRecorded(data) => {
                self.move_proposal(&data.proposal_id, |state| state.decided(h.seq, data))?;
                keep_version = self.proposal_is_open(&data.proposal_id);
            }
            EventData::ApprovalRequested(data) => {
                self.move_proposal(&data.challenge.proposal_id, |state| state.asked(data))?;
            }
            EventData::ApprovalGranted(data) | EventData::ApprovalDenied(data) => {
                self.move_proposal(&data.answer.proposal_id, |state| state.answered(h.seq, &h.actor, data))?;
            }
            EventData::ApprovalExpired(data) => {
                self.move_proposal(&data.proposal_id, |state| state.lapsed(&data.nonce))?;
            }
            EventData::JobCreated(data) => self.created_job(h, data)?,
            EventData::JobLeased(_) | EventData::JobLeaseExpired(_) | EventData::ResultRecorded(_) => {
                self.job_moved(event)?;
            }
            EventData::JobCompleted(data)
            | EventData::JobFailed(data)
            | EventData::JobRejected(data)
            | EventData::JobUnknown(data) => {
                keep_version = false;
                self.job_ended(&h.subject, data, event.data.type_name())?;
            }
            EventData::BlobErased(_)
            | EventData::ProjectionAttested(_)
            | EventData::LedgerRestored(_)
            | EventData::ClockConfirmed(_) => {}
        }
        if keep_version {
            self.versions.insert(h.subject.clone(), h.version);
        } else {
            // A closed subject gets no more events: what it needs to be recognised stands in its record.
            self.versions.remove(&h.subject);
        }
        Ok(())
    }

    fn created(&mut self, h: &Header, data: &LedgerCreated) -> Step {
        let genesis = &data.genesis;
        if h.ledger != genesis.origin {
            return Err(format!("`ledger` is `{}`, but genesis names `{}`", h.ledger, genesis.origin));
        }
        let vkey = |what: &str, line: &str| VerifierKey::parse(line).map_err(|e| format!("{what} key: {e}"));
        let (root, event) = (vkey("root", &genesis.root)?, vkey("event", &genesis.event)?);
        let checkpoint = vkey("checkpoint", &genesis.checkpoint)?;
        if checkpoint.name().as_str() != genesis.origin {
            return Err("the checkpoint key's name is not the origin".into());
        }
        self.ledger = Some(LedgerInfo {
            genesis: genesis.clone(),
            root: *root.key(),
            event: *event.key(),
            checkpoint,
            engine: data.engine,
        });
        for key in &genesis.keys {
            let created = KeyCreated { key: key.clone(), authored: Some(data.authored.clone()) };
            self.key_created(h, &created)?;
        }
        Ok(())
    }

    fn key_created(&mut self, h: &Header, data: &KeyCreated) -> Step {
        let record = KeyRecord {
            key: data.key.clone(),
            status: KeyStatus::Enabled,
            created: h.seq,
            enrolled_by_root: data.authored.is_some(),
        };
        if let Credential::Api(hash) = &data.key.credential
            && self.api_keys.insert(*hash, data.key.key_id.clone()).is_some()
        {
            return Err("the same API key exists already".into());
        }
        match self.keys.insert(data.key.key_id.clone(), record) {
            None => Ok(()),
            Some(_) => Err(format!("key `{}` exists already", data.key.key_id)),
        }
    }

    fn key_changed(&mut self, id: &AnyKeyId, from: KeyStatus, to: KeyStatus) -> Step {
        match self.keys.get_mut(id) {
            Some(record) if record.status == from => {
                record.status = to;
                Ok(())
            }
            Some(record) => Err(format!("key `{id}` is {:?}, expected {from:?}", record.status)),
            None => Err(format!("there is no key `{id}`")),
        }
    }

    fn key_deleted(&mut self, id: &AnyKeyId) -> Step {
        match self.keys.get_mut(id) {
            Some(record) if record.status != KeyStatus::Deleted => {
                record.status = KeyStatus::Deleted;
                Ok(())
            }
            _ => Err(format!("there is no key `{id}` to delete")),
        }
    }

    fn proposal_submitted(&mut self, h: &Header, data: &ProposalSubmitted) -> Step {
        let proposal = &data.proposal;
        let open = Open {
            proposal: Box::new(proposal.clone()),
            actor: h.actor.clone(),
            session: h.session.clone(),
            manifest: None,
        };
        let record = ProposalRecord { submitted: h.seq, state: ProposalState::Submitted(open) };
        self.check_new(&h.subject, "the proposal")?;
        match self.proposals.insert(proposal.proposal_id.clone(), record) {
            None => Ok(()),
            Some(_) => Err(format!("proposal `{}` exists already", proposal.proposal_id)),
        }
    }

    fn proposal_is_open(&self, id: &ProposalId) -> bool {
        self.proposals.get(id).is_some_and(|p| !matches!(p.state, ProposalState::Allowed(..)))
    }

    fn move_proposal(
        &mut self,
        id: &ProposalId,
        step: impl FnOnce(ProposalState) -> Result<ProposalState, String>,
    ) -> Step {
        let Some(record) = self.proposals.get_mut(id) else {
            return Err(self.not_open("proposal", id));
        };
        if let Some(expires) = record.answer_due() {
            self.due.remove(&(expires, Due::Approval(id.clone())));
        }
        let from = std::mem::replace(&mut record.state, ProposalState::Closed(Ruling::Deny));
        record.state = step(from).map_err(|rule| format!("proposal `{id}`: {rule}"))?;
        if let Some(expires) = record.answer_due() {
            self.due.insert((expires, Due::Approval(id.clone())));
        }
        if let ProposalState::Closed(ruling) = record.state {
            let closed = Closed { begun: record.submitted, end: End::Ruled(ruling) };
            self.closed.insert(ClosedKey::of(&Subject::of("proposal", id)), closed);
            self.proposals.remove(id);
        }
        Ok(())
    }

    fn created_job(&mut self, h: &Header, data: &JobCreated) -> Step {
        let job = &data.job;
        self.move_proposal(&job.proposal_id, |state| state.minted(data.decision, &data.approvals))?;
        let record = JobRecord {
            job_id: job.job_id.clone(),
            proposal_id: job.proposal_id.clone(),
            created: h.seq,
            job: Box::new(job.clone()),
            state: JobState::Ready(0),
        };
        self.check_new(&h.subject, "the job")?;
        if self.jobs.insert(job.job_id.clone(), record).is_some() {
            return Err(format!("job `{}` exists already", job.job_id));
        }
        self.ready.insert(h.seq, job.job_id.clone());
        Ok(())
    }

    fn move_job(&mut self, id: &JobId, step: impl FnOnce(JobState, u32) -> Result<JobState, String>) -> Step {
        let Some(record) = self.jobs.get_mut(id) else {
            return Err(self.not_open("job", id));
        };
        if let JobState::Leased(lease) = &record.state {
            self.due.remove(&(lease.expires, Due::Lease(id.clone())));
        }
        self.ready.remove(&record.created);
        record.state =
            step(record.state.clone(), record.job.attempts_max).map_err(|rule| format!("job `{id}`: {rule}"))?;
        match &record.state {
            JobState::Ready(_) => {
                self.ready.insert(record.created, id.clone());
            }
            JobState::Leased(lease) => {
                self.due.insert((lease.expires, Due::Lease(id.clone())));
            }
            JobState::Lapsed(_) | JobState::Reported(..) => {}
        }
        Ok(())
    }

    fn job_ended(&mut self, subject: &Subject, data: &JobEnded, type_name: &'static str) -> Step {
        let id = &data.job_id;
        let record = self.jobs.get(id).ok_or_else(|| self.not_open("job", id))?;
        let end = record.state.ended(data, type_name).map_err(|rule| format!("job `{id}`: {rule}"))?;
        self.closed.insert(ClosedKey::of(subject), Closed { begun: record.created, end });
        self.jobs.remove(id);
        Ok(())
    }

    /// Why there is nothing that an event could be about.
    fn not_open(&self, kind: &str, id: impl std::fmt::Display) -> String {
        match self.closed(&Subject::of(kind, &id)) {
            Ok(Some(closed)) => format!("{kind} `{id}`: nothing can follow while it is {}", closed.end.name()),
            Ok(None) => format!("there is no {kind} `{id}`"),
            Err(unreadable) => unreadable.to_string(),
        }
    }

    /// Whether a subject begins that never was.
    fn check_new(&self, subject: &Subject, what: &str) -> Step {
        match self.closed(subject) {
            Ok(None) => Ok(()),
            Ok(Some(closed)) => Err(format!("{what} was there before, from event {} on", closed.begun)),
            Err(unreadable) => Err(unreadable.to_string()),
        }
    }

    fn job_moved(&mut self, event: &Event) -> Step {
        let h = &event.header;
        match &event.data {
            EventData::JobLeased(data) => {
                self.move_job(&data.job_id, |state, max| state.leased(h.seq, data, max))?;
                let runner = self.runners.get_mut(&data.lease.runner_id).ok_or("the runner is not registered")?;
                if runner.runner.public_key.key_id() != data.key_id {
                    return Err("the lease names a key that is not the runner's".into());
                }
                runner.last_lease = Some(h.seq);
            }
            EventData::JobLeaseExpired(data) => {
                self.move_job(&data.job_id, |state, max| state.lease_expired(h.time, data.attempt, max))?;
            }
            EventData::ResultRecorded(data) => {
                self.move_job(&data.result.job_id, |state, _| state.reported(h.seq, data))?;
            }
            _ => {}
        }
        Ok(())
    }
}
