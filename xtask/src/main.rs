//! Repository chores, in the language of the repository: `cargo xtask test | ci | soak | wasm | fixture NAME`.
#![expect(clippy::print_stdout, reason = "a chore talks to whoever runs it")]

mod soak;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let task = env::args().nth(1).unwrap_or_default();
    let done = match task.as_str() {
        "test" => test(),
        "ci" => ci(),
        "soak" => prerequisites().and_then(|()| soak::soak(&env::args().skip(2).collect::<Vec<_>>())),
        "wasm" => wasm(),
        "fixture" => fixture(&env::args().nth(2).unwrap_or_default()),
        _ => {
            println!(
                "usage: cargo xtask <task>\n\n  test   everything that tests need, then all tests\n  ci     test, format, lints, docs\n  soak   every fault, over and over, on a release build\n  wasm   build `proof` for wasm32-unknown-unknown\n\n{}",
                soak::USAGE
            );
            return ExitCode::from(u8::from(!task.is_empty()));
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("xtask {task}: {problem}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), String>;

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn run(program: &str, arguments: &[&str]) -> Done {
    println!("$ {program} {}", arguments.join(" "));
    let status =
        Command::new(program).args(arguments).current_dir(root()).status().map_err(|e| format!("{program}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{program} {}` ended with {status}", arguments.join(" "))) }
}

/// What tests call besides cargo; each is said by name when it is missing.
fn prerequisites() -> Done {
    for (program, package) in [("git", "git"), ("cc", "gcc"), ("gzip", "gzip"), ("strace", "strace")] {
        let found = Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
        if !found {
            return Err(format!("`{program}` is missing: install it, on Debian with `apt-get install {package}`"));
        }
    }
    Ok(())
}

fn test() -> Done {
    all_tests().map(|passed| println!("{passed} passed, 0 failed"))
}

/// Builds and runs every test; gives how many passed.
fn all_tests() -> Result<u64, String> {
    prerequisites()?;
    // The scenarios start the real binaries; they are built first, so that no test builds while others are timed.
    run("cargo", &["build", "--locked", "--workspace", "--bins"])?;
    let passed = run_tests()?;
    wasm()?;
    Ok(passed)
}

/// Runs every test, and counts: many binaries end with a line of their own, and a run without a test is no success.
fn run_tests() -> Result<u64, String> {
    let arguments = ["test", "--locked", "--workspace"];
    println!("$ cargo {}", arguments.join(" "));
    let mut cargo = Command::new("cargo")
        .args(arguments)
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo: {e}"))?;
    let mut passed = 0;
    let output = cargo.stdout.take().ok_or("cargo has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|e| e.to_string())?;
        if let Some((count, _)) = line.strip_prefix("test result: ok. ").and_then(|rest| rest.split_once(" passed")) {
            passed += count.parse::<u64>().unwrap_or(0);
        }
        println!("{line}");
    }
    let status = cargo.wait().map_err(|e| e.to_string())?;
    match (status.success(), passed) {
        (true, 0) => Err("no test ran".into()),
        (true, passed) => Ok(passed),
        (false, _) => Err(format!("the tests ended with {status}")),
    }
}

fn ci() -> Done {
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    docs()?;
    let passed = all_tests()?;
    // That the long run works, not what it finds: the tests have met the same faults just now.
    let smoke = ["--quick", "--rounds", "1", "--only", "clock", "--only", "lying"];
    soak::soak(&smoke.map(str::to_owned))?;
    println!("{passed} passed, 0 failed");
    Ok(())
}

fn docs() -> Done {
    let arguments = ["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"];
    println!("$ RUSTDOCFLAGS='-D warnings' cargo {}", arguments.join(" "));
    let mut cargo = Command::new("cargo");
    let status = cargo.args(arguments).env("RUSTDOCFLAGS", "-D warnings").current_dir(root()).status();
    if status.map_err(|e| e.to_string())?.success() { Ok(()) } else { Err("the documentation does not build".into()) }
}

/// `proof` must build where there is no operating system. Where the target is not installed, that is said, not hidden.
fn wasm() -> Done {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().map_err(|e| e.to_string())?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let target = PathBuf::from(sysroot).join("lib/rustlib/wasm32-unknown-unknown");
    if !target.exists() {
        println!(
            "NOT CHECKED: the target wasm32-unknown-unknown is not installed (`rustup target add wasm32-unknown-unknown`)"
        );
        return Ok(());
    }
    run("cargo", &["check", "--locked", "--package", "countersign-proof", "--target", "wasm32-unknown-unknown"])
}

/// Keeps a log that this build wrote: every later build must replay it.
fn fixture(name: &str) -> Done {
    if name.is_empty() {
        return Err("a fixture needs a name, such as `001-first-slice`".into());
    }
    let target = root().join("tests/fixtures/logs").join(name);
    if target.exists() {
        return Err(format!("{} exists; a fixture is never replaced", target.display()));
    }
    let play = env::temp_dir().join(format!("countersign-fixture-{}", std::process::id()));
    let play_text = play.to_string_lossy().into_owned();
    run("cargo", &["run", "--locked", "--quiet", "--package", "countersign-cli", "--", "demo", "--dir", &play_text])?;
    copy(&play.join("data/public"), &target.join("public"))?;
    let data = play.join("data").to_string_lossy().into_owned();
    for role in ["checkpoint", "root"] {
        let flag = format!("--{role}");
        let arguments = [
            "run",
            "--locked",
            "--quiet",
            "--package",
            "countersign-cli",
            "--",
            "keys",
            "show",
            &flag,
            "--data",
            &data,
        ];
        let output = Command::new("cargo").args(arguments).current_dir(root()).output().map_err(|e| e.to_string())?;
        fs::write(target.join(format!("{role}.vkey")), output.stdout).map_err(|e| e.to_string())?;
    }
    copy(&play.join("publish.receipt.json"), &target.join("publish.receipt.json"))?;
    fs::remove_dir_all(&play).map_err(|e| e.to_string())
}

fn copy(from: &Path, to: &Path) -> Done {
    let problem = |e: std::io::Error| format!("{}: {e}", from.display());
    if from.is_dir() {
        fs::create_dir_all(to).map_err(problem)?;
        for entry in fs::read_dir(from).map_err(problem)? {
            let entry = entry.map_err(problem)?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::copy(from, to).map(|_| ()).map_err(problem)
}
