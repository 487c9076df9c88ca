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
