//! The warden: starts the program, ends it in time, and leaves nothing of it behind.

use super::channel::{inherited, receive, send};
use super::program::Progress;
use super::{CONFINED, Ended, Layers, PROGRAM, Report, Spec, Stopped, tree};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitStatus, pidfd_open};
use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs as the warden; the result is the exit code.
pub(super) fn main() -> i32 {
    match guard() {
        Ok(()) => 0,
        // Nobody is left to tell but the one that reads this process's standard error.
        Err(_) => 1,
    }
}

fn guard() -> io::Result<()> {
    let control = inherited()?;
    let mut reader = BufReader::new(control.try_clone()?);
    let Some(spec) = receive::<Spec>(&mut reader)? else {
        return Ok(());
    };
    let deadline = Instant::now() + Duration::from_millis(spec.timeout_ms);
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let report = match start(&spec) {
        Ok((program, socket)) => watch(&control, program, socket, deadline),
        Err(error) => Report::Refused { reason: format!("starting the program: {error}"), unconfined: true },
    };
    send(&control, &report)
}

/// Starts this executable once more, as the program to be.
fn start(spec: &Spec) -> io::Result<(Pid, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command.args([CONFINED, PROGRAM]).env_clear().stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    let child = command.spawn()?;
    drop(command);
    // From here on the output pipes belong to the program alone: they end when the last of its processes does.
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    send(&ours, spec)?;
    Ok((Pid::from_child(&child), ours))
}

fn watch(control: &UnixStream, program: Pid, socket: UnixStream, deadline: Instant) -> Report {
    let started = confirmed(socket, deadline);
    let stopped = match &started {
        Ok(_) => wait(control, program, deadline),
        Err(_) => None,
    };
    let felled = tree::fell(program);
    match started {
        Ok(layers) => Report::Ended(Ended {
            exit_code: felled.status.and_then(WaitStatus::exit_status),
            signal: felled.status.and_then(WaitStatus::terminating_signal),
            stopped,
            killed: felled.killed,
            survivors: felled.survivors,
            layers,
        }),
        Err(report) => report,
    }
}

/// Waits until the program says that it is confined, and then until its exec has closed the socket.
fn confirmed(socket: UnixStream, deadline: Instant) -> Result<Layers, Report> {
    let refused = |reason: String, unconfined| Report::Refused { reason, unconfined };
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    socket.set_read_timeout(Some(left)).map_err(|e| refused(e.to_string(), true))?;
    let mut reader = BufReader::new(socket);
    let mut layers = None;
    loop {
        match (receive(&mut reader), layers) {
            (Ok(Some(Progress::Confined(active))), None) => layers = Some(active),
            (Ok(Some(Progress::Failed { reason, unconfined })), _) => {
                return Err(refused(reason, unconfined));
            }
            (Ok(None), Some(layers)) => return Ok(layers),
            (Ok(_), _) => {
                return Err(refused("the program ended before it was confined".to_owned(), true));
            }
            (Err(error), _) => {
                return Err(refused(format!("waiting for the confined program: {error}"), true));
            }
        }
    }
}

/// Waits for the first of: the program ends, the runner hangs up, the deadline.
fn wait(control: &UnixStream, program: Pid, deadline: Instant) -> Option<Stopped> {
    let Ok(ended) = pidfd_open(program, PidfdFlags::empty()) else {
        return None;
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Some(Stopped::Deadline);
        }
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut fds = [PollFd::new(&ended, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Some(Stopped::HungUp),
        }
        let [program, control] = &fds;
        if !program.revents().is_empty() {
            return None;
        }
        if !control.revents().is_empty() {
            return Some(Stopped::HungUp);
        }
    }
}
