//! What must hold for every input, tried on random ones.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic in a test is how it fails")]

use countersign_proof::canonical::{self, JsonErrorKind};
use countersign_proof::dsse::Envelope;
use countersign_proof::leaf::{Leaf, build_leaf, sign_event};
use countersign_proof::merkle::{
    Frontier, MemoryTree, consistency_proof, inclusion_proof, leaf_hash, root_at, verify_consistency, verify_inclusion,
};
use countersign_proof::tile::{BundleCoord, TileCoord, decode_bundle, encode_bundle};
use countersign_proof::witness::{AddCheckpoint, KnownLog, LastCosigned, judge};
use countersign_proof::{
    Checkpoint, Hash, KeyName, LeafIndex, Note, PublicKey, Receipt, ReceiptEntry, SecretKey, Signature, SignerKey,
    TreeSize, base64,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value};

/// Trees that stay within I-JSON, with keys and texts that tempt a canonicaliser.
fn json() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof![any::<String>(), "[\\PC\u{0}-\u{20}\"\\\\/]{0,8}", "[\u{e000}\u{ffff}\u{10000}\u{10ffff}a]{0,3}",];
    let number = prop_oneof![
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<f64>().prop_filter_map("outside I-JSON", |value| {
            canonical::to_vec(&value).ok()?;
            Some(Value::from(value))
        }),
        (-1000_i32..1000, 0_i32..8).prop_map(|(value, scale)| Value::from(f64::from(value) / 10_f64.powi(scale))),
    ];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.clone().prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 40, 6, move |inner| {
        let members = prop::collection::vec((text.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn tree(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for index in 0..size {
        tree.push(leaf_hash(&index.to_be_bytes()));
    }
    tree
}

/// A number below `size`, chosen by `at`.
fn pick(at: Index, size: u64) -> u64 {
    u64::try_from(at.index(usize::try_from(size).unwrap())).unwrap()
}

/// Flips one bit, chosen by `at`.
fn flip(bytes: &mut [u8], at: Index) {
    let bit = at.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn flip_hash(hash: Hash, at: Index) -> Hash {
    let mut bytes = *hash.as_bytes();
    flip(&mut bytes, at);
    Hash::new(bytes)
}

fn signer(seed: [u8; 32]) -> SignerKey {
    SignerKey::new(KeyName::new("log.example").unwrap(), SecretKey::from_seed(seed))
}

proptest! {
    #[test]
    fn canonical_bytes_are_read_back(value in json()) {
        let bytes = canonical::to_vec(&value).unwrap();
        prop_assert_eq!(canonical::value_to_vec(&value), bytes.clone());
        prop_assert_eq!(canonical::is_canonical(&bytes), Ok(()));
        let read = canonical::parse_canonical(&bytes).unwrap();
        prop_assert_eq!(&canonical::parse(&bytes).unwrap(), &read);
        // Not `read == value`: 1.0 is read back as 1.
        prop_assert_eq!(canonical::value_to_vec(&read), bytes);
    }

    #[test]
    fn any_spelling_reads_as_the_same_tree(value in json()) {
        let canonical = canonical::to_vec(&value).unwrap();
        let read = canonical::parse_canonical(&canonical).unwrap();
        for other in [serde_json::to_vec(&value), serde_json::to_vec_pretty(&value)] {
            let other = other.unwrap();
            prop_assert_eq!(&canonical::parse(&other).unwrap(), &read);
            prop_assert_eq!(canonical::is_canonical(&other).is_ok(), other == canonical);
        }
    }

    /// The three readers agree on damaged documents, and accept none but the writer's.
    #[test]
    fn damaged_documents_have_one_verdict(
        value in json(),
        at in any::<Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(b" \",:[]{}\\-+.0eE19tu/".to_vec())],
        change in 0..3,
    ) {
        let mut bytes = canonical::to_vec(&value).unwrap();
        let at = at.index(bytes.len());
        match change {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        let read = canonical::parse(&bytes);
        let strict = canonical::parse_canonical(&bytes);
        prop_assert_eq!(canonical::is_canonical(&bytes), strict.as_ref().map(|_| ()).map_err(Clone::clone));
        match read {
            Err(error) => prop_assert_eq!(strict, Err(error)),
            Ok(read) => {
                let canonical = canonical::value_to_vec(&read);
                if canonical == bytes {
                    prop_assert_eq!(strict, Ok(read));
                } else {
                    let error = strict.unwrap_err();
                    prop_assert_eq!(error.kind(), &JsonErrorKind::NotCanonical);
                    let same = error.offset();
                    prop_assert_eq!(&bytes[..same], &canonical[..same]);
                    prop_assert_ne!(bytes.get(same), canonical.get(same));
                }
            }
        }
    }

    #[test]
    fn serde_json_agrees_on_what_is_json(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if canonical::parse(&bytes).is_ok() {
            prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok());
        }
    }

    #[test]
    fn doubles_survive(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        if let Ok(text) = canonical::to_vec(&value) {
            let text = String::from_utf8(text).unwrap();
            prop_assert!((text.parse::<f64>().unwrap() - value).abs() == 0.0);
            prop_assert_eq!(canonical::is_canonical(text.as_bytes()), Ok(()));
        }
    }

    #[test]
    fn included_leaves_verify_and_nothing_else(
        size in 1_u64..2000,
        index in any::<Index>(),
        at in any::<Index>(),
        bit in any::<Index>(),
    ) {
        let tree = tree(size);
        let index = LeafIndex::new(pick(index, size));
        let size = TreeSize::new(size);
        let leaf = leaf_hash(&index.get().to_be_bytes());
        let mut path = inclusion_proof(&tree, index, size).unwrap();
        let root = tree.root();
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
        prop_assert!(verify_inclusion(&flip_hash(leaf, bit), index, size, &path, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, index, size, &path, &flip_hash(root, bit)).is_err());
        if !path.is_empty() {
            let at = at.index(path.len());
            path[at] = flip_hash(path[at], bit);
            prop_assert!(verify_inclusion(&leaf, index, size, &path, &root).is_err());
        }
    }

    #[test]
    fn consistent_trees_verify_and_nothing_else(
        sizes in (1_u64..2000, 1_u64..2000),
        at in any::<Index>(),
        bit in any::<Index>(),
    ) {
        let (old, new) = (sizes.0.min(sizes.1), sizes.0.max(sizes.1));
        let tree = tree(new);
        let (old, new) = (TreeSize::new(old), TreeSize::new(new));
        let (old_root, new_root) = (root_at(&tree, old).unwrap(), tree.root());
        let mut path = consistency_proof(&tree, old, new).unwrap();
        let verify = |old_root: Hash, new_root: Hash, path: &[Hash]| {
            verify_consistency(old, &old_root, new, &new_root, path)
        };
        prop_assert_eq!(verify(old_root, new_root, &path), Ok(()));
        prop_assert!(verify(flip_hash(old_root, bit), new_root, &path).is_err());
        prop_assert!(verify(old_root, flip_hash(new_root, bit), &path).is_err());
        if !path.is_empty() {
            let at = at.index(path.len());
            path[at] = flip_hash(path[at], bit);
            prop_assert!(verify(old_root, new_root, &path).is_err());
        }
    }

    #[test]
    fn a_frontier_resumed_anywhere_grows_the_same_tree(size in 0_u64..600, stop in any::<Index>()) {
        let stop = pick(stop, size + 1);
        let mut frontier = Frontier::new();
        for index in 0..size {
            if index == stop {
                let hashes = frontier.hashes().to_vec();
                frontier = Frontier::from_parts(frontier.size(), hashes).unwrap();
            }
            frontier.push(leaf_hash(&index.to_be_bytes()));
        }
        prop_assert_eq!(frontier.root(), tree(size).root());
        prop_assert_eq!(frontier.size(), TreeSize::new(size));
    }

    #[test]
    fn signatures_bind_key_message_and_signature(
        seed in any::<[u8; 32]>(),
        mut message in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<Index>(),
    ) {
        let secret = SecretKey::from_seed(seed);
        let signature = secret.sign(&message);
        let key = secret.public();
        prop_assert!(key.verify(&message, &signature).is_ok());
        let mut other = *signature.as_bytes();
        flip(&mut other, at);
        prop_assert!(key.verify(&message, &Signature::new(other)).is_err());
        let mut other = *key.as_bytes();
        flip(&mut other, at);
        if let Ok(other) = PublicKey::from_bytes(&other) {
            prop_assert!(other.verify(&message, &signature).is_err());
        }
        flip(&mut message, at);
        prop_assert!(key.verify(&message, &signature).is_err());
    }

    #[test]
    fn leaves_are_read_back_and_every_bit_counts(
        members in prop::collection::btree_map("[a-z]{0,4}", json(), 0..4),
        at in any::<Index>(),
    ) {
        let payload = canonical::to_vec(&members).unwrap();
        let secret = SecretKey::from_seed([3; 32]);
        let key = secret.public();
        let mut bytes = build_leaf(&payload, &key.key_id(), &sign_event(&payload, &secret));
        prop_assert_eq!(canonical::is_canonical(&bytes), Ok(()));
        let leaf = Leaf::parse(&bytes).unwrap();
        prop_assert_eq!(leaf.payload, &payload[..]);
        prop_assert_eq!(leaf.verify(&key), Ok(()));
        flip(&mut bytes, at);
        let verdict = Leaf::parse(&bytes).map(|leaf| leaf.verify(&key));
        prop_assert!(!matches!(verdict, Ok(Ok(()))));
    }

    #[test]
    fn envelopes_survive_their_json(
        payload_type in any::<String>(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let secret = SecretKey::from_seed([3; 32]);
        let envelope = Envelope::sign(&payload_type, &payload, &secret);
        let json = canonical::to_vec(&envelope).unwrap();
        let read: Envelope = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(read.verify(&secret.public()), Ok(()));
        prop_assert_eq!(read, envelope);
    }

    #[test]
    fn notes_survive_their_text(
        seed in any::<[u8; 32]>(),
        text in "([ -~\u{a0}-\u{ffff}]{0,20}\n){1,5}",
        at in any::<Index>(),
    ) {
        let signer = signer(seed);
        let keys = [signer.verifier()];
        let text = signer.sign_note(&text).unwrap();
        let note = Note::parse(&text).unwrap();
        prop_assert_eq!(note.to_string(), text.clone());
        prop_assert!(note.verify(&keys).is_ok());
        let mut bytes = text.into_bytes();
        flip(&mut bytes, at);
        if let Ok(text) = String::from_utf8(bytes) {
            let verdict = Note::parse(&text).and_then(|note| note.verify(&keys).map(|_| ()));
            prop_assert!(verdict.is_err());
        }
    }

    #[test]
    fn receipts_verify_and_every_bit_counts(
        size in 1_u64..40,
        indices in prop::collection::vec(any::<Index>(), 1..4),
        at in any::<Index>(),
    ) {
        let signer = signer([5; 32]);
        let leaves: Vec<String> = (0..size).map(|index| format!("leaf \"{index}\"\n")).collect();
        let mut tree = MemoryTree::new();
        for leaf in &leaves {
            tree.push(leaf_hash(leaf.as_bytes()));
        }
        let checkpoint = Checkpoint { origin: "log.example".into(), size: tree.size(), root: tree.root() };
        let mut entries: Vec<ReceiptEntry> = indices
            .iter()
            .map(|at| {
                let index = LeafIndex::new(pick(*at, size));
                let path = inclusion_proof(&tree, index, tree.size()).unwrap();
                ReceiptEntry { index, leaf: at.get(&leaves).clone(), path }
            })
            .collect();
        entries.sort_by_key(|entry| entry.index);
        entries.dedup_by_key(|entry| entry.index);
        let receipt = Receipt { checkpoint: checkpoint.sign(&signer), entries };
        let key = signer.verifier();
        prop_assert!(receipt.verify(&key).is_ok());
        let mut json = receipt.to_json();
        prop_assert_eq!(canonical::is_canonical(&json), Ok(()));
        prop_assert_eq!(Receipt::parse_any(&json), Ok(receipt.clone()));
        if receipt.entries.len() == 1 {
            let text = receipt.to_tlog_proof().unwrap();
            prop_assert_eq!(Receipt::parse_any(text.as_bytes()), Ok(receipt));
        }
        flip(&mut json, at);
        prop_assert!(Receipt::parse_any(&json).and_then(|receipt| receipt.verify(&key)).is_err());
    }

    #[test]
    fn bundles_are_read_back(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..=256),
    ) {
        let bytes = encode_bundle(&entries).unwrap();
        prop_assert_eq!(decode_bundle(&bytes).unwrap(), entries);
    }

    #[test]
    fn whatever_a_bundle_is_read_from_is_its_only_form(bytes in prop::collection::vec(0_u8..3, 0..60)) {
        if let Ok(entries) = decode_bundle(&bytes) {
            prop_assert_eq!(encode_bundle(&entries).unwrap(), bytes);
        }
    }

    #[test]
    fn paths_are_read_back(level in 0_u8..=63, index in any::<u64>(), shift in 0..64, width in 1_u16..=256) {
        let index = index >> shift;
        let tile = TileCoord::new(level, index, width).unwrap();
        prop_assert_eq!(TileCoord::parse(&tile.path()), Ok(tile));
        let bundle = BundleCoord::new(index, width).unwrap();
        prop_assert_eq!(BundleCoord::parse(&bundle.path()), Ok(bundle));
    }

    #[test]
    fn a_path_that_is_read_is_the_only_one(path in "tile/(0|1|63|64|01|entries)/(x?[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = TileCoord::parse(&path) {
            prop_assert_eq!(tile.path(), path.clone());
        }
        if let Ok(bundle) = BundleCoord::parse(&path) {
            prop_assert_eq!(bundle.path(), path);
        }
    }

    #[test]
    fn base64_has_one_spelling(text in "[A-Da-d+/=]{0,12}") {
        if let Ok(bytes) = base64::decode(&text) {
            prop_assert_eq!(base64::encode(&bytes), text);
        }
    }

    #[test]
    fn a_witness_cosigns_what_extends_its_head_and_no_flipped_bit_of_it(
        sizes in (0_u64..200, 0_u64..200), at in any::<Index>(), forked in any::<Index>()
    ) {
        let (old, new) = (sizes.0.min(sizes.1), sizes.0.max(sizes.1));
        let log = signer([5; 32]);
        let (keys, size) = ([log.verifier()], TreeSize::new(old));
        let cosigned = |tree: &MemoryTree| LastCosigned { size, root: root_at(tree, size).unwrap() };
        let honest = tree(new);
        let proof = if old == 0 { Vec::new() } else { consistency_proof(&honest, size, honest.size()).unwrap() };
        let checkpoint = Checkpoint { origin: log.name().as_str().into(), size: honest.size(), root: honest.root() };
        let request = AddCheckpoint { old: size, proof, note: Note::parse(&checkpoint.sign(&log)).unwrap() };
        let judged = |request: &AddCheckpoint, last| judge(request, Some(KnownLog { keys: &keys, last: Some(last) }));
        prop_assert_eq!(judged(&request, cosigned(&honest)), Ok(checkpoint));

        // A witness that has cosigned a tree in which one leaf is another cosigns nothing of this one.
        if old > 0 {
            let other = pick(forked, old);
            let mut fork = MemoryTree::new();
            (0..old).for_each(|leaf| {
                fork.push(leaf_hash(&(leaf + u64::from(leaf == other) * 1000).to_be_bytes()));
            });
            prop_assert_eq!(judged(&request, cosigned(&fork)).unwrap_err().status(), 422);
        }

        let text = request.to_string();
        prop_assert_eq!(AddCheckpoint::parse(&text).unwrap(), request);
        let mut bytes = text.into_bytes();
        flip(&mut bytes, at);
        if let Some(parsed) = String::from_utf8(bytes).ok().and_then(|text| {
            let parsed = AddCheckpoint::parse(&text).ok()?;
            assert_eq!(parsed.to_string(), text, "one spelling");
            Some(parsed)
        }) {
            prop_assert!(judged(&parsed, cosigned(&honest)).is_err());
        }
    }
}
