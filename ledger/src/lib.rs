//! The ledger: one writer, one journal, one tree.
//!
//! # In scope
//!
//! * [`open`], [`Ledger`], [`Sequencer`]: commands in, committed events and receipts out; recovery by the same `apply`.
//! * [`journal`]: the one storage seam, and the only thing that must not be lost.
//! * [`content`]: bodies beside the log, under salted commitments, and public blobs.
//! * [`site`]: tiles, entry bundles and the checkpoint as a static C2SP `tlog-tiles` site, and
//!   proofs from them. Tiles can be made again; old leaves are there alone.
//! * [`disk`], [`durable`], [`lock`], [`probe`]: the file system and a simulated one, files that survive,
//!   one process at a time, how fast the disk is.
//! * [`metrics`]: what the ledger counts about itself.
//!
//! # Out of scope
//!
//! * What an event means, and whether it is allowed: `domain`.
//! * The mathematics and the formats of the log: `proof`.
//! * Sockets, clocks, command lines: `api` and `cli`.

pub mod backup;
pub mod clock;
mod closed;
pub mod content;
pub mod disk;
pub mod durable;
mod handle;
pub mod journal;
mod keeper;
pub mod keys;
pub mod lock;
pub mod metrics;
pub mod probe;
mod publisher;
mod recovery;
mod scrubber;
mod sequencer;
pub mod site;
mod snapshot;
mod tiles;
mod width;

pub use handle::{Committed, Head, Ledger, Queued, SubmitError};
pub use probe::fsync_probe;
pub use publisher::{Publish, Published, WitnessedError};
pub use recovery::{OpenError, Options, Recovered, open};
pub use scrubber::Scrubber;
pub use sequencer::{Sequencer, Step};
pub use site::TreeError;
