//! The site as an independent implementation reads it: crates `tlog_tiles` and `signed_note`.

use std::fs;

use proof::{LeafIndex, TreeSize};
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Error, Hash, Tile, TileHashReader, TileReader};

use crate::log::{Log, leaf, signer};

/// Reads tiles from the files of the site.
struct Files<'a>(&'a Log);

impl TileReader for Files<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        // C2SP leaves the height out of the path.
        let path = |tile: &Tile| tile.path().replacen("tile/8/", "tile/", 1);
        Ok(tiles.iter().map(|tile| fs::read(self.0.public(&path(tile))).unwrap()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn checkpoint_tiles_and_proofs_are_accepted() {
    let mut log = Log::new();
    let mut heads: Vec<(u64, Hash)> = Vec::new();
    for size in [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
        log.grow_to(size);
        log.publish();
        let note = fs::read(log.public("checkpoint")).unwrap();
        let note = Note::from_bytes(&note).unwrap();
        let key = StandardVerifier::new(&signer().verifier().to_string()).unwrap();
        let (verified, unverified) = note.verify(&VerifierList::new(vec![Box::new(key)])).unwrap();
        assert_eq!((verified.len(), unverified.len()), (1, 0));
        let head = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!((head.origin(), head.size(), head.extension()), (crate::log::ORIGIN, size, ""));

        let files = Files(&log);
        let reader = TileHashReader::new(size, *head.hash(), &files);
        assert_eq!(tlog_tiles::tree_hash(size, &reader).unwrap(), *head.hash());
        for index in [0, size / 2, size - 1] {
            let theirs = tlog_tiles::prove_record(size, index, &reader).unwrap();
            let hash = tlog_tiles::record_hash(&leaf(index));
            tlog_tiles::check_record(&theirs, size, *head.hash(), index, hash).unwrap();
            let ours = proof::merkle::inclusion_proof(&*log.tree, LeafIndex::new(index), TreeSize::new(size));
            let ours: Vec<_> = ours.unwrap().iter().map(|hash| Hash(*hash.as_bytes())).collect();
            assert_eq!(ours, theirs);
        }
        for (old, root) in &heads {
            let theirs = tlog_tiles::prove_tree(size, *old, &reader).unwrap();
            tlog_tiles::check_tree(&theirs, size, *head.hash(), *old, *root).unwrap();
        }
        heads.push((size, *head.hash()));
    }
}
