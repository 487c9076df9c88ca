//! `countersign backup`: a copy that proves itself, of a log that is being written to, and that damage, forks, and erased
//! bodies do not get into.

use countersign_tests::acknowledged::Acknowledged;
use countersign_tests::audit::verify;
use countersign_tests::binary;
use countersign_tests::chance::Chance;
use countersign_tests::data::{self, copy, files, flip};
use countersign_tests::founding::{HandClock, InProcess, api_key};
use countersign_tests::injected::{Fault, Injection};
use countersign_tests::load;
use countersign_tests::proposals;
use countersign_tests::server::Start;
use domain::command::Command;
use domain::content::Text;
use domain::event::PrincipalKind;
use domain::event::intent::Intent;
use domain::event::key::{NewKey, Scope};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Commands of each client of a load: together more than a bundle of events.
const COMMANDS: u64 = 48;

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The exit code; none when it was killed.
    pub(crate) code: Option<i32>,
    /// What it printed as data.
    pub(crate) data: Value,
    /// What it said to people.
    pub(crate) said: String,
}

impl Answer {
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.data[name].as_u64().unwrap_or_else(|| panic!("no `{name}`: {self:?}"))
    }

    /// That it ended with 2, and said this.
    pub(crate) fn assert_no(&self, because: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.said.contains(because), "expected `{because}`: {self:?}");
    }

    pub(crate) fn assert_done(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Runs a command, perhaps under a fault.
pub(crate) fn ask(arguments: &[&str], under: Option<&Injection>) -> Answer {
    let mut command = binary::command("countersign");
    command.args(arguments).args(["--format", "json"]);
    if let Some(injection) = under {
        command = injection.around(&command, Path::new("/dev/null"));
    }
    let output = binary::run(&mut command);
    let data = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    Answer { code: output.status.code(), data, said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `countersign backup`.
pub(crate) fn back_up(data: &Path, backup: &Path, more: &[&str]) -> Answer {
    ask(&[&["backup", text(backup), "--data", text(data)], more].concat(), None)
}

/// `countersign-verify log` and `replay`.
pub(crate) fn assert_valid(folder: &Path) {
    verify(folder, "log").assert_valid();
    verify(folder, "replay").assert_valid();
}

pub(crate) fn head_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("public/checkpoint")).unwrap()
}

/// The size that a folder's checkpoint signs for.
pub(crate) fn size_of(folder: &Path) -> u64 {
    head_of(folder).lines().nth(1).unwrap().parse().unwrap()
}

pub(crate) fn admin() -> Vec<NewKey> {
    vec![api_key("key_ops", PrincipalKind::Admin, "ops", &Scope::ALL)]
}

pub(crate) fn intent(n: u64, goal: &str) -> Command {
    let intent = Intent {
        intent_id: format!("intent-{n}").parse().unwrap(),
        from: None,
        mode: None,
        goal: Text::Inline(format!("{goal} {n}")),
        constraints: None,
    };
    Command::CreateIntent { by: InProcess::caller("key_ops"), intent, authored: None }
}

/// Opens a ledger, states intents, and publishes.
pub(crate) fn grow(dir: &Path, clock: &HandClock, numbers: std::ops::Range<u64>, goal: &str) {
    let mut world = InProcess::open(dir, clock);
    for n in numbers {
        world.submit(intent(n, goal)).unwrap();
    }
    world.close();
}

/// A ledger of so many intents behind its genesis.
pub(crate) fn founded(dir: &Path, clock: &HandClock, intents: u64) {
    InProcess::found(dir, admin(), clock).close();
    grow(dir, clock, 0..intents, "want");
}

/// The files of a site that never change, each with what tells it from another of the same name.
fn immutable(folder: &Path) -> BTreeMap<PathBuf, (u64, i64)> {
    let full = files(&folder.join("public/tile")).into_iter().filter(|path| !text(path).contains(".p/"));
    full.map(|path| {
        let meta = fs::metadata(&path).unwrap();
        (path, (meta.ino(), meta.mtime_nsec()))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_server_under_load_proves_itself_and_becomes_the_server() {
    let mut chance = Chance::with_printed_seed("backup");
    let home = tempfile::tempdir().unwrap();
    let (data, backup, new) = (home.path().join("data"), home.path().join("backup"), home.path().join("new"));
    let mut kept = Acknowledged::in_folder(&home.path().join("receipts"));
    let mut server = Start::serve(&data).small().start().await;
    let pinned = server.pinned();
    let first = server.admin().submit_intent(&proposals::intent("the-one", "as it was")).await.unwrap();
    kept.keep(&first.receipt, &pinned);
    // Stopping publishes: from here on there is something to be copied.
    server.stop().await;
    server = Start::serve(&data).small().start().await;
    let mut sizes = Vec::new();
    for round in 0..3 {
        let (from, to) = (data.clone(), backup.clone());
        // At once: the load and a backup, which must not wait for each other.
        let copying = tokio::task::spawn_blocking(move || back_up(&from, &to, &[]));
        let given = load::put_on(&mut server, &round.to_string(), COMMANDS, &mut chance).await;
        given.kept_by(&mut kept, &pinned);
        let copied = copying.await.unwrap();
        copied.assert_done();
        assert_valid(&backup);
        sizes.push(copied.number("size"));
    }
    assert!(sizes.is_sorted() && sizes[0] < sizes[2], "{sizes:?}");
    server.stop().await;
    let last = back_up(&data, &backup, &[]);
    last.assert_done();
    assert!(last.number("size") > 256, "no full bundle was copied: {last:?}");
    assert_valid(&backup);
    assert!(!files(&backup.join("content")).is_empty(), "the load had bodies");
    kept.audit(&backup, &pinned);

    let keys = data.join("keys");
    ask(&["restore", text(&backup), "--data", text(&new), "--keys", text(&keys)], None).assert_done();
    assert_eq!(head_of(&new), head_of(&data));
    fs::remove_dir_all(&data).unwrap();
    let mut server = Start::serve(&new).small().start().await;
    kept.check(&server).await;
    // What was said before is known.
    let again = server.admin().submit_intent(&proposals::intent("the-one", "as it was")).await.unwrap();
    assert_eq!(again.receipt.entries[0].index, first.receipt.entries[0].index);
    let other = server.admin().submit_intent(&proposals::intent("the-one", "otherwise")).await.unwrap_err();
    let client::Error::Refused(problem) = other else { panic!("{other:?}") };
    assert_eq!(problem.status, 409);
    // And it goes on.
    let given = load::put_on(&mut server, "after", COMMANDS / 4, &mut chance).await;
    assert!(given.refused.is_empty(), "{:?}", given.refused);
    given.kept_by(&mut kept, &pinned);
    server.stop().await;
    kept.audit(&new, &pinned);
    back_up(&new, &backup, &[]).assert_done();
    assert_valid(&backup);
}

#[test]
fn a_second_backup_copies_only_what_is_new() {
    let (home, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let (data, backup) = (home.path().join("data"), home.path().join("backup"));
    founded(&data, &clock, 600);
    let first = back_up(&data, &backup, &[]);
    // Two bundles and the tiles over them, the edge of 89 leaves and two tiles, two blobs, the head.
    assert_eq!((first.assert_done().number("files"), first.number("size")), (2 * 2 + 3 + 2 + 1, 601));
    let before = immutable(&backup);
    assert_eq!(before.len(), 4);
    let nothing = back_up(&data, &backup, &[]);
    assert_eq!((nothing.assert_done().number("files"), nothing.number("bytes")), (0, 0));
    assert_eq!(back_up(&data, &backup, &["--all"]).assert_done().number("files"), 0);
    grow(&data, &clock, 600..800, "want");
    let second = back_up(&data, &backup, &[]);
    assert_eq!((second.assert_done().number("from"), second.number("size")), (601, 801));
    assert_eq!(second.number("files"), 2 + 3 + 1);
    let after = immutable(&backup);
    assert_eq!(after.len(), 6);
    assert!(before.iter().all(|file| after.get(file.0) == Some(file.1)), "old files were written again");
    // What only the head before needed is gone, and nothing else.
    let partial = files(&backup.join("public/tile")).into_iter().filter(|path| text(path).contains(".p/"));
    assert_eq!(partial.count(), 3);
    assert_valid(&backup);
    // A file that was lost in the backup comes again.
    let lost = after.keys().next().unwrap();
    fs::remove_file(lost).unwrap();
    assert!(verify(&backup, "log").code != 0);
    assert!(back_up(&data, &backup, &[]).assert_done().number("files") > 0);
    assert_valid(&backup);
}

#[test]
fn damage_is_reported_and_never_copied() {
    let (home, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let data = home.path().join("data");
    founded(&data, &clock, 600);
    let good = home.path().join("good");
    back_up(&data, &good, &[]).assert_done();
    let blob = fs::read_dir(data.join("public/blob")).unwrap().next().unwrap().unwrap().path();
    let blob = format!("public/blob/{}", blob.file_name().unwrap().to_str().unwrap());
    // A tile follows from the bundles, and the rest of the log is there without it; a bundle follows from nothing.
    for (file, whole) in [
        ("public/tile/entries/000", false),
        ("public/tile/entries/001", false),
        ("public/tile/0/000", true),
        ("public/tile/0/001", true),
        ("public/tile/0/002.p/89", true),
        ("public/tile/1/000.p/2", true),
        ("public/tile/entries/002.p/89", false),
        (&blob, false),
        ("public/checkpoint", false),
    ] {
        let damaged = copy(&data);
        let length = fs::metadata(damaged.path().join(file)).unwrap().len();
        let at = usize::try_from(length / 2).unwrap();
        flip(&damaged.path().join(file), at);
        let rotten = fs::read(damaged.path().join(file)).unwrap();
        let named = if file == "public/checkpoint" { "checkpoint" } else { file };
        // Into an empty folder: the rest, but no head.
        let empty = tempfile::tempdir().unwrap();
        let answer = back_up(damaged.path(), empty.path(), &[]);
        answer.assert_no(named);
        assert_eq!(empty.path().join("public/checkpoint").exists(), whole, "{file}: {answer:?}");
        for copied in files(empty.path()) {
            assert_ne!(fs::read(&copied).unwrap(), rotten, "{file} was copied to {}", copied.display());
        }
        // Over a good one, everything being read: it stays good.
        let over = copy(&good);
        back_up(damaged.path(), over.path(), &["--all"]).assert_no(named);
        assert_valid(over.path());
        assert_eq!(head_of(over.path()), head_of(&data));
        // One cut short is looked at without being asked for.
        let short = &rotten[..at];
        fs::write(damaged.path().join(file), short).unwrap();
        if !file.starts_with("public/tile/0/00") || file.contains(".p/") {
            back_up(damaged.path(), over.path(), &[]).assert_no(named);
        }
        assert_valid(over.path());
        // Put right, it is copied as if nothing had been.
        fs::copy(data.join(file), damaged.path().join(file)).unwrap();
        back_up(damaged.path(), empty.path(), &[]).assert_done();
        assert_valid(empty.path());
    }
}

#[test]
fn a_backup_that_has_rotted_is_mended_from_the_log() {
    let (home, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let (data, backup) = (home.path().join("data"), home.path().join("backup"));
    founded(&data, &clock, 300);
    back_up(&data, &backup, &[]).assert_done();
    for file in ["public/tile/entries/000", "public/tile/0/000", "public/tile/0/001.p/45"] {
        flip(&backup.join(file), 1_000);
        assert_ne!(verify(&backup, "log").code, 0, "{file}");
        assert_eq!(back_up(&data, &backup, &["--all"]).assert_done().number("files"), 1, "{file}");
        assert_valid(&backup);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_body_leaves_the_backup() {
    let home = tempfile::tempdir().unwrap();
    let (data, backup) = (home.path().join("data"), home.path().join("backup"));
    let server = Start::serve(&data).small().start().await;
    let client = server.admin();
    for (id, word) in [("kept", "harmless "), ("erased", "Zaphod ")] {
        client.submit_intent(&proposals::intent(id, &word.repeat(400))).await.unwrap();
    }
    server.stop().await;
    let first = back_up(&data, &backup, &[]);
    assert_eq!(first.assert_done().number("bodies"), 2);
    let held = data::files_with(&backup, b"Zaphod");
    let [body] = held.as_slice() else { panic!("{held:?}") };
    assert_eq!(fs::metadata(body).unwrap().permissions().mode() & 0o777, 0o600);
    // One that no event names is not copied.
    let orphan = data.join("content/00").join("0".repeat(64));
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(orphan, b"an orphan").unwrap();
    let digest = body.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let server = Start::serve(&data).small().start().await;
    server.admin().erase_body(&digest, "asked for").await.unwrap();
    server.stop().await;
    let second = back_up(&data, &backup, &[]);
    assert_eq!((second.assert_done().number("erased"), second.number("bodies")), (1, 0));
    assert!(data::files_with(&backup, b"Zaphod").is_empty());
    assert_eq!(files(&backup.join("content")).len(), 1);
    assert_valid(&backup);
    // Nor does it come back by a restore of all there is.
    let new = home.path().join("new");
    ask(&["restore", text(&backup), "--data", text(&new)], None).assert_done();
    assert_eq!(files(&new.join("content")).len(), 1);
    // A body that is damaged or gone is said, and the log is there without it.
    let kept = files(&data.join("content")).into_iter().find(|path| !text(path).contains("0000000000000000")).unwrap();
    flip(&kept, 40);
    let fresh = home.path().join("fresh");
    back_up(&data, &fresh, &[]).assert_no(kept.file_name().unwrap().to_str().unwrap());
    assert!(files(&fresh.join("content")).is_empty());
    fs::remove_file(&kept).unwrap();
    let answer = back_up(&data, &fresh, &["--all"]);
    answer.assert_no("missing");
    assert_valid(&fresh);
}

#[test]
fn what_is_no_earlier_copy_of_the_log_is_not_touched() {
    let (home, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let (data, backup) = (home.path().join("data"), home.path().join("backup"));
    founded(&data, &clock, 300);
    let (older, other) = (copy(&data), copy(&data));
    grow(&data, &clock, 300..320, "want");
    grow(other.path(), &clock, 300..340, "otherwise");
    back_up(&data, &backup, &[]).assert_done();
    let before = head_of(&backup);
    let untouched = |answer: Answer, because: &str| {
        answer.assert_no(because);
        assert_eq!(head_of(&backup), before);
        assert_valid(&backup);
    };
    untouched(
        back_up(older.path(), &backup, &[]),
        "the log is shorter than the backup: it has 301 events, the backup 321",
    );
    untouched(back_up(other.path(), &backup, &[]), "another history");
    let stranger = tempfile::tempdir().unwrap();
    founded(stranger.path(), &clock, 400);
    untouched(back_up(stranger.path(), &backup, &["--with-keys"]), "does not hold under the log's key");
    assert!(!backup.join("keys").exists(), "a stranger's keys were put into the backup");
    // Nor anything that is no backup.
    back_up(&data, older.path(), &[]).assert_no("the data folder of a ledger");
    back_up(&data, &data.join("public/backup"), &[]).assert_no("one in the other");
    let house = tempfile::tempdir().unwrap();
    fs::create_dir(house.path().join("tmp")).unwrap();
    fs::write(house.path().join("tmp/mine"), "mine").unwrap();
    fs::write(house.path().join("letter"), "mine").unwrap();
    back_up(&data, house.path(), &[]).assert_no("`letter`");
    assert!(house.path().join("tmp/mine").exists(), "somebody's files were swept away");
    let nothing = back_up(&home.path().join("nowhere"), &home.path().join("more"), &[]);
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert!(nothing.said.contains("no published log"), "{nothing:?}");
    assert!(!home.path().join("more").exists());
}

#[test]
fn keys_are_copied_only_when_asked_for_and_readable_by_their_owner_alone() {
    let (home, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let (data, backup) = (home.path().join("data"), home.path().join("backup"));
    founded(&data, &clock, 3);
    back_up(&data, &backup, &[]).assert_done();
    assert!(!backup.join("keys").exists());
    let answer = back_up(&data, &backup, &["--with-keys"]);
    assert!(answer.assert_done().said.contains("secret keys are in the backup"), "{answer:?}");
    let keys = files(&backup.join("keys"));
    assert_eq!(keys.len(), files(&data.join("keys")).len());
    for key in keys {
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600, "{}", key.display());
    }
    assert_valid(&backup);
}

#[test]
fn killed_at_any_call_a_backup_is_what_it_was_or_what_it_is_to_be() {
    let (home, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let (data, earlier) = (home.path().join("data"), home.path().join("earlier"));
    founded(&data, &clock, 300);
    back_up(&data, &earlier, &[]).assert_done();
    grow(&data, &clock, 300..600, "want");
    let sizes = [size_of(&earlier), size_of(&data)];
    let mut killed = 0;
    for call in ["mkdir", "openat", "pwrite64", "fdatasync", "rename", "fsync", "unlink"] {
        for nth in (0..10).map(|power| 1 << power) {
            let backup = copy(&earlier);
            let arguments = ["backup", text(backup.path()), "--data", text(&data)];
            let answer = ask(&arguments, Some(&Injection::once(call, Fault::Kill, nth)));
            if answer.code.is_some() {
                // It makes fewer of these calls.
                answer.assert_done();
                break;
            }
            killed += 1;
            assert!(sizes.contains(&size_of(backup.path())), "{call} {nth}");
            verify(backup.path(), "log").assert_valid();
            back_up(&data, backup.path(), &[]).assert_done();
            assert_eq!(head_of(backup.path()), head_of(&data), "{call} {nth}");
            assert_valid(backup.path());
        }
    }
    assert!(killed > 20, "killed {killed} times only");
}
