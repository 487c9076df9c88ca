//! Read models on real sled, in temporary directories, over logs that real commands made.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where by panicking"
)]

mod batches;
mod damage;
mod follower;
mod history;
mod ledger;
mod log;
mod reads;
mod resume;
