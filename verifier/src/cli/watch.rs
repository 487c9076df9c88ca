//! The loop around a monitor's looks: remember, tell, wait.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::args::WatchArgs;
use super::print;
use crate::report::{CommandName, Report, Verdict};
use crate::rule::{Finding, Rule};
use crate::source::Location;
use crate::trust::Options;
use crate::watch::memory::Memory;
use crate::watch::{Watching, look};

/// Watches until something is wrong, or once. The last report is the answer.
pub(super) fn run(args: &WatchArgs, options: &Options<'_>) -> Result<Report, String> {
    let stale_ms = args.stale.map(|seconds| u64::from(seconds).saturating_mul(1_000));
    let watching = Watching {
        principals: args.principal.iter().cloned().collect(),
        effects: args.effect.iter().cloned().collect(),
        stale_ms,
        trust_first: args.trust_first_use,
    };
    loop {
        let memory = Memory::read(&args.state)?;
        let now_ms = now_ms();
        let (mut report, next) = match Location::open(&args.source) {
            Ok(location) => look(&location, memory.as_ref(), &watching, options, now_ms),
            Err(error) => (Report::error(CommandName::Watch, &args.source, error), None),
        };
        if report.verdict == Verdict::Error {
            silence(&mut report, memory.as_ref(), stale_ms, now_ms);
        }
        // Told first, remembered afterwards: whoever is interrupted in between tells it twice, never not at all.
        if report.verdict != Verdict::Valid || !report.notices.is_empty() {
            alert(args, &report)?;
        }
        if let Some(next) = next.filter(|next| memory.as_ref() != Some(next)) {
            next.write(&args.state)?;
        }
        let ends = matches!(report.verdict, Verdict::Invalid | Verdict::Insufficient);
        if args.once || ends {
            return Ok(report);
        }
        if report.verdict == Verdict::Error || report.checked.events > 0 {
            print(&report, args.output).map_err(|error| error.to_string())?;
        }
        pause(args);
    }
}

#[expect(clippy::disallowed_methods, reason = "a monitor looks at intervals; there is nothing to be told by")]
fn pause(args: &WatchArgs) {
    std::thread::sleep(Duration::from_secs(u64::from(args.interval.get())));
}

/// A log that cannot be read is no verdict, until that has lasted too long.
fn silence(report: &mut Report, memory: Option<&Memory>, stale_ms: Option<u64>, now_ms: u64) {
    let silent_ms = memory.map_or(0, |memory| now_ms.saturating_sub(memory.grown_ms()));
    if stale_ms.is_some_and(|stale_ms| silent_ms > stale_ms) {
        let why = report.problems.first().map_or("", |problem| problem.detail.as_str());
        let detail = format!("the log has not grown for {} s, and cannot be read: {why}", silent_ms / 1_000);
        report.conclude(vec![Finding::whole(Rule::StaleHead, detail)]);
    }
}

/// Hands a report to the user's command.
fn alert(args: &WatchArgs, report: &Report) -> Result<(), String> {
    let Some(line) = &args.alert else { return Ok(()) };
    let failed = |detail: &dyn std::fmt::Display| format!("the alert command `{line}`: {detail}");
    let mut command = Command::new("sh");
    let mut child = command.arg("-c").arg(line).stdin(Stdio::piped()).spawn().map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read is the user's choice; how it ends is what counts.
        let _ = writeln!(stdin, "{}", report.to_json());
    }
    let status = child.wait().map_err(|error| failed(&error))?;
    if status.success() { Ok(()) } else { Err(failed(&status)) }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
