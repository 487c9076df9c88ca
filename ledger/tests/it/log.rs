//! A journal in memory, a site on real files, and the naive tree to compare them with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_ledger::durable::Staging;
use countersign_ledger::journal::memory::{MemoryJournal, MemoryStore};
use countersign_ledger::journal::{Frame, Journal};
use countersign_ledger::site::{Check, LeafBytes, OpenedSite, SiteReport, SiteSource, SiteWriter, TileTree, TreeError};
use proof::merkle::{Frontier, HashSource, MemoryTree, leaf_hash};
use proof::tile::{decode_bundle, decode_tile, tiles_for_size};
use proof::{Checkpoint, Hash, KeyName, Note, SecretKey, SignerKey, TreeSize};

pub(crate) const ORIGIN: &str = "log.example/site";

pub(crate) fn signer() -> SignerKey {
    SignerKey::new(KeyName::new(ORIGIN).unwrap(), SecretKey::from_seed([7; 32]))
}

pub(crate) fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

pub(crate) struct Log {
    pub(crate) dir: tempfile::TempDir,
    journal: MemoryJournal,
    pub(crate) frontier: Frontier,
    pub(crate) naive: MemoryTree,
    pub(crate) tree: Arc<TileTree>,
    pub(crate) writer: SiteWriter,
    pub(crate) published: Option<Checkpoint>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::new();
        let (journal, frontier) = store.open(&mut |_, _| Ok(())).unwrap();
        let opened = open(dir.path(), &journal, &frontier, None, Check::Edge).unwrap();
        assert!(opened.report.is_clean());
        let (tree, writer) = (opened.tree, opened.writer);
        Self { dir, journal, frontier, naive: MemoryTree::new(), tree, writer, published: None }
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size().get()
    }

    /// Commits leaves up to this size, in frames of some hundreds.
    pub(crate) fn grow_to(&mut self, size: u64) {
        while self.size() < size {
            let until = (self.size() + 777).min(size);
            let leaves: Vec<_> = (self.size()..until).map(leaf).collect();
            self.append(leaves);
        }
    }

    pub(crate) fn append(&mut self, leaves: Vec<Vec<u8>>) {
        let start = self.frontier.size();
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        for hash in &hashes {
            self.frontier.push(*hash);
            self.naive.push(*hash);
        }
        let root = self.frontier.root();
        self.journal.append(&Frame { start, leaves: &leaves, root }).unwrap();
        let leaves: Vec<LeafBytes> = leaves.into_iter().map(Arc::new).collect();
        self.tree.append(&leaves, &hashes);
    }

    /// Lets the journal give up what the site has for good.
    pub(crate) fn reclaim(&mut self, upto: u64) -> u64 {
        assert!(upto <= self.tree.durable_size().get());
        self.journal.reclaim(TreeSize::new(upto)).unwrap();
        self.journal.reader().first().get()
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        Checkpoint { origin: ORIGIN.into(), size, root }
    }

    pub(crate) fn publish(&mut self) {
        let checkpoint = self.checkpoint();
        self.writer.publish(&checkpoint.sign(&signer())).unwrap();
        self.published = Some(checkpoint);
    }

    /// Opens the site again, as after a restart.
    pub(crate) fn reopen(&mut self, check: Check) -> SiteReport {
        self.try_reopen(check).unwrap()
    }

    pub(crate) fn try_reopen(&mut self, check: Check) -> Result<SiteReport, TreeError> {
        let published = self.published.as_ref();
        let opened = open(self.dir.path(), &self.journal, &self.frontier, published, check)?;
        (self.tree, self.writer) = (opened.tree, opened.writer);
        assert_eq!(self.tree.size(), self.frontier.size());
        Ok(opened.report)
    }

    pub(crate) fn public(&self, path: &str) -> PathBuf {
        self.dir.path().join("public").join(path)
    }

    pub(crate) fn flip(&self, path: &str, byte: usize) {
        let file = self.public(path);
        let mut bytes = fs::read(&file).unwrap();
        bytes[byte] ^= 0x10;
        fs::write(&file, bytes).unwrap();
    }
}

pub(crate) fn open(
    dir: &Path,
    journal: &dyn Journal,
    frontier: &Frontier,
    published: Option<&Checkpoint>,
    check: Check,
) -> Result<OpenedSite, TreeError> {
    let staging = Staging::open(dir).unwrap();
    let source = SiteSource { journal: journal.reader(), frontier, published, check };
    TileTree::open(dir, &staging, &source)
}

/// Reads the site under `dir/public` as a stranger would, with nothing but its files; returns its
/// size. Tiles and leaves must lead to the checkpoint's root.
pub(crate) fn check_site(dir: &Path) -> TreeSize {
    let public = dir.join("public");
    let note = fs::read_to_string(public.join("checkpoint")).unwrap();
    let checkpoint = Checkpoint::open(&note, &signer().verifier()).unwrap();
    assert!(Note::parse(&note).is_ok());
    let mut tree = MemoryTree::new();
    for tile in tiles_for_size(checkpoint.size) {
        let hashes = decode_tile(&read(&public, &tile.path())).unwrap();
        let hashes = &hashes[..usize::from(tile.width())];
        if tile.level() == 0 {
            for hash in hashes {
                tree.push(*hash);
            }
            let path = tile.path().replacen("tile/0/", "tile/entries/", 1);
            let bundle = read(&public, &path);
            let leaves = decode_bundle(&bundle).unwrap();
            let found: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            assert_eq!(&found[..hashes.len()], hashes, "{path}");
        } else {
            for (hash, number) in hashes.iter().zip(tile.index() * 256..) {
                assert_eq!(tree.subtree(tile.level() * 8, number).unwrap(), *hash);
            }
        }
    }
    assert_eq!(tree.root(), checkpoint.root);
    checkpoint.size
}

/// A file of the site; in place of a partial one that is gone, the full one, as C2SP says.
fn read(public: &Path, path: &str) -> Vec<u8> {
    fs::read(public.join(path)).unwrap_or_else(|_| {
        let (full, _) = path.split_once(".p/").unwrap();
        fs::read(public.join(full)).unwrap()
    })
}
