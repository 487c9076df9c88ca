//! What a monitor remembers between two looks: one small file, replaced whole.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use domain::time::Timestamp;
use proof::{Checkpoint, Hash, LeafIndex, PublicKey, TreeSize, VerifierKey};
use serde_json::{Value, json};

use crate::log::chain::Chain;
use crate::source::read_file;

/// Bytes of the file.
const MAX_BYTES: u64 = 64 * 1024;

/// The newest head whose checks are done, and where the chain stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    pub(super) origin: String,
    pub(super) key: VerifierKey,
    pub(super) event_key: PublicKey,
    pub(super) size: TreeSize,
    pub(super) root: Hash,
    prev: Hash,
    time: Timestamp,
    group: LeafIndex,
    /// When the monitor saw the log grow last, by its own clock.
    pub(super) grown_ms: u64,
}

impl Memory {
    pub(super) fn new(
        origin: String,
        key: VerifierKey,
        event_key: PublicKey,
        head: &Checkpoint,
        chain: &Chain,
        now_ms: u64,
    ) -> Self {
        let (prev, time, group) = chain.stands_at();
        Self { origin, key, event_key, size: head.size, root: head.root, prev, time, group, grown_ms: now_ms }
    }

    pub(super) fn chain(&self) -> Chain {
        Chain::resume(self.origin.clone(), self.size.next_index(), (self.prev, self.time, self.group))
    }

    /// Events up to here are checked.
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// When the monitor saw the log grow last, by its own clock, in ms since 1970.
    pub const fn grown_ms(&self) -> u64 {
        self.grown_ms
    }

    /// Reads a state file, if there is one.
    ///
    /// # Errors
    /// A sentence, if it cannot be read or is no state file. A monitor that forgot would be worse than one that stops.
    pub fn read(file: &Path) -> Result<Option<Self>, String> {
        let Some(bytes) = read_file(file, MAX_BYTES).map_err(|error| error.to_string())? else { return Ok(None) };
        let value = proof::canonical::parse(&bytes).map_err(|error| format!("`{}`: {error}", file.display()))?;
        Self::of(&value).map(Some).ok_or_else(|| format!("`{}` is no state file of this version", file.display()))
    }

    fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str();
        let number = |name: &str| value.get(name)?.as_u64();
        if number("v")? != 1 || value.as_object()?.len() != 10 {
            return None;
        }
        Some(Self {
            origin: text("origin")?.to_owned(),
            key: VerifierKey::parse(text("key")?).ok()?,
            event_key: *VerifierKey::parse(text("event_key")?).ok()?.key(),
            size: TreeSize::new(number("size")?),
            root: text("root")?.parse().ok()?,
            prev: text("prev")?.parse().ok()?,
            time: text("time")?.parse().ok()?,
            group: LeafIndex::new(number("group")?),
            grown_ms: number("grown_ms")?,
        })
    }

    /// Replaces the state file: all of it, or nothing.
    ///
    /// # Errors
    /// A sentence, if it cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot write `{}`: {error}", file.display());
        let mut name = file.as_os_str().to_owned();
        name.push(".tmp");
        let beside = PathBuf::from(name);
        let mut out = File::create(&beside).map_err(failed)?;
        out.write_all(&proof::canonical::value_to_vec(&self.to_value())).map_err(failed)?;
        out.sync_all().map_err(failed)?;
        std::fs::rename(&beside, file).map_err(failed)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn to_value(&self) -> Value {
        let event_key = VerifierKey::new(self.key.name().clone(), self.event_key);
        json!({
            "event_key": event_key.to_string(),
            "grown_ms": self.grown_ms,
            "group": self.group,
            "key": self.key.to_string(),
            "origin": self.origin,
            "prev": self.prev,
            "root": self.root,
            "size": self.size,
            "time": self.time,
            "v": 1,
        })
    }
}
