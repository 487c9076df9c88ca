//! The head that witnesses signed, which a site keeps beside its own: an older head of the same log, or a lie.

use proof::{Checkpoint, TreeSize, VerifierKey};

use super::head;
use super::history::History;
use crate::rule::{Finding, Rule};
use crate::source::{Source, WITNESSED};
use crate::trust::Trust;

/// A note beside the checkpoint, as it was read.
pub(crate) struct Witnessed(Vec<u8>);

impl Witnessed {
    /// Reads it, if there is one. This comes before the checkpoint is read, so that an honest one is never newer.
    pub(crate) fn read(site: &dyn Source) -> Result<Option<Self>, Finding> {
        let note = site.read(WITNESSED, super::MAX_CHECKPOINT_BYTES);
        let note = note.map_err(|error| super::site::unreadable(None, Rule::WitnessedHead, &error))?;
        Ok(note.map(Self))
    }

    /// Checks that the log's key signed it, and that this log had its root at its size. A log that could be read only
    /// in part (`is_whole` says so) judges no head beyond that.
    pub(crate) fn check(&self, key: &VerifierKey, history: &History<'_>, is_whole: bool) -> Result<(), Finding> {
        let breach = |detail: &dyn std::fmt::Display| {
            Finding::whole(Rule::WitnessedHead, format_args!("`{WITNESSED}`: {detail}"))
        };
        let trust = Trust::Key(Box::new(key.clone()));
        let opened = head::text(&self.0).and_then(|note| head::open(note, &trust, None));
        let Checkpoint { size, root, .. } = opened.map_err(|finding| breach(&finding.detail))?.checkpoint;
        match history.root_at(size)? {
            Some(ours) if ours == root || size == TreeSize::ZERO => Ok(()),
            Some(ours) => {
                Err(breach(&format_args!("it signs root {root} at size {size}, where this log had root {ours}")))
            }
            None if !is_whole => Ok(()),
            None => {
                let there = history.size();
                Err(breach(&format_args!("it is of {size} events, and {there} are here: those behind are missing")))
            }
        }
    }
}
