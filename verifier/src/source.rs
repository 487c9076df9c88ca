//! Where a log is read from: a folder, a server, memory.
//!
//! A source is a static log site (C2SP `tlog-tiles`): files below a root, addressed by path. It is not trusted with
//! anything: a file may be missing, cut short, endless or other than before, and the checks on top say so.

mod dir;
mod memory;
mod url;

use std::fmt;
use std::path::{Path, PathBuf};

pub use dir::Dir;
pub(crate) use dir::read_file;
pub use memory::Memory;
pub use url::Url;

/// A static log site.
pub trait Source: Send + Sync {
    /// The file at `path` below the site's root, if there is one.
    ///
    /// # Errors
    /// If the file has more than `max_bytes`, or there is no telling whether there is one.
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, SourceError>;

    /// The names of the files in a folder below the root, as far as the source can tell.
    fn list(&self, _folder: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// It is longer than any such file may be.
    TooLarge {
        /// Its path.
        path: String,
        /// How long it may be.
        max_bytes: u64,
    },
    /// Reading failed.
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        detail: String,
    },
}

impl SourceError {
    fn unreadable(path: &str, detail: impl fmt::Display) -> Self {
        Self::Unreadable { path: path.to_owned(), detail: detail.to_string() }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { path, max_bytes } => {
                write!(f, "`{path}` is longer than {max_bytes} bytes")
            }
            Self::Unreadable { path, detail } => write!(f, "cannot read `{path}`: {detail}"),
        }
    }
}

impl std::error::Error for SourceError {}

/// The path of the checkpoint below a site's root.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The path of the head that witnesses signed, where there is one.
pub(crate) const WITNESSED: &str = "witnessed/checkpoint";

/// A log to verify: its site, and its journal if the data folder itself is at hand.
pub struct Location {
    /// As the user wrote it.
    pub name: String,
    /// The static site.
    pub site: Box<dyn Source>,
    /// The folder with the journal's segment files.
    pub journal: Option<PathBuf>,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location").field("name", &self.name).field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl Location {
    /// Finds the log at a folder or URL.
    ///
    /// A folder is a site, or a data folder with the site in `public/` and perhaps a `journal/`. A URL is a site, or a
    /// server that has one under `/log/`.
    ///
    /// # Errors
    /// If there is no checkpoint in any of these places.
    pub fn open(name: &str) -> Result<Self, SourceError> {
        if name.starts_with("http://") || name.starts_with("https://") {
            let site = Box::new(Url::discover(name)?);
            return Ok(Self { name: name.to_owned(), site, journal: None });
        }
        let root = Path::new(name);
        for (site, journal) in [(root.join("public"), Some(root.join("journal"))), (root.to_owned(), None)] {
            if site.join(CHECKPOINT).is_file() {
                let journal = journal.filter(|journal| journal.is_dir());
                return Ok(Self { name: name.to_owned(), site: Box::new(Dir::new(site)), journal });
            }
        }
        Err(SourceError::unreadable(name, "found no log: neither `checkpoint` nor `public/checkpoint` is there"))
    }

    /// A log in memory, without a journal.
    pub fn memory(site: Memory) -> Self {
        Self { name: "memory".to_owned(), site: Box::new(site), journal: None }
    }
}
