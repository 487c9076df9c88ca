//! Killing everything that descends from this process.
//!
//! A child subreaper inherits every orphan among its descendants, so no process gets out of the tree by letting its
//! parent die, whatever session or process group it is in. Processes are found in `/proc` and killed through a pidfd, so
//! that a number which was given to another process in the meantime hits nobody. A tree that forks faster than it is
//! killed is killed again until it is gone or the time is over; the limit on processes bounds it.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open, pidfd_send_signal, wait};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const ROUND: rustix::fs::Timespec = rustix::fs::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// What was killed.
pub(super) struct Felled {
    /// The status of the one child that the caller asked about.
    pub(super) status: Option<WaitStatus>,
    pub(super) killed: u64,
    pub(super) survivors: u64,
}

/// Kills all descendants of this process and waits until they are gone.
pub(super) fn fell(program: Pid) -> Felled {
    let end = Instant::now() + PATIENCE;
    let mut felled = Felled { status: None, killed: 0, survivors: 0 };
    let mut known = BTreeSet::new();
    loop {
        // A child that ended by itself is reaped first, so that it is not counted as killed.
        if !reap(program, &mut felled.status) {
            break;
        }
        let mut doomed: Vec<OwnedFd> = Vec::new();
        for (pid, parent) in descendants() {
            if let Some(pidfd) = kill(pid, parent) {
                doomed.push(pidfd);
                known.insert(pid.as_raw_nonzero());
            }
        }
        if Instant::now() >= end {
            felled.survivors = u64::try_from(doomed.len()).unwrap_or(u64::MAX);
            break;
        }
        await_any(&doomed);
    }
    felled.killed = u64::try_from(known.len()).unwrap_or(u64::MAX);
    felled
}

/// Reaps every child that has ended. False when there are no children, and so no descendants, any more.
fn reap(program: Pid, status: &mut Option<WaitStatus>) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, ended))) if pid == program => *status = Some(ended),
            Ok(None) => return true,
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Waits until one of the processes has ended, but not for long: others may have come.
fn await_any(processes: &[OwnedFd]) {
    let mut fds: Vec<PollFd<'_>> = processes.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    let _interrupted = poll(&mut fds, Some(&ROUND));
}

/// Kills a process if it is still the child of that parent and not a zombie.
fn kill(pid: Pid, parent: i32) -> Option<OwnedFd> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let (now, alive) = stat(pid.as_raw_nonzero().get())?;
    if now != parent || !alive {
        return None;
    }
    pidfd_send_signal(&pidfd, Signal::KILL).ok()?;
    Some(pidfd)
}

/// All descendants of this process with their parents, the nearest first.
fn descendants() -> Vec<(Pid, i32)> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if let Some((parent, _)) = stat(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![rustix::process::getpid().as_raw_nonzero().get()];
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child);
            found.extend(Pid::from_raw(child).map(|pid| (pid, parent)));
        }
    }
    found
}

/// A process's parent, and whether it is more than a zombie. The name in front, in parentheses, may hold anything.
fn stat(pid: i32) -> Option<(i32, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some((parent, !matches!(state, "Z" | "X")))
}
