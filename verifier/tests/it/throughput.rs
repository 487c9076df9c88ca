//! How fast: a small log in every test run, and a large one when it is to be measured:
//!
//! ```text
//! VERIFY_EVENTS=100000 cargo test --release -p countersign-verifier --test it throughput -- --nocapture
//! ```

use crate::ledger::Ledger;
use crate::material::{patch, read, secrets};
use crate::site::{site, write_journal, write_site};
use countersign_verifier::{Location, Options, Verdict, verify_log, verify_replay};
use std::path::Path;

#[test]
fn throughput() {
    let events = std::env::var("VERIFY_EVENTS").map_or(700, |events| events.parse().unwrap());
    let mut ledger = Ledger::new();
    ledger.intend("intent-1");
    let mut number = 0;
    while ledger.leaves.len() < events {
        number += 1;
        ledger.intend(&format!("i-{number}"));
        ledger.propose_signed(read(&format!("r-{number}")));
        ledger.propose("key_lee", patch(&format!("p-{number}")));
        ledger.propose_signed(secrets(&format!("s-{number}")));
        ledger.work();
        ledger.work();
    }
    let bytes: usize = ledger.leaves.iter().map(Vec::len).sum();
    println!("{} events of {} bytes", ledger.leaves.len(), bytes / ledger.leaves.len());
    // Left behind, to be measured and profiled with the binary too.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput");
    let _ = std::fs::remove_dir_all(&folder);
    write_site(&site(&ledger), &folder.join("public"));
    for journal in [false, true] {
        if journal {
            write_journal(&ledger.leaves, &folder);
        }
        let location = Location::open(folder.to_str().unwrap()).unwrap();
        for verify in [verify_log, verify_replay] {
            let report = verify(&location, &Options::default());
            assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
            assert_eq!(report.journal.is_some(), journal);
            let rate = report.checked.events * 1000 / report.duration_ms.max(1);
            println!("{}, journal {journal}: {} ms, {rate}/s", report.command.as_str(), report.duration_ms);
        }
    }
}
