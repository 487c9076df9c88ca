use std::fs;

use super::*;

fn open(dir: &Path) -> ContentStore {
    ContentStore::open(dir, Staging::open(dir).unwrap()).unwrap()
}

fn commit(seed: u8, body: &[u8]) -> (Commitment, Salt) {
    let salt = Salt::new([seed; 32]);
    (Commitment::new(&salt, body, "text/plain"), salt)
}

#[test]
fn a_body_reads_back_until_it_is_erased() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (commitment, salt) = commit(7, b"a body");
    assert!(store.get(&commitment).unwrap().is_none());
    store.put(&commitment, &salt, b"a body").unwrap();
    store.put(&commitment, &salt, b"a body").unwrap();
    let (read_salt, body) = open(dir.path()).get(&commitment).unwrap().unwrap();
    assert!(read_salt == salt && body == b"a body");

    let name = commitment.sha256.to_string();
    let file = dir.path().join("content").join(name.split_at(2).0).join(&name);
    assert_eq!(fs::read(&file).unwrap(), [[7; 32].as_slice(), b"a body"].concat());
    assert!(store.erase(&commitment.sha256).unwrap());
    assert!(!file.exists() && !store.erase(&commitment.sha256).unwrap());
    assert!(store.get(&commitment).unwrap().is_none());
}

#[test]
fn an_empty_body_is_a_body() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (commitment, salt) = commit(1, b"");
    store.put(&commitment, &salt, b"").unwrap();
    assert_eq!(store.get(&commitment).unwrap().unwrap().1, b"");
}

#[test]
fn what_does_not_open_its_commitment_is_refused_and_nothing_of_the_batch_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (good, salt) = commit(1, b"good");
    let (other, other_salt) = commit(2, b"other");
    for (salt, bytes) in [(&other_salt, b"good".as_slice()), (&salt, b"evil")] {
        let bodies =
            [Body { commitment: &other, salt: &other_salt, bytes: b"other" }, Body { commitment: &good, salt, bytes }];
        match store.put_many(&bodies) {
            Err(ContentError::DoesNotOpen { sha256 }) => assert_eq!(sha256, good.sha256),
            refused => panic!("{refused:?}"),
        }
    }
    assert_eq!(store.iter().count(), 0);
    let long = vec![0; usize::try_from(MAX_BODY_BYTES).unwrap() + 1];
    let (commitment, salt) = commit(3, &long);
    let refused = store.put(&commitment, &salt, &long);
    assert!(matches!(refused, Err(ContentError::TooLarge { .. })), "{refused:?}");
}

#[test]
fn a_flipped_bit_in_any_byte_is_found_and_storing_again_repairs_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (commitment, salt) = commit(9, b"what was said");
    store.put(&commitment, &salt, b"what was said").unwrap();
    let file = store.path(&commitment.sha256);
    let whole = fs::read(&file).unwrap();
    let is_found = || match store.get(&commitment) {
        Err(ContentError::Damaged { file: at }) => at == file,
        _ => false,
    };
    for byte in 0..whole.len() {
        let mut rotten = whole.clone();
        rotten[byte] ^= 1 << (byte % 8);
        fs::write(&file, rotten).unwrap();
        assert!(is_found(), "byte {byte}");
    }
    for length in [0, 31, 32, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(is_found(), "length {length}");
    }
    store.put(&commitment, &salt, b"what was said").unwrap();
    assert!(store.get(&commitment).unwrap().is_some());
}

#[test]
fn lists_what_is_stored_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let committed: Vec<_> = (0..40).map(|seed| commit(seed, &[seed; 100])).collect();
    let bytes: Vec<_> = (0..40).map(|seed| [seed; 100]).collect();
    let bodies: Vec<_> =
        committed.iter().zip(&bytes).map(|((commitment, salt), bytes)| Body { commitment, salt, bytes }).collect();
    store.put_many(&bodies).unwrap();
    // A stranger's file, and what a crash left in the staging directory.
    fs::create_dir_all(dir.path().join("content/00")).unwrap();
    fs::write(dir.path().join("content/00/README"), b"not content").unwrap();
    fs::write(dir.path().join("tmp/5.tmp"), b"half").unwrap();
    let store = open(dir.path());
    let mut listed: Vec<_> = store.iter().map(Result::unwrap).collect();
    let mut expected: Vec<_> = committed.iter().map(|(commitment, _)| commitment.sha256).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

mod streaming {
    use super::*;
    use std::io::Read;

    /// Gives its bytes a few at a time.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(self.0.len()).min(777);
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn read_all(store: &ContentStore, name: &Hash) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        store.open_body(name).unwrap().unwrap().read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn a_body_that_came_in_pieces_is_the_same_in_pieces_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
            let body: Vec<u8> = (0..length).map(|n: u32| u8::try_from(n % 251).unwrap()).collect();
            let (commitment, salt) = commit(9, &body);
            store.put_from(&commitment, &salt, &mut Dripping(&body)).unwrap();
            assert!(store.get(&commitment).unwrap().unwrap() == (salt, body.clone()), "{length}");
            assert_eq!(store.open_body(&commitment.sha256).unwrap().unwrap().length(), u64::from(length));
            assert!(read_all(&store, &commitment.sha256).unwrap() == body, "{length}");
        }
        assert!(store.open_body(&proof::sha256(b"none")).unwrap().is_none());
    }

    #[test]
    fn what_does_not_open_its_commitment_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let (commitment, salt) = commit(9, b"what was committed to");
        for wrong in [b"what was committed".as_slice(), b"what was committed to, and more", b"what was committed TO"] {
            let refused = store.put_from(&commitment, &salt, &mut Dripping(wrong));
            assert!(matches!(refused, Err(ContentError::DoesNotOpen { .. })), "{refused:?}");
        }
        assert_eq!(store.iter().count(), 0);
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
        let long = Commitment { length: MAX_BODY_BYTES + 1, ..commitment };
        assert!(matches!(store.put_from(&long, &salt, &mut Dripping(b"")), Err(ContentError::TooLarge { .. })));
    }

    #[test]
    fn a_damaged_body_does_not_end_well() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let body = vec![7; 200_000];
        let (commitment, salt) = commit(9, &body);
        store.put(&commitment, &salt, &body).unwrap();
        let file = store.path(&commitment.sha256);
        let whole = fs::read(&file).unwrap();
        for byte in [0, 31, 32, 100_000, whole.len() - 1] {
            let mut rotten = whole.clone();
            rotten[byte] ^= 1;
            fs::write(&file, rotten).unwrap();
            let error = read_all(&store, &commitment.sha256).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "byte {byte}");
        }
        fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        assert!(read_all(&store, &commitment.sha256).is_err());
        fs::write(&file, &whole[..20]).unwrap();
        assert!(matches!(store.open_body(&commitment.sha256), Err(ContentError::Damaged { .. })));
    }
}

mod bounds {
    use super::*;
    use crate::disk::SimulatedDisk;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn on_disk_now(store: &ContentStore) -> u64 {
        store.iter().map(|name| store.length(&name.unwrap()).unwrap().unwrap()).sum()
    }

    #[test]
    fn many_at_once_fill_the_store_to_its_quota_and_not_a_byte_beyond() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let before = commit(200, &[200; 468]);
        store.put(&before.0, &before.1, &[200; 468]).unwrap();
        // Room for eleven files of 500 bytes, one of which is there.
        store.set_quota(5_700).unwrap();
        assert_eq!(store.used(), Some(500));
        let stored = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let (store, stored) = (&store, &stored);
                scope.spawn(move || {
                    for n in 0..10 {
                        // Each body is stored by two threads, of which one brings it.
                        let seed = thread / 2 * 10 + n;
                        let (commitment, salt) = commit(seed, &[seed; 468]);
                        match store.put(&commitment, &salt, &[seed; 468]) {
                            Ok(()) => {
                                stored.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(ContentError::OverQuota { quota: 5_700, wanted: 500, .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
        });
        assert_eq!((store.used(), on_disk_now(&store)), (Some(5_500), 5_500));
        assert!(stored.load(Ordering::Relaxed) >= 10);
        // What is there already costs nothing, and what is erased makes room.
        store.put(&before.0, &before.1, &[200; 468]).unwrap();
        assert!(store.erase(&before.0.sha256).unwrap() && !store.erase(&before.0.sha256).unwrap());
        assert_eq!(store.used(), Some(5_000));
        let (commitment, salt) = commit(201, &[1; 468]);
        store.put(&commitment, &salt, &[1; 468]).unwrap();
        assert_eq!((store.used(), on_disk_now(&store)), (Some(5_500), 5_500));
    }

    #[test]
    fn what_could_not_be_stored_takes_no_room() {
        let disk = SimulatedDisk::new(1);
        let staging = Staging::open_on(std::sync::Arc::new(disk.clone()), Path::new("/data")).unwrap();
        let store = ContentStore::open(Path::new("/data"), staging).unwrap();
        store.set_quota(1000).unwrap();
        let (commitment, salt) = commit(1, &[1; 468]);
        for operation in [crate::disk::Operation::Sync, crate::disk::Operation::Rename, crate::disk::Operation::Write] {
            disk.fail_nth(operation, 0, crate::disk::Fault::NoSpace);
            assert!(store.put(&commitment, &salt, &[1; 468]).is_err(), "{operation:?}");
            assert_eq!(store.used(), Some(on_disk_now(&store)), "{operation:?}");
        }
        store.put(&commitment, &salt, &[1; 468]).unwrap();
        assert_eq!(store.used(), Some(500));
    }

    #[test]
    fn an_allowance_is_for_each_and_for_a_day() {
        let disk = SimulatedDisk::new(1);
        let staging = Staging::open_on(std::sync::Arc::new(disk.clone()), Path::new("/data")).unwrap();
        let store = ContentStore::open(Path::new("/data"), staging).unwrap();
        store.set_daily_allowance(1_200);
        let put = |who: &str, seed: u8| {
            let (commitment, salt) = commit(seed, &[seed; 468]);
            store.put_many_for(who, &[Body { commitment: &commitment, salt: &salt, bytes: &[seed; 468] }])
        };
        put("agent/Casey", 1).unwrap();
        put("agent/Casey", 2).unwrap();
        // Again: nothing new.
        put("agent/Casey", 1).unwrap();
        match put("agent/Casey", 3) {
            Err(ContentError::OverAllowance { daily: 1_200, spent: 1_000, wanted: 500, seconds_left }) => {
                assert!((1..=86_400).contains(&seconds_left));
                put("agent/Jordan", 3).unwrap();
                disk.pass_time(std::time::Duration::from_secs(seconds_left - 1));
                put("agent/Casey", 4).unwrap_err();
                disk.pass_time(std::time::Duration::from_secs(1));
                put("agent/Casey", 4).unwrap();
            }
            other => panic!("{other:?}"),
        }
        // What failed is given back.
        disk.fail_nth(crate::disk::Operation::Sync, 0, crate::disk::Fault::Io);
        put("agent/Casey", 5).unwrap_err();
        put("agent/Casey", 5).unwrap();
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8),
        Erase(u8),
        PutFailing(u8, crate::disk::Operation),
    }

    fn step() -> impl Strategy<Value = Step> {
        let failing = prop::sample::select(vec![
            crate::disk::Operation::Create,
            crate::disk::Operation::Sync,
            crate::disk::Operation::Rename,
            crate::disk::Operation::SyncDir,
        ]);
        prop_oneof![
            (0..12_u8).prop_map(Step::Put),
            (0..12_u8).prop_map(Step::Erase),
            (0..12_u8, failing).prop_map(|(n, operation)| Step::PutFailing(n, operation)),
        ]
    }

    proptest! {
        #[test]
        fn the_books_are_what_is_on_the_disk(steps in prop::collection::vec(step(), 1..40), quota in 0_u64..3000) {
            let disk = SimulatedDisk::new(7);
            let staging = Staging::open_on(std::sync::Arc::new(disk.clone()), Path::new("/data")).unwrap();
            let store = ContentStore::open(Path::new("/data"), staging).unwrap();
            store.set_quota(quota).unwrap();
            for step in steps {
                match step {
                    Step::Erase(n) => drop(store.erase(&commit(n, &vec![n; 100 + usize::from(n) * 20]).0.sha256)),
                    Step::Put(n) | Step::PutFailing(n, _) => {
                        if let Step::PutFailing(_, operation) = step {
                            disk.fail_nth(operation, 0, crate::disk::Fault::Io);
                        }
                        let bytes = vec![n; 100 + usize::from(n) * 20];
                        let (commitment, salt) = commit(n, &bytes);
                        let _ = store.put(&commitment, &salt, &bytes);
                    }
                }
                prop_assert_eq!(store.used(), Some(on_disk_now(&store)));
                prop_assert!(store.used() <= Some(quota));
            }
        }
    }
}
