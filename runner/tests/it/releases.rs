//! Building and publishing.

use crate::harness::{Bench, assert_completed, assert_failed};
use countersign_runner::{Commands, Failure, Mode, Outcome};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A project whose build writes what its file `source` says.
fn bench() -> Bench {
    let script = "mkdir -p out/deep target; cp source out/app; chmod 755 out/app; cp source out/deep/x; cp source out/.hidden; cp source out/app.d
                  ln -s /etc/passwd out/link; cp source leftover";
    let build = ["bash", "-c", script].map(str::to_owned).to_vec();
    let bench = Bench::with(|config| {
        config.commands =
            Commands { build: Some(build), build_outputs: Some(vec!["out".to_owned()]), ..Commands::default() };
    });
    bench.write("source", "version 1\n");
    bench
}

fn publish(bench: &Bench, inputs: &serde_json::Value) -> Outcome {
    bench.run("publish", inputs)
}

#[test]
fn what_a_build_makes_is_kept_and_can_be_published() {
    let bench = bench();
    let built = bench.run("build", &json!({}));
    assert_completed(&built);
    assert_eq!(built.artifacts.len(), 1, "{:?}", built.artifacts);
    assert_eq!(built.artifacts[0].path, "out/app");
    assert!(!bench.project("out").exists() && !bench.project("leftover").exists());

    let released = publish(&bench, &json!({"source": "out/app", "name": "app-1"}));
    assert_completed(&released);
    assert_eq!(bench.read("released/app-1"), "version 1\n");
    assert_eq!(released.artifacts[0].path, "released/app-1");
    assert_eq!(released.artifacts[0].sha256, built.artifacts[0].sha256);
    assert_eq!(fs::metadata(bench.project("released/app-1")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_completed(&publish(&bench, &json!({"source": "out/app"})));
    assert_eq!(bench.read("released/app"), "version 1\n");
}

#[test]
fn a_different_release_is_replaced_only_when_asked() {
    let bench = bench();
    assert_completed(&bench.run("build", &json!({})));
    assert_completed(&publish(&bench, &json!({"source": "out/app"})));
    // The same once more is no change.
    let again = publish(&bench, &json!({"source": "out/app"}));
    assert_completed(&again);
    assert!(again.changes.is_empty());
    bench.write("source", "version 2\n");
    assert_completed(&bench.run("build", &json!({})));
    assert_failed(&publish(&bench, &json!({"source": "out/app"})), Failure::AlreadyReleased);
    assert_eq!(bench.read("released/app"), "version 1\n");
    assert_completed(&publish(&bench, &json!({"source": "out/app", "replace": true})));
    assert_eq!(bench.read("released/app"), "version 2\n");
}

#[test]
fn only_the_bytes_that_were_approved_are_released() {
    let bench = bench();
    let built = bench.run("build", &json!({}));
    let approved = &built.artifacts[0].sha256;
    bench.write("source", "version 2\n");
    assert_completed(&bench.run("build", &json!({})));
    let late = publish(&bench, &json!({"source": "out/app", "sha256": approved}));
    assert_failed(&late, Failure::InputRefused);
    assert!(!bench.project("released").exists());
}

#[test]
fn a_failed_or_previewed_build_keeps_the_last_one() {
    let bench = bench();
    assert_completed(&bench.run("build", &json!({})));
    bench.write("source", "version 2\n");
    let preview = bench.run_in(Mode::Preview, "build", &json!({}));
    assert_completed(&preview);
    assert_eq!(preview.artifacts[0].length, 10);
    fs::remove_file(bench.project("source")).unwrap();
    assert_failed(&bench.run("build", &json!({})), Failure::ProgramFailed);
    assert_completed(&publish(&bench, &json!({"source": "out/app"})));
    assert_eq!(bench.read("released/app"), "version 1\n");
}

#[test]
fn files_of_the_project_can_be_published_and_others_cannot() {
    let bench = bench();
    let outcome = bench.run_in(Mode::Preview, "publish", &json!({"source": "source"}));
    assert_completed(&outcome);
    assert!(!bench.project("released").exists());
    assert_completed(&publish(&bench, &json!({"source": "source"})));
    assert_eq!(bench.read("released/source"), "version 1\n");
    assert_failed(&publish(&bench, &json!({"source": "missing"})), Failure::NotFound);
    assert_failed(&publish(&bench, &json!({"source": "out/link"})), Failure::NotFound);
    assert_failed(&publish(&bench, &json!({"source": "source", "name": "../x"})), Failure::PathRefused);
    assert_failed(&publish(&bench, &json!({"source": "source", "name": ".x"})), Failure::PathRefused);
}
