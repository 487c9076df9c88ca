//! The handle that everybody holds: submit a command, read what is committed, prove it.

use crate::clock::ClockError;
use crate::content::{BlobStore, ContentStore};
use crate::durable::Staging;
use crate::keys::entropy;
use crate::metrics::Metrics;
use crate::publisher::Desk;
use crate::sequencer::{Message, Request};
use crate::site::{TileTree, TreeError};
use domain::authored::SeenHead;
use domain::command::{Command, Rejection, RejectionKind};
use domain::decide::check_signature;
use domain::event::Event;
use domain::event::proposal::Seed;
use domain::policy::Policy;
use domain::reason::Reason;
use domain::state::State;
use proof::hash::Hash;
use proof::index::{LeafIndex, TreeSize};
use proof::leaf::Leaf;
use proof::merkle;
use proof::receipt::{Receipt, ReceiptEntry};
use std::fmt;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// The committed head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Events in the log.
    pub size: TreeSize,
    /// The tree's root.
    pub root: Hash,
    /// The signed checkpoint.
    pub checkpoint: Arc<str>,
}

/// What a command became.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its events, in order.
    pub events: Vec<Arc<Event>>,
    /// Their leaves.
    pub leaves: Vec<Arc<Vec<u8>>>,
    /// Proof that they are in the log.
    pub receipt: Receipt,
}

/// Why a command left no events.
#[derive(Debug)]
pub enum SubmitError {
    /// It was refused.
    Rejected(Rejection),
    /// Too many wait already; come back.
    Overloaded,
    /// The clock is not believed.
    Clock(ClockError),
    /// There is no room on the disk; nothing was written.
    NoRoom(String),
    /// A file of the log is damaged; nothing is appended until it is whole again.
    Damaged(String),
    /// The writer has stopped; only a restart decides what became of the last batch.
    Stopped(String),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(no) => no.fmt(f),
            Self::Overloaded => f.write_str("too many commands wait already"),
            Self::Clock(error) => error.fmt(f),
            Self::NoRoom(why) => write!(f, "no room on the disk: {why}"),
            Self::Damaged(what) => write!(f, "{what}; nothing is appended until it is whole again"),
            Self::Stopped(why) => write!(f, "the writer has stopped: {why}"),
        }
    }
}

impl std::error::Error for SubmitError {}

impl From<Rejection> for SubmitError {
    fn from(no: Rejection) -> Self {
        Self::Rejected(no)
    }
}

/// What the sequencer and every handle share.
pub(crate) struct Shared {
    pub(crate) origin: String,
    pub(crate) queue: SyncSender<Message>,
    pub(crate) committed: RwLock<State>,
    pub(crate) head: RwLock<Head>,
    pub(crate) size: watch::Sender<TreeSize>,
    pub(crate) tree: Arc<TileTree>,
    pub(crate) content: ContentStore,
    pub(crate) blobs: BlobStore,
    pub(crate) staging: Staging,
    pub(crate) publishing: Desk,
    pub(crate) policy: Arc<Policy>,
    pub(crate) stopped: RwLock<Option<String>>,
    pub(crate) damaged: RwLock<Option<String>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Longest look for an answer before its waiter sleeps.
const LOOK: Duration = Duration::from_micros(300);

/// A ledger, open. Clones share it.
#[derive(Clone)]
pub struct Ledger(pub(crate) Arc<Shared>);

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger({} at {})", self.0.origin, self.head().size)
    }
}

impl Ledger {
    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// The committed head.
    pub fn head(&self) -> Head {
        self.0.head.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The committed size, and a doorbell for the next one. Carries nothing: a subscriber reads from the log by index,
    /// so a slow one can lose nothing.
    pub fn watch(&self) -> watch::Receiver<TreeSize> {
        self.0.size.subscribe()
    }

    /// Committed leaves from `from`, at most `max`.
    pub fn read(&self, from: LeafIndex, max: usize) -> Result<Vec<Arc<Vec<u8>>>, TreeError> {
        self.0.tree.read_entries(from, max, self.head().size)
    }

    /// One committed leaf.
    pub fn leaf(&self, index: LeafIndex) -> Result<Option<Arc<Vec<u8>>>, TreeError> {
        Ok(self.read(index, 1)?.into_iter().next())
    }

    /// One committed event.
    pub fn event(&self, index: LeafIndex) -> Result<Event, TreeError> {
        let leaf = self.leaf(index)?.ok_or(TreeError::Missing { index })?;
        let payload = Leaf::parse(&leaf).map_err(|_| TreeError::Missing { index })?.payload;
        Event::parse(payload).map_err(|_| TreeError::Missing { index })
    }

    /// Looks at the committed state. Keep it short: commits wait meanwhile.
    pub fn with_state<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.0.committed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.0.policy.clone()
    }

    /// Bodies beside the log.
    pub fn content(&self) -> &ContentStore {
        &self.0.content
    }

    /// Public blobs: policy bundles and tool manifests.
    pub fn blobs(&self) -> &BlobStore {
        &self.0.blobs
    }

    /// Where files of the data folder are staged.
    pub fn staging(&self) -> Staging {
        self.0.staging.clone()
    }

    /// Tells the writer to end, after what has queued.
    pub fn stop(&self) {
        // Blocks while the queue is full; a writer that has ended already needs no telling.
        let _ = self.0.queue.send(Message::Stop);
    }

    /// The first event that the journal itself still has; older ones are in the site's bundles.
    pub fn journal_first(&self) -> LeafIndex {
        self.0.tree.journal_first()
    }

    /// What the ledger counts about itself.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Events under the published checkpoint.
    pub fn published_size(&self) -> TreeSize {
        self.0.tree.published()
    }

    /// What is damaged and keeps the log from growing, if something is.
    pub fn damaged(&self) -> Option<String> {
        self.0.damaged.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Appends nothing any more, because something is damaged.
    pub(crate) fn halt(&self, what: &str) {
        let mut damaged = self.0.damaged.write().unwrap_or_else(PoisonError::into_inner);
        if damaged.as_deref() != Some(what) {
            tracing::error!(what, "the log takes no more events");
            *damaged = Some(what.to_owned());
        }
    }

    /// Appends again, if only damage kept it from that.
    pub(crate) fn resume(&self) {
        if self.damaged().is_some() {
            tracing::warn!("what was damaged is whole again; the log goes on");
            *self.0.damaged.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Why the writer has stopped, if it has.
    pub fn stopped(&self) -> Option<String> {
        self.0.stopped.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The root of the first `size` leaves.
    pub fn root_at(&self, size: TreeSize) -> Result<Hash, TreeError> {
        merkle::root_at(&*self.0.tree, size).map_err(TreeError::from)
    }

    /// That the tree of `new` leaves extends that of `old`.
    pub fn consistency(&self, old: TreeSize, new: TreeSize) -> Result<Vec<Hash>, TreeError> {
        merkle::consistency_proof(&*self.0.tree, old, new).map_err(TreeError::from)
    }

    /// Proof that leaves are in the log, under the committed head. `indices` in any order.
    pub fn receipt(&self, indices: &[LeafIndex]) -> Result<Receipt, TreeError> {
        let head = self.head();
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        indices.dedup();
        let mut leaves = Vec::with_capacity(indices.len());
        for index in indices {
            let found = self.0.tree.read_entries(index, 1, head.size)?.into_iter().next();
            leaves.push((index, found.ok_or(TreeError::Missing { index })?));
        }
        self.prove(&head, &leaves)
    }

    fn prove(&self, head: &Head, leaves: &[(LeafIndex, Arc<Vec<u8>>)]) -> Result<Receipt, TreeError> {
        let mut entries = Vec::with_capacity(leaves.len());
        for (index, leaf) in leaves {
            let path = merkle::inclusion_proof(&*self.0.tree, *index, head.size)?;
            let leaf = String::from_utf8(leaf.to_vec()).map_err(|_| TreeError::Missing { index: *index })?;
            entries.push(ReceiptEntry { index: *index, leaf, path });
        }
        Ok(Receipt { checkpoint: head.checkpoint.to_string(), entries })
    }

    /// Carries out a command. `Ok` means: on stable storage, sequenced, in the tree.
    pub async fn submit(&self, command: Command) -> Result<Committed, SubmitError> {
        self.queue(command)?.committed().await
    }

    /// Queues a command now, to be awaited later: several queued in a row are carried out in that order.
    pub fn queue(&self, command: Command) -> Result<Queued, SubmitError> {
        let answer = self.enqueue(command).inspect_err(|error| self.0.metrics.refuse(error))?;
        Ok(Queued { ledger: self.clone(), answer })
    }

    /// The same for a thread that may block.
    pub fn submit_blocking(&self, command: Command) -> Result<Committed, SubmitError> {
        let answer = self.enqueue(command).inspect_err(|error| self.0.metrics.refuse(error))?;
        self.answered(answer.blocking_recv().map_err(|_| self.why_stopped())?)
    }

    fn enqueue(&self, command: Command) -> Result<oneshot::Receiver<Result<Done, SubmitError>>, SubmitError> {
        if let Some(seen) = self.with_state(|state| check_signature(state, &command))? {
            self.check_seen(seen)?;
        }
        let seed = Seed::new(entropy().map_err(|e| SubmitError::Stopped(e.to_string()))?);
        let (reply, answer) = self.0.metrics.wait();
        match self.0.queue.try_send(Message::Command(Request { command, seed, reply })) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(SubmitError::Overloaded),
            Err(TrySendError::Disconnected(_)) => Err(self.why_stopped()),
        }
    }

    /// The head that an author signed for must be one of this log: a forked history convicts itself.
    fn check_seen(&self, seen: SeenHead) -> Result<(), SubmitError> {
        let forked = || {
            Rejection::conflict(
                Reason::StatementMismatch,
                format!("the statement names a head of {} events that this log never had", seen.size),
            )
        };
        if seen.size > self.head().size {
            return Err(forked().into());
        }
        match self.root_at(seen.size) {
            Ok(root) if root == seen.root => Ok(()),
            Ok(_) => Err(forked().into()),
            Err(error) => Err(SubmitError::Stopped(error.to_string())),
        }
    }

    /// Tells a command that came again from one that only uses an id again: the first event says which.
    fn settled(&self, error: SubmitError) -> SubmitError {
        let SubmitError::Rejected(Rejection { kind: RejectionKind::Exists(repeat), .. }) = &error else {
            return error;
        };
        let begun = repeat.begun;
        match (self.event(begun), error) {
            (Ok(first), SubmitError::Rejected(no)) => SubmitError::Rejected(no.settle(&first)),
            (Ok(_), error) => error,
            (Err(problem), _) => SubmitError::Stopped(format!("event {begun}: {problem}")),
        }
    }

    fn why_stopped(&self) -> SubmitError {
        SubmitError::Stopped(self.stopped().unwrap_or_else(|| "the server is shutting down".into()))
    }

    fn answered(&self, answer: Result<Done, SubmitError>) -> Result<Committed, SubmitError> {
        let done = answer.map_err(|error| self.settled(error))?;
        let leaves: Vec<_> =
            done.events.iter().map(|event| event.header.seq).zip(done.leaves.iter().cloned()).collect();
        let receipt = self.prove(&done.head, &leaves).map_err(|e| SubmitError::Stopped(e.to_string()))?;
        Ok(Committed { events: done.events, leaves: done.leaves, receipt })
    }
}

/// A command that has been queued. Dropping it does not take it back.
#[derive(Debug)]
pub struct Queued {
    ledger: Ledger,
    answer: oneshot::Receiver<Result<Done, SubmitError>>,
}

impl Queued {
    /// Waits until it is on stable storage, or refused.
    pub async fn committed(self) -> Result<Committed, SubmitError> {
        let Self { ledger, mut answer } = self;
        // Whoever waits alone is answered after one sync, sooner than a thread that sleeps is woken: so it looks again
        // and again, letting everything else run in between. Among many, waiting costs nobody anything.
        let until = Instant::now() + LOOK;
        while ledger.metrics().waiting() == 1 && answer.is_empty() && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        let answer = (&mut answer).await.map_err(|_| ledger.why_stopped())?;
        ledger.answered(answer)
    }
}

/// What the sequencer answers with; proofs are made by whoever asked.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) leaves: Vec<Arc<Vec<u8>>>,
    pub(crate) head: Head,
}
