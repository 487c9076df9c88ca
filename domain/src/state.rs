//! What is true now: the fold of the log that `decide` reads.
//!
//! [`State::apply`] is the only way in, in normal operation, in recovery and in every verifier alike.

pub mod closed;
pub mod job;
pub mod key;
pub mod proposal;

mod apply;
mod frozen;

use crate::event::Subject;
use crate::event::ledger::Genesis;
use crate::id::{AnyKeyId, IntentId, JobId, ProposalId, RunnerId};
use crate::time::Timestamp;
use closed::{Archive, Closed, ClosedKey, ClosedSet, Generation, Unreadable};
use job::JobRecord;
use key::{KeyRecord, RunnerRecord};
use proof::hash::Hash;
use proof::index::{LeafIndex, TreeSize};
use proof::key::PublicKey;
use proof::note::VerifierKey;
use proposal::ProposalRecord;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// An event that cannot follow what came before. In a log we read it means damage or forgery; in one we write, a defect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IllegalTransition {
    /// Where.
    pub seq: LeafIndex,
    /// Which rule, in a few words.
    pub rule: String,
}

impl IllegalTransition {
    fn new(seq: LeafIndex, rule: impl Into<String>) -> Self {
        Self { seq, rule: rule.into() }
    }
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.seq, self.rule)
    }
}

impl std::error::Error for IllegalTransition {}

/// The ledger's own identity, fixed at genesis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerInfo {
    /// What root said.
    pub genesis: Genesis,
    /// The root key.
    pub root: PublicKey,
    /// The key that signs events.
    pub event: PublicKey,
    /// The key that signs checkpoints.
    pub checkpoint: VerifierKey,
    /// The engine that decides.
    pub engine: u32,
}

/// Something that happens by itself when its time comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A challenge lapses.
    Approval(ProposalId),
    /// A lease lapses.
    Lease(JobId),
}

/// The fold of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    size: TreeSize,
    prev: Hash,
    time: Timestamp,
    group: LeafIndex,
    ledger: Option<LedgerInfo>,
    keys: BTreeMap<AnyKeyId, KeyRecord>,
    api_keys: BTreeMap<Hash, AnyKeyId>,
    runners: BTreeMap<RunnerId, RunnerRecord>,
    proposals: BTreeMap<ProposalId, ProposalRecord>,
    jobs: BTreeMap<JobId, JobRecord>,
    ready: BTreeMap<LeafIndex, JobId>,
    due: BTreeSet<(Timestamp, Due)>,
    versions: BTreeMap<Subject, u64>,
    closed: ClosedSet,
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// The state of a log with nothing in it.
    pub fn new() -> Self {
        Self {
            size: TreeSize::ZERO,
            prev: Hash::ZERO,
            time: Timestamp::default(),
            group: LeafIndex::new(0),
            ledger: None,
            keys: BTreeMap::new(),
            api_keys: BTreeMap::new(),
            runners: BTreeMap::new(),
            proposals: BTreeMap::new(),
            jobs: BTreeMap::new(),
            ready: BTreeMap::new(),
            due: BTreeSet::new(),
            versions: BTreeMap::new(),
            closed: ClosedSet::default(),
        }
    }

    /// Events folded.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The last event's time.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// SHA-256 of the last payload.
    pub fn prev(&self) -> Hash {
        self.prev
    }

    /// The ledger's identity, once there is one.
    pub fn ledger(&self) -> Option<&LedgerInfo> {
        self.ledger.as_ref()
    }

    /// A key, disabled ones included.
    pub fn key(&self, id: &str) -> Option<&KeyRecord> {
        self.keys.get(id)
    }

    /// The API key whose salted hash this is.
    pub fn api_key(&self, hash: &Hash) -> Option<&KeyRecord> {
        self.api_keys.get(hash).and_then(|id| self.keys.get(id))
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &KeyRecord> {
        self.keys.values()
    }

    /// A runner.
    pub fn runner(&self, id: &RunnerId) -> Option<&RunnerRecord> {
        self.runners.get(id)
    }

    /// Every runner.
    pub fn runners(&self) -> impl Iterator<Item = &RunnerRecord> {
        self.runners.values()
    }

    /// Where an intent was stated.
    pub fn intent(&self, id: &IntentId) -> Result<Option<LeafIndex>, Unreadable> {
        Ok(self.closed(&Subject::of("intent", id))?.map(|closed| closed.begun))
    }

    /// A proposal that is open.
    pub fn proposal(&self, id: &ProposalId) -> Option<&ProposalRecord> {
        self.proposals.get(id)
    }

    /// Where a proposal was submitted, whether it is open or not.
    pub fn submitted(&self, id: &ProposalId) -> Result<Option<LeafIndex>, Unreadable> {
        match self.proposals.get(id) {
            Some(open) => Ok(Some(open.submitted)),
            None => Ok(self.closed(&Subject::of("proposal", id))?.map(|closed| closed.begun)),
        }
    }

    /// A job that is open.
    pub fn job(&self, id: &JobId) -> Option<&JobRecord> {
        self.jobs.get(id)
    }

    /// Where a job was created, whether it is open or not.
    pub fn job_created(&self, id: &JobId) -> Result<Option<LeafIndex>, Unreadable> {
        match self.jobs.get(id) {
            Some(open) => Ok(Some(open.created)),
            None => Ok(self.closed(&Subject::of("job", id))?.map(|closed| closed.begun)),
        }
    }

    /// What became of an intent, a proposal or a job that is over.
    pub fn closed(&self, subject: &Subject) -> Result<Option<Closed>, Unreadable> {
        self.closed.find(&ClosedKey::of(subject))
    }

    /// Jobs that wait for a runner, oldest first.
    pub fn ready_jobs(&self) -> impl Iterator<Item = &JobRecord> {
        self.ready.values().filter_map(|id| self.jobs.get(id))
    }

    /// Whether the body of a commitment was erased.
    pub fn is_erased(&self, sha256: &Hash) -> bool {
        self.versions.contains_key(&Subject::of("blob", sha256))
    }

    /// The commitments whose bodies were erased.
    pub fn erased(&self) -> impl Iterator<Item = Hash> {
        let hashes = self.versions.keys().filter_map(|subject| subject.as_str().strip_prefix("blob/"));
        hashes.filter_map(|hash| hash.parse().ok())
    }

    /// What comes due first, and when.
    pub fn next_due(&self) -> Option<&(Timestamp, Due)> {
        self.due.first()
    }

    /// The version that the subject's next event has.
    pub fn next_version(&self, subject: &Subject) -> u64 {
        self.versions.get(subject).copied().unwrap_or(0) + 1
    }

    /// How much is over and not in the archive, nor on its way there.
    pub fn recently_closed(&self) -> usize {
        self.closed.recent()
    }

    /// Sends everything that is over to the archive. It is found here until [`archived`](Self::archived) says that it
    /// has arrived.
    pub fn retire(&mut self) -> Arc<Generation> {
        self.closed.retire()
    }

    /// The same for another copy of the same state.
    pub fn retire_with(&mut self, leaving: &Arc<Generation>) {
        self.closed.follow(leaving);
    }

    /// What was sent to the archive is in this one now, with all that was there before.
    pub fn archived(&mut self, archive: Arc<dyn Archive>) {
        self.closed.arrived(archive);
    }
}
