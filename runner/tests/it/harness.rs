//! A project in a temporary folder, with an executor for it.

use countersign_runner::action::{JSON, TEXT};
use countersign_runner::{ActionSpec, Cancel, Commands, Config, Executor, Failure, Manifest, Mode, Outcome, Status};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The executable that is started again to confine.
pub(crate) const EXECUTABLE: &str = env!("CARGO_BIN_EXE_countersign-runner");

const MANIFEST: &[u8] = include_bytes!("../../../policy/default/manifest.json");

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) executor: Executor,
}

pub(crate) fn config(folder: &Path) -> Config {
    let project = folder.join("project");
    fs::create_dir_all(&project).unwrap();
    let mut config = Config::new(project, folder.join("data"), Manifest::parse(MANIFEST).unwrap());
    config.work = Some(folder.join("work"));
    config.executable = PathBuf::from(EXECUTABLE);
    config
}

impl Bench {
    /// An empty project.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A project whose test command is a shell script.
    pub(crate) fn script(script: &str) -> Self {
        Self::with(|config| config.commands = test_command(&["bash", "-c", script]))
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        Self { executor: Executor::open(config).unwrap(), folder }
    }

    pub(crate) fn project(&self, path: &str) -> PathBuf {
        self.folder.path().join("project").join(path)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let place = self.project(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.project(path)).unwrap()
    }

    pub(crate) fn run(&self, tool: &str, inputs: &Value) -> Outcome {
        self.run_in(Mode::Commit, tool, inputs)
    }

    pub(crate) fn run_in(&self, mode: Mode, tool: &str, inputs: &Value) -> Outcome {
        let action = ActionSpec::new(tool, mode, inputs.as_object().unwrap().clone());
        let outcome = self.executor.run(&action, &Cancel::new());
        self.check(&outcome);
        outcome
    }

    /// Runs the test command for at most so long.
    pub(crate) fn run_for(&self, timeout: Duration) -> Outcome {
        let mut action = ActionSpec::new("run_tests", Mode::Commit, serde_json::Map::new());
        action.timeout = Some(timeout);
        let outcome = self.executor.run(&action, &Cancel::new());
        self.check(&outcome);
        outcome
    }

    /// What must hold after every action: no work copy is left, and status and failure agree.
    fn check(&self, outcome: &Outcome) {
        assert_eq!(outcome.status == Status::Failed, outcome.failure.is_some());
        assert_eq!(fs::read_dir(self.folder.path().join("work")).unwrap().count(), 0, "a work copy is left");
    }
}

pub(crate) fn test_command(command: &[&str]) -> Commands {
    Commands { test: Some(command.iter().map(|&part| part.to_owned()).collect()), ..Commands::default() }
}

pub(crate) fn text(outcome: &Outcome) -> String {
    assert_eq!(outcome.output.media_type, TEXT);
    String::from_utf8(outcome.output.bytes.clone()).unwrap()
}

/// What a program wrote to standard output.
pub(crate) fn stdout(outcome: &Outcome) -> String {
    stream(outcome, "stdout")
}

pub(crate) fn stream(outcome: &Outcome, name: &str) -> String {
    assert_eq!(outcome.output.media_type, JSON, "{outcome:?}");
    let record: Value = serde_json::from_slice(&outcome.output.bytes).unwrap();
    record.get(name).unwrap().as_str().unwrap().to_owned()
}

pub(crate) fn assert_completed(outcome: &Outcome) {
    let output = String::from_utf8_lossy(&outcome.output.bytes);
    assert_eq!(outcome.status, Status::Completed, "{}: {output}", outcome.detail);
}

pub(crate) fn assert_failed(outcome: &Outcome, failure: Failure) {
    assert_eq!(outcome.failure, Some(failure), "{}", outcome.detail);
}

/// Looks again and again until something is there, for at most a minute.
pub(crate) fn await_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} never came");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether a process runs. A zombie does not.
pub(crate) fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The numbers behind `name=` in some text.
pub(crate) fn numbers<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let prefix = format!("{name}=");
    text.split_whitespace().filter_map(|word| word.strip_prefix(prefix.as_str())).collect()
}
