//! The verifier against whole logs: honest ones, damaged ones, and ones forged with the ledger's own keys.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails says where by panicking"
)]

mod audit;
mod beyond;
mod cli;
mod consistency;
mod damage;
mod diff;
mod flips;
mod forgery;
mod journal;
mod ledger;
mod material;
mod receipt;
mod reclaimed;
mod site;
mod sources;
mod story;
mod structure;
mod throughput;
mod trust;
mod valid;
mod watch;
mod whatif;
mod witnessed;
