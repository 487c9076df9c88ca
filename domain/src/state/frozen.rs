//! The state as bytes: what a snapshot holds. What is over is not in it; that is the archive's.

use super::closed::{Archive, ClosedSet};
use super::job::{JobRecord, JobState};
use super::key::{KeyRecord, RunnerRecord};
use super::proposal::ProposalRecord;
use super::{Due, LedgerInfo, State};
use crate::event::Subject;
use crate::event::key::Credential;
use crate::time::Timestamp;
use proof::hash::Hash;
use proof::index::{LeafIndex, TreeSize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Why bytes are not a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenError(String);

impl fmt::Display for FrozenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a frozen state: {}", self.0)
    }
}

impl std::error::Error for FrozenError {}

/// The parts from which the rest follows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frozen {
    size: TreeSize,
    prev: Hash,
    time: Timestamp,
    group: LeafIndex,
    ledger: Option<LedgerInfo>,
    keys: Vec<KeyRecord>,
    runners: Vec<RunnerRecord>,
    proposals: Vec<(crate::id::ProposalId, ProposalRecord)>,
    jobs: Vec<JobRecord>,
    versions: BTreeMap<Subject, u64>,
}

impl State {
    /// The state as canonical JSON, without what is over.
    pub fn freeze(&self) -> Result<Vec<u8>, FrozenError> {
        let frozen = Frozen {
            size: self.size,
            prev: self.prev,
            time: self.time,
            group: self.group,
            ledger: self.ledger.clone(),
            keys: self.keys.values().cloned().collect(),
            runners: self.runners.values().cloned().collect(),
            proposals: self.proposals.iter().map(|(id, record)| (id.clone(), record.clone())).collect(),
            jobs: self.jobs.values().cloned().collect(),
            versions: self.versions.clone(),
        };
        proof::canonical::to_vec(&frozen).map_err(|e| FrozenError(e.to_string()))
    }

    /// The state again. The bytes must be ones that are believed: nothing here proves that a log led to them.
    pub fn thaw(bytes: &[u8], archive: Option<Arc<dyn Archive>>) -> Result<Self, FrozenError> {
        let value = proof::canonical::parse_canonical(bytes).map_err(|e| FrozenError(e.to_string()))?;
        let frozen: Frozen = serde_json::from_value(value).map_err(|e| FrozenError(e.to_string()))?;
        let mut state = Self {
            size: frozen.size,
            prev: frozen.prev,
            time: frozen.time,
            group: frozen.group,
            ledger: frozen.ledger,
            versions: frozen.versions,
            closed: ClosedSet::with_archive(archive),
            ..Self::new()
        };
        for record in frozen.keys {
            if let Credential::Api(hash) = &record.key.credential {
                state.api_keys.insert(*hash, record.key.key_id.clone());
            }
            state.keys.insert(record.key.key_id.clone(), record);
        }
        state.runners = frozen.runners.into_iter().map(|record| (record.runner.runner_id.clone(), record)).collect();
        for (id, record) in frozen.proposals {
            if let Some(expires) = record.answer_due() {
                state.due.insert((expires, Due::Approval(id.clone())));
            }
            state.proposals.insert(id, record);
        }
        for record in frozen.jobs {
            match &record.state {
                JobState::Ready(_) => {
                    state.ready.insert(record.created, record.job_id.clone());
                }
                JobState::Leased(lease) => {
                    state.due.insert((lease.expires, Due::Lease(record.job_id.clone())));
                }
                JobState::Lapsed(_) | JobState::Reported(..) => {}
            }
            state.jobs.insert(record.job_id.clone(), record);
        }
        Ok(state)
    }
}
