//! How long a program lives: never beyond its deadline, its cancellation, its end, its warden, or its runner.

use crate::harness::{Bench, assert_completed, assert_failed, await_some, numbers, runs, stdout};
use countersign_runner::{ActionSpec, Cancel, Failure, Mode};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Starts processes that get away from their parent, session and process group in different ways, and says their numbers.
const FAMILY: &str = r#"
    sleep 900 & echo pid=$!
    setsid bash -c 'echo pid=$$; exec sleep 900' &
    ( (setsid bash -c 'echo pid=$$; trap "" TERM HUP INT; exec sleep 900' & ) & )
    perl -MPOSIX -e '$| = 1; fork and exit; setsid; fork and exit; print "pid=$$\n"; close STDOUT; close STDERR; sleep 900'
    nohup bash -c 'echo pid=$$; while true; do sleep 900; done' &
"#;
const FAMILY_SIZE: usize = 5;

/// Ends once the family has told all its numbers, through a file.
fn tell_all(then: &str) -> String {
    format!(
        "{{ {FAMILY} }} > told 2>&1\nuntil [ $(grep -c pid= told) -ge {FAMILY_SIZE} ]; do sleep 0.01; done; cat told; {then}"
    )
}

fn assert_gone(said: &str) {
    let pids = numbers(said, "pid");
    assert_eq!(pids.len(), FAMILY_SIZE, "{said}");
    // No waiting: when the outcome is there, they are gone.
    assert_eq!(pids.iter().filter(|pid| runs(pid)).count(), 0, "{said}");
}

#[test]
fn at_the_deadline_all_descendants_are_killed() {
    let bench = Bench::script(&tell_all("exec sleep 900"));
    let outcome = bench.run_for(Duration::from_secs(8));
    assert_failed(&outcome, Failure::TimedOut);
    assert!(
        outcome.duration >= Duration::from_secs(8) && outcome.duration < Duration::from_secs(28),
        "{:?}",
        outcome.duration
    );
    assert_gone(&stdout(&outcome));
    assert_eq!((outcome.exit_code, outcome.signal), (None, Some(9)));
}

#[test]
fn what_a_program_leaves_behind_is_killed_and_counted() {
    let outcome = Bench::script(&tell_all("exit 0")).run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert_gone(&stdout(&outcome));
    assert!(outcome.detail.contains("processes behind, which were killed"), "{}", outcome.detail);
}

#[test]
fn a_program_that_ignores_every_signal_is_killed() {
    let bench = Bench::script("trap '' TERM HUP INT QUIT; while true; do sleep 900; done");
    assert_failed(&bench.run_for(Duration::from_millis(500)), Failure::TimedOut);
}

#[test]
fn exit_codes_and_signals_are_told() {
    let outcome = Bench::script("exit 7").run("run_tests", &json!({}));
    assert_failed(&outcome, Failure::ProgramFailed);
    assert_eq!((outcome.exit_code, outcome.signal), (Some(7), None));
    let outcome = Bench::script("kill -SEGV $$").run("run_tests", &json!({}));
    assert_failed(&outcome, Failure::ProgramFailed);
    assert_eq!((outcome.exit_code, outcome.signal), (None, Some(11)));
}

/// The file that a running script wrote in its work copy, once it is complete.
fn told_by(work: &Path, name: &str) -> String {
    await_some(name, || {
        let copy = fs::read_dir(work).ok()?.flatten().next()?.path().join("copy");
        fs::read_to_string(copy.join(name)).ok().filter(|text| text.ends_with("done\n"))
    })
}

#[test]
fn cancelling_kills_at_once() {
    let bench = Bench::script(&format!("{}; echo done >> told; exec sleep 900", tell_all("true")));
    let action = ActionSpec::new("run_tests", Mode::Commit, serde_json::Map::new());
    let cancel = Cancel::new();
    let (said, outcome) = std::thread::scope(|scope| {
        let running = scope.spawn(|| bench.executor.run(&action, &cancel));
        let said = told_by(&bench.folder.path().join("work"), "told");
        cancel.cancel();
        (said, running.join().unwrap())
    });
    assert_failed(&outcome, Failure::Cancelled);
    assert_gone(&said);
    // The handle stays cancelled, so the same action does not even start again.
    let begin = Instant::now();
    assert_failed(&bench.executor.run(&action, &cancel), Failure::Cancelled);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn when_the_warden_is_killed_the_program_dies_and_the_action_fails() {
    let bench = Bench::script("echo warden=$PPID program=$$ > who; echo done >> who; exec sleep 900");
    let action = ActionSpec::new("run_tests", Mode::Commit, serde_json::Map::new());
    let (who, outcome) = std::thread::scope(|scope| {
        let running = scope.spawn(|| bench.executor.run(&action, &Cancel::new()));
        let who = told_by(&bench.folder.path().join("work"), "who");
        kill(numbers(&who, "warden")[0]);
        (who, running.join().unwrap())
    });
    assert_failed(&outcome, Failure::Runner);
    await_some("the end of the program", || (!runs(numbers(&who, "program")[0])).then_some(()));
}

/// Says to this test binary, started again, that it is the runner to be killed, and where.
const RUNNER_FOLDER: &str = "COUNTERSIGN_TEST_RUNNER_FOLDER";

#[test]
fn when_the_runner_is_killed_nothing_of_the_program_lives_on() {
    if let Some(folder) = std::env::var_os(RUNNER_FOLDER) {
        let script =
            format!("{}; echo warden=$PPID pid=$$ >> told; echo done >> told; exec sleep 900", tell_all("true"));
        let mut config = crate::harness::config(Path::new(&folder));
        config.commands = crate::harness::test_command(&["bash", "-c", &script]);
        let executor = countersign_runner::Executor::open(config).unwrap();
        let action = ActionSpec::new("run_tests", Mode::Commit, serde_json::Map::new());
        let outcome = executor.run(&action, &Cancel::new());
        panic!("the runner was not killed: {outcome:?}");
    }
    let folder = TempDir::new().unwrap();
    let name = "lifetime::when_the_runner_is_killed_nothing_of_the_program_lives_on";
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(RUNNER_FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = told_by(&folder.path().join("work"), "told");
    let pids = [numbers(&said, "pid"), numbers(&said, "warden")].concat();
    assert_eq!(pids.len(), FAMILY_SIZE + 2);
    assert!(pids.iter().all(|pid| runs(pid)), "{said}");
    runner.kill().unwrap();
    runner.wait().unwrap();
    for pid in pids {
        await_some("the end of a process", || (!runs(pid)).then_some(()));
    }
    // The next runner on the same data finds a clean work folder.
    let executor = countersign_runner::Executor::open(crate::harness::config(folder.path())).unwrap();
    assert_eq!(fs::read_dir(folder.path().join("work")).unwrap().count(), 0);
    assert!(
        countersign_runner::Executor::open(crate::harness::config(folder.path())).is_err(),
        "two runners on the same data"
    );
    drop(executor);
}

fn kill(pid: &str) {
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
