//! A clock that steps back or leaps ahead: time in the log never goes back, what the clock cannot be believed for is refused,
//! and no deadline allows anything meanwhile.

use countersign_tests::chance::Chance;
use countersign_tests::founding::{HandClock, InProcess, ORIGIN, api_key};
use countersign_tests::people::committed;
use countersign_tests::proposals;
use domain::authored::{self, StatementKind};
use domain::command::{Caller, Command};
use domain::content::Text;
use domain::event::approval::{Answer, Challenge, Verb};
use domain::event::intent::Intent;
use domain::event::job::LeaseRequest;
use domain::event::key::{NewKey, Scope};
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
use domain::event::{Event, EventData, PrincipalKind};
use domain::id::JobId;
use domain::state::job::JobState;
use domain::time::Timestamp;
use ledger::clock::ClockError;
use ledger::{Committed, SubmitError};
use proof::LeafIndex;
use proof::note::SignerKey;
use tempfile::TempDir;

const STEPS: u64 = 400;
/// A step back that is clamped, and a leap ahead that is believed; one more is not.
const BEHIND_MS: u64 = 5_000;
const AHEAD_MS: u64 = 3_600_000;
const MINUTE: u64 = 60_000;

fn keys() -> Vec<NewKey> {
    let human = [Scope::ProposalCreate, Scope::ProposalApprove, Scope::ProposalDeny];
    vec![
        api_key("key_ops", PrincipalKind::Admin, "ops", &Scope::ALL),
        api_key("key_lee", PrincipalKind::Human, "lee", &human),
        api_key("key_casey", PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]),
    ]
}

struct World {
    _dir: TempDir,
    clock: HandClock,
    ledger: InProcess,
    runner: SignerKey,
}

impl World {
    fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
        let mut ledger = InProcess::found(&dir.path().join("data"), keys(), &clock);
        let runner = ledger.register_runner("runner-1");
        Self { _dir: dir, clock, ledger, runner }
    }

    fn size(&self) -> u64 {
        self.ledger.ledger.head().size.get()
    }

    /// Lets the writer do what is due.
    fn step(&mut self) {
        self.ledger.sequencer.step(false);
    }

    /// The events from an index on.
    fn events(&self, from: u64) -> Vec<Event> {
        (from..self.size()).map(|seq| self.ledger.ledger.event(LeafIndex::new(seq)).unwrap()).collect()
    }

    fn intend(&mut self, name: &str) -> Result<Committed, SubmitError> {
        let intent = Intent {
            intent_id: name.parse().unwrap(),
            from: None,
            mode: None,
            goal: Text::Inline("something".into()),
            constraints: None,
        };
        self.ledger.submit(Command::CreateIntent { by: InProcess::caller("key_ops"), intent, authored: None })
    }

    /// Proposes something that needs a human; gives what the human is asked.
    fn ask(&mut self, name: &str) -> Challenge {
        let (proposal, _) = committed(proposals::irreversible(name, "a.txt", "x"));
        let by = InProcess::caller("key_casey");
        let command =
            Command::SubmitProposal { by, proposal: Box::new(proposal), findings: Vec::new(), authored: None };
        let done = self.ledger.submit(command).unwrap();
        let asked = done.events.iter().find_map(|event| match &event.data {
            EventData::ApprovalRequested(asked) => Some(asked.challenge.clone()),
            _ => None,
        });
        asked.expect("nobody is asked")
    }

    fn grant(&mut self, challenge: &Challenge) -> Result<Committed, SubmitError> {
        let challenge = challenge.clone();
        let answer = Answer { proposal_id: challenge.proposal_id.clone(), verb: Verb::Grant, challenge, reason: None };
        self.ledger.submit(Command::AnswerApproval { by: InProcess::caller("key_lee"), answer, authored: None })
    }

    fn lease(&mut self) -> Result<Committed, SubmitError> {
        let policy = self.ledger.ledger.policy();
        let request = LeaseRequest {
            runner_id: "runner-1".parse().unwrap(),
            tools: policy.manifest().tools.keys().cloned().collect(),
            manifest: policy.manifest_digest(),
        };
        let (key, seen) = (self.runner.secret(), self.ledger.seen());
        let authored = authored::sign(StatementKind::Lease, ORIGIN, seen, &request, key).unwrap();
        let key_id = key.public().key_id();
        self.ledger.submit(Command::LeaseJob { request, key_id, seen: seen.size, authored })
    }

    /// The runner says that it has done what it leased.
    fn report(&mut self, job: &JobId) -> Result<Committed, SubmitError> {
        let (lease, actions) = self.ledger.ledger.with_state(|state| {
            let record = state.job(job).unwrap();
            let JobState::Leased(lease) = &record.state else { panic!("{job} is not leased") };
            (lease.clone(), record.job.actions.clone())
        });
        let action = |tool: &domain::id::ToolName| ActionResult {
            tool: tool.clone(),
            completed: true,
            exit_code: None,
            output: Some(Text::Inline("done".into())),
            detail: None,
            duration_ms: 3,
        };
        let result = JobResult {
            job_id: job.clone(),
            attempt: lease.attempt,
            lease: Some(lease.at),
            status: ResultStatus::Completed,
            actions: actions.iter().map(|a| action(&a.tool)).collect(),
            artifacts: vec![Artifact {
                kind: "log".into(),
                path: "output".into(),
                sha256: proof::sha256(b"done"),
                length: 4,
            }],
            confinement: None,
            detail: None,
        };
        let key = self.runner.secret();
        let authored = authored::sign(StatementKind::Result, ORIGIN, self.ledger.seen(), &result, key).unwrap();
        let by = Caller::key(key.public().key_id().to_string().parse().unwrap());
        self.ledger.submit(Command::RecordResult { by, result, authored: Some(authored) })
    }
}

fn is_backward(outcome: &Result<Committed, SubmitError>) -> bool {
    matches!(outcome, Err(SubmitError::Clock(ClockError::Backward { .. })))
}

fn is_forward(outcome: &Result<Committed, SubmitError>) -> bool {
    matches!(outcome, Err(SubmitError::Clock(ClockError::Forward { .. })))
}

fn is_rejected(outcome: &Result<Committed, SubmitError>) -> bool {
    matches!(outcome, Err(SubmitError::Rejected(_)))
}

#[test]
fn the_time_of_the_log_follows_the_clock_as_far_as_it_is_believed() {
    let mut chance = Chance::with_printed_seed("clock");
    let mut world = World::new();
    // What a clock that is right would show, and the time of the log's last event.
    let (mut right, mut last) = (world.clock.shows(), world.clock.shows());
    let (mut believed, mut behind, mut ahead) = (0, 0, 0);
    for step in 0..STEPS {
        match chance.below(8) {
            0 => world.clock.set(last - chance.below(2 * BEHIND_MS)),
            1 => world.clock.set(last - BEHIND_MS),
            2 => world.clock.set(last - BEHIND_MS - 1),
            3 => world.clock.set(right + chance.below(2 * AHEAD_MS)),
            4 => world.clock.set(right + AHEAD_MS),
            5 => world.clock.set(right + AHEAD_MS + 1),
            6 => world.clock.set(right),
            _ => {
                let ms = chance.below(20 * MINUTE);
                world.clock.advance(ms);
                right += ms;
            }
        }
        let (shown, size) = (world.clock.shows(), world.size());
        let outcome = world.intend(&format!("intent-{step}"));
        if shown + BEHIND_MS < last {
            assert!(is_backward(&outcome), "{last} in the log, {shown} shown: {outcome:?}");
            behind += 1;
        } else if shown > right + AHEAD_MS {
            assert!(is_forward(&outcome), "{right} expected, {shown} shown: {outcome:?}");
            ahead += 1;
        } else {
            let time = outcome.unwrap().events[0].header.time.as_ms();
            assert_eq!(time, shown.max(last), "{shown} shown");
            last = time;
            believed += 1;
            continue;
        }
        assert_eq!(world.size(), size, "a clock that is not believed left events");
    }
    eprintln!("clock: believed {believed} times, {behind} times too far behind, {ahead} times too far ahead");
    assert!(believed > 50 && behind > 10 && ahead > 10, "{believed} {behind} {ahead}");
    let times: Vec<_> = world.events(0).iter().map(|event| event.header.time).collect();
    assert!(times.is_sorted(), "the log's time went back");
}

#[test]
fn a_leap_ahead_lets_no_deadline_pass() {
    let mut world = World::new();
    let (granted, lapsing) = (world.ask("p-granted"), world.ask("p-lapsing"));
    let (size, right) = (world.size(), world.clock.shows());

    // Both questions have lapsed by this clock. Nothing happens, and nothing is allowed.
    world.clock.set(granted.expires.as_ms() + AHEAD_MS);
    world.step();
    assert!(is_forward(&world.grant(&granted)));
    assert!(is_forward(&world.lease()));
    assert_eq!(world.size(), size);

    // The clock is right again: there was time left, and a yes is a yes.
    world.clock.set(right + 1);
    let done = world.grant(&granted).unwrap();
    let job = done.events.iter().find_map(|event| match &event.data {
        EventData::JobCreated(created) => Some(created.job.job_id.clone()),
        _ => None,
    });
    let job = job.expect("no job was minted");
    world.lease().unwrap();

    // Nor does a lease run out, nor is a result taken, by a clock that is not believed.
    let size = world.size();
    world.clock.set(right + 3 * AHEAD_MS);
    world.step();
    assert!(is_forward(&world.report(&job)));
    assert_eq!(world.size(), size);
    world.clock.set(right + 2);
    world.report(&job).unwrap();

    // What lapses when time has really passed stays lapsed.
    world.clock.advance(lapsing.expires.as_ms() - world.clock.shows());
    assert!(is_rejected(&world.grant(&lapsing)));
    let lapsed = world.events(0).iter().filter(|e| matches!(e.data, EventData::ApprovalExpired(_))).count();
    assert_eq!(lapsed, 1);
}

#[test]
fn a_step_back_gives_no_deadline_more_time() {
    let mut world = World::new();
    let asked = world.ask("p-asked");
    let granted = world.ask("p-granted");
    world.grant(&granted).unwrap();
    let leased = world.lease().unwrap();
    let job = leased.events.iter().find_map(|event| match &event.data {
        EventData::JobLeased(_) => Some(event.header.subject.as_str().trim_start_matches("job/").parse::<JobId>()),
        _ => None,
    });
    let job = job.expect("nothing was leased").unwrap();
    // The log has seen the moment after which both deadlines are over.
    world.clock.advance(2 * AHEAD_MS);
    world.step();
    let over = world.events(0);
    let count = |is: fn(&EventData) -> bool| over.iter().filter(|event| is(&event.data)).count();
    assert_eq!(count(|data| matches!(data, EventData::ApprovalExpired(_))), 1);
    assert_eq!(count(|data| matches!(data, EventData::JobLeaseExpired(_))), 1);

    // A clock from before the deadlines does not bring them back: far behind it is refused, a little behind clamped.
    let (right, size) = (world.clock.shows(), world.size());
    world.clock.set(asked.expires.as_ms() - 1);
    assert!(is_backward(&world.grant(&asked)));
    world.clock.set(right - BEHIND_MS);
    assert!(is_rejected(&world.grant(&asked)));
    assert!(is_rejected(&world.grant(&granted)), "a challenge is good for one answer");
    assert_eq!(world.size(), size);
    let is_leased = world
        .ledger
        .ledger
        .with_state(|state| state.job(&job).is_some_and(|record| matches!(record.state, JobState::Leased(_))));
    assert!(!is_leased, "the lease is over");
}

#[test]
fn a_leap_is_believed_once_that_time_has_passed() {
    let mut world = World::new();
    world.clock.set(world.clock.shows() + 3 * AHEAD_MS);
    assert!(is_forward(&world.intend("too-early")));
    // The clock stands still, as if it had been set ahead by hand, while time catches up with it.
    let ahead = world.clock.shows();
    world.clock.advance(2 * AHEAD_MS - 1);
    world.clock.set(ahead);
    assert!(is_forward(&world.intend("still-too-early")));
    world.clock.advance(1);
    world.clock.set(ahead);
    let done = world.intend("in-time").unwrap();
    assert_eq!(done.events[0].header.time.as_ms(), ahead);
}

#[test]
fn a_leap_is_believed_once_an_admin_confirms_it() {
    let mut world = World::new();
    let asked = world.ask("p-asked");
    let right = world.clock.shows();
    world.clock.set(right + 3 * AHEAD_MS);
    let leapt = Timestamp::from_ms(world.clock.shows());
    let size = world.size();
    let confirm = |world: &mut World, by: &str, time| {
        world.ledger.submit(Command::ConfirmClock { by: InProcess::caller(by), time })
    };
    // Nobody else may, nobody confirms another time than the clock's, and asking changes nothing.
    for (by, time) in [("key_lee", leapt), ("key_casey", leapt), ("key_ops", Timestamp::from_ms(right))] {
        assert!(is_rejected(&confirm(&mut world, by, time)), "{by} {time}");
        assert!(is_forward(&world.intend("too-early")));
    }
    assert_eq!(world.size(), size);

    let done = confirm(&mut world, "key_ops", leapt).unwrap();
    assert!(matches!(done.events[0].data, EventData::ClockConfirmed(_)), "{:?}", done.events);
    assert_eq!(done.events[0].header.time, leapt);
    // From now on it is the time, and what has lapsed by it has lapsed.
    assert!(is_rejected(&world.grant(&asked)));
    assert_eq!(world.intend("in-time").unwrap().events[0].header.time, leapt);

    // A clock that was confirmed by mistake cannot be taken back behind the log's last event.
    world.clock.set(right);
    assert!(is_backward(&confirm(&mut world, "key_ops", Timestamp::from_ms(right))));
}
