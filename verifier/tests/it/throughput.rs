//! How fast: `cargo test --release -p countersign-verifier --test it throughput -- --ignored --nocapture`.

use crate::ledger::Ledger;
use crate::material::{patch, read, secrets};
use crate::site::{write_journal, write_site};
use countersign_verifier::{Location, Options, Verdict, verify_log, verify_replay};
use std::path::Path;

/// Events of the log that is measured.
const EVENTS: usize = 100_000;

#[test]
#[ignore = "a measurement, for a release build"]
fn throughput() {
    let mut ledger = Ledger::new();
    ledger.intend("intent-1");
    let mut number = 0;
    while ledger.leaves.len() < EVENTS {
        number += 1;
        ledger.intend(&format!("i-{number}"));
        ledger.propose_signed(read(&format!("r-{number}")));
        ledger.propose("key_lee", patch(&format!("p-{number}")));
        ledger.propose_signed(secrets(&format!("s-{number}")));
        ledger.work();
        ledger.work();
    }
    let bytes: usize = ledger.leaves.iter().map(Vec::len).sum();
    println!("{} events, {} bytes each", ledger.leaves.len(), bytes / ledger.leaves.len());
    // Left behind, to be measured and profiled with the binary too.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput");
    write_site(&crate::site::site(&ledger), &folder.join("public"));
    let _ = std::fs::remove_dir_all(folder.join("journal"));
    for journal in [false, true] {
        if journal {
            write_journal(&ledger.leaves, &folder);
        }
        let location = Location::open(folder.to_str().unwrap()).unwrap();
        for verify in [verify_log, verify_replay] {
            let report = verify(&location, &Options::default());
            assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
            let rate = report.checked.events * 1000 / report.duration_ms;
            println!("{} journal {journal}: {} ms, {rate} events/s", report.command.as_str(), report.duration_ms);
        }
    }
}
