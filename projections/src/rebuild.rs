//! Rows from nothing: what `countersign rebuild` does.

use std::path::{Path, PathBuf};

use domain::event::projection::ProjectionDigest;
use proof::TreeSize;

use crate::error::{RebuildError, StepError};
use crate::source::Source;
use crate::store::{Opened, Store, Writer};

/// Events of one batch while nobody waits for the rows.
const BATCH_EVENTS: usize = 2048;

/// How far a long operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events folded.
    pub done: TreeSize,
    /// Events in the log when it began.
    pub of: TreeSize,
}

/// What a rebuild made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events folded.
    pub position: TreeSize,
    /// The read models' digests.
    pub projections: Vec<ProjectionDigest>,
    /// Where the earlier rows are now, if there were any.
    pub kept_at: Option<PathBuf>,
}

/// Puts the rows in `dir` aside, if there are any, and folds the whole log again.
///
/// No follower may run on `dir`; sled's lock sees to that.
pub fn rebuild(dir: &Path, source: &dyn Source, mut progress: impl FnMut(Progress)) -> Result<Rebuilt, RebuildError> {
    let (store, mut writer, opened) = Store::open(dir, source)?;
    let kept_at = match opened {
        Opened::Fresh => None,
        Opened::Resumed => Some(writer.replace("a rebuild was asked for")?),
        Opened::Replaced { kept_at, .. } => Some(kept_at),
    };
    fold_all(&mut writer, source, &mut progress)?;
    let rebuilt = Rebuilt { position: writer.position(), projections: writer.digests(), kept_at };
    drop(store);
    Ok(rebuilt)
}

fn fold_all(writer: &mut Writer, source: &dyn Source, progress: &mut dyn FnMut(Progress)) -> Result<(), StepError> {
    let of = *source.committed().borrow();
    while writer.position() < of {
        if writer.step(source, BATCH_EVENTS)?.events == 0 {
            break;
        }
        progress(Progress { done: writer.position(), of });
    }
    writer.flush()
}
