//! Copying a log: from its root down, so that nothing that does not belong to it is ever written.
//!
//! 1. Full tiles, those that are nearest to the root first, and full bundles.
//! 2. Public blobs, and bodies.
//! 3. The partial tiles and the partial bundle.
//! 4. The checkpoint. Before this the target is what it was, and some files more; from here on it is the whole log.
//! 5. Partial ones of the checkpoint before are removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::event::Event;
use proof::merkle::root_at;
use proof::tile::{BundleCoord, TILE_WIDTH, TileCoord, encode_tile, partial_tiles};
use proof::{Checkpoint, Leaf, LeafIndex, Note, TreeSize};

use super::bodies::Bodies;
use super::tree::{Bundle, FULL, StoredTree};
use super::{BackupError, Copied, Progress};
use crate::disk::{Disk, RealDisk};
use crate::durable::{self, Batch, IoError, Mode, Staging};
use crate::publisher::witnessed_path;
use crate::site::{TreeError, published_note};
use crate::tiles::TileId;
use crate::width::on_disk;

/// Bytes of a full tile.
const TILE_BYTES: u64 = 8192;
/// Levels that a tree can have.
const LEVELS: u8 = 8;

/// One copy.
pub(super) struct Copying<'a> {
    tree: &'a StoredTree,
    target: &'a Path,
    staging: &'a Staging,
    batch: Batch,
    /// Files that are there are read, too.
    all: bool,
    /// The checkpoint that the target has.
    earlier: Option<Checkpoint>,
    bodies: Bodies,
    copied: Copied,
}

impl<'a> Copying<'a> {
    /// Prepares to bring `target` up to date, which must have a beginning of the same log or nothing.
    pub(super) fn new(
        tree: &'a StoredTree,
        target: &'a Path,
        staging: &'a Staging,
        all: bool,
    ) -> Result<Self, BackupError> {
        let earlier = earlier(tree, target)?;
        let copied = Copied {
            origin: tree.checkpoint.origin.clone(),
            from: earlier.as_ref().map_or(TreeSize::ZERO, |earlier| earlier.size),
            size: tree.size(),
            root: tree.checkpoint.root,
            complete: true,
            damaged: tree.mended().iter().cloned().collect(),
            ..Copied::default()
        };
        let batch = staging.batch(Mode::Public);
        Ok(Self { tree, target, staging, batch, all, earlier, bodies: Bodies::default(), copied })
    }

    pub(super) fn run(mut self, progress: &mut dyn FnMut(Progress)) -> Result<Copied, BackupError> {
        for level in (1..LEVELS).rev() {
            for index in 0..self.tree.full_tiles(level) {
                self.tile((level, index))?;
            }
        }
        let of = self.tree.size().get();
        for number in 0..self.tree.full_tiles(0) {
            progress(Progress { done: number.saturating_mul(FULL), of });
            self.bundle(number)?;
        }
        let first = self.tree.full_tiles(0).saturating_mul(FULL);
        self.read_events(first, self.tree.tail())?;
        progress(Progress { done: of, of });
        std::mem::replace(&mut self.batch, self.staging.batch(Mode::Public)).commit()?;
        if self.copied.complete {
            self.blobs()?;
            self.bodies.copy(&self.tree.folder, self.target, self.staging, self.all, &mut self.copied)?;
        }
        if self.copied.complete {
            self.publish()?;
        }
        Ok(self.copied)
    }

    /// Copies a full tile that is over others.
    fn tile(&mut self, id: TileId) -> Result<(), BackupError> {
        let path = TileCoord::new(id.0, id.1, TILE_WIDTH).map_err(TreeError::from)?.path();
        let target = self.public(&path);
        if !self.all && length(&target)? == Some(TILE_BYTES) {
            return Ok(());
        }
        match self.tree.tile(id) {
            Ok(tile) => {
                let bytes = encode_tile(tile.hashes()).map_err(TreeError::from)?;
                self.compare(self.tree.public().join(&path), &bytes)?;
                self.put(&target, &bytes)
            }
            Err(error) => self.damage(error),
        }
    }

    /// Copies a full bundle and the tile over it.
    fn bundle(&mut self, number: u64) -> Result<(), BackupError> {
        let tile_path = TileCoord::new(0, number, TILE_WIDTH).map_err(TreeError::from)?.path();
        let bundle_path = BundleCoord::new(number, TILE_WIDTH).map_err(TreeError::from)?.path();
        let (tile, bundle) = (self.public(&tile_path), self.public(&bundle_path));
        let source = self.tree.public().join(&bundle_path);
        let first = number.saturating_mul(FULL);
        let is_new = self.all || first.saturating_add(FULL) > self.copied.from.get();
        let there = length(&bundle)?;
        if !is_new && there.is_some() && there == length(&source)? && length(&tile)? == Some(TILE_BYTES) {
            return Ok(());
        }
        let Some(found) = self.checked_bundle(number)? else { return Ok(()) };
        self.put(&bundle, &found.bytes)?;
        let bytes = encode_tile(found.tile.hashes()).map_err(TreeError::from)?;
        self.compare(self.tree.public().join(&tile_path), &bytes)?;
        self.put(&tile, &bytes)?;
        self.read_events(first, &found.leaves)
    }

    /// Notes a tile of the source that is not what follows from the bundles. Nothing is lost; but whoever has it should know.
    fn compare(&mut self, source: PathBuf, bytes: &[u8]) -> Result<(), BackupError> {
        if durable::read(&RealDisk, &source)?.as_deref() != Some(bytes) {
            self.copied.damaged.insert(source);
        }
        Ok(())
    }

    /// A bundle that is in the tree: the source's, or else the one that the target has already.
    fn checked_bundle(&mut self, number: u64) -> Result<Option<Bundle>, BackupError> {
        let damaged = match self.tree.bundle(number) {
            Ok(bundle) => return Ok(Some(bundle)),
            Err(TreeError::Damaged { file }) => file,
            Err(error) => return self.damage(error).map(|()| None),
        };
        let spare = self.tree.bundle_in(&self.target.join("public"), number).ok();
        self.copied.complete &= spare.is_some();
        self.copied.damaged.insert(damaged);
        Ok(spare)
    }

    /// Notes which bodies the leaves from `first` on name, as far as they are new.
    fn read_events(&mut self, first: u64, leaves: &[Vec<u8>]) -> Result<(), BackupError> {
        let from = if self.all { 0 } else { self.copied.from.get() };
        for (leaf, index) in leaves.iter().zip(first..).filter(|(_, index)| *index >= from) {
            let unreadable = |problem: String| BackupError::Event { index: LeafIndex::new(index), problem };
            let leaf = Leaf::parse(leaf).map_err(|e| unreadable(e.to_string()))?;
            self.bodies.note(&Event::parse(leaf.payload).map_err(|e| unreadable(e.to_string()))?.data);
        }
        Ok(())
    }

    /// Copies public blobs. Those of the genesis must be there: without them nothing can be decided again.
    fn blobs(&mut self) -> Result<(), BackupError> {
        let folder = self.tree.public().join("blob");
        let genesis = &self.tree.genesis;
        let mut names: BTreeSet<String> = [genesis.policy, genesis.manifest].iter().map(ToString::to_string).collect();
        let needed = names.clone();
        names.extend(durable::list(&RealDisk, &folder)?);
        for name in names {
            let Ok(digest) = name.parse() else { continue };
            let (source, target) = (folder.join(&name), self.public(&format!("blob/{name}")));
            let there = length(&target)?;
            if !self.all && there.is_some() && there == length(&source)? {
                continue;
            }
            match durable::read(&RealDisk, &source)?.filter(|bytes| proof::sha256(bytes) == digest) {
                Some(bytes) => self.put(&target, &bytes)?,
                None => {
                    let spare = durable::read(&RealDisk, &target)?.filter(|bytes| proof::sha256(bytes) == digest);
                    self.copied.complete &= spare.is_some() || !needed.contains(&name);
                    self.copied.damaged.insert(source);
                }
            }
        }
        std::mem::replace(&mut self.batch, self.staging.batch(Mode::Public)).commit()?;
        Ok(())
    }

    /// Makes the target the log at the new size.
    fn publish(&mut self) -> Result<(), BackupError> {
        for (coord, hashes) in self.tree.partial_tiles() {
            let bytes = encode_tile(hashes).map_err(TreeError::from)?;
            self.put(&self.public(&coord.path()), &bytes)?;
            if coord.level() == 0 {
                let path = BundleCoord::new(coord.index(), coord.width()).map_err(TreeError::from)?.path();
                self.put(&self.public(&path), &self.tree.tail_bytes()?)?;
            }
        }
        std::mem::replace(&mut self.batch, self.staging.batch(Mode::Public)).commit()?;
        if published_note(&RealDisk, self.target)?.as_ref() != Some(&self.tree.note) {
            let bytes = self.tree.note.as_bytes();
            self.staging.write(&self.public("checkpoint"), bytes, Mode::Public)?;
            self.count(bytes);
        }
        self.witnessed()?;
        self.retire()
    }

    /// Copies the cosigned head, unless it is of a size that is not here yet: then the next copy takes it.
    fn witnessed(&mut self) -> Result<(), BackupError> {
        let source = witnessed_path(&self.tree.folder);
        let Some(bytes) = durable::read(&RealDisk, &source)? else { return Ok(()) };
        let note = String::from_utf8_lossy(&bytes);
        let holds = match Checkpoint::open(&note, &self.tree.key) {
            Ok(head) if head.size > self.tree.size() => return Ok(()),
            Ok(head) => root_at(self.tree, head.size).map_err(TreeError::from)? == head.root,
            Err(_) => false,
        };
        if !holds {
            self.copied.damaged.insert(source);
            return Ok(());
        }
        let target = witnessed_path(self.target);
        if durable::read(&RealDisk, &target)?.as_ref() != Some(&bytes) {
            self.staging.write(&target, &bytes, Mode::Public)?;
            self.count(&bytes);
        }
        Ok(())
    }

    /// Removes what only the checkpoint before needed. Not synced: a file that comes back after a crash does no harm.
    fn retire(&mut self) -> Result<(), BackupError> {
        let Some(earlier) = &self.earlier else { return Ok(()) };
        let kept: BTreeSet<String> = partial_tiles(self.tree.size()).iter().map(TileCoord::path).collect();
        for coord in partial_tiles(earlier.size) {
            if kept.contains(&coord.path()) {
                continue;
            }
            remove_partial(&self.public(&coord.path()))?;
            if coord.level() == 0 {
                let path = BundleCoord::new(coord.index(), coord.width()).map_err(TreeError::from)?.path();
                remove_partial(&self.public(&path))?;
            }
        }
        Ok(())
    }

    /// Puts a file into place, unless it is there.
    fn put(&mut self, target: &Path, bytes: &[u8]) -> Result<(), BackupError> {
        if length(target)? == Some(on_disk(bytes.len())) && durable::read(&RealDisk, target)?.as_deref() == Some(bytes)
        {
            return Ok(());
        }
        self.batch.add(target, &[bytes])?;
        self.count(bytes);
        Ok(())
    }

    fn count(&mut self, bytes: &[u8]) {
        self.copied.files += 1;
        self.copied.bytes = self.copied.bytes.saturating_add(on_disk(bytes.len()));
    }

    /// Notes damage without which nothing more can be had from this part; anything else is an error.
    fn damage(&mut self, error: TreeError) -> Result<(), BackupError> {
        let TreeError::Damaged { file } = error else { return Err(error.into()) };
        self.copied.damaged.insert(file);
        self.copied.complete = false;
        Ok(())
    }

    fn public(&self, path: &str) -> PathBuf {
        self.target.join("public").join(path)
    }
}

/// The checkpoint that the target has, which must be one of the same log and no further.
fn earlier(tree: &StoredTree, target: &Path) -> Result<Option<Checkpoint>, BackupError> {
    let Some(note) = published_note(&RealDisk, target)? else { return Ok(None) };
    let file = target.join("public").join("checkpoint");
    let problem = |problem: String| BackupError::Damaged { file: file.clone(), problem };
    let text = Note::parse(&note).map_err(|e| problem(e.to_string()))?.text;
    let claimed = Checkpoint::parse_body(&text).map_err(|e| problem(e.to_string()))?;
    if claimed.origin != tree.checkpoint.origin {
        return Err(BackupError::OtherLog { expected: tree.checkpoint.origin.clone(), got: claimed.origin });
    }
    let earlier = Checkpoint::open(&note, &tree.key)
        .map_err(|e| problem(format!("it does not hold under the log's key: {e}")))?;
    if earlier.size > tree.size() {
        return Err(BackupError::Longer { copy: earlier.size, log: tree.size() });
    }
    let got = root_at(tree, earlier.size).map_err(TreeError::from)?;
    if got != earlier.root {
        return Err(BackupError::Forked { head: file, size: earlier.size, expected: earlier.root, got });
    }
    Ok(Some(earlier))
}

/// The length of a file, if there is one.
pub(super) fn length(path: &Path) -> Result<Option<u64>, IoError> {
    match RealDisk.length(path) {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(IoError::at("look at", path)(error)),
    }
}

/// Removes a partial tile, and its folder if that was the last one in it.
fn remove_partial(file: &Path) -> Result<(), IoError> {
    match RealDisk.remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(IoError::at("remove", file)(error));
        }
        _ => {}
    }
    match file.parent() {
        Some(dir) if RealDisk.is_dir(dir) && durable::list(&RealDisk, dir)?.is_empty() => {
            RealDisk.remove_dir_all(dir).map_err(IoError::at("remove", dir))
        }
        _ => Ok(()),
    }
}
