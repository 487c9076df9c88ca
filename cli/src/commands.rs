//! The subcommands, a file each.

pub(crate) mod answer;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod bodies;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod policy;
pub(crate) mod propose;
pub(crate) mod rebuild;
pub(crate) mod receipt;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod verify;
pub(crate) mod witness;

/// Log lines go to standard error; `RUST_LOG` chooses, warnings by default.
pub(crate) fn log_to_stderr(quiet: bool) {
    let level = if quiet { "error" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // A second call, in one process, keeps the first.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
}
