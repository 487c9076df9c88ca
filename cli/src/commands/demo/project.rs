//! The project of the demo: a small git repository with a cargo package whose test fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MANIFEST: &str = r#"[package]
name = "till"
version = "0.1.0"
edition = "2021"

[workspace]
"#;

const LIBRARY: &str = r"//! Sums at the till.

/// The sum of the prices, in cents.
pub fn total(prices: &[u64]) -> u64 {
    prices.iter().skip(1).sum()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn every_price_counts() {
        assert_eq!(total(&[100, 250, 5]), 355);
    }
}
";

const MAIN: &str = "fn main() {
    println!(\"total: {}\", till::total(&[100, 250, 5]));
}
";

/// The change that mends it.
pub(super) const PATCH: &str = "--- a/src/lib.rs
+++ b/src/lib.rs
@@ -2,7 +2,7 @@
 
 /// The sum of the prices, in cents.
 pub fn total(prices: &[u64]) -> u64 {
-    prices.iter().skip(1).sum()
+    prices.iter().sum()
 }
 
 #[cfg(test)]
";

/// Writes the project and commits it.
pub(super) fn make(dir: &Path) -> Result<PathBuf, String> {
    let project = dir.join("project");
    let write = |name: &str, text: &str| {
        let path = project.join(name);
        let made =
            std::fs::create_dir_all(path.parent().unwrap_or(&project)).and_then(|()| std::fs::write(&path, text));
        made.map_err(|e| format!("{}: {e}", path.display()))
    };
    write("Cargo.toml", MANIFEST)?;
    write("src/lib.rs", LIBRARY)?;
    write("src/main.rs", MAIN)?;
    write(".gitignore", "/target\n")?;
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").args(identity).args(arguments).current_dir(&project).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))),
            Err(error) => Err(format!("the demo needs `git`: {error}")),
        }
    };
    git(&["init", "--quiet"])?;
    git(&["add", "."])?;
    git(&["commit", "--quiet", "--message", "A till that forgets the first price"])?;
    Ok(project)
}

/// Whether the project's own tests pass, run by hand outside of all governance. The build goes to a folder of its own.
pub(super) fn tests_pass(project: &Path) -> Result<bool, String> {
    let target = project.with_file_name("by-hand");
    let status = Command::new("cargo")
        .args(["test", "--quiet", "--offline", "--target-dir"])
        .arg(target)
        .current_dir(project)
        .env_remove("CARGO_TARGET_DIR")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("the demo needs `cargo`: {e}"))?;
    Ok(status.success())
}
