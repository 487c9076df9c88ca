//! The site and the tree behind it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use countersign_ledger::disk::RealDisk;
use countersign_ledger::site::{Check, FlawKind, TreeError, published_note};
use proof::merkle::{HashSource, consistency_proof, inclusion_proof, leaf_hash, root_at};
use proof::tile::{TileCoord, decode_tile, tiles_for_size};
use proof::{Checkpoint, LeafIndex, TreeSize};

use crate::log::{Log, check_site, leaf, signer};

const SIZES: [u64; 8] = [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000];

/// Every file of the published site against the naive tree; and the list of files.
pub(crate) fn check_files(log: &Log) -> BTreeSet<String> {
    let mut expected = BTreeSet::from(["checkpoint".to_owned()]);
    for tile in tiles_for_size(TreeSize::new(log.size())) {
        let hashes = decode_tile(&fs::read(log.public(&tile.path())).unwrap()).unwrap();
        assert_eq!(hashes.len(), usize::from(tile.width()));
        for (hash, number) in hashes.iter().zip(tile.index() * 256..) {
            assert_eq!(*hash, log.naive.subtree(tile.level() * 8, number).unwrap());
        }
        expected.insert(tile.path());
        if tile.level() == 0 {
            expected.insert(tile.path().replacen("tile/0/", "tile/entries/", 1));
        }
    }
    expected
}

pub(crate) fn list(dir: &Path, prefix: &str, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), into);
        } else {
            into.insert(name);
        }
    }
}

/// Proofs for some leaves and some old sizes, equal to those of the naive tree.
pub(crate) fn check_proofs(log: &Log) {
    let size = log.size();
    let near = |at: u64| at.saturating_sub(2)..(at + 2);
    let points: BTreeSet<u64> = [0, 1, 255, 256, 511, 4096, 65_535, 65_536, size / 3, size]
        .into_iter()
        .flat_map(near)
        .filter(|point| *point <= size)
        .collect();
    for old in points.iter().copied().map(TreeSize::new) {
        for new in points.iter().copied().map(TreeSize::new) {
            let ours = consistency_proof(&*log.tree, old, new).ok();
            assert_eq!(ours, consistency_proof(&log.naive, old, new).ok());
        }
        assert_eq!(root_at(&*log.tree, old).unwrap(), root_at(&log.naive, old).unwrap());
        for index in points.iter().copied().map(LeafIndex::new) {
            let ours = inclusion_proof(&*log.tree, index, old).ok();
            assert_eq!(ours, inclusion_proof(&log.naive, index, old).ok());
            assert_eq!(ours.is_some(), old.contains(index));
        }
    }
}

pub(crate) fn check_entries(log: &Log) {
    let size = log.size();
    for from in [0, 1, 250, 256, 65_530, size.saturating_sub(3)] {
        let read = log.tree.read_entries(LeafIndex::new(from), 300, TreeSize::new(size)).unwrap();
        let expected: Vec<_> = (from..(from + 300).min(size)).map(leaf).collect();
        assert!(read.iter().map(|leaf| &**leaf).eq(&expected), "from {from}");
    }
    let beyond = LeafIndex::new(size);
    assert!(matches!(log.tree.read_entry(beyond), Err(TreeError::Missing { .. })));
    assert!(log.tree.read_entries(beyond, 5, TreeSize::new(size + 5)).unwrap().is_empty());
}

#[test]
fn one_log_that_grows_through_every_size_with_restarts_between() {
    let mut log = Log::new();
    for size in SIZES {
        log.grow_to(size);
        check_proofs(&log);
        check_entries(&log);
        log.publish();
        check_files(&log);
        check_proofs(&log);
        check_entries(&log);
        assert_eq!(check_site(log.dir.path()), TreeSize::new(size));
        assert!(log.reopen(Check::Edge).is_clean());
        check_proofs(&log);
        check_entries(&log);
    }
    let report = log.reopen(Check::All);
    assert!(report.is_clean() && report.checked_all);
    check_files(&log);
}

#[test]
fn a_site_has_exactly_the_files_of_its_size() {
    for size in SIZES.into_iter().filter(|size| *size < 1000).chain([70_000]) {
        let mut log = Log::new();
        log.grow_to(size);
        log.publish();
        let mut found = BTreeSet::new();
        list(&log.public(""), "", &mut found);
        assert_eq!(found, check_files(&log));
    }
}

#[test]
fn what_was_committed_after_the_last_publication_is_replayed_from_the_journal() {
    for (published, size) in [(0, 300), (300, 300), (300, 301), (300, 900), (512, 40_000), (700, 70_000)] {
        let mut log = Log::new();
        log.grow_to(published);
        if published > 0 {
            log.publish();
        }
        log.grow_to(size);
        let report = log.reopen(Check::Edge);
        assert!(report.is_clean() && !report.checked_all);
        assert_eq!(log.tree.published(), TreeSize::new(published));
        check_proofs(&log);
        check_entries(&log);
        log.publish();
        check_files(&log);
        check_site(log.dir.path());
    }
}

#[test]
fn an_older_head_than_the_trees_may_be_published_and_a_wrong_one_may_not() {
    let mut log = Log::new();
    log.grow_to(300);
    let old = log.checkpoint();
    log.grow_to(1000);
    log.writer.publish(&old.sign(&signer())).unwrap();
    assert_eq!(check_site(log.dir.path()), TreeSize::new(300));
    let note = published_note(&RealDisk, log.dir.path()).unwrap().unwrap();
    assert_eq!(Checkpoint::open(&note, &signer().verifier()).unwrap(), old);

    let lie = Checkpoint { root: old.root, ..log.checkpoint() };
    let refused = log.writer.publish(&lie.sign(&signer()));
    assert!(matches!(refused, Err(TreeError::Forked { .. })), "{refused:?}");
    let ahead = Checkpoint { size: TreeSize::new(1001), ..log.checkpoint() };
    let refused = log.writer.publish(&ahead.sign(&signer()));
    assert!(matches!(refused, Err(TreeError::Incomplete { .. })), "{refused:?}");
    log.publish();
    let refused = log.writer.publish(&old.sign(&signer()));
    assert!(matches!(refused, Err(TreeError::Shrinking { .. })), "{refused:?}");
    assert!(matches!(log.writer.publish("no note"), Err(TreeError::Note(_))));
    assert_eq!(check_site(log.dir.path()), TreeSize::new(1000));
}

#[test]
fn partial_tiles_go_one_publication_after_their_full_tile_is_there() {
    let mut log = Log::new();
    let partial = |log: &Log| (log.public("tile/0/000.p/100").exists(), log.public("tile/entries/000.p/100").exists());
    for size in [100, 200] {
        log.grow_to(size);
        log.publish();
        assert_eq!(partial(&log), (true, true));
    }
    log.grow_to(300);
    log.publish();
    assert!(log.public("tile/0/000").exists() && log.public("tile/0/000.p/200").exists());
    log.grow_to(301);
    log.publish();
    assert_eq!(partial(&log), (false, false));
    assert!(log.public("tile/0/001.p/44").exists() && log.public("tile/0/001.p/45").exists());

    // A crash before the removal: the next start finds them.
    fs::create_dir_all(log.public("tile/0/000.p")).unwrap();
    fs::write(log.public("tile/0/000.p/100"), b"left").unwrap();
    log.reopen(Check::Edge);
    log.publish();
    assert_eq!(partial(&log), (false, false));
}

#[test]
fn a_publication_that_fails_leaves_the_old_site_and_may_be_repeated() {
    let mut log = Log::new();
    log.grow_to(300);
    log.publish();
    log.grow_to(2000);
    let obstacle = log.public("tile/entries/005");
    fs::create_dir_all(obstacle.join("x")).unwrap();
    let note = log.checkpoint().sign(&signer());
    assert!(matches!(log.writer.publish(&note), Err(TreeError::Io(_))));
    assert_eq!(check_site(log.dir.path()), TreeSize::new(300));
    check_proofs(&log);
    check_entries(&log);
    fs::remove_dir_all(obstacle).unwrap();
    log.writer.publish(&note).unwrap();
    assert_eq!(check_site(log.dir.path()), TreeSize::new(2000));
}

#[test]
fn damaged_files_are_found_when_read_and_scrubbed_from_the_journal() {
    let mut log = Log::new();
    log.grow_to(70_000);
    log.publish();
    log.flip("tile/0/007", 40);
    log.flip("tile/entries/009", 100);
    log.flip("tile/1/000", 8000);
    fs::remove_file(log.public("tile/entries/010")).unwrap();
    fs::remove_file(log.public("tile/0/200")).unwrap();
    fs::write(log.public("tile/0/201"), b"short").unwrap();
    assert!(log.reopen(Check::Edge).is_clean());

    let names = |error: TreeError, path: &str| {
        let TreeError::Damaged { file } = error else { panic!("{error}") };
        assert_eq!(file, log.public(path));
    };
    names(log.tree.subtree(0, 7 * 256).unwrap_err(), "tile/1/000");
    let flaws: Vec<_> = (0..log.tree.scrub_bundles())
        .flat_map(|bundle| log.tree.scrub(bundle).unwrap())
        .map(|flaw| (flaw.file.strip_prefix(log.public("")).unwrap().display().to_string(), flaw.kind))
        .collect();
    let expected = [
        ("tile/0/007", FlawKind::Damaged),
        ("tile/entries/009", FlawKind::Damaged),
        ("tile/entries/010", FlawKind::Missing),
        ("tile/0/200", FlawKind::Missing),
        ("tile/0/201", FlawKind::Damaged),
        ("tile/1/000", FlawKind::Damaged),
    ];
    assert!(flaws.iter().map(|(file, kind)| (file.as_str(), *kind)).eq(expected), "{flaws:?}");
    check_proofs(&log);
    check_entries(&log);
    check_files(&log);

    log.flip("tile/0/003", 0);
    log.flip("tile/entries/004", 5);
    names(log.tree.subtree(1, 3 * 128 + 5).unwrap_err(), "tile/0/003");
    let read = |index| log.tree.read_entry(LeafIndex::new(index)).unwrap_err();
    names(read(4 * 256), "tile/entries/004");
    assert_eq!(log.tree.scrub(5).unwrap(), []);
    assert_eq!(log.tree.scrub(u64::MAX).unwrap(), []);
}

#[test]
fn opening_with_every_check_reports_and_repairs_what_was_published() {
    let mut log = Log::new();
    log.grow_to(3000);
    log.publish();
    log.grow_to(5000);
    log.flip("tile/0/003", 0);
    log.flip("tile/entries/004", 5);
    log.flip("tile/0/011.p/184", 9);
    fs::remove_file(log.public("tile/entries/001")).unwrap();
    let report = log.reopen(Check::All);
    assert!(report.checked_all);
    assert_eq!(report.missing, [log.public("tile/entries/001")]);
    let damaged = ["tile/entries/004", "tile/0/003", "tile/0/011.p/184"];
    assert_eq!(report.damaged, damaged.map(|path| log.public(path)));
    assert_eq!(check_site(log.dir.path()), TreeSize::new(3000));
    assert!(log.reopen(Check::All).is_clean());
    log.publish();
    check_site(log.dir.path());
}

#[test]
fn a_damaged_edge_is_made_again_from_the_journal_and_reported() {
    // Level 1's partial tile is what the edge is read from; the others are checked beside it.
    for (path, byte) in [("tile/1/000.p/11", 100), ("tile/0/011.p/184", 3), ("tile/entries/011.p/184", 7)] {
        for is_cut in [false, true] {
            let mut log = Log::new();
            log.grow_to(3000);
            log.publish();
            log.grow_to(3500);
            let whole = fs::read(log.public(path)).unwrap();
            if is_cut {
                fs::write(log.public(path), &whole[..whole.len() - 32]).unwrap();
            } else {
                log.flip(path, byte);
            }
            let report = log.reopen(Check::Edge);
            assert_eq!(report.damaged, [log.public(path)]);
            assert_eq!(fs::read(log.public(path)).unwrap(), whole);
            check_proofs(&log);
            assert!(log.reopen(Check::Edge).is_clean());
        }
    }
    let mut log = Log::new();
    log.grow_to(3000);
    log.publish();
    fs::remove_dir_all(log.public("tile")).unwrap();
    let report = log.reopen(Check::Edge);
    assert_eq!(report.damaged.len(), 0);
    assert_eq!(report.missing.len(), 11 * 2 + 3);
    assert_eq!(check_site(log.dir.path()), TreeSize::new(3000));
}

#[test]
fn another_history_is_refused_and_its_site_left_alone() {
    for check in [Check::Edge, Check::All] {
        let mut log = Log::new();
        log.grow_to(600);
        log.publish();
        let mut other = Log::new();
        other.append(vec![b"another first leaf".to_vec()]);
        other.grow_to(1000);
        other.publish();
        let mut before = BTreeSet::new();
        list(&other.public(""), "", &mut before);

        other.published = log.published.clone();
        let refused = other.try_reopen(check);
        assert!(matches!(refused, Err(TreeError::Forked { size, .. }) if size.get() == 600));
        let mut after = BTreeSet::new();
        list(&other.public(""), "", &mut after);
        assert_eq!(before, after);
        assert_eq!(check_site(other.dir.path()), TreeSize::new(1000));

        log.published = Some(Checkpoint { size: TreeSize::new(601), ..log.checkpoint() });
        assert!(matches!(log.try_reopen(check), Err(TreeError::Shrinking { .. })));
    }
}

#[test]
fn leaves_that_wait_too_long_leave_memory_and_come_back_from_the_journal() {
    let mut log = Log::new();
    let bytes = |index: u64| format!("{index:060000}").into_bytes();
    for frame in 0..60 {
        log.append((frame * 26..(frame + 1) * 26).map(bytes).collect());
    }
    for index in [0, 300, 1559] {
        let read = log.tree.read_entry(LeafIndex::new(index)).unwrap();
        assert_eq!(*read, bytes(index));
    }
    // One call stops after some megabytes, but never returns nothing.
    let some = log.tree.read_entries(LeafIndex::new(0), 1560, TreeSize::new(1560)).unwrap();
    assert_eq!(some.len(), 256);
    log.publish();
    let tile = TileCoord::new(0, 5, 256).unwrap();
    assert!(log.public(&tile.path()).exists());
    assert_eq!(check_site(log.dir.path()), TreeSize::new(1560));
    assert_eq!(leaf_hash(&bytes(7)), log.tree.subtree(0, 7).unwrap());
}
