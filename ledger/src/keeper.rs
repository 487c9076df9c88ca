//! Takes snapshots, on a thread of its own: a commit never waits for one.
//!
//! The sequencer hands over a copy of the state between two commits. When the snapshot is on stable storage the keeper
//! says so; then what is over leaves the memory, and the journal may forget what is older.

use crate::closed::ClosedIndex;
use crate::durable::Staging;
use crate::metrics::Metrics;
use crate::snapshot::Snapshots;
use domain::state::State;
use domain::state::closed::Generation;
use proof::index::TreeSize;
use proof::merkle::Frontier;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// What is to be kept.
pub(crate) struct Task {
    pub(crate) state: State,
    pub(crate) frontier: Frontier,
    pub(crate) leaving: Arc<Generation>,
}

/// What has been kept.
pub(crate) struct Kept {
    pub(crate) index: Arc<ClosedIndex>,
    /// The log is needed from here on, for the snapshot before this one.
    pub(crate) needed_from: TreeSize,
}

/// The sequencer's side.
#[derive(Debug)]
pub(crate) struct Keeper {
    every: u64,
    /// The size at which the next one is due.
    due: u64,
    busy: bool,
    tasks: Option<Sender<Task>>,
    answers: Receiver<Result<Kept, String>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread. `from` is the size of the snapshot that the ledger was opened from.
    pub(crate) fn start(
        data_dir: PathBuf,
        staging: Staging,
        snapshots: Snapshots,
        index: ClosedIndex,
        from: TreeSize,
        every: u64,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (tasks, inbox) = channel::<Task>();
        let (outbox, answers) = channel();
        let mut index = Arc::new(index);
        metrics.opened_from(from);
        let work = move || {
            for task in inbox {
                let began = Instant::now();
                let label = task.frontier.size().get();
                let done = index
                    .extended(&data_dir, &staging, label, &task.leaving)
                    .map_err(|e| e.to_string())
                    .and_then(|extended| {
                        let (needed_from, bytes) = snapshots.write(&task.state, &task.frontier, &extended)?;
                        metrics.kept(task.frontier.size(), bytes, began.elapsed());
                        Ok(Kept { index: Arc::new(extended), needed_from })
                    });
                if let Ok(kept) = &done {
                    index = kept.index.clone();
                }
                if outbox.send(done).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("keeper".into()).spawn(work)?;
        let due = from.get().saturating_add(every);
        Ok(Self { every, due, busy: false, tasks: Some(tasks), answers, thread: Some(thread) })
    }

    /// Whether a snapshot is due at this size, and the last one is done.
    pub(crate) fn is_due(&self, size: TreeSize) -> bool {
        !self.busy && size.get() >= self.due
    }

    /// Starts one.
    pub(crate) fn keep(&mut self, task: Task) {
        self.due = task.frontier.size().get().saturating_add(self.every);
        // Should the thread be gone, it has said why; the ledger goes on, and the next start replays more.
        self.busy = self.tasks.as_ref().is_some_and(|tasks| tasks.send(task).is_ok());
    }

    /// What has been kept since this was asked last.
    pub(crate) fn kept(&mut self) -> Option<Kept> {
        match self.answers.try_recv() {
            Ok(done) => {
                self.busy = false;
                done.inspect_err(|problem| {
                    tracing::error!(problem, "no snapshot could be taken; the log is complete without");
                })
                .ok()
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of snapshots failed");
        }
    }
}
