//! The one writer. A single OS thread takes what has queued, decides, signs, and commits it with one frame and one
//! sync; only then is the checkpoint signed, and only then is anybody answered.
//!
//! If the process dies before the sync returns, nobody was told anything, and recovery finds the frame whole or not at
//! all. If it dies after, recovery signs the same checkpoint again: Ed25519 is deterministic.

use crate::clock::{ClockError, Judge};
use crate::handle::{Done, Head, Shared, SubmitError};
use crate::journal::{AppendError, Frame, Journal};
use crate::keeper::{Keeper, Task};
use crate::metrics::Reply;
use crate::publisher::Publisher;
use domain::command::Command;
use domain::decide::{Context, RunError, Sealed, run};
use domain::event::proposal::Seed;
use domain::event::{Event, EventData};
use domain::state::{Due, IllegalTransition, State};
use domain::time::Timestamp;
use proof::checkpoint::Checkpoint;
use proof::hash::Hash;
use proof::index::TreeSize;
use proof::leaf::{build_leaf, sign_event};
use proof::merkle::{self, Frontier, leaf_hash};
use proof::note::SignerKey;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Commands of one commit.
const BATCH_COMMANDS: usize = 512;
/// Leaf bytes after which no further command joins a commit; one command adds less than 256 KiB.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Events from which on signing is worth a second thread.
const PARALLEL_EVENTS: usize = 8;
/// Longest sleep when a deadline is far off: the clock may be set meanwhile.
const NAP: Duration = Duration::from_secs(1);
/// Longest look around after a commit.
const LINGER: Duration = Duration::from_micros(200);

/// A command on its way.
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) seed: Seed,
    pub(crate) reply: Reply,
}

/// What the queue carries.
#[expect(clippy::large_enum_variant, reason = "nearly every message is a command; boxing each would cost more")]
pub(crate) enum Message {
    Command(Request),
    Stop,
}

/// The writer. Built by [`open`](crate::open); driven by [`run`](Sequencer::run) on a thread of its own, or by
/// [`step`](Sequencer::step) in a test that must not wait.
pub struct Sequencer {
    // The journal holds the lock on the folder: whoever writes into it has to end before.
    pub(crate) publisher: Publisher,
    pub(crate) keeper: Keeper,
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Receiver<Message>,
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) tip: State,
    pub(crate) frontier: Frontier,
    pub(crate) event_key: SignerKey,
    pub(crate) checkpoint_key: SignerKey,
    pub(crate) judge: Judge,
    /// What did not fit into the last commit; it comes before all that is queued.
    pub(crate) carried: VecDeque<Request>,
    /// The last step could not do what was due.
    pub(crate) stalled: bool,
    /// How long to look around before the next sleep.
    pub(crate) linger: Duration,
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sequencer({} at {})", self.shared.origin, self.tip.size())
    }
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Yes.
    Go,
    /// No: asked to stop, or stopped by an unknown outcome.
    Stopped,
}

/// A command's events and who waits for them; none waits for a deadline.
struct Decided {
    reply: Option<Reply>,
    outcome: Result<Vec<Sealed>, SubmitError>,
}

impl Sequencer {
    /// Works until told to stop, or until an outcome is unknown; then publishes the last head.
    pub fn run(mut self) {
        while self.step(true) == Step::Go {}
    }

    /// Carries out what has queued, as one commit. With `wait`, waits for something to do first.
    pub fn step(&mut self, wait: bool) -> Step {
        self.keep();
        let (batch, stop) = self.gather(wait);
        self.stalled = false;
        let mut decided = Vec::with_capacity(batch.len());
        let damaged = self.shared.damaged.read().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.judge.now(self.tip.time());
        let mut fault = match (now, &damaged) {
            (Ok(now), None) => self.expire(now, &mut decided),
            _ => None,
        };
        let mut bytes = 0;
        let mut batch = batch.into_iter();
        while bytes < BATCH_BYTES {
            let Some(request) = batch.next() else { break };
            let outcome = match (&now, &fault) {
                (_, Some(fault)) => Err(SubmitError::Stopped(String::clone(fault))),
                _ if damaged.is_some() => Err(SubmitError::Damaged(damaged.clone().unwrap_or_default())),
                (Err(clock), _) => self.confirmed(&request.command, *clock, request.seed),
                (Ok(now), None) => self.decide(&request.command, *now, request.seed),
            };
            if let Err(SubmitError::Stopped(why)) = &outcome {
                fault = Some(why.clone());
            }
            bytes += outcome.as_ref().map_or(0, |sealed| sealed.iter().map(|s| s.payload.len()).sum());
            decided.push(Decided { reply: Some(request.reply), outcome });
        }
        self.carried.extend(batch);
        self.stalled |= now.is_err() || damaged.is_some();
        let step = match fault {
            // An engine fault leaves a tip that cannot be trusted: nothing of the batch is written.
            Some(why) => self.stop(&why, decided),
            None => self.commit(decided),
        };
        if stop { Step::Stopped } else { step }
    }

    /// Between two commits, when the tip is what is committed: starts a snapshot that is due, and lets go of what the
    /// last one holds.
    fn keep(&mut self) {
        if let Some(kept) = self.keeper.kept() {
            self.tip.archived(kept.index.clone());
            self.shared.committed.write().unwrap_or_else(PoisonError::into_inner).archived(kept.index);
            // Only what is in full tiles and bundles, synced, is to be had without the journal.
            let tiled = self.shared.tree.durable_size();
            if let Err(error) = self.journal.reclaim(kept.needed_from.min(tiled)) {
                tracing::warn!(%error, "old segments could not be given up; they only take room");
            }
        }
        if self.keeper.is_due(self.frontier.size()) {
            let leaving = self.tip.retire();
            let state = {
                let mut committed = self.shared.committed.write().unwrap_or_else(PoisonError::into_inner);
                committed.retire_with(&leaving);
                committed.clone()
            };
            self.keeper.keep(Task { state, frontier: self.frontier.clone(), leaving });
        }
    }

    fn gather(&mut self, wait: bool) -> (Vec<Request>, bool) {
        let mut batch: Vec<Request> = self.carried.drain(..).collect();
        let mut next = if wait && batch.is_empty() { self.wait() } else { self.queue.try_recv().ok() };
        while let Some(message) = next {
            match message {
                Message::Stop => return (batch, true),
                Message::Command(request) => batch.push(request),
            }
            next = if batch.len() < BATCH_COMMANDS { self.queue.try_recv().ok() } else { None };
        }
        (batch, false)
    }

    fn wait(&mut self) -> Option<Message> {
        if let Some(message) = self.linger() {
            return Some(message);
        }
        let Some((due, _)) = self.tip.next_due() else {
            return Some(self.queue.recv().unwrap_or(Message::Stop));
        };
        let now = self.judge.now(self.tip.time()).unwrap_or(*due);
        let left = Duration::from_millis(due.as_ms().saturating_sub(now.as_ms())).min(NAP);
        // A deadline that could not be recorded is tried again, but not in a spin.
        let left = if self.stalled { NAP } else { left };
        match self.queue.recv_timeout(left) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Message::Stop),
        }
    }

    /// Looks around for a moment after a commit, before it sleeps: to be woken costs more than whoever was just answered
    /// needs to ask again. Whatever else wants the processor gets it meanwhile.
    fn linger(&mut self) -> Option<Message> {
        let until = Instant::now() + std::mem::take(&mut self.linger);
        while Instant::now() < until {
            if let Ok(message) = self.queue.try_recv() {
                return Some(message);
            }
            std::thread::yield_now();
        }
        None
    }

    fn decide(&mut self, command: &Command, now: Timestamp, seed: Seed) -> Result<Vec<Sealed>, SubmitError> {
        let context = Context { now, seed, policy: &self.shared.policy };
        run(&mut self.tip, command, &context).map_err(|error| match error {
            RunError::Rejected(no) => SubmitError::Rejected(no),
            RunError::Broken(illegal) => SubmitError::Stopped(format!("engine fault: {illegal}")),
        })
    }

    /// While the clock is not believed there is one command that can be carried out: that it is right after all.
    fn confirmed(&mut self, command: &Command, clock: ClockError, seed: Seed) -> Result<Vec<Sealed>, SubmitError> {
        match (clock, command) {
            (ClockError::Forward { wall, .. }, Command::ConfirmClock { .. }) => self.decide(command, wall, seed),
            _ => Err(SubmitError::Clock(clock)),
        }
    }

    /// Deadlines that have passed become events of their own, before anything new is decided.
    /// Gives the fault, should the engine fail.
    fn expire(&mut self, now: Timestamp, decided: &mut Vec<Decided>) -> Option<String> {
        while decided.len() < BATCH_COMMANDS {
            let command = match self.tip.next_due() {
                Some((due, Due::Approval(id))) if *due <= now => Command::ExpireApproval { proposal_id: id.clone() },
                Some((due, Due::Lease(id))) if *due <= now => Command::ExpireLease { job_id: id.clone() },
                _ => return None,
            };
            let outcome = self.decide(&command, now, Seed::new([0; 32]));
            if let Err(error) = outcome {
                tracing::error!(%error, "a deadline could not be recorded");
                self.stalled = true;
                return if let SubmitError::Stopped(why) = error { Some(why) } else { None };
            }
            decided.push(Decided { reply: None, outcome });
        }
        None
    }

    fn commit(&mut self, decided: Vec<Decided>) -> Step {
        let sealed: Vec<&Sealed> = decided.iter().filter_map(|d| d.outcome.as_ref().ok()).flatten().collect();
        if sealed.is_empty() {
            for decided in decided {
                decided.answer_refused();
            }
            return Step::Go;
        }
        let leaves = self.sign(&sealed);
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let mut frontier = self.frontier.clone();
        for hash in &hashes {
            frontier.push(*hash);
        }
        let root = frontier.root();
        let began = Instant::now();
        match self.journal.append(&Frame { start: self.frontier.size(), leaves: &leaves, root }) {
            Ok(_) => {}
            Err(AppendError::NoRoom(error)) => return self.undo(&error.to_string(), decided),
            // Nothing was written, and the next frame is another one.
            Err(error @ (AppendError::Refused(_) | AppendError::UnexpectedSize { .. })) => {
                return self.undo(&error.to_string(), decided);
            }
            Err(error) => return self.stop(&error.to_string(), decided),
        }
        // The commit has happened. From here on nothing can be refused any more.
        self.shared.metrics.committed(leaves.len(), began.elapsed());
        if sealed.iter().any(|sealed| matches!(sealed.event.data, EventData::ClockConfirmed(_))) {
            // Not before it is in the log: what was refused for want of room has confirmed nothing.
            self.judge.believe();
        }
        self.frontier = frontier;
        let leaves: Vec<Arc<Vec<u8>>> = leaves.into_iter().map(Arc::new).collect();
        self.shared.tree.append(&leaves, &hashes);
        if let Err(problem) = self.check_extension(root) {
            return self.stop(&problem, decided);
        }
        let head = match self.publish(leaves, root, &sealed) {
            Ok(head) => head,
            Err(illegal) => return self.stop(&illegal.to_string(), decided),
        };
        let alone = decided.len() <= 2;
        let mut at = 0;
        for decided in decided {
            at = decided.answer(&head, at);
        }
        // Among many, the next is there already, and looking around would only take their time.
        self.linger = if alone { LINGER } else { Duration::ZERO };
        Step::Go
    }

    /// Before a head is signed: the tree of tiles, which is kept apart from the frontier, must prove that the new root
    /// extends the last one.
    fn check_extension(&self, root: Hash) -> Result<(), String> {
        let (old_size, old_root) = {
            let head = self.shared.head.read().unwrap_or_else(PoisonError::into_inner);
            (head.size, head.root)
        };
        let size = self.frontier.size();
        let path = merkle::consistency_proof(&*self.shared.tree, old_size, size).map_err(|e| e.to_string())?;
        merkle::verify_consistency(old_size, &old_root, size, &root, &path)
            .map_err(|e| format!("the tree of {size} events does not extend that of {old_size}: {e}"))
    }

    /// Makes a commit visible: state, head, doorbell, in this order.
    ///
    /// # Errors
    /// If the committed state does not take what the tip took. It looks into the index of what is over itself, so a disk
    /// that fails in between is enough. The events are durable; a restart folds them again.
    fn publish(
        &mut self,
        leaves: Vec<Arc<Vec<u8>>>,
        root: Hash,
        sealed: &[&Sealed],
    ) -> Result<Published, IllegalTransition> {
        let size = self.frontier.size();
        let checkpoint = Checkpoint { origin: self.shared.origin.clone(), size, root }.sign(&self.checkpoint_key);
        let head = Head { size, root, checkpoint: checkpoint.into() };
        let mut events = Vec::with_capacity(sealed.len());
        {
            let mut committed = self.shared.committed.write().unwrap_or_else(PoisonError::into_inner);
            for sealed in sealed {
                committed.apply(&sealed.event, sealed.payload_hash)?;
                events.push(sealed.event.clone());
            }
            // Within the state's lock: whoever sees the state can read all of its events.
            *self.shared.head.write().unwrap_or_else(PoisonError::into_inner) = head.clone();
        }
        self.shared.size.send_replace(size);
        self.publisher.offer(&head);
        Ok(Published { head, events, leaves })
    }

    fn sign(&self, sealed: &[&Sealed]) -> Vec<Vec<u8>> {
        let key = self.event_key.secret();
        let key_id = key.public().key_id();
        let one = |sealed: &&Sealed| build_leaf(&sealed.payload, &key_id, &sign_event(&sealed.payload, key));
        if sealed.len() < PARALLEL_EVENTS {
            return sealed.iter().map(one).collect();
        }
        let (left, right) = sealed.split_at(sealed.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| right.iter().map(one).collect::<Vec<_>>());
            let mut leaves: Vec<_> = left.iter().map(one).collect();
            match other.join() {
                Ok(more) => leaves.extend(more),
                // A panic in the second thread is a defect; sign here what it did not.
                Err(_) => leaves.extend(right.iter().map(one)),
            }
            leaves
        })
    }

    /// Nothing was written: the tip goes back to what is committed, and the writer lives.
    fn undo(&mut self, why: &str, decided: Vec<Decided>) -> Step {
        tracing::error!(why, "a commit was refused; nothing was written");
        self.stalled = true;
        self.tip = self.shared.committed.read().unwrap_or_else(PoisonError::into_inner).clone();
        for mut decided in decided {
            // A refusal may rest on an event of the same batch that is not there now, so nothing of it is an answer.
            decided.outcome = Err(SubmitError::NoRoom(why.to_owned()));
            decided.answer_refused();
        }
        Step::Go
    }

    /// The outcome is unknown, or the engine failed: the writer stops, and only a restart decides.
    fn stop(&mut self, why: &str, decided: Vec<Decided>) -> Step {
        tracing::error!(why, "the writer stops");
        *self.shared.stopped.write().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        for mut decided in decided {
            decided.outcome = Err(SubmitError::Stopped(why.to_owned()));
            decided.answer_refused();
        }
        Step::Stopped
    }

    /// Events folded so far, committed or about to be.
    pub fn size(&self) -> TreeSize {
        self.tip.size()
    }
}

impl Drop for Sequencer {
    /// However the writer ends, the site ends at its last head, and a writer that fell over does not look alive.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut stopped = self.shared.stopped.write().unwrap_or_else(PoisonError::into_inner);
            stopped.get_or_insert_with(|| "the writer failed; see the log".into());
        }
        self.publisher.finish(&self.shared.head.read().unwrap_or_else(PoisonError::into_inner));
    }
}

struct Published {
    head: Head,
    events: Vec<Arc<Event>>,
    leaves: Vec<Arc<Vec<u8>>>,
}

impl Decided {
    fn answer_refused(self) {
        if let (Some(reply), Err(error)) = (self.reply, self.outcome) {
            reply.send(Err(error));
        }
    }

    /// Answers with the events from position `at` of the commit on; gives the position after them.
    fn answer(self, published: &Published, at: usize) -> usize {
        let sealed = match self.outcome {
            Ok(sealed) => sealed.len(),
            Err(error) => {
                if let Some(reply) = self.reply {
                    reply.send(Err(error));
                }
                return at;
            }
        };
        if let Some(reply) = self.reply {
            let part = |all: &[Arc<Event>]| all.iter().skip(at).take(sealed).cloned().collect();
            let leaves = published.leaves.iter().skip(at).take(sealed).cloned().collect();
            let done = Done { events: part(&published.events), leaves, head: published.head.clone() };
            reply.send(Ok(done));
        }
        at + sealed
    }
}
