//! Whatever is asked of a ledger, in whatever order: what is replayed from the disk is what was alive, the read models made
//! anew are those that were kept, and the auditor derives every event of it again.

use countersign_tests::founding::{HandClock, InProcess, ORIGIN, api_key};
use countersign_tests::people::committed;
use countersign_tests::{audit, proposals};
use domain::authored::{self, StatementKind};
use domain::command::{Caller, Command, KeyChange};
use domain::content::Text;
use domain::event::approval::{Answer, Challenge, Verb};
use domain::event::intent::Intent;
use domain::event::job::{Job, LeaseRequest};
use domain::event::key::{NewKey, Scope};
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
use domain::event::{EventData, PrincipalKind};
use domain::id::ProposalId;
use domain::state::job::{JobState, Lease};
use domain::state::proposal::ProposalState;
use ledger::{Committed, SubmitError};
use projections::{Store, Writer};
use proof::index::LeafIndex;
use proof::note::SignerKey;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use schemas::proposal::SubmitProposal;
use std::path::Path;

const CASES: u32 = 24;
/// Names that a long life chooses from; a short one takes fewer, so that it repeats itself.
const NAMES: u8 = 40;

/// Something that is asked. Numbers choose among what there is, so that most of it makes sense.
#[derive(Debug, Clone)]
enum Ask {
    Intend {
        name: u8,
        by: u8,
        long: bool,
    },
    Propose {
        kind: u8,
        name: u8,
        by: u8,
    },
    Answer {
        which: u8,
        by: u8,
        grant: bool,
    },
    Lease {
        later: bool,
    },
    Report {
        status: u8,
        warrant: bool,
    },
    ChangeKey {
        which: u8,
        change: u8,
    },
    CreateKey {
        name: u8,
    },
    Erase {
        which: u8,
    },
    Attest,
    /// Deadlines may pass.
    Wait {
        minutes: u8,
    },
}

fn ask() -> impl Strategy<Value = Ask> {
    let name = 0..6_u8;
    prop_oneof![
        2 => (name.clone(), 0..4_u8, any::<bool>()).prop_map(|(name, by, long)| Ask::Intend { name, by, long }),
        6 => (0..6_u8, name.clone(), 0..4_u8).prop_map(|(kind, name, by)| Ask::Propose { kind, name, by }),
        4 => (any::<u8>(), 0..4_u8, any::<bool>()).prop_map(|(which, by, grant)| Ask::Answer { which, by, grant }),
        4 => any::<bool>().prop_map(|later| Ask::Lease { later }),
        4 => (0..3_u8, any::<bool>()).prop_map(|(status, warrant)| Ask::Report { status, warrant }),
        1 => (0..4_u8, 0..3_u8).prop_map(|(which, change)| Ask::ChangeKey { which, change }),
        1 => name.prop_map(|name| Ask::CreateKey { name }),
        1 => any::<u8>().prop_map(|which| Ask::Erase { which }),
        1 => Just(Ask::Attest),
        1 => (1..70_u8).prop_map(|minutes| Ask::Wait { minutes }),
    ]
}

/// Everybody's API keys.
const KEYS: [&str; 4] = ["key_ops", "key_lee", "key_casey", "key_sam"];

fn keys() -> Vec<NewKey> {
    let human = [Scope::ProposalCreate, Scope::ProposalApprove, Scope::ProposalDeny];
    vec![
        api_key(KEYS[0], PrincipalKind::Admin, "ops", &Scope::ALL),
        api_key(KEYS[1], PrincipalKind::Human, "lee", &human),
        api_key(KEYS[2], PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]),
        api_key(KEYS[3], PrincipalKind::Human, "sam", &human),
    ]
}

struct World {
    ledger: InProcess,
    runner: SignerKey,
    clock: HandClock,
    writer: Writer,
    store: Store,
}

impl World {
    fn found(dir: &Path) -> Self {
        let clock = HandClock::new();
        let mut ledger = InProcess::found(&dir.join("data"), keys(), &clock);
        let runner = ledger.register_runner("runner-1");
        let (store, writer, _) = Store::open(&dir.join("kept"), &ledger.ledger).unwrap();
        Self { ledger, runner, clock, writer, store }
    }

    fn by(number: u8) -> Caller {
        InProcess::caller(KEYS[usize::from(number) % KEYS.len()])
    }

    /// The command that is asked for, if there is anything to ask it of.
    fn command(&self, ask: &Ask) -> Option<Command> {
        Some(match ask {
            Ask::Intend { name, by, long } => {
                let goal = Text::Inline(if *long { "x".repeat(900) } else { "something".into() });
                let intent_id = format!("intent-{name}").parse().unwrap();
                let intent = Intent { intent_id, from: None, mode: None, goal, constraints: None };
                Command::CreateIntent { by: Self::by(*by), intent, authored: None }
            }
            Ask::Propose { kind, name, by } => {
                let (proposal, bodies) = committed(proposal(*kind, *name));
                for body in bodies {
                    let commitment = body.commitment().unwrap();
                    self.ledger.ledger.content().put(&commitment, &body.salt, &body.bytes().unwrap()).unwrap();
                }
                let proposal = Box::new(proposal);
                Command::SubmitProposal { by: Self::by(*by), proposal, findings: Vec::new(), authored: None }
            }
            Ask::Answer { which, by, grant } => {
                let (proposal_id, challenge) = self.waiting(*which)?;
                let verb = if *grant { Verb::Grant } else { Verb::Deny };
                let answer = Answer { proposal_id, verb, challenge, reason: None };
                Command::AnswerApproval { by: Self::by(*by), answer, authored: None }
            }
            Ask::Lease { later } => {
                // A request that names an older head than the last lease is an old one.
                let seen = if *later { domain::authored::SeenHead::empty() } else { self.ledger.seen() };
                let policy = self.ledger.ledger.policy();
                let request = LeaseRequest {
                    runner_id: "runner-1".parse().unwrap(),
                    tools: policy.manifest().tools.keys().cloned().collect(),
                    manifest: policy.manifest_digest(),
                };
                let key = self.runner.secret();
                let authored = authored::sign(StatementKind::Lease, ORIGIN, seen, &request, key).unwrap();
                Command::LeaseJob { request, key_id: key.public().key_id(), seen: seen.size, authored }
            }
            Ask::Report { status, warrant } => self.report(*status, *warrant)?,
            Ask::ChangeKey { which, change } => {
                let change = [KeyChange::Disable, KeyChange::Enable, KeyChange::Enable][usize::from(*change)];
                let key_id = KEYS[usize::from(*which)].parse().unwrap();
                Command::ChangeKey { by: Self::by(0), key_id, change }
            }
            Ask::CreateKey { name } => {
                let key = api_key(&format!("key_new{name}"), PrincipalKind::Service, "svc", &[Scope::LogRead]);
                Command::CreateKey { by: Self::by(0), key, authored: None }
            }
            Ask::Erase { which } => {
                let stored: Vec<_> = self.ledger.ledger.content().iter().map(Result::unwrap).collect();
                let sha256 = *stored.get(usize::from(*which) % stored.len().max(1))?;
                Command::EraseBlob { by: Self::by(0), sha256, why: "asked for".into() }
            }
            Ask::Attest => {
                Command::AttestProjections { position: self.writer.position(), projections: self.writer.digests() }
            }
            Ask::Wait { minutes } => {
                self.clock.advance(u64::from(*minutes) * 60_000);
                return None;
            }
        })
    }

    /// A proposal that waits, and what it asks.
    fn waiting(&self, which: u8) -> Option<(ProposalId, Challenge)> {
        let ids = (0..6_u8).flat_map(|kind| (0..NAMES).map(move |name| proposal(kind, name).proposal_id.unwrap()));
        let waiting: Vec<_> = self.ledger.ledger.with_state(|state| {
            let open = |id: ProposalId| match state.proposal(&id).map(|record| &record.state) {
                Some(ProposalState::Waiting(_, ask)) => Some((id, ask.challenge.clone())),
                _ => None,
            };
            ids.filter_map(open).collect()
        });
        waiting.get(usize::from(which) % waiting.len().max(1)).cloned()
    }

    /// A job that is leased, or, without a warrant, one that is ready.
    fn open_job(&self, warrant: bool) -> Option<(Job, Option<Lease>)> {
        let leaves = self.ledger.ledger.read(proof::LeafIndex::new(0), usize::MAX).unwrap();
        let jobs = leaves.iter().filter_map(|leaf| {
            let event = domain::event::Event::parse(proof::Leaf::parse(leaf).unwrap().payload).unwrap();
            if let EventData::JobCreated(created) = event.data { Some(created.job) } else { None }
        });
        self.ledger.ledger.with_state(|state| {
            let open = |job: Job| match (&state.job(&job.job_id)?.state, warrant) {
                (JobState::Leased(lease), true) => Some((job, Some(lease.clone()))),
                (JobState::Ready(0), false) => Some((job, None)),
                _ => None,
            };
            jobs.rev().find_map(open)
        })
    }

    fn report(&self, status: u8, warrant: bool) -> Option<Command> {
        let (job, lease) = self.open_job(warrant)?;
        let status = [ResultStatus::Completed, ResultStatus::Failed, ResultStatus::Rejected][usize::from(status)];
        let completed = status == ResultStatus::Completed;
        let action = |tool: &domain::id::ToolName| ActionResult {
            tool: tool.clone(),
            completed,
            exit_code: None,
            output: Some(Text::Inline("done".into())),
            detail: None,
            duration_ms: 3,
        };
        let sha256 = proof::sha256(b"done");
        let result = JobResult {
            job_id: job.job_id.clone(),
            attempt: lease.as_ref().map_or(0, |lease| lease.attempt),
            lease: lease.as_ref().map(|lease| lease.at),
            status,
            actions: job.actions.iter().map(|a| action(&a.tool)).collect(),
            artifacts: vec![Artifact { kind: "log".into(), path: "output".into(), sha256, length: 4 }],
            confinement: None,
            detail: None,
        };
        let key = self.runner.secret();
        let signed = || authored::sign(StatementKind::Result, ORIGIN, self.ledger.seen(), &result, key).unwrap();
        let authored = lease.map(|_| signed());
        let runner = || Caller::key(key.public().key_id().to_string().parse().unwrap());
        let by = if authored.is_some() { runner() } else { Self::by(0) };
        Some(Command::RecordResult { by, result, authored })
    }

    /// Carries out what is asked; says whether it left events.
    fn carry_out(&mut self, ask: &Ask) -> Option<Committed> {
        let command = self.command(ask)?;
        let erased = if let Command::EraseBlob { sha256, .. } = &command { Some(*sha256) } else { None };
        match self.ledger.submit(command) {
            Ok(done) => {
                if let Some(sha256) = erased {
                    self.ledger.ledger.content().erase(&sha256).unwrap();
                }
                Some(done)
            }
            Err(SubmitError::Rejected(_)) => None,
            Err(other) => panic!("{ask:?}: {other}"),
        }
    }

    fn follow(&mut self) {
        while self.writer.step(&self.ledger.ledger, 7).unwrap().events > 0 {}
    }
}

/// One of the six kinds.
fn proposal(kind: u8, name: u8) -> SubmitProposal {
    let id = format!("p-{kind}-{name}");
    match kind {
        0 => proposals::read(&id, "a.txt"),
        1 => proposals::echo(&id, "hello"),
        2 => proposals::secrets(&id),
        3 => proposals::write(&id, "a.txt", &"x".repeat(2_000)),
        4 => proposals::irreversible(&id, "a.txt", "x"),
        _ => {
            // Too little is known.
            let mut proposal = proposals::tests(&id);
            proposal.truth_account.observations.clear();
            proposal
        }
    }
}

fn replayed_state_is_live_state(asks: &[Ask]) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path());
    let mut accepted = 0;
    for ask in asks {
        accepted += u64::from(world.carry_out(ask).is_some());
        // The read models are fed as it happens, now and then.
        if matches!(ask, Ask::Propose { .. } | Ask::Attest) {
            world.follow();
        }
    }
    // Deadlines that have passed become events by themselves.
    world.ledger.sequencer.step(false);
    world.follow();
    let live = world.ledger.ledger.with_state(Clone::clone);
    let (head, digests) = (world.ledger.ledger.head(), world.writer.digests());
    let scan = projections::scan_check(&world.store, &world.ledger.ledger, |_| ()).unwrap();
    assert!(scan.is_clean(), "{scan:?}");
    assert_eq!(scan.projections, digests);
    let subjects: Vec<_> = (0..head.size.get())
        .map(|seq| world.ledger.ledger.event(LeafIndex::new(seq)).unwrap().header.subject)
        .collect();
    let World { ledger, clock, writer, store, .. } = world;
    drop((writer, store));
    ledger.close();

    let data = dir.path().join("data");
    let again = InProcess::open(&data, &clock);
    assert_eq!(again.ledger.head(), head);
    again.ledger.with_state(|replayed| {
        assert_eq!(replayed.freeze(), live.freeze());
        for subject in &subjects {
            assert_eq!(replayed.closed(subject), live.closed(subject), "{subject:?}");
        }
    });
    let rebuilt = projections::rebuild(&dir.path().join("anew"), &again.ledger, |_| ()).unwrap();
    assert_eq!((rebuilt.position, rebuilt.projections), (head.size, digests));
    again.close();
    let location = verifier::Location::open(data.to_str().unwrap()).unwrap();
    let report = verifier::verify_replay(&location, &verifier::Options::default());
    assert_eq!(report.verdict, verifier::Verdict::Valid, "{report:?}");
    (accepted, head.size.get())
}

#[test]
fn what_is_replayed_is_what_was_alive() {
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let (mut accepted, mut events) = (0, 0);
    let totals = std::cell::RefCell::new((&mut accepted, &mut events));
    let run = TestRunner::new(config).run(&prop::collection::vec(ask(), 1..60), |asks| {
        let (more, size) = replayed_state_is_live_state(&asks);
        let mut totals = totals.borrow_mut();
        *totals.0 += more;
        *totals.1 += size;
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
    eprintln!("prop: {CASES} ledgers, {accepted} commands carried out, {events} events");
    assert!(accepted > u64::from(CASES) * 5, "hardly anything was carried out: {accepted}");
}

#[test]
fn a_long_life_is_replayed_by_the_auditors_own_executable() {
    let mut chance = countersign_tests::chance::Chance::with_printed_seed("prop");
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path());
    let mut small = || u8::try_from(chance.below(250)).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let ask = match small() % 12 {
            0 => Ask::Intend { name: small() % 6, by: small(), long: small() % 2 == 0 },
            1..=4 => Ask::Propose { kind: small() % 6, name: small() % NAMES, by: small() },
            5 | 6 => Ask::Answer { which: small(), by: small(), grant: small() % 3 > 0 },
            7 | 8 => Ask::Lease { later: small() % 5 == 0 },
            9 | 10 => Ask::Report { status: small() % 3, warrant: small() % 4 > 0 },
            _ => match small() % 5 {
                0 => Ask::CreateKey { name: small() % 6 },
                1 => Ask::Erase { which: small() },
                2 | 3 => Ask::Attest,
                _ => Ask::Wait { minutes: small() % 70 },
            },
        };
        for event in world.carry_out(&ask).into_iter().flat_map(|done| done.events) {
            seen.insert(event.data.type_name());
        }
        world.follow();
    }
    world.ledger.close();
    let replay = audit::verify(&dir.path().join("data"), "replay");
    replay.assert_valid();
    for kind in ["approval.granted", "approval.denied", "job.leased", "job.completed", "job.failed", "blob.erased"] {
        assert!(seen.contains(kind), "{kind} did not happen: {seen:?}");
    }
    assert!(replay.number("/attested/projections") > 0, "{}", replay.report);
}
