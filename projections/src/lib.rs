//! Read models that can be thrown away: rows in sled, and the follower that feeds them.
//!
//! The folds are `domain::view`'s and pure; this crate only keeps their rows. sled loses or panics
//! on damaged files, so it has exactly one role here: a cache of what the log says, recomputed
//! from the log whenever there is the slightest doubt about it.
//!
//! # In scope
//!
//! * [`Store`]: rows by key and by prefix, and the typed questions that the edges ask
//!   ([`Store::proposals`], [`Store::jobs`], …). A cheap handle; any thread may read.
//! * [`Writer`]: folds the next events of a [`Source`] into the rows, one atomic batch a step.
//! * [`Follower`]: the thread that drives a writer, publishes its position and states the read
//!   models' digests in the log.
//! * [`rebuild()`] and [`scan_check`]: from nothing, and against a second fold.
//!
//! # Out of scope
//!
//! * What a row says: `domain::view`.
//! * Anything that a decision reads. **Invariant:** projections never feed `decide`; it sees the
//!   sequencer's state only.
//! * Keys, positions of subscribers, anything whose loss would change an answer.
//!
//! # How a store is known to be whole
//!
//! Rows and position are written in one batch. The position comes with the SHA-256 of the last
//! payload that was folded (so a store of another log, or of another history of the same log, is
//! recognised), each read model's digest, and a count and checksum of its rows. Opening reads
//! every row and compares. Whatever does not fit, and every panic and error of sled's, means: put
//! the directory aside as `….damaged-<n>`, say so loudly, count it, and fold the log again.

mod check;
mod error;
mod follower;
mod guard;
mod rebuild;
mod rows;
mod source;
mod store;

pub use check::{Difference, ScanReport, scan_check};
pub use error::{Closed, OpenError, ReadError, RebuildError, StepError, WaitError};
pub use follower::{Follower, Options};
pub use rebuild::{Progress, Rebuilt, rebuild};
pub use rows::{ApprovalRow, Grant, JobPage, JobRow, ProposalPage, ProposalRow};
pub use source::{Source, SourceError};
pub use store::{Opened, Order, Phase, Status, Step, Store, Writer};

#[cfg(test)]
extern crate self as countersign_projections;
#[cfg(test)]
#[path = "../tests/it/history.rs"]
#[expect(dead_code, reason = "the tests in here use a part of what those outside do")]
mod history;
#[cfg(test)]
#[path = "../tests/it/log.rs"]
#[expect(dead_code, reason = "the tests in here use a part of what those outside do")]
mod log;
