//! `countersign verify`: the auditor's binary under the everyday name.

use clap::Args;
use std::ffi::OsString;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// As `countersign-verify` takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    verifier::run(std::iter::once(OsString::from("countersign verify")).chain(arguments.rest.iter().cloned()))
}
