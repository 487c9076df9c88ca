//! `docs/proof-map.md` names a test for each claim; every named test exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Names of all test functions in the repository.
fn tests() -> BTreeSet<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    let mut names = BTreeSet::new();
    for path in list.lines().filter(|line| Path::new(line).extension().is_some_and(|e| e == "rs")) {
        let Ok(text) = fs::read_to_string(Path::new(ROOT).join(path)) else {
            continue;
        };
        let mut after_attribute = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                after_attribute = true;
            } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
                if after_attribute {
                    names.insert(rest.split(['(', '<']).next().unwrap().to_owned());
                }
                after_attribute = false;
            }
        }
    }
    names
}

#[test]
fn every_named_test_exists() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/proof-map.md")).unwrap();
    let known = tests();
    let mut rows = 0;
    for line in
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| claim") && !line.starts_with("|--"))
    {
        let last = line.trim_end_matches('|').rsplit('|').next().unwrap();
        let named: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "this row names no test: {line}");
        for name in named {
            assert!(known.contains(name), "there is no test `{name}`, named in: {line}");
        }
        rows += 1;
    }
    assert!(rows >= 10, "the proof map has only {rows} rows");
}
