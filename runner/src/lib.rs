//! The runner: leases jobs, verifies their warrants, carries them out and signs what became of them.
//!
//! Two halves. Above, nothing the server says is believed without proof under the pinned root; below, nothing is trusted:
//! not the job's inputs, not the project, and least of all the programs that a project runs to test and build itself.
//!
//! - [`service`]: lease, verify, run, report; [`identity`]: its key and the last head it saw; [`mod@cli`]: its options.
//! - [`warrant`]: what must hold before anything of a job is looked at. **Invariant**: only [`warrant::verify`] makes a
//!   [`warrant::VerifiedWarrant`].
//! - [`manifest`]: which tools there are and what their inputs look like.
//! - [`executor`]: [`Executor::run`], an [`ActionSpec`] in and an [`Outcome`] out, blocking.
//! - [`tools`]: the tools, one file each.
//! - [`confine`]: how a program is run without trusting it.
//! - Work copies, so that a failed tool leaves the project as it was (`workspace`), and folders that nothing leads out of
//!   (`root`).
//!
//! **Invariant**: what leaves a tool, output and detail, has passed `inspect` before it is cut, hashed or written.
//! **Invariant**: nothing outside the project's own folder, the runner's data folder and its work folder is ever written.
//!
//! Linux only, from kernel 5.6 on for files and 6.2 on for programs.

pub mod action;
mod advance;
pub mod cancel;
pub mod cli;
pub mod confine;
pub mod executor;
pub mod identity;
pub mod limits;
pub mod manifest;
pub mod path;
pub mod service;
pub mod toolchain;
pub mod tools;
pub mod warrant;

mod capture;
mod digest;
mod listing;
mod report;
mod root;
mod supervise;
mod workspace;

pub use action::{
    ActionSpec, Artifact, Change, ChangeKind, Failure, LogArtifact, Mode, Outcome, Output, Refusal, Status,
};
pub use cancel::Cancel;
pub use confine::{Layers, confined_main_if_requested};
pub use executor::{Commands, Config, Executor};
pub use limits::Limits;
pub use manifest::Manifest;
pub use toolchain::Toolchain;
