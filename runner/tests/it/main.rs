//! The executor with everything real: processes, kernel, files. Nothing is mocked and no server is needed.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod cargo_project;
mod confinement;
mod files;
mod harness;
mod lifetime;
mod output;
mod releases;
