//! The site over a journal that has given its beginning up: old leaves are in the bundles only.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use countersign_ledger::disk::RealDisk;
use countersign_ledger::site::{Check, FlawKind, Spare, SpareError, TreeError, stored_bundle};
use proof::tile::{decode_bundle, decode_tile};
use proof::{Checkpoint, TreeSize};

use crate::log::{Log, check_site, leaf, signer};
use crate::site::{check_entries, check_files, check_proofs, list};

/// A log of this size whose journal starts at or shortly before the last full bundle.
fn reclaimed(size: u64) -> Log {
    let mut log = Log::new();
    log.grow_to(size);
    log.publish();
    let durable = log.tree.durable_size().get();
    assert_eq!(durable, size / 256 * 256);
    let first = log.reclaim(durable);
    assert!(first > 0 && first <= durable);
    log
}

fn damaged(error: TreeError) -> String {
    let TreeError::Damaged { file } = error else { panic!("{error}") };
    file.to_str().unwrap().split_once("public/").unwrap().1.to_owned()
}

/// Every file under `public/`, with its bytes.
fn all_files(log: &Log) -> BTreeMap<String, Vec<u8>> {
    let mut names = BTreeSet::new();
    list(&log.public(""), "", &mut names);
    names.into_iter().map(|name| (name.clone(), fs::read(log.public(&name)).unwrap())).collect()
}

/// Another copy of the bundles, which notes what it was asked for.
#[derive(Default)]
struct Backup {
    bundles: BTreeMap<u64, Vec<u8>>,
    asked: RefCell<Vec<u64>>,
}

impl Backup {
    fn of(log: &Log, numbers: &[u64]) -> Self {
        let read = |number: &u64| (*number, fs::read(log.public(&format!("tile/entries/{number:03}"))).unwrap());
        Self { bundles: numbers.iter().map(read).collect(), asked: RefCell::default() }
    }
}

impl Spare for Backup {
    fn bundle(&self, number: u64) -> Result<Option<Vec<u8>>, SpareError> {
        self.asked.borrow_mut().push(number);
        Ok(self.bundles.get(&number).cloned())
    }
}

/// A copy that cannot be asked.
struct Failing;
impl Spare for Failing {
    fn bundle(&self, _: u64) -> Result<Option<Vec<u8>>, SpareError> {
        Err("the peer is away".into())
    }
}

#[test]
fn the_site_opens_and_answers_as_before_and_grows_on() {
    for size in [1100, 2560, 66_000] {
        let mut log = reclaimed(size);
        for check in [Check::Edge, Check::All] {
            check_proofs(&log);
            check_entries(&log);
            let report = log.reopen(check);
            assert!(report.is_clean() && report.checked_all == (check == Check::All));
        }
        log.grow_to(size + 900);
        check_proofs(&log);
        check_entries(&log);
        log.publish();
        log.reclaim(log.tree.durable_size().get());
        check_files(&log);
        assert_eq!(check_site(log.dir.path()), TreeSize::new(size + 900));
        assert!(log.reopen(Check::All).is_clean());
    }
}

#[test]
fn what_is_durable_is_what_was_written_and_nothing_that_waits() {
    let mut log = Log::new();
    let durable = |log: &Log| log.tree.durable_size().get();
    for (size, expected) in [(255, 0), (256, 256), (700, 512), (70_000, 69_888)] {
        let before = durable(&log);
        log.grow_to(size);
        assert_eq!(durable(&log), before);
        log.publish();
        assert_eq!(durable(&log), expected);
        log.reopen(Check::Edge);
        assert_eq!(durable(&log), expected);
        for bundle in 0..expected / 256 {
            assert!(log.public(&proof::tile::BundleCoord::new(bundle, 256).unwrap().path()).exists());
        }
    }
}

#[test]
fn leaves_between_the_published_size_and_the_journal_come_from_bundles_too() {
    // A crash after full tiles were written and before the checkpoint was: what is durable is ahead of
    // what is published, and the journal may have given it up.
    let mut log = Log::new();
    log.grow_to(300);
    log.publish();
    log.grow_to(5000);
    let obstacle = log.public("tile/entries/019.p/136");
    fs::create_dir_all(obstacle.join("x")).unwrap();
    log.writer.publish(&log.checkpoint().sign(&signer())).unwrap_err();
    fs::remove_dir_all(obstacle).unwrap();
    let durable = log.tree.durable_size().get();
    assert_eq!(durable, 4864);
    let first = log.reclaim(durable);
    assert!(first > 512);
    for check in [Check::Edge, Check::All] {
        let report = log.reopen(check);
        assert!(report.is_clean() && report.checked_all == (check == Check::All));
        check_proofs(&log);
        check_entries(&log);
    }

    // A bundle among them that has rotted is found, and nothing is written over.
    log.flip("tile/entries/007", 5);
    let before = all_files(&log);
    for check in [Check::Edge, Check::All] {
        assert_eq!(damaged(log.try_reopen(check).unwrap_err()), "tile/entries/007");
        assert_eq!(all_files(&log), before);
    }
    log.flip("tile/entries/007", 5);
    log.reopen(Check::Edge);
    log.publish();
    check_files(&log);
}

#[test]
fn damaged_tiles_are_made_again_from_bundles_and_reported() {
    let mut log = reclaimed(70_000);
    let whole = all_files(&log);
    for path in ["tile/0/007", "tile/1/000", "tile/0/201"] {
        log.flip(path, 40);
    }
    fs::remove_file(log.public("tile/0/200")).unwrap();
    let report = log.reopen(Check::All);
    assert_eq!(report.missing, [log.public("tile/0/200")]);
    let mut found = report.damaged;
    found.sort();
    assert_eq!(found, ["tile/0/007", "tile/0/201", "tile/1/000"].map(|path| log.public(path)));
    assert_eq!(all_files(&log), whole);

    // A damaged edge, with the cheap check: the same.
    log.flip("tile/1/001.p/17", 100);
    let report = log.reopen(Check::Edge);
    assert!(report.checked_all);
    assert_eq!(report.damaged, [log.public("tile/1/001.p/17")]);
    assert_eq!(all_files(&log), whole);
}

#[test]
fn a_bundle_that_leads_elsewhere_is_named_and_nothing_is_written_over() {
    let mut log = reclaimed(70_000);
    log.grow_to(70_100);
    let whole = all_files(&log);
    let bundle = |number: u64| format!("tile/entries/{number:03}");
    for number in [0, 7, 255, 256, 270] {
        let flipped = fs::read(log.public(&bundle(number))).unwrap().len() - 1;
        log.flip(&bundle(number), flipped);
        // The tile over it may be gone or wrong as well: the tile above tells.
        let tile = log.public(&format!("tile/0/{number:03}"));
        let kept = fs::read(&tile).unwrap();
        for over in [Some(kept.clone()), None, Some(decoy(&log, number))] {
            match &over {
                Some(bytes) => fs::write(&tile, bytes).unwrap(),
                None => fs::remove_file(&tile).unwrap(),
            }
            let before = all_files(&log);
            assert_eq!(damaged(log.try_reopen(Check::All).unwrap_err()), bundle(number), "{}", over.is_some());
            assert_eq!(all_files(&log), before);
        }
        fs::write(&tile, kept).unwrap();
        log.flip(&bundle(number), flipped);
    }
    fs::remove_file(log.public(&bundle(9))).unwrap();
    assert_eq!(damaged(log.try_reopen(Check::All).unwrap_err()), bundle(9));
    fs::write(log.public(&bundle(9)), &whole[&bundle(9)]).unwrap();
    assert!(log.reopen(Check::All).is_clean());

    // With a tile that is wrong beside it, the bundle that is right is not blamed.
    log.flip("tile/0/003", 9);
    log.flip(&bundle(7), 9);
    assert_eq!(damaged(log.try_reopen(Check::All).unwrap_err()), bundle(7));
}

/// The tile that a bundle leads to as it is on disk, wrong or not.
fn decoy(log: &Log, number: u64) -> Vec<u8> {
    let bytes = fs::read(log.public(&format!("tile/entries/{number:03}"))).unwrap();
    let hashes: Vec<_> = decode_bundle(&bytes).unwrap().into_iter().map(proof::merkle::leaf_hash).collect();
    proof::tile::encode_tile(&hashes).unwrap()
}

#[test]
fn a_checkpoint_of_another_history_is_forked_not_damage() {
    let mut log = reclaimed(3000);
    log.grow_to(3100);
    let head = log.checkpoint();
    for size in [300, 3000] {
        let whole = all_files(&log);
        log.published = Some(Checkpoint { size: TreeSize::new(size), root: proof::sha256(b"other"), ..head.clone() });
        for check in [Check::Edge, Check::All] {
            let refused = log.try_reopen(check);
            assert!(matches!(refused, Err(TreeError::Forked { size: at, .. }) if at.get() == size), "{refused:?}");
            assert_eq!(all_files(&log), whole);
        }
    }
}

#[test]
fn scrubbing_mends_tiles_from_bundles_and_bundles_from_a_spare_copy() {
    let mut log = reclaimed(70_000);
    let whole = all_files(&log);
    let backup = Backup::of(&log, &[9, 10, 255]);
    for (path, byte) in [("tile/0/007", 40), ("tile/entries/009", 100), ("tile/1/000", 8000), ("tile/entries/255", 1)] {
        log.flip(path, byte);
    }
    fs::remove_file(log.public("tile/entries/010")).unwrap();
    fs::remove_file(log.public("tile/0/200")).unwrap();
    assert!(log.reopen(Check::Edge).is_clean());
    let mut flaws = Vec::new();
    for bundle in 0..log.tree.scrub_bundles() {
        flaws.extend(log.tree.scrub_with(bundle, &backup).unwrap());
    }
    let found: BTreeMap<String, FlawKind> = flaws
        .iter()
        .map(|flaw| (flaw.file.strip_prefix(log.public("")).unwrap().display().to_string(), flaw.kind))
        .collect();
    let expected = [
        ("tile/0/007", FlawKind::Damaged),
        ("tile/entries/009", FlawKind::Damaged),
        ("tile/entries/010", FlawKind::Missing),
        ("tile/entries/255", FlawKind::Damaged),
        ("tile/0/200", FlawKind::Missing),
        ("tile/1/000", FlawKind::Damaged),
    ];
    assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind)).into());
    assert_eq!(flaws.len(), expected.len());
    assert_eq!(*backup.asked.borrow(), [9, 10, 255]);
    assert_eq!(all_files(&log), whole);
    check_proofs(&log);
    check_entries(&log);
}

#[test]
fn a_bundle_without_a_good_copy_is_named_and_left_alone() {
    let mut log = reclaimed(3000);
    log.flip("tile/entries/004", 50);
    assert!(log.reopen(Check::Edge).is_clean());
    let before = all_files(&log);
    let nothing = Backup::default();
    assert_eq!(damaged(log.tree.scrub(4).unwrap_err()), "tile/entries/004");
    assert_eq!(damaged(log.tree.scrub_with(4, &nothing).unwrap_err()), "tile/entries/004");

    // A copy that is as wrong, another bundle, and no bundle at all: never trusted.
    let other = Backup::of(&log, &[4, 5]);
    let bad = [other.bundles[&4].clone(), other.bundles[&5].clone(), b"rubbish".to_vec(), Vec::new()];
    for bytes in bad {
        let spare = Backup { bundles: BTreeMap::from([(4, bytes)]), asked: RefCell::default() };
        assert_eq!(damaged(log.tree.scrub_with(4, &spare).unwrap_err()), "tile/entries/004");
    }
    assert_eq!(all_files(&log), before);
    // Its neighbours are not affected.
    assert_eq!(log.tree.scrub(3).unwrap(), []);
    assert_eq!(log.tree.scrub(5).unwrap(), []);

    assert_eq!(damaged(log.tree.scrub_with(4, &Failing).unwrap_err()), "tile/entries/004");
}

#[test]
fn stored_bundles_read_back_in_order_unchecked() {
    let mut log = reclaimed(3000);
    for number in 0..11 {
        let leaves = stored_bundle(&RealDisk, log.dir.path(), number).unwrap().unwrap();
        assert!(
            leaves.iter().map(|leaf| &**leaf).eq(&(number * 256..number * 256 + 256).map(leaf).collect::<Vec<_>>())
        );
    }
    assert!(stored_bundle(&RealDisk, log.dir.path(), 11).unwrap().is_none());
    fs::write(log.public("tile/entries/002"), b"short").unwrap();
    assert_eq!(damaged(stored_bundle(&RealDisk, log.dir.path(), 2).unwrap_err()), "tile/entries/002");
    log.publish();
}

#[test]
fn a_head_is_published_only_if_it_extends_the_last_one() {
    let mut log = Log::new();
    log.grow_to(300);
    log.publish();
    log.grow_to(700);
    // The published head is said to be another, as after a file was put back from elsewhere.
    let note = log.checkpoint().sign(&signer());
    let real = log.published.clone().unwrap();
    let mut other = Log::new();
    other.append(vec![b"another beginning".to_vec()]);
    other.grow_to(300);
    other.publish();
    fs::copy(other.public("checkpoint"), log.public("checkpoint")).unwrap();
    log.published = other.published.clone();
    assert!(matches!(log.try_reopen(Check::Edge), Err(TreeError::Forked { .. })));
    log.published = Some(real);
    log.reopen(Check::Edge);
    log.writer.publish(&note).unwrap();
    // Each publication is proved against the one before it, and the same head may come again.
    for size in [700, 701, 1024, 70_000] {
        log.grow_to(size);
        log.publish();
        log.publish();
        assert_eq!(check_site(log.dir.path()), TreeSize::new(size));
    }
}

#[test]
fn every_published_size_keeps_its_partial_files_until_the_full_tile_is_there() {
    let mut log = Log::new();
    let sizes = [1, 2, 57, 100, 255, 300, 400, 511, 600];
    for (round, size) in sizes.into_iter().enumerate() {
        log.grow_to(size);
        if round % 3 == 1 {
            // One that fails before its checkpoint is written takes nothing away.
            let width = size % 256;
            let obstacle = log.public(&format!("tile/0/{:03}.p/{width}/x", size / 256));
            fs::create_dir_all(&obstacle).unwrap();
            log.writer.publish(&log.checkpoint().sign(&signer())).unwrap_err();
            fs::remove_dir_all(obstacle.parent().unwrap()).unwrap();
        }
        log.publish();
        // A restart, and the same head again, as a server that starts publishes it.
        log.reopen(Check::Edge);
        log.publish();
        let current = size / 256;
        for old in sizes[..=round].iter().filter(|old| **old / 256 == current) {
            for kind in ["0", "entries"] {
                let path = format!("tile/{kind}/{current:03}.p/{}", old % 256);
                let bytes = fs::read(log.public(&path)).unwrap();
                let count = decode_tile(&bytes).map_or(0, |hashes| hashes.len() as u64);
                assert!(kind == "entries" || count == old % 256, "{path} at {size}");
            }
        }
        if round > 0 && sizes[round - 1] / 256 < current {
            let old = sizes[round - 1] / 256;
            assert!(log.public(&format!("tile/0/{old:03}")).exists());
            assert!(!log.public(&format!("tile/0/{old:03}.p")).exists());
        }
    }
}
