//! The domain's behaviour, seen from outside: whole ledgers in memory, in which every step is re-derived by a second
//! state as an auditor would do it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where by panicking"
)]

// The name that other crates of the workspace have for it.
extern crate countersign_domain as domain;

mod answers;
mod approvals;
mod arbitrary;
mod bounds;
mod gates;
mod gates_together;
mod keys;
mod laws;
mod leases;
mod material;
mod monotone;
mod policies;
mod properties;
mod reasons;
mod repeats;
mod results;
mod tamper;
mod transitions;
mod views;
mod world;
