//! What of a program's output is recorded: bounded, without secrets, and with a digest of what is recorded.

use crate::harness::{Bench, assert_completed, assert_failed, stdout, stream, test_command, text};
use countersign_runner::Failure;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A secret that is in no file of this repository in one piece.
fn secret() -> String {
    format!("cs_{}", "0123456789abcdef".repeat(4))
}

#[test]
fn endless_output_is_cut_and_counted() {
    let bench = Bench::with(|config| config.commands = test_command(&["yes"]));
    let outcome = bench.run_for(Duration::from_secs(1));
    assert_failed(&outcome, Failure::TimedOut);
    let said = stdout(&outcome);
    let log = &outcome.logs[0];
    assert!(log.dropped > 1_000_000, "{}", log.dropped);
    assert!(said.len() <= 64 * 1024 + 100 && said.len() > 60_000, "{}", said.len());
    assert!(said.contains(&format!("[... {} bytes dropped ...]", log.dropped)));
}

#[test]
fn both_streams_are_drained_while_the_program_writes() {
    // More than both pipes hold, in turns: blocking on either would never end.
    let script = "for i in $(seq 200); do head -c 4000 /dev/zero | tr '\\0' 'a'; echo; head -c 4000 /dev/zero | tr '\\0' 'b' >&2; done";
    let outcome = Bench::script(script).run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert!(outcome.logs.iter().all(|log| log.dropped > 700_000), "{:?}", outcome.logs);
}

#[test]
fn digests_are_of_what_is_recorded() {
    let outcome = Bench::script("echo out; echo err >&2").run("run_tests", &json!({}));
    assert_eq!((stdout(&outcome), stream(&outcome, "stderr")), ("out\n".to_owned(), "err\n".to_owned()));
    for log in &outcome.logs {
        let recorded = stream(&outcome, &log.source);
        assert_eq!(log.sha256, hex::encode(Sha256::digest(recorded.as_bytes())));
        assert_eq!(log.length, 4);
    }
}

#[test]
fn secrets_are_replaced_before_anything_is_recorded() {
    let bench = Bench::script(
        "cat a; cat a >&2; head -c 32650 /dev/zero | tr '\\0' '\\n'; cat a; head -c 90000 /dev/zero | tr '\\0' '\\n'",
    );
    bench.write("a", format!("key {}\n", secret()));
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    let record = String::from_utf8(outcome.output.bytes.clone()).unwrap();
    assert!(record.contains("key [REDACTED:countersign_key]"));
    assert!(!record.contains(secret().split_at(20).0) && !record.contains(secret().split_at(47).1), "{record}");
    assert_eq!(outcome.redactions["countersign_key"], 3);
    assert_eq!(outcome.logs[0].sha256, hex::encode(Sha256::digest(stdout(&outcome).as_bytes())));
}

#[test]
fn output_that_is_no_text_is_made_text() {
    let outcome = Bench::script("printf 'a\\377\\000b'").run("run_tests", &json!({}));
    assert_eq!(stdout(&outcome), "a\u{fffd}\0b");
}

#[test]
fn other_tools_say_no_secrets_either() {
    let bench = Bench::new();
    bench.write("notes.txt", format!("one\nkey = {}\nlast\n", secret()));
    let read = bench.run("read_file", &json!({"path": "notes.txt"}));
    assert_eq!(text(&read), "one\nkey = [REDACTED:countersign_key]\nlast\n");
    let search = bench.run("search", &json!({"pattern": "key"}));
    assert_eq!(text(&search), "notes.txt:2:key = [REDACTED:countersign_key]\n");
    // A search must not even confirm what the secret is.
    assert_eq!(text(&bench.run("search", &json!({"pattern": secret().split_at(20).0}))), "");
    let echo = bench.run("echo", &json!({"message": "hello"}));
    assert_eq!(text(&echo), "hello");
}

#[test]
fn an_input_with_a_secret_is_refused_and_named_by_its_place_only() {
    let bench = Bench::new();
    let outcome = bench.run("file_write", &json!({"path": "a", "content": format!("x {}", secret())}));
    assert_failed(&outcome, Failure::InputRefused);
    assert_eq!(outcome.detail, "input `content` holds a secret of kind countersign_key at byte 2");
    assert!(!bench.project("a").exists());
}
