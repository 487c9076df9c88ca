//! How fast: a small log in every test run, and a large one when it is to be measured:
//!
//! ```text
//! VERIFY_EVENTS=100000 cargo test --release -p countersign-verifier --test it throughput -- --nocapture
//! ```

use crate::ledger::Ledger;
use crate::material::{patch, read, secrets};
use crate::site::{site, write_journal, write_site};
use countersign_verifier::{Location, Options, Report, Verdict, verify_log, verify_replay, verify_structure};
use std::path::Path;

fn rate(report: &Report) -> u64 {
    report.checked.events * 1000 / report.duration_ms.max(1)
}

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
        let report = verify_structure(&location, &Options::default());
        assert_eq!((report.verdict, report.checked.signatures), (Verdict::Valid, 0), "{report:?}");
        println!("structure only, journal {journal}: {} ms, {}/s", report.duration_ms, rate(&report));
        for verify in [verify_log, verify_replay] {
            let report = verify(&location, &Options::default());
            assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
            assert_eq!(report.journal.is_some(), journal);
            let (command, rate) = (report.command.as_str(), rate(&report));
            println!("{command}, journal {journal}: {} ms, {rate}/s", report.duration_ms);
        }
    }
}
