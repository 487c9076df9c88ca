use std::string::{String, ToString};
use std::vec::Vec;

use serde_json::{Value, json};

use super::*;
use crate::checkpoint::CheckpointError;
use crate::key::{KeyName, SecretKey};
use crate::merkle::{MemoryTree, MerkleError};
use crate::note::{NoteError, SignerKey};

#[derive(Deserialize)]
struct Vectors {
    vkey: VerifierKey,
    leaves: Vec<String>,
    one: String,
    story: String,
    one_as_tlog_proof: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/receipt.json")).unwrap()
}

fn parse(text: &str) -> Receipt {
    Receipt::parse_json(text.as_bytes()).unwrap()
}

#[test]
fn vectors_made_independently() {
    let Vectors { vkey, leaves, one, story, one_as_tlog_proof } = vectors();
    for (text, indices) in [(&one, &[3][..]), (&story, &[0, 1, 4])] {
        let receipt = parse(text);
        assert_eq!(String::from_utf8(receipt.to_json()).unwrap(), *text);
        assert_eq!(canonical::to_vec(&receipt).unwrap(), text.as_bytes());
        assert_eq!(serde_json::from_str::<Receipt>(text).unwrap(), receipt);
        assert_eq!(Receipt::parse_any(text.as_bytes()), Ok(receipt.clone()));
        let verified = receipt.verify(&vkey).unwrap();
        assert_eq!(verified.checkpoint().size.get(), 5);
        let expected: Vec<(LeafIndex, Vec<u8>)> = indices
            .iter()
            .map(|index| (LeafIndex::new(*index), leaves[usize::try_from(*index).unwrap()].clone()))
            .map(|(index, leaf)| (index, leaf.into_bytes()))
            .collect();
        assert_eq!(verified.entries(), expected);
    }
    assert_eq!(parse(&one).to_tlog_proof().unwrap(), one_as_tlog_proof);
    assert_eq!(Receipt::parse_any(one_as_tlog_proof.as_bytes()), Ok(parse(&one)));
    let several = Err(ReceiptError::NotOneEntry { got: 3 });
    assert_eq!(parse(&story).to_tlog_proof(), several);
}

#[test]
fn another_spelling_is_read_and_written_canonically() {
    let Vectors { one, .. } = vectors();
    let value: Value = serde_json::from_str(&one).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(String::from_utf8(parse(&pretty).to_json()).unwrap(), one);
}

#[test]
fn a_leaf_under_another_key_or_root_is_refused() {
    let Vectors { vkey, one, .. } = vectors();
    let receipt = parse(&one);
    let secret = SecretKey::from_seed([9; 32]);
    let stranger = SignerKey::new(vkey.name().clone(), secret.clone());
    let unknown = ReceiptError::Checkpoint(CheckpointError::Note(NoteError::NoKnownKey));
    assert_eq!(receipt.verify(&stranger.verifier()), Err(unknown.clone()));
    let elsewhere = SignerKey::new(KeyName::new("other.example").unwrap(), secret);
    assert_eq!(receipt.verify(&elsewhere.verifier()), Err(unknown));

    let mut changed = receipt.clone();
    changed.entries[0].leaf = changed.entries[0].leaf.replace("created", "changed");
    let error = changed.verify(&vkey).unwrap_err();
    let index = LeafIndex::new(3);
    assert!(matches!(
        error,
        ReceiptError::Inclusion { index: at, error: MerkleError::RootMismatch { .. } } if at == index
    ));
    let mut changed = receipt.clone();
    changed.checkpoint = changed.checkpoint.replace("\n5\n", "\n6\n");
    assert!(matches!(changed.verify(&vkey), Err(ReceiptError::Checkpoint(_))));
}

#[test]
fn attacks_on_paths_and_indices_are_refused() {
    let Vectors { vkey, story, .. } = vectors();
    let good = parse(&story);
    let refused = |what: &str, change: &dyn Fn(&mut Receipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        assert!(receipt.verify(&vkey).is_err(), "{what}");
        // What no key is needed for is refused on reading already.
        let text = receipt.to_json();
        if let Ok(read) = Receipt::parse_json(&text) {
            assert_eq!(read, receipt, "{what}");
        }
    };
    refused("no entry", &|r| r.entries.clear());
    refused("duplicate entry", &|r| r.entries[1] = r.entries[0].clone());
    refused("fake leaf at a duplicate index", &|r| {
        let mut fake = r.entries[0].clone();
        fake.leaf = "fake".into();
        r.entries.insert(1, fake);
    });
    refused("unsorted", &|r| r.entries.swap(0, 1));
    refused("index = size", &|r| r.entries[2].index = LeafIndex::new(5));
    refused("index beyond", &|r| {
        r.entries[2].index = LeafIndex::new(u64::MAX);
    });
    refused("another index", &|r| r.entries[2].index = LeafIndex::new(3));
    refused("extra hash", &|r| r.entries[0].path.push(Hash::ZERO));
    refused("missing hash", &|r| {
        r.entries[0].path.pop();
    });
    refused("swapped hashes", &|r| r.entries[0].path.swap(0, 1));
    refused("empty path", &|r| r.entries[0].path.clear());
    refused("paths exchanged", &|r| {
        let path = r.entries[0].path.clone();
        r.entries[0].path = r.entries[1].path.clone();
        r.entries[1].path = path;
    });
    refused("path too long to be one", &|r| {
        r.entries[0].path = std::vec![Hash::ZERO; 65];
    });
    refused("leaf too long to be one", &|r| {
        r.entries[0].leaf = "x".repeat(MAX_LEAF_BYTES + 1);
    });
    refused("too many entries", &|r| {
        let entry = r.entries[0].clone();
        r.entries = (0..=1024).map(|index| ReceiptEntry { index: LeafIndex::new(index), ..entry.clone() }).collect();
    });
}

#[test]
fn a_tree_of_one_leaf_has_a_receipt() {
    let signer = SignerKey::new(KeyName::new("log.example").unwrap(), SecretKey::from_seed([1; 32]));
    let mut tree = MemoryTree::new();
    tree.push(merkle::leaf_hash(b"only"));
    let checkpoint = Checkpoint { origin: "log.example".into(), size: tree.size(), root: tree.root() };
    let entry = ReceiptEntry { index: LeafIndex::new(0), leaf: "only".into(), path: Vec::new() };
    let receipt = Receipt { checkpoint: checkpoint.sign(&signer), entries: std::vec![entry] };
    assert!(receipt.verify(&signer.verifier()).is_ok());
    let text = receipt.to_tlog_proof().unwrap();
    assert_eq!(Receipt::parse_any(text.as_bytes()), Ok(receipt.clone()));
    assert_eq!(Receipt::parse_any(&receipt.to_json()), Ok(receipt));
}

#[test]
fn malformed_json_is_refused() {
    let good: Value = serde_json::from_str(&vectors().one).unwrap();
    let changes: [(&str, Value); 12] = [
        ("/v", json!(2)),
        ("/v", json!("1")),
        ("/checkpoint", json!(null)),
        ("/entries", json!({})),
        ("/entries", json!([])),
        ("/entries/0/index", json!("3")),
        ("/entries/0/index", json!(-1)),
        ("/entries/0/index", json!(0.5)),
        ("/entries/0/leaf", json!({})),
        ("/entries/0/path", json!(null)),
        ("/entries/0/path/0", json!("AAAA")),
        ("/entries/0/path/0", json!(null)),
    ];
    for (pointer, value) in changes {
        let mut altered = good.clone();
        *altered.pointer_mut(pointer).unwrap() = value;
        assert!(Receipt::parse_json(altered.to_string().as_bytes()).is_err(), "{pointer}");
    }
    for pointer in ["", "/entries/0"] {
        let mut extra = good.clone();
        extra.pointer_mut(pointer).unwrap()["extra"] = json!(1);
        let error = Receipt::parse_json(extra.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, ReceiptError::Fields(_)), "{error}");
    }
    for field in ["v", "checkpoint", "entries"] {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(field);
        assert!(Receipt::parse_json(missing.to_string().as_bytes()).is_err());
    }
    // serde_json alone would take the last of two keys.
    let twice = vectors().one.replacen('{', r#"{"v":1,"#, 1);
    assert!(matches!(Receipt::parse_json(twice.as_bytes()), Err(ReceiptError::Json(_))));
}

#[test]
fn a_tlog_proof_needs_its_leaf_as_text() {
    let good = vectors().one_as_tlog_proof;
    let extra = good.lines().nth(1).unwrap();
    let without = good.replace(&std::format!("{extra}\n"), "");
    assert_eq!(Receipt::parse_tlog_proof(&without), Err(ReceiptError::NoLeaf));
    let not_text = good.replace(extra, "extra /w==");
    assert_eq!(Receipt::parse_tlog_proof(&not_text), Err(ReceiptError::NoLeaf));
    let other_version = good.replace("@v1", "@v2");
    assert!(matches!(Receipt::parse_any(other_version.as_bytes()), Err(ReceiptError::Json(_))));
}
