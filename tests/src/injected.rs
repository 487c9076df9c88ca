//! Faults of the operating system at a chosen call of the released executable, by `strace`: no privileges, no stubs.

use crate::binary;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// More files than a short load stages.
const STAGED_MAX: u64 = 700;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not made, and fails with this error.
    Error(&'static str),
    /// The process is killed as it makes it.
    Kill,
}

/// Which calls meet with what.
#[derive(Debug, Clone)]
pub struct Injection {
    /// The system call.
    pub call: &'static str,
    /// What becomes of it.
    pub fault: Fault,
    /// The first that it happens to. Each thread counts for itself.
    pub first: u64,
    /// The last; nothing: all that come.
    pub last: Option<u64>,
    /// Only calls on these files; none: on any.
    pub paths: Vec<PathBuf>,
}

impl Injection {
    /// One call in each thread.
    pub fn once(call: &'static str, fault: Fault, nth: u64) -> Self {
        Self { call, fault, first: nth, last: Some(nth), paths: Vec::new() }
    }

    /// The same, only on these files.
    #[must_use]
    pub fn on(self, paths: Vec<PathBuf>) -> Self {
        Self { paths, ..self }
    }

    /// The same, and so many calls in all.
    #[must_use]
    pub fn times(self, calls: u64) -> Self {
        Self { last: Some(self.first + calls - 1), ..self }
    }

    /// The same, and every one after it.
    #[must_use]
    pub fn and_ever_after(self) -> Self {
        Self { last: None, ..self }
    }

    fn expression(&self) -> String {
        let what = match self.fault {
            Fault::Error(name) => format!("error={name}"),
            Fault::Kill => "signal=SIGKILL".to_owned(),
        };
        let when = match self.last {
            Some(last) if last == self.first => format!("{last}"),
            Some(last) => format!("{}..{last}", self.first),
            None => format!("{}+", self.first),
        };
        format!("inject={}:{what}:when={when}", self.call)
    }

    /// A command that does the same as `command`, with the faults. The process that is started is the command's own: the
    /// tracer stands beside it, and ends with it. What it injects it notes in the file `record`, see [`injected`].
    ///
    /// # Panics
    /// If there is no `strace`, or it may not trace, with what to do about it.
    pub fn around(&self, command: &Command, record: &Path) -> Command {
        assert_can_trace();
        self.wrap(command, record)
    }

    fn wrap(&self, command: &Command, record: &Path) -> Command {
        let mut traced = Command::new("strace");
        traced.args(["-D", "-f", "-qq", "-e", &format!("trace={}", self.call), "-e", &self.expression(), "-o"]);
        traced.arg(record);
        for path in &self.paths {
            traced.arg("-P").arg(path);
        }
        traced.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        binary::same_environment(command, &mut traced);
        traced
    }
}

/// How many faults were injected, as the tracer noted; a kill is noted by the process being gone.
pub fn injected(record: &Path) -> usize {
    fs::read_to_string(record).unwrap_or_default().matches("(INJECTED)").count()
}

/// The files that a server writes from beginning to end before it gives them their names, and its lock: all that it writes
/// by `write`, but for pipes, terminals and what wakes its own threads, which no disk can fail.
pub fn staged(data: &Path) -> Vec<PathBuf> {
    let numbers = 0..STAGED_MAX;
    let staged = numbers.map(|number| data.join(format!("tmp/{number}.tmp")));
    staged.chain([data.join("lock")]).collect()
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression())?;
        match self.paths.as_slice() {
            [] => Ok(()),
            [path] => write!(f, " on {}", path.display()),
            [path, more @ ..] => write!(f, " on {} and {} more", path.display(), more.len()),
        }
    }
}

/// Looks once whether a fault can be injected at all.
fn assert_can_trace() {
    static CAN: std::sync::LazyLock<Result<(), String>> = std::sync::LazyLock::new(|| {
        let probe = Injection {
            paths: vec![Path::new("/dev/null").to_owned()],
            ..Injection::once("openat", Fault::Error("EIO"), 1)
        };
        let output = probe.wrap(Command::new("cat").arg("/dev/null"), Path::new("/dev/null")).output();
        let output = output.map_err(|e| format!("`strace` cannot be started: {e}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // The fault must have come to `cat`, which says so.
        if said.contains("/dev/null: Input/output error") {
            Ok(())
        } else {
            Err(format!("`strace` injects no faults: {said}"))
        }
    });
    if let Err(why) = &*CAN {
        panic!(
            "{why}\n\nThese tests need `strace`: on Debian `apt-get install strace`; in a container it needs the right to \
             trace its own children (`--cap-add SYS_PTRACE`, or a seccomp profile that allows `ptrace`)"
        );
    }
}
