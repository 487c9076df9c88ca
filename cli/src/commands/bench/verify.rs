//! `bench verify`: the verifier's own code, over a data folder. The checkpoint key is the folder's own.

use super::figures;
use crate::output::OutputArguments;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use verifier::{Location, Options, Report, Trust, Verdict};

/// Options of `bench verify`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
}

/// How one pass went.
struct Pass {
    report: Report,
    rate: f64,
    seconds: f64,
    cpu_seconds: f64,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let name = arguments.data.to_str().ok_or("the folder's name is not UTF-8")?;
    let location = Location::open(name).map_err(|e| e.to_string())?;
    let log = pass(&location, verifier::verify_log);
    let rss_after_log = figures::peak_rss_bytes();
    let replay = pass(&location, verifier::verify_replay);
    let rss = figures::peak_rss_bytes();
    let errors = [&log, &replay].iter().filter(|pass| pass.report.verdict != Verdict::Valid).count();
    let events = replay.report.checked.events;
    let answer = json!({
        "events_per_second": replay.rate, "events": events, "errors": errors,
        "cpu_seconds": log.cpu_seconds + replay.cpu_seconds, "rss_bytes": rss,
        "log": log.figures(rss_after_log),
        "replay": replay.figures(rss),
    });
    let code = arguments.output.data(&answer, || {
        let line = |name: &str, pass: &Pass, peak: u64| {
            let verdict = pass.report.verdict.as_str();
            let (rate, seconds, cpu) = (pass.rate, pass.seconds, pass.cpu_seconds);
            format!(
                "{name:<7} {rate:.0} events/s · {seconds:.2} s · CPU {cpu:.1} s · at most {} MiB · {verdict}",
                peak / 1_048_576
            )
        };
        format!("{events} events\n{}\n{}", line("log", &log, rss_after_log), line("replay", &replay, rss))
    });
    Ok(if errors > 0 { ExitCode::from(2) } else { code })
}

impl Pass {
    fn figures(&self, peak_rss_bytes: u64) -> Value {
        json!({
            "events_per_second": self.rate, "seconds": self.seconds, "cpu_seconds": self.cpu_seconds,
            "verdict": self.report.verdict, "peak_rss_bytes": peak_rss_bytes,
        })
    }
}

fn pass(location: &Location, verify: fn(&Location, &Options<'_>) -> Report) -> Pass {
    let options = Options { trust: Trust::SelfAsserted, ..Options::default() };
    let (cpu, start) = (figures::cpu_seconds(), Instant::now());
    let report = verify(location, &options);
    let elapsed = start.elapsed();
    let cpu_seconds = figures::cpu_seconds() - cpu;
    let rate = figures::per_second(report.checked.events, elapsed);
    Pass { report, rate, seconds: elapsed.as_secs_f64(), cpu_seconds }
}
