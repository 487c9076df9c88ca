//! A small ledger: it decides with `domain`, signs and keeps leaves in memory, and stands for the real one here.

use crate::material::{ORIGIN, api_key, id, patch, policy, public_key, publish, read, report, secret, secrets, signer};
use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command};
use domain::content::Text;
use domain::decide::{Context, Sealed, check_signature, run};
use domain::event::approval::{Answer, Verb};
use domain::event::intent::Intent;
use domain::event::job::{Job, LeaseRequest};
use domain::event::key::Scope;
use domain::event::ledger::{Genesis, Profile};
use domain::event::projection::ProjectionDigest;
use domain::event::proposal::{Proposal, Seed};
use domain::event::runner::NewRunner;
use domain::event::{EventData, PrincipalKind};
use domain::policy::Policy;
use domain::state::State;
use domain::state::proposal::ProposalState;
use domain::time::Timestamp;
use domain::view::{ALL, Folded};
use proof::dsse::Envelope;
use proof::leaf::{build_leaf, sign_event};
use proof::merkle::{MemoryTree, leaf_hash, root_at};
use proof::{LeafIndex, SecretKey, TreeSize, VerifierKey};
use serde::Serialize;

/// The ledger's keys.
pub(crate) fn root_key() -> SecretKey {
    secret(1)
}

pub(crate) fn event_key() -> SecretKey {
    secret(2)
}

pub(crate) fn checkpoint_key() -> proof::SignerKey {
    signer(ORIGIN, &secret(3))
}

pub(crate) fn checkpoint_vkey() -> VerifierKey {
    checkpoint_key().verifier()
}

/// A runner, an approver and an agent with keys of their own.
pub(crate) fn runner() -> SecretKey {
    secret(4)
}

pub(crate) fn sam() -> SecretKey {
    secret(6)
}

pub(crate) fn casey() -> SecretKey {
    secret(8)
}

/// Signs a payload and puts it into a leaf.
pub(crate) fn leaf_of(payload: &[u8], key: &SecretKey) -> Vec<u8> {
    build_leaf(payload, &key.public().key_id(), &sign_event(payload, key))
}

pub(crate) struct Ledger {
    pub(crate) policy: Policy,
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) tree: MemoryTree,
    state: State,
    now: Timestamp,
    seed: u64,
    views: Vec<Folded>,
}

impl Ledger {
    /// A `dev` ledger with everybody enrolled: six events.
    pub(crate) fn new() -> Self {
        Self::with_policy(policy())
    }

    /// The same under another policy.
    pub(crate) fn with_policy(policy: Policy) -> Self {
        let mut ledger = Self {
            policy,
            leaves: Vec::new(),
            tree: MemoryTree::new(),
            state: State::new(),
            now: Timestamp::from_ms(1_800_000_000_000),
            seed: 0,
            views: ALL.into_iter().map(Folded::new).collect(),
        };
        ledger.found();
        let approve = [Scope::ProposalApprove, Scope::ProposalDeny];
        for key in [
            public_key(&sam(), PrincipalKind::Human, "sam", &approve),
            public_key(&casey(), PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]),
        ] {
            let authored = Some(ledger.signed(StatementKind::Key, &key, &root_key()));
            ledger.run(&Command::CreateKey { by: Caller::anonymous(), key, authored });
        }
        let new = NewRunner { runner_id: id("runner-1"), public_key: runner().public(), description: None };
        let authored = ledger.signed(StatementKind::Runner, &new, &root_key());
        ledger.run(&Command::RegisterRunner { runner: new, authored });
        ledger
    }

    fn found(&mut self) {
        let genesis = Genesis {
            origin: ORIGIN.into(),
            profile: Profile::Dev,
            root: signer("root", &root_key()).verifier().to_string(),
            event: signer("event", &event_key()).verifier().to_string(),
            checkpoint: checkpoint_vkey().to_string(),
            policy: self.policy.bundle_digest(),
            manifest: self.policy.manifest_digest(),
            keys: vec![
                api_key("key_ops", PrincipalKind::Admin, "ops", &Scope::ALL),
                api_key("key_lee", PrincipalKind::Human, "lee", &[Scope::ProposalCreate, Scope::ProposalApprove]),
                api_key("key_jordan", PrincipalKind::Agent, "Jordan", &[Scope::ProposalCreate]),
            ],
        };
        let authored = self.signed(StatementKind::Genesis, &genesis, &root_key());
        self.run(&Command::CreateLedger { genesis, authored });
    }

    /// A ledger in which something of every kind happened; see [`Story`] for where.
    pub(crate) fn story() -> (Self, Story) {
        let mut ledger = Self::new();
        ledger.intend("intent-1");
        let read = ledger.propose_signed(read("p-read"));
        let secrets = ledger.propose_signed(secrets("p-secrets"));
        let patch = ledger.propose("key_lee", patch("p-patch"));
        let attested = ledger.attest(ledger.state.size());
        let publish = ledger.propose("key_jordan", publish("p-publish"));
        let approval = ledger.approve("p-publish");
        let result = ledger.work();
        ledger.attest(TreeSize::new(ledger.state.size().get() - 2));
        let at = |group: &[Sealed]| group[0].event.header.seq.get();
        let story = Story {
            read: at(&read),
            secrets: at(&secrets),
            patch: at(&patch),
            attested: at(&attested),
            publish: at(&publish),
            approval: at(&approval),
            lease: at(&result) - 1,
            result: at(&result),
        };
        (ledger, story)
    }

    /// Decides, signs and keeps.
    pub(crate) fn run(&mut self, command: &Command) -> Vec<Sealed> {
        self.seed += 1;
        self.now = self.now.plus_ms(7);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        let context = Context { now: self.now, seed: Seed::new(seed), policy: &self.policy };
        check_signature(&self.state, command).unwrap();
        let sealed = run(&mut self.state, command, &context).unwrap();
        for one in &sealed {
            let leaf = leaf_of(&one.payload, &event_key());
            self.tree.push(leaf_hash(&leaf));
            self.leaves.push(leaf);
            for view in &mut self.views {
                view.apply(&one.event);
            }
        }
        sealed
    }

    /// The head that everybody sees now.
    pub(crate) fn head(&self) -> SeenHead {
        SeenHead { size: self.tree.size(), root: self.tree.root() }
    }

    /// The head at an earlier size.
    pub(crate) fn head_at(&self, size: u64) -> SeenHead {
        let size = TreeSize::new(size);
        SeenHead { size, root: root_at(&self.tree, size).unwrap() }
    }

    pub(crate) fn signed<T: Serialize>(&self, kind: StatementKind, body: &T, key: &SecretKey) -> Envelope {
        authored::sign(kind, ORIGIN, self.head(), body, key).unwrap()
    }

    pub(crate) fn intend(&mut self, name: &str) -> Vec<Sealed> {
        let goal = Text::Inline("make the test pass".into());
        let intent = Intent { intent_id: id(name), from: None, mode: None, goal, constraints: None };
        self.run(&Command::CreateIntent { by: Caller::key(id("key_lee")), intent, authored: None })
    }

    pub(crate) fn propose(&mut self, key: &str, proposal: Proposal) -> Vec<Sealed> {
        let (by, proposal) = (Caller::key(id(key)), Box::new(proposal));
        self.run(&Command::SubmitProposal { by, proposal, findings: Vec::new(), authored: None })
    }

    pub(crate) fn propose_signed(&mut self, proposal: Proposal) -> Vec<Sealed> {
        self.propose_seen(self.head(), proposal)
    }

    /// Casey signs, having seen this head.
    pub(crate) fn propose_seen(&mut self, head: SeenHead, proposal: Proposal) -> Vec<Sealed> {
        let envelope = authored::sign(StatementKind::Proposal, ORIGIN, head, &proposal, &casey()).unwrap();
        let by = Caller::key(id(&casey().public().key_id().to_string()));
        let proposal = Box::new(proposal);
        self.run(&Command::SubmitProposal { by, proposal, findings: Vec::new(), authored: Some(envelope) })
    }

    /// Sam says yes, signed.
    pub(crate) fn approve(&mut self, proposal: &str) -> Vec<Sealed> {
        let challenge = match self.state.proposal(&id(proposal)).map(|record| &record.state) {
            Some(ProposalState::Waiting(_, ask)) => ask.challenge.clone(),
            other => panic!("`{proposal}` is not waiting: {other:?}"),
        };
        let answer = Answer { proposal_id: id(proposal), verb: Verb::Grant, challenge, reason: None };
        let authored = Some(self.signed(StatementKind::Answer, &answer, &sam()));
        let by = Caller::key(id(&sam().public().key_id().to_string()));
        self.run(&Command::AnswerApproval { by, answer, authored })
    }

    /// The runner takes the oldest job and reports it done.
    pub(crate) fn work(&mut self) -> Vec<Sealed> {
        let tools = self.policy.manifest().tools.keys().cloned().collect();
        let request = LeaseRequest { runner_id: id("runner-1"), tools, manifest: self.policy.manifest_digest() };
        let authored = self.signed(StatementKind::Lease, &request, &runner());
        let (key_id, seen) = (runner().public().key_id(), self.tree.size());
        let leased = self.run(&Command::LeaseJob { request, key_id, seen, authored });
        let EventData::JobLeased(lease) = &leased[0].event.data else { panic!("no lease") };
        let job: Job = *self.state.job(&lease.job_id).unwrap().job.clone();
        let result = report(&job, leased[0].event.header.seq, lease.attempt);
        let authored = Some(self.signed(StatementKind::Result, &result, &runner()));
        let by = Caller::key(id(&runner().public().key_id().to_string()));
        self.run(&Command::RecordResult { by, result, authored })
    }

    /// The follower attests what it had folded after `position` events.
    pub(crate) fn attest(&mut self, position: TreeSize) -> Vec<Sealed> {
        let projections = if position == self.state.size() {
            self.views.iter().map(Folded::attested).collect()
        } else {
            self.views_at(position)
        };
        self.run(&Command::AttestProjections { position, projections })
    }

    fn views_at(&self, position: TreeSize) -> Vec<ProjectionDigest> {
        let mut views: Vec<Folded> = ALL.into_iter().map(Folded::new).collect();
        for leaf in self.leaves.iter().take(usize::try_from(position.get()).unwrap()) {
            let event = domain::event::Event::parse(proof::Leaf::parse(leaf).unwrap().payload).unwrap();
            for view in &mut views {
                view.apply(&event);
            }
        }
        views.iter().map(Folded::attested).collect()
    }

    /// The payloads.
    pub(crate) fn payloads(&self) -> Vec<serde_json::Value> {
        let parse = |leaf: &Vec<u8>| proof::canonical::parse(proof::Leaf::parse(leaf).unwrap().payload).unwrap();
        self.leaves.iter().map(parse).collect()
    }
}

/// Where the groups of a story begin.
pub(crate) struct Story {
    /// `proposal.submitted`, decision ALLOW, job.
    pub(crate) read: u64,
    /// `proposal.submitted`, decision DENY.
    pub(crate) secrets: u64,
    /// `proposal.submitted` by an API key, decision ALLOW, job.
    pub(crate) patch: u64,
    /// `projection.attested`.
    pub(crate) attested: u64,
    /// `proposal.submitted`, decision `REQUIRE_HUMAN`, `approval.requested`.
    pub(crate) publish: u64,
    /// `approval.granted`, decision ALLOW, job.
    pub(crate) approval: u64,
    /// `job.leased`.
    pub(crate) lease: u64,
    /// `result.recorded`, `job.completed`.
    pub(crate) result: u64,
}

/// A leaf's index as the tests count.
pub(crate) fn index(at: u64) -> LeafIndex {
    LeafIndex::new(at)
}
