//! What programs find besides the system: the Rust toolchain, read-only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where programs are looked for, and what they may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toolchain {
    /// Folders of programs, in order.
    pub path: Vec<PathBuf>,
    /// Folders and files to read and run from, besides the system's.
    pub readable: Vec<PathBuf>,
    /// A cargo home whose downloaded crates (`registry/` and `git/`, nothing else of it: it may hold credentials) a program
    /// may read.
    pub cargo_home: Option<PathBuf>,
    /// Variables that programs get besides the fixed ones, such as `RUSTUP_HOME`. No secrets: programs can print them.
    pub environment: BTreeMap<String, String>,
}

impl Toolchain {
    /// The system's programs alone.
    pub fn system() -> Self {
        let path = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from).to_vec();
        Self { path, ..Self::default() }
    }

    /// The system's programs and the Rust toolchain of whoever starts the runner: the one that `rustc` in their `PATH`
    /// belongs to. It is entered without rustup, so a project cannot choose another.
    pub fn detect() -> Self {
        let mut toolchain = Self::system();
        if let Some(sysroot) = sysroot() {
            toolchain.path.insert(0, sysroot.join("bin"));
            toolchain.readable.push(sysroot);
        }
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let cargo_home =
            std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".cargo")));
        toolchain.cargo_home = cargo_home.filter(|path| path.is_dir());
        toolchain
    }

    /// Everything to be granted.
    pub(crate) fn readable(&self) -> Vec<PathBuf> {
        let crates = self.crates().into_iter().map(|(_, folder)| folder);
        self.readable.iter().cloned().chain(crates).collect()
    }

    /// The folders of downloaded crates, by name.
    pub(crate) fn crates(&self) -> Vec<(&'static str, PathBuf)> {
        let Some(home) = &self.cargo_home else {
            return Vec::new();
        };
        let folders = ["registry", "git"].map(|name| (name, home.join(name)));
        folders.into_iter().filter(|(_, folder)| folder.is_dir()).collect()
    }

    /// The value of `PATH`.
    pub(crate) fn search_path(&self) -> String {
        let parts: Vec<String> = self.path.iter().filter_map(|p| p.to_str()).map(str::to_owned).collect();
        parts.join(":")
    }
}

/// Asked outside of the project, whose `rust-toolchain.toml` has no say here.
fn sysroot() -> Option<PathBuf> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]).current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
    let output = rustc.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    let path = Path::new(text.trim()).to_owned();
    path.join("bin").is_dir().then_some(path)
}
