//! A ledger in memory that runs real commands through `domain::decide::run`: what the tests of
//! this crate fold, and what the tests of the JSON Schemas validate.
//!
//! Every action is a method; a refused command leaves no event and is no failure.

use std::sync::Arc;

use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command, KeyChange};
use domain::content::{Content, Text};
use domain::decide::{Context, RunError, Sealed, check_signature, run};
use domain::event::approval::{Answer, Verb};
use domain::event::intent::Intent;
use domain::event::job::LeaseRequest;
use domain::event::key::{NewKey, Scope};
use domain::event::ledger::{Genesis, Profile, Restoration};
use domain::event::projection::ProjectionDigest;
use domain::event::proposal::{Finding, Proposal, Seed};
use domain::event::runner::NewRunner;
use domain::event::{Event, EventData, PrincipalKind};
use domain::id::{JobId, ProposalId};
use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use domain::state::State;
use domain::state::job::JobState;
use domain::state::proposal::ProposalState;
use domain::time::Timestamp;
use proof::note::SignerKey;
use proof::{Checkpoint, KeyName, SecretKey, TreeSize, sha256};
use serde_json::json;

pub(crate) use bodies::proposal;
use bodies::{MANIFEST, api_key, effect, id, public_key, result, secret};

#[path = "history/bodies.rs"]
mod bodies;

/// The log's name.
pub(crate) const ORIGIN: &str = "ledger.example/test";

/// What kind of proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads: allowed, and may be tried again.
    Read,
    /// Changes, reversibly: allowed, tried once.
    Write,
    /// Names no action: allowed, mints `echo`.
    Plain,
    /// Cannot be undone: a human is asked.
    Publish,
    /// Always needs a human, and is proposed by the admin, who may answer in a `dev` ledger.
    Merge,
    /// Wants secrets: denied.
    Secrets,
    /// Saw nothing: lacks evidence.
    Blind,
    /// A sensor found something: denied.
    Leaky,
}

/// How a runner reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Done.
    Completed,
    /// Tried.
    Failed,
    /// Refused.
    Rejected,
}

/// The ledger.
pub(crate) struct History {
    state: State,
    policy: Policy,
    root: SecretKey,
    event: SecretKey,
    runner: SecretKey,
    casey: SecretKey,
    approver: SecretKey,
    now: Timestamp,
    steps: u64,
    tree: proof::merkle::MemoryTree,
    /// Every event.
    pub(crate) events: Vec<Event>,
    /// Every payload.
    pub(crate) payloads: Vec<Vec<u8>>,
    /// Every leaf.
    pub(crate) leaves: Vec<Arc<Vec<u8>>>,
    /// Every proposal that was ever submitted, in order.
    pub(crate) proposals: Vec<ProposalId>,
    /// Every job that was ever minted, in order.
    pub(crate) jobs: Vec<JobId>,
}

impl History {
    /// A ledger with its genesis, a registered runner and keys for everybody.
    pub(crate) fn new() -> Self {
        Self::named(ORIGIN)
    }

    /// The same under another name.
    pub(crate) fn named(origin: &str) -> Self {
        let toml = [
            ("approvals.toml", include_str!("../../../policy/default/approvals.toml")),
            ("agents.toml", include_str!("../../../policy/default/agents.toml")),
            ("effects.toml", include_str!("../../../policy/default/effects.toml")),
        ];
        let manifest = Manifest::parse(MANIFEST.as_bytes()).unwrap();
        let policy = Policy::new(Bundle::compile(&toml).unwrap(), manifest);
        let mut history = Self {
            state: State::new(),
            policy,
            root: secret(1),
            event: secret(2),
            runner: secret(4),
            casey: secret(5),
            approver: secret(6),
            now: Timestamp::from_ms(1_800_000_000_000),
            steps: 0,
            tree: proof::merkle::MemoryTree::new(),
            events: Vec::new(),
            payloads: Vec::new(),
            leaves: Vec::new(),
            proposals: Vec::new(),
            jobs: Vec::new(),
        };
        history.found(origin);
        history
    }

    fn found(&mut self, origin: &str) {
        let vkey = |name: &str, key: &SecretKey| {
            SignerKey::new(KeyName::new(name).unwrap(), key.clone()).verifier().to_string()
        };
        let genesis = Genesis {
            origin: origin.into(),
            profile: Profile::Dev,
            root: vkey("root", &self.root),
            event: vkey("event", &self.event),
            checkpoint: vkey(origin, &secret(3)),
            policy: self.policy.bundle_digest(),
            manifest: self.policy.manifest_digest(),
            keys: vec![
                api_key("key_admin", PrincipalKind::Admin, "ops", &Scope::ALL),
                api_key("key_jordan", PrincipalKind::Agent, "Jordan", &[Scope::ProposalCreate]),
                api_key("key_legacy", PrincipalKind::Service, "legacy", &[Scope::RunnerResult]),
            ],
        };
        let root = self.root.clone();
        let head = SeenHead::empty();
        let authored = authored::sign(StatementKind::Genesis, origin, head, &genesis, &root).unwrap();
        self.run(&Command::CreateLedger { genesis, authored }).unwrap();
        let both = [Scope::ProposalApprove, Scope::ProposalDeny];
        let approver = public_key(&self.approver, PrincipalKind::Human, "sam", &both);
        self.enrol(approver);
        let casey = public_key(&self.casey, PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]);
        self.enrol(casey);
        let runner = NewRunner {
            runner_id: id("runner-1"),
            public_key: self.runner.public(),
            description: Some("in the test".into()),
        };
        let authored = self.signed(StatementKind::Runner, &runner, &root);
        self.run(&Command::RegisterRunner { runner, authored }).unwrap();
    }

    fn enrol(&mut self, key: NewKey) {
        let root = self.root.clone();
        let authored = Some(self.signed(StatementKind::Key, &key, &root));
        self.run(&Command::CreateKey { by: Caller::anonymous(), key, authored }).unwrap();
    }

    fn origin(&self) -> &str {
        self.state.ledger().map_or(ORIGIN, |info| &info.genesis.origin)
    }

    /// Events so far.
    pub(crate) fn size(&self) -> TreeSize {
        self.state.size()
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Runs a command as the sequencer would.
    pub(crate) fn run(&mut self, command: &Command) -> Result<Vec<Event>, RunError> {
        check_signature(&self.state, command).unwrap();
        self.steps += 1;
        self.now = self.now.plus_ms(1);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.steps.to_be_bytes());
        let context = Context { now: self.now, seed: Seed::new(seed), policy: &self.policy };
        let sealed = run(&mut self.state, command, &context)?;
        Ok(sealed.into_iter().map(|one| self.record(one)).collect())
    }

    fn record(&mut self, sealed: Sealed) -> Event {
        let Sealed { event, payload, .. } = sealed;
        let event = Event::clone(&event);
        if let EventData::ProposalSubmitted(e) = &event.data {
            self.proposals.push(e.proposal.proposal_id.clone());
        }
        if let EventData::JobCreated(e) = &event.data {
            self.jobs.push(e.job.job_id.clone());
        }
        let sig = proof::leaf::sign_event(&payload, &self.event);
        let leaf = proof::leaf::build_leaf(&payload, &self.event.public().key_id(), &sig);
        self.tree.push(proof::merkle::leaf_hash(&leaf));
        self.leaves.push(Arc::new(leaf));
        self.payloads.push(payload);
        self.events.push(event.clone());
        event
    }

    /// A statement by `key`, who has seen everything so far.
    fn signed<T: serde::Serialize>(&self, kind: StatementKind, body: &T, key: &SecretKey) -> proof::Envelope {
        let head = SeenHead { size: self.state.size(), root: self.tree.root() };
        authored::sign(kind, self.origin(), head, body, key).unwrap()
    }

    /// Lets time pass.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// States an intent without a key.
    pub(crate) fn intent(&mut self, name: &str) {
        let intent = Intent {
            intent_id: id(name),
            from: Some("Human".into()),
            mode: Some("fix".into()),
            goal: Text::Inline("Make the tests pass".into()),
            constraints: Some(Content::Inline(json!({"deadline": null, "share": 0.1}))),
        };
        let _ = self.run(&Command::CreateIntent { by: Caller::anonymous(), intent, authored: None });
    }

    /// Submits a proposal.
    pub(crate) fn propose(&mut self, name: &str, kind: Kind) {
        self.submit(proposal(name, kind), kind);
    }

    /// Submits a proposal in the place of one that lacked evidence.
    pub(crate) fn propose_instead(&mut self, name: &str, earlier: &str) {
        let kind = Kind::Write;
        let supersedes = Some(id(earlier));
        self.submit(Proposal { supersedes, ..proposal(name, kind) }, kind);
    }

    fn submit(&mut self, proposal: Proposal, kind: Kind) {
        let finding = || Finding { place: "/summary".into(), kind: "aws_key".into() };
        let findings = (kind == Kind::Leaky).then(finding).into_iter().collect();
        let (by, authored) = match kind {
            Kind::Publish | Kind::Leaky => (Caller::key(id("key_jordan")), None),
            Kind::Plain | Kind::Merge | Kind::Secrets => (Caller::key(id("key_admin")), None),
            Kind::Read | Kind::Write | Kind::Blind => {
                let key = self.casey.clone();
                let authored = self.signed(StatementKind::Proposal, &proposal, &key);
                (Caller::key(id(&key.public().key_id().to_string())), Some(authored))
            }
        };
        let proposal = Box::new(proposal);
        let _ = self.run(&Command::SubmitProposal { by, proposal, findings, authored });
    }

    /// Answers the question about a proposal, if it is open: signed, or with the admin's API key.
    pub(crate) fn answer(&mut self, proposal: &ProposalId, verb: Verb, signed: bool) {
        let Some(ProposalState::Waiting(_, ask)) = self.state.proposal(proposal).map(|p| &p.state) else {
            return;
        };
        let answer = Answer {
            proposal_id: proposal.clone(),
            verb,
            challenge: ask.challenge.clone(),
            reason: Some(Text::Inline("looked at it".into())),
        };
        let key = self.approver.clone();
        let (by, authored) = if signed {
            let authored = self.signed(StatementKind::Answer, &answer, &key);
            (Caller::key(id(&key.public().key_id().to_string())), Some(authored))
        } else {
            (Caller::key(id("key_admin")), None)
        };
        let _ = self.run(&Command::AnswerApproval { by, answer, authored });
    }

    /// Lets the question about a proposal lapse, if it is open.
    pub(crate) fn expire(&mut self, proposal: &ProposalId) {
        let due = self.state.proposal(proposal).and_then(domain::state::proposal::ProposalRecord::answer_due);
        let Some(due) = due else { return };
        self.now = self.now.max(due);
        let _ = self.run(&Command::ExpireApproval { proposal_id: proposal.clone() });
    }

    /// The runner takes the oldest job.
    pub(crate) fn lease(&mut self) {
        let tools = ["echo", "read_file", "write_file", "publish"].map(id);
        let request = LeaseRequest {
            runner_id: id("runner-1"),
            tools: tools.into_iter().collect(),
            manifest: self.policy.manifest_digest(),
        };
        let key = self.runner.clone();
        let authored = self.signed(StatementKind::Lease, &request, &key);
        let key_id = key.public().key_id();
        let seen = self.state.size();
        let _ = self.run(&Command::LeaseJob { request, key_id, seen, authored });
    }

    /// The runner reports on a job that it has.
    pub(crate) fn report(&mut self, job: &JobId, report: Report) {
        let Some(record) = self.state.job(job) else {
            return;
        };
        let (JobState::Leased(lease), job) = (&record.state, &record.job) else {
            return;
        };
        let result = result(job, lease.attempt, Some(lease.at), report);
        let key = self.runner.clone();
        let authored = Some(self.signed(StatementKind::Result, &result, &key));
        let by = Caller::key(id(&key.public().key_id().to_string()));
        let _ = self.run(&Command::RecordResult { by, result, authored });
    }

    /// A program without a warrant reports on a job that nobody leased.
    pub(crate) fn report_without_warrant(&mut self, job: &JobId) {
        let Some(work) = self.state.job(job).map(|record| record.job.clone()) else {
            return;
        };
        let result = result(&work, 0, None, Report::Completed);
        let by = Caller::key(id("key_legacy"));
        let _ = self.run(&Command::RecordResult { by, result, authored: None });
    }

    /// Lets a lease lapse.
    pub(crate) fn lapse(&mut self, job: &JobId) {
        let Some(JobState::Leased(lease)) = self.state.job(job).map(|record| &record.state) else {
            return;
        };
        self.now = self.now.max(lease.expires);
        let _ = self.run(&Command::ExpireLease { job_id: job.clone() });
    }

    /// Makes an API key.
    pub(crate) fn create_key(&mut self, name: &str) {
        let by = Caller::key(id("key_admin"));
        let mut key = api_key(name, PrincipalKind::Agent, "Riley", &[Scope::ProposalCreate]);
        key.effect_scopes = Some([effect("READ_REPO")].into());
        key.expires = Some(self.now.plus_ms(86_400_000));
        key.description = Some("for a day".into());
        key.max_risk = 0.4;
        let _ = self.run(&Command::CreateKey { by, key, authored: None });
    }

    /// Changes a key.
    pub(crate) fn change_key(&mut self, name: &str, change: KeyChange) {
        let by = Caller::key(id("key_admin"));
        let _ = self.run(&Command::ChangeKey { by, key_id: id(name), change });
    }

    /// Erases a body.
    pub(crate) fn erase(&mut self, body: &[u8]) {
        let by = Caller::key(id("key_admin"));
        let _ = self.run(&Command::EraseBlob { by, sha256: sha256(body), why: "asked for".into() });
    }

    /// States digests.
    pub(crate) fn attest(&mut self, position: TreeSize, projections: Vec<ProjectionDigest>) {
        self.run(&Command::AttestProjections { position, projections }).unwrap();
    }

    /// An admin says that the clock is right.
    pub(crate) fn confirm_clock(&mut self) {
        let time = self.now;
        self.run(&Command::ConfirmClock { by: Caller::key(id("key_admin")), time }).unwrap();
    }

    /// Goes on from a copy of all there is, when longer heads are known.
    pub(crate) fn restore(&mut self) {
        let (size, root) = (self.state.size(), self.tree.root());
        let signer = SignerKey::new(KeyName::new(self.origin()).unwrap(), secret(3));
        let known = Checkpoint { origin: self.origin().to_owned(), size: TreeSize::new(size.get() + 3), root };
        let restoration = Restoration { size, root, known: Some(known.sign(&signer)), why: "the disk is gone".into() };
        let authored = self.signed(StatementKind::Restoration, &restoration, &self.root);
        self.run(&Command::RestoreLedger { restoration, authored }).unwrap();
    }

    /// Something that no proposal is about.
    fn administer(&mut self, name: &str, pick: usize) {
        match pick % 6 {
            0 => self.erase(name.as_bytes()),
            1 => self.pass_ms(1_000),
            2 => self.restore(),
            5 => self.confirm_clock(),
            _ => {
                let key = format!("key_{name}");
                self.create_key(&key);
                self.change_key(&key, KeyChange::Disable);
            }
        }
    }

    /// One action, chosen by a byte: what property tests call.
    pub(crate) fn act(&mut self, choice: u8) {
        let name = format!("n{}", self.steps);
        let pick = usize::from(choice / 16);
        let proposal = self.proposals.iter().rev().nth(pick % 4).cloned();
        // Leases go to the oldest job that waits, so it is among the oldest that things happen.
        let is_open = |job: &&JobId| self.state.job(job).is_some();
        let job = self.jobs.iter().filter(is_open).nth(pick % 3).cloned();
        match (choice % 16, proposal, job) {
            (0, ..) => self.intent(&name),
            (1, ..) => self.propose(&name, Kind::Read),
            (2, ..) => self.propose(&name, Kind::Write),
            (3, ..) => self.propose(&name, Kind::Plain),
            (4, ..) => self.propose(&name, Kind::Publish),
            (5, ..) => self.propose(&name, Kind::Merge),
            (6, Some(earlier), _) if pick == 15 => self.propose_instead(&name, earlier.as_str()),
            (6, ..) => self.propose(&name, [Kind::Secrets, Kind::Blind, Kind::Leaky][pick % 3]),
            (7, Some(proposal), _) => self.answer(&proposal, Verb::Grant, pick % 2 == 0),
            (8, Some(proposal), _) => self.answer(&proposal, Verb::Deny, pick % 2 == 0),
            (9, Some(proposal), _) => self.expire(&proposal),
            (10 | 11, ..) => self.lease(),
            (12, _, Some(job)) => self.report(&job, Report::Completed),
            (13, _, Some(job)) => {
                self.report(&job, [Report::Failed, Report::Rejected][pick % 2]);
            }
            (14, _, Some(job)) => self.report_without_warrant(&job),
            (15, _, Some(job)) => self.lapse(&job),
            _ => self.administer(&name, pick),
        }
    }
}
