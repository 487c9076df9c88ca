//! `bench decide`: the pure function alone, on the default policy. Nothing is sealed, folded, signed or stored.

use super::figures::{self, Latency};
use super::proposals::{self, INTENT, KINDS};
use crate::data_folder::{self, Founding, Problem};
use crate::output::OutputArguments;
use clap::Args;
use domain::command::{Caller, Command};
use domain::content::Text;
use domain::decide::{Context, decide, run as carry_out};
use domain::event::EventData;
use domain::event::decision::Ruling;
use domain::event::intent::Intent;
use domain::event::ledger::Profile;
use domain::event::proposal::Seed;
use domain::policy::Policy;
use domain::state::State;
use ledger::metrics::Histogram;
use schemas::commit::{Committer, Earlier};
use schemas::proposal::SubmitProposal;
use serde_json::{Map, json};
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Options of `bench decide`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many proposals of each kind
    #[arg(long, value_name = "N", default_value = "20000")]
    events: NonZeroU64,
    #[command(flatten)]
    output: OutputArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Problem> {
    let world = World::new()?;
    let all = Histogram::default();
    let (mut errors, mut kinds, mut lines) = (0_u64, Map::new(), Vec::new());
    let cpu = figures::cpu_seconds();
    for (name, ruling) in KINDS {
        let one = Histogram::default();
        let sample = world.command(ruling, name)?;
        if world.ruling(&sample) != Some(ruling) {
            return Err(format!("a proposal that should be {name} is not"));
        }
        for n in 0..arguments.events.get() {
            let command = world.command(ruling, &format!("{name}-{n}"))?;
            match world.time(&command) {
                Some(took) => {
                    one.record(took);
                    all.record(took);
                }
                None => errors += 1,
            }
        }
        let latency = Latency::of(&one.read());
        lines.push(format!("{name:<10} {latency}"));
        kinds.insert(name.into(), json!(latency));
    }
    let cpu = figures::cpu_seconds() - cpu;
    let reading = all.read();
    let rate = figures::per_second(reading.count(), Duration::from_nanos(reading.sum()));
    let latency = Latency::of(&reading);
    let rss = figures::rss_bytes();
    let answer = json!({
        "events_per_second": rate, "latency_ms": latency, "events": reading.count(), "errors": errors,
        "cpu_seconds": cpu, "rss_bytes": rss, "rulings": kinds,
    });
    let code = arguments.output.data(&answer, || {
        format!(
            "{rate:.0} decisions/s on one thread · {} of them, {errors} errors\n{}",
            reading.count(),
            lines.join("\n")
        )
    });
    Ok(if errors > 0 { ExitCode::from(2) } else { code })
}

/// A ledger's state in memory, with one intent.
struct World {
    state: State,
    policy: Arc<Policy>,
    admin: Caller,
}

impl World {
    fn new() -> Result<Self, Problem> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let key = data_folder::new_api_key()?;
        let founding = Founding { profile: Profile::Dev, root: None, origin: None, admin_key: &key };
        let folder = data_folder::create(&dir.path().join("data"), &founding)?;
        let admin = Caller::key(data_folder::admin_record(&folder.salt, &key)?.key_id);
        let intent = Intent {
            intent_id: INTENT.parse().map_err(|_| "intent id".to_owned())?,
            from: None,
            mode: None,
            goal: Text::Inline("measure".into()),
            constraints: None,
        };
        let mut state = folder.ledger.with_state(State::clone);
        let policy = folder.ledger.policy();
        let create = Command::CreateIntent { by: admin.clone(), intent, authored: None };
        let context = Context { now: state.time(), seed: Seed::new([0; 32]), policy: &policy };
        carry_out(&mut state, &create, &context).map_err(|e| e.to_string())?;
        Ok(Self { state, policy, admin })
    }

    fn command(&self, ruling: Ruling, id: &str) -> Result<Command, Problem> {
        let submitted: SubmitProposal =
            serde_json::from_value(proposals::proposal(ruling, id)).map_err(|e| e.to_string())?;
        let mut no_salt = || None;
        let id = id.parse().map_err(|_| "proposal id".to_owned())?;
        let mut committer = Committer::new(false, Earlier::new(), &mut no_salt);
        let proposal = submitted.commit(id, &mut committer).map_err(|e| e.detail)?;
        Ok(Command::SubmitProposal {
            by: self.admin.clone(),
            proposal: Box::new(proposal),
            findings: Vec::new(),
            authored: None,
        })
    }

    /// How long a decision took; nothing when there was none.
    fn time(&self, command: &Command) -> Option<Duration> {
        let context = Context { now: self.state.time(), seed: Seed::new([7; 32]), policy: &self.policy };
        let start = Instant::now();
        let decided = decide(&self.state, command, &context);
        let took = start.elapsed();
        decided.is_ok().then_some(took)
    }

    /// What such a proposal is ruled: the figures are of no use if it is not what they are called.
    fn ruling(&self, command: &Command) -> Option<Ruling> {
        let context = Context { now: self.state.time(), seed: Seed::new([7; 32]), policy: &self.policy };
        let sealed = carry_out(&mut self.state.clone(), command, &context).ok()?;
        sealed.into_iter().find_map(|sealed| match &sealed.event.data {
            EventData::DecisionRecorded(decision) => Some(decision.ruling),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_proposal_is_ruled_as_it_is_called() {
        let world = World::new().unwrap();
        for (name, ruling) in KINDS {
            let command = world.command(ruling, name).unwrap();
            assert_eq!(world.ruling(&command), Some(ruling), "{name}");
            assert!(world.time(&command).is_some());
        }
    }
}
