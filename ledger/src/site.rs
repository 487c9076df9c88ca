//! The log as others read it: a static C2SP `tlog-tiles` site under `DIR/public`, proofs from its
//! tiles, and leaves from its bundles.
//!
//! ```text
//! public/checkpoint                     the signed head; replaced last, and whole
//! public/tile/<level>/<number>          256 hashes; never changes
//! public/tile/<level>/<number>.p/<W>    the last W hashes of a level, for a published size
//! public/tile/entries/...               the same for the leaves themselves
//! ```
//!
//! Three parties work on it at once. The sequencer appends what it has committed to the
//! [`TileTree`], in memory. A publisher has the one [`SiteWriter`] and puts a head on disk now and
//! then. Everybody else asks the tree for proofs and leaves. The lock on the tree's edge is held
//! for lookups only, never across a system call.
//!
//! **Memory** holds the right edge (one tile a level), the tiles and leaves that are not written yet,
//! and a small cache. Leaves waiting to be written are dropped from memory beyond a bound, and read
//! back from the journal.
//!
//! **What is the truth?** Of leaves that the journal has, the journal: every file over them can be made
//! again from it. Leaves that it has given up are in the full bundles and nowhere else: tiles are made
//! again from those, and a bundle that has rotted comes from a [`Spare`] or not at all. Either way,
//! what is read from a file is checked against the hashes above it, up to the edge, whose root is the
//! journal's.

mod edge;
mod error;
mod open;
mod read;
mod scrub;
mod sources;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use proof::merkle::HashSource;
use proof::tile::{BundleCoord, TILE_WIDTH, TileCoord};
use proof::{Hash, LeafIndex, TreeSize};

use crate::disk::Disk;
use crate::durable::Staging;
use crate::journal::JournalReader;
use crate::tiles::{TileCache, TileId};
use edge::{Edge, Lookup};

pub use error::TreeError;
pub use open::{Check, OpenedSite, SiteReport, SiteSource, published_note};
pub use read::stored_bundle;
pub use scrub::{Flaw, FlawKind, NoSpare, Spare, SpareError};
pub use write::SiteWriter;

/// A committed leaf. Readers share it with whoever else holds it.
pub type LeafBytes = Arc<Vec<u8>>;

/// Hashes of a full tile, leaves of a full bundle.
const FULL: u64 = 256;
const _: () = assert!(TILE_WIDTH == 256);

/// Full tiles kept in memory after they were read, of about 16 KiB each.
const CACHED_TILES: usize = 512;

/// The tree of all committed leaves.
pub struct TileTree {
    public: PathBuf,
    staging: Staging,
    journal: Arc<dyn JournalReader>,
    edge: RwLock<Edge>,
    cache: TileCache,
}

impl TileTree {
    fn new(data_dir: &Path, staging: Staging, journal: Arc<dyn JournalReader>, edge: Edge) -> Self {
        Self {
            public: data_dir.join("public"),
            staging,
            journal,
            edge: RwLock::new(edge),
            cache: TileCache::new(CACHED_TILES),
        }
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.edge().size())
    }

    /// How many leaves the site's checkpoint covers.
    pub fn published(&self) -> TreeSize {
        TreeSize::new(self.edge().published())
    }

    /// How many leaves lie before the end of the last full bundle that is on stable storage with all
    /// tiles over it: a multiple of 256. The journal may give them up, as far as the site goes.
    pub fn durable_size(&self) -> TreeSize {
        TreeSize::new(self.edge().written_leaves())
    }

    /// The first leaf that the journal still has.
    pub fn journal_first(&self) -> LeafIndex {
        self.journal.first()
    }

    /// Adds leaves that the journal has committed, with their hashes.
    pub fn append(&self, leaves: &[LeafBytes], hashes: &[Hash]) {
        debug_assert_eq!(leaves.len(), hashes.len(), "each leaf comes with its hash");
        let mut edge = self.edge_mut();
        for (leaf, hash) in leaves.iter().zip(hashes) {
            edge.push(*hash, Arc::clone(leaf));
        }
    }

    fn disk(&self) -> &dyn Disk {
        &**self.staging.disk()
    }

    fn edge(&self) -> RwLockReadGuard<'_, Edge> {
        self.edge.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn edge_mut(&self) -> RwLockWriteGuard<'_, Edge> {
        self.edge.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tile_path(&self, (level, index): TileId, width: u16) -> Result<PathBuf, TreeError> {
        Ok(self.public.join(TileCoord::new(level, index, width)?.path()))
    }

    fn bundle_path(&self, index: u64, width: u16) -> Result<PathBuf, TreeError> {
        Ok(self.public.join(BundleCoord::new(index, width)?.path()))
    }
}

impl HashSource for TileTree {
    type Error = TreeError;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, TreeError> {
        // Its own statement: the lock must be free again before a file is read.
        let lookup = self.edge().lookup(level, index);
        match lookup {
            Lookup::Known(hash) => Ok(hash),
            Lookup::OnDisk { tile, row, number } => {
                self.load_tile(tile)?.node(row, number).ok_or(TreeError::Incomplete { level, index })
            }
            Lookup::Incomplete => Err(TreeError::Incomplete { level, index }),
        }
    }
}

impl fmt::Debug for TileTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TileTree({} at {})", self.public.display(), self.size())
    }
}
