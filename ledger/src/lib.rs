//! Where the ledger keeps what was said.
//!
//! # In scope
//!
//! * [`journal`]: the one storage seam, and the only thing that must not be lost.
//! * [`content`]: bodies beside the log, under salted commitments; [`blob`]: public blobs.
//! * [`site`]: tiles, entry bundles and the checkpoint as a static C2SP `tlog-tiles` site, and
//!   proofs from them. All of it can be made again from the journal.
//! * [`durable`], [`lock`], [`probe`]: files that survive, one process at a time, how fast the disk is.
//!
//! # Out of scope
//!
//! * What an event means, and whether it is allowed: `domain`.
//! * The mathematics and the formats of the log: `proof`.
//! * Sockets, clocks, command lines: `api` and `cli`.

pub mod durable;
pub mod journal;
pub mod lock;
pub mod probe;
mod width;
