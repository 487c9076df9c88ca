//! The thread that keeps the rows up with the log.
//!
//! It reads the log from its own position; the ledger's watch channel is only a doorbell, so
//! nothing is lost however late it wakes. It never polls, and waits for time only where the disk or
//! the log refuse: then it tries again, less and less often, for a full disk does not stay full.

use std::fmt;
use std::num::NonZeroU64;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use proof::TreeSize;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::error::{Closed, OpenError, StepError};
use crate::guard::{Trouble, words};
use crate::source::Source;
use crate::store::{Opened, Store, Writer};

/// Replacements of the files in one process, after which the disk is to be looked at by a person.
const REPLACEMENTS_MAX: u64 = 5;

/// Least time between two batches.
const GATHER: Duration = Duration::from_millis(5);

/// The wait before the first new attempt after the disk or the log refused, and the longest; each is twice the one before.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How a follower works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most events of one batch.
    pub batch_events: usize,
    /// Events after which the rows are brought onto the disk; fewer are folded again after a crash.
    pub flush_every: u64,
    /// Events after which the digests are stated in the log, not counting such statements
    /// themselves, so that they never beget each other. Nothing: never.
    pub attest_every: Option<NonZeroU64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_events: 512, flush_every: 20_000, attest_every: NonZeroU64::new(1000) }
    }
}

/// A running follower. Dropping it stops it, and waits for that; only then is the source let go.
#[derive(Debug)]
pub struct Follower {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Opens the store in `dir` and starts to follow `source`.
    ///
    /// Blocks while every stored row is read, but answers before the store has caught up; see
    /// [`Store::wait_for`].
    pub fn start(dir: &Path, source: impl Source, options: Options) -> Result<(Store, Self, Opened), OpenError> {
        let (store, writer, opened) = Store::open(dir, &source)?;
        let (stop, stopping) = watch::channel(false);
        let bells = Bells { committed: source.committed(), stopping, troubles: store.troubles() };
        let history_end = *bells.committed.borrow();
        let work =
            Work { source, writer, store: store.clone(), options, bells, history_end, attesting: false, refusal: None };
        let closing = store.clone();
        let body = move || {
            // Whatever happens in there, whoever waits for a position is told.
            let run = std::panic::AssertUnwindSafe(|| work.run());
            let why = std::panic::catch_unwind(run)
                .unwrap_or_else(|panic| Closed::Failed(format!("a fold panicked: {}", words(&*panic))));
            if let Closed::Failed(why) = &why {
                tracing::error!(why, "read models are no longer fed");
            }
            closing.close(why);
        };
        let thread = thread::Builder::new().name("projections".into()).spawn(body);
        let thread = thread.map_err(|error| OpenError::Io(dir.to_owned(), error))?;
        Ok((store, Self { stop, thread: Some(thread) }, opened))
    }

    /// Stops after the batch in hand, flushes, and waits until that is done.
    pub fn stop(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the follower of the read models panicked");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What wakes the thread.
struct Bells {
    committed: watch::Receiver<TreeSize>,
    stopping: watch::Receiver<bool>,
    troubles: watch::Receiver<Option<Trouble>>,
}

/// What the thread has.
struct Work<S> {
    source: S,
    writer: Writer,
    store: Store,
    options: Options,
    bells: Bells,
    /// How far the log was when folding began: what lies before is history, and is not attested
    /// once more.
    history_end: TreeSize,
    /// Digests were handed in and are not yet seen in the log.
    attesting: bool,
    /// The disk or the log refused, and has not been seen to work since.
    refusal: Option<Refusal>,
}

/// What is tried again.
struct Refusal {
    /// How long to wait before that.
    wait: Duration,
    /// Whether the files must be opened again: sled lets nothing through once a write has failed.
    reopen: bool,
}

/// Why the thread cannot go on.
enum Fatal {
    Open(OpenError),
    Step(StepError),
    TooOften(String),
}

impl<S: Source> Work<S> {
    fn run(mut self) -> Closed {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => return Closed::Failed(error.to_string()),
        };
        let ended = self.follow(&runtime);
        // Costs nothing but a rebuild if it fails; the position is part of what is flushed.
        if let Err(error) = self.writer.flush() {
            tracing::warn!(%error, "read models were not flushed");
        }
        match ended {
            Ok(()) => Closed::Stopped,
            Err(Fatal::Open(error)) => Closed::Failed(error.to_string()),
            Err(Fatal::Step(error)) => Closed::Failed(error.to_string()),
            Err(Fatal::TooOften(why)) => {
                Closed::Failed(format!("replaced {REPLACEMENTS_MAX} times already; now: {why}"))
            }
        }
    }

    fn follow(&mut self, runtime: &Runtime) -> Result<(), Fatal> {
        let mut stepped: Option<Instant> = None;
        loop {
            // A lone commit is folded at once; of many in a row some are gathered, for a batch costs far more than an event.
            if let Some(early) = stepped.and_then(|stepped| GATHER.checked_sub(stepped.elapsed())) {
                runtime.block_on(self.bells.rest(early));
            }
            stepped = Some(Instant::now());
            match self.work() {
                Ok(()) => {}
                Err(StepError::Damaged(why)) => {
                    self.replace(&why)?;
                    continue;
                }
                Err(StepError::Io(why)) => self.refused(&why, true),
                Err(StepError::Source(error)) => self.refused(&error, false),
                Err(other @ StepError::Event(_)) => return Err(Fatal::Step(other)),
            }
            if let Some(refusal) = &self.refusal {
                runtime.block_on(self.bells.rest(refusal.wait));
                if *self.bells.stopping.borrow() {
                    return Ok(());
                }
                continue;
            }
            if runtime.block_on(self.bells.wait()).is_break() {
                return Ok(());
            }
        }
    }

    /// Opens the files again if need be, and catches up. After a refusal the rows are brought onto the disk: only that shows
    /// that it takes them again.
    fn work(&mut self) -> Result<(), StepError> {
        let trouble = self.bells.troubles.borrow_and_update().clone();
        match trouble {
            None => {}
            Some(Trouble::Damaged(why)) => return Err(StepError::Damaged(why)),
            Some(other) => self.refused(&other, true),
        }
        if self.refusal.as_ref().is_some_and(|refusal| refusal.reopen) {
            self.attesting = false;
            self.writer.reopen(&self.source)?;
        }
        self.catch_up()?;
        if self.refusal.is_some() {
            self.writer.flush()?;
            self.refusal = None;
            tracing::warn!(position = %self.writer.position(), "read models are fed again");
        }
        Ok(())
    }

    /// Notes that something was refused that may work later.
    fn refused(&mut self, why: &dyn fmt::Display, reopen: bool) {
        let before = self.refusal.take();
        let wait = before.as_ref().map_or(PATIENCE.0, |before| before.wait.saturating_mul(2).min(PATIENCE.1));
        if before.is_none() {
            tracing::error!(%why, "read models stay behind; it is tried again");
        }
        self.refusal = Some(Refusal { wait, reopen: reopen || before.is_some_and(|before| before.reopen) });
    }

    /// Folds until there is no more, or until told to stop.
    fn catch_up(&mut self) -> Result<(), StepError> {
        loop {
            let committed = *self.bells.committed.borrow_and_update();
            if *self.bells.stopping.borrow() || self.bells.troubles.borrow().is_some() {
                return Ok(());
            }
            if self.writer.position() >= committed {
                return Ok(());
            }
            let step = self.writer.step(&self.source, self.options.batch_events)?;
            if step.events == 0 {
                return Ok(());
            }
            self.attesting &= step.attestations == 0;
            if self.writer.unflushed() >= self.options.flush_every {
                self.writer.flush()?;
            }
            self.attest();
        }
    }

    /// States the digests when it is time, unless history is still being folded.
    fn attest(&mut self) {
        let Some(every) = self.options.attest_every else {
            return;
        };
        let history = self.writer.position() < self.history_end;
        if history || self.attesting || self.writer.unattested() < every.get() {
            return;
        }
        match self.source.attest(self.writer.position(), self.writer.digests()) {
            Ok(()) => self.attesting = true,
            // It is tried again after the next batch.
            Err(error) => tracing::debug!(%error, "digests of the read models were not recorded"),
        }
    }

    fn replace(&mut self, why: &str) -> Result<(), Fatal> {
        if self.store.status().replaced >= REPLACEMENTS_MAX {
            return Err(Fatal::TooOften(why.to_owned()));
        }
        self.attesting = false;
        self.history_end = *self.bells.committed.borrow();
        match self.writer.replace(why) {
            Ok(_) => Ok(()),
            // The old files are out of the way, and new ones cannot be made now.
            Err(error @ (OpenError::Io(..) | OpenError::Store(..) | OpenError::Locked(_))) => {
                self.refused(&error, true);
                Ok(())
            }
            Err(other) => Err(Fatal::Open(other)),
        }
    }
}

impl Bells {
    /// Rests, unless told to stop.
    async fn rest(&mut self, time: Duration) {
        // Time running out is what is wanted here; a stop is seen by whoever looks next.
        let _ = tokio::time::timeout(time, self.stopping.wait_for(|stop| *stop)).await;
    }

    /// Blocks until there is something to do; breaks when there never will be.
    async fn wait(&mut self) -> std::ops::ControlFlow<()> {
        let go_on = tokio::select! {
            rung = self.committed.changed() => rung.is_ok(),
            told = self.stopping.wait_for(|stop| *stop) => {
                drop(told);
                false
            }
            found = self.troubles.changed() => found.is_ok(),
        };
        if go_on && !*self.stopping.borrow() {
            std::ops::ControlFlow::Continue(())
        } else {
            std::ops::ControlFlow::Break(())
        }
    }
}

#[cfg(test)]
mod tests;
