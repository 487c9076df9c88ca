//! The binary: what scripts rely on.

use crate::ledger::{Ledger, checkpoint_vkey, root_key};
use crate::material::{secret, signer};
use crate::site::{checkpoint, forge, publish, write_data, write_site};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::{TempDir, tempdir};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign-verify")).args(args).output().unwrap()
}

fn code(args: &[&str]) -> i32 {
    run(args).status.code().unwrap()
}

fn json_of(args: &[&str]) -> Value {
    let output = run(args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn data() -> (Ledger, TempDir) {
    let (ledger, _) = Ledger::story();
    let folder = tempdir().unwrap();
    write_data(&ledger, 24, folder.path());
    (ledger, folder)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_valid_log_exits_with_0() {
    let (_, folder) = data();
    let key = checkpoint_vkey().to_string();
    let root = signer("root", &root_key()).verifier().to_string();
    for command in ["log", "replay"] {
        let output = run(&[command, text(folder.path())]);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        assert!(String::from_utf8(output.stdout).unwrap().starts_with("VALID  ledger.example/test\n"));
        assert_eq!(code(&[command, text(folder.path()), "--key", &key, "--root", &root]), 0);
    }
    let report = json_of(&["replay", text(folder.path()), "--key", &key, "--format", "json"]);
    assert_eq!((&report["verdict"], &report["key_pinned"]), (&json!("valid"), &json!(true)));
    assert_eq!(report["checked"]["events"], 24);
    let quiet = run(&["replay", text(folder.path()), "--quiet"]);
    assert_eq!((quiet.status.code(), quiet.stdout.len(), quiet.stderr.len()), (Some(0), 0, 0));
}

#[test]
fn an_invalid_log_exits_with_2_and_names_the_event() {
    let (ledger, folder) = data();
    let bundle = folder.path().join("public/tile/entries/000.p/24");
    let good = std::fs::read(&bundle).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, &bad).unwrap();
    let report = json_of(&["log", text(folder.path()), "--format", "json"]);
    assert_eq!(report["first_bad"]["index"], 23);
    assert_eq!(code(&["log", text(folder.path())]), 2);
    let output = run(&["log", text(folder.path())]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.starts_with("INVALID  ledger.example/test\n\n  first bad    event 23: leaf_malformed\n"), "{shown}");

    // Re-signed with the ledger's own keys.
    std::fs::remove_dir_all(folder.path()).unwrap();
    let forged = forge(&ledger, |payloads| payloads[9]["data"]["ruling"] = json!("ALLOW"));
    write_site(&publish(&forged, &ledger.policy), &folder.path().join("public"));
    assert_eq!(code(&["log", text(folder.path())]), 0);
    let report = json_of(&["replay", text(folder.path()), "--format", "json"]);
    assert_eq!(report["first_bad"]["index"], 9);
    assert_eq!(report["first_bad"]["rule"], "payload_differs");
    assert_eq!(report["decisions"]["mismatched"], 1);
    assert_eq!(code(&["replay", text(folder.path())]), 2);
}

#[test]
fn too_little_evidence_exits_with_3() {
    let (_, folder) = data();
    let blob = std::fs::read_dir(folder.path().join("public/blob")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(blob).unwrap();
    assert_eq!(code(&["log", text(folder.path())]), 0);
    let output = run(&["replay", text(folder.path())]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("NOT ENOUGH EVIDENCE"));
}

#[test]
fn whatever_keeps_it_from_running_exits_with_1() {
    let (_, folder) = data();
    let here = text(folder.path());
    let policy = folder.path().join("policy");
    std::fs::write(&policy, "nonsense\n").unwrap();
    for args in [
        &["log"][..],
        &["nonsense"],
        &[],
        &["log", here, "--nonsense"],
        &["log", here, "--format", "xml"],
        &["log", "/nowhere/at/all"],
        &["log", "https://ledger.example"],
        &["log", here, "--key", "nonsense"],
        &["log", here, "--root", "nonsense"],
        &["log", here, "--policy", "/nowhere/at/all"],
        &["log", here, "--policy", text(&policy)],
        &["log", here, "--key", "a", "--policy", "b"],
        &["receipt"],
        &["receipt", "/nowhere/at/all"],
        &["receipt", "/nowhere/at/all", "--key", &checkpoint_vkey().to_string()],
        &["consistency", "/nowhere/at/all", "/nowhere/at/all"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?} {output:?}");
        assert!(output.stdout.len() + output.stderr.len() > 20, "it says why: {args:?}");
    }
    let report = json_of(&["log", "/nowhere/at/all", "--format", "json"]);
    assert_eq!((&report["verdict"], &report["command"]), (&json!("error"), &json!("log")));
    assert!(report["problems"][0]["detail"].as_str().unwrap().contains("found no log"));
}

#[test]
fn help_and_version_are_no_errors() {
    for args in [&["--help"][..], &["log", "--help"], &["--version"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn receipts_and_heads_are_files() {
    let (ledger, folder) = data();
    let key = checkpoint_vkey().to_string();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (old, new) = (checkpoint(&ledger.leaves[..9]), checkpoint(&ledger.leaves));
    let (old, new) = (file("old", old.as_bytes()), file("new", new.as_bytes()));
    let here = text(folder.path());
    assert_eq!(code(&["consistency", text(&old), text(&new), "--log", here, "--key", &key]), 0);
    assert_eq!(code(&["consistency", text(&old), text(&new), "--key", &key]), 3);
    assert_eq!(code(&["consistency", text(&new), text(&old), "--log", here, "--key", &key]), 2);
    let policy = file("policy", format!("log {key}\nquorum none\n").as_bytes());
    assert_eq!(code(&["consistency", text(&old), text(&new), "--log", here, "--policy", text(&policy)]), 0);
    let other = signer(crate::material::ORIGIN, &secret(9)).verifier().to_string();
    assert_eq!(code(&["consistency", text(&old), text(&new), "--log", here, "--key", &other]), 2);
}

#[test]
fn structure_only_is_a_flag_and_says_so() {
    let (_, folder) = data();
    let report = json_of(&["log", text(folder.path()), "--structure-only", "--format", "json"]);
    assert_eq!((&report["verdict"], &report["command"]), (&json!("valid"), &json!("structure")));
    assert_eq!((&report["checked"]["events"], &report["checked"]["signatures"]), (&json!(24), &json!(0)));
    assert_eq!(code(&["replay", text(folder.path()), "--structure-only"]), 1, "a replay is a replay");
}
