//! The journal: the one storage seam of the ledger.
//!
//! # Contract
//!
//! A journal is a sequence of leaves, numbered from zero, that only grows. It grows by *frames*:
//! one or more leaves together with the size they were meant for and the root of the tree after
//! them.
//!
//! * **Atomic.** After a crash at any moment a frame is there whole or not at all.
//! * **Durable.** When [`Journal::append`] returns `Ok`, the frame is on stable storage: that is
//!   the commit, and nothing of it is lost by a crash thereafter.
//! * **Ordered.** A frame whose start is not the journal's size is refused, and nothing is written.
//! * **Stopped by doubt.** A failed write or sync leaves the outcome unknown: the frame may be
//!   found by the next open, or not. The append says [`AppendError::OutcomeUnknown`] and every later
//!   one [`AppendError::Poisoned`]. Nothing retries a sync: after one has failed, the kernel may
//!   have dropped the very pages that a second one would report as written. Reopening decides.
//! * **One writer.** Opening a journal shuts out every other writer: by refusing the newcomer
//!   while the earlier one lives (segment files, under a lock), or by refusing the appends of the
//!   earlier one with [`AppendError::Fenced`].
//! * **Forgetful only when told.** [`Journal::reclaim`] gives up whole frames from the beginning,
//!   oldest first, and never the last one. The caller has their leaves elsewhere; whoever opens the
//!   journal afterwards must bring a snapshot of the state that they led to. What is kept has no
//!   gaps: a journal that lacks something in the middle is damaged.
//! * **Never repaired in silence.** A frame cut short at the journal's end was never acknowledged:
//!   opening drops it and reports that. Anything else that is not as it was written is
//!   [`Damage`], and the journal does not open.
//!
//! A reader sees committed frames only, in order and without gaps, beside the writer.
//!
//! Two implementations: [`segment`] (files) and [`memory`] (tests, with faults). One suite,
//! `tests/it/conformance.rs`, runs on both.

mod damage;
mod error;
pub mod memory;
pub mod segment;

use std::ops::ControlFlow;
use std::sync::Arc;

use proof::limits::MAX_LEAF_BYTES;
use proof::{Hash, LeafIndex, TreeSize};

pub use damage::{Damage, DamageKind};
pub use error::{AppendError, FrameError, OpenError, ReadError, VisitError};

use crate::durable::IoError;
use crate::width::on_disk;

/// Bytes of all the leaves of one frame.
///
/// Bounds the buffer of the writer and of every reader. 64 leaves of the largest size are 4 MiB.
pub const MAX_FRAME_LEAF_BYTES: usize = 16 * 1024 * 1024;

/// Leaves of one frame: as many as the sequencer would ever put into one commit.
pub const MAX_FRAME_LEAVES: usize = 65_536;

/// A frame to be appended.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The journal's size before the frame.
    pub start: TreeSize,
    /// At least one leaf; each of 1 to [`MAX_LEAF_BYTES`] bytes, none of which is zero.
    pub leaves: &'a [Vec<u8>],
    /// The root of the tree with these leaves in it.
    pub root: Hash,
}

/// A frame as it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedFrame<'a> {
    /// The journal's size before the frame.
    pub start: TreeSize,
    /// The leaves, in order.
    pub leaves: Vec<&'a [u8]>,
    /// The root of the tree with these leaves in it.
    pub root: Hash,
}

/// What [`JournalReader::read`] calls for each frame; it may break off.
pub type FrameVisitor<'a> = dyn FnMut(&CommittedFrame<'_>) -> ControlFlow<()> + 'a;

/// What opening a journal calls for each leaf that it recovers.
pub type LeafVisitor<'a> = dyn FnMut(LeafIndex, &[u8]) -> Result<(), VisitError> + 'a;

/// The writer's side. See the module for what an implementation promises.
pub trait Journal: Send {
    /// How many leaves are committed.
    fn size(&self) -> TreeSize;

    /// Commits one frame, and returns the size after it.
    fn append(&mut self, frame: &Frame<'_>) -> Result<TreeSize, AppendError>;

    /// Forgets frames that end at or before `upto`, oldest first.
    ///
    /// The caller promises that all leaves before `upto` are durable elsewhere: in full tiles and
    /// bundles, and in a snapshot of the state that they led to. How many frames go is the
    /// implementation's choice (segment files go whole); the last one always stays, so that the
    /// root that was written with it can be compared with the snapshot's. A writer that is poisoned
    /// or fenced forgets nothing.
    ///
    /// A crash in the middle leaves a journal that starts somewhere between the old and the new
    /// first leaf. After an error the rest is forgotten by a later call, or after the next open.
    fn reclaim(&mut self, upto: TreeSize) -> Result<(), IoError>;

    /// A reader of what is committed, now and later.
    fn reader(&self) -> Arc<dyn JournalReader>;
}

/// The reader's side: any number of them, on any thread.
pub trait JournalReader: Send + Sync {
    /// How many leaves are committed.
    fn size(&self) -> TreeSize;

    /// The first leaf that is still there. It never moves back while the journal is open.
    fn first(&self) -> LeafIndex;

    /// Visits the committed frames in order, from the one that holds leaf `from` up to the size
    /// at the time of the call. A leaf that was given up, before the call or while it runs, is
    /// [`ReadError::Reclaimed`]. Memory is bounded by the largest frame, not by the number read.
    fn read(&self, from: LeafIndex, visit: &mut FrameVisitor<'_>) -> Result<(), ReadError>;
}

impl Frame<'_> {
    /// The journal's size after the frame.
    pub fn end(&self) -> TreeSize {
        TreeSize::new(self.start.get().saturating_add(on_disk(self.leaves.len())))
    }

    /// Whether the frame keeps to the limits that every implementation enforces.
    ///
    /// A leaf is JSON text in canonical form, which has no zero byte. The segment files rely on
    /// it: a sector of zeros inside a frame can only be one that never reached the disk.
    pub fn check(&self) -> Result<(), FrameError> {
        if self.leaves.is_empty() || self.leaves.len() > MAX_FRAME_LEAVES {
            return Err(FrameError::LeafCount { got: self.leaves.len() });
        }
        let mut total = 0_usize;
        for (leaf, index) in self.leaves.iter().zip(self.start.get()..) {
            let index = LeafIndex::new(index);
            if leaf.is_empty() || leaf.len() > MAX_LEAF_BYTES {
                return Err(FrameError::LeafLength { index, got: leaf.len() });
            }
            if leaf.contains(&0) {
                return Err(FrameError::ZeroByte { index });
            }
            total = total.saturating_add(leaf.len());
        }
        if total > MAX_FRAME_LEAF_BYTES {
            return Err(FrameError::TooLarge { got: total });
        }
        Ok(())
    }
}

impl<'a> CommittedFrame<'a> {
    /// The journal's size after the frame.
    pub fn end(&self) -> TreeSize {
        TreeSize::new(self.start.get().saturating_add(on_disk(self.leaves.len())))
    }

    /// The leaves with their positions, without those before `from`.
    pub fn leaves_from(&self, from: LeafIndex) -> impl Iterator<Item = (LeafIndex, &'a [u8])> {
        (self.start.get()..)
            .map(LeafIndex::new)
            .zip(self.leaves.iter().copied())
            .skip_while(move |(index, _)| *index < from)
    }
}
