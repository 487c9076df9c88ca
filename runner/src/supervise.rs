//! Running one confined program and waiting for all of it to be gone.

use crate::action::{Failure, Refusal};
use crate::cancel::Cancel;
use crate::capture::{Capture, Captured};
use crate::confine::{CONFINED, Ended, Report, Spec, WARDEN, receive, send};
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// How much longer than the deadline the warden may take to kill everything, before the runner gives it up.
const GRACE: Duration = Duration::from_secs(20);
/// How long a pipe may stay open when everything is gone, which nothing but an unkillable process can cause.
const DRAIN: Duration = Duration::from_secs(5);

/// A program that ran.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
}

/// Runs a program in confinement until it ends, its time is over, or it is cancelled. When this returns, no process that
/// it started is left (or the result says how many could not be killed).
pub(crate) fn supervise(executable: &Path, spec: &Spec, stream_bytes: usize, cancel: &Cancel) -> Result<Ran, Refusal> {
    let (control, theirs) = UnixStream::pair().map_err(|e| Refusal::runner("a socket for the warden", e))?;
    let mut warden = Warden::start(executable, theirs)?;
    let stdout = drain(warden.0.stdout.take(), stream_bytes);
    let stderr = drain(warden.0.stderr.take(), stream_bytes);
    let failed = |e: std::io::Error| Refusal::runner("the warden", e);
    cancel.attach(control.try_clone().map_err(failed)?);
    let report = converse(control, spec, cancel);
    cancel.detach();
    drop(warden);
    match report? {
        Report::Refused { reason, unconfined: true } => Err(Refusal::new(
            Failure::Unconfined,
            format!("the program was not run, because it could not be confined: {reason}"),
        )),
        Report::Refused { reason, unconfined: false } => Err(Refusal::new(Failure::ProgramFailed, reason)),
        Report::Ended(ended) => Ok(Ran { ended, stdout: drained(&stdout), stderr: drained(&stderr) }),
    }
}

/// The warden's process. Whatever happens here, it does not outlive the action: when it is dropped it has either
/// reported, and is about to end, or has to be killed; the kernel then kills the program.
struct Warden(Child);

impl Warden {
    fn start(executable: &Path, control: UnixStream) -> Result<Self, Refusal> {
        let mut command = Command::new(executable);
        command.args([CONFINED, WARDEN]).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::from(OwnedFd::from(control))).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|e| Refusal::runner("starting the warden", e))?;
        Ok(Self(child))
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

fn converse(control: UnixStream, spec: &Spec, cancel: &Cancel) -> Result<Report, Refusal> {
    let failed = |e: std::io::Error| Refusal::runner("the warden", e);
    let patience = Duration::from_millis(spec.timeout_ms).saturating_add(GRACE);
    control.set_read_timeout(Some(patience)).map_err(failed)?;
    // A hang-up by cancelling, or a warden that is gone, makes this fail; what there is to read then tells.
    let _sent = send(&control, spec);
    match receive(&mut BufReader::new(control)) {
        Ok(Some(report)) => Ok(report),
        Ok(None) if cancel.is_cancelled() => Err(Refusal::new(Failure::Cancelled, "the action was cancelled")),
        Ok(None) => Err(Refusal::runner("the warden", "ended without a report")),
        Err(error) => Err(failed(error)),
    }
}

fn drain<R: Read + Send + 'static>(stream: Option<R>, most: usize) -> Receiver<Capture> {
    let (done, wait) = sync_channel(1);
    std::thread::spawn(move || {
        let capture = Capture::new(most);
        let capture = match stream {
            Some(stream) => capture.drain(stream),
            None => capture,
        };
        let _nobody_waits = done.send(capture);
    });
    wait
}

/// A stream that does not end in time is recorded as empty, which the number of survivors explains.
fn drained(stream: &Receiver<Capture>) -> Captured {
    stream.recv_timeout(DRAIN).map(Capture::finish).unwrap_or_default()
}
