//! Tools that read and change the project's files.

use crate::harness::{Bench, assert_completed, assert_failed, text};
use countersign_runner::{ActionSpec, Cancel, ChangeKind, Failure, Mode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn patch(bench: &Bench, patch: &str) -> countersign_runner::Outcome {
    bench.run("apply_patch", &json!({"patch": patch}))
}

#[test]
fn a_file_is_written_and_described() {
    let bench = Bench::new();
    let outcome = bench.run("file_write", &json!({"path": "src/deep/new.txt", "content": "one\n"}));
    assert_completed(&outcome);
    assert_eq!(bench.read("src/deep/new.txt"), "one\n");
    assert_eq!((outcome.changes[0].path.as_str(), outcome.changes[0].kind), ("src/deep/new.txt", ChangeKind::Created));
    assert_eq!((outcome.artifacts[0].sha256.as_str(), outcome.artifacts[0].length), (sha256("one\n").as_str(), 4));
    let mode = |path: &str| fs::metadata(bench.project(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("src/deep/new.txt"), mode("src/deep")), (0o644, 0o755));

    fs::set_permissions(bench.project("src/deep/new.txt"), PermissionsExt::from_mode(0o750)).unwrap();
    let outcome = bench.run("file_write", &json!({"path": "src/deep/new.txt", "content": "two\n"}));
    assert_completed(&outcome);
    assert_eq!(outcome.changes[0].kind, ChangeKind::Modified);
    assert_eq!(text(&outcome), "--- a/src/deep/new.txt\n+++ b/src/deep/new.txt\n@@ -1 +1 @@\n-one\n+two\n");
    assert_eq!(mode("src/deep/new.txt"), 0o750);

    // Writing what is there already changes nothing.
    let outcome = bench.run("file_write", &json!({"path": "src/deep/new.txt", "content": "two\n"}));
    assert_completed(&outcome);
    assert!(outcome.changes.is_empty());
    assert_eq!(fs::read_dir(bench.project("src/deep")).unwrap().count(), 1, "a temporary file is left");
}

#[test]
fn drafts_and_previews_never_touch_the_project() {
    let bench = Bench::new();
    bench.write("a", "old\n");
    for mode in [Mode::Draft, Mode::Preview] {
        let outcome = bench.run_in(mode, "file_write", &json!({"path": "a", "content": "new\n"}));
        assert_completed(&outcome);
        assert_eq!(outcome.changes[0].kind, ChangeKind::Modified);
        assert!(text(&outcome).contains("+new"));
        let outcome =
            bench.run_in(mode, "apply_patch", &json!({"patch": "--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n"}));
        assert_completed(&outcome);
        assert_eq!(outcome.changes[0].kind, ChangeKind::Deleted);
    }
    assert_eq!(bench.read("a"), "old\n");
}

#[test]
fn paths_that_lead_out_are_refused_and_named() {
    let bench = Bench::new();
    let outside = tempfile::TempDir::new().unwrap();
    fs::write(outside.path().join("file"), "outside").unwrap();
    symlink(outside.path(), bench.project("link")).unwrap();
    symlink(outside.path().join("file"), bench.project("file-link")).unwrap();
    symlink("inner", bench.project("inner-link")).unwrap();
    bench.write("inner/file", "inside");
    bench.write(".git/config", "[core]");
    bench.write(".env", "A=b");
    for path in [
        "../x",
        "/etc/passwd",
        "link/file",
        "file-link",
        "inner-link/file",
        ".git/config",
        ".env",
        "inner/../.env",
        "inner",
        "a//b",
    ] {
        for (tool, inputs) in [
            ("read_file", json!({"path": path})),
            ("file_write", json!({"path": path, "content": "x"})),
            ("apply_patch", json!({"patch": format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-outside\n+x\n")})),
            ("publish", json!({"source": path, "name": "x"})),
        ] {
            let outcome = bench.run(tool, &inputs);
            assert_failed(&outcome, Failure::PathRefused);
        }
    }
    let outcome = bench.run("search", &json!({"pattern": "outside", "path": "link"}));
    assert_failed(&outcome, Failure::PathRefused);
    assert_eq!(text(&bench.run("search", &json!({"pattern": "side"}))), "inner/file:1:inside\n");
    assert_eq!(fs::read_to_string(outside.path().join("file")).unwrap(), "outside");
    let outcome = bench.run("file_write", &json!({"path": "inner/file/below", "content": "x"}));
    assert_failed(&outcome, Failure::PathRefused);
    assert_failed(&bench.run("file_write", &json!({"path": "target/x", "content": "x"})), Failure::PathRefused);
}

#[test]
fn reading_is_whole_or_not_at_all() {
    let bench = Bench::new();
    bench.write("full", "x ".repeat(128 * 1024));
    bench.write("over", "x ".repeat(128 * 1024) + "y");
    let outcome = bench.run("read_file", &json!({"path": "full"}));
    assert_completed(&outcome);
    assert_eq!(outcome.output.bytes.len(), 256 * 1024);
    assert_failed(&bench.run("read_file", &json!({"path": "over"})), Failure::TooLarge);
    assert_failed(&bench.run("read_file", &json!({"path": "missing"})), Failure::NotFound);
    assert_failed(&bench.run("read_file", &json!({"path": "missing/deep"})), Failure::NotFound);
}

#[test]
fn a_search_tells_file_line_and_text() {
    let bench = Bench::new();
    bench.write("b/two.txt", "needle\nhay\nhay needle hay\n");
    bench.write("a.txt", "no\nneedle (1)\n");
    bench.write("binary", b"\0needle".as_slice());
    bench.write("target/debug/x", "needle");
    bench.write("sub/target/CACHEDIR.TAG", "needle");
    bench.write("sub/target/x", "needle");
    let outcome = bench.run("search", &json!({"pattern": "needle"}));
    assert_eq!(text(&outcome), "a.txt:2:needle (1)\nb/two.txt:1:needle\nb/two.txt:3:hay needle hay\n");
    assert_eq!(outcome.detail, "3 lines found");
    assert_eq!(text(&bench.run("search", &json!({"pattern": "needle", "path": "b"}))).lines().count(), 2);
    assert_eq!(text(&bench.run("search", &json!({"pattern": "(1)", "path": "a.txt"}))), "a.txt:2:needle (1)\n");
    assert_failed(&bench.run("search", &json!({"pattern": "x", "path": "no"})), Failure::NotFound);
    bench.write("many", "needle ".repeat(20) + "\n");
    bench.write("many", ("needle ".repeat(20) + "\n").repeat(2000));
    let outcome = bench.run("search", &json!({"pattern": "needle", "path": "many"}));
    assert!(outcome.output.bytes.len() < 66 * 1024 && outcome.detail.ends_with(", and there are more"));
}

#[test]
fn a_patch_changes_creates_and_deletes_all_at_once() {
    let bench = Bench::new();
    bench.write("change.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    bench.write("gone.txt", "bye\n");
    let outcome = patch(
        &bench,
        "diff --git a/change.txt b/change.txt\nindex 1..2 100644\n--- a/change.txt\n+++ b/change.txt\n@@ -1,2 +1,3 @@\n one\n+one and a half\n two\n@@ -6,2 +7 @@\n six\n-seven\n\
         diff --git a/dir/new.sh b/dir/new.sh\nnew file mode 100755\nindex 0..1\n--- /dev/null\n+++ b/dir/new.sh\n@@ -0,0 +1 @@\n+#!/bin/sh\n\
         diff --git a/gone.txt b/gone.txt\ndeleted file mode 100644\nindex 1..0\n--- a/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n",
    );
    assert_completed(&outcome);
    assert_eq!(bench.read("change.txt"), "one\none and a half\ntwo\nthree\nfour\nfive\nsix\n");
    assert_eq!(fs::metadata(bench.project("dir/new.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(!bench.project("gone.txt").exists());
    let kinds: Vec<ChangeKind> = outcome.changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::Modified, ChangeKind::Created, ChangeKind::Deleted]);
    assert_eq!(outcome.artifacts.len(), 2);
}

#[test]
fn a_plain_patch_without_prefixes_applies_too() {
    let bench = Bench::new();
    bench.write("x", "one\ntwo");
    let outcome = patch(
        &bench,
        "--- x\n+++ x\n@@ -1,2 +1,2 @@\n one\n-two\n\\ No newline at end of file\n+TWO\n\\ No newline at end of file\n",
    );
    assert_completed(&outcome);
    assert_eq!(bench.read("x"), "one\nTWO");
}

/// What is wrong, and the patch that it is wrong with.
const MISFITS: &[(&str, &str)] = &[
    ("other context", "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n ONE\n-two\n+2\n"),
    ("an offset", "--- a/x\n+++ b/x\n@@ -2,2 +2,2 @@\n one\n-two\n+2\n"),
    ("beyond the end", "--- a/x\n+++ b/x\n@@ -9 +9 @@\n-two\n+2\n"),
    ("no newline", "--- a/x\n+++ b/x\n@@ -4 +4 @@\n-two\n\\ No newline at end of file\n+2\n"),
    ("a missing file", "--- a/z\n+++ b/z\n@@ -1 +1 @@\n-two\n+2\n"),
    ("an existing file", "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+2\n"),
    ("a partial deletion", "--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n"),
    ("a rename", "diff --git a/x b/w\nsimilarity index 100%\nrename from x\nrename to w\n"),
    ("another name", "--- a/x\n+++ b/w\n@@ -1 +1 @@\n-one\n+1\n"),
    ("a link", "diff --git a/w b/w\nnew file mode 120000\n--- /dev/null\n+++ b/w\n@@ -0,0 +1 @@\n+/etc/passwd\n"),
    ("a binary", "diff --git a/x b/x\nBinary files a/x and b/x differ\n"),
    ("the same file twice", "--- a/y\n+++ b/y\n@@ -1 +1 @@\n-yes\n+no\n"),
    ("a hunk count that lies", "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n-one\n+1\n"),
    ("no patch", "hello"),
];

#[test]
fn a_patch_that_does_not_fit_exactly_changes_nothing() {
    let bench = Bench::new();
    bench.write("x", "one\ntwo\nthree\ntwo\n");
    bench.write("y", "yes\n");
    let good = "--- a/y\n+++ b/y\n@@ -1 +1 @@\n-yes\n+no\n";
    for (what, bad) in MISFITS {
        let outcome = patch(
            &bench,
            &if *what == "no patch" || bad.starts_with("diff") { (*bad).to_owned() } else { format!("{good}{bad}") },
        );
        assert_failed(&outcome, Failure::PatchRefused);
        assert_eq!((bench.read("x").as_str(), bench.read("y").as_str()), ("one\ntwo\nthree\ntwo\n", "yes\n"), "{what}");
    }
}

#[test]
fn a_deadline_in_the_past_or_a_cancelled_handle_stops_everything() {
    let bench = Bench::new();
    let inputs = json!({"path": "a", "content": "x"});
    let mut action = ActionSpec::new("file_write", Mode::Commit, inputs.as_object().unwrap().clone());
    let cancel = Cancel::new();
    cancel.cancel();
    assert_failed(&bench.executor.run(&action, &cancel), Failure::Cancelled);
    action.timeout = Some(Duration::ZERO);
    assert_failed(&bench.executor.run(&action, &Cancel::new()), Failure::TimedOut);
    assert!(!bench.project("a").exists());
}

#[test]
fn what_does_not_fit_the_manifest_is_rejected() {
    let bench = Bench::new();
    for (tool, inputs) in [
        ("pytest", json!({})),
        ("file_write", json!({"path": "a"})),
        ("file_write", json!({"path": "a", "content": 1})),
        ("file_write", json!({"path": "a", "content": "x", "mode": "commit"})),
        ("run_tests", json!({"command": "rm -rf /"})),
    ] {
        assert_failed(&bench.run(tool, &inputs), Failure::ManifestRejected);
    }
    assert_failed(&bench.run_in(Mode::Draft, "publish", &json!({"source": "a"})), Failure::ManifestRejected);
    let none: Value = json!({});
    assert_failed(&bench.run("run_tests", &none), Failure::NotFound);
}

#[test]
fn the_runners_own_folders_inside_a_project_are_no_part_of_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let project = folder.path().join("project");
    fs::create_dir_all(project.join("runner")).unwrap();
    let mut config = crate::harness::config(folder.path());
    config.data = project.join("runner/data");
    config.work = Some(project.join("runner/work"));
    config.commands = crate::harness::test_command(&["find", ".", "-name", "*"]);
    // What is not the runner's own in the work folder stays there.
    fs::create_dir(project.join("runner/work")).unwrap();
    fs::set_permissions(project.join("runner/work"), PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(project.join("runner/work/theirs"), "").unwrap();
    fs::create_dir_all(project.join("runner/work/attempt-1-2/copy")).unwrap();
    let executor = countersign_runner::Executor::open(config).unwrap();
    let left: Vec<_> = fs::read_dir(project.join("runner/work")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["theirs"]);
    fs::write(project.join("a"), "").unwrap();
    let outcome = executor.run(&ActionSpec::new("run_tests", Mode::Commit, serde_json::Map::new()), &Cancel::new());
    assert_completed(&outcome);
    let mut seen: Vec<String> = crate::harness::stdout(&outcome).lines().map(str::to_owned).collect();
    seen.sort();
    assert_eq!(seen, [".", "./a", "./runner"]);
}

#[test]
fn a_work_folder_that_others_can_enter_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = crate::harness::config(folder.path());
    fs::create_dir(folder.path().join("work")).unwrap();
    fs::set_permissions(folder.path().join("work"), PermissionsExt::from_mode(0o755)).unwrap();
    assert!(countersign_runner::Executor::open(config).is_err());
}
