//! The domain's behaviour, seen from outside: whole ledgers in memory, in which every step is re-derived by a second
//! state as an auditor would do it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where by panicking"
)]
#![expect(clippy::too_many_lines, clippy::type_complexity, reason = "a table is read as one, row by row")]
#![expect(clippy::needless_pass_by_value, reason = "commands are used up, as they are by a real queue")]

// The name that other crates of the workspace have for it.
extern crate countersign_domain as domain;

mod answers;
mod approvals;
mod arbitrary;
mod bounds;
mod gates;
mod gates_together;
mod gates_undo;
mod keys;
mod laws;
mod leases;
mod material;
mod monotone;
mod policies;
mod properties;
mod reasons;
mod repeats;
mod restored;
mod results;
mod statements;
mod tamper;
mod transitions;
mod views;
mod world;
