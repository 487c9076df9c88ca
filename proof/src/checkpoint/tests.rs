use std::string::ToString;
use std::vec::Vec;

use serde::Deserialize;

use super::*;
use crate::key::SecretKey;

#[derive(Deserialize)]
struct Vectors {
    log: Keys,
    witness: Keys,
    checkpoint: Fields,
    signed: String,
    cosigned: String,
}

#[derive(Deserialize)]
struct Keys {
    vkey: String,
}

#[derive(Deserialize)]
struct Fields {
    origin: String,
    size: TreeSize,
    root: Hash,
    body: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/notes.json")).unwrap()
}

fn signer(name: &str, seed: u8) -> SignerKey {
    SignerKey::new(KeyName::new(name).unwrap(), SecretKey::from_seed([seed; 32]))
}

#[test]
fn published_checkpoint() {
    let Vectors { log, checkpoint: fields, signed, cosigned, .. } = vectors();
    let Fields { origin, size, root, body } = fields;
    let checkpoint = Checkpoint { origin, size, root };
    assert_eq!(checkpoint.body(), body);
    assert_eq!(Checkpoint::parse_body(&body).unwrap(), checkpoint);
    let key = VerifierKey::parse(&log.vkey).unwrap();
    for note in [signed, cosigned] {
        assert_eq!(Checkpoint::open(&note, &key).unwrap(), checkpoint);
    }
}

#[test]
fn another_spelling_of_the_body_is_refused() {
    let body = vectors().checkpoint.body;
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    let with = |position: usize, line: &str| {
        let mut lines = lines.clone();
        lines[position] = line;
        lines.concat()
    };
    let largest = with(1, "18446744073709551615\n");
    assert_eq!(Checkpoint::parse_body(&largest).unwrap().size, TreeSize::new(u64::MAX));
    let cases = [
        (String::new(), CheckpointError::Lines),
        (body.trim_end().into(), CheckpointError::Lines),
        (lines[..2].concat(), CheckpointError::Lines),
        (body.clone() + "extension\n", CheckpointError::Lines),
        (body.clone() + "\n", CheckpointError::Lines),
        (with(0, "\n"), CheckpointError::Origin),
        (with(0, "a b\n"), CheckpointError::Origin),
        (with(0, "a+b\n"), CheckpointError::Origin),
        (with(0, "a\r\n"), CheckpointError::Origin),
        (with(1, "\n"), CheckpointError::Size),
        (with(1, "03\n"), CheckpointError::Size),
        (with(1, "+3\n"), CheckpointError::Size),
        (with(1, "-3\n"), CheckpointError::Size),
        (with(1, "3 \n"), CheckpointError::Size),
        (with(1, "0x3\n"), CheckpointError::Size),
        (with(1, "\u{663}\n"), CheckpointError::Size),
        (with(1, "18446744073709551616\n"), CheckpointError::Size),
        (with(2, "\n"), CheckpointError::Root),
        (with(2, "AAAA\n"), CheckpointError::Root),
        (with(2, &lines[2].replace('=', "")), CheckpointError::Root),
        (with(2, &lines[2].replace("jA=", "jB=")), CheckpointError::Root),
        (with(1, "0\n"), CheckpointError::EmptyRoot),
    ];
    for (body, error) in cases {
        assert_eq!(Checkpoint::parse_body(&body), Err(error), "{body:?}");
    }
}

#[test]
fn the_empty_tree_has_a_checkpoint() {
    let signer = signer("log.example", 1);
    let empty = Checkpoint { origin: "log.example".into(), size: TreeSize::ZERO, root: empty_root() };
    assert_eq!(Checkpoint::open(&empty.sign(&signer), &signer.verifier()).unwrap(), empty);
}

#[test]
fn only_the_logs_own_key_opens_its_checkpoint() {
    let Vectors { log, witness, cosigned, .. } = vectors();
    let key = VerifierKey::parse(&log.vkey).unwrap();
    let witness = VerifierKey::parse(&witness.vkey).unwrap();
    assert_eq!(Checkpoint::open(&cosigned, &witness), Err(CheckpointError::NotALogKey));

    let stranger = signer("ledger.example/agents", 9);
    let unknown = Err(CheckpointError::Note(NoteError::NoKnownKey));
    assert_eq!(Checkpoint::open(&cosigned, &stranger.verifier()), unknown);

    // A log that signs another log's head, with a good signature.
    let checkpoint = Checkpoint::open(&cosigned, &key).unwrap();
    let other = signer("other.example", 1);
    let error = Checkpoint::open(&checkpoint.sign(&other), &other.verifier()).unwrap_err();
    let (expected, got) = (other.name().clone(), checkpoint.origin.clone());
    assert_eq!(error, CheckpointError::OtherLog { expected, got });
    assert_eq!(error.to_string(), "expected a checkpoint of `other.example`, got one of `ledger.example/agents`");

    let tampered = cosigned.replace("\n3\n", "\n4\n");
    let name = key.name().clone();
    let bad = CheckpointError::Note(NoteError::BadSignature { name });
    assert_eq!(Checkpoint::open(&tampered, &key), Err(bad));
}

#[test]
fn extension_lines_are_refused_even_when_signed() {
    let signer = signer("log.example", 1);
    let root = base64::encode(Hash::ZERO.as_bytes());
    let note = signer.sign_note(&std::format!("log.example\n1\n{root}\nextension\n")).unwrap();
    assert_eq!(Checkpoint::open(&note, &signer.verifier()), Err(CheckpointError::Lines));
}

#[test]
fn another_implementation_reads_our_checkpoints_and_we_read_its() {
    let body = vectors().checkpoint.body;
    let ours = Checkpoint::parse_body(&body).unwrap();
    let theirs = tlog_tiles::Checkpoint::from_bytes(body.as_bytes()).unwrap();
    assert_eq!(theirs.origin(), ours.origin);
    assert_eq!(theirs.size(), ours.size.get());
    assert_eq!(theirs.hash().0, *ours.root.as_bytes());
    let root = tlog_tiles::Hash(*ours.root.as_bytes());
    let made = tlog_tiles::Checkpoint::new(&ours.origin, ours.size.get(), root, "").unwrap();
    assert_eq!(made.to_bytes(), ours.body().as_bytes());
}
