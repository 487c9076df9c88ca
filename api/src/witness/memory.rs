//! What a log remembers of its witnesses, `DIR/witnesses.json`: how far each has come, and whether heads were published
//! without them. It spares requests and nothing hangs on it: a witness says itself where it is.

use super::status::Mode;
use ledger::durable::{self, Staging};
use proof::index::TreeSize;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The file's name in the data folder.
pub(super) const FILE: &str = "witnesses.json";

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    v: u32,
    pub(super) mode: Mode,
    /// The size that each witness cosigned last, by its vkey: another key is another witness.
    pub(super) sizes: BTreeMap<String, TreeSize>,
}

impl Memory {
    pub(super) fn new(mode: Mode) -> Self {
        Self { v: 1, mode, sizes: BTreeMap::new() }
    }

    /// What the last process wrote; nothing if it cannot be read.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let path = dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the witnesses' sizes cannot be read; asking them");
                return None;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(memory) => Some(memory),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the witnesses' sizes cannot be read; asking them");
                None
            }
        }
    }

    /// Writes it durably.
    pub(super) fn write(&self, staging: &Staging, path: &Path) -> Result<(), String> {
        let json = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        staging.write(path, &json, durable::Mode::Private).map_err(|error| error.to_string())
    }
}

/// How the last server of a data folder published, if it had witnesses. A command that opens the folder for something else
/// must not publish a head that the server would not have.
pub fn remembered_mode(dir: &Path) -> Option<Mode> {
    Memory::read(dir).map(|memory| memory.mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_back_and_what_is_damaged_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(remembered_mode(dir.path()), None);
        let mut memory = Memory::new(Mode::Closed);
        memory.sizes.insert("a vkey".into(), TreeSize::new(7));
        let path = dir.path().join(FILE);
        memory.write(&Staging::open(dir.path()).unwrap(), &path).unwrap();
        assert_eq!(Memory::read(dir.path()), Some(memory));
        assert_eq!(remembered_mode(dir.path()), Some(Mode::Closed));
        std::fs::write(&path, "{\"v\":1").unwrap();
        assert_eq!(Memory::read(dir.path()), None);
    }
}
