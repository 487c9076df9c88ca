//! Writing the site, so that it is a valid one at every moment.
//!
//! 1. Full tiles and bundles, which never change, in steps. A crash leaves some of them: they are
//!    right, and nothing refers to them yet.
//! 2. The partial tiles and the partial bundle for the size.
//! 3. The checkpoint, last. From here on the new head is published.
//! 4. Partial ones whose full tile is there go one publication later, so that a reader who holds
//!    the head before this one still finds its files.
//!
//! After an error the writer may be called again: it makes every file anew, from memory or the
//! journal, and never syncs one again that failed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proof::merkle::{consistency_proof, root_at, verify_consistency};
use proof::tile::{TILE_WIDTH, encode_bundle, encode_tile, partial_tiles};
use proof::{Checkpoint, Hash, Note, TreeSize};

use super::edge::{Step, tiles_within};
use super::open::SiteReport;
use super::{FULL, LeafBytes, TileTree, TreeError};
use crate::disk::Disk;
use crate::durable::{self, Batch, IoError, Mode};

/// The one writer of a site.
#[derive(Debug)]
pub struct SiteWriter {
    tree: Arc<TileTree>,
    /// The head that is published.
    head: Option<(TreeSize, Hash)>,
    /// Directories of partial tiles that the next publication removes.
    retired: Vec<PathBuf>,
}

impl SiteWriter {
    pub(super) fn new(tree: Arc<TileTree>, published: Option<&Checkpoint>) -> Result<Self, TreeError> {
        let retired = leftovers(&tree)?;
        let head = published.map(|checkpoint| (checkpoint.size, checkpoint.root));
        Ok(Self { tree, head, retired })
    }

    /// The tree that the writer publishes.
    pub const fn tree(&self) -> &Arc<TileTree> {
        &self.tree
    }

    /// Writes the full tiles and bundles of all that is committed. No head refers to them yet.
    pub fn write_ahead(&mut self) -> Result<(), TreeError> {
        self.tree.write_full(self.tree.size(), &mut Existing::Replace)
    }

    /// Publishes a signed checkpoint, and everything that it covers.
    ///
    /// The note's signatures are the caller's business; its size and root must be the tree's, its
    /// size no smaller than what is published already, and what is published already a beginning of
    /// it: that is proved each time, as any reader would have it proved.
    pub fn publish(&mut self, note: &str) -> Result<(), TreeError> {
        let checkpoint = Checkpoint::parse_body(&Note::parse(note)?.text)?;
        let size = checkpoint.size;
        let old = self.tree.published();
        if size < old {
            return Err(TreeError::Shrinking { old, new: size });
        }
        let got = root_at(&*self.tree, size)?;
        if got != checkpoint.root {
            return Err(TreeError::Forked { size, expected: checkpoint.root, got });
        }
        self.check_extends(&checkpoint)?;
        self.tree.write_full(size, &mut Existing::Replace)?;
        self.tree.write_partial(size)?;
        let target = self.tree.public.join("checkpoint");
        self.tree.staging.write(&target, note.as_bytes(), Mode::Public)?;
        self.tree.edge_mut().set_published(size.get());
        self.head = Some((size, checkpoint.root));
        self.retire(old, size)
    }

    /// Proves that a checkpoint extends the published one.
    fn check_extends(&self, new: &Checkpoint) -> Result<(), TreeError> {
        let Some((size, root)) = self.head.filter(|(size, _)| *size > TreeSize::ZERO) else {
            return Ok(());
        };
        let proof = consistency_proof(&*self.tree, size, new.size)?;
        if verify_consistency(size, &root, new.size, &new.root, &proof).is_err() {
            return Err(TreeError::Forked { size, expected: root, got: root_at(&*self.tree, size)? });
        }
        Ok(())
    }

    /// Removes what the publication before this one has outdated, and notes what this one has.
    fn retire(&mut self, old: TreeSize, new: TreeSize) -> Result<(), TreeError> {
        // Not synced: a directory that comes back after a crash does no harm.
        let disk = self.tree.disk();
        self.retired.retain(|dir| match disk.remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(dir = %dir.display(), %error, "cannot remove outdated tiles");
                true
            }
            _ => false,
        });
        for tile in partial_tiles(old) {
            let is_full_now = tile.index() < tiles_within(new.get(), tile.level());
            if !is_full_now {
                continue;
            }
            let full = self.tree.tile_path((tile.level(), tile.index()), TILE_WIDTH)?;
            self.retired.push(partial_dir(&full));
            if tile.level() == 0 {
                let full = self.tree.bundle_path(tile.index(), TILE_WIDTH)?;
                self.retired.push(partial_dir(&full));
            }
        }
        Ok(())
    }
}

/// What is done about a full tile or bundle that is there already.
pub(super) enum Existing<'a> {
    /// Nothing is published of it: it is written over.
    Replace,
    /// It is compared, and written over if it is wrong; one that was published is reported.
    Compare(&'a mut SiteReport),
}

impl TileTree {
    /// Writes all full tiles and bundles within the first `upto` leaves that are not on disk yet.
    pub(super) fn write_full(&self, upto: TreeSize, existing: &mut Existing<'_>) -> Result<(), TreeError> {
        loop {
            let step = self.edge().step(upto.get());
            let Some(step) = step else {
                return Ok(());
            };
            self.write_step(&step, existing)?;
            self.edge_mut().written(&step);
        }
    }

    fn write_step(&self, step: &Step, existing: &mut Existing<'_>) -> Result<(), TreeError> {
        let mut batch = self.staging.batch(Mode::Public);
        for bundle in step.bundles.clone() {
            let (leaves, file) = self.bundle(bundle)?;
            if file.is_some() {
                // It is there already, and the journal does not have its leaves any more.
                continue;
            }
            let leaves: &[LeafBytes] = &leaves;
            let bytes = bundle_bytes(leaves)?;
            let end = bundle.saturating_add(1).saturating_mul(FULL);
            existing.add(self.disk(), &mut batch, &self.bundle_path(bundle, TILE_WIDTH)?, &bytes, end)?;
        }
        for (id, tile) in &step.tiles {
            let bytes = encode_tile(tile.hashes())?;
            let (level, index) = *id;
            let shift = u32::from(level).saturating_add(1).saturating_mul(8);
            let end = index.saturating_add(1).checked_shl(shift).unwrap_or(u64::MAX);
            existing.add(self.disk(), &mut batch, &self.tile_path(*id, TILE_WIDTH)?, &bytes, end)?;
        }
        Ok(batch.commit()?)
    }

    /// Writes the partial tiles and the partial bundle of a tree of this size.
    fn write_partial(&self, size: TreeSize) -> Result<(), TreeError> {
        let mut batch = self.staging.batch(Mode::Public);
        for (path, bytes) in self.partial_files(size)? {
            batch.add(&path, &[&bytes])?;
        }
        Ok(batch.commit()?)
    }

    /// The partial tiles and the partial bundle of a tree of this size: paths and bytes.
    pub(super) fn partial_files(&self, size: TreeSize) -> Result<Vec<(PathBuf, Vec<u8>)>, TreeError> {
        let mut files = Vec::new();
        for tile in partial_tiles(size) {
            let id = (tile.level(), tile.index());
            let hashes: Vec<Hash> = self.tile_hashes(id, tile.width())?;
            files.push((self.tile_path(id, tile.width())?, encode_tile(&hashes)?));
            if tile.level() == 0 {
                let (leaves, _) = self.bundle(tile.index())?;
                let width = usize::from(tile.width()).min(leaves.len());
                let (leaves, _) = leaves.split_at(width);
                files.push((self.bundle_path(tile.index(), tile.width())?, bundle_bytes(leaves)?));
            }
        }
        Ok(files)
    }
}

impl Existing<'_> {
    /// Adds a file to the batch. `end` is the size of the smallest tree that has it whole.
    fn add(&mut self, disk: &dyn Disk, batch: &mut Batch, path: &Path, bytes: &[u8], end: u64) -> Result<(), IoError> {
        if let Self::Compare(report) = self {
            let found = durable::read(disk, path)?;
            if found.as_deref() == Some(bytes) {
                batch.keep(path);
                return Ok(());
            }
            report.note(path, found.is_some(), TreeSize::new(end));
        }
        batch.add(path, &[bytes])
    }
}

pub(super) fn bundle_bytes(leaves: &[LeafBytes]) -> Result<Vec<u8>, TreeError> {
    let entries: Vec<&[u8]> = leaves.iter().map(|leaf| leaf.as_slice()).collect();
    Ok(encode_bundle(&entries)?)
}

/// Where the partial forms of a full tile are.
fn partial_dir(full: &Path) -> PathBuf {
    let mut name = full.as_os_str().to_owned();
    name.push(".p");
    name.into()
}

/// Partial tiles that a crash kept from being removed, beside those of the published size. Ones
/// further back stay: they are right, and only take room.
fn leftovers(tree: &TileTree) -> Result<Vec<PathBuf>, TreeError> {
    let mut found = Vec::new();
    for tile in partial_tiles(tree.published()) {
        let mut paths = vec![tree.tile_path((tile.level(), tile.index()), TILE_WIDTH)?];
        if tile.level() == 0 {
            paths.push(tree.bundle_path(tile.index(), TILE_WIDTH)?);
        }
        for dir in paths.iter().filter_map(|path| path.parent()) {
            for name in durable::list(tree.disk(), dir)? {
                let number = name.strip_suffix(".p").and_then(|number| number.parse::<u64>().ok());
                if number.is_some_and(|number| number < tile.index() % 1000) {
                    found.push(dir.join(name));
                }
            }
        }
    }
    Ok(found)
}
