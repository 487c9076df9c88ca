//! The arrows of the house only point down, as the design draws them.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Which of our crates each crate may name in its sources. Tests may name more.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("proof", &[]),
    ("domain", &["proof"]),
    ("inspect", &[]),
    ("schemas", &["domain", "proof"]),
    ("ledger", &["domain", "proof"]),
    ("projections", &["domain", "ledger", "proof"]),
    ("client", &["domain", "proof", "schemas"]),
    ("api", &["domain", "inspect", "ledger", "projections", "proof", "schemas"]),
    ("runner", &["client", "domain", "inspect", "proof", "schemas"]),
    ("verifier", &["domain", "inspect", "proof"]),
    ("cli", &["api", "client", "domain", "ledger", "projections", "proof", "runner", "schemas", "verifier"]),
    ("xtask", &[]),
];

fn ours(name: &str) -> Option<&str> {
    name.strip_prefix("countersign-")
}

#[test]
fn arrows_only_point_down() {
    let metadata = MetadataCommand::new().manifest_path("../Cargo.toml").no_deps().exec().unwrap();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, below)| (*name, below.iter().copied().collect())).collect();
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        let Some(name) = ours(&package.name) else {
            continue;
        };
        if name == "tests" {
            continue;
        }
        seen.insert(name.to_owned());
        let below = allowed.get(name).unwrap_or_else(|| panic!("crate `{name}` has no place in the house"));
        for dependency in &package.dependencies {
            let Some(other) = ours(&dependency.name) else {
                continue;
            };
            if dependency.kind == DependencyKind::Development {
                continue;
            }
            assert!(below.contains(other), "`{name}` must not depend on `{other}`");
        }
    }
    assert_eq!(seen.len(), ALLOWED.len(), "a crate of the house is missing: {seen:?}");
}

/// The pure crates must not be able to do I/O even by accident of a dependency.
#[test]
fn pure_crates_have_pure_dependencies() {
    let metadata = MetadataCommand::new().manifest_path("../Cargo.toml").no_deps().exec().unwrap();
    let impure = ["tokio", "hyper", "axum", "rustix", "getrandom", "sled", "tracing", "libc", "rand", "landlock"];
    for package in &metadata.packages {
        if !matches!(ours(&package.name), Some("proof" | "domain" | "inspect")) {
            continue;
        }
        for dependency in &package.dependencies {
            let bad = dependency.kind != DependencyKind::Development && impure.contains(&dependency.name.as_str());
            assert!(!bad, "`{}` must not depend on `{}`", package.name, dependency.name);
        }
    }
}
