use std::string::ToString;
use std::vec::Vec;

use serde::Deserialize;
use signed_note::{Note as TheirNote, StandardSigner, StandardVerifier, VerifierList, Verifiers as _};

use super::*;
use crate::key::{KeyError, SecretKey};

#[derive(Deserialize)]
struct Vectors {
    log: Log,
    witness: Witness,
    checkpoint: Body,
    signed: String,
    cosigned: String,
}

#[derive(Deserialize)]
struct Log {
    seed: String,
    vkey: String,
    signer_key: String,
}

#[derive(Deserialize)]
struct Witness {
    seed: String,
    vkey: String,
    time: u64,
}

#[derive(Deserialize)]
struct Body {
    body: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/notes.json")).unwrap()
}

fn secret(seed: &str) -> SecretKey {
    SecretKey::from_seed(hex::decode(seed).unwrap().try_into().unwrap())
}

fn signer(name: &str, seed: u8) -> SignerKey {
    SignerKey::new(KeyName::new(name).unwrap(), SecretKey::from_seed([seed; 32]))
}

fn lines(note: &str) -> Vec<&str> {
    note.split_inclusive('\n').collect()
}

#[test]
fn published_keys() {
    let Vectors { log, witness, .. } = vectors();
    let key = VerifierKey::parse(&log.vkey).unwrap();
    assert_eq!(key.to_string(), log.vkey);
    assert_eq!(key.hash(), 0x7bec_fc2d);
    assert_eq!(key.kind(), KeyKind::Ed25519);
    assert_eq!(*key.key(), secret(&log.seed).public());
    let signer = SignerKey::parse(&log.signer_key).unwrap();
    assert_eq!(signer.encode(), log.signer_key);
    assert_eq!(signer.verifier(), key);

    let key = VerifierKey::parse(&witness.vkey).unwrap();
    assert_eq!(key.to_string(), witness.vkey);
    assert_eq!(key.hash(), 0x2032_4abe);
    assert_eq!(key.kind(), KeyKind::Cosignature);
    assert_eq!(*key.key(), secret(&witness.seed).public());

    let json = serde_json::to_string(&key).unwrap();
    assert_eq!(serde_json::from_str::<VerifierKey>(&json).unwrap(), key);
}

#[test]
fn published_note() {
    let Vectors { log, witness, checkpoint, signed, cosigned } = vectors();
    let log_key = VerifierKey::parse(&log.vkey).unwrap();
    let witness_key = VerifierKey::parse(&witness.vkey).unwrap();

    let signer = SignerKey::parse(&log.signer_key).unwrap();
    assert_eq!(signer.sign_note(&checkpoint.body).unwrap(), signed);

    let note = Note::parse(&cosigned).unwrap();
    assert_eq!(note.text, checkpoint.body);
    assert_eq!(note.to_string(), cosigned);
    let time = note.signatures[1].blob.first_chunk().copied().map(u64::from_be_bytes);
    assert_eq!(time, Some(witness.time));
    let keys = [witness_key.clone(), log_key.clone()];
    assert_eq!(note.verify(&keys).unwrap(), [&witness_key, &log_key]);
    assert_eq!(note.verify(&keys[..1]).unwrap(), [&witness_key]);
    assert_eq!(note.verify(&[log_key.clone(), log_key.clone()]).unwrap(), [&log_key]);
    assert_eq!(Note::parse(&signed).unwrap().verify(&keys).unwrap(), [&log_key]);
}

#[test]
fn a_cosignature_covers_its_time_and_the_whole_text() {
    let Vectors { witness, cosigned, .. } = vectors();
    let keys = [VerifierKey::parse(&witness.vkey).unwrap()];
    let refused = |note: &Note| {
        let name = keys[0].name().clone();
        assert_eq!(note.verify(&keys), Err(NoteError::BadSignature { name }));
    };
    let note = Note::parse(&cosigned).unwrap();
    for byte in 0..note.signatures[1].blob.len() {
        let mut changed = note.clone();
        changed.signatures[1].blob[byte] ^= 1;
        refused(&changed);
    }
    let mut changed = note.clone();
    changed.text.push_str("extension\n");
    refused(&changed);
    for len in [1, 7, 8, 64, 71, 73] {
        let mut changed = note.clone();
        changed.signatures[1].blob.resize(len, 0);
        refused(&changed);
    }
    // The same key without a time is another kind of key, hence unknown.
    let plain = VerifierKey::new(keys[0].name().clone(), *keys[0].key());
    assert_eq!(note.verify(&[plain]), Err(NoteError::NoKnownKey));
}

#[test]
fn a_failing_known_key_condemns_the_note() {
    let (one, two) = (signer("one.example", 1), signer("two.example", 2));
    let text = "text\n";
    let good = Note::parse(&one.sign_note(text).unwrap()).unwrap();
    let other = Note::parse(&two.sign_note("other\n").unwrap()).unwrap();
    let mut mixed = good.clone();
    mixed.signatures.extend(other.signatures);
    let keys = [one.verifier(), two.verifier()];
    let bad = Err(NoteError::BadSignature { name: two.name().clone() });
    assert_eq!(mixed.verify(&keys), bad);
    // Unknown, so not looked at.
    assert_eq!(mixed.verify(&keys[..1]).unwrap(), [&keys[0]]);
    // A good signature does not make up for a bad one by the same key.
    let mut doubled = good.clone();
    doubled.signatures.push(good.signatures[0].clone());
    assert_eq!(doubled.verify(&keys[..1]).unwrap(), [&keys[0]]);
    doubled.signatures[1].blob[0] ^= 1;
    let bad = Err(NoteError::BadSignature { name: one.name().clone() });
    assert_eq!(doubled.verify(&keys[..1]), bad);
    assert_eq!(good.verify(&[]), Err(NoteError::NoKnownKey));
    assert_eq!(good.verify(&keys[1..]), Err(NoteError::NoKnownKey));
    // Same key under another name: another key.
    assert_eq!(good.verify(&[signer("1.example", 1).verifier()]), Err(NoteError::NoKnownKey));
}

#[test]
fn the_last_blank_line_ends_the_text() {
    let signer = signer("one.example", 1);
    for text in ["\n", "\n\n", "a\n\nb\n", "a\n\n\n", "\n\na\n", "\u{2014} one.example AAAAAAA=\n\n"] {
        let note = Note::parse(&signer.sign_note(text).unwrap()).unwrap();
        assert_eq!(note.text, text);
        assert_eq!(note.verify(&[signer.verifier()]).unwrap().len(), 1);
    }
}

#[test]
fn malformed_notes_are_refused() {
    let good = signer("one.example", 1).sign_note("text\n").unwrap();
    let line = lines(&good)[2];
    let with_line = |line: &str| std::format!("text\n\n{line}");
    let bad_line = NoteError::SignatureLine { number: 1 };
    let cases = [
        (String::new(), NoteError::NoSignatures),
        ("text\n".into(), NoteError::NoSignatures),
        ("text\n\n".into(), NoteError::NoSignatures),
        (std::format!("text\n{line}"), NoteError::NoSignatures),
        (with_line(line.trim_end()), NoteError::NoSignatures),
        (std::format!("{good}\n"), NoteError::NoSignatures),
        (with_line(&line.replace('\u{2014}', "-")), bad_line.clone()),
        (with_line(&line.replace('\u{2014}', "\u{2013}")), bad_line.clone()),
        (with_line(&line.replace("one.example", "")), bad_line.clone()),
        (with_line(&line.replace("one.example", "a+b")), bad_line.clone()),
        (with_line(&line.replace("one.example", "a b")), bad_line.clone()),
        (with_line(&line.replace("one.example", "a\u{3000}b")), bad_line.clone()),
        (with_line(&line.replace("=\n", "\n")), bad_line.clone()),
        (with_line(&line.replace("=\n", "= \n")), bad_line.clone()),
        (with_line("\u{2014} one.example AAAAAA==\n"), bad_line.clone()),
        (with_line("\u{2014} one.example \n"), bad_line.clone()),
        (with_line("\u{2014} one.example\n"), bad_line),
        (std::format!("{good}junk\n"), NoteError::SignatureLine { number: 2 }),
        (good.replace("text", "te\tt"), NoteError::ControlCharacter),
        (good.replace("text", "te\0t"), NoteError::ControlCharacter),
        (good.replace('\n', "\r\n"), NoteError::ControlCharacter),
        ("a".repeat(MAX_NOTE_BYTES + 1), NoteError::Size { got: MAX_NOTE_BYTES + 1 }),
    ];
    for (note, error) in cases {
        assert_eq!(Note::parse(&note), Err(error), "{note:.60}");
    }
}

#[test]
fn signatures_are_counted_before_they_are_read() {
    let good = signer("one.example", 1).sign_note("text\n").unwrap();
    let line = lines(&good)[2];
    let most = std::format!("text\n\n{}", line.repeat(MAX_NOTE_SIGNATURES));
    assert_eq!(Note::parse(&most).unwrap().signatures.len(), MAX_NOTE_SIGNATURES);
    assert_eq!(Note::parse(&(most + line)), Err(NoteError::TooManySignatures));
}

#[test]
fn only_fit_text_is_signed() {
    let signer = signer("one.example", 1);
    assert_eq!(signer.sign_note("text"), Err(NoteError::FinalNewline));
    assert_eq!(signer.sign_note(""), Err(NoteError::FinalNewline));
    assert_eq!(signer.sign_note("a\rb\n"), Err(NoteError::ControlCharacter));
    let long = "a".repeat(MAX_NOTE_BYTES) + "\n";
    assert!(matches!(signer.sign_note(&long), Err(NoteError::Size { .. })));
}

#[test]
fn malformed_key_lines_are_refused() {
    let line = vectors().log.vkey;
    let parse = |line: &str| VerifierKey::parse(line).unwrap_err();
    let (expected, got) = (0x7bec_fc2d, 0x7bec_fc2e);
    assert_eq!(parse(&line.replace("fc2d", "fc2e")), KeyLineError::Hash { expected, got });
    assert!(matches!(parse(&line.replace("ledger", "Ledger")), KeyLineError::Hash { .. }));
    let with_bytes = |bytes: &[u8]| std::format!("a+00000000+{}", base64::encode(bytes));
    let mut weak = [0; 33];
    weak[0] = 1;
    assert_eq!(parse(&with_bytes(&weak)), KeyLineError::Key(KeyError::Weak));
    for kind in [0, 2, 3, 5, 6, 255] {
        weak[0] = kind;
        assert_eq!(parse(&with_bytes(&weak)), KeyLineError::Kind { got: kind });
    }
    for other in [
        "",
        "a",
        "a+b",
        &line.replace("7becfc2d", "7BECFC2D"),
        &line.replace("7becfc2d", "becfc2d"),
        &line.replace("7becfc2d", "+becfc2d"),
        &line.replace("VTG4", "VTG"),
        &std::format!("{line}\n"),
        &with_bytes(&[]),
        &with_bytes(&[1; 32]),
        &with_bytes(&[1; 34]),
    ] {
        assert_eq!(parse(other), KeyLineError::Format, "{other}");
    }
    assert_eq!(parse(&line.replace("ledger", "led ger")), KeyLineError::Key(KeyError::Name));

    let line = vectors().log.signer_key;
    let parse = |line: &str| SignerKey::parse(line).unwrap_err();
    assert!(matches!(parse(&line.replace("fc2d", "fc2e")), KeyLineError::Hash { .. }));
    assert_eq!(parse(&line.replace("PRIVATE+KEY+", "")), KeyLineError::Format);
    assert_eq!(parse(&line.replace("+AQAB", "+BAAB")), KeyLineError::Kind { got: 4 });
    assert_eq!(parse(&vectors().log.vkey), KeyLineError::Format);
}

#[test]
fn a_signers_seed_is_not_printed() {
    let signer = SignerKey::parse(&vectors().log.signer_key).unwrap();
    let printed = std::format!("{signer:?}");
    assert!(printed.contains("ledger.example/agents"));
    assert!(!printed.contains("AQABAgME") && !printed.contains("00010203"));
}

#[test]
fn another_implementation_reads_our_notes_and_we_read_its() {
    let ours = signer("one.example", 1);
    let text = "several\n\nlines\n";
    let note = ours.sign_note(text).unwrap();
    let verifier = StandardVerifier::new(&ours.verifier().to_string()).unwrap();
    let verifiers = VerifierList::new(std::vec![std::boxed::Box::new(verifier)]);
    verifiers.verifier("one.example", ours.verifier().hash()).unwrap();
    let (known, unknown) = TheirNote::from_bytes(note.as_bytes()).unwrap().verify(&verifiers).unwrap();
    assert_eq!((known.len(), unknown.len()), (1, 0));

    let theirs = StandardSigner::new(&ours.encode()).unwrap();
    let mut their_note = TheirNote::new(text.as_bytes(), &[]).unwrap();
    their_note.add_sigs(&[&theirs]).unwrap();
    assert_eq!(their_note.to_bytes(), note.as_bytes());
}
