//! The repository lints itself: sizes, words, and what must not be in a pure crate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Lines of one source file, without its tests.
const LINES_MAX: usize = 600;

fn tracked(suffix: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "git ls-files failed");
    let list = String::from_utf8(output.stdout).unwrap();
    let files: Vec<PathBuf> = list
        .lines()
        .filter(|line| line.ends_with(suffix))
        .map(|line| Path::new(ROOT).join(line))
        .filter(|p| p.exists())
        .collect();
    assert!(!files.is_empty(), "no `{suffix}` file is tracked");
    files
}

#[test]
fn no_source_file_is_one_that_everything_lands_in() {
    for path in tracked(".rs") {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines, at most {LINES_MAX}", path.display());
    }
}

#[test]
fn modules_are_named_by_concept() {
    for path in tracked(".rs") {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        for bad in ["utils", "util", "helpers", "helper", "common", "manager", "misc", "support"] {
            assert!(stem != bad && !stem.ends_with(&format!("_{bad}")), "{}: name it by concept", path.display());
        }
    }
}

#[test]
fn nothing_is_unfinished() {
    // Spelt in parts, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimpl", "emented!("),
        concat!("#[ig", "nore"),
    ];
    for path in tracked(".rs") {
        let text = fs::read_to_string(&path).unwrap();
        for word in words {
            assert!(!text.contains(word), "{} holds `{word}`", path.display());
        }
    }
}

#[test]
fn pure_crates_read_no_clock_no_file_no_socket() {
    for path in tracked(".rs") {
        let relative = path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned();
        let pure = ["proof/src/", "domain/src/", "inspect/src/"].iter().any(|start| relative.starts_with(start));
        if !pure || relative.contains("/tests") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for word in ["std::fs", "std::net", "std::process", "std::env", "SystemTime", "Instant::now", "std::thread"] {
            assert!(!text.contains(word), "{relative} names `{word}`");
        }
    }
}

#[test]
fn every_crate_says_what_is_in_scope() {
    for name in
        ["proof", "domain", "schemas", "ledger", "projections", "client", "api", "runner", "verifier", "inspect"]
    {
        let text = fs::read_to_string(Path::new(ROOT).join(name).join("src/lib.rs")).unwrap();
        let header = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!((5..=60).contains(&header), "{name}: the crate doc has {header} lines");
    }
}
