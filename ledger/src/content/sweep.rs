//! Orphans: bodies that were stored for an event that was never committed. They are removed, and nothing else is.
//!
//! A pass takes files that have not been written or touched for an hour, lets everything that was queued before be
//! committed, reads the log once, and takes every body that it names off the list. What is left is an orphan.
//!
//! Why none is removed that an event names: its command stored the body, or touched the one that lay there, before it
//! was queued. If that was before the pass began, it was an hour ago, so the command was queued by then, and the pass
//! waits for what was queued. If it was later, the file is young when it is looked at again, with nobody storing
//! meanwhile, just before it is removed.
//!
//! Memory is bounded by the candidates of one pass. Those that a whole round has found to be named are not looked at
//! again in this run: an event does not go away.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::command::Command;
use domain::id::JobId;
use proof::{Hash, LeafIndex, TreeSize};

use super::named::named;
use super::{ContentError, ContentStore};
use crate::durable::IoError;
use crate::handle::{Ledger, SubmitError};
use crate::site::TreeError;
use crate::width::on_disk;

/// A body that is younger may be on its way into the log.
pub const ORPHAN_AGE: Duration = Duration::from_secs(3600);
/// From one round to the next.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(3600);
/// Candidates of one pass: some megabytes.
const CANDIDATES_MAX: usize = 65_536;
/// Leaves of one read.
const READ: usize = 1024;
/// Files that are removed before whoever wants to store comes first.
const REMOVE: usize = 64;
/// A job of this name there never is: asking for it is a command that changes nothing, and is answered in its turn.
const NO_JOB: &str = "sweep";

/// What a pass has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files that were old enough.
    pub candidates: u64,
    /// Orphans among them, removed.
    pub removed: u64,
    /// Their bytes, salts included.
    pub bytes: u64,
    /// Whether the round is over; otherwise the next pass goes on where this one ended.
    pub is_complete: bool,
}

/// Why a pass came to nothing, or not to its end. The next one begins where it began.
#[derive(Debug)]
pub enum SweepError {
    /// The store.
    Content(ContentError),
    /// The log.
    Log(TreeError),
    /// What was queued was not committed.
    Writer(SubmitError),
    /// Told to stop.
    Stopped,
}

impl fmt::Display for SweepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(error) => error.fmt(f),
            Self::Log(error) => error.fmt(f),
            Self::Writer(error) => error.fmt(f),
            Self::Stopped => f.write_str("told to stop"),
        }
    }
}

impl std::error::Error for SweepError {}

impl From<ContentError> for SweepError {
    fn from(error: ContentError) -> Self {
        Self::Content(error)
    }
}

impl From<TreeError> for SweepError {
    fn from(error: TreeError) -> Self {
        Self::Log(error)
    }
}

/// Where the sweeping of a ledger stands.
#[derive(Debug)]
pub struct Sweep {
    ledger: Ledger,
    older_than: Duration,
    candidates_max: usize,
    /// Files up to this time have been looked at in a whole round.
    settled: Option<Duration>,
    round: Option<Round>,
}

/// A round that is under way.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Files up to this time are candidates.
    until: Duration,
    /// Where it goes on.
    after: Option<Hash>,
}

/// Removes the orphans of a ledger whose writer runs, in as many passes as it takes.
pub fn sweep(ledger: &Ledger) -> Result<Swept, SweepError> {
    let mut sweep = Sweep::new(ledger.clone());
    let mut all = Swept::default();
    while !all.is_complete {
        let pass = sweep.pass(&|| false)?;
        all = Swept {
            candidates: all.candidates + pass.candidates,
            removed: all.removed + pass.removed,
            bytes: all.bytes + pass.bytes,
            is_complete: pass.is_complete,
        };
    }
    Ok(all)
}

impl Sweep {
    /// Nothing is looked at yet.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, older_than: ORPHAN_AGE, candidates_max: CANDIDATES_MAX, settled: None, round: None }
    }

    /// With so many candidates in a pass.
    #[must_use]
    pub fn with_candidates_max(self, candidates_max: usize) -> Self {
        Self { candidates_max: candidates_max.max(1), ..self }
    }

    /// One pass. `stop` is asked now and then.
    pub fn pass(&mut self, stop: &dyn Fn() -> bool) -> Result<Swept, SweepError> {
        let store = self.ledger.content().clone();
        let round =
            self.round.unwrap_or_else(|| Round { until: store.now().saturating_sub(self.older_than), after: None });
        let (mut candidates, after) = self.candidates(&store, round)?;
        let mut swept = Swept { candidates: on_disk(candidates.len()), ..Swept::default() };
        if !candidates.is_empty() {
            // What was queued before is committed now, or refused.
            match self.ledger.submit_blocking(Command::ExpireLease { job_id: no_job()? }) {
                Err(SubmitError::Rejected(_)) | Ok(_) => {}
                Err(error) => return Err(SweepError::Writer(error)),
            }
            let head = self.ledger.head().size;
            strike_named(&self.ledger, head, &mut candidates, stop)?;
            (swept.removed, swept.bytes) = remove(&store, candidates, round.until)?;
        }
        swept.is_complete = after.is_none();
        self.round = after.map(|after| Round { after: Some(after), ..round });
        if swept.is_complete {
            self.settled = Some(round.until);
        }
        Ok(swept)
    }

    /// Files that are old enough and not settled, and where to go on if there are too many.
    fn candidates(&self, store: &ContentStore, round: Round) -> Result<(HashMap<Hash, u64>, Option<Hash>), SweepError> {
        let mut found = HashMap::new();
        let first = round.after.and_then(|after| after.as_bytes().first().copied()).unwrap_or(0);
        for shard in first..=u8::MAX {
            for name in store.shard(shard)? {
                if round.after.is_some_and(|after| name <= after) {
                    continue;
                }
                let Some(modified) = store.modified(&name)? else { continue };
                if modified > round.until || self.settled.is_some_and(|settled| modified <= settled) {
                    continue;
                }
                found.insert(name, store.length(&name)?.unwrap_or(0));
                if found.len() >= self.candidates_max {
                    return Ok((found, Some(name)));
                }
            }
        }
        Ok((found, None))
    }
}

/// Takes off the list what the first `size` events name.
pub(super) fn strike_named(
    ledger: &Ledger,
    size: TreeSize,
    candidates: &mut HashMap<Hash, u64>,
    stop: &dyn Fn() -> bool,
) -> Result<(), SweepError> {
    let mut at = LeafIndex::new(0);
    while size.contains(at) && !candidates.is_empty() {
        if stop() {
            return Err(SweepError::Stopped);
        }
        let leaves = ledger.read(at, READ)?;
        if leaves.is_empty() {
            return Err(TreeError::Missing { index: at }.into());
        }
        for leaf in leaves {
            for name in named(&leaf) {
                candidates.remove(&name);
            }
            at = at.next();
        }
    }
    Ok(())
}

/// Removes orphans, unless somebody has stored them again since; gives their number and bytes.
fn remove(store: &ContentStore, orphans: HashMap<Hash, u64>, until: Duration) -> Result<(u64, u64), SweepError> {
    let (mut removed, mut bytes) = (0, 0);
    let orphans: Vec<_> = orphans.into_iter().collect();
    for chunk in orphans.chunks(REMOVE) {
        let closed = store.usage.close();
        for (name, length) in chunk {
            if store.modified(name)?.is_none_or(|modified| modified > until) {
                continue;
            }
            let path = store.path(name);
            let disk = store.staging.disk();
            // Not synced: an orphan that comes back after a crash goes in the next round.
            let gone = store.strike(name, || {
                disk.remove_file(&path).map_err(|error| IoError::at("remove", &path)(error))?;
                Ok(true)
            })?;
            if gone {
                removed += 1;
                bytes += length;
            }
        }
        drop(closed);
    }
    Ok((removed, bytes))
}

fn no_job() -> Result<JobId, SweepError> {
    JobId::new(NO_JOB).map_err(|error| SweepError::Writer(SubmitError::Stopped(error.to_string())))
}

/// Sweeping in the background: at the start, and then every hour.
#[derive(Debug)]
pub struct Sweeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// Starts it.
    pub fn start(ledger: Ledger) -> io::Result<Self> {
        let (stop, told) = channel();
        let thread = std::thread::Builder::new().name("sweeper".into()).spawn(move || run(ledger, &told))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sweeper failed");
        }
    }
}

fn run(ledger: Ledger, told: &Receiver<()>) {
    let mut sweep = Sweep::new(ledger);
    loop {
        let pass = sweep.pass(&|| told.try_recv() == Err(TryRecvError::Disconnected));
        let pause = match pass {
            Ok(swept) => {
                if swept.removed > 0 {
                    tracing::info!(
                        removed = swept.removed,
                        bytes = swept.bytes,
                        "bodies without an event were removed"
                    );
                }
                if swept.is_complete { BETWEEN_ROUNDS } else { Duration::ZERO }
            }
            Err(SweepError::Stopped) => return,
            Err(error) => {
                tracing::warn!(%error, "orphaned bodies could not be looked for; they only take room");
                BETWEEN_ROUNDS
            }
        };
        if told.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
