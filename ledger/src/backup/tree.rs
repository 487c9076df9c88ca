//! The tree of a site on disk, from its checkpoint down. Nothing that it gives is unchecked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::event::ledger::Genesis;
use domain::event::{Event, EventData};
use proof::merkle::{HashSource, leaf_hash};
use proof::tile::{BundleCoord, TILE_HEIGHT, TILE_WIDTH, TileCoord, decode_bundle, decode_tile, encode_bundle};
use proof::{Checkpoint, Hash, Leaf, LeafIndex, Note, TreeSize, VerifierKey};

use super::BackupError;
use super::edge::{Edge, from_below, read_edge};
use crate::disk::RealDisk;
use crate::durable::{self, IoError};
use crate::site::{TreeError, published_note};
use crate::tiles::{Tile, TileCache, TileId};
use crate::width::on_disk;

/// Leaves of a full bundle.
pub(super) const FULL: u64 = 256;
/// Full tiles kept in memory, of about 16 KiB each.
const CACHED_TILES: usize = 512;
/// Looks at a checkpoint whose partial files go while it is being read: the server publishes at most once a second, and
/// keeps them for one publication more.
const LOOKS: u32 = 16;

/// A published tree.
pub(super) struct StoredTree {
    /// The folder that holds `public`.
    pub(super) folder: PathBuf,
    /// The signed checkpoint, as it was read.
    pub(super) note: String,
    pub(super) checkpoint: Checkpoint,
    /// What root said when it founded the ledger.
    pub(super) genesis: Genesis,
    /// The key that signs the log's checkpoints.
    pub(super) key: VerifierKey,
    public: PathBuf,
    edge: Edge,
    cache: TileCache,
}

/// A full bundle, and the tile over it.
pub(super) struct Bundle {
    pub(super) bytes: Vec<u8>,
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) tile: Tile,
}

impl StoredTree {
    /// Reads the checkpoint of the site under `folder`, and the edge of the tree that it signs for.
    pub(super) fn open(folder: &Path) -> Result<Self, BackupError> {
        let mut looks = 0;
        loop {
            let Some(note) = published_note(&RealDisk, folder)? else {
                return Err(BackupError::NoLog { folder: folder.to_owned() });
            };
            looks += 1;
            match Self::read(folder, &note) {
                // Only the files of the newest checkpoint and of the one before are sure to be there.
                Err(BackupError::Damaged { .. })
                    if looks < LOOKS && published_note(&RealDisk, folder)?.is_some_and(|newer| newer != note) => {}
                Ok(tree)
                    if looks < LOOKS
                        && !tree.edge.mended.is_empty()
                        && published_note(&RealDisk, folder)?.is_some_and(|newer| newer != tree.note) => {}
                read => return read,
            }
        }
    }

    fn read(folder: &Path, note: &str) -> Result<Self, BackupError> {
        let public = folder.join("public");
        let file = public.join("checkpoint");
        let damaged = |problem: String| BackupError::Damaged { file: file.clone(), problem };
        let text = Note::parse(note).map_err(|e| damaged(e.to_string()))?.text;
        let claimed = Checkpoint::parse_body(&text).map_err(|e| damaged(e.to_string()))?;
        if claimed.size == TreeSize::ZERO {
            return Err(BackupError::NoLog { folder: folder.to_owned() });
        }
        let edge = read_edge(&public, &claimed)?;
        let cache = TileCache::new(CACHED_TILES);
        // The key is in the first event, and the first event is in the tree that the key has signed.
        let genesis = genesis(&public, &edge, &cache)?;
        let key = VerifierKey::parse(&genesis.checkpoint).map_err(|e| damaged(format!("the genesis' key: {e}")))?;
        let checkpoint = Checkpoint::open(note, &key).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { folder: folder.to_owned(), note: note.to_owned(), checkpoint, genesis, key, public, edge, cache })
    }

    pub(super) fn public(&self) -> &Path {
        &self.public
    }

    pub(super) const fn size(&self) -> TreeSize {
        self.checkpoint.size
    }

    /// The partial tile of each level that has one.
    pub(super) fn partial_tiles(&self) -> impl Iterator<Item = (TileCoord, &[Hash])> {
        self.edge.partial_tiles()
    }

    /// The leaves behind the last full bundle.
    pub(super) fn tail(&self) -> &[Vec<u8>] {
        &self.edge.tail
    }

    /// Files of the edge that are missing or wrong, and follow from others.
    pub(super) fn mended(&self) -> &[PathBuf] {
        &self.edge.mended
    }

    /// The bytes of the partial bundle.
    pub(super) fn tail_bytes(&self) -> Result<Vec<u8>, BackupError> {
        Ok(encode_bundle(&self.edge.tail).map_err(TreeError::from)?)
    }

    /// How many full tiles a level has.
    pub(super) fn full_tiles(&self, level: u8) -> u64 {
        let shift = (u32::from(level) + 1) * u32::from(TILE_HEIGHT);
        self.size().get().checked_shr(shift).unwrap_or(0)
    }

    /// A full tile.
    pub(super) fn tile(&self, id: TileId) -> Result<Arc<Tile>, TreeError> {
        self.hashes().load(id)
    }

    /// A full bundle.
    pub(super) fn bundle(&self, number: u64) -> Result<Bundle, TreeError> {
        self.bundle_in(&self.public, number)
    }

    /// A full bundle of another copy of the same site.
    pub(super) fn bundle_in(&self, public: &Path, number: u64) -> Result<Bundle, TreeError> {
        let expected = self.hashes().root_of((0, number))?;
        read_bundle(public, number, &expected)
    }

    fn hashes(&self) -> Hashes<'_> {
        Hashes { public: &self.public, edge: &self.edge, cache: &self.cache }
    }
}

impl HashSource for StoredTree {
    type Error = TreeError;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, TreeError> {
        self.hashes().subtree(level, index)
    }
}

/// What the first event says, which must be a genesis.
fn genesis(public: &Path, edge: &Edge, cache: &TileCache) -> Result<Genesis, BackupError> {
    let leaf = if edge.size.get() < FULL {
        edge.tail.first().cloned()
    } else {
        let expected = Hashes { public, edge, cache }.root_of((0, 0))?;
        read_bundle(public, 0, &expected)?.leaves.into_iter().next()
    };
    let unreadable = |problem: String| BackupError::Event { index: LeafIndex::new(0), problem };
    let leaf = leaf.unwrap_or_default();
    let leaf = Leaf::parse(&leaf).map_err(|e| unreadable(e.to_string()))?;
    match Event::parse(leaf.payload).map_err(|e| unreadable(e.to_string()))?.data {
        EventData::LedgerCreated(created) => Ok(created.genesis),
        other => Err(unreadable(format!("it is a `{}`, expected `ledger.created`", other.type_name()))),
    }
}

/// The hashes of a tree: its edge in memory, the full tiles on disk.
#[derive(Clone, Copy)]
struct Hashes<'a> {
    public: &'a Path,
    edge: &'a Edge,
    cache: &'a TileCache,
}

impl Hashes<'_> {
    /// The hash that a full tile must have.
    fn root_of(&self, (level, index): TileId) -> Result<Hash, TreeError> {
        self.subtree(level.saturating_add(1).saturating_mul(TILE_HEIGHT), index)
    }

    /// A full tile, checked against the one above it, and so on up to the edge.
    fn load(&self, id: TileId) -> Result<Arc<Tile>, TreeError> {
        if let Some(tile) = self.cache.get(id) {
            return Ok(tile);
        }
        let expected = self.root_of(id)?;
        let file = self.public.join(TileCoord::new(id.0, id.1, TILE_WIDTH)?.path());
        let mut tile = read_tile(&file)?.filter(|tile| tile.root() == Some(expected));
        if tile.is_none() {
            // A tile follows from what is below it.
            tile = match id.0 {
                0 => read_bundle(self.public, id.1, &expected).ok().map(|bundle| bundle.tile),
                _ => from_below(self.public, id, TILE_WIDTH)?.filter(|tile| tile.root() == Some(expected)),
            };
        }
        let tile = Arc::new(tile.ok_or(TreeError::Damaged { file })?);
        self.cache.insert(id, Arc::clone(&tile));
        Ok(tile)
    }
}

impl HashSource for Hashes<'_> {
    type Error = TreeError;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, TreeError> {
        let (tile_level, row) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let in_row = FULL >> row;
        let (id, number) = ((tile_level, index / in_row), index % in_row);
        let node = match self.edge.tile(id) {
            Some(partial) => partial.node(row, number),
            None if self.edge.has_full(id) => self.load(id)?.node(row, number),
            None => None,
        };
        node.ok_or(TreeError::Incomplete { level, index })
    }
}

/// A tile as it is on disk; `None` if there is none, or none of that form.
pub(super) fn read_tile(file: &Path) -> Result<Option<Tile>, IoError> {
    let bytes = durable::read(&RealDisk, file)?;
    Ok(bytes.and_then(|bytes| decode_tile(&bytes).ok()).map(|hashes| Tile::from_hashes(&hashes)))
}

/// The bytes of a bundle, and its leaves.
pub(super) type Leaves = (Vec<u8>, Vec<Vec<u8>>);

/// The leaves of a bundle as it is on disk; `None` if there is none, or none of that form.
pub(super) fn read_leaves(file: &Path) -> Result<Option<Leaves>, IoError> {
    let Some(bytes) = durable::read(&RealDisk, file)? else { return Ok(None) };
    let leaves = decode_bundle(&bytes).ok().map(|leaves| leaves.into_iter().map(<[u8]>::to_vec).collect());
    Ok(leaves.map(|leaves| (bytes, leaves)))
}

fn read_bundle(public: &Path, number: u64, expected: &Hash) -> Result<Bundle, TreeError> {
    let file = public.join(BundleCoord::new(number, TILE_WIDTH)?.path());
    let found = read_leaves(&file)?.filter(|(_, leaves)| on_disk(leaves.len()) == FULL);
    let bundle = found.map(|(bytes, leaves)| {
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        Bundle { bytes, leaves, tile: Tile::from_hashes(&hashes) }
    });
    bundle.filter(|bundle| bundle.tile.root().as_ref() == Some(expected)).ok_or(TreeError::Damaged { file })
}
