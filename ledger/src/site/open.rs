//! Opening the site: the edge from what is published, checked against the journal's root.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proof::merkle::{Frontier, leaf_hash, root_at};
use proof::tile::{TILE_WIDTH, partial_tiles};
use proof::{Checkpoint, Hash, TreeSize};

use super::edge::Edge;
use super::read::{read_bundle, read_tile};
use super::sources::check_sources;
use super::write::Existing;
use super::{FULL, LeafBytes, SiteWriter, TileTree, TreeError};
use crate::disk::Disk;
use crate::durable::{self, IoError, Mode, Staging};
use crate::journal::JournalReader;
use crate::tiles::Tile;
use crate::width::on_disk;

/// Leaves that are replayed before what they complete is written.
const REPLAY_LEAVES: usize = 16_384;

/// What the site is opened from.
#[expect(missing_debug_implementations, reason = "a journal's reader has nothing to show")]
#[derive(Clone)]
pub struct SiteSource<'a> {
    /// The journal. Leaves that it has given up are taken from the full bundles.
    pub journal: Arc<dyn JournalReader>,
    /// The tree of its leaves.
    pub frontier: &'a Frontier,
    /// The checkpoint that is published, if there is one; the caller has verified its signature.
    pub published: Option<&'a Checkpoint>,
    /// How much is looked at.
    pub check: Check,
}

/// How much is looked at when the site is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The edge: takes the time of a few hundred leaves, however long the log. The rest is
    /// checked when it is read, and when it is scrubbed.
    Edge,
    /// Every file, against every leaf.
    All,
}

/// A site that has been opened.
#[derive(Debug)]
pub struct OpenedSite {
    /// The tree of all leaves.
    pub tree: Arc<TileTree>,
    /// The one writer of its files.
    pub writer: SiteWriter,
    /// What was wrong with the files; it has been put right.
    pub report: SiteReport,
}

/// What opening found wrong with the files of the site, and put right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteReport {
    /// Whether every file was looked at.
    pub checked_all: bool,
    /// Files that were published and are gone.
    pub missing: Vec<PathBuf>,
    /// Files that were published and are not what they were.
    pub damaged: Vec<PathBuf>,
    published: TreeSize,
}

impl SiteReport {
    /// Whether nothing was wrong.
    pub const fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.damaged.is_empty()
    }

    /// Notes a file that is wrong, if a tree of the published size has it.
    pub(super) fn note(&mut self, path: &Path, is_there: bool, end: TreeSize) {
        if end > self.published {
            return;
        }
        let list = if is_there { &mut self.damaged } else { &mut self.missing };
        if !list.iter().any(|noted| noted == path) {
            list.push(path.to_path_buf());
        }
    }
}

/// The checkpoint that is published under `data_dir`, as it is: a signed note, or anything else.
pub fn published_note(disk: &dyn Disk, data_dir: &Path) -> Result<Option<String>, IoError> {
    let bytes = durable::read(disk, &data_dir.join("public").join("checkpoint"))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

impl TileTree {
    /// Opens the site under `data_dir`.
    ///
    /// The edge is read from the partial tiles of the published size, and extended by the leaves
    /// that the journal has behind it. If that does not lead to the roots of both the checkpoint
    /// and the journal, or if everything is to be checked, the whole site is made again from the
    /// leaves: files that are right stay, others are replaced and reported. Leaves come from the
    /// journal, those that it has given up from the full bundles. A bundle that cannot be read, or
    /// whose leaves do not lead to the journal's root, is [`TreeError::Damaged`], and nothing is
    /// written over.
    ///
    /// A journal that itself leads to another root than the checkpoint is [`TreeError::Forked`].
    pub fn open(data_dir: &Path, staging: &Staging, source: &SiteSource<'_>) -> Result<OpenedSite, TreeError> {
        let public = data_dir.join("public");
        staging.ensure_dir(&public, Mode::Public)?;
        // A checkpoint that is read again and again must not be gone after a crash.
        durable::sync_dir_on(&**staging.disk(), &public)?;
        let published = source.published.map_or(TreeSize::ZERO, |checkpoint| checkpoint.size);
        if published > source.frontier.size() {
            return Err(TreeError::Shrinking { old: published, new: source.frontier.size() });
        }
        let mut report = SiteReport { published, ..SiteReport::default() };
        let with = |edge| TileTree::new(data_dir, staging.clone(), Arc::clone(&source.journal), edge);
        if source.check == Check::Edge
            && let Ok(edge) = resume(&with(Edge::default()), published)
        {
            let tree = with(edge);
            match tree.replay(source, &mut Existing::Replace) {
                Ok(()) => return tree.opened(source.published, report),
                // The partial tiles are wrong, or the history is another one.
                Err(TreeError::Forked { .. } | TreeError::Incomplete { .. } | TreeError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // Files of another history must not be written over: they are evidence.
        let tree = with(Edge::default());
        check_sources(&tree, source)?;
        report.checked_all = true;
        tree.replay(source, &mut Existing::Compare(&mut report))?;
        tree.opened(source.published, report)
    }

    /// Appends the leaves beyond the tree, writing out what they complete. The published root is
    /// checked as soon as it can be, and those of the journal as they come by; before that nothing is
    /// written over blindly.
    fn replay(&self, source: &SiteSource<'_>, existing: &mut Existing<'_>) -> Result<(), TreeError> {
        let mut unchecked = source.published;
        let mut check_published = |size: TreeSize| match unchecked.take_if(|c| c.size <= size) {
            Some(checkpoint) => self.check_root(checkpoint.size, checkpoint.root),
            None => Ok(()),
        };
        self.replay_bundles(&mut check_published, existing)?;
        loop {
            let from = self.size().next_index();
            let (mut leaves, mut hashes) = (Vec::new(), Vec::new());
            let mut root = source.frontier.root();
            self.journal.read(from, &mut |frame| {
                for (_, leaf) in frame.leaves_from(from) {
                    hashes.push(leaf_hash(leaf));
                    leaves.push(Arc::new(leaf.to_vec()));
                }
                root = frame.root;
                if leaves.len() < REPLAY_LEAVES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if !leaves.is_empty() {
                self.append(&leaves, &hashes);
            }
            check_published(self.size())?;
            if leaves.is_empty() {
                return self.check_root(source.frontier.size(), root);
            }
            self.check_root(self.size(), root)?;
            // Few leaves are left for the next publication, many are written at once.
            if leaves.len() >= REPLAY_LEAVES || matches!(existing, Existing::Compare(_)) {
                self.write_full(self.size(), existing)?;
            }
        }
    }

    /// Appends the leaves that the journal has given up, from the full bundles.
    fn replay_bundles(
        &self,
        check_published: &mut dyn FnMut(TreeSize) -> Result<(), TreeError>,
        existing: &mut Existing<'_>,
    ) -> Result<(), TreeError> {
        let first = self.journal.first().get();
        let mut unwritten = 0;
        while self.size().get() < first {
            let file = self.bundle_path(self.size().get() / FULL, TILE_WIDTH)?;
            let leaves: Vec<LeafBytes> = read_bundle(self.disk(), &file)?;
            let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            self.append(&leaves, &hashes);
            check_published(self.size())?;
            unwritten += leaves.len();
            // Unless they are compared, and so were checked beforehand, only a root in the journal
            // tells whether they are right: what they complete is written after that.
            if unwritten >= REPLAY_LEAVES && matches!(existing, Existing::Compare(_)) {
                self.write_full(self.size(), existing)?;
                unwritten = 0;
            }
        }
        Ok(())
    }

    fn check_root(&self, size: TreeSize, expected: Hash) -> Result<(), TreeError> {
        let got = root_at(self, size)?;
        if got == expected { Ok(()) } else { Err(TreeError::Forked { size, expected, got }) }
    }

    /// The last step: the partial files of the published size must be right, too.
    fn opened(self, head: Option<&Checkpoint>, mut report: SiteReport) -> Result<OpenedSite, TreeError> {
        let published = report.published;
        self.edge_mut().set_published(published.get());
        let mut batch = self.staging.batch(Mode::Public);
        for (path, bytes) in self.partial_files(published)? {
            let found = durable::read(self.disk(), &path)?;
            if found.as_deref() == Some(&bytes) {
                batch.keep(&path);
            } else {
                report.note(&path, found.is_some(), published);
                batch.add(&path, &[&bytes])?;
            }
        }
        batch.commit()?;
        let tree = Arc::new(self);
        let writer = SiteWriter::new(Arc::clone(&tree), head)?;
        Ok(OpenedSite { tree, writer, report })
    }
}

/// The edge of the tree at the last multiple of 256 before the published size, from its partial
/// tiles. Nothing here is believed until the roots have been checked.
fn resume(tree: &TileTree, published: TreeSize) -> Result<Edge, TreeError> {
    let size = published.get() / FULL * FULL;
    // The leaves of level 0 are replayed from the journal, together with the partial bundle.
    let mut tiles = vec![Tile::new()];
    for tile in partial_tiles(TreeSize::new(size)) {
        while on_disk(tiles.len()) < u64::from(tile.level()) {
            tiles.push(Tile::new());
        }
        let file = tree.tile_path((tile.level(), tile.index()), tile.width())?;
        let found = read_tile(tree.disk(), &file)?;
        if found.hashes().len() != usize::from(tile.width()) {
            return Err(TreeError::Damaged { file });
        }
        tiles.push(found);
    }
    Ok(Edge::resume(size, tiles))
}
