//! The demo, as a stranger runs it.

use countersign_tests::audit::{verify, verify_with};
use countersign_tests::{binary, data};
use domain::event::EventData;
use std::ffi::OsStr;
use std::fs;

/// The start of every terminal control sequence.
const ESCAPE: u8 = 0x1b;

#[test]
fn the_demo_ends_well_and_is_proven_from_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let play = dir.path().join("play");
    let mut command = binary::command("countersign");
    let output = binary::run(command.args(["demo".as_ref(), "--dir".as_ref(), play.as_os_str()]));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.stdout.contains(&ESCAPE), "a pipe must get plain text: {text}");
    for expected in [
        "1 failed, as it should",
        "1 passed",
        "REQUIRE_HUMAN",
        "DENY",
        "FORBIDDEN_EFFECT",
        "ALLOW",
        "job.completed",
        "approval.granted",
        "VALID",
    ] {
        assert!(text.contains(expected), "`{expected}` is not shown: {text}");
    }

    // The released file is the one whose hash stands in the log.
    let data_dir = play.join("data");
    let released: Vec<_> = fs::read_dir(play.join("project/released")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(released.len(), 1, "{released:?}");
    let hash = proof::sha256(&fs::read(&released[0]).unwrap());
    let logged = data::events(&data_dir).into_iter().any(|event| match event.data {
        EventData::ResultRecorded(e) => e.result.artifacts.iter().any(|a| a.sha256 == hash && a.path.ends_with("till")),
        _ => false,
    });
    assert!(logged, "{hash} of {} is not in the log", released[0].display());

    // No process is left that could help.
    verify(&data_dir, "log").assert_valid();
    let replay = verify(&data_dir, "replay");
    replay.assert_valid();
    assert_eq!(replay.number("/decisions/mismatched"), 0);
    assert!(replay.number("/decisions/re_derived") >= 7, "{}", replay.report);
    let key = binary::printed(&binary::countersign(&["keys", "show", "--data", data_dir.to_str().unwrap()]));
    let receipt = play.join("publish.receipt.json");
    let arguments: [&OsStr; 4] = ["receipt".as_ref(), receipt.as_os_str(), "--key".as_ref(), key.as_ref()];
    verify_with(arguments).assert_valid();
    // And a receipt made from the folder says the same.
    let made =
        binary::printed(&binary::countersign(&["receipt", "demo-publish", "--data", data_dir.to_str().unwrap()]));
    assert!(made.contains("approval.granted"), "{made}");
}

#[test]
fn colours_are_for_terminals_and_never_against_no_color() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let made = binary::countersign(&["init", "--data", data.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    let log = || {
        let mut command = binary::command("countersign-verify");
        command.arg("log").arg(&data);
        command
    };
    let valid = |shown: &[u8]| data::find(shown, b"VALID").is_some();
    let coloured = binary::on_terminal(&mut log());
    assert!(valid(&coloured) && coloured.contains(&ESCAPE), "{}", String::from_utf8_lossy(&coloured));
    let plain = binary::on_terminal(log().env("NO_COLOR", "1"));
    assert!(valid(&plain) && !plain.contains(&ESCAPE), "{}", String::from_utf8_lossy(&plain));
    let piped = binary::run(&mut log()).stdout;
    assert!(valid(&piped) && !piped.contains(&ESCAPE), "{}", String::from_utf8_lossy(&piped));
}
