//! Scenarios across crates, in one binary: they build together, and each stands in a file named after the property.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should say where"
)]

mod arrows;
mod bad_input;
mod bodies;
mod bundles;
mod compat;
mod crash;
mod demo;
mod fixtures;
mod forged;
mod injected;
mod liar;
mod lifecycle;
mod metrics;
mod proof_map;
mod prop;
mod repeats;
mod scrub;
mod secrets;
mod snapshots;
mod strangers;
mod tamper;
mod tidy;
mod warrants;
mod witness;
