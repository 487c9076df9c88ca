//! Confinement: how a program of a project is run without trusting it.
//!
//! ```text
//! runner ──control (socket)──▶ warden ──socket──▶ program
//!                              this executable,   this executable, which confines
//!                              `__confined warden` itself and then execs the program
//! ```
//!
//! No unsafe code runs between fork and exec: instead the runner starts its own executable once more, in two roles.
//!
//! The **warden** is outside of the confinement. It adopts every process that the program leaves behind (it is a child
//! subreaper), so at the end, whatever the reason, it can find all descendants and kill them, those too that changed
//! their session and process group or forked twice. It ends the program at the deadline, when the runner hangs up, and
//! when the runner dies, because then the socket ends. When the warden dies, the kernel kills the program (a
//! parent-death signal), but perhaps not what the program started.
//!
//! The **program** confines itself, in this order: every inherited descriptor closes on exec · a session of its own ·
//! resource limits, umask 077 · read-only mounts, where the system allows them · no capabilities, none from user 0 either · killed when the warden dies · no new
//! privileges · Landlock: reads and runs only the system's and the toolchain's folders, writes only its work copy and
//! its home, no TCP, no signals and no abstract sockets to the outside · a system call filter: no sockets at all, no
//! tracing, no mounts, no namespaces, no kernel interfaces. Then it execs.
//!
//! Every layer is required, but the read-only mounts: without them a program can change permissions and times of files
//! outside that belong to the runner's user (their content never). Run a runner as a user of its own.
//!
//! What this does not do: limit memory, processor time or disk space of a whole tree (`RLIMIT_AS` and `RLIMIT_NPROC` count per
//! process and per user), hide which files exist outside, or close side channels. There is no network, not even
//! loopback: tests that open sockets fail.

mod apply;
mod channel;
mod landlock;
mod mounts;
mod program;
mod system_calls;
mod tree;
mod warden;

pub(crate) use channel::{receive, send};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

/// The first argument that makes this executable confine rather than run.
pub const CONFINED: &str = "__confined";

/// A program and the bounds to run it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// A name to be found in the environment's `PATH`, or a path.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it starts.
    pub directory: PathBuf,
    /// The folder that holds all that is writable.
    pub own: PathBuf,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Folders that it may read, write and run from.
    pub writable: Vec<PathBuf>,
    /// Folders and files, besides the system's, that it may read and run from.
    pub readable: Vec<PathBuf>,
    /// Limits on its processes.
    pub limits: ProcessLimits,
    /// Run it even when a layer of confinement is missing. Recorded in [`Layers`].
    pub permit_weaker: bool,
    /// Milliseconds after which it is killed.
    pub timeout_ms: u64,
}

/// Limits that the kernel keeps for each process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// Open files.
    pub files: u64,
    /// The largest file to write.
    pub file_bytes: u64,
    /// Processes and threads of the same user, on the whole machine. User 0 is exempt.
    pub processes: u64,
    /// Address space.
    pub memory_bytes: Option<u64>,
}

/// Which layers of confinement were active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, recorded under its name")]
pub struct Layers {
    /// The Landlock ABI that was enforced, 0 for none. Files are complete from 3 on, TCP from 4, signals and abstract
    /// sockets from 6.
    pub landlock_abi: u32,
    /// The system call filter.
    pub system_call_filter: bool,
    /// Read-only mounts of everything but the program's folder. Not every system lets every user have them.
    pub read_only_mounts: bool,
    /// No capabilities, and none to get.
    pub no_capabilities: bool,
    /// Nothing that is executed grants privileges.
    pub no_new_privileges: bool,
    /// The spec permitted to run with less than all of this.
    pub weaker_permitted: bool,
}

impl Layers {
    /// Whether nothing is missing that this version knows of, from Landlock's ABI 6 on.
    pub fn complete(&self) -> bool {
        let kernel = self.landlock_abi >= 6 && self.system_call_filter && self.read_only_mounts;
        kernel && self.no_capabilities && self.no_new_privileges
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.landlock_abi {
            0 => f.write_str("no landlock")?,
            abi @ 1..=2 => write!(f, "landlock abi {abi} partly enforced (files, but truncation)")?,
            3 => f.write_str("landlock abi 3 partly enforced (files)")?,
            abi @ 4..=5 => write!(f, "landlock abi {abi} partly enforced (files, tcp)")?,
            abi => write!(f, "landlock abi {abi} fully enforced")?,
        }
        let rest = [
            ("system call filter", self.system_call_filter),
            ("read-only mounts", self.read_only_mounts),
            ("capabilities dropped", self.no_capabilities),
            ("no new privileges", self.no_new_privileges),
        ];
        for (name, active) in rest {
            write!(f, "; {}{name}", if active { "" } else { "without " })?;
        }
        if self.weaker_permitted { f.write_str("; weaker confinement was permitted") } else { Ok(()) }
    }
}

/// What the warden tells the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// It could not be confined, or not be started, and did not run.
    Refused { reason: String, unconfined: bool },
    /// It ran, and everything that it started is gone.
    Ended(Ended),
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stopped: Option<Stopped>,
    /// Processes that were still there at the end and were killed.
    pub(crate) killed: u64,
    /// Processes that could not be killed.
    pub(crate) survivors: u64,
    pub(crate) layers: Layers,
}

/// Why a program was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stopped {
    /// Its deadline came.
    Deadline,
    /// The runner hung up: it cancelled, or it died.
    HungUp,
}

/// Plays the warden or the program when this process was started as one, and never comes back then. Every executable
/// that runs tools calls this before anything else: before it reads arguments, starts threads or opens files.
pub fn confined_main_if_requested() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(CONFINED)) {
        return;
    }
    let role = arguments.next();
    let code = match role.as_deref().and_then(OsStr::to_str) {
        Some(WARDEN) => warden::main(),
        Some(PROGRAM) => program::main(),
        _ => 2,
    };
    std::process::exit(code);
}

pub(crate) const WARDEN: &str = "warden";
const PROGRAM: &str = "program";
