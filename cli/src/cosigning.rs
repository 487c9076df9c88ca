//! The witnesses that a server is to ask: from the command line, over the wire.

use crate::data_folder::Problem;
use api::witness::{Answer, Answering, Cosigner, CosignerOptions, Mode, Transport, Witnessing};
use clap::{Args, ValueEnum};
use client::witness::{WitnessAnswer, WitnessClient};
use ledger::{Ledger, Publish};
use proof::policy::{MAX_POLICY_BYTES, TrustPolicy};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Options of `serve` and `up`.
#[derive(Debug, Args)]
pub(crate) struct WitnessArguments {
    /// A C2SP `tlog-policy` file: the witnesses that are asked to cosign each head, and how many of them must
    #[arg(id = "witness-policy", long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Whether heads are published without them (`open`), or only with them (`closed`)
    #[arg(id = "witness-mode", long, value_name = "MODE", default_value = "open", requires = "witness-policy")]
    mode: ModeArgument,
    /// Milliseconds to wait for further cosignatures once there are enough
    #[arg(id = "witness-wait", long, value_name = "MS", default_value_t = 200, requires = "witness-policy")]
    wait_ms: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArgument {
    Open,
    Closed,
}

/// The witnesses to ask.
#[derive(Clone, Debug)]
pub(crate) struct Witnesses {
    policy: TrustPolicy,
    /// As it was named, for messages.
    file: PathBuf,
    mode: Mode,
    extra_wait: Duration,
}

impl WitnessArguments {
    /// Reads the policy, if one is named.
    pub(crate) fn read(&self) -> Result<Option<Witnesses>, Problem> {
        let Some(file) = &self.policy else { return Ok(None) };
        let policy = read_policy(file).map_err(|why| unfit(file, &why))?;
        let mode = match self.mode {
            ModeArgument::Open => Mode::Open,
            ModeArgument::Closed => Mode::Closed,
        };
        let extra_wait = Duration::from_millis(self.wait_ms);
        Ok(Some(Witnesses { policy, file: file.clone(), mode, extra_wait }))
    }
}

impl Witnesses {
    /// Which heads the ledger publishes by itself.
    pub(crate) fn publish(witnesses: Option<&Self>) -> Publish {
        witnesses.map_or(Publish::Heads, |witnesses| witnesses.mode.publish())
    }

    /// The task that asks them, and how it stands with them.
    pub(crate) fn cosigner(self, dir: &Path, ledger: &Ledger) -> Result<(Cosigner, Witnessing), Problem> {
        let options =
            CosignerOptions { extra_wait: self.extra_wait, ..CosignerOptions::new(dir.to_owned(), self.mode) };
        Cosigner::new(ledger.clone(), self.policy, options, Arc::new(Wire(WitnessClient::new())))
            .map_err(|error| unfit(&self.file, &error.to_string()))
    }
}

fn unfit(file: &Path, why: &str) -> Problem {
    format!("`{}` is no witness policy for this log: {why}", file.display())
}

fn read_policy(file: &Path) -> Result<TrustPolicy, Problem> {
    let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    let mut text = String::new();
    opened.take(MAX_POLICY_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_POLICY_BYTES) {
        return Err(format!("it is longer than {MAX_POLICY_BYTES} bytes"));
    }
    TrustPolicy::parse(&text).map_err(|error| error.to_string())
}

/// Requests over plain HTTP.
struct Wire(WitnessClient);

impl Transport for Wire {
    fn add_checkpoint<'a>(&'a self, url: &'a str, request: String) -> Answering<'a> {
        Box::pin(async move {
            let answer = self.0.add_checkpoint(url, request).await.map_err(|error| error.to_string())?;
            let WitnessAnswer { status, media_type, body } = answer;
            Ok(Answer { status, media_type, body })
        })
    }
}
