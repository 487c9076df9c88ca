//! A whole ledger on a disk that fails: journal, site, snapshots and content, and commands of every kind, from a seed.
//!
//! A life is a random sequence of commands, faults, kills and power cuts. After every fault the ledger is opened again, and
//! held to all that it acknowledged. Tiles, snapshots and the next segment are written beside by threads of their own, so that
//! a seed brings back the same commands and the same faults, at about the same places.
//!
//! `COUNTERSIGN_SEED=n` begins with that seed, `COUNTERSIGN_SEEDS=n` takes so many.

use countersign_tests::acknowledged::Acknowledged;
use countersign_tests::chance::Chance;
use countersign_tests::founding::{HandClock, ORIGIN, api_key, policy};
use countersign_tests::people::committed;
use countersign_tests::proposals;
use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command, RejectionKind};
use domain::content::Text;
use domain::event::approval::{Answer, Challenge, Verb};
use domain::event::intent::Intent;
use domain::event::key::Scope;
use domain::event::ledger::{Genesis, Profile};
use domain::event::{EventData, PrincipalKind};
use domain::policy::Policy;
use domain::time::Timestamp;
use ledger::clock::ClockError;
use ledger::disk::{Access, Disk, Fault, Operation, SimulatedDisk};
use ledger::{Committed, Ledger, OpenError, Options, Queued, Sequencer, SubmitError};
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;
use proof::{Commitment, LeafIndex};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// What a debug build does in about 15 seconds on a machine with two cores.
const SEEDS: u64 = 80;
/// Of so many lives one is shown to the auditor.
const AUDITED: u64 = 20;
const SNAPSHOT_EVERY: u64 = 12;
const SEGMENT_BYTES: u64 = 16 * 1024;
/// Starts that may fail, each for a fault of its own, before one must do.
const STARTS_MAX: u32 = 20;

static POLICY: LazyLock<Policy> = LazyLock::new(policy);

/// What happened in all lives.
#[derive(Debug, Default)]
struct Tally {
    committed: u64,
    refused: u64,
    unknown: u64,
    unknown_found: u64,
    no_room: u64,
    crashes: u64,
    kills: u64,
    starts_failed: u64,
    audited: u64,
}

/// One way for a life to end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It is told to stop.
    Stop,
    /// The process is killed; the machine goes on.
    Kill,
    /// The power fails.
    Crash,
}

fn signer(name: &str, seed: u8) -> SignerKey {
    SignerKey::new(KeyName::new(name).unwrap(), SecretKey::from_seed([seed; 32]))
}

/// A ledger, and what it has said.
struct World {
    disk: SimulatedDisk,
    dir: PathBuf,
    clock: HandClock,
    chance: Chance,
    open: Option<(Ledger, Sequencer)>,
    kept: Acknowledged,
    bodies: Vec<Commitment>,
    /// Questions to a human that may be open.
    asked: Vec<Challenge>,
    /// Intents whose outcome nobody was told.
    unknown: Vec<Intent>,
    named: u64,
    tally: Tally,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            disk: SimulatedDisk::new(seed),
            dir: PathBuf::from("/sim/data"),
            clock: HandClock::new(),
            chance: Chance::from_seed(seed),
            open: None,
            kept: Acknowledged::default(),
            bodies: Vec::new(),
            asked: Vec::new(),
            unknown: Vec::new(),
            named: 0,
            tally: Tally::default(),
        };
        world.start();
        world
    }

    fn try_open(&self) -> Result<(Ledger, Sequencer), OpenError> {
        let options = Options::new(signer("event", 1), signer(ORIGIN, 2))
            .with_disk(Arc::new(self.disk.clone()))
            .with_clock(Box::new(self.clock.clone()))
            .with_snapshot_every(SNAPSHOT_EVERY)
            .with_segment_bytes(SEGMENT_BYTES);
        ledger::open(&self.dir, options, Some(POLICY.clone())).map(|(ledger, sequencer, _)| (ledger, sequencer))
    }

    /// Opens it, founding it if there is nothing yet. A start may fail only for a fault of its own.
    fn start(&mut self) {
        for _ in 0..STARTS_MAX {
            let failures = self.disk.failures();
            match self.try_open() {
                Ok(open) => {
                    self.open = Some(open);
                    if self.size() > 0 || self.found() {
                        return self.check();
                    }
                }
                Err(error) => {
                    assert!(self.disk.failures() > failures, "it does not start, and there was no fault: {error}");
                    self.tally.starts_failed += 1;
                }
            }
            let end = if self.chance.below(2) == 0 { End::Kill } else { End::Crash };
            self.end(end);
        }
        panic!("it does not start");
    }

    fn found(&mut self) -> bool {
        let root = signer("root", 3);
        let genesis = Genesis {
            origin: ORIGIN.into(),
            profile: Profile::Dev,
            root: root.verifier().to_string(),
            event: signer("event", 1).verifier().to_string(),
            checkpoint: signer(ORIGIN, 2).verifier().to_string(),
            policy: POLICY.bundle_digest(),
            manifest: POLICY.manifest_digest(),
            keys: vec![
                api_key("key_ops", PrincipalKind::Admin, "ops", &Scope::ALL),
                api_key("key_casey", PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]),
            ],
        };
        let authored =
            authored::sign(StatementKind::Genesis, ORIGIN, SeenHead::empty(), &genesis, root.secret()).unwrap();
        self.submit(Command::CreateLedger { genesis, authored }).is_some()
    }

    fn size(&self) -> u64 {
        self.open.as_ref().map_or(0, |(ledger, _)| ledger.head().size.get())
    }

    /// Carries out one command. Nothing is given if it was refused, or nobody knows.
    fn submit(&mut self, command: Command) -> Option<Committed> {
        let (ledger, sequencer) = self.open.as_mut().unwrap();
        let outcome = match ledger.queue(command) {
            Err(error) => Err(error),
            Ok(queued) => {
                sequencer.step(false);
                wait(queued)
            }
        };
        match outcome {
            Ok(done) => {
                self.kept.keep(&done.receipt, &signer(ORIGIN, 2).verifier());
                self.tally.committed += 1;
                return Some(done);
            }
            Err(SubmitError::Rejected(_)) => self.tally.refused += 1,
            Err(SubmitError::NoRoom(why)) => {
                assert!(self.disk.failures() > 0, "no room without a fault: {why}");
                self.tally.no_room += 1;
            }
            Err(SubmitError::Stopped(why) | SubmitError::Damaged(why)) => {
                assert!(self.disk.failures() > 0, "stopped without a fault: {why}");
                self.tally.unknown += 1;
            }
            Err(error @ (SubmitError::Clock(_) | SubmitError::Overloaded)) => panic!("{error}"),
        }
        None
    }

    fn name(&mut self, what: &str) -> String {
        self.named += 1;
        format!("{what}-{}", self.named)
    }

    fn intend(&mut self) {
        let length = usize::try_from(self.chance.below(900)).unwrap();
        let intent = Intent {
            intent_id: self.name("intent").parse().unwrap(),
            from: None,
            mode: None,
            goal: Text::Inline("x".repeat(length + 1)),
            constraints: None,
        };
        let unknown = self.tally.unknown;
        self.submit(create(intent.clone()));
        if self.tally.unknown > unknown {
            self.unknown.push(intent);
        }
    }

    fn propose(&mut self) {
        let id = self.name("p");
        let input = match self.chance.below(4) {
            0 => proposals::secrets(&id),
            1 => proposals::write(&id, "a.txt", &"x".repeat(2_000)),
            2 => proposals::irreversible(&id, "a.txt", "x"),
            _ => proposals::read(&id, "a.txt"),
        };
        let (proposal, bodies) = committed(input);
        let mut stored = Vec::new();
        for body in bodies {
            let commitment = body.commitment().unwrap();
            let (ledger, _) = self.open.as_ref().unwrap();
            if ledger.content().put(&commitment, &body.salt, &body.bytes().unwrap()).is_err() {
                // Its sender is told so, and nothing is submitted.
                return;
            }
            stored.push(commitment);
        }
        let by = Caller::key("key_casey".parse().unwrap());
        let command =
            Command::SubmitProposal { by, proposal: Box::new(proposal), findings: Vec::new(), authored: None };
        let Some(done) = self.submit(command) else { return };
        self.bodies.extend(stored);
        self.asked.extend(done.events.iter().filter_map(|event| match &event.data {
            EventData::ApprovalRequested(asked) => Some(asked.challenge.clone()),
            _ => None,
        }));
    }

    fn answer(&mut self) {
        let Some(challenge) = self.asked.pop() else { return };
        let verb = if self.chance.below(3) == 0 { Verb::Deny } else { Verb::Grant };
        let answer = Answer { proposal_id: challenge.proposal_id.clone(), verb, challenge, reason: None };
        self.submit(Command::AnswerApproval { by: ops(), answer, authored: None });
    }

    fn create_key(&mut self) {
        let key = api_key(&self.name("key"), PrincipalKind::Service, "svc", &[Scope::LogRead]);
        self.submit(Command::CreateKey { by: ops(), key, authored: None });
    }

    /// What goes wrong from now on.
    fn fault(&mut self) {
        let nth = self.chance.below(8);
        let fault = if self.chance.below(2) == 0 { Fault::Io } else { Fault::NoSpace };
        let place = usize::try_from(self.chance.below(10)).unwrap();
        match self.chance.below(4) {
            0 => self.disk.cut_power_at(self.chance.below(80)),
            _ => self.disk.fail_nth(Operation::ALL[place], nth, fault),
        }
    }

    fn step(&mut self) {
        match self.chance.below(100) {
            0..30 => self.intend(),
            30..60 => self.propose(),
            60..72 => self.answer(),
            72..78 => self.create_key(),
            78..82 => self.clock.advance(self.chance.below(40) * 60_000),
            82..92 => self.fault(),
            92..95 => self.restart(End::Stop),
            95..98 => self.restart(End::Kill),
            _ => self.restart(End::Crash),
        }
        let (ledger, _) = self.open.as_ref().unwrap();
        if self.disk.is_off() {
            self.restart(End::Crash);
        } else if ledger.stopped().is_some() {
            let end = if self.chance.below(2) == 0 { End::Kill } else { End::Crash };
            self.restart(end);
        }
    }

    fn restart(&mut self, end: End) {
        self.end(end);
        self.start();
    }

    /// Ends whatever is open.
    fn end(&mut self, end: End) {
        if !matches!(end, End::Stop) {
            // Nothing that its threads still do reaches the disk.
            self.disk.cut_power_at(0);
        }
        drop(self.open.take());
        match end {
            End::Stop if self.disk.is_off() => self.disk.crash(),
            End::Stop => {}
            End::Kill => {
                self.disk.kill();
                self.tally.kills += 1;
            }
            End::Crash => {
                self.disk.crash();
                self.tally.crashes += 1;
            }
        }
    }

    /// All that was acknowledged is there. Looking is not what is tested here, so faults that are due wait.
    fn check(&mut self) {
        let (ledger, _) = self.open.as_ref().unwrap();
        let head = ledger.head();
        assert!(head.size >= self.kept.largest(), "{} events of {}", head.size, self.kept.largest());
        let failures = self.disk.failures();
        let Ok(leaves) = ledger.read(LeafIndex::new(0), usize::MAX) else {
            assert!(self.disk.failures() > failures, "the log cannot be read, and there was no fault");
            return;
        };
        let leaves: Vec<String> = leaves.iter().map(|leaf| String::from_utf8(leaf.to_vec()).unwrap()).collect();
        self.kept.check_leaves(&leaves, SeenHead { size: head.size, root: head.root });
        for commitment in &self.bodies {
            match ledger.content().get(commitment) {
                Ok(found) => assert!(found.is_some(), "a body was taken and is gone"),
                Err(error) => assert!(self.disk.failures() > failures, "{error}"),
            }
        }
    }

    /// Asks again for what nobody knows: it is done now, or was done then, and never twice.
    fn ask_again(&mut self) {
        for intent in std::mem::take(&mut self.unknown) {
            let (ledger, sequencer) = self.open.as_mut().unwrap();
            let queued = ledger.queue(create(intent)).unwrap();
            sequencer.step(false);
            match wait(queued) {
                Ok(done) => self.kept.keep(&done.receipt, &signer(ORIGIN, 2).verifier()),
                Err(SubmitError::Rejected(no)) => {
                    assert!(matches!(no.kind, RejectionKind::Duplicate(_)), "{no}");
                    self.tally.unknown_found += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    /// The files as they are, on a real disk.
    fn export(&self) -> tempfile::TempDir {
        let target = tempfile::tempdir().unwrap();
        copy(&self.disk, &self.dir, target.path());
        target
    }
}

/// What was queued and carried out has been answered already.
fn wait(queued: Queued) -> Result<Committed, SubmitError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(queued.committed())
}

fn ops() -> Caller {
    Caller::key("key_ops".parse().unwrap())
}

fn create(intent: Intent) -> Command {
    Command::CreateIntent { by: ops(), intent, authored: None }
}

fn copy(disk: &SimulatedDisk, from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in disk.list(from).unwrap() {
        let (from, to) = (from.join(&name), to.join(&name));
        if disk.is_dir(&from) {
            copy(disk, &from, &to);
        } else {
            let file = disk.open(&from, Access::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
            file.read_exact_at(&mut bytes, 0).unwrap();
            fs::write(to, bytes).unwrap();
        }
    }
}

/// A life, and what its auditor says.
fn live(seed: u64, total: &mut Tally) {
    let mut world = World::new(seed);
    for _ in 0..40 + world.chance.below(60) {
        world.step();
    }
    world.restart(End::Crash);
    world.ask_again();
    if seed.is_multiple_of(AUDITED) {
        world.end(End::Stop);
        let folder = world.export();
        let location = verifier::Location::open(folder.path().to_str().unwrap()).unwrap();
        for verify in [verifier::verify_log, verifier::verify_replay] {
            let report = verify(&location, &verifier::Options::default());
            assert_eq!(report.verdict, verifier::Verdict::Valid, "{report:?}");
        }
        total.audited += 1;
    }
    let Tally { committed, refused, unknown, unknown_found, no_room, crashes, kills, starts_failed, .. } = world.tally;
    total.committed += committed;
    total.refused += refused;
    total.unknown += unknown;
    total.unknown_found += unknown_found;
    total.no_room += no_room;
    total.crashes += crashes;
    total.kills += kills;
    total.starts_failed += starts_failed;
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Says which seed it was, if the test ends here.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "simulated: seed {0} failed; the same again with COUNTERSIGN_SEED={0} COUNTERSIGN_SEEDS=1",
                self.0
            );
        }
    }
}

#[test]
fn a_ledger_on_a_failing_disk_keeps_all_that_it_acknowledged() {
    let mut total = Tally::default();
    let (first, seeds) = (number("COUNTERSIGN_SEED").unwrap_or(0), number("COUNTERSIGN_SEEDS").unwrap_or(SEEDS));
    for seed in first..first.saturating_add(seeds) {
        let announce = Announce(seed);
        live(seed, &mut total);
        drop(announce);
    }
    eprintln!("simulated: {seeds} lives, {total:?}");
    eprintln!(
        "tally: simulated-lives={seeds} simulated-crashes={} receipts={}",
        total.crashes + total.kills,
        total.committed
    );
    // A simulation in which nothing happens proves nothing.
    if seeds >= SEEDS {
        let seen = [total.unknown, total.crashes, total.kills, total.starts_failed, total.no_room, total.audited];
        assert!(total.committed > 20 * seeds && seen.iter().all(|count| *count > 0), "{total:?}");
    }
}

/// Fills the segment, and lets no other be made, until not even the shortest intent is taken.
fn fill(world: &mut World, filler: usize) {
    let mut number = 0;
    let mut take = |world: &mut World, length: usize| {
        number += 1;
        world.disk.fail_nth(Operation::Create, 0, Fault::NoSpace);
        let intent = Intent {
            intent_id: format!("filling-{number:08}").parse().unwrap(),
            from: None,
            mode: None,
            goal: Text::Inline("x".repeat(length)),
            constraints: None,
        };
        world.submit(create(intent)).is_some()
    };
    assert!(take(world, filler));
    while take(world, 1_000) {}
    for length in (1..1_000).rev() {
        take(world, length);
    }
}

#[test]
fn a_confirmation_of_the_clock_that_found_no_room_is_not_believed() {
    let leap = 3 * 3_600_000;
    let refused = (0..40).any(|step| {
        let mut world = World::new(0);
        fill(&mut world, 1 + 20 * step);
        let confirm = |world: &mut World| {
            let time = Timestamp::from_ms(world.clock.shows());
            world.submit(Command::ConfirmClock { by: ops(), time })
        };
        world.clock.set(world.clock.shows() + leap);
        let (no_room, size) = (world.tally.no_room, world.size());
        world.disk.fail_nth(Operation::Create, 0, Fault::NoSpace);
        if confirm(&mut world).is_some() {
            // It found a gap that no intent had fitted into; with another filling there is none.
            return false;
        }
        assert_eq!(world.tally.no_room, no_room + 1);
        // Nothing says that the clock is right, so it is not; once something does, it is.
        let asked = |world: &mut World, name: &str| {
            let (ledger, sequencer) = world.open.as_mut().unwrap();
            let intent_id = name.parse().unwrap();
            let goal = Text::Inline("something".into());
            let queued =
                ledger.queue(create(Intent { intent_id, from: None, mode: None, goal, constraints: None })).unwrap();
            sequencer.step(false);
            wait(queued)
        };
        let outcome = asked(&mut world, "too-early");
        assert!(matches!(outcome, Err(SubmitError::Clock(ClockError::Forward { .. }))), "{outcome:?}");
        assert_eq!(world.size(), size);
        confirm(&mut world).expect("there is room again");
        asked(&mut world, "in-time").unwrap();
        true
    });
    assert!(refused, "every confirmation found a gap");
}
