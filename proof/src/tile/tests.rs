use serde::Deserialize;
use tlog_tiles::Tile;

use super::*;
use crate::merkle::leaf_hash;

#[derive(Deserialize)]
struct Vectors {
    paths: Vec<PathRow>,
    refused_paths: Vec<String>,
    sizes: Vec<SizeRow>,
    tile: Content,
    bundle: Content,
}

#[derive(Deserialize)]
struct PathRow {
    level: u8,
    index: u64,
    width: u16,
    path: String,
}

#[derive(Deserialize)]
struct SizeRow {
    size: TreeSize,
    levels: Vec<LevelRow>,
}

#[derive(Deserialize)]
struct LevelRow {
    full: u64,
    partial: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    entries: Vec<String>,
    hex: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/tiles.json")).unwrap()
}

#[test]
fn published_paths() {
    for PathRow { level, index, width, path } in vectors().paths {
        let tile = TileCoord::new(level, index, width).unwrap();
        assert_eq!(tile.path(), path);
        assert_eq!(TileCoord::parse(&path), Ok(tile));
        assert_eq!((tile.level(), tile.index(), tile.width()), (level, index, width));
        assert_eq!(tile.is_partial(), path.contains(".p/"));

        let path = path.replacen(&std::format!("/{level}/"), "/entries/", 1);
        let bundle = BundleCoord::new(index, width).unwrap();
        assert_eq!(bundle.path(), path);
        assert_eq!(BundleCoord::parse(&path), Ok(bundle));
        assert_eq!((bundle.index(), bundle.width()), (index, width));
    }
}

#[test]
fn other_spellings_of_paths_are_refused() {
    for path in vectors().refused_paths {
        assert!(TileCoord::parse(&path).is_err(), "{path}");
        let path = path.replacen("tile/0/", "tile/entries/", 1);
        assert!(BundleCoord::parse(&path).is_err(), "{path}");
    }
    let largest = TileCoord::new(0, u64::MAX, 1).unwrap();
    assert_eq!(TileCoord::parse(&largest.path()), Ok(largest));
    assert_eq!(TileCoord::new(64, 0, 1), Err(TileError::Level { got: 64 }));
    assert_eq!(TileCoord::new(0, 0, 0), Err(TileError::Width { got: 0 }));
    assert_eq!(BundleCoord::new(0, 257), Err(TileError::Width { got: 257 }));
}

#[test]
fn published_sizes() {
    for SizeRow { size, levels } in vectors().sizes {
        let mut expected = Vec::new();
        for (level, LevelRow { full, partial }) in (0..).zip(&levels) {
            expected.extend((0..*full).map(|index| TileCoord::new(level, index, 256).unwrap()));
            expected.extend(partial.iter().map(|path| TileCoord::parse(path).unwrap()));
        }
        assert_eq!(tiles_for_size(size), expected);
        expected.retain(TileCoord::is_partial);
        assert_eq!(partial_tiles(size), expected);
    }
}

#[test]
fn partial_tiles_are_those_of_all_tiles() {
    for size in [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_049, 131_072] {
        let size = TreeSize::new(size);
        let mut tiles = tiles_for_size(size);
        tiles.retain(TileCoord::is_partial);
        assert_eq!(partial_tiles(size), tiles);
    }
    let largest = partial_tiles(TreeSize::new(u64::MAX));
    assert_eq!(largest.len(), 8);
    assert!(largest.iter().all(|tile| tile.width() == 255));
}

#[test]
fn another_implementation_names_the_same_tiles() {
    for size in (1..=600).chain([65_535, 65_536, 65_537, 70_000]) {
        let mut theirs: Vec<String> = Tile::new_tiles(TILE_HEIGHT, 0, size).iter().map(Tile::path).collect();
        let mut ours: Vec<String> = tiles_for_size(TreeSize::new(size)).iter().map(their_path).collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "{size}");
    }
}

/// Their paths carry the height, as in Go's module database: `tile/8/0/000`.
fn their_path(tile: &TileCoord) -> String {
    tile.path().replacen("tile/", "tile/8/", 1)
}

#[test]
fn published_tile_and_bundle() {
    let Vectors { tile, bundle, .. } = vectors();
    let hashes: Vec<Hash> = tile.entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
    let bytes = encode_tile(&hashes).unwrap();
    assert_eq!(hex::encode(&bytes), tile.hex);
    assert_eq!(decode_tile(&bytes).unwrap(), hashes);

    let bytes = encode_bundle(&bundle.entries).unwrap();
    assert_eq!(hex::encode(&bytes), bundle.hex);
    let entries: Vec<&[u8]> = bundle.entries.iter().map(String::as_bytes).collect();
    assert_eq!(decode_bundle(&bytes).unwrap(), entries);
}

#[test]
fn malformed_tiles_and_bundles_are_refused() {
    assert_eq!(encode_tile(&[]), Err(TileError::Width { got: 0 }));
    assert_eq!(encode_tile(&[Hash::ZERO; 257]), Err(TileError::Width { got: 257 }));
    assert_eq!(decode_tile(&[]), Err(TileError::Width { got: 0 }));
    assert_eq!(decode_tile(&[0; 33]), Err(TileError::TileBytes { got: 33 }));
    assert_eq!(decode_tile(&[0; 257 * 32]), Err(TileError::Width { got: 257 }));
    assert_eq!(decode_tile(&[0; 256 * 32]).unwrap().len(), 256);

    let empty: [&[u8]; 0] = [];
    assert_eq!(encode_bundle(&empty), Err(TileError::Width { got: 0 }));
    assert_eq!(encode_bundle(&[b""; 257]), Err(TileError::Width { got: 257 }));
    let (largest, got) = (std::vec![7; MAX_LEAF_BYTES], MAX_LEAF_BYTES + 1);
    let bytes = encode_bundle(&[&largest]).unwrap();
    assert_eq!(decode_bundle(&bytes).unwrap(), [&largest]);
    assert_eq!(encode_bundle(&[std::vec![7; got]]), Err(TileError::EntrySize { got }));

    assert_eq!(decode_bundle(&[]), Err(TileError::Width { got: 0 }));
    assert_eq!(decode_bundle(&[0, 1, 9, 0]), Err(TileError::Truncated { offset: 3 }));
    assert_eq!(decode_bundle(&[0, 2, 9]), Err(TileError::Truncated { offset: 0 }));
    assert_eq!(decode_bundle(&[0; 512]).unwrap().len(), 256);
    assert_eq!(decode_bundle(&[0; 514]), Err(TileError::Width { got: 257 }));
    assert_eq!(decode_bundle(&[0; 10_000]), Err(TileError::Width { got: 257 }));
}
