//! Nothing of sled's gets past here: neither a panic nor an error that means damage.

use std::fmt;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What went wrong inside sled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The files do not hold what was written: only a rebuild helps.
    Damaged(String),
    /// Another process has the files open.
    Locked,
    /// The disk refuses: a rebuild would meet the same.
    Io(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) | Self::Io(what) => f.write_str(what),
            Self::Locked => f.write_str("another process has the files open"),
        }
    }
}

/// Runs something of sled's.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, Trouble> {
    // sled's own values are the only ones that a panic could leave half-changed, and whoever gets
    // `Damaged` never touches them again.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(judge(&error)),
        Err(panic) => Err(Trouble::Damaged(format!("sled panicked: {}", words(&*panic)))),
    }
}

fn judge(error: &sled::Error) -> Trouble {
    match error {
        sled::Error::Io(io) => {
            let text = io.to_string();
            if text.contains("could not acquire lock") {
                return Trouble::Locked;
            }
            // What the file system says of itself is no damage; what sled says of lengths that do
            // not fit its file is.
            let misfit = [ErrorKind::UnexpectedEof, ErrorKind::InvalidData].contains(&io.kind());
            if misfit { Trouble::Damaged(text) } else { Trouble::Io(text) }
        }
        sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. } => Trouble::Damaged(error.to_string()),
    }
}

/// What a panic says, as far as it says anything.
pub(crate) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
