//! One immutable sorted run: a file of names that are over.
//!
//! ```text
//! page*      128 records of 32 bytes, in the order of their keys; the last page is filled with zeros
//! filter     Bloom filter over the keys
//! table      per page: the first 8 bytes of its first key ‖ the first 16 bytes of the page's SHA-256
//! trailer    magic (16) ‖ records (u64) ‖ bytes of the filter (u64) ‖ SHA-256 of filter, table and the trailer so far
//!
//! record     key (24) ‖ the event it began with (56 bits) ‖ how it ended (8 bits); numbers little-endian
//! ```
//!
//! The digest in the trailer covers the table, the table every page: whoever holds the digest can tell any change. It
//! stands in the snapshot, which is signed. So a run is checked where it is read, and never read as a whole.

use super::bloom::Bloom;
use crate::disk::{Access, Disk, DiskFile};
use crate::durable::{IoError, Mode, Staging};
use crate::width::{in_memory, on_disk};
use domain::state::closed::{Closed, ClosedKey, End, KEY_BYTES};
use proof::hash::{Hash, sha256};
use proof::index::LeafIndex;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const PAGE_BYTES: usize = 4096;
const RECORD_BYTES: usize = 32;
const PAGE_RECORDS: usize = PAGE_BYTES / RECORD_BYTES;
const TABLE_ROW_BYTES: usize = 24;
const MAGIC: &[u8; 16] = b"countersign run1";
const TRAILER_BYTES: usize = 64;
const _: () = assert!(KEY_BYTES + 8 == RECORD_BYTES && MAGIC.len() + 8 + 8 + 32 == TRAILER_BYTES);

/// A record.
pub(super) type Record = (ClosedKey, Closed);

/// A run that is open. What is read from it is checked against its digest.
#[derive(Debug)]
pub(super) struct Run {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    count: u64,
    digest: Hash,
    bloom: Bloom,
    table: Vec<PageEntry>,
}

#[derive(Debug)]
struct PageEntry {
    first: u64,
    digest: [u8; 16],
}

/// Why a run cannot be used.
#[derive(Debug)]
pub(super) enum RunError {
    /// The operating system failed.
    Io(IoError),
    /// The file is not what was written.
    Damaged(PathBuf),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damaged(path) => write!(f, "damage in `{}`: not what was written", path.display()),
        }
    }
}

impl From<IoError> for RunError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl Run {
    /// Writes `count` records, which must come in the order of their keys, durably; gives the run.
    pub(super) fn write(
        staging: &Staging,
        path: &Path,
        count: u64,
        records: &mut dyn Iterator<Item = Result<Record, RunError>>,
    ) -> Result<Self, RunError> {
        let mut batch = staging.batch(Mode::Private);
        let mut failed = None;
        let written = batch.add_with(path, &mut |out| {
            let mut writer = Writer::new(out, count);
            for record in &mut *records {
                match record {
                    Ok(record) => writer.push(&record)?,
                    Err(error) => {
                        failed = Some(error);
                        return Err(io::Error::other("a run that is merged cannot be read"));
                    }
                }
            }
            writer.finish()
        });
        match (failed, written) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(())) => {
                batch.commit()?;
                Self::open(&**staging.disk(), path, None)
            }
        }
    }

    /// Opens a run, which must have this digest. Without one the run's own is taken: only for one just written.
    pub(super) fn open(disk: &dyn Disk, path: &Path, expected: Option<Hash>) -> Result<Self, RunError> {
        let damaged = || RunError::Damaged(path.to_path_buf());
        let io = |doing| IoError::at(doing, path);
        let file = disk.open(path, Access::Read).map_err(io("open"))?;
        let length = file.length().map_err(io("look at"))?;
        let trailer_at = length.checked_sub(on_disk(TRAILER_BYTES)).ok_or_else(damaged)?;
        let mut trailer = [0; TRAILER_BYTES];
        file.read_exact_at(&mut trailer, trailer_at).map_err(io("read"))?;
        let (head, digest) = trailer.split_at(TRAILER_BYTES - 32);
        let number = |at: usize| head.get(at..)?.first_chunk().copied().map(u64::from_le_bytes);
        let (count, filter_bytes) = number(16).zip(number(24)).ok_or_else(damaged)?;
        let pages = count.div_ceil(on_disk(PAGE_RECORDS));
        let filter_at = pages.checked_mul(on_disk(PAGE_BYTES)).ok_or_else(damaged)?;
        let table_bytes = pages.checked_mul(on_disk(TABLE_ROW_BYTES));
        let end = table_bytes.and_then(|table| filter_at.checked_add(filter_bytes)?.checked_add(table));
        if !head.starts_with(MAGIC) || end != Some(trailer_at) {
            return Err(damaged());
        }
        let mut footer = vec![0; in_memory(trailer_at - filter_at)];
        file.read_exact_at(&mut footer, filter_at).map_err(io("read"))?;
        footer.extend_from_slice(head);
        let found = sha256(&footer);
        if found.as_bytes() != digest || expected.is_some_and(|expected| expected != found) {
            return Err(damaged());
        }
        let (filter, rest) = footer.split_at_checked(in_memory(filter_bytes)).ok_or_else(damaged)?;
        let bloom = Bloom::from_bytes(filter).ok_or_else(damaged)?;
        let (rows, _) = rest.as_chunks::<TABLE_ROW_BYTES>();
        let table = rows.iter().take(in_memory(pages)).filter_map(PageEntry::parse).collect();
        Ok(Self { path: path.to_path_buf(), file, count, digest: found, bloom, table })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn digest(&self) -> Hash {
        self.digest
    }

    /// Reads every page and checks its digest.
    pub(super) fn check(&self) -> Result<(), RunError> {
        (0..self.table.len()).try_for_each(|number| self.read_page(number).map(drop))
    }

    /// Looks for a key.
    pub(super) fn find(&self, key: &ClosedKey) -> Result<Option<Closed>, RunError> {
        if !self.bloom.may_have(key) {
            return Ok(None);
        }
        let prefix = prefix(key);
        // Keys with the same first eight bytes may stand on both sides of a page's start.
        let after = self.table.partition_point(|page| page.first <= prefix);
        let mut number = after.saturating_sub(1);
        loop {
            if self.table.is_empty() {
                return Ok(None);
            }
            let page = self.page(number)?;
            if let Ok(found) = page.binary_search_by(|(held, _)| held.cmp(key)) {
                return Ok(page.get(found).map(|(_, closed)| *closed));
            }
            let starts_before = page.first().is_some_and(|(first, _)| first < key);
            match number.checked_sub(1) {
                Some(before) if !starts_before => number = before,
                _ => return Ok(None),
            }
        }
    }

    /// Every record, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record, RunError>> {
        (0..self.table.len()).flat_map(|number| match self.page(number) {
            Ok(page) => page.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    fn page(&self, number: usize) -> Result<Vec<Record>, RunError> {
        let bytes = self.read_page(number)?;
        let before = on_disk(number).saturating_mul(on_disk(PAGE_RECORDS));
        let held = in_memory(self.count.saturating_sub(before)).min(PAGE_RECORDS);
        let (records, _) = bytes.as_chunks::<RECORD_BYTES>();
        let read: Option<Vec<_>> = records.iter().take(held).map(decode).collect();
        read.ok_or_else(|| RunError::Damaged(self.path.clone()))
    }

    /// A page's bytes, which are what was written.
    fn read_page(&self, number: usize) -> Result<[u8; PAGE_BYTES], RunError> {
        let mut bytes = [0; PAGE_BYTES];
        let at = on_disk(number).saturating_mul(on_disk(PAGE_BYTES));
        self.file.read_exact_at(&mut bytes, at).map_err(IoError::at("read", &self.path))?;
        match self.table.get(number) {
            Some(entry) if sha256(&bytes).as_bytes().starts_with(&entry.digest) => Ok(bytes),
            _ => Err(RunError::Damaged(self.path.clone())),
        }
    }
}

impl PageEntry {
    fn parse(row: &[u8; TABLE_ROW_BYTES]) -> Option<Self> {
        let (first, digest) = row.split_first_chunk()?;
        Some(Self { first: u64::from_be_bytes(*first), digest: *digest.first_chunk()? })
    }
}

/// Writes a run from front to back.
struct Writer<'a> {
    out: &'a mut dyn Write,
    count: u64,
    pushed: u64,
    page: Vec<u8>,
    first: u64,
    bloom: Bloom,
    table: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut dyn Write, count: u64) -> Self {
        let (page, bloom) = (Vec::with_capacity(PAGE_BYTES), Bloom::for_keys(count));
        Self { out, count, pushed: 0, page, first: 0, bloom, table: Vec::new() }
    }

    fn push(&mut self, (key, closed): &Record) -> io::Result<()> {
        if self.page.is_empty() {
            self.first = prefix(key);
        }
        self.bloom.insert(key);
        self.page.extend_from_slice(key.as_bytes());
        // 2^56 events are more than anybody will ever log.
        let value = closed.begun.get() & ((1 << 56) - 1) | (u64::from(closed.end.code()) << 56);
        self.page.extend_from_slice(&value.to_le_bytes());
        self.pushed += 1;
        if self.page.len() >= PAGE_BYTES { self.end_page() } else { Ok(()) }
    }

    fn end_page(&mut self) -> io::Result<()> {
        self.page.resize(PAGE_BYTES, 0);
        let digest = sha256(&self.page);
        let (digest, _) = digest.as_bytes().split_at(16);
        self.table.extend_from_slice(&self.first.to_be_bytes());
        self.table.extend_from_slice(digest);
        self.out.write_all(&self.page)?;
        self.page.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        if self.pushed != self.count {
            return Err(io::Error::other(format!("{} records were announced, {} came", self.count, self.pushed)));
        }
        let mut footer = self.bloom.to_bytes();
        let filter_bytes = on_disk(footer.len());
        footer.extend_from_slice(&self.table);
        footer.extend_from_slice(MAGIC);
        footer.extend_from_slice(&self.count.to_le_bytes());
        footer.extend_from_slice(&filter_bytes.to_le_bytes());
        let digest = sha256(&footer);
        footer.extend_from_slice(digest.as_bytes());
        self.out.write_all(&footer)
    }
}

fn prefix(key: &ClosedKey) -> u64 {
    key.as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

fn decode(record: &[u8; RECORD_BYTES]) -> Option<Record> {
    let (key, value) = record.split_first_chunk()?;
    let value = u64::from_le_bytes(*value.first_chunk()?);
    let end = End::from_code(u8::try_from(value >> 56).ok()?)?;
    let begun = LeafIndex::new(value & ((1 << 56) - 1));
    Some((ClosedKey::new(*key), Closed { begun, end }))
}

#[cfg(test)]
mod tests;
