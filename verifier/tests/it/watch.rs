//! A monitor: it goes on where it stopped, and remembers nothing that it has not checked.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, checkpoint_vkey, leaf_of};
use crate::material::{secret, signer};
use crate::site::{forge, publish, site, write_site};
use countersign_verifier::source::Memory as Site;
use countersign_verifier::watch::memory::Memory;
use countersign_verifier::watch::{Watching, look};
use countersign_verifier::{Location, Options, Report, Rule, Trust, Verdict};
use serde_json::json;
use std::process::Command;
use tempfile::tempdir;

fn pinned() -> Options<'static> {
    Options { trust: Trust::Key(Box::new(checkpoint_vkey())), ..Options::default() }
}

fn step(site: Site, memory: Option<&Memory>) -> (Report, Option<Memory>) {
    look(&Location::memory(site), memory, &Watching::default(), &pinned(), 1_000)
}

/// A ledger over several bundles.
fn long() -> Ledger {
    let (mut ledger, _) = Ledger::story();
    let mut number = 0;
    while ledger.leaves.len() < 530 {
        ledger.intend(&format!("i-{number}"));
        number += 1;
    }
    ledger
}

fn published(ledger: &Ledger, size: usize) -> Site {
    publish(&ledger.leaves[..size], &ledger.policy)
}

/// What is remembered after a look at so many events.
fn seen(ledger: &Ledger, size: usize) -> Memory {
    step(published(ledger, size), None).1.unwrap()
}

#[test]
fn each_look_checks_only_what_is_new() {
    let ledger = long();
    let mut memory: Option<Memory> = None;
    let mut last = 0;
    for size in [7, 8, 8, 24, 255, 256, 257, 512, 530] {
        let (report, next) = step(published(&ledger, size), memory.as_ref());
        assert_eq!(report.verdict, Verdict::Valid, "{size} {report:?}");
        assert_eq!(report.checked.events, u64::try_from(size - last).unwrap());
        assert_eq!(next.as_ref().unwrap().size().get(), u64::try_from(size).unwrap());
        (memory, last) = (next, size);
    }
    // However it came there, it remembers the same.
    assert_eq!(memory, Some(seen(&ledger, 530)));
}

#[test]
fn a_rollback_or_another_history_is_seen_and_not_remembered() {
    let ledger = long();
    let memory = seen(&ledger, 300);
    let (report, next) = step(published(&ledger, 299), Some(&memory));
    assert_invalid(&report, None, Rule::Shrinking);
    assert_eq!(next, None);
    for (at, size) in [(299, 300), (10, 300), (10, 530), (299, 301), (299, 530)] {
        let forged = forge(&ledger, |payloads| payloads[at]["data"]["forged"] = json!(true));
        let (report, next) = step(publish(&forged[..size], &ledger.policy), Some(&memory));
        assert_invalid(&report, None, Rule::Forked);
        assert_eq!(next, None, "{at} {size}");
    }
    // What is new may be anything that the keys sign; deciding again is another command's.
    let forged = forge(&ledger, |payloads| payloads[300]["data"]["forged"] = json!(true));
    assert_eq!(step(publish(&forged, &ledger.policy), Some(&memory)).0.verdict, Verdict::Valid);
}

#[test]
fn a_bad_new_entry_is_named_and_the_position_stays() {
    let ledger = long();
    let memory = seen(&ledger, 300);
    let mut leaves = ledger.leaves.clone();
    leaves[410] = leaf_of(&proof::canonical::value_to_vec(&ledger.payloads()[410]), &secret(9));
    let (report, next) = step(publish(&leaves, &ledger.policy), Some(&memory));
    assert_invalid(&report, Some(410), Rule::EventKey);
    assert_eq!(next, None);
    leaves[410] = ledger.leaves[411].clone();
    let (report, next) = step(publish(&leaves, &ledger.policy), Some(&memory));
    assert_invalid(&report, Some(410), Rule::Seq);
    assert_eq!(next, None);
    // Entries that are not the ones under the head.
    let mut site = site(&ledger);
    let other = forge(&ledger, |payloads| payloads[520]["data"]["forged"] = json!(true));
    let path = "tile/entries/002.p/18";
    site.files.insert(path.into(), publish(&other, &ledger.policy).files[path].clone());
    let (report, next) = step(site, Some(&memory));
    assert_invalid(&report, None, Rule::CheckpointRoot);
    assert_eq!(next, None);
}

#[test]
fn nobody_is_trusted_at_first_sight_unless_it_is_said() {
    let ledger = long();
    let location = Location::memory(published(&ledger, 300));
    let look = |memory: Option<&Memory>, trust_first| {
        let watching = Watching { trust_first, ..Watching::default() };
        look(&location, memory, &watching, &Options::default(), 1_000)
    };
    assert_eq!(look(None, false).0.verdict, Verdict::Error);
    let (report, memory) = look(None, true);
    assert_eq!(report.verdict, Verdict::Valid);
    // From then on the remembered key counts.
    assert_eq!(look(memory.as_ref(), false).0.verdict, Verdict::Valid);
    let other = signer(crate::material::ORIGIN, &secret(9)).verifier();
    let options = Options { trust: Trust::Key(Box::new(other)), ..Options::default() };
    let (report, _) = countersign_verifier::watch::look(&location, memory.as_ref(), &Watching::default(), &options, 0);
    assert_invalid(&report, None, Rule::CheckpointSignature);
}

#[test]
fn a_head_that_does_not_grow_becomes_stale() {
    let ledger = long();
    let memory = seen(&ledger, 300);
    let watching = Watching { stale_ms: Some(5_000), ..Watching::default() };
    let at = |size, now| look(&Location::memory(published(&ledger, size)), Some(&memory), &watching, &pinned(), now);
    assert_eq!(at(300, 6_000).0.verdict, Verdict::Valid);
    assert_invalid(&at(300, 6_001).0, None, Rule::StaleHead);
    let (report, next) = at(301, 900_000);
    assert_eq!((report.verdict, next.unwrap().grown_ms()), (Verdict::Valid, 900_000));
}

#[test]
fn watched_principals_and_effects_are_told() {
    let (ledger, at) = Ledger::story();
    let watch = |principals: &[&str], effects: &[&str]| {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let watching = Watching { principals: set(principals), effects: set(effects), ..Watching::default() };
        let (report, _) = look(&Location::memory(site(&ledger)), None, &watching, &pinned(), 0);
        let told: Vec<(u64, &str)> = report.notices.iter().map(|notice| (notice.index.get(), notice.kind)).collect();
        (report.watched, told)
    };
    assert_eq!(watch(&[], &[]), (0, vec![]));
    assert_eq!(watch(&["nobody"], &["NOTHING"]), (0, vec![]));
    assert_eq!(watch(&[], &["READ_SECRETS"]), (1, vec![(at.secrets, "watched effect")]));
    assert!(watch(&["sam"], &[]).1.contains(&(at.approval, "watched principal")));
}

#[test]
fn a_state_file_survives_and_a_damaged_one_is_no_empty_one() {
    let ledger = long();
    let folder = tempdir().unwrap();
    let file = folder.path().join("state");
    assert_eq!(Memory::read(&file), Ok(None));
    let memory = seen(&ledger, 300);
    memory.write(&file).unwrap();
    assert_eq!(Memory::read(&file), Ok(Some(memory)));
    let good = std::fs::read_to_string(&file).unwrap();
    for bad in
        ["", "{}", &good[..good.len() / 2], &good.replace("\"v\":1", "\"v\":2"), &good.replace("\"size\"", "\"sise\"")]
    {
        std::fs::write(&file, bad).unwrap();
        assert!(Memory::read(&file).is_err(), "{bad}");
    }
}

#[test]
fn the_binary_resumes_alerts_and_exits_by_verdict() {
    let ledger = long();
    let folder = tempdir().unwrap();
    let log = folder.path().join("log");
    let key = checkpoint_vkey().to_string();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-verify"));
        command.current_dir(folder.path()).args(["watch", "log", "--once", "--state", "state"]).args(args);
        command.output().unwrap().status.code().unwrap()
    };
    let show = |leaves: &[Vec<u8>]| {
        let _ = std::fs::remove_dir_all(&log);
        write_site(&publish(leaves, &ledger.policy), &log);
    };
    let state = || std::fs::read_to_string(folder.path().join("state")).unwrap();
    assert_eq!(run(&["--key", &key]), 1, "there is no log");
    show(&ledger.leaves[..300]);
    assert_eq!(run(&[]), 1, "no key");
    assert_eq!(run(&["--key", &key]), 0);
    let before = state();
    // What is told comes before what is remembered: a command that fails keeps the position.
    show(&ledger.leaves);
    assert_eq!(run(&["--key", &key, "--principal", "lee", "--alert", "cat > told; exit 1"]), 1);
    assert_eq!(state(), before);
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("told")).unwrap()).unwrap();
    assert_eq!((&told["watched"], &told["verdict"]), (&json!(230), &json!("valid")));
    assert_eq!(run(&["--key", &key, "--principal", "lee", "--alert", "cat > told"]), 0);
    assert_ne!(state(), before);
    // A rollback: told by command and by exit code, and not remembered.
    let before = state();
    show(&ledger.leaves[..300]);
    assert_eq!(run(&["--alert", "cat > told"]), 2);
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("told")).unwrap()).unwrap();
    assert_eq!(told["first_bad"]["rule"], "shrinking");
    assert_eq!(state(), before);
    std::fs::write(folder.path().join("state"), "nonsense").unwrap();
    assert_eq!(run(&["--key", &key]), 1);
}
