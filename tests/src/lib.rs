//! The harness of the scenarios: the real executables, spoken to over the wire as strangers would, and what somebody
//! with the ledger's own keys can do to its files.
//!
//! In scope: starting, killing and verifying ([`server`], [`binary`], [`audit`]), clients of every kind ([`people`],
//! [`proposals`], [`raw`]), looking into and forging data folders ([`data`], [`forge`]), a server that lies ([`liar`]),
//! a ledger in this process ([`founding`]), chance with a printed seed ([`chance`]); for faults, commands of every kind
//! ([`load`]), errors and kills at a chosen system call ([`injected`]), and what must hold afterwards ([`acknowledged`]).
//! Out of scope: what is expected. That stands in the tests.
//!
//! **Invariant:** nothing here waits for time to pass; every wait is for a condition, and bounded.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should say where"
)]

pub mod acknowledged;
pub mod audit;
pub mod binary;
pub mod chance;
pub mod data;
pub mod forge;
pub mod founding;
pub mod injected;
pub mod liar;
pub mod load;
pub mod people;
pub mod proposals;
pub mod raw;
pub mod server;
