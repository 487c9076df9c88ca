//! Pinned keys, trust policies and witnesses.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, checkpoint_vkey, root_key};
use crate::material::{ORIGIN, secret, signer};
use crate::site::site;
use countersign_verifier::source::Memory;
use countersign_verifier::trust::TrustPolicy;
use countersign_verifier::{Location, Options, Report, Rule, Trust, Verdict, verify_log};
use proof::note::KeyKind;
use proof::{KeyName, SecretKey, VerifierKey};

fn with_options(site: Memory, options: &Options<'_>) -> Report {
    verify_log(&Location::memory(site), options)
}

fn under(site: Memory, trust: Trust) -> Report {
    with_options(site, &Options { trust, ..Options::default() })
}

fn story() -> Memory {
    site(&Ledger::story().0)
}

#[test]
fn a_pinned_key_is_the_only_one_that_counts() {
    let report = under(story(), Trust::Key(Box::new(checkpoint_vkey())));
    assert_eq!((report.verdict, report.key_pinned), (Verdict::Valid, true));
    assert!(report.to_text(false).contains("pinned by you"));
    for key in [signer(ORIGIN, &secret(9)), signer("other.example", &secret(3))] {
        assert_invalid(&under(story(), Trust::Key(Box::new(key.verifier()))), None, Rule::CheckpointSignature);
    }
    // A key under which somebody signed the head, but which the log itself does not name.
    let (ledger, _) = Ledger::story();
    let head = ledger.head();
    let checkpoint = proof::Checkpoint { origin: ORIGIN.into(), size: head.size, root: head.root };
    let stranger = signer(ORIGIN, &secret(9));
    let mut adopted = site(&ledger);
    adopted.files.insert("checkpoint".into(), checkpoint.sign(&stranger).into());
    assert_invalid(&under(adopted, Trust::Key(Box::new(stranger.verifier()))), Some(0), Rule::CheckpointKey);
}

#[test]
fn a_pinned_root_is_the_only_one_that_counts() {
    let root = |key: &SecretKey| Options { root: Some(signer("root", key).verifier()), ..Options::default() };
    let report = with_options(story(), &root(&root_key()));
    assert_eq!((report.verdict, report.root_pinned), (Verdict::Valid, true));
    assert_invalid(&with_options(story(), &root(&secret(9))), Some(0), Rule::RootKey);
}

#[test]
fn an_empty_log_shows_nothing() {
    let checkpoint =
        proof::Checkpoint { origin: ORIGIN.into(), size: proof::TreeSize::ZERO, root: proof::merkle::empty_root() };
    let mut empty = Memory::default();
    empty.files.insert("checkpoint".into(), checkpoint.sign(&crate::ledger::checkpoint_key()).into());
    assert_invalid(&under(empty.clone(), Trust::Key(Box::new(checkpoint_vkey()))), None, Rule::GenesisMissing);
    assert_invalid(&under(empty, Trust::SelfAsserted), None, Rule::GenesisMissing);
}

fn witness(name: &str, key: &SecretKey) -> VerifierKey {
    VerifierKey::with_kind(KeyName::new(name).unwrap(), key.public(), KeyKind::Cosignature)
}

/// Adds a timestamped cosignature to a checkpoint.
fn cosign(site: &mut Memory, name: &str, key: &SecretKey) {
    let note = String::from_utf8(site.files["checkpoint"].clone()).unwrap();
    let text = note.split_once("\n\n").unwrap().0;
    let signature = key.sign(format!("cosignature/v1\ntime 1700000000\n{text}\n").as_bytes());
    let mut blob = witness(name, key).hash().to_be_bytes().to_vec();
    blob.extend(1_700_000_000_u64.to_be_bytes());
    blob.extend(signature.as_bytes());
    let line = format!("\u{2014} {name} {}\n", proof::base64::encode(&blob));
    site.files.insert("checkpoint".into(), format!("{note}{line}").into_bytes());
}

fn policy(quorum: &str) -> Trust {
    let text = format!(
        "log {}\nwitness w1 {}\nwitness w2 {}\ngroup both all w1 w2\n{quorum}\n",
        checkpoint_vkey(),
        witness("w1.example", &secret(21)),
        witness("w2.example", &secret(22)),
    );
    Trust::Policy(Box::new(TrustPolicy::parse(&text).unwrap()))
}

#[test]
fn a_quorum_of_witnesses_is_counted() {
    let mut site = story();
    assert_eq!(under(site.clone(), policy("quorum none")).verdict, Verdict::Valid);
    assert_invalid(&under(site.clone(), policy("quorum both")), None, Rule::Quorum);
    cosign(&mut site, "w1.example", &secret(21));
    assert_invalid(&under(site.clone(), policy("quorum both")), None, Rule::Quorum);
    let report = under(site.clone(), policy("quorum w1"));
    assert_eq!((report.verdict, report.witnessed, report.witnesses.len()), (Verdict::Valid, true, 1));
    assert!(report.to_text(false).contains("witnessed by w1"));
    cosign(&mut site, "w2.example", &secret(22));
    assert_eq!(under(site.clone(), policy("quorum both")).verdict, Verdict::Valid);
    // Without a policy nobody is known to be a witness, and the log is none the worse for it.
    assert!(!under(site, Trust::Key(Box::new(checkpoint_vkey()))).witnessed);
}

#[test]
fn a_witness_that_did_not_sign_what_it_seems_to_condemns_the_head() {
    let mut site = story();
    cosign(&mut site, "w1.example", &secret(21));
    let note = String::from_utf8(site.files["checkpoint"].clone()).unwrap();
    let mut forged = story();
    cosign(&mut forged, "w1.example", &secret(21));
    let line = note.lines().last().unwrap();
    let at = line.len() - 20;
    let broken = format!("{}{}{}", &line[..at], if line.as_bytes()[at] == b'A' { 'B' } else { 'A' }, &line[at + 1..]);
    forged.files.insert("checkpoint".into(), note.replace(line, &broken).into_bytes());
    assert_invalid(&under(forged, policy("quorum none")), None, Rule::CheckpointSignature);
    let other = format!("log {}\nquorum none\n", signer("other.example", &secret(3)).verifier());
    let other = Trust::Policy(Box::new(TrustPolicy::parse(&other).unwrap()));
    assert_invalid(&under(site, other), None, Rule::CheckpointSignature);
}
