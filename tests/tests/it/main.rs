//! Scenarios across crates, in one binary: they build together, and each stands in a file named after the property.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should say where"
)]

mod arrows;
mod backup;
mod bad_input;
mod bodies;
mod bundles;
mod clock;
mod compat;
mod crash;
mod demo;
mod disk_full;
mod fixtures;
mod forged;
mod injected;
mod liar;
mod lifecycle;
mod lying;
mod metrics;
mod proof_map;
mod prop;
mod repeats;
mod restore;
mod scrub;
mod secrets;
mod simulated;
mod snapshots;
mod strangers;
mod tamper;
mod tidy;
mod two_processes;
mod warrants;
mod witness;
