//! A site in memory.

use std::collections::BTreeMap;

use super::{Source, SourceError};

/// A static log site as a map from path to bytes: for tests, and for programs that hold an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The files.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Source for Memory {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, SourceError> {
        let Some(bytes) = self.files.get(path) else {
            return Ok(None);
        };
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= max_bytes) {
            Ok(Some(bytes.clone()))
        } else {
            Err(SourceError::TooLarge { path: path.to_owned(), max_bytes })
        }
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let name = |path: &String| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned);
        self.files.keys().filter_map(name).filter(|name| !name.contains('/')).collect()
    }
}
