//! Asks the witnesses of a policy to cosign this log's heads.
//!
//! A **round** is one head. Every witness that has not cosigned it and is not left alone after a failure is asked at once;
//! when the quorum is reached, a little is waited for the others, and the head is published with all cosignatures there are.
//! The next round begins when the last one has ended, a newer head is there, and the interval is over. A round without a
//! quorum ends when every witness that was asked has answered; a line that comes late is added as long as its head is the
//! round's.
//!
//! In open mode the heads asked about are those on the site, so that a witnessed head has its tiles; in closed mode they are
//! the committed ones, and reach the site through here only.

use super::asking::{Asking, Outcome, Transport};
use super::member::{CosignerError, Member, members};
use super::memory::{FILE, Memory};
use super::round::{Candidate, Round, cosignatures, names};
use super::status::{Mode, Standing, Status, Witnessing};
use ledger::{Ledger, Published};
use proof::index::TreeSize;
use proof::note::{Note, VerifierKey};
use proof::policy::TrustPolicy;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// How witnesses are asked.
#[derive(Clone, Debug)]
pub struct CosignerOptions {
    /// What happens when they do not cosign.
    pub mode: Mode,
    /// From the beginning of one round to that of the next, at least.
    pub interval: Duration,
    /// How long further cosignatures are waited for once there are enough.
    pub extra_wait: Duration,
    /// The longest that a request may take.
    pub timeout: Duration,
    /// The data folder.
    pub dir: PathBuf,
}

impl CosignerOptions {
    /// The usual ones.
    pub fn new(dir: PathBuf, mode: Mode) -> Self {
        let (interval, timeout) = (Duration::from_secs(1), Duration::from_secs(5));
        Self { mode, interval, extra_wait: Duration::from_millis(200), timeout, dir }
    }
}

/// The task that asks.
pub struct Cosigner {
    ledger: Ledger,
    policy: TrustPolicy,
    options: CosignerOptions,
    transport: Arc<dyn Transport>,
    log: VerifierKey,
    members: Vec<Member>,
    memory: Memory,
    /// Whether the memory has changed since it was written.
    unsaved: bool,
    heads: Heads,
    round: Option<Round>,
    started: Option<Instant>,
    asking: JoinSet<(usize, TreeSize, Outcome)>,
    status: Witnessing,
}

/// Where heads come from.
enum Heads {
    Published(watch::Receiver<Option<Published>>),
    Committed(watch::Receiver<TreeSize>),
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({:?}, {} witnesses)", self.ledger, self.members.len())
    }
}

impl Cosigner {
    /// Prepares to ask; [`run`](Self::run) asks.
    ///
    /// # Errors
    /// If the policy is of no use for this log.
    pub fn new(
        ledger: Ledger,
        policy: TrustPolicy,
        options: CosignerOptions,
        transport: Arc<dyn Transport>,
    ) -> Result<(Self, Witnessing), CosignerError> {
        let log = ledger.with_state(|state| state.ledger().map(|info| VerifierKey::parse(&info.genesis.checkpoint)));
        let log = log.and_then(Result::ok).ok_or(CosignerError::NoKey)?;
        if !policy.logs().contains(&log) {
            return Err(CosignerError::OtherLog { key: log });
        }
        let members = members(&policy)?;
        let mut memory = Memory::new(options.mode);
        memory.sizes = Memory::read(&options.dir).map(|memory| memory.sizes).unwrap_or_default();
        memory.sizes.retain(|vkey, _| members.iter().any(|member| member.key.to_string() == *vkey));
        // The mode is written down before the first head could be published in it.
        memory.write(&ledger.staging(), &options.dir.join(FILE)).map_err(CosignerError::Memory)?;
        let heads = match options.mode {
            Mode::Open => Heads::Published(ledger.published()),
            Mode::Closed => Heads::Committed(ledger.watch()),
        };
        let status = status(&ledger, &policy, &memory);
        let status = Witnessing::new(Status { mode: options.mode, ..status });
        let (round, started, asking) = (None, None, JoinSet::new());
        let shared = status.clone();
        let cosigner = Self {
            ledger,
            policy,
            options,
            transport,
            log,
            members,
            memory,
            unsaved: false,
            heads,
            round,
            started,
            asking,
            status,
        };
        Ok((cosigner, shared))
    }

    /// Asks until it is dropped or the ledger is gone.
    pub async fn run(mut self) {
        loop {
            self.advance(Instant::now()).await;
            let now = Instant::now();
            let newer = self.newer().is_some();
            let wake = self.next_wake(now, newer);
            tokio::select! {
                // While a newer head waits for its turn, the newest of them is still to be chosen: no need to listen.
                rung = self.heads.changed(), if !newer => if !rung { return },
                Some(done) = self.asking.join_next() => match done {
                    Ok((member, size, outcome)) => self.take(member, size, outcome),
                    Err(error) => self.give_up(&error),
                },
                () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    /// Does everything that is due.
    async fn advance(&mut self, now: Instant) {
        if self.round.is_some() && self.is_settled(now) {
            self.settle().await;
        }
        let due = self.started.is_none_or(|started| now >= started + self.options.interval);
        if due
            && self.is_settled(now)
            && let Some(candidate) = self.newer()
        {
            let mut round = Round::new(candidate, &self.policy, now);
            if let Some(before) = self.ledger.witnessed().borrow().as_ref() {
                round.resume(&before.note, &self.policy, now);
            }
            (self.round, self.started) = (Some(round), Some(now));
        }
        self.ask(now);
        if self.unsaved && self.is_settled(now) {
            self.settle().await;
        }
    }

    /// The head to ask about next, if there is a newer one than the round's.
    fn newer(&self) -> Option<Candidate> {
        let note = match &self.heads {
            Heads::Published(published) => published.borrow().as_ref()?.note.clone(),
            Heads::Committed(_) => self.ledger.head().checkpoint,
        };
        let candidate = Candidate::new(&note, &self.log).ok()?;
        let asked = self.round.as_ref().map(|round| round.candidate.size);
        (asked.is_none_or(|asked| candidate.size > asked)).then_some(candidate)
    }

    /// Whether nothing more is waited for: everybody asked has answered, or enough have, and the others had their time.
    fn is_settled(&self, now: Instant) -> bool {
        let Some(round) = &self.round else { return true };
        let size = round.candidate.size;
        let all_answered = self.members.iter().all(|member| member.asked.is_none_or(|(asked, _)| asked != size));
        all_answered || round.met.is_some_and(|met| now >= met + self.options.extra_wait)
    }

    /// Asks everybody who is due.
    fn ask(&mut self, now: Instant) {
        let Some(round) = &self.round else { return };
        for (number, member) in self.members.iter_mut().enumerate() {
            let is_due = member.not_before.is_none_or(|not_before| now >= not_before);
            if !is_due || member.asked.is_some() || round.has(member.place) {
                continue;
            }
            let size = round.candidate.size;
            let asking = Asking {
                ledger: self.ledger.clone(),
                transport: self.transport.clone(),
                url: member.url.clone(),
                key: member.key.clone(),
                candidate: round.candidate.clone(),
                old: self.memory.sizes.get(&member.key.to_string()).copied().unwrap_or(TreeSize::ZERO),
                timeout: self.options.timeout,
            };
            let task = self.asking.spawn(async move { (number, size, asking.ask().await) });
            member.asked = Some((size, task.id()));
        }
    }

    /// When there is something to do even if nothing happens.
    fn next_wake(&self, now: Instant, newer: bool) -> Option<Instant> {
        let Some(round) = &self.round else { return newer.then_some(now) };
        let mut wakes: Vec<Instant> = Vec::new();
        if !self.is_settled(now) {
            wakes.extend(round.met.map(|met| met + self.options.extra_wait));
        } else if newer {
            wakes.extend(self.started.map(|started| started + self.options.interval));
        }
        let waiting = self.members.iter().filter(|member| member.asked.is_none() && !round.has(member.place));
        wakes.extend(waiting.filter_map(|member| member.not_before));
        wakes.into_iter().min()
    }

    /// Takes what came of asking a witness.
    fn take(&mut self, number: usize, size: TreeSize, outcome: Outcome) {
        let now = Instant::now();
        let Some(member) = self.members.get_mut(number) else { return };
        member.asked = None;
        let (place, key) = (member.place, member.key.to_string());
        let reached = match &outcome {
            Outcome::Cosigned(_) => Some(size),
            Outcome::IsAhead(last) => Some(*last),
            Outcome::Contradicted(_) | Outcome::Failed(_) => None,
        };
        if let Some(reached) = reached {
            self.unsaved |= self.memory.sizes.insert(key, reached) != Some(reached);
        }
        member.learn(&outcome, now, self.options.interval);
        self.status.change(|status| {
            if let Some(standing) = status.each.get_mut(place) {
                standing.learn(&outcome, reached);
            }
        });
        if let Outcome::Cosigned(line) = outcome
            && let Some(round) = &mut self.round
            && round.candidate.size == size
        {
            round.add(place, line, &self.policy, now);
        }
    }

    /// A task that asked has fallen over: its witness counts as one that failed.
    fn give_up(&mut self, error: &JoinError) {
        tracing::error!(%error, "asking a witness failed");
        let of_it = |member: &&mut Member| member.asked.is_some_and(|(_, task)| task == error.id());
        if let Some(member) = self.members.iter_mut().find(of_it) {
            member.asked = None;
            member.fail(Instant::now());
        }
    }

    /// Publishes what there is, and writes down how far each witness has come.
    async fn settle(&mut self) {
        let Some(round) = &mut self.round else { return };
        let met = round.met.is_some();
        let note = round.publish();
        let witnesses = note.as_ref().map(|(_, witnesses)| *witnesses);
        self.status.change(|status| {
            status.quorum = met;
            status.witnesses = witnesses.unwrap_or(status.witnesses);
        });
        let memory = std::mem::take(&mut self.unsaved).then(|| self.memory.clone());
        if note.is_none() && memory.is_none() {
            return;
        }
        let (ledger, path) = (self.ledger.clone(), self.options.dir.join(FILE));
        // Both may have to touch the disk.
        let written = tokio::task::spawn_blocking(move || {
            if let Some((note, _)) = note
                && let Err(error) = ledger.publish_witnessed(&note)
            {
                tracing::error!(%error, "the cosigned head is not published");
            }
            memory.map_or(Ok(()), |memory| memory.write(&ledger.staging(), &path))
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the witnesses' sizes could not be written"),
            Err(error) => tracing::error!(%error, "the cosigned head is not published"),
        }
    }
}

impl Heads {
    /// Waits for the next head; `false` when there will be none.
    async fn changed(&mut self) -> bool {
        match self {
            Self::Published(published) => published.changed().await.is_ok(),
            Self::Committed(committed) => committed.changed().await.is_ok(),
        }
    }
}

/// How it stands before anybody is asked.
fn status(ledger: &Ledger, policy: &TrustPolicy, memory: &Memory) -> Status {
    let witnessed = ledger.witnessed().borrow().clone();
    let note = witnessed.and_then(|witnessed| Note::parse(&witnessed.note).ok());
    let lines = note.map(|note| cosignatures(&note, policy)).unwrap_or_default();
    let each = policy.witnesses().iter().map(|witness| Standing {
        name: witness.name.clone(),
        size: memory.sizes.get(&witness.key.to_string()).map_or(0, |size| size.get()),
        fault: witness.url.is_none().then(|| "it has no address, so it is not asked".into()),
        contradicts: false,
    });
    Status {
        mode: memory.mode,
        witnesses: lines.len(),
        quorum: policy.is_met(&names(policy, lines.keys())),
        each: each.collect(),
    }
}
