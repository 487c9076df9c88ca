//! A ledger in this process, made as `countersign init` makes one, without its executable.

use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command};
use domain::event::PrincipalKind;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::ledger::{Genesis, Profile};
use domain::event::runner::NewRunner;
use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use domain::time::Timestamp;
use ledger::clock::Clock;
use ledger::journal::OpenError as JournalError;
use ledger::keys::{KeyFolder, KeyRole};
use ledger::{Committed, Ledger, OpenError, Options, Recovered, Sequencer, SubmitError};
use proof::note::SignerKey;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The log's name.
pub const ORIGIN: &str = "ledger.example/in-process";

/// Longest wait for a folder that a process has which is being started.
const PATIENCE: Duration = Duration::from_secs(20);

/// Events from one snapshot to the next.
pub const SNAPSHOT_EVERY: u64 = 16;

/// The files of the default policy.
const POLICY: [(&str, &str); 3] = [
    ("agents.toml", include_str!("../../policy/default/agents.toml")),
    ("approvals.toml", include_str!("../../policy/default/approvals.toml")),
    ("effects.toml", include_str!("../../policy/default/effects.toml")),
];

/// The default tool manifest.
pub const MANIFEST: &str = include_str!("../../policy/default/manifest.json");

/// A clock that goes when it is told to.
#[derive(Debug, Clone)]
pub struct HandClock(Arc<Hands>);

#[derive(Debug)]
struct Hands {
    wall: AtomicU64,
    monotonic: AtomicU64,
}

impl HandClock {
    /// A clock that shows the time at which these tests were written.
    pub fn new() -> Self {
        Self(Arc::new(Hands { wall: AtomicU64::new(1_790_000_000_000), monotonic: AtomicU64::new(7_000) }))
    }

    /// A clock that shows the time of this machine, for a ledger that its executables write to as well.
    pub fn of_this_machine() -> Self {
        let clock = Self::new();
        clock.catch_up();
        clock
    }

    /// Goes on to the time of this machine.
    ///
    /// # Panics
    /// If that is before 1970.
    pub fn catch_up(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (now, shown) = (u64::try_from(now.as_millis()).unwrap(), self.shows());
        self.set(now);
        self.0.monotonic.fetch_add(now.saturating_sub(shown), Ordering::SeqCst);
    }

    /// Goes on, as time does.
    pub fn advance(&self, ms: u64) {
        self.0.wall.fetch_add(ms, Ordering::SeqCst);
        self.0.monotonic.fetch_add(ms, Ordering::SeqCst);
    }

    /// Is set: shows this, and no time has passed.
    pub fn set(&self, wall_ms: u64) {
        self.0.wall.store(wall_ms, Ordering::SeqCst);
    }

    /// What it shows.
    pub fn shows(&self) -> u64 {
        self.0.wall.load(Ordering::SeqCst)
    }
}

impl Default for HandClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for HandClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_ms(self.shows())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.monotonic.load(Ordering::SeqCst))
    }
}

/// A ledger whose sequencer works when it is told to.
#[derive(Debug)]
pub struct InProcess {
    /// The handle.
    pub ledger: Ledger,
    /// The writer.
    pub sequencer: Sequencer,
    /// What opening found.
    pub recovered: Recovered,
    /// The root key.
    pub root: SignerKey,
}

/// The default policy, and the default manifest.
///
/// # Panics
/// If the files are not what they should be.
pub fn policy() -> Policy {
    Policy::new(Bundle::compile(&POLICY).unwrap(), Manifest::parse(MANIFEST.as_bytes()).unwrap())
}

/// An API key's record; the credential is the hash of its name.
///
/// # Panics
/// If a name cannot be one.
pub fn api_key(key_id: &str, kind: PrincipalKind, id: &str, scopes: &[Scope]) -> NewKey {
    NewKey {
        key_id: key_id.parse().unwrap(),
        credential: Credential::Api(proof::sha256(key_id.as_bytes())),
        principal: Principal { kind, id: id.parse().unwrap() },
        scopes: scopes.iter().copied().collect(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    }
}

/// Small steps, so that a short test takes many: snapshots, and segments that are given up.
fn options(event: SignerKey, checkpoint: SignerKey, clock: &HandClock) -> Options {
    Options::new(event, checkpoint)
        .with_clock(Box::new(clock.clone()))
        .with_snapshot_every(SNAPSHOT_EVERY)
        .with_segment_bytes(64 * 1024)
}

impl InProcess {
    /// Founds a `dev` ledger with these keys.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn found(dir: &Path, keys: Vec<NewKey>, clock: &HandClock) -> Self {
        ledger::durable::ensure_dir(dir, ledger::durable::Mode::Private).unwrap();
        let folder = KeyFolder::of(dir);
        let staging = ledger::durable::Staging::open(dir).unwrap();
        let create = |role| folder.create(&staging, role, ORIGIN).unwrap();
        let (root, event, checkpoint) = (create(KeyRole::Root), create(KeyRole::Event), create(KeyRole::Checkpoint));
        drop(staging);
        let policy = policy();
        let genesis = Genesis {
            origin: ORIGIN.into(),
            profile: Profile::Dev,
            root: root.verifier().to_string(),
            event: event.verifier().to_string(),
            checkpoint: checkpoint.verifier().to_string(),
            policy: policy.bundle_digest(),
            manifest: policy.manifest_digest(),
            keys,
        };
        let authored =
            authored::sign(StatementKind::Genesis, ORIGIN, SeenHead::empty(), &genesis, root.secret()).unwrap();
        let (ledger, sequencer, recovered) =
            ledger::open(dir, options(event, checkpoint, clock), Some(policy)).unwrap();
        let mut founded = Self { ledger, sequencer, recovered, root };
        founded.submit(Command::CreateLedger { genesis, authored }).unwrap();
        founded
    }

    /// Opens it again.
    ///
    /// # Panics
    /// If it does not open.
    pub fn open(dir: &Path, clock: &HandClock) -> Self {
        Self::try_open(dir, clock).unwrap()
    }

    /// The same where it may not open.
    ///
    /// # Errors
    /// If it does not open.
    ///
    /// # Panics
    /// If its keys cannot be read.
    pub fn try_open(dir: &Path, clock: &HandClock) -> Result<Self, OpenError> {
        let folder = KeyFolder::of(dir);
        let key = |role| folder.read(role).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            crate::data::wait_until_free(dir);
            let options = options(key(KeyRole::Event), key(KeyRole::Checkpoint), clock);
            match ledger::open(dir, options, None) {
                // Once more a process that is being started somewhere has what this one had open.
                Err(OpenError::Journal(JournalError::Lock(_))) if Instant::now() < until => {}
                opened => {
                    let (ledger, sequencer, recovered) = opened?;
                    return Ok(Self { ledger, sequencer, recovered, root: key(KeyRole::Root) });
                }
            }
        }
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// If it is refused.
    ///
    /// # Panics
    /// If the thread that waits for the answer fails.
    pub fn submit(&mut self, command: Command) -> Result<Committed, SubmitError> {
        let ledger = self.ledger.clone();
        let waiting = std::thread::spawn(move || ledger.submit_blocking(command));
        // The command may be refused before it is queued; so never wait for one that does not come.
        while !waiting.is_finished() {
            self.sequencer.step(false);
            std::thread::yield_now();
        }
        waiting.join().unwrap()
    }

    /// Registers a runner with root's statement; gives its key.
    ///
    /// # Panics
    /// If the name cannot be a runner's, or is taken.
    pub fn register_runner(&mut self, name: &str) -> SignerKey {
        let runner = crate::people::new_key(&format!("runner/{name}"));
        let record =
            NewRunner { runner_id: name.parse().unwrap(), public_key: *runner.verifier().key(), description: None };
        let authored = authored::sign(StatementKind::Runner, ORIGIN, self.seen(), &record, self.root.secret()).unwrap();
        self.submit(Command::RegisterRunner { runner: record, authored }).unwrap();
        runner
    }

    /// The head, as a statement names it.
    pub fn seen(&self) -> SeenHead {
        let head = self.ledger.head();
        SeenHead { size: head.size, root: head.root }
    }

    /// Publishes the head, and closes the ledger.
    pub fn close(self) {
        self.ledger.stop();
        self.sequencer.run();
    }

    /// Whoever holds this key.
    ///
    /// # Panics
    /// If the name cannot be a key's.
    pub fn caller(key_id: &str) -> Caller {
        Caller::key(key_id.parse().unwrap())
    }
}
