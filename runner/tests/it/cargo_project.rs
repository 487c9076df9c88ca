//! The whole way with a real project: its test fails, a patch mends it, the test passes, a build is published.

use crate::harness::{Bench, assert_completed, assert_failed, stdout, stream};
use countersign_runner::{Failure, Toolchain};
use serde_json::json;
use std::process::Command;

const LIB: &str = "//! Sums.\n\n/// The sum.\npub fn sum(a: i32, b: i32) -> i32 {\n    a - b\n}\n\n#[test]\nfn two_and_two() {\n    assert_eq!(sum(2, 2), 4);\n}\n";

#[test]
fn a_cargo_project_is_mended_tested_built_and_published_offline() {
    let bench = Bench::with(|config| config.toolchain = Toolchain::detect());
    bench
        .write("Cargo.toml", "[package]\nname = \"sums\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n");
    bench.write("src/lib.rs", LIB);
    bench.write("src/main.rs", "fn main() {\n    println!(\"{}\", sums::sum(2, 2));\n}\n");

    let outcome = bench.run("run_tests", &json!({}));
    assert_failed(&outcome, Failure::ProgramFailed);
    assert_eq!(outcome.exit_code, Some(101), "{}", stream(&outcome, "stderr"));
    assert!(stdout(&outcome).contains("test two_and_two ... FAILED"), "{}", stream(&outcome, "stderr"));

    let patch = "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -4,3 +4,3 @@\n pub fn sum(a: i32, b: i32) -> i32 {\n-    a - b\n+    a + b\n }\n";
    assert_completed(&bench.run("apply_patch", &json!({"patch": patch})));
    assert_eq!(bench.read("src/lib.rs"), LIB.replace("a - b", "a + b"));

    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert!(stdout(&outcome).contains("test two_and_two ... ok"));
    assert!(!bench.project("target").exists() && !bench.project("Cargo.lock").exists());

    let built = bench.run("build", &json!({}));
    assert_completed(&built);
    assert!(built.artifacts.iter().any(|artifact| artifact.path == "target/release/sums"), "{:?}", built.artifacts);
    assert_completed(&bench.run("publish", &json!({"source": "target/release/sums"})));
    let output = Command::new(bench.project("released/sums")).output().unwrap();
    assert_eq!(output.stdout, b"4\n");
}
