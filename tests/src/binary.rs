//! The executables under test, and running them to their end.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Another folder to take the executables from; they are then not compared with the sources.
const FOLDER: &str = "COUNTERSIGN_BIN_DIR";
/// Longest run of a command that should end by itself. Building and testing the demo's project takes most of a minute
/// on a machine that is busy.
const RUN_MAX: Duration = Duration::from_secs(240);

/// The path of one of the workspace's executables: next to the one that runs the tests.
///
/// # Panics
/// If it is not there or older than its sources, with the command that builds it.
pub fn path(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return PathBuf::from(folder).join(name);
    }
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).expect("tests run from <target>/<profile>/deps");
    let path = folder.join(name);
    let build = "cargo build --workspace --bins";
    assert!(path.exists(), "{} is missing; first run `{build}`, or `cargo xtask test`", path.display());
    if let Some(newer) = newer_source(&path) {
        panic!("{} is older than {newer}; first run `{build}`, or `cargo xtask test`", path.display());
    }
    path
}

/// A source file that has changed since the executable was linked, as cargo's list of them says.
fn newer_source(binary: &Path) -> Option<String> {
    let list = fs::read_to_string(binary.with_extension("d")).ok()?;
    let built = fs::metadata(binary).and_then(|m| m.modified()).ok()?;
    let (_, sources) = list.split_once(": ")?;
    let newer = |source: &&str| fs::metadata(source).and_then(|m| m.modified()).is_ok_and(|changed| changed > built);
    sources.split_whitespace().find(newer).map(str::to_owned)
}

/// A command with nothing of this process's environment that could steer it.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(path(name));
    for name in ["COUNTERSIGN_API_KEY", "COUNTERSIGN_RUNNER_KEY", "M87_API_KEY", "NO_COLOR", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Gives a command the changes to the environment that another one has.
pub fn same_environment(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// Runs a command to its end, and gives what it printed.
///
/// # Panics
/// If it does not end in time.
pub fn run(command: &mut Command) -> Output {
    wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn wait(child: Child) -> Output {
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = channel();
    let waiter = std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(RUN_MAX) else {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        panic!("process {pid:?} did not end in {RUN_MAX:?}");
    };
    waiter.join().unwrap().unwrap();
    output.unwrap()
}

/// Runs `countersign` with these arguments.
pub fn countersign(arguments: &[&str]) -> Output {
    run(command("countersign").args(arguments))
}

/// What a command printed on standard output, if it ended well.
///
/// # Panics
/// If it did not, with what it printed on standard error.
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

/// Runs a command whose standard output is a terminal, and gives what was shown there.
///
/// # Panics
/// If it does not end well and in time.
pub fn on_terminal(command: &mut Command) -> Vec<u8> {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).and_then(|()| unlockpt(&terminal)).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let inside = File::options().read(true).write(true).open(name).unwrap();
    let child = command.stdout(inside.try_clone().unwrap()).stderr(Stdio::null()).spawn().unwrap();
    // The command holds the other ends; ours must go, or the terminal would never be silent.
    command.stdout(Stdio::null());
    drop(inside);
    let watcher = std::thread::spawn(move || {
        let (mut shown, mut terminal) = (Vec::new(), File::from(terminal));
        let mut chunk = [0; 4096];
        // Linux ends a terminal that nobody holds any more with an error.
        while let Ok(read @ 1..) = terminal.read(&mut chunk) {
            shown.extend_from_slice(&chunk[..read]);
        }
        shown
    });
    let status = wait(child).status;
    let shown = watcher.join().unwrap();
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&shown));
    shown
}
