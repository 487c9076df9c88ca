//! The storage half of the ledger, on real files.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail by panicking"
)]

mod concurrent;
mod conformance;
mod damage;
mod fixture;
mod foreign;
mod log;
mod orphans;
mod reclaimed;
mod segments;
mod simulated;
mod site;
mod torn;
