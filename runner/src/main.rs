//! The runner's own executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign_runner::confined_main_if_requested();
    eprintln!("usage: countersign-runner --url URL --key FILE --root FILE --project DIR --data DIR");
    eprintln!("Leasing jobs comes with the next change; until then this only confines the programs of tools.");
    ExitCode::from(1)
}
