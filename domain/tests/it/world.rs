//! A ledger in memory. After every command the recorded group is parsed back, folded and re-derived by others that
//! know nothing but its payloads; all must stand where the live state stands.

use crate::material::{ORIGIN, api_key, default_bundle, id, manifest, public_key, secret, vkey};
use crate::views::Views;
use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command, Rejection, RejectionKind};
use domain::decide::{Context, RunError, Sealed, check_signature, run};
use domain::event::approval::{Answer, Challenge, Verb};
use domain::event::decision::DecisionRecorded;
use domain::event::job::{Job, JobLeased, LeaseRequest};
use domain::event::key::{NewKey, Scope};
use domain::event::ledger::{Genesis, Profile, Restoration};
use domain::event::proposal::{Finding, Proposal, Seed};
use domain::event::runner::NewRunner;
use domain::event::{Event, EventData, PrincipalKind};
use domain::policy::{Bundle, Policy};
use domain::replay::{Recorded, rederive};
use domain::state::State;
use domain::state::closed::{Archive, Closed, ClosedKey, Generation, Unreadable};
use domain::state::proposal::ProposalState;
use domain::time::Timestamp;
use proof::dsse::Envelope;
use proof::hash::sha256;
use proof::index::{LeafIndex, TreeSize};
use proof::key::SecretKey;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A recorded group, and the policy that was in force.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) events: Vec<Recorded>,
    pub(crate) policy: Policy,
}

/// Everything that is over, as an archive holds it.
#[derive(Debug)]
struct Archived(Generation);

impl Archive for Archived {
    fn find(&self, key: &ClosedKey) -> Result<Option<Closed>, Unreadable> {
        Ok(self.0.get(key).copied())
    }
}

/// The ledger, its people and its clock.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) policy: Policy,
    pub(crate) now: Timestamp,
    pub(crate) groups: Vec<Group>,
    /// The next command's entropy; counts up.
    pub(crate) seed: u8,
    pub(crate) root: SecretKey,
    /// Registered as `runner-1`.
    pub(crate) runner: SecretKey,
    /// Registered as `runner-2`.
    pub(crate) runner_2: SecretKey,
    /// A human approver with a key of his own, enrolled by root.
    pub(crate) sam: SecretKey,
    /// Another.
    pub(crate) kim: SecretKey,
    /// Casey, who signs.
    pub(crate) casey: SecretKey,
    pub(crate) views: Views,
    folded: State,
    replayed: State,
    /// Frozen and thawed after every command, with everything that is over in an archive.
    thawed: State,
    versions: BTreeMap<String, u64>,
}

impl World {
    /// A `dev` ledger under the default policy.
    pub(crate) fn dev() -> Self {
        static FOUNDED: OnceLock<World> = OnceLock::new();
        FOUNDED.get_or_init(|| Self::founded(Profile::Dev, default_bundle())).clone()
    }

    /// A `prod` ledger under the default policy.
    pub(crate) fn prod() -> Self {
        static FOUNDED: OnceLock<World> = OnceLock::new();
        FOUNDED.get_or_init(|| Self::founded(Profile::Prod, default_bundle())).clone()
    }

    /// A `dev` ledger whose policy differs from the default one.
    pub(crate) fn with(change: impl FnOnce(&mut Bundle)) -> Self {
        let mut bundle = default_bundle();
        change(&mut bundle);
        Self::founded(Profile::Dev, bundle)
    }

    /// A ledger with everybody enrolled.
    pub(crate) fn founded(profile: Profile, bundle: Bundle) -> Self {
        let mut world = Self::empty(bundle);
        let (genesis, authored) = world.genesis(profile, genesis_keys());
        world.run(Command::CreateLedger { genesis, authored }).unwrap();
        let both = [Scope::ProposalApprove, Scope::ProposalDeny];
        for (key, name) in [(world.sam.clone(), "sam"), (world.kim.clone(), "kim")] {
            world.enrol(public_key(&key, PrincipalKind::Human, name, &both)).unwrap();
        }
        let casey = public_key(&world.casey, PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]);
        world.enrol(casey).unwrap();
        for (key, name) in [(world.runner.clone(), "runner-1"), (world.runner_2.clone(), "runner-2")] {
            world.register(name, &key).unwrap();
        }
        world
    }

    /// Before the genesis.
    pub(crate) fn empty(bundle: Bundle) -> Self {
        Self {
            state: State::new(),
            policy: Policy::new(Bundle::parse(&bundle.to_bytes()).unwrap(), manifest()),
            now: Timestamp::from_ms(1_800_000_000_000),
            groups: Vec::new(),
            seed: 0,
            root: secret(1),
            runner: secret(4),
            runner_2: secret(5),
            sam: secret(6),
            kim: secret(7),
            casey: secret(8),
            views: Views::new(),
            folded: State::new(),
            replayed: State::new(),
            thawed: State::new(),
            versions: BTreeMap::new(),
        }
    }

    /// What root says to found a ledger.
    pub(crate) fn genesis(&self, profile: Profile, keys: Vec<NewKey>) -> (Genesis, Envelope) {
        let genesis = Genesis {
            origin: ORIGIN.into(),
            profile,
            root: vkey("root", &self.root),
            event: vkey("event", &secret(2)),
            checkpoint: vkey(ORIGIN, &secret(3)),
            policy: self.policy.bundle_digest(),
            manifest: self.policy.manifest_digest(),
            keys,
        };
        let authored = self.signed(StatementKind::Genesis, &genesis, &self.root);
        (genesis, authored)
    }

    /// A statement by `key`, who has seen everything so far.
    pub(crate) fn signed<T: Serialize>(&self, kind: StatementKind, body: &T, key: &SecretKey) -> Envelope {
        Self::signed_at(self.state.size(), kind, body, key)
    }

    /// A statement by `key`, who has seen `size` events. Nobody here keeps a tree, so the root is a stand-in.
    pub(crate) fn signed_at<T: Serialize>(size: TreeSize, kind: StatementKind, body: &T, key: &SecretKey) -> Envelope {
        let head = SeenHead { size, root: sha256(&size.get().to_be_bytes()) };
        authored::sign(kind, ORIGIN, head, body, key).unwrap()
    }

    /// What root says of a copy of all there is.
    pub(crate) fn restoration(&self, known: Option<String>) -> Restoration {
        let size = self.state.size();
        Restoration { size, root: sha256(&size.get().to_be_bytes()), known, why: "the disk is gone".into() }
    }

    /// The command that goes with it.
    pub(crate) fn restored(&self, restoration: &Restoration) -> Command {
        let authored = self.signed(StatementKind::Restoration, restoration, &self.root);
        Command::RestoreLedger { restoration: restoration.clone(), authored }
    }

    /// Lets time pass.
    pub(crate) fn pass_minutes(&mut self, minutes: u64) {
        self.now = self.now.plus_ms(minutes * 60_000);
    }

    /// Carries out a command as an edge and the sequencer would, and checks all that must hold afterwards.
    pub(crate) fn run(&mut self, command: Command) -> Result<Vec<Sealed>, Rejection> {
        let before = self.state.clone();
        let policy = self.policy.clone();
        self.seed = self.seed.wrapping_add(1);
        let context = Context { now: self.now, seed: Seed::new([self.seed; 32]), policy: &policy };
        let outcome = check_signature(&self.state, &command)
            .map_err(RunError::Rejected)
            .and_then(|_| run(&mut self.state, &command, &context));
        match outcome {
            Ok(sealed) => {
                self.record(&sealed);
                self.now = self.state.time();
                Ok(sealed)
            }
            Err(RunError::Rejected(no)) => {
                assert_eq!(self.state, before, "a refusal changes nothing: {no}");
                Err(match &no.kind {
                    RejectionKind::Exists(repeat) => {
                        let first = self.events().find(|event| event.header.seq == repeat.begun).unwrap().clone();
                        no.settle(&first)
                    }
                    _ => no,
                })
            }
            Err(RunError::Broken(illegal)) => {
                panic!("decide and apply disagree: {illegal}\n{command:?}")
            }
        }
    }

    fn record(&mut self, sealed: &[Sealed]) {
        assert!(!sealed.is_empty(), "a command that is carried out leaves an event");
        let mut events = Vec::new();
        for one in sealed {
            self.check_event(one);
            let event = Event::parse(&one.payload).expect("what is written can be read");
            assert_eq!(event, *one.event, "what is read is what was written");
            self.folded.apply(&event, sha256(&one.payload)).expect("recovery folds what was written");
            self.thawed.apply(&event, sha256(&one.payload)).expect("a state that was frozen goes on");
            self.views.apply(&event);
            events.push(Recorded { event, payload: one.payload.clone() });
        }
        rederive(&mut self.replayed, &events, &self.policy).expect("an auditor re-derives what was written");
        assert_eq!(self.folded, self.state, "recovery");
        assert_eq!(self.replayed, self.state, "replay");
        assert_eq!(self.thawed.freeze(), self.state.freeze(), "what a snapshot holds");
        self.freeze();
        self.views.agree_with(&self.state);
        crate::laws::hold_in(&self.groups, &events);
        self.groups.push(Group { events, policy: self.policy.clone() });
    }

    /// Goes on from a snapshot, and from an archive of all that is over.
    fn freeze(&mut self) {
        let mut all = self.state.clone();
        let archive: Arc<dyn Archive> = Arc::new(Archived((*all.retire()).clone()));
        let frozen = self.thawed.freeze().expect("a state can be frozen");
        self.thawed = State::thaw(&frozen, Some(archive)).expect("what was frozen can be thawed");
        assert_eq!(self.thawed.next_due(), self.state.next_due());
        let waiting = |state: &State| state.ready_jobs().cloned().collect::<Vec<_>>();
        assert_eq!(waiting(&self.thawed), waiting(&self.state));
    }

    fn check_event(&mut self, one: &Sealed) {
        let h = &one.event.header;
        let data = one.event.data.to_canonical().unwrap();
        assert_eq!(one.event.to_payload(&data).unwrap(), one.payload);
        assert!(one.payload.len() < 63_000, "{} bytes do not fit into a leaf", one.payload.len());
        assert!(h.time >= self.folded.time(), "time never goes back");
        let last = self.versions.insert(h.subject.as_str().to_owned(), h.version).unwrap_or(0);
        assert_eq!(h.version, last + 1, "versions of `{}` have no gap", h.subject.as_str());
    }

    /// Re-derives the whole log from nothing.
    pub(crate) fn replay(&self) {
        let mut state = State::new();
        for group in &self.groups {
            rederive(&mut state, &group.events, &group.policy).expect("the log can be re-derived");
        }
        assert_eq!(state, self.state);
    }

    /// Every event so far.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.groups.iter().flat_map(|group| &group.events).map(|recorded| &recorded.event)
    }

    /// Creates a key, by root.
    pub(crate) fn enrol(&mut self, key: NewKey) -> Result<Vec<Sealed>, Rejection> {
        let authored = Some(self.signed(StatementKind::Key, &key, &self.root));
        self.run(Command::CreateKey { by: Caller::anonymous(), key, authored })
    }

    /// Registers a runner, by root.
    pub(crate) fn register(&mut self, name: &str, key: &SecretKey) -> Result<Vec<Sealed>, Rejection> {
        let runner = NewRunner { runner_id: id(name), public_key: key.public(), description: None };
        let authored = self.signed(StatementKind::Runner, &runner, &self.root);
        self.run(Command::RegisterRunner { runner, authored })
    }

    /// Submits with an API key.
    pub(crate) fn propose(&mut self, key: &str, proposal: Proposal) -> Result<Vec<Sealed>, Rejection> {
        self.propose_with(key, proposal, Vec::new())
    }

    /// Submits with an API key, and with what a sensor found.
    pub(crate) fn propose_with(
        &mut self,
        key: &str,
        proposal: Proposal,
        findings: Vec<Finding>,
    ) -> Result<Vec<Sealed>, Rejection> {
        let (by, proposal) = (by(key), Box::new(proposal));
        self.run(Command::SubmitProposal { by, proposal, findings, authored: None })
    }

    /// Submits as Casey, signed.
    pub(crate) fn propose_signed(&mut self, proposal: Proposal) -> Result<Vec<Sealed>, Rejection> {
        let authored = Some(self.signed(StatementKind::Proposal, &proposal, &self.casey));
        let (by, proposal) = (by_signature(&self.casey), Box::new(proposal));
        self.run(Command::SubmitProposal { by, proposal, findings: Vec::new(), authored })
    }

    /// The open challenge of a proposal.
    pub(crate) fn challenge(&self, proposal: &str) -> Challenge {
        match self.state.proposal(&id(proposal)).map(|record| &record.state) {
            Some(ProposalState::Waiting(_, ask)) => ask.challenge.clone(),
            other => panic!("`{proposal}` is not waiting: {other:?}"),
        }
    }

    /// An answer to the open challenge.
    pub(crate) fn answer_to(&self, proposal: &str, verb: Verb) -> Answer {
        Answer { proposal_id: id(proposal), verb, challenge: self.challenge(proposal), reason: None }
    }

    /// Answers with an API key.
    pub(crate) fn answer(&mut self, key: &str, answer: Answer) -> Result<Vec<Sealed>, Rejection> {
        self.run(Command::AnswerApproval { by: by(key), answer, authored: None })
    }

    /// Answers the open challenge with an API key.
    pub(crate) fn says(&mut self, key: &str, verb: Verb, proposal: &str) -> Result<Vec<Sealed>, Rejection> {
        let answer = self.answer_to(proposal, verb);
        self.answer(key, answer)
    }

    /// Answers with a key of one's own.
    pub(crate) fn answer_signed(&mut self, key: &SecretKey, answer: Answer) -> Result<Vec<Sealed>, Rejection> {
        let authored = Some(self.signed(StatementKind::Answer, &answer, key));
        self.run(Command::AnswerApproval { by: by_signature(key), answer, authored })
    }

    /// Says yes with a key of one's own.
    pub(crate) fn approve_signed(&mut self, key: &SecretKey, proposal: &str) -> Result<Vec<Sealed>, Rejection> {
        let answer = self.answer_to(proposal, Verb::Grant);
        self.answer_signed(key, answer)
    }

    /// `runner-1` asks for work.
    pub(crate) fn lease(&mut self) -> Result<Vec<Sealed>, Rejection> {
        let key = self.runner.clone();
        self.lease_as(&key, self.request("runner-1"))
    }

    /// A request for any tool of the manifest in force.
    pub(crate) fn request(&self, runner: &str) -> LeaseRequest {
        let tools = self.policy.manifest().tools.keys().cloned().collect();
        LeaseRequest { runner_id: id(runner), tools, manifest: self.policy.manifest_digest() }
    }

    /// Asks for work, having seen everything.
    pub(crate) fn lease_as(&mut self, key: &SecretKey, request: LeaseRequest) -> Result<Vec<Sealed>, Rejection> {
        self.lease_at(self.state.size(), key, request)
    }

    /// Asks for work, having seen `seen` events.
    pub(crate) fn lease_at(
        &mut self,
        seen: TreeSize,
        key: &SecretKey,
        request: LeaseRequest,
    ) -> Result<Vec<Sealed>, Rejection> {
        let authored = Self::signed_at(seen, StatementKind::Lease, &request, key);
        self.run(Command::LeaseJob { request, key_id: key.public().key_id(), seen, authored })
    }
}

/// Keys that exist from the start.
pub(crate) fn genesis_keys() -> Vec<NewKey> {
    use PrincipalKind::{Admin, Agent, Human, Service};
    let both = [Scope::ProposalApprove, Scope::ProposalDeny];
    vec![
        api_key("key_ops", Admin, "ops", &Scope::ALL),
        api_key("key_lee", Human, "lee", &[Scope::ProposalCreate, Scope::ProposalApprove, Scope::ProposalDeny]),
        api_key("key_max", Human, "max", &both),
        api_key("key_casey", Agent, "Casey", &[Scope::ProposalCreate, Scope::ProposalDeny]),
        api_key("key_jordan", Agent, "Jordan", &[Scope::ProposalCreate]),
        api_key("key_legacy", Service, "legacy", &[Scope::RunnerResult, Scope::ProposalCreate]),
    ]
}

/// The holder of an API key.
pub(crate) fn by(key: &str) -> Caller {
    Caller::key(id(key))
}

/// Whoever signs with a key.
pub(crate) fn by_signature(key: &SecretKey) -> Caller {
    Caller::key(id(&key.public().key_id().to_string()))
}

/// The decision of a group.
pub(crate) fn decision(group: &[Sealed]) -> &DecisionRecorded {
    let found = group.iter().find_map(|sealed| match &sealed.event.data {
        EventData::DecisionRecorded(decision) => Some(decision),
        _ => None,
    });
    found.expect("the group has a decision")
}

/// The job that a group mints, if it does.
pub(crate) fn minted(group: &[Sealed]) -> Option<&Job> {
    group.iter().find_map(|sealed| match &sealed.event.data {
        EventData::JobCreated(created) => Some(&created.job),
        _ => None,
    })
}

/// The lease that a group gives, and where it stands.
pub(crate) fn leased(group: &[Sealed]) -> (LeafIndex, JobLeased) {
    let found = group.iter().find_map(|sealed| match &sealed.event.data {
        EventData::JobLeased(leased) => Some((sealed.event.header.seq, leased.clone())),
        _ => None,
    });
    found.expect("the group has a lease")
}

/// The types of a group's events.
pub(crate) fn types(group: &[Sealed]) -> Vec<&'static str> {
    group.iter().map(|sealed| sealed.event.data.type_name()).collect()
}
