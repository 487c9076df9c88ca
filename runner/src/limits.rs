//! How much, and for how long.

use crate::action::{Failure, Refusal};
use crate::cancel::Cancel;
use std::time::{Duration, Instant};

/// Every bound of the executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files, folders and links in a work copy.
    pub files: usize,
    /// Bytes in a work copy, and in what a build keeps.
    pub bytes: u64,
    /// What `read_file` returns at most.
    pub read_bytes: u64,
    /// The largest file that `search` looks into and `apply_patch` changes.
    pub text_bytes: u64,
    /// What is kept of each stream of a program, half of it from its beginning and half from its end.
    pub stream_bytes: usize,
    /// What `search` answers at most.
    pub search_bytes: usize,
    /// Open files of a program.
    pub program_files: u64,
    /// The largest file that a program may write.
    pub program_file_bytes: u64,
    /// Processes and threads of the runner's user while a program runs (the kernel counts them by user).
    pub program_processes: u64,
    /// A program's address space, when it is limited.
    pub program_memory_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 50_000,
            bytes: 1 << 30,
            read_bytes: 256 * 1024,
            text_bytes: 4 << 20,
            stream_bytes: 64 * 1024,
            search_bytes: 64 * 1024,
            program_files: 4096,
            program_file_bytes: 1 << 30,
            program_processes: 4096,
            program_memory_bytes: None,
        }
    }
}

/// The deadline of an action and its cancel handle, asked between the steps of long work.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    pub(crate) deadline: Instant,
    pub(crate) cancel: Cancel,
}

impl Pace {
    /// Fails when the time is over or the action was cancelled.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.cancel.is_cancelled() {
            return Err(Refusal::new(Failure::Cancelled, "the action was cancelled"));
        }
        if self.left().is_zero() {
            return Err(Refusal::new(Failure::TimedOut, "the action was not done at its deadline"));
        }
        Ok(())
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
