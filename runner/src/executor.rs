//! The executor: one action in, one outcome out.

use crate::action::{ActionSpec, Failure, Outcome, Refusal};
use crate::cancel::Cancel;
use crate::limits::{Limits, Pace};
use crate::manifest::Manifest;
use crate::path::RelativePath;
use crate::root::Root;
use crate::toolchain::Toolchain;
use crate::tools::{self, Job};
use crate::workspace::{ATTEMPT, remove_tree};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How an executor is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The project that tools work on.
    pub project: PathBuf,
    /// The runner's own data: its lock, and what builds made. Nothing else may write there.
    pub data: PathBuf,
    /// Where work copies are made. Outside of every cargo project. By default a folder of its own in the system's folder
    /// for temporary files.
    pub work: Option<PathBuf>,
    /// The executable that is started once more to confine a program. It calls
    /// [`crate::confine::confined_main_if_requested`] first in its `main`. By default the running one.
    pub executable: PathBuf,
    /// The tools that may be run.
    pub manifest: Manifest,
    /// The project's commands.
    pub commands: Commands,
    /// What programs find besides the system.
    pub toolchain: Toolchain,
    /// Every bound.
    pub limits: Limits,
    /// Run programs even when a layer of confinement is missing on this machine. Each outcome records it.
    pub permit_weaker_confinement: bool,
}

/// The programs that a project is tested and built with, from the runner's configuration and never from a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands {
    /// Program and arguments. By default `cargo test` where there is a `Cargo.toml`.
    pub test: Option<Vec<String>>,
    /// Program and arguments. By default `cargo build --release` where there is a `Cargo.toml`.
    pub build: Option<Vec<String>>,
    /// Folders of the work copy whose files a build keeps. By default `target/release`.
    pub build_outputs: Option<Vec<String>>,
}

impl Config {
    /// The defaults for a project.
    pub fn new(project: impl Into<PathBuf>, data: impl Into<PathBuf>, manifest: Manifest) -> Self {
        Self {
            project: project.into(),
            data: data.into(),
            work: None,
            executable: PathBuf::from("/proc/self/exe"),
            manifest,
            commands: Commands::default(),
            toolchain: Toolchain::system(),
            limits: Limits::default(),
            permit_weaker_confinement: false,
        }
    }
}

/// Runs actions on one project. Several may run at once; they put their changes back one after the other.
#[derive(Debug)]
pub struct Executor {
    pub(crate) config: Config,
    pub(crate) project: Root,
    /// The runner's own folders inside the project, if somebody put them there. Never copied.
    pub(crate) excluded: Vec<RelativePath>,
    pub(crate) work: PathBuf,
    /// Held while the project or the build outputs change.
    pub(crate) changing: Mutex<()>,
    /// Locked for as long as this executor lives.
    _lock: File,
}

impl Executor {
    /// Opens the project and takes the data folder; another executor that has it is an error. Work copies that a killed
    /// runner left behind are removed.
    pub fn open(config: Config) -> io::Result<Self> {
        let project = Root::open(&config.project)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data)?;
        let data = config.data.canonicalize()?;
        let lock = File::create(data.join("lock"))?;
        lock.try_lock()
            .map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, "another runner uses this data folder"))?;
        let work = work_folder(&config, &data)?;
        let left_behind = |name: &OsStr| name.as_encoded_bytes().starts_with(ATTEMPT.as_bytes());
        for entry in fs::read_dir(&work)?.flatten().filter(|entry| left_behind(&entry.file_name())) {
            remove_tree(&entry.path());
        }
        let excluded = [&data, &work].into_iter().filter_map(|own| inside(project.path(), own)).collect();
        Ok(Self { config: Config { data, ..config }, project, excluded, work, changing: Mutex::new(()), _lock: lock })
    }

    /// Carries out one action. It blocks until the action is done, which it is at its deadline at the latest.
    pub fn run(&self, action: &ActionSpec, cancel: &Cancel) -> Outcome {
        let begin = Instant::now();
        let mut outcome = match self.attempt(action, cancel, begin) {
            Ok(outcome) => outcome,
            Err(refusal) => Outcome::refused(refusal),
        };
        let detail = inspect::redact(outcome.detail.as_bytes(), inspect::Context::Text);
        outcome.count(&detail.findings);
        outcome.detail = detail.text;
        outcome.duration = begin.elapsed();
        outcome
    }

    fn attempt(&self, action: &ActionSpec, cancel: &Cancel, begin: Instant) -> Result<Outcome, Refusal> {
        let tool = self.config.manifest.admit(action)?;
        refuse_secrets(action)?;
        let allowed = Duration::from_secs(u64::from(tool.timeout_seconds));
        let timeout = action.timeout.map_or(allowed, |asked| asked.min(allowed));
        let pace = Pace { deadline: begin + timeout, cancel: cancel.clone() };
        pace.check()?;
        tools::run(&Job { executor: self, action, pace })
    }
}

/// The server refuses these too; a runner does not rely on it.
fn refuse_secrets(action: &ActionSpec) -> Result<(), Refusal> {
    for (name, value) in &action.inputs {
        if let Some(found) = inspect::json::find(value).first() {
            let place = if found.pointer.is_empty() { String::new() } else { format!(" in `{}`", found.pointer) };
            let detail = format!(
                "input `{name}` holds a secret of kind {} at byte {}{place}",
                found.finding.kind, found.finding.start
            );
            return Err(Refusal::new(Failure::InputRefused, detail));
        }
    }
    Ok(())
}

/// Makes or takes the folder for work copies: this user's alone, whoever else writes to the folder above.
fn work_folder(config: &Config, data: &Path) -> io::Result<PathBuf> {
    let path = config.work.clone().unwrap_or_else(|| {
        let name = crate::digest::of(data.as_os_str().as_encoded_bytes()).sha256;
        std::env::temp_dir().join(format!("countersign-{}", name.get(..16).unwrap_or_default()))
    });
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    match builder.create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(&path)?;
    let ours = metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode().trailing_zeros() >= 6;
    if !ours {
        let message = format!("`{}` is no private folder of this user", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    path.canonicalize()
}

fn inside(project: &Path, own: &Path) -> Option<RelativePath> {
    let relative = own.strip_prefix(project).ok()?;
    RelativePath::found(relative.to_str()?.to_owned())
}
