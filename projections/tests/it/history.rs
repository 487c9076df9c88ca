//! A ledger in memory that runs real commands through `domain::decide::run`: what the tests of
//! this crate fold, and what the tests of the JSON Schemas validate.
//!
//! Every action is a method; a refused command leaves no event and is no failure.

use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command, KeyChange};
use domain::content::{Content, Text};
use domain::decide::{Context, RunError, Sealed, check_signature, run};
use domain::event::approval::{Answer, Verb};
use domain::event::intent::Intent;
use domain::event::job::LeaseRequest;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::ledger::{Genesis, Profile};
use domain::event::projection::ProjectionDigest;
use domain::event::proposal::{Action, Claim, Finding, Observation, Proposal, Seed, TruthAccount};
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
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
use proof::{Commitment, KeyName, LeafIndex, Salt, SecretKey, TreeSize, sha256};
use serde_json::json;

/// The log's name.
pub const ORIGIN: &str = "ledger.example/test";

const MANIFEST: &str = r#"{
  "version": "1",
  "tools": {
    "echo": {
      "description": "Says it back", "effects": [], "timeout_seconds": 5, "write_scope": "none",
      "modes": ["commit", "draft", "preview"], "inputs": {"message": {"type": "string", "required": true}}
    },
    "read_file": {
      "description": "Reads a file", "effects": ["READ_REPO"], "timeout_seconds": 5, "write_scope": "none",
      "modes": ["commit"], "inputs": {"path": {"type": "string", "required": true}, "options": {"type": "object"}}
    },
    "write_file": {
      "description": "Writes a file", "effects": ["WRITE_PATCH"], "timeout_seconds": 10, "write_scope": "sandbox",
      "modes": ["commit"], "inputs": {"path": {"type": "string", "required": true}, "text": {"type": "string"}}
    },
    "publish": {
      "description": "Publishes a built file", "effects": ["BUILD_ARTIFACT"], "timeout_seconds": 10,
      "write_scope": "staging", "modes": ["commit"], "inputs": {"path": {"type": "string", "required": true}}
    }
  }
}"#;

/// What kind of proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads: allowed, and may be tried again.
    Read,
    /// Changes, reversibly: allowed, tried once.
    Write,
    /// Names no action: allowed, mints `echo`.
    Plain,
    /// Cannot be undone: a human is asked.
    Publish,
    /// Wants secrets: denied.
    Secrets,
    /// Saw nothing: lacks evidence.
    Blind,
    /// A sensor found something: denied.
    Leaky,
}

/// How a runner reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Done.
    Completed,
    /// Tried.
    Failed,
    /// Refused.
    Rejected,
}

/// The ledger.
pub struct History {
    state: State,
    policy: Policy,
    root: SecretKey,
    event: SecretKey,
    runner: SecretKey,
    casey: SecretKey,
    approver: SecretKey,
    now: Timestamp,
    steps: u64,
    /// Every event.
    pub events: Vec<Event>,
    /// Every payload.
    pub payloads: Vec<Vec<u8>>,
    /// Every leaf.
    pub leaves: Vec<Vec<u8>>,
    /// Every proposal that was ever submitted, in order.
    pub proposals: Vec<ProposalId>,
    /// Every job that was ever minted, in order.
    pub jobs: Vec<JobId>,
}

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn secret(byte: u8) -> SecretKey {
    SecretKey::from_seed([byte; 32])
}

fn api_key(name: &str, kind: PrincipalKind, principal: &str, scopes: &[Scope]) -> NewKey {
    NewKey {
        key_id: id(name),
        credential: Credential::Api(sha256(name.as_bytes())),
        principal: Principal { kind, id: id(principal) },
        scopes: scopes.iter().copied().collect(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    }
}

fn public_key(key: &SecretKey, kind: PrincipalKind, principal: &str, scopes: &[Scope]) -> NewKey {
    NewKey {
        key_id: id(&key.public().key_id().to_string()),
        credential: Credential::Ed25519(key.public()),
        ..api_key("key_unused", kind, principal, scopes)
    }
}

impl History {
    /// A ledger with its genesis, a registered runner and keys for everybody.
    pub fn new() -> Self {
        Self::named(ORIGIN)
    }

    /// The same under another name.
    pub fn named(origin: &str) -> Self {
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
        self.run(Command::CreateLedger { genesis, authored }).unwrap();
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
        self.run(Command::RegisterRunner { runner, authored }).unwrap();
    }

    fn enrol(&mut self, key: NewKey) {
        let root = self.root.clone();
        let authored = Some(self.signed(StatementKind::Key, &key, &root));
        self.run(Command::CreateKey { by: Caller::anonymous(), key, authored }).unwrap();
    }

    fn origin(&self) -> &str {
        self.state.ledger().map_or(ORIGIN, |info| &info.genesis.origin)
    }

    /// Events so far.
    pub fn size(&self) -> TreeSize {
        self.state.size()
    }

    /// The state behind the last event.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Runs a command as the sequencer would.
    pub fn run(&mut self, command: Command) -> Result<Vec<Event>, RunError> {
        check_signature(&self.state, &command).unwrap();
        self.steps += 1;
        self.now = self.now.plus_ms(1);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.steps.to_be_bytes());
        let context = Context { now: self.now, seed: Seed::new(seed), policy: &self.policy };
        let sealed = run(&mut self.state, &command, &context)?;
        Ok(sealed.into_iter().map(|one| self.record(one)).collect())
    }

    fn record(&mut self, sealed: Sealed) -> Event {
        let Sealed { event, payload } = sealed;
        match &event.data {
            EventData::ProposalSubmitted(e) => self.proposals.push(e.proposal.proposal_id.clone()),
            EventData::JobCreated(e) => self.jobs.push(e.job.job_id.clone()),
            _ => {}
        }
        let sig = proof::leaf::sign_event(&payload, &self.event);
        self.leaves.push(proof::leaf::build_leaf(&payload, &self.event.public().key_id(), &sig));
        self.payloads.push(payload);
        self.events.push(event.clone());
        event
    }

    /// A statement by `key`, who has seen everything so far.
    fn signed<T: serde::Serialize>(
        &self,
        kind: StatementKind,
        body: &T,
        key: &SecretKey,
    ) -> proof::Envelope {
        let mut tree = proof::merkle::MemoryTree::new();
        self.leaves.iter().for_each(|leaf| tree.push(leaf));
        let head = SeenHead { size: self.state.size(), root: tree.root() };
        authored::sign(kind, self.origin(), head, body, key).unwrap()
    }

    /// Lets time pass.
    pub fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// States an intent without a key.
    pub fn intent(&mut self, name: &str) {
        let intent = Intent {
            intent_id: id(name),
            from: Some("Human".into()),
            mode: Some("fix".into()),
            goal: Text::Inline("Make the tests pass".into()),
            constraints: Some(Content::Inline(json!({"deadline": null, "share": 0.1}))),
        };
        let _ = self.run(Command::CreateIntent { by: Caller::anonymous(), intent, authored: None });
    }

    /// Submits a proposal.
    pub fn propose(&mut self, name: &str, kind: Kind) {
        let proposal = proposal(name, kind);
        let findings = match kind {
            Kind::Leaky => vec![Finding { place: "/summary".into(), kind: "aws_key".into() }],
            _ => Vec::new(),
        };
        let (by, authored) = match kind {
            Kind::Publish | Kind::Leaky => (Caller::key(id("key_jordan")), None),
            Kind::Plain | Kind::Secrets => (Caller::key(id("key_admin")), None),
            Kind::Read | Kind::Write | Kind::Blind => {
                let key = self.casey.clone();
                let authored = self.signed(StatementKind::Proposal, &proposal, &key);
                (Caller::key(id(&key.public().key_id().to_string())), Some(authored))
            }
        };
        let proposal = Box::new(proposal);
        let _ = self.run(Command::SubmitProposal { by, proposal, findings, authored });
    }

    /// Answers the question about a proposal, if it is open: signed, or with the admin's API key.
    pub fn answer(&mut self, proposal: &ProposalId, verb: Verb, signed: bool) {
        let Some(ProposalState::Waiting(_, ask)) = self.state.proposal(proposal).map(|p| &p.state)
        else {
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
        let _ = self.run(Command::AnswerApproval { by, answer, authored });
    }

    /// Lets the question about a proposal lapse, if it is open.
    pub fn expire(&mut self, proposal: &ProposalId) {
        let due = self.state.proposal(proposal).and_then(domain::state::proposal::ProposalRecord::answer_due);
        let Some(due) = due else { return };
        self.now = self.now.max(due);
        let _ = self.run(Command::ExpireApproval { proposal_id: proposal.clone() });
    }

    /// The runner takes the oldest job.
    pub fn lease(&mut self) {
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
        let _ = self.run(Command::LeaseJob { request, key_id, seen, authored });
    }

    /// The runner reports on a job that it has.
    pub fn report(&mut self, job: &JobId, report: Report) {
        let Some(record) = self.state.job(job) else { return };
        let (JobState::Leased(lease), Some(job)) = (&record.state, &record.job) else { return };
        let result = result(job, lease.attempt, Some(lease.at), report);
        let key = self.runner.clone();
        let authored = Some(self.signed(StatementKind::Result, &result, &key));
        let by = Caller::key(id(&key.public().key_id().to_string()));
        let _ = self.run(Command::RecordResult { by, result, authored });
    }

    /// A program without a warrant reports on a job that nobody leased.
    pub fn report_without_warrant(&mut self, job: &JobId) {
        let Some(work) = self.state.job(job).and_then(|record| record.job.clone()) else { return };
        let result = result(&work, 0, None, Report::Completed);
        let by = Caller::key(id("key_legacy"));
        let _ = self.run(Command::RecordResult { by, result, authored: None });
    }

    /// Lets a lease lapse.
    pub fn lapse(&mut self, job: &JobId) {
        let Some(JobState::Leased(lease)) = self.state.job(job).map(|record| &record.state) else {
            return;
        };
        self.now = self.now.max(lease.expires);
        let _ = self.run(Command::ExpireLease { job_id: job.clone() });
    }

    /// Makes an API key.
    pub fn create_key(&mut self, name: &str) {
        let by = Caller::key(id("key_admin"));
        let mut key = api_key(name, PrincipalKind::Agent, "Riley", &[Scope::ProposalCreate]);
        key.effect_scopes = Some([effect("READ_REPO")].into());
        key.expires = Some(self.now.plus_ms(86_400_000));
        key.description = Some("for a day".into());
        key.max_risk = 0.4;
        let _ = self.run(Command::CreateKey { by, key, authored: None });
    }

    /// Changes a key.
    pub fn change_key(&mut self, name: &str, change: KeyChange) {
        let by = Caller::key(id("key_admin"));
        let _ = self.run(Command::ChangeKey { by, key_id: id(name), change });
    }

    /// Erases a body.
    pub fn erase(&mut self, body: &[u8]) {
        let by = Caller::key(id("key_admin"));
        let _ = self.run(Command::EraseBlob { by, sha256: sha256(body), why: "asked for".into() });
    }

    /// States digests.
    pub fn attest(&mut self, position: TreeSize, projections: Vec<ProjectionDigest>) {
        self.run(Command::AttestProjections { position, projections }).unwrap();
    }

    /// One action, chosen by a byte: what property tests call.
    pub fn act(&mut self, choice: u8) {
        let name = format!("n{}", self.steps);
        let pick = usize::from(choice / 16);
        let proposal = self.proposals.iter().rev().nth(pick % 4).cloned();
        let job = self.jobs.iter().rev().nth(pick % 4).cloned();
        match (choice % 16, proposal, job) {
            (0, ..) => self.intent(&name),
            (1, ..) => self.propose(&name, Kind::Read),
            (2, ..) => self.propose(&name, Kind::Write),
            (3, ..) => self.propose(&name, Kind::Plain),
            (4 | 5, ..) => self.propose(&name, Kind::Publish),
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
            _ => self.create_key(&format!("key_{name}")),
        }
    }
}

fn effect(name: &str) -> domain::effect::Effect {
    domain::effect::Effect::new(name).unwrap()
}

fn body(text: &str) -> Commitment {
    Commitment::new(&Salt::new([7; 32]), text.as_bytes(), "text/plain; charset=utf-8")
}

fn action(tool: &str, inputs: serde_json::Value, bodies: &[(&str, &str)]) -> Action {
    Action {
        tool: id(tool),
        inputs: serde_json::from_value(inputs).unwrap(),
        bodies: bodies.iter().map(|(name, text)| ((*name).to_owned(), body(text))).collect(),
    }
}

fn proposal(name: &str, kind: Kind) -> Proposal {
    let (agent, effects): (_, &[&str]) = match kind {
        Kind::Read => ("Casey", &["READ_REPO"]),
        Kind::Write | Kind::Blind => ("Casey", &["WRITE_PATCH"]),
        Kind::Plain => ("Riley", &["READ_REPO"]),
        Kind::Publish | Kind::Leaky => ("Jordan", &["BUILD_ARTIFACT"]),
        Kind::Secrets => ("Casey", &["READ_SECRETS"]),
    };
    // Numbers that a careless reader of JSON would read back as their neighbours.
    let odd = json!({"share": 0.1, "tiny": 5e-324, "near": 4.35, "third": 1.0 / 3.0, "whole": 2.0});
    let actions = match kind {
        Kind::Read => {
            vec![action("read_file", json!({"path": "src/lib.rs", "options": odd}), &[])]
        }
        Kind::Write => vec![action("write_file", json!({"path": "a"}), &[("text", "new text")])],
        Kind::Publish => vec![action("publish", json!({"path": "target/a"}), &[])],
        Kind::Plain | Kind::Secrets | Kind::Blind | Kind::Leaky => Vec::new(),
    };
    let seen = Observation {
        text: Text::Inline("the test `adds` fails".into()),
        kind: Some("test_run".into()),
        cites: vec![0],
    };
    let committed =
        Observation { text: Text::Committed { commit: body("long") }, kind: None, cites: Vec::new() };
    let blind = kind == Kind::Blind;
    let claim = Claim { confidence: Some(0.9), claim: Content::Inline(json!("it will pass")) };
    let long_claim = Claim { confidence: Some(1.0), claim: Content::Committed(body("claim")) };
    Proposal {
        proposal_id: id(name),
        intent_id: id("i1"),
        agent: id(agent),
        summary: Text::Inline(format!("{kind:?}")),
        effects: effects.iter().map(|name| effect(name)).collect(),
        truth_account: TruthAccount {
            observations: if blind { Vec::new() } else { vec![seen, committed] },
            claims: vec![claim, long_claim],
        },
        artifacts: vec![[("name".to_owned(), Text::Inline("plan.md".into()))].into()],
        actions,
        risk_score: Some(0.25),
        deployment_envelope: (kind == Kind::Write).then(|| json!({"model_id": "m", "model_source": "open"})),
        reversibility_class: Some(
            if kind == Kind::Publish { "IRREVERSIBLE" } else { "REVERSIBLE" }.into(),
        ),
        rollback_proof: Some(json!({"description": "git revert", "manual_steps": ["revert"], "n": odd})),
        execution_mode: Some("commit".into()),
        cleanup_cost: Some("MEDIUM".into()),
        supersedes: None,
    }
}

fn result(
    job: &domain::event::job::Job,
    attempt: u32,
    lease: Option<LeafIndex>,
    report: Report,
) -> JobResult {
    let completed = report == Report::Completed;
    let actions = job.actions.iter().map(|action| ActionResult {
        tool: action.tool.clone(),
        completed,
        exit_code: Some(i32::from(!completed)),
        output: Some(Text::Committed { commit: body("output") }),
        detail: (!completed).then(|| "exit code 1".to_owned()),
        duration_ms: 12,
    });
    let file = Artifact {
        kind: "file".into(),
        path: "target/a".into(),
        sha256: sha256(b"a"),
        length: 1,
    };
    JobResult {
        job_id: job.job_id.clone(),
        attempt,
        lease,
        status: match report {
            Report::Completed => ResultStatus::Completed,
            Report::Failed => ResultStatus::Failed,
            Report::Rejected => ResultStatus::Rejected,
        },
        actions: if report == Report::Rejected { Vec::new() } else { actions.collect() },
        artifacts: if completed { vec![file] } else { Vec::new() },
        confinement: Some("landlock".into()),
        detail: (!completed).then(|| "did not succeed".to_owned()),
    }
}
