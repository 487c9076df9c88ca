//! Damage by somebody without keys: the verdict is `invalid`, at the very index, under the most telling rule.

use crate::ledger::{Ledger, index};
use crate::site::{log, replay, site};
use countersign_verifier::source::Memory;
use countersign_verifier::{Report, Rule, Verdict};
use proof::tile::encode_bundle;

const BUNDLE: &str = "tile/entries/000.p/24";
const TILE: &str = "tile/0/000.p/24";

pub(crate) fn assert_invalid(report: &Report, at: Option<u64>, rule: Rule) {
    let first = report.first_bad.as_ref().unwrap_or_else(|| panic!("nothing is wrong: {report:?}"));
    assert_eq!((first.index.map(proof::LeafIndex::get), first.rule), (at, rule), "{first}");
    assert_eq!(report.verdict, rule.verdict());
    assert_eq!(report.verdict.code(), if rule.verdict() == Verdict::Invalid { 2 } else { 3 });
    assert_eq!(report.problems.first(), Some(first));
}

fn story() -> (Ledger, Memory) {
    let (ledger, _) = Ledger::story();
    let site = site(&ledger);
    (ledger, site)
}

/// Where each entry starts in the bundle.
fn offsets(ledger: &Ledger) -> Vec<usize> {
    let ends = ledger.leaves.iter().scan(0, |at, leaf| {
        let start = *at + 2;
        *at = start + leaf.len();
        Some(start)
    });
    ends.collect()
}

fn flipped(site: &Memory, file: &str, byte: usize, bit: u8) -> Memory {
    let mut site = site.clone();
    site.files.get_mut(file).unwrap()[byte] ^= 1 << bit;
    site
}

#[test]
fn a_bit_flipped_in_any_payload_or_signature_is_found_at_its_index() {
    let (ledger, site) = story();
    for (at, (start, leaf)) in (0..).zip(offsets(&ledger).into_iter().zip(&ledger.leaves)) {
        let text = String::from_utf8(leaf.clone()).unwrap();
        let signature = text.rfind("\"sig\":\"").unwrap() + 7;
        for (place, bit) in [(20, 0), (leaf.len() / 3, 3), (signature + 5, 0), (signature + 40, 1), (signature - 20, 0)]
        {
            let report = log(flipped(&site, BUNDLE, start + place, bit));
            let first = report.first_bad.clone().unwrap();
            assert_eq!((report.verdict.code(), first.index), (2, Some(index(at))), "{first}");
        }
        // A digit of the timestamp is good JSON still: only the signature tells. In the genesis, too.
        let digit = text.find("\"time\":\"").unwrap() + 29;
        assert_invalid(&log(flipped(&site, BUNDLE, start + digit, 0)), Some(at), Rule::EventSignature);
        assert_invalid(&log(flipped(&site, BUNDLE, start + signature + 5, 0)), Some(at), Rule::EventSignature);
    }
}

#[test]
fn any_bit_flipped_in_the_checkpoint_is_found_and_no_event_is_blamed() {
    let (ledger, site) = story();
    let length = site.files["checkpoint"].len();
    for byte in 0..length {
        for bit in 0..8 {
            let report = log(flipped(&site, "checkpoint", byte, bit));
            let first = report.first_bad.clone().unwrap_or_else(|| panic!("byte {byte}, bit {bit}"));
            assert_eq!((report.verdict.code(), first.index), (2, None), "{byte} {bit} {first}");
            assert!(first.rule.name().starts_with("checkpoint_"), "{first}");
        }
    }
    let root = site.files["checkpoint"].iter().position(|byte| *byte == b'\n').unwrap() + 8;
    for byte in root..length {
        let size = log(flipped(&site, "checkpoint", byte, 0)).size;
        assert_eq!(size, Some(ledger.tree.size()), "the size can be said");
    }
}

#[test]
fn a_bit_flipped_in_a_tile_is_found_at_the_leaf_below() {
    let (_, site) = story();
    for at in [0, 7, 23] {
        assert_invalid(&log(flipped(&site, TILE, at * 32 + 5, 2)), Some(at.try_into().unwrap()), Rule::TileHash);
    }
    let mut short = site.clone();
    short.files.get_mut(TILE).unwrap().pop();
    assert_invalid(&log(short), Some(0), Rule::Tile);
    let mut fewer = site;
    fewer.files.get_mut(TILE).unwrap().truncate(23 * 32);
    assert_invalid(&log(fewer), Some(0), Rule::Tile);
}

#[test]
fn a_hash_of_a_higher_level_stands_for_a_range_of_leaves() {
    let mut ledger = Ledger::new();
    for number in 0..600 {
        ledger.intend(&format!("intent-{number}"));
    }
    let site = site(&ledger);
    assert_eq!(log(site.clone()).verdict, Verdict::Valid);
    assert_invalid(&log(flipped(&site, "tile/1/000.p/2", 3, 3)), Some(0), Rule::TileHash);
    assert_invalid(&log(flipped(&site, "tile/1/000.p/2", 32 + 3, 3)), Some(256), Rule::TileHash);
    // Of two bad places the one with the lower index is named.
    let both = flipped(&flipped(&site, "tile/1/000.p/2", 32, 0), "tile/0/001", 32 * 9, 0);
    assert_invalid(&log(both), Some(265), Rule::TileHash);
}

fn with_entries(site: &Memory, entries: &[Vec<u8>]) -> Memory {
    let mut site = site.clone();
    site.files.insert(BUNDLE.into(), encode_bundle(entries).unwrap());
    site
}

#[test]
fn lost_doubled_swapped_and_added_entries_are_found_where_they_begin() {
    let (ledger, site) = story();
    let edited = |edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut entries = ledger.leaves.clone();
        edit(&mut entries);
        log(with_entries(&site, &entries))
    };
    assert_invalid(&edited(&|entries| drop(entries.remove(9))), Some(9), Rule::Seq);
    assert_invalid(&edited(&|entries| entries.insert(9, entries[8].clone())), Some(9), Rule::Seq);
    assert_invalid(&edited(&|entries| entries.swap(9, 14)), Some(9), Rule::Seq);
    assert_invalid(&edited(&|entries| entries.insert(9, b"{}".to_vec())), Some(9), Rule::Leaf);
    assert_invalid(&edited(&|entries| entries[9].clear()), Some(9), Rule::Leaf);
    assert_invalid(&edited(&|entries| drop(entries.pop())), Some(23), Rule::Bundle);
    assert_invalid(&edited(&|entries| entries.push(entries[23].clone())), Some(24), Rule::Bundle);
}

#[test]
fn a_bundle_that_breaks_off_is_found_where_it_does() {
    let (ledger, site) = story();
    let length = site.files[BUNDLE].len();
    for (cut, at) in [(length - 1, 23), (length - ledger.leaves[23].len() - 1, 23), (5, 0), (0, 0)] {
        let mut short = site.clone();
        short.files.get_mut(BUNDLE).unwrap().truncate(cut);
        assert_invalid(&log(short), Some(at), Rule::Bundle);
    }
}

#[test]
fn what_is_not_there_proves_nothing() {
    let (ledger, site) = story();
    let without = |path: &str| {
        let mut site = site.clone();
        assert!(site.files.remove(path).is_some());
        site
    };
    assert_invalid(&log(without(BUNDLE)), Some(0), Rule::EntriesMissing);
    assert_invalid(&log(without(TILE)), Some(0), Rule::TileMissing);
    assert_eq!(log(without(TILE)).checked.events, 24, "the entries are checked nevertheless");
    let policy = site.files.keys().find(|path| path.starts_with("blob/")).unwrap();
    assert_eq!(log(without(policy)).verdict, Verdict::Valid, "`log` needs no policy");
    assert_invalid(&replay(without(policy)), None, Rule::BlobMissing);
    assert_eq!(log(without("checkpoint")).verdict, Verdict::Error);
    // What is refuted outweighs what is missing.
    assert_invalid(&log(flipped(&without(TILE), BUNDLE, offsets(&ledger)[2] + 300, 0)), Some(2), Rule::EventSignature);
}

#[test]
fn a_full_bundle_may_have_replaced_a_partial_one() {
    let mut ledger = Ledger::new();
    (0..250).for_each(|number| drop(ledger.intend(&format!("intent-{number}"))));
    let early = site(&ledger);
    (250..260).for_each(|number| drop(ledger.intend(&format!("intent-{number}"))));
    let mut late = site(&ledger);
    late.files.insert("checkpoint".into(), early.files["checkpoint"].clone());
    let report = log(late.clone());
    assert_eq!((report.verdict, report.checked.events), (Verdict::Valid, 254));
    // The part that the head covers is checked there as well.
    assert_invalid(&log(flipped(&late, "tile/0/000", 32 * 200, 0)), Some(200), Rule::TileHash);
    late.files.get_mut("tile/entries/000").unwrap().pop();
    assert_invalid(&log(late), Some(254), Rule::Bundle);
}

#[test]
fn pieces_of_earlier_heads_must_be_the_same_log() {
    let mut ledger = Ledger::new();
    let mut sites = Vec::new();
    for number in 0..515 {
        ledger.intend(&format!("intent-{number}"));
        if [0, 100, 300, 514].contains(&number) {
            sites.push(site(&ledger));
        }
    }
    let mut all = Memory::default();
    for site in sites {
        all.files.extend(site.files);
    }
    assert_eq!(log(all.clone()).verdict, Verdict::Valid);
    for path in all.files.keys().filter(|path| path.starts_with("tile/")) {
        let report = log(flipped(&all, path, all.files[path].len() / 2, 1));
        assert_eq!(report.verdict, Verdict::Invalid, "{path}");
        assert!(report.first_bad.unwrap().index.is_some());
        let mut short = all.clone();
        short.files.get_mut(path).unwrap().pop();
        assert_eq!(log(short).verdict, Verdict::Invalid, "{path}");
    }
    assert_invalid(&log(flipped(&all, "tile/0/001.p/49", 32 * 7, 0)), Some(263), Rule::EarlierPiece);
    assert_invalid(&log(flipped(&all, "tile/1/000.p/1", 0, 0)), Some(0), Rule::EarlierPiece);
    // The first bad one is named, wherever it is.
    let both = flipped(&flipped(&all, "tile/0/000.p/5", 32 * 4, 0), "tile/0/000", 32 * 2, 0);
    assert_invalid(&log(both), Some(2), Rule::TileHash);
}

#[test]
fn a_swapped_policy_is_found() {
    let (_, site) = story();
    for path in site.files.keys().filter(|path| path.starts_with("blob/")) {
        let mut swapped = site.clone();
        swapped.files.insert(path.clone(), b"{\"v\":1}".to_vec());
        assert_invalid(&replay(swapped), None, Rule::BlobDigest);
    }
}

#[test]
fn garbage_of_any_size_is_refused_without_a_panic() {
    let (_, site) = story();
    let deep = "[".repeat(100_000).into_bytes();
    let mut deep_leaf = b"{\"payload\":{\"a\":".to_vec();
    deep_leaf.extend(&deep[..60_000]);
    let garbage =
        [Vec::new(), vec![0; 70_000], vec![0xff; 9_000], deep, deep_leaf.clone(), encode_bundle(&[deep_leaf]).unwrap()];
    for path in site.files.keys() {
        for bytes in garbage.iter().chain([&vec![b'\n'; 20_000_000]]) {
            let mut bad = site.clone();
            bad.files.insert(path.clone(), bytes.clone());
            let report = replay(bad);
            assert!(matches!(report.verdict, Verdict::Invalid), "{path}: {report:?}");
        }
    }
}
