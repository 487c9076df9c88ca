//! Whatever the batches, the rows and digests are those of the fold in memory.

use countersign_projections::scan_check;
use proptest::prelude::*;

use crate::log::{Log, open};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_digests_of_the_fold_in_memory(
        choices in proptest::collection::vec(any::<u8>(), 1..120),
        splits in proptest::collection::vec(1_usize..40, 1..12),
        restart in any::<proptest::sample::Index>(),
    ) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("views");
        let log = Log::random(&choices);
        let restart = restart.index(splits.len());
        let (mut store, mut writer, _) = open(&dir, &log);
        for (n, size) in splits.iter().cycle().enumerate() {
            if n == restart {
                writer.flush().unwrap();
                drop((store, writer));
                (store, writer, _) = open(&dir, &log);
            }
            let done = writer.step(&log, *size).unwrap().events == 0;
            prop_assert_eq!(writer.digests(), log.digests_at(writer.position()));
            if done {
                break;
            }
        }
        prop_assert_eq!(writer.position(), log.size());
        let report = scan_check(&store, &log, |_| ()).unwrap();
        prop_assert!(report.is_clean(), "{:?}", report.told);
        prop_assert_eq!(report.projections, writer.digests());
    }
}
