//! Snapshots: the state at some size of the log, so that a restart need not begin at the first event.
//!
//! One file each, `snapshots/<size>.json`: a DSSE envelope by the ledger's event key around canonical JSON with the
//! frontier of the tree, what is open, and the names and digests of the runs that hold what is over. The signature is
//! what makes it believed: whoever can write to the disk, but holds no key, cannot slip in a state of their own.
//! Everything in it follows from the log; one that is damaged is left aside, and the state is made again from there.

use crate::closed::{ClosedIndex, RunName};
use crate::disk::Disk;
use crate::durable::{self, IoError, Mode, Staging};
use domain::state::State;
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::index::TreeSize;
use proof::merkle::Frontier;
use proof::note::SignerKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PAYLOAD_TYPE: &str = "application/vnd.countersign.snapshot+json";
const VERSION: u32 = 1;
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    v: u32,
    origin: String,
    size: TreeSize,
    frontier: Vec<Hash>,
    runs: Vec<RunName>,
    state: Value,
}

/// A snapshot that holds.
pub(crate) struct Snapshot {
    pub(crate) state: State,
    pub(crate) frontier: Frontier,
    pub(crate) index: ClosedIndex,
}

/// The snapshots of a data folder.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots {
    staging: Staging,
    data_dir: PathBuf,
    origin: String,
    key: SignerKey,
}

/// Why no snapshot was made or one cannot be used.
pub(crate) type Problem = String;

impl Snapshots {
    pub(crate) fn of(data_dir: &Path, staging: &Staging, origin: &str, key: &SignerKey) -> Self {
        Self { staging: staging.clone(), data_dir: data_dir.to_owned(), origin: origin.to_owned(), key: key.clone() }
    }

    /// Writes one durably, and removes what neither it nor the one before needs. Gives the size of the one before: the
    /// log must be kept from there on; and the bytes of the new one.
    pub(crate) fn write(
        &self,
        state: &State,
        frontier: &Frontier,
        index: &ClosedIndex,
    ) -> Result<(TreeSize, u64), Problem> {
        let frozen = state.freeze().map_err(|e| e.to_string())?;
        let payload = Payload {
            v: VERSION,
            origin: self.origin.clone(),
            size: frontier.size(),
            frontier: frontier.hashes().to_vec(),
            runs: index.names(),
            state: proof::canonical::parse_canonical(&frozen).map_err(|e| e.to_string())?,
        };
        let bytes = proof::canonical::to_vec(&payload).map_err(|e| e.to_string())?;
        let envelope = Envelope::sign(PAYLOAD_TYPE, &bytes, self.key.secret());
        let text = serde_json::to_vec(&envelope).map_err(|e| e.to_string())?;
        self.staging.write(&self.path(frontier.size()), &text, Mode::Private).map_err(|e| e.to_string())?;
        let before = self.retire(index).map_err(|e| e.to_string())?;
        Ok((before, crate::width::on_disk(text.len())))
    }

    /// Every snapshot that is there, newest first, by its size.
    pub(crate) fn sizes(&self) -> Result<Vec<TreeSize>, IoError> {
        let names = durable::list(self.disk(), &self.folder())?;
        let size = |name: &String| name.strip_suffix(".json")?.parse().ok().map(TreeSize::new);
        Ok(names.iter().rev().filter_map(size).collect())
    }

    /// Reads one, and its runs.
    pub(crate) fn read(&self, size: TreeSize) -> Result<Snapshot, Problem> {
        let payload = self.payload(size)?;
        let frontier = Frontier::from_parts(payload.size, payload.frontier).map_err(|e| e.to_string())?;
        let index = ClosedIndex::open(self.disk(), &self.data_dir, &payload.runs).map_err(|e| e.to_string())?;
        let bytes = proof::canonical::value_to_vec(&payload.state);
        let state = State::thaw(&bytes, Some(Arc::new(index.clone()))).map_err(|e| e.to_string())?;
        if state.size() != size || frontier.size() != size {
            return Err(format!("state of {} and tree of {} events, expected {size}", state.size(), frontier.size()));
        }
        Ok(Snapshot { state, frontier, index })
    }

    fn payload(&self, size: TreeSize) -> Result<Payload, Problem> {
        let text = durable::read(self.disk(), &self.path(size)).map_err(|e| e.to_string())?;
        self.opened(text, size)
    }

    fn opened(&self, text: Option<Vec<u8>>, size: TreeSize) -> Result<Payload, Problem> {
        let text = text.ok_or("it is not there")?;
        let envelope: Envelope = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(format!("it is a `{}`", envelope.payload_type));
        }
        envelope.verify(self.key.verifier().key()).map_err(|e| e.to_string())?;
        let value = proof::canonical::parse_canonical(&envelope.payload).map_err(|e| e.to_string())?;
        let payload: Payload = serde_json::from_value(value).map_err(|e| e.to_string())?;
        if payload.v != VERSION || payload.origin != self.origin || payload.size != size {
            return Err(format!("it is version {} of `{}` at {}", payload.v, payload.origin, payload.size));
        }
        Ok(payload)
    }

    /// Keeps the newest snapshot and the newest before it that holds, should the first be damaged; removes the others, and
    /// the runs that neither names. Gives the size of the one before.
    fn retire(&self, index: &ClosedIndex) -> Result<TreeSize, IoError> {
        let sizes = self.sizes()?;
        let (mut needed, mut before) = (index.names(), None);
        for old in sizes.into_iter().skip(1) {
            // One that cannot be read now may be good: then nothing is removed, and the next time decides.
            let text = durable::read(self.disk(), &self.path(old))?;
            match self.opened(text, old) {
                Ok(payload) if before.is_none() => {
                    needed.extend(payload.runs);
                    before = Some(old);
                }
                Ok(_) | Err(_) => {
                    durable::remove_on(self.disk(), &self.path(old))?;
                }
            }
        }
        crate::closed::sweep(self.disk(), &self.data_dir, &needed)?;
        Ok(before.unwrap_or(TreeSize::ZERO))
    }

    fn disk(&self) -> &dyn Disk {
        &**self.staging.disk()
    }

    fn folder(&self) -> PathBuf {
        self.data_dir.join("snapshots")
    }

    fn path(&self, size: TreeSize) -> PathBuf {
        self.folder().join(format!("{:020}.json", size.get()))
    }
}
