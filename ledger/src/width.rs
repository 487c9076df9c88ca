//! Lengths and offsets: memory counts in `usize`, files in `u64`.
//!
//! On the machines we build for both have 64 bits. Where they differ the value saturates, and the
//! bounds check that follows every use turns that into a refusal.

/// A length in memory as a length on disk.
pub(crate) fn on_disk(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A length on disk as a length in memory.
pub(crate) fn in_memory(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
