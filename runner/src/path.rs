//! Paths that a job may name: relative, in one spelling only, and never out of the project.
//!
//! This checks what can be told from the text alone. That no component is a symbolic link is checked where the path is
//! used, by the kernel (`root`), because only there it stays true.

use crate::action::{Failure, Refusal};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// The longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 512;

/// The folder of released files.
pub const RELEASED: &str = "released";

/// Files that hold credentials by custom. They are not copied for a program, not read, not searched and not written.
const WITHHELD_NAMES: &[&str] = &[
    ".env",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".htpasswd",
    ".pgpass",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "credentials.toml",
];
/// Folders that do.
const WITHHELD_FOLDERS: &[&str] = &[".git", ".ssh", ".aws", ".gnupg", ".kube", ".docker"];
/// Variants of `.env` that are examples.
const ENV_EXAMPLES: &[&str] = &[".env.example", ".env.sample", ".env.template", ".env.dist"];

/// A relative path in its only spelling: components divided by one `/`, none of them empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RelativePath(String);

impl RelativePath {
    /// Reads a path that the input `input` names.
    pub fn new(input: &str, text: &str) -> Result<Self, Refusal> {
        Self::check(text).map_err(|reason| refused(input, &reason))?;
        Ok(Self(text.to_owned()))
    }

    /// The same, for a file that is to be written: build output and released files have tools of their own.
    pub fn new_for_writing(input: &str, text: &str) -> Result<Self, Refusal> {
        let path = Self::new(input, text)?;
        match path.as_str().split('/').next() {
            Some(first @ ("target" | RELEASED)) => {
                Err(refused(input, &format!("starts with `{first}/`, which other tools write")))
            }
            _ => Ok(path),
        }
    }

    /// A file in `released/`. Its name is a single component that does not start with a dot.
    pub fn released(input: &str, name: &str) -> Result<Self, Refusal> {
        let single = Self::new(input, name)?;
        if name.contains('/') || name.starts_with('.') {
            return Err(refused(input, "a released file has a plain name without `/` and without a dot in front"));
        }
        Ok(Self(format!("{RELEASED}/{single}")))
    }

    /// A path found on the disk, which has only to be one that a job could name.
    pub(crate) fn found(text: String) -> Option<Self> {
        Self::check(&text).is_ok().then_some(Self(text))
    }

    fn check(text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("is longer than {PATH_BYTES_MAX} bytes"));
        }
        if text.starts_with('/') {
            return Err("is absolute; a path is relative to the project".to_owned());
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || *c == '\\') {
            return Err(format!("holds {}", bad.escape_unicode()));
        }
        text.split('/').try_for_each(check_component)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a path of the operating system.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Its components, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The folder it is in, when that is not the project itself, and its name there.
    pub fn split(&self) -> (Option<&str>, &str) {
        match self.0.rsplit_once('/') {
            Some((folder, name)) => (Some(folder), name),
            None => (None, &self.0),
        }
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refused(input: &str, reason: &str) -> Refusal {
    Refusal::new(Failure::PathRefused, format!("input `{input}`: the path {reason}"))
}

fn check_component(component: &str) -> Result<(), String> {
    match component {
        "" => Err("has an empty component".to_owned()),
        "." | ".." => Err(format!("holds `{component}`; write it without")),
        _ if is_withheld(component) => Err(format!("leads to `{component}`, which is withheld from tools")),
        _ => Ok(()),
    }
}

/// Whether a file or folder of this name is withheld. File systems that fold case are taken into account.
pub(crate) fn is_withheld(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.trim_end_matches([' ', '.']);
    let env = name.starts_with(".env.") && !ENV_EXAMPLES.contains(&name);
    env || WITHHELD_NAMES.contains(&name) || WITHHELD_FOLDERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_of_an_inner_path_passes() {
        for good in ["a", "src/lib.rs", "a b/c", ".github/x.yml", ".env.example", "..a/b..", "\u{e9}/x"] {
            assert!(RelativePath::new("path", good).is_ok(), "{good}");
        }
        let long = "x".repeat(513);
        let bad = [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/./b",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a\nb",
            "a\\b",
            ".git",
            ".git/config",
            "x/.GIT/hooks/a",
            ".git./x",
            ".env",
            "a/.env",
            ".env.local",
            "id_rsa",
            ".ssh/x",
            &long,
        ];
        for bad in bad {
            let refusal = RelativePath::new("path", bad).unwrap_err();
            assert_eq!(refusal.failure, Failure::PathRefused, "{bad}");
            assert!(refusal.detail.starts_with("input `path`: the path "), "{}", refusal.detail);
        }
    }

    #[test]
    fn build_output_and_releases_are_written_by_their_own_tools() {
        for bad in ["target/x", "released/x", "target"] {
            assert!(RelativePath::new_for_writing("path", bad).is_err(), "{bad}");
            assert!(RelativePath::new("path", bad).is_ok(), "{bad}");
        }
        assert_eq!(RelativePath::released("name", "app").unwrap().as_str(), "released/app");
        for bad in ["a/b", ".hidden", "..", ""] {
            assert!(RelativePath::released("name", bad).is_err(), "{bad}");
        }
    }
}
