//! `cargo xtask soak`: every fault, over and over, with seeds that grow, on the executables as they are released.

use crate::{Done, root, run};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where the faults are, in `tests/tests/it`.
const SCENARIOS: [&str; 7] = ["clock", "crash", "disk_full", "injected", "lying", "simulated", "two_processes"];
/// Simulated lives of one round. The next round's seed is as much larger.
const LIVES: u64 = 500;
const MINUTES: u64 = 30;

/// How long, from where, and what.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    minutes: u64,
    /// Rounds after which it ends although there is time left.
    rounds: Option<u64>,
    seed: u64,
    only: Vec<String>,
    /// With debug builds, and as much as an ordinary test run does: for a look at the soak itself.
    quick: bool,
}

/// Sums of what the scenarios say they did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally(BTreeMap<String, u64>);

/// A scenario that failed.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    tests: Vec<String>,
}

/// Runs rounds until the time is over or something fails.
pub(crate) fn soak(arguments: &[String]) -> Done {
    let plan = Plan::parse(arguments)?;
    let profile = plan.profile();
    run("cargo", &[&["build", "--locked", "--workspace", "--bins"], profile].concat())?;
    let began = Instant::now();
    let end = Duration::from_secs(60 * plan.minutes);
    let (mut tally, mut round) = (Tally::default(), 0);
    while began.elapsed() < end && plan.rounds.is_none_or(|rounds| round < rounds) {
        let seed = plan.seed.wrapping_add(round.wrapping_mul(LIVES));
        round += 1;
        println!("round {round}, seed {seed}");
        if let Err(Failure { tests }) = plan.round(seed, &mut tally)? {
            let again = tests.iter().map(|test| plan.again(seed, test)).collect::<Vec<_>>().join("\n  ");
            return Err(format!("round {round} failed with seed {seed}; the same again:\n  {again}"));
        }
        println!("round {round} held; {} s; in all {tally}", began.elapsed().as_secs());
    }
    println!("{round} rounds held: {tally}");
    if round == 0 { Err("no round was run: there was no time for one".into()) } else { Ok(()) }
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self { minutes: MINUTES, rounds: None, seed: fresh_seed(), only: Vec::new(), quick: false };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("`{name}` needs a value"));
            let number = |text: &String| text.parse().map_err(|_| format!("`{name}` takes a number, not `{text}`"));
            match name.as_str() {
                "--minutes" => plan.minutes = number(value()?)?,
                "--rounds" => plan.rounds = Some(number(value()?)?),
                "--seed" => plan.seed = number(value()?)?,
                "--only" => plan.only.push(scenario(value()?)?),
                "--quick" => plan.quick = true,
                _ => return Err(format!("unknown option `{name}`; {USAGE}")),
            }
        }
        Ok(plan)
    }

    fn profile(&self) -> &'static [&'static str] {
        if self.quick { &[] } else { &["--release"] }
    }

    /// The variables that a scenario takes its seed and its size from.
    fn variables(&self, seed: u64) -> Vec<(&'static str, String)> {
        let mut variables = vec![("COUNTERSIGN_SEED", seed.to_string())];
        if !self.quick {
            variables.push(("COUNTERSIGN_SEEDS", LIVES.to_string()));
            variables.push(("COUNTERSIGN_SOAK", "1".into()));
        }
        variables
    }

    /// The command that repeats one test of a round.
    fn again(&self, seed: u64, test: &str) -> String {
        let variables: Vec<_> = self.variables(seed).iter().map(|(name, value)| format!("{name}={value}")).collect();
        let profile = [&["test"], self.profile()].concat().join(" ");
        format!("{} cargo {profile} --package countersign-tests --test it {test} -- --nocapture", variables.join(" "))
    }

    /// Every scenario once. What they print is shown as it comes when they fail, and added up when they hold.
    fn round(&self, seed: u64, tally: &mut Tally) -> Result<Result<(), Failure>, String> {
        let scenarios: Vec<_> = match self.only.as_slice() {
            [] => SCENARIOS.iter().map(|name| format!("{name}::")).collect(),
            only => only.iter().map(|name| format!("{name}::")).collect(),
        };
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--locked", "--package", "countersign-tests", "--test", "it"]).args(self.profile());
        cargo.arg("--").arg("--nocapture").args(scenarios);
        cargo.envs(self.variables(seed)).current_dir(root());
        // Both streams in one, in the order in which they are written.
        let (reader, writer) = std::io::pipe().map_err(|e| e.to_string())?;
        cargo.stderr(writer.try_clone().map_err(|e| e.to_string())?).stdout(writer);
        let mut running = cargo.spawn().map_err(|e| format!("cargo: {e}"))?;
        // The command holds the ends that it was given; without this the pipe would never be silent.
        drop(cargo);
        let mut said = Vec::new();
        for line in BufReader::new(reader).lines() {
            let line = line.map_err(|e| e.to_string())?;
            tally.add(&line);
            said.push(line);
        }
        let status = running.wait().map_err(|e| e.to_string())?;
        if status.success() && passed(&said) > 0 {
            return Ok(Ok(()));
        }
        for line in &said {
            println!("{line}");
        }
        let tests = failed(&said);
        // What did not even build or start has no test to its name.
        if tests.is_empty() {
            Err(format!("the tests ended with {status}, and none is said to have failed"))
        } else {
            Ok(Err(Failure { tests }))
        }
    }
}

impl Tally {
    /// Adds what a line says, such as `tally: kills=20 receipts=1274`.
    fn add(&mut self, line: &str) {
        let Some((_, said)) = line.split_once("tally: ") else { return };
        for (name, count) in said.split_whitespace().filter_map(|part| part.split_once('=')) {
            if let Ok(count) = count.parse::<u64>() {
                *self.0.entry(name.to_owned()).or_default() += count;
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(&parts.join(", "))
    }
}

/// How many tests passed.
fn passed(said: &[String]) -> u64 {
    let count = |line: &String| line.strip_prefix("test result: ok. ")?.split_once(" passed")?.0.parse::<u64>().ok();
    said.iter().filter_map(count).sum()
}

/// The names that stand under the last `failures:`.
fn failed(said: &[String]) -> Vec<String> {
    let last = said.iter().rposition(|line| line == "failures:");
    let names = last.map(|last| said.iter().skip(last + 1)).into_iter().flatten();
    names.take_while(|line| line.starts_with("    ")).map(|line| line.trim().to_owned()).collect()
}

fn scenario(name: &str) -> Result<String, String> {
    if SCENARIOS.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there is no `{name}`; there are {}", SCENARIOS.join(", ")))
}

/// Another one each time: it is printed, so it can be had again.
fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs()) % 1_000_000_000 * 1_000
}

/// Options, in one line.
pub(crate) const USAGE: &str = "soak [--minutes M] [--rounds N] [--seed S] [--only SCENARIO]… [--quick]";

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan, String> {
        Plan::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read_and_nonsense_is_refused() {
        let full = plan("--minutes 5 --rounds 2 --seed 77 --only crash --only clock --quick").unwrap();
        let only = vec!["crash".to_owned(), "clock".to_owned()];
        assert_eq!(full, Plan { minutes: 5, rounds: Some(2), seed: 77, only, quick: true });
        assert_eq!(plan("").unwrap().minutes, MINUTES);
        for bad in ["--minutes", "--minutes soon", "--only weather", "--forever"] {
            assert!(plan(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_scenarios_did_is_added_up() {
        let mut tally = Tally::default();
        for line in ["test x ... tally: kills=20 receipts=7", "tally: receipts=5 lives=3", "no tally", "tally: odd"] {
            tally.add(line);
        }
        assert_eq!(tally.to_string(), "20 kills, 3 lives, 12 receipts");
    }

    #[test]
    fn a_failure_names_its_tests_and_how_to_have_it_again() {
        let said = lines(
            "failures:\n\n---- a::b stdout ----\n\nfailures:\n    a::b\n    c::d\n\ntest result: FAILED. 1 passed; 2 failed",
        );
        assert_eq!(failed(&said), ["a::b", "c::d"]);
        assert_eq!(passed(&said), 0);
        assert_eq!(passed(&lines("test result: ok. 12 passed; 0 failed\ntest result: ok. 3 passed; 0 failed")), 15);
        let again = plan("--seed 9").unwrap().again(509, "a::b");
        assert_eq!(
            again,
            "COUNTERSIGN_SEED=509 COUNTERSIGN_SEEDS=500 COUNTERSIGN_SOAK=1 cargo test --release --package \
             countersign-tests --test it a::b -- --nocapture"
        );
    }

    #[test]
    fn every_scenario_is_there() {
        for name in SCENARIOS {
            let file = root().join(format!("tests/tests/it/{name}.rs"));
            assert!(file.exists(), "{}", file.display());
        }
    }
}
