//! `countersign-verify`: the auditor's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign_verifier::run(std::env::args_os())
}
