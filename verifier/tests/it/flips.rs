//! Whatever is flipped, cut or replaced anywhere in a site, the answer is never `valid`, and never a panic.

use crate::ledger::Ledger;
use crate::site::{replay, site};
use countersign_verifier::Verdict;
use countersign_verifier::source::Memory;
use proptest::prelude::*;
use std::sync::LazyLock;

static SITE: LazyLock<Memory> = LazyLock::new(|| site(&Ledger::story().0));

/// The file at a place in the order of paths, each as likely as it is long.
fn file_at(place: usize) -> (String, usize) {
    let mut rest = place % SITE.files.values().map(Vec::len).sum::<usize>();
    for (path, bytes) in &SITE.files {
        if rest < bytes.len() {
            return (path.clone(), rest);
        }
        rest -= bytes.len();
    }
    panic!("the place is within the site");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_flipped_bit(place in any::<usize>(), bit in 0..8_u8) {
        let (path, byte) = file_at(place);
        let mut site = SITE.clone();
        site.files.get_mut(&path).unwrap()[byte] ^= 1 << bit;
        let report = replay(site);
        prop_assert_eq!(report.verdict, Verdict::Invalid, "{} byte {} bit {}: {:?}", path, byte, bit, report);
    }

    #[test]
    fn a_file_cut_short(place in any::<usize>()) {
        let (path, byte) = file_at(place);
        let mut site = SITE.clone();
        site.files.get_mut(&path).unwrap().truncate(byte);
        prop_assert_eq!(replay(site).verdict, Verdict::Invalid);
    }

    #[test]
    fn a_stretch_of_noise(place in any::<usize>(), noise in prop::collection::vec(any::<u8>(), 1..40)) {
        let (path, byte) = file_at(place);
        let mut site = SITE.clone();
        let bytes = site.files.get_mut(&path).unwrap();
        let end = bytes.len().min(byte + noise.len());
        let before = bytes.clone();
        bytes.splice(byte..end, noise);
        prop_assume!(*bytes != before);
        prop_assert_eq!(replay(site).verdict, Verdict::Invalid);
    }

    #[test]
    fn a_file_of_noise(place in any::<usize>(), noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let (path, _) = file_at(place);
        let mut site = SITE.clone();
        site.files.insert(path, noise);
        prop_assert_eq!(replay(site).verdict, Verdict::Invalid);
    }

    #[test]
    fn two_files_swapped(one in any::<prop::sample::Index>(), distance in any::<prop::sample::Index>()) {
        let paths: Vec<&String> = SITE.files.keys().collect();
        let one = one.index(paths.len());
        let other = (one + 1 + distance.index(paths.len() - 1)) % paths.len();
        let mut site = SITE.clone();
        site.files.insert(paths[one].clone(), SITE.files[paths[other]].clone());
        site.files.insert(paths[other].clone(), SITE.files[paths[one]].clone());
        prop_assert_eq!(replay(site).verdict, Verdict::Invalid);
    }
}
