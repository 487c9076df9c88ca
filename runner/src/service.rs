//! The runner's loop: lease, verify, run, report.

use crate::action::{ActionSpec, Mode, Outcome, Status};
use crate::advance::{AdvanceError, Known, advance};
use crate::cancel::Cancel;
use crate::executor::Executor;
use crate::identity::HeadFile;
use crate::report::{self, Report};
use crate::warrant::{self, Pins, Refusal, VerifiedWarrant};
use client::Client;
use domain::authored::{self, SeenHead, StatementKind};
use domain::event::job::LeaseRequest;
use domain::event::proposal::ExecutionMode;
use domain::manifest::Manifest;
use domain::policy::Policy;
use domain::reason::Reason;
use domain::time::Timestamp;
use proof::key::SecretKey;
use schemas::job::Warrant;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a lease request waits at the server.
const WAIT: Duration = Duration::from_secs(20);
/// Pause after a failure, doubled up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Tries to report that a warrant was refused. A result is tried until its lease lapses.
const REPORTS: u32 = 8;
/// Conditions that no honest server's warrant breaks. Of a lease that was handed out before, the runner must not even
/// sign that it refused it: it may have worked on it.
const IMPOSSIBLE: [&str; 3] = ["consistent_with_last_head", "genesis_under_pinned_root", "lease_answers_request"];

/// A runner.
pub struct Service {
    client: Client,
    pins: Pins,
    secret: SecretKey,
    manifest: Manifest,
    executor: Arc<Executor>,
    heads: HeadFile,
    quiet: bool,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({} at {})", self.pins.runner_id, self.client.base())
    }
}

/// Why the runner stops for good: what it remembers and what the server shows cannot both be true, or its own folder
/// fails it.
#[derive(Debug)]
pub enum ServiceError {
    /// The server shows another history than the one seen before.
    Forked(Refusal),
    /// The runner's own folder cannot be read or written.
    Folder(std::io::Error),
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked(refusal) => write!(f, "refusing this server for good: {refusal}"),
            Self::Folder(error) => write!(f, "the runner's folder: {error}"),
        }
    }
}

impl std::error::Error for ServiceError {}

impl Service {
    /// Puts a runner together.
    pub fn new(
        client: Client,
        pins: Pins,
        secret: SecretKey,
        manifest: Manifest,
        executor: Executor,
        heads: HeadFile,
        quiet: bool,
    ) -> Self {
        Self { client, pins, secret, manifest, executor: Arc::new(executor), heads, quiet }
    }

    /// Works until `stop` resolves; a job that is running then is finished first.
    ///
    /// # Errors
    /// When to go on would be to trust what cannot be true.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<(), ServiceError> {
        tokio::pin!(stop);
        let mut pause = PAUSE;
        let mut known: Option<Known> = None;
        loop {
            let step = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                leased = self.lease(&mut known) => leased,
            };
            match step {
                Ok(None) => pause = PAUSE,
                Ok(Some((origin, policy, warrant))) => {
                    pause = PAUSE;
                    self.carry_out(&origin, &policy, warrant).await?;
                }
                Err(Trouble::Forked(refusal)) => return Err(ServiceError::Forked(refusal)),
                Err(Trouble::Folder(error)) => return Err(ServiceError::Folder(error)),
                Err(Trouble::Passing(what)) => {
                    self.note(&what);
                    known = None;
                    tokio::select! {
                        () = &mut stop => return Ok(()),
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// One lease request; catches up with the log first when it must.
    async fn lease(&self, known: &mut Option<Known>) -> Result<Option<(String, Policy, Warrant)>, Trouble> {
        let seen = self.heads.read().map_err(Trouble::Folder)?;
        let (origin, policy) = match known {
            Some(known) => (known.origin.clone(), known.policy.clone()),
            None => {
                let caught_up =
                    advance(&self.client, &self.pins, &self.manifest, seen).await.map_err(Trouble::of_advance)?;
                self.heads.write(caught_up.head).map_err(Trouble::Folder)?;
                let known = known.insert(caught_up);
                (known.origin.clone(), known.policy.clone())
            }
        };
        let seen = self.heads.read().map_err(Trouble::Folder)?;
        let request = LeaseRequest {
            runner_id: self.pins.runner_id.clone(),
            tools: self.manifest.tools.keys().cloned().collect(),
            manifest: self.manifest.digest(),
        };
        let envelope = authored::sign(StatementKind::Lease, &origin, seen, &request, &self.secret)
            .map_err(|e| Trouble::Passing(e.to_string()))?;
        match self.client.lease(envelope, WAIT).await {
            Ok(None) => Ok(None),
            Ok(Some(warrant)) => Ok(Some((origin, policy, warrant))),
            // An answer was lost on its way: catch up, and ask again with a newer head.
            Err(error) if error.reason() == Some(Reason::LeaseReplayed.code()) => {
                *known = None;
                Ok(None)
            }
            Err(error) => Err(Trouble::Passing(error.to_string())),
        }
    }

    async fn carry_out(&self, origin: &str, policy: &Policy, warrant: Warrant) -> Result<(), ServiceError> {
        let seen = self.heads.read().map_err(ServiceError::Folder)?;
        let verified = match warrant::verify(&warrant, &self.pins, seen, policy, wall()) {
            Ok(verified) => verified,
            Err(refusal) => {
                self.note(&format!("job {} refused: {refusal}", warrant.job_id));
                if IMPOSSIBLE.contains(&refusal.condition) {
                    return Err(ServiceError::Forked(refusal));
                }
                if let Some(report) = report::refused(&warrant, &refusal) {
                    self.report(origin, seen, report, None).await;
                }
                return Ok(());
            }
        };
        // What was seen is remembered before anything is done: a crash must not forget it.
        self.heads.write(verified.head()).map_err(ServiceError::Folder)?;
        let outcomes = self.execute(&verified).await;
        let report = report::of(&verified, &outcomes);
        self.note(&format!("job {} {}", verified.job().job_id, report.word()));
        self.report(origin, verified.head(), report, Some(verified.expires())).await;
        Ok(())
    }

    /// Runs the actions in order, and stops at the first that fails.
    async fn execute(&self, warrant: &VerifiedWarrant) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mode = match warrant.job().execution_mode {
            ExecutionMode::Commit => Mode::Commit,
            ExecutionMode::Draft => Mode::Draft,
            ExecutionMode::Preview => Mode::Preview,
        };
        let mut left = Duration::from_millis(warrant.job().timeout_ms);
        for action in warrant.actions() {
            let mut spec = ActionSpec::new(action.tool.as_str(), mode, action.inputs.clone());
            spec.timeout = Some(left);
            let executor = self.executor.clone();
            let ran = tokio::task::spawn_blocking(move || executor.run(&spec, &Cancel::new())).await;
            let outcome = match ran {
                Ok(outcome) => outcome,
                Err(error) => report::crashed(&error.to_string()),
            };
            left = left.saturating_sub(outcome.duration);
            let failed = outcome.status == Status::Failed;
            outcomes.push(outcome);
            if failed {
                break;
            }
        }
        outcomes
    }

    /// Reports, and tries again while the answer may still count. A result that cannot be delivered stays unknown to the
    /// ledger, which says so itself when the lease lapses.
    async fn report(&self, origin: &str, head: SeenHead, report: Report, expires: Option<Timestamp>) {
        let Report { result, bodies } = report;
        let signed = authored::sign(StatementKind::Result, origin, head, &result, &self.secret);
        let envelope = match signed {
            Ok(envelope) => envelope,
            Err(error) => return self.note(&format!("the result cannot be signed: {error}")),
        };
        let mut pause = PAUSE;
        for tries in 0.. {
            match self.client.report(result.job_id.as_str(), envelope.clone(), bodies.clone()).await {
                Ok(_) => return,
                // A server that is busy, full or starting says so with a 5xx: it may take the result later.
                Err(client::Error::Refused(problem)) if problem.status < 500 => {
                    return self.note(&format!("the result was refused: {} {}", problem.reason, problem.detail));
                }
                Err(error) => self.note(&format!("the result was not delivered yet: {error}")),
            }
            if expires.map_or(tries >= REPORTS, |expires| expires <= wall()) {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn note(&self, text: &str) {
        use std::io::Write;
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "runner {}: {text}", self.pins.runner_id);
        }
    }
}

/// Why a lease request came to nothing.
enum Trouble {
    Forked(Refusal),
    Folder(std::io::Error),
    Passing(String),
}

impl Trouble {
    fn of_advance(error: AdvanceError) -> Self {
        match error {
            AdvanceError::Refused(refusal) => Self::Forked(refusal),
            AdvanceError::Server(error) => Self::Passing(error.to_string()),
        }
    }
}

/// The runner's own clock: only to judge whether a lease still holds.
fn wall() -> Timestamp {
    let ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis());
    Timestamp::from_ms(u64::try_from(ms).unwrap_or(u64::MAX))
}
