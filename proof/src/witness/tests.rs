use std::format;
use std::string::ToString;
use std::vec;

use super::*;
use crate::key::{KeyName, SecretKey};
use crate::merkle::{MemoryTree, consistency_proof, empty_root, leaf_hash, root_at};
use crate::note::SignerKey;

const LOG: &str = "ledger.example/agents+7becfc2d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
const SIGNED: &str = "ledger.example/agents\n3\n2y7/5k02NSvNTCYL3g4RODEMn3e4nUxXV4ZS+bGFtjA=\n\n\u{2014} ledger.example/agents \
    e+z8LVykRHBWZaX87ksoWUBQy1pE3sfDPc1XZMsso9u3BvASJropTg98R9ASZs+zocBuExKA8NoWGvuhyjepfl/8DAk=\n";
/// The request of the specification's example: from size 2 to size 3.
const REQUEST: &str = "old 2\nT7cNqgptqvfpPys3xeXfczRmMP2KUZltUPHY7v8nlCY=\n\n";
const COSIGNATURE: &str = "\u{2014} witness.example/w1 \
    IDJKvgAAAABlU/EAa8/CEEL9qGthQc6dNY0oS8jmvY6CFRS59KJ0ikTAxhfcNdQoKp/ymoIpiUKg8U+3gJx+5Vv2z5P34rHRaNypAw==\n";

fn log_key() -> SignerKey {
    let seed: Vec<u8> = (0..0x20).collect();
    SignerKey::new(KeyName::new("ledger.example/agents").unwrap(), SecretKey::from_seed(seed.try_into().unwrap()))
}

fn tree(leaves: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    (0..leaves).for_each(|index| tree.push(leaf_hash(format!("event-{index}").as_bytes())));
    tree
}

fn cosigned(size: u64) -> LastCosigned {
    LastCosigned { size: TreeSize::new(size), root: root_at(&tree(size), TreeSize::new(size)).unwrap() }
}

fn checkpoint(size: u64, root: Hash) -> Checkpoint {
    Checkpoint { origin: "ledger.example/agents".into(), size: TreeSize::new(size), root }
}

/// An honest request from one size to another.
fn request(old: u64, size: u64) -> AddCheckpoint {
    let tree = tree(size);
    let (old, new) = (TreeSize::new(old), TreeSize::new(size));
    let proof = if old == TreeSize::ZERO { Vec::new() } else { consistency_proof(&tree, old, new).unwrap() };
    let note = Note::parse(&checkpoint(size, tree.root()).sign(&log_key())).unwrap();
    AddCheckpoint { old, proof, note }
}

fn judged(request: &AddCheckpoint, last: Option<LastCosigned>) -> Result<Checkpoint, Refusal> {
    judge(request, Some(KnownLog { keys: &[log_key().verifier()], last }))
}

#[test]
fn published_request_and_answer() {
    let text = format!("{REQUEST}{SIGNED}");
    let parsed = AddCheckpoint::parse(&text).unwrap();
    assert_eq!(parsed.to_string(), text);
    assert_eq!((parsed.old.get(), parsed.proof.len()), (2, 1));
    assert_eq!(parsed, request(2, 3));
    let keys = [VerifierKey::parse(LOG).unwrap()];
    let known = KnownLog { keys: &keys, last: Some(cosigned(2)) };
    let cosigned = judge(&parsed, Some(known)).unwrap();
    assert_eq!((cosigned.size.get(), cosigned.root), (3, tree(3).root()));

    let lines = parse_cosignatures(COSIGNATURE).unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(format!("{}\n", lines[0]), COSIGNATURE);
    assert_eq!(lines[0].cosigned_at(), Some(1_700_000_000));
    // The witness's own signature, made again.
    let seed: Vec<u8> = (0x20..0x40).collect();
    let name = KeyName::new("witness.example/w1").unwrap();
    let witness = SignerKey::new(name, SecretKey::from_seed(seed.try_into().unwrap()));
    assert_eq!(witness.cosign(&cosigned.body(), 1_700_000_000).unwrap(), lines[0]);
    assert_eq!(lines[0].verify(&parsed.note.text, &witness.cosigner()), Ok(()));
    assert_eq!(
        log_address("ledger.example/agents").to_string(),
        // sha256sum of the origin.
        "0d76633a3277e7f77fa04a2475409eafe4c3b0ce6d26913feddf58684a59be8a"
    );
}

#[test]
fn an_honest_log_is_cosigned_from_any_size_to_any_other() {
    for old in 0..20 {
        for size in old..20 {
            let honest = request(old, size);
            let text = honest.to_string();
            assert_eq!(AddCheckpoint::parse(&text), Ok(honest.clone()), "{old} to {size}");
            let cosigned = judged(&honest, if old == 0 { None } else { Some(cosigned(old)) }).unwrap();
            assert_eq!(cosigned, checkpoint(size, tree(size).root()), "{old} to {size}");
        }
    }
    // A witness that has cosigned the empty tree is where one is that has cosigned nothing.
    assert!(judged(&request(0, 3), Some(cosigned(0))).is_ok());
}

#[test]
fn every_refusal_has_its_status() {
    let forged = |size| checkpoint(size, Hash::new([7; 32])).sign(&log_key());
    let stranger = SignerKey::new(log_key().name().clone(), SecretKey::from_seed([9; 32]));
    let with = |request: AddCheckpoint, note: &str| AddCheckpoint { note: Note::parse(note).unwrap(), ..request };
    let with_proof = |request: AddCheckpoint, proof: Vec<Hash>| AddCheckpoint { proof, ..request };
    let with_old = |request: AddCheckpoint, old| AddCheckpoint { old: TreeSize::new(old), ..request };
    let mut broken = request(2, 3);
    broken.note.signatures[0].blob[5] ^= 1;
    let junk = vec![Hash::new([1; 32])];
    let rows = [
        ("old beyond the checkpoint", with_old(request(3, 3), 4), Some(cosigned(3)), 400),
        ("old beyond the checkpoint, as cosigned", with_old(request(3, 3), 5), Some(cosigned(5)), 400),
        (
            "signed by a stranger",
            with(request(2, 3), &checkpoint(3, tree(3).root()).sign(&stranger)),
            Some(cosigned(2)),
            403,
        ),
        ("the log's signature is broken", broken, Some(cosigned(2)), 403),
        ("another size was cosigned", request(2, 3), Some(cosigned(3)), 409),
        ("an older head than was cosigned", request(1, 2), Some(cosigned(3)), 409),
        ("nothing was cosigned yet", request(2, 3), None, 409),
        ("something was cosigned, the log says nothing was", request(0, 3), Some(cosigned(2)), 409),
        ("another size, and a bad proof too", with_proof(request(2, 3), junk.clone()), Some(cosigned(1)), 409),
        ("same size, other root", with(with_old(request(3, 3), 3), &forged(3)), Some(cosigned(3)), 422),
        (
            "same size, other root, with a proof",
            with_proof(with(request(3, 3), &forged(3)), junk.clone()),
            Some(cosigned(3)),
            422,
        ),
        ("same size and root, with a proof", with_proof(request(3, 3), junk.clone()), Some(cosigned(3)), 422),
        ("a proof from nothing", with_proof(request(0, 3), junk.clone()), None, 422),
        ("an empty tree with a root of its own", with(request(0, 0), &forged(0)), None, 422),
        ("an empty tree with a proof", with_proof(request(0, 0), junk.clone()), None, 422),
        ("no proof", with_proof(request(2, 3), Vec::new()), Some(cosigned(2)), 422),
        ("another proof", with_proof(request(2, 3), junk.clone()), Some(cosigned(2)), 422),
        (
            "a proof and a hash more",
            with_proof(request(2, 3), [request(2, 3).proof, junk].concat()),
            Some(cosigned(2)),
            422,
        ),
        ("another tree of three", with(request(2, 3), &forged(3)), Some(cosigned(2)), 422),
        (
            "a tree of two that was never cosigned",
            request(2, 3),
            Some(LastCosigned { root: Hash::ZERO, ..cosigned(2) }),
            422,
        ),
    ];
    for (name, request, last, status) in rows {
        let refusal = judged(&request, last).unwrap_err();
        assert_eq!(refusal.status(), status, "{name}: {refusal}");
        assert_eq!(matches!(refusal, Refusal::OtherSize { .. }), status == 409, "{name}");
    }
}

#[test]
fn the_size_cosigned_last_is_named() {
    assert_eq!(judged(&request(2, 3), Some(cosigned(1))), Err(Refusal::OtherSize { last: TreeSize::new(1) }));
    assert_eq!(judged(&request(2, 3), None), Err(Refusal::OtherSize { last: TreeSize::ZERO }));
    assert_eq!(parse_size("17\n"), Some(TreeSize::new(17)));
    for other in ["", "17", "017\n", "+1\n", "17\n\n", " 17\n", "18446744073709551616\n", "x\n"] {
        assert_eq!(parse_size(other), None, "{other:?}");
    }
}

#[test]
fn a_log_that_nobody_named_is_unknown_and_only_its_own_keys_speak_for_it() {
    let unknown = Refusal::UnknownLog { origin: "ledger.example/agents".into() };
    assert_eq!(judge(&request(2, 3), None), Err(unknown.clone()));
    assert_eq!(unknown.status(), 404);
    // A key of the same owner under another log's name does not count, even if the caller mixes them up.
    let other = SignerKey::new(KeyName::new("other.example").unwrap(), log_key().secret().clone());
    let note = Note::parse(&other.sign_note(&request(2, 3).note.text).unwrap()).unwrap();
    let mixed = AddCheckpoint { note, ..request(2, 3) };
    let keys = [other.verifier()];
    let refusal = judge(&mixed, Some(KnownLog { keys: &keys, last: Some(cosigned(2)) })).unwrap_err();
    assert_eq!((refusal.status(), refusal), (403, Refusal::NotSigned(NoteError::NoKnownKey)));
    // A witness's key is no log's key.
    let keys = [log_key().cosigner()];
    assert_eq!(
        judge(&request(2, 3), Some(KnownLog { keys: &keys, last: Some(cosigned(2)) })).unwrap_err().status(),
        403
    );
    // Of two keys of the log one is enough, but a failing one condemns.
    let next = SignerKey::new(log_key().name().clone(), SecretKey::from_seed([5; 32]));
    let keys = [next.verifier(), log_key().verifier()];
    assert!(judge(&request(2, 3), Some(KnownLog { keys: &keys, last: Some(cosigned(2)) })).is_ok());
    let mut both = request(2, 3);
    let signature = Note::parse(&next.sign_note("other\n").unwrap()).unwrap().signatures.remove(0);
    both.note.signatures.push(signature);
    assert_eq!(judge(&both, Some(KnownLog { keys: &keys, last: Some(cosigned(2)) })).unwrap_err().status(), 403);
}

#[test]
fn requests_have_one_spelling() {
    let hash = "T7cNqgptqvfpPys3xeXfczRmMP2KUZltUPHY7v8nlCY=";
    let many = |lines: usize| format!("old 2\n{}\n{SIGNED}", format!("{hash}\n").repeat(lines));
    assert_eq!(AddCheckpoint::parse(&many(63)).unwrap().proof.len(), 63);
    let rows = [
        (String::new(), AddCheckpointError::NoCheckpoint),
        ("old 2\n".into(), AddCheckpointError::NoCheckpoint),
        (format!("old 2\n{hash}\n"), AddCheckpointError::NoCheckpoint),
        (format!("old 2\n{hash}\n{SIGNED}"), AddCheckpointError::Proof { number: 2 }),
        (format!("\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old \n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old  2\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old 02\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old +2\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old -1\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old 18446744073709551616\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("OLD 2\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old 2\r\n\r\n{SIGNED}"), AddCheckpointError::Old),
        (format!("{hash}\n\n{SIGNED}"), AddCheckpointError::Old),
        (format!("old 2\n{}\n\n{SIGNED}", hash.trim_start_matches('T')), AddCheckpointError::Proof { number: 1 }),
        (format!("old 2\n{hash} \n\n{SIGNED}"), AddCheckpointError::Proof { number: 1 }),
        (format!("old 2\n{hash}\nAAAA\n\n{SIGNED}"), AddCheckpointError::Proof { number: 2 }),
        (many(64), AddCheckpointError::TooManyHashes),
        (format!("old 2\n\n\n{SIGNED}"), AddCheckpointError::Checkpoint(CheckpointError::Lines)),
        ("old 2\n\njunk".into(), AddCheckpointError::Note(NoteError::NoSignatures)),
        (format!("old 2\n\n{SIGNED}\n"), AddCheckpointError::Note(NoteError::NoSignatures)),
        (
            format!("old 2\n\n{}", SIGNED.replace("\n3\n", "\n03\n")),
            AddCheckpointError::Checkpoint(CheckpointError::Size),
        ),
        (
            format!("old 2\n\n{}", SIGNED.replacen("jA=\n", "jA=\nextension\n", 1)),
            AddCheckpointError::Checkpoint(CheckpointError::Lines),
        ),
        (
            format!("old 2\n\n{}", "x".repeat(MAX_ADD_CHECKPOINT_BYTES)),
            AddCheckpointError::Size { got: MAX_ADD_CHECKPOINT_BYTES + 7 },
        ),
    ];
    for (text, error) in rows {
        assert_eq!(AddCheckpoint::parse(&text), Err(error.clone()), "{text:.80}");
        assert_eq!(Refusal::Malformed(error).status(), 400);
    }
}

#[test]
fn answers_have_one_spelling() {
    let twice = format!("{COSIGNATURE}{COSIGNATURE}");
    assert_eq!(parse_cosignatures(&twice).unwrap().len(), 2);
    assert_eq!(parse_cosignatures(""), Err(NoteError::FinalNewline));
    assert_eq!(parse_cosignatures(COSIGNATURE.trim_end()), Err(NoteError::FinalNewline));
    assert_eq!(parse_cosignatures("\n"), Err(NoteError::SignatureLine { number: 1 }));
    assert_eq!(parse_cosignatures(&format!("{COSIGNATURE}\n")), Err(NoteError::SignatureLine { number: 2 }));
    assert_eq!(parse_cosignatures(&COSIGNATURE.repeat(65)), Err(NoteError::TooManySignatures));
}

#[test]
fn an_empty_tree_is_cosigned_only_under_the_empty_root() {
    let cosigned = judged(&request(0, 0), None).unwrap();
    assert_eq!((cosigned.size, cosigned.root), (TreeSize::ZERO, empty_root()));
}
