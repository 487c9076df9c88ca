//! Faults on demand.

use std::collections::BTreeMap;
use std::io;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Making a file.
    Create,
    /// Opening a file, or looking at its length.
    Open,
    /// Reading from a file.
    Read,
    /// Writing into a file.
    Write,
    /// Making a file's bytes durable.
    Sync,
    /// Moving a file.
    Rename,
    /// Removing a name.
    Remove,
    /// Listing a directory.
    List,
    /// Making a directory.
    CreateDir,
    /// Making the names in a directory durable.
    SyncDir,
}

/// What an operation fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `EIO`: the device failed.
    Io,
    /// `ENOSPC`: the disk is full.
    NoSpace,
}

impl Operation {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Open,
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::Rename,
        Self::Remove,
        Self::List,
        Self::CreateDir,
        Self::SyncDir,
    ];
}

/// Why an operation does not happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Fault(Fault),
    /// The power fails just now.
    PowerCut,
    /// It failed before.
    Off,
}

/// Which operations are to fail.
#[derive(Debug, Default)]
pub(super) struct Faults {
    operations: u64,
    failures: u64,
    power_cut_at: Option<u64>,
    is_off: bool,
    /// How many operations of a kind pass before one fails.
    due: BTreeMap<Operation, (u64, Fault)>,
}

impl Faults {
    pub(super) fn fail_nth(&mut self, operation: Operation, nth: u64, fault: Fault) {
        self.due.insert(operation, (nth, fault));
    }

    pub(super) const fn cut_power_at(&mut self, nth: u64) {
        self.power_cut_at = Some(self.operations.saturating_add(nth));
    }

    pub(super) const fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) const fn failures(&self) -> u64 {
        self.failures
    }

    pub(super) const fn is_off(&self) -> bool {
        self.is_off
    }

    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.power_cut_at = None;
        self.is_off = false;
    }

    /// Whether the next operation of this kind happens.
    pub(super) fn begin(&mut self, operation: Operation) -> Result<(), Trouble> {
        let begun = self.pass(operation);
        self.failures += u64::from(begun.is_err());
        begun
    }

    fn pass(&mut self, operation: Operation) -> Result<(), Trouble> {
        if self.is_off {
            return Err(Trouble::Off);
        }
        let number = self.operations;
        self.operations += 1;
        if self.power_cut_at.is_some_and(|at| at <= number) {
            self.is_off = true;
            return Err(Trouble::PowerCut);
        }
        match self.due.get_mut(&operation) {
            None => Ok(()),
            Some((0, fault)) => {
                let fault = *fault;
                self.due.remove(&operation);
                Err(Trouble::Fault(fault))
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Fault(Fault::Io) => Self::from(rustix::io::Errno::IO),
            Trouble::Fault(Fault::NoSpace) => Self::from(rustix::io::Errno::NOSPC),
            Trouble::PowerCut | Trouble::Off => Self::other("the power is off"),
        }
    }
}
