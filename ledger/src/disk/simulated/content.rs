//! What is in one file: as it is seen, as it is on the disk, and what is in between.

use std::io;
use std::time::Duration;

use crate::width::{in_memory, on_disk};

/// What a disk writes whole or not at all.
pub(super) const SECTOR_BYTES: usize = 512;

/// The bytes of a file.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// What a reader sees: the kernel's memory.
    seen: Vec<u8>,
    /// What is there after a crash, whatever happens.
    durable: Vec<u8>,
    /// Sectors on their way, in the order of the writes; each as it was after the write.
    unsynced: Vec<(usize, Vec<u8>)>,
    /// When it was written last, or touched.
    modified: Duration,
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        on_disk(self.seen.len())
    }

    pub(super) const fn modified(&self) -> Duration {
        self.modified
    }

    pub(super) const fn touch(&mut self, now: Duration) {
        self.modified = now;
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let start = in_memory(offset);
        let end = start.saturating_add(bytes.len());
        put(&mut self.seen, start, bytes);
        let mut at = start / SECTOR_BYTES * SECTOR_BYTES;
        while at < end {
            let sector_end = at.saturating_add(SECTOR_BYTES).min(self.seen.len());
            let sector = self.seen.get(at..sector_end).unwrap_or_default();
            self.unsynced.push((at, sector.to_vec()));
            at = at.saturating_add(SECTOR_BYTES);
        }
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = in_memory(offset);
        let found = self.seen.get(start..start.saturating_add(buffer.len()));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    /// Everything on its way arrives.
    pub(super) fn sync(&mut self) {
        self.settle(&mut || true);
    }

    /// Some of it arrives; the rest is given up, though it is seen still.
    pub(super) fn fail_sync(&mut self, survives: &mut dyn FnMut() -> bool) {
        self.settle(survives);
    }

    /// Some of it arrives; the rest is gone.
    pub(super) fn crash(&mut self, survives: &mut dyn FnMut() -> bool) {
        self.settle(survives);
        self.seen.clone_from(&self.durable);
    }

    /// The kernel forgets what it need not write any more, and reads it from the disk again.
    pub(super) fn evict(&mut self) {
        self.seen.clone_from(&self.durable);
        for (at, sector) in &self.unsynced {
            put(&mut self.seen, *at, sector);
        }
    }

    fn settle(&mut self, survives: &mut dyn FnMut() -> bool) {
        for (at, sector) in self.unsynced.drain(..) {
            if survives() {
                put(&mut self.durable, at, &sector);
            }
        }
    }
}

/// Writes into a buffer, which grows; a hole is zeros.
fn put(buffer: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at.saturating_add(bytes.len());
    if buffer.len() < end {
        buffer.resize(end, 0);
    }
    if let Some(place) = buffer.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}
