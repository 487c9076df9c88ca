use std::string::ToString;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    log: Keys,
    cosigned: String,
    tlog_proof: String,
}

#[derive(Deserialize)]
struct Keys {
    vkey: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/notes.json")).unwrap()
}

#[test]
fn published_file() {
    let Vectors { log, cosigned, tlog_proof } = vectors();
    assert_eq!(tlog_proof.len(), 439);
    let key = VerifierKey::parse(&log.vkey).unwrap();
    let proof = TlogProof::parse(&tlog_proof).unwrap();
    assert_eq!(proof.to_string(), tlog_proof);
    assert_eq!((proof.index, proof.path.len()), (LeafIndex::new(1), 2));
    assert_eq!(proof.extra, None);
    assert_eq!(proof.checkpoint, cosigned);
    assert_eq!(proof.verify(b"event-1", &key).unwrap().size.get(), 3);
    for other in ["event-0", "event-2", ""] {
        let verdict = proof.verify(other.as_bytes(), &key);
        assert!(matches!(verdict, Err(TlogProofError::Inclusion(_))), "{other}");
    }
}

#[test]
fn extra_bytes_travel_along_and_prove_nothing() {
    let Vectors { log, tlog_proof, .. } = vectors();
    let key = VerifierKey::parse(&log.vkey).unwrap();
    for (text, bytes) in [("", &b""[..]), ("ZXZlbnQtMQ==", b"event-1"), ("AA==", b"\0")] {
        let with = tlog_proof.replace("index 1", &std::format!("extra {text}\nindex 1"));
        let proof = TlogProof::parse(&with).unwrap();
        assert_eq!(proof.extra.as_deref(), Some(bytes));
        assert_eq!(proof.to_string(), with);
        assert!(proof.verify(b"event-1", &key).is_ok());
    }
}

#[test]
fn a_tree_of_one_leaf_has_an_empty_path() {
    let text = "c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint";
    let proof = TlogProof::parse(text).unwrap();
    assert_eq!((proof.path.len(), proof.checkpoint.as_str()), (0, "checkpoint"));
    assert_eq!(proof.to_string(), text);
}

#[test]
fn other_forms_are_refused() {
    let good = vectors().tlog_proof;
    let hash = "ZzTbOxm2Tcg3A/mh9K7naX37KS+04IJ8xj+KNRsbNgk=\n";
    let cases = [
        (String::new(), TlogProofError::Magic),
        (good.replace("@v1", "@v2"), TlogProofError::Magic),
        (std::format!("\n{good}"), TlogProofError::Magic),
        (good.replace("\n\n", "\n"), TlogProofError::NoCheckpoint),
        (good.replace("index 1\n", ""), TlogProofError::Index),
        (good.replace("index 1", "index 01"), TlogProofError::Index),
        (good.replace("index 1", "index -1"), TlogProofError::Index),
        (good.replace("index 1", "index 1 "), TlogProofError::Index),
        (good.replace("index 1", "Index 1"), TlogProofError::Index),
        (good.replace("index 1", "index 18446744073709551616"), TlogProofError::Index),
        (good.replace("index 1", "extra ?\nindex 1"), TlogProofError::Extra),
        (good.replace("index 1", "extra AA\nindex 1"), TlogProofError::Extra),
        (good.replace("index 1", "extra \nextra \nindex 1"), TlogProofError::Index),
        (good.replace("index 1", "index 1\nextra "), TlogProofError::Path { number: 1 }),
        (good.replace(hash, "AAAA\n"), TlogProofError::Path { number: 1 }),
        (good.replace("4IJ8xj+KNRsbNgk=", "4IJ8xj+KNRsbNgk= "), TlogProofError::Path { number: 1 }),
        (good.replace(hash, &hash.repeat(65)), TlogProofError::TooManyHashes),
        (good.replace('\n', "\r\n"), TlogProofError::Magic),
    ];
    for (text, error) in cases {
        assert_eq!(TlogProof::parse(&text), Err(error), "{text}");
    }
    let longer = TlogProof::parse(&good.replace(hash, &hash.repeat(2))).unwrap();
    let key = VerifierKey::parse(&vectors().log.vkey).unwrap();
    let error = TlogProofError::Inclusion(MerkleError::PathLength { got: 3 });
    assert_eq!(longer.verify(b"event-1", &key), Err(error));
}
