//! Logs that earlier builds wrote, replayed for ever. A later build that would rule differently carries the old engine.

use proof::VerifierKey;
use std::fs;
use std::path::{Path, PathBuf};
use verifier::{Location, Options, Trust, Verdict, verify_receipts, verify_replay};

const LOGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/logs");

fn key(path: &Path) -> VerifierKey {
    VerifierKey::parse(fs::read_to_string(path).unwrap().trim_end()).unwrap()
}

#[test]
fn every_log_ever_committed_still_replays() {
    let logs: Vec<PathBuf> = fs::read_dir(LOGS).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!logs.is_empty(), "no fixture is committed");
    for log in logs {
        let checkpoint = key(&log.join("checkpoint.vkey"));
        let options = Options {
            trust: Trust::Key(Box::new(checkpoint)),
            root: Some(key(&log.join("root.vkey"))),
            ..Options::default()
        };
        let location = Location::open(&log.join("public").to_string_lossy()).unwrap();
        let replayed = verify_replay(&location, &options);
        assert_eq!(replayed.verdict, Verdict::Valid, "{}: {}", log.display(), replayed.to_json());
        let receipt = verify_receipts(&[log.join("publish.receipt.json")], &options, None);
        assert_eq!(receipt.verdict, Verdict::Valid, "{}: {}", log.display(), receipt.to_json());
    }
}
