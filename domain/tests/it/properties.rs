//! Arbitrary sequences of commands. [`World::run`](crate::world::World::run) checks after each of them that a refusal
//! changed nothing, that `decide` and `apply` agree, that recovery and replay stand where the live state stands, and
//! that the laws hold; here are the sequences.

use crate::arbitrary::{KEYS, NAMES, Shape, shape};
use crate::material::{api_key, default_bundle, id, manifest, public_key, report, secret};
use crate::world::{World, by, by_signature};
use domain::authored::StatementKind;
use domain::command::{Caller, Command, KeyChange};
use domain::content::{Content, Text};
use domain::event::PrincipalKind;
use domain::event::approval::{Answer, Verb};
use domain::event::intent::Intent;
use domain::event::job::Job;
use domain::event::key::Scope;
use domain::event::result::{JobResult, ResultStatus};
use domain::id::JobId;
use domain::policy::Policy;
use domain::state::job::JobState;
use domain::state::key::KeyStatus;
use domain::state::proposal::ProposalState;
use domain::time::Timestamp;
use proof::index::TreeSize;
use proof::key::SecretKey;
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// What to do, and the choices that make it.
type Step = (u8, Shape);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((any::<u8>(), shape()), 1..80)
}

/// A world, and what was asked of it: anybody may send anything again.
struct Play {
    world: World,
    asked: Vec<Command>,
}

impl Play {
    fn new(prod: bool) -> Self {
        Self { world: if prod { World::prod() } else { World::dev() }, asked: Vec::new() }
    }

    fn act(&mut self, (what, shape): &Step) {
        let command = match what % 32 {
            0 | 1 => return self.pass_time(shape),
            2 => return self.change_policy(shape),
            3 => {
                self.world.seed = self.world.seed.saturating_sub(1);
                return;
            }
            4 | 5 => self.intent(shape),
            6..=12 => self.submission(shape),
            13..=16 => self.answer(shape),
            17 => Command::ExpireApproval { proposal_id: id(shape.any(0, &NAMES)) },
            18..=20 => self.lease(shape),
            21..=23 => self.result(shape),
            24 => Command::ExpireLease { job_id: self.job(shape) },
            25 => self.new_key(shape),
            26 => self.changed_key(shape),
            27 => self.new_runner(shape),
            28 => {
                let sha256 = shape.any(0, &[proof::hash::Hash::ZERO, self.world.policy.bundle_digest()]);
                Command::EraseBlob { by: by(shape.mostly(1, &["key_ops", "key_lee"])), sha256, why: "asked".into() }
            }
            29 => {
                let position = TreeSize::new(self.world.state.size().get() + shape.mostly(0, &[0, 1]));
                Command::AttestProjections { position, projections: Vec::new() }
            }
            31 => {
                let time = self.world.now.plus_ms(shape.mostly(0, &[60_000, 3_600_000]));
                Command::ConfirmClock { by: by("key_ops"), time }
            }
            30 => {
                let mut restoration = self.world.restoration(None);
                restoration.size = TreeSize::new(restoration.size.get() + shape.mostly(0, &[0, 1]));
                self.world.restored(&restoration)
            }
            _ if self.asked.is_empty() => return,
            _ => shape.any(0, &self.asked),
        };
        self.asked.push(command.clone());
        let _ = self.world.run(command);
    }

    fn pass_time(&mut self, shape: &Shape) {
        const MINUTE: u64 = 60_000;
        let now = self.world.now;
        self.world.now = match shape.any(0, &[0_u8, 1, 2, 3, 4]) {
            0 => now.plus_ms(1),
            1 => now.plus_ms(MINUTE),
            2 => now.plus_ms(61 * MINUTE),
            3 => Timestamp::from_ms(now.as_ms() - MINUTE),
            _ => self.world.state.next_due().map_or(now, |(due, _)| *due),
        };
    }

    fn change_policy(&mut self, shape: &Shape) {
        let mut bundle = default_bundle();
        let publishing = bundle.effects.get_mut("BUILD_ARTIFACT").unwrap();
        match shape.any(0, &[0_u8, 1, 2, 3]) {
            1 => publishing.approvals = Some(2),
            2 => publishing.signed_approval = true,
            3 => bundle.approvals.expire_minutes = 1,
            _ => {}
        }
        self.world.policy = Policy::new(bundle, manifest());
    }

    fn intent(&self, shape: &Shape) -> Command {
        let constraints =
            shape.any(0, &[json!({"n": 1.0}), json!(null), json!({"n": 1e300}), json!(u64::MAX), json!(-0.0)]);
        let intent = Intent {
            intent_id: id(shape.any(1, &["intent-1", "intent-2"])),
            from: None,
            mode: None,
            goal: Text::Inline(shape.any(2, &["this", "that"]).into()),
            constraints: Some(Content::Inline(constraints)),
        };
        let signed = |by: Caller, key: &SecretKey| (by, Some(self.world.signed(StatementKind::Intent, &intent, key)));
        let casey = &self.world.casey;
        let (by, authored) = match shape.any(3, &[0_u8, 1, 2, 3]) {
            0 => (Caller::anonymous(), None),
            // What JSON cannot carry cannot be signed either.
            _ if proof::canonical::to_vec(&intent).is_err() => (by(shape.any(4, &KEYS)), None),
            1 => (by(shape.any(4, &KEYS)), None),
            2 => signed(by_signature(casey), casey),
            _ => signed(Caller::anonymous(), casey),
        };
        Command::CreateIntent { by, intent, authored }
    }

    fn submission(&self, shape: &Shape) -> Command {
        let name = shape.any(19, &NAMES);
        let casey = &self.world.casey;
        match shape.any(20, &[0_u8, 0, 0, 1, 1, 2, 3, 4]) {
            0 => shape.submission(name),
            1 => {
                // Some proposals cannot be written down at all, let alone signed.
                let proposal = shape.proposal(name);
                if proof::canonical::to_vec(&proposal).is_err() {
                    return shape.submission(name);
                }
                let authored = Some(self.world.signed(StatementKind::Proposal, &proposal, casey));
                let (by, findings) = (by_signature(casey), shape.findings());
                Command::SubmitProposal { by, proposal: Box::new(proposal), findings, authored }
            }
            2 => shape.signerless(name, casey),
            3 => {
                let proposal = crate::material::publish(name);
                let authored = Some(self.world.signed(StatementKind::Proposal, &proposal, &self.world.sam));
                Command::SubmitProposal {
                    by: by_signature(casey),
                    proposal: Box::new(proposal),
                    findings: Vec::new(),
                    authored,
                }
            }
            _ => self.publication(shape),
        }
    }

    /// A proposal that a human is asked about, under a name that is free.
    fn publication(&self, shape: &Shape) -> Command {
        let free = NAMES.iter().find(|name| self.world.state.proposal(&id(name)).is_none());
        let proposal = Box::new(crate::material::publish(free.unwrap_or(&NAMES[0])));
        let by = by(shape.mostly(18, &["key_jordan", "key_ops", "key_lee"]));
        Command::SubmitProposal { by, proposal, findings: Vec::new(), authored: None }
    }

    fn answer(&self, shape: &Shape) -> Command {
        let open = NAMES.iter().find_map(|name| match self.world.state.proposal(&id(name)).map(|p| &p.state) {
            Some(ProposalState::Waiting(_, ask)) => Some(ask.challenge.clone()),
            _ => None,
        });
        let earlier = self.asked.iter().rev().find_map(|command| match command {
            Command::AnswerApproval { answer, .. } => Some(answer.challenge.clone()),
            _ => None,
        });
        let challenge = if shape.mostly(0, &[false, true]) { earlier.or(open) } else { open.or(earlier) };
        let Some(mut challenge) = challenge else {
            return self.publication(shape);
        };
        if shape.mostly(2, &[false, false, true]) {
            challenge.nonce.push('0');
        }
        let verb = shape.mostly(3, &[Verb::Grant, Verb::Deny]);
        let answer = Answer { proposal_id: challenge.proposal_id.clone(), verb, challenge, reason: None };
        let (sam, kim) = (&self.world.sam, &self.world.kim);
        let (by, signer) = match shape.any(4, &[0_u8, 1, 2, 3, 4, 5]) {
            0 => (by_signature(sam), Some(sam)),
            1 => (by_signature(kim), Some(kim)),
            2 => (by_signature(sam), Some(kim)),
            3 => (by_signature(sam), None),
            _ => (by(shape.any(5, &KEYS)), None),
        };
        let authored = signer.map(|key| self.world.signed(StatementKind::Answer, &answer, key));
        Command::AnswerApproval { by, answer, authored }
    }

    fn lease(&self, shape: &Shape) -> Command {
        let mut request = self.world.request(shape.mostly(0, &["runner-1", "runner-2", "runner-9"]));
        match shape.mostly(1, &[0_u8, 1, 2]) {
            1 => request.tools = [id("echo"), id("read_file")].into(),
            2 => request.manifest = proof::hash::Hash::ZERO,
            _ => {}
        }
        let size = self.world.state.size().get();
        let seen = TreeSize::new(shape.mostly(2, &[size, size - 3, 0, size + 1]));
        let right = if request.runner_id.as_str() == "runner-2" { &self.world.runner_2 } else { &self.world.runner };
        let key = shape.mostly(3, &[right, &self.world.sam]);
        let authored = World::signed_at(seen, StatementKind::Lease, &request, key);
        Command::LeaseJob { request, key_id: right.public().key_id(), seen, authored }
    }

    fn jobs(&self) -> Vec<Job> {
        let created = self.world.events().filter_map(|event| match &event.data {
            domain::event::EventData::JobCreated(created) => Some(created.job.clone()),
            _ => None,
        });
        created.collect()
    }

    fn job(&self, shape: &Shape) -> JobId {
        let jobs = self.jobs();
        if jobs.is_empty() { id("job-0") } else { shape.any(1, &jobs).job_id }
    }

    fn result(&self, shape: &Shape) -> Command {
        let jobs = self.jobs();
        let leased =
            |job: &&Job| matches!(self.world.state.job(&job.job_id).map(|r| &r.state), Some(JobState::Leased(_)));
        let Some(job) = jobs.iter().find(leased).or(jobs.first()) else {
            return Command::ExpireLease { job_id: id("job-0") };
        };
        let job = shape.mostly(0, &[job, &jobs[jobs.len() - 1]]);
        let lease = match self.world.state.job(&job.job_id).map(|r| &r.state) {
            Some(JobState::Leased(lease)) => Some(lease.clone()),
            _ => None,
        };
        let status = shape.mostly(1, &[ResultStatus::Completed, ResultStatus::Failed, ResultStatus::Rejected]);
        let attempt = lease.as_ref().map_or(0, |lease| lease.attempt) + shape.mostly(2, &[0, 0, 1]);
        let mut result = report(job, lease.as_ref().map(|lease| lease.at), attempt, status);
        match shape.mostly(3, &[0_u8, 1, 2, 3]) {
            1 => result.artifacts.clear(),
            2 => result.actions.clear(),
            3 => result.actions.iter_mut().for_each(|action| action.duration_ms = u64::MAX),
            _ => {}
        }
        self.recorded(shape, result, lease.is_some())
    }

    fn recorded(&self, shape: &Shape, result: JobResult, leased: bool) -> Command {
        let unsigned = !leased || shape.mostly(4, &[false, false, true]);
        let sane = result.actions.iter().all(|action| action.duration_ms < u64::MAX);
        if unsigned || !sane {
            return Command::RecordResult {
                by: by(shape.mostly(5, &["key_legacy", "key_ops", "key_casey"])),
                result,
                authored: None,
            };
        }
        let first = self.world.runner.clone();
        let holder = match self.world.state.job(&result.job_id).map(|r| &r.state) {
            Some(JobState::Leased(lease)) if lease.runner_id.as_str() == "runner-2" => self.world.runner_2.clone(),
            _ => first.clone(),
        };
        let key = shape.mostly(6, &[holder, first, self.world.sam.clone()]);
        let authored = Some(self.world.signed(StatementKind::Result, &result, &key));
        Command::RecordResult { by: by_signature(&key), result, authored }
    }

    fn new_key(&self, shape: &Shape) -> Command {
        use PrincipalKind as K;
        let kind = shape.any(0, &[K::Human, K::Agent, K::Admin, K::Service, K::Runner, K::Root, K::Anonymous]);
        let scopes = shape.any(1, &[vec![Scope::ProposalCreate], vec![Scope::ProposalApprove], Scope::ALL.to_vec()]);
        let name = shape.any(2, &["lee", "Casey", "eve"]);
        let mut key = match shape.any(3, &[0_u8, 1]) {
            0 => api_key(shape.any(4, &["key_new", "key_lee", "new"]), kind, name, &scopes),
            _ => public_key(shape.any(4, &[&secret(30), &self.world.runner, &secret(2)]), kind, name, &scopes),
        };
        key.expires = shape.mostly(5, &[None, Some(0), Some(60_000)]).map(|ms| self.world.now.plus_ms(ms));
        key.effect_scopes = shape.mostly(6, &[None, Some(crate::material::effects(&["READ_REPO"]))]);
        key.max_risk = shape.mostly(7, &[1.0, 0.2, 7.0]);
        let root = &self.world.root;
        let (by, authored) = match shape.any(8, &[0_u8, 1, 2]) {
            0 => (Caller::anonymous(), Some(self.world.signed(StatementKind::Key, &key, root))),
            1 => (by(shape.mostly(9, &["key_ops", "key_casey"])), None),
            _ => (Caller::anonymous(), Some(self.world.signed(StatementKind::Key, &key, &self.world.sam))),
        };
        Command::CreateKey { by, key, authored }
    }

    fn changed_key(&self, shape: &Shape) -> Command {
        let stopped = self.world.state.keys().find(|record| record.status == KeyStatus::Disabled);
        let change = shape.any(0, &[KeyChange::Disable, KeyChange::Enable, KeyChange::Delete]);
        let key_id = match stopped {
            Some(record) if shape.mostly(2, &[true, false]) => record.key.key_id.clone(),
            _ => id(shape.any(3, &KEYS)),
        };
        Command::ChangeKey { by: by(shape.mostly(1, &["key_ops", "key_lee"])), key_id, change }
    }

    fn new_runner(&self, shape: &Shape) -> Command {
        let runner = domain::event::runner::NewRunner {
            runner_id: id(shape.any(0, &["runner-1", "runner-9"])),
            public_key: shape
                .any(1, &[secret(31), self.world.runner.clone(), self.world.sam.clone(), secret(1)])
                .public(),
            description: None,
        };
        let key = shape.mostly(2, &[&self.world.root, &self.world.sam]);
        let authored = self.world.signed(StatementKind::Runner, &runner, key);
        Command::RegisterRunner { runner, authored }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_the_log_can_be_replayed(steps in steps(), prod in any::<bool>()) {
        let mut play = Play::new(prod);
        for step in &steps {
            play.act(step);
        }
        play.world.replay();
    }
}

#[test]
fn the_sequences_reach_every_type_of_event() {
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let (types, total) = (RefCell::new(BTreeSet::new()), RefCell::new(0));
    TestRunner::new_with_rng(config, rng)
        .run(&(steps(), any::<bool>()), |(steps, prod)| {
            let mut play = Play::new(prod);
            for step in &steps {
                play.act(step);
            }
            types.borrow_mut().extend(play.world.events().map(|event| event.data.type_name()));
            *total.borrow_mut() += play.world.state.size().get();
            Ok(())
        })
        .unwrap();
    let missing: Vec<_> =
        domain::event::EventData::TYPES.iter().filter(|name| !types.borrow().contains(*name)).collect();
    assert!(missing.is_empty(), "of {} events none is one of {missing:?}", total.borrow());
}
