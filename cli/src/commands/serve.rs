//! `countersign up`, `countersign serve`.

use crate::cosigning::{WitnessArguments, Witnesses};
use crate::data_folder::{self, Founding, OpenFolder, Problem};
use crate::output::{could_not, print_line};
use crate::scrubbing::ScrubArguments;
use crate::server::{self, Server, ServerOptions};
use clap::Args;
use domain::event::ledger::Profile;
use domain::event::runner::NewRunner;
use ledger::Publish;
use ledger::keys::KeyFolder;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};

/// Options of both.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./countersign-data")]
    data: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: String,
    /// Whether reads need no key, as M87's clients expect; by default only in a `dev` ledger
    #[arg(long, value_name = "BOOL")]
    open_reads: Option<bool>,
    /// Events after which the read models' digests are stated in the log
    #[arg(long, value_name = "N", default_value_t = 1000)]
    attest_every: u64,
    /// Bytes that the store of bodies may hold; without it, as many as the disk has room for
    #[arg(long, value_name = "BYTES")]
    content_quota: Option<u64>,
    #[command(flatten)]
    witnesses: WitnessArguments,
    #[command(flatten)]
    scrub: ScrubArguments,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    sizes: data_folder::Sizes,
}

/// Options of `up`.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    serve: ServeArguments,
    /// The project that the runner works on; by default an empty folder `project` inside the data folder
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Start no runner
    #[arg(long)]
    no_runner: bool,
}

/// Starts the server alone.
pub(crate) fn serve(arguments: &ServeArguments) -> ExitCode {
    run(arguments, None)
}

/// Starts server and runner, making a ledger first if there is none.
pub(crate) fn up(arguments: &UpArguments) -> ExitCode {
    let project = arguments.project.clone().unwrap_or_else(|| arguments.serve.data.join("project"));
    run(&arguments.serve, (!arguments.no_runner).then_some(project))
}

fn run(arguments: &ServeArguments, project: Option<PathBuf>) -> ExitCode {
    crate::commands::log_to_stderr(arguments.quiet);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return could_not(error),
    };
    match runtime.block_on(serve_until_told(arguments, project)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => could_not(problem),
    }
}

async fn serve_until_told(arguments: &ServeArguments, project: Option<PathBuf>) -> Result<(), Problem> {
    let dir = &arguments.data;
    let stop = told_to_stop()?;
    let say = |text: &str| {
        if arguments.quiet { Ok(()) } else { print_line(text) }
    };
    let witnesses = arguments.witnesses.read()?;
    let mut folder = open_or_create(arguments, Witnesses::publish(witnesses.as_ref()))?;
    let runner = match &project {
        Some(project) => Some(prepare_runner(dir, project, &mut folder)?),
        None => None,
    };
    let options = ServerOptions {
        listen: arguments.listen.clone(),
        open_reads: arguments.open_reads,
        attest_every: arguments.attest_every,
        content_quota: arguments.content_quota,
        witnesses,
    };
    let server = Server::start(dir, folder, &options).await?;
    let head = server.ledger.head();
    say(&format!(
        "countersign {} · ledger {} · {} events",
        env!("CARGO_PKG_VERSION"),
        server.ledger.origin(),
        head.size
    ))
    .map_err(|e| e.to_string())?;
    say(&format!("listening on {}", server.url())).map_err(|e| e.to_string())?;
    let scrubber = arguments.scrub.start(&server.ledger)?;
    let mut child = match runner {
        Some(runner) => Some(runner.start(&server.url())?),
        None => None,
    };
    let ended = wait(stop, &server, &mut child).await;
    // Whoever read the output may be gone; that is no reason not to end well.
    let _ = say("stopping");
    if let Some(child) = &mut child {
        stop_child(child);
    }
    if let Some(scrubber) = scrubber {
        scrubber.stop();
    }
    server.stop().await?;
    ended
}

fn open_or_create(arguments: &ServeArguments, publish: Publish) -> Result<OpenFolder, Problem> {
    let (dir, sizes) = (arguments.data.as_path(), arguments.sizes);
    let from_environment = data_folder::admin_key_from_environment();
    if data_folder::exists(dir) {
        let mut folder = data_folder::open_as(dir, publish, sizes)?;
        if let Some(key) = from_environment {
            server::ensure_admin_key(dir, &mut folder, &key)?;
        }
        return Ok(folder);
    }
    let (key, made) = match from_environment {
        Some(key) => (key, false),
        None => (data_folder::new_api_key()?, true),
    };
    let founding = Founding { profile: Profile::Dev, root: None, origin: None, admin_key: &key };
    let folder = data_folder::create_as(dir, &founding, publish, sizes)?;
    if !arguments.quiet {
        let note = format!(
            "made a `dev` ledger in {}: its root key lies beside the data, in {}",
            dir.display(),
            KeyFolder::of(dir).path(ledger::keys::KeyRole::Root).display()
        );
        print_line(&note).map_err(|e| e.to_string())?;
    }
    if made {
        // Shown this once, whatever else is kept quiet: nobody could find it again.
        print_line(&format!("admin API key (shown once): {key}")).map_err(|e| e.to_string())?;
    }
    Ok(folder)
}

/// A runner that is registered and ready to start.
struct PreparedRunner {
    data: PathBuf,
    project: PathBuf,
    root: String,
    /// The tool manifest in force, which may be older than this build's default.
    manifest: PathBuf,
}

fn prepare_runner(dir: &Path, project: &Path, folder: &mut OpenFolder) -> Result<PreparedRunner, Problem> {
    let data = dir.join("runner");
    let make = |path: &Path| std::fs::create_dir_all(path).map_err(|e| format!("cannot make {}: {e}", path.display()));
    make(&data)?;
    make(project)?;
    let runner_id = "local";
    let key = runner::identity::load_or_create(&data, runner_id).map_err(|e| e.to_string())?;
    let record = NewRunner {
        runner_id: runner_id.parse().map_err(|_| "runner id".to_owned())?,
        public_key: *key.verifier().key(),
        description: Some("the runner that `countersign up` starts".into()),
    };
    server::ensure_runner(folder, || data_folder::read_root(dir, None), &record)?;
    let root = folder.ledger.with_state(|state| state.ledger().map(|info| info.genesis.root.clone()));
    let root = root.ok_or("the ledger has no genesis")?;
    let manifest = dir.join("public/blob").join(folder.ledger.policy().manifest_digest().to_string());
    Ok(PreparedRunner { data, project: project.to_owned(), root, manifest })
}

impl PreparedRunner {
    /// Starts it as a child of the same executable; it dies with this process.
    fn start(&self, url: &str) -> Result<Child, Problem> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        std::process::Command::new(program)
            .arg("runner")
            .args(["--url", url, "--root", &self.root, "--runner-id", "local"])
            .args(["--parent-death", &std::process::id().to_string()])
            .arg("--data")
            .arg(&self.data)
            .arg("--project")
            .arg(&self.project)
            .arg("--manifest")
            .arg(&self.manifest)
            .env_remove("COUNTERSIGN_API_KEY")
            .env_remove("M87_API_KEY")
            .stdin(Stdio::null())
            .spawn()
            .map_err(|e| format!("cannot start the runner: {e}"))
    }
}

fn stop_child(child: &mut Child) {
    if let Ok(id) = i32::try_from(child.id())
        && let Some(pid) = rustix::process::Pid::from_raw(id)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let _ = child.wait();
}

/// Waits until told to stop, and says when a part has ended by itself. Without its writer the server is of no use.
async fn wait(stop: impl Future<Output = ()>, server: &Server, child: &mut Option<Child>) -> Result<(), Problem> {
    let mut looks = tokio::time::interval(std::time::Duration::from_secs(1));
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            _ = looks.tick() => {}
        }
        if let Some(why) = server.ledger.stopped() {
            return Err(format!("the writer has stopped: {why}"));
        }
        if let Some(Ok(Some(status))) = child.as_mut().map(Child::try_wait) {
            crate::output::note(&format!("the runner has ended with {status}; jobs wait until another one comes"));
            *child = None;
        }
    }
}

/// Resolves when somebody asks the process to end. From this call on no such request is missed.
pub(crate) fn told_to_stop() -> Result<impl Future<Output = ()>, Problem> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
