//! `countersign restore`: the same ledger again, or a refusal that says why; never a fork by accident.

use crate::backup::{Answer, ask, assert_valid, back_up, founded, grow, head_of, intent, size_of, text};
use countersign_tests::audit::verify_with;
use countersign_tests::binary;
use countersign_tests::data::{self, copy, files, flip};
use countersign_tests::founding::{HandClock, InProcess, ORIGIN};
use countersign_tests::injected::{Fault, Injection};
use domain::command::RejectionKind;
use domain::event::EventData;
use ledger::SubmitError;
use ledger::keys::{KeyFolder, KeyRole};
use proof::{Checkpoint, LeafIndex, SecretKey, SignerKey, TreeSize};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A ledger that went on after its last backup.
struct Lost {
    home: TempDir,
    clock: HandClock,
    data: PathBuf,
    backup: PathBuf,
    keys: PathBuf,
}

impl Lost {
    /// A backup of `kept` intents, and a ledger that has `lost` more.
    fn new(kept: u64, lost: u64) -> Self {
        let (home, clock) = (tempfile::tempdir().unwrap(), HandClock::of_this_machine());
        let (data, backup) = (home.path().join("data"), home.path().join("backup"));
        founded(&data, &clock, kept);
        back_up(&data, &backup, &[]).assert_done();
        grow(&data, &clock, kept..kept + lost, "want");
        let keys = data.join("keys");
        Self { home, clock, data, backup, keys }
    }

    /// A new folder, of this name.
    fn new_folder(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn restore(&self, new: &Path, more: &[&str]) -> Answer {
        ask(&[&["restore", text(&self.backup), "--data", text(new)], more].concat(), None)
    }

    /// A head in a file.
    fn head(&self, name: &str, note: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, note).unwrap();
        path
    }

    fn key(&self, role: KeyRole) -> SignerKey {
        KeyFolder::of(&self.data).read(role).unwrap()
    }

    /// A head that the ledger's key has signed, whatever the log.
    fn signed(&self, size: u64, seed: &[u8]) -> String {
        let head = Checkpoint { origin: ORIGIN.into(), size: TreeSize::new(size), root: proof::sha256(seed) };
        head.sign(&self.key(KeyRole::Checkpoint))
    }
}

/// Nothing was made that anybody could take for a ledger.
fn assert_nothing_made(new: &Path) {
    for file in files(new) {
        assert_eq!(file.file_name().unwrap(), "lock", "{} was made", file.display());
    }
}

#[test]
fn the_same_ledger_again_at_every_size_near_a_bundles_end() {
    for intents in [0, 1, 254, 255, 256, 300, 511, 512] {
        let lost = Lost::new(intents, 0);
        let new = lost.new_folder("new");
        let answer = lost.restore(&new, &["--keys", text(&lost.keys)]);
        assert_eq!(answer.assert_done().number("size"), intents + 1);
        assert_eq!(head_of(&new), head_of(&lost.data), "{intents}");
        assert_valid(&new);
        let old = InProcess::open(&lost.data, &lost.clock);
        let (head, frozen) = (old.ledger.head(), old.ledger.with_state(|state| state.freeze().unwrap()));
        old.close();
        let mut again = InProcess::open(&new, &lost.clock);
        assert_eq!(again.ledger.head(), head);
        assert_eq!(again.ledger.with_state(|state| state.freeze().unwrap()), frozen);
        assert_eq!(again.ledger.journal_first().get(), intents / 256 * 256, "the journal begins near the end");
        for n in [0, intents / 2, intents.saturating_sub(1)].into_iter().filter(|n| *n < intents) {
            let SubmitError::Rejected(no) = again.submit(intent(n, "want")).unwrap_err() else { panic!("{n}") };
            assert_eq!(no.kind, RejectionKind::Duplicate(LeafIndex::new(n + 1)));
        }
        let done = again.submit(intent(9_999, "want")).unwrap();
        assert_eq!(done.events[0].header.seq, LeafIndex::new(intents + 1));
        again.close();
        assert_valid(&new);
        // A backup of the one is a backup of the other.
        back_up(&new, &lost.backup, &[]).assert_done();
        assert_valid(&lost.backup);
    }
}

#[test]
fn without_its_keys_a_restored_ledger_is_not_served_and_nothing_is_founded_in_its_place() {
    let lost = Lost::new(300, 0);
    let new = lost.new_folder("new");
    let answer = lost.restore(&new, &[]);
    assert!(answer.assert_done().said.contains("event.key"), "{answer:?}");
    assert!(answer.said.contains("checkpoint.key") && answer.said.contains("api-salt"), "{answer:?}");
    let output = binary::countersign(&["serve", "--listen", "127.0.0.1:0", "--data", text(&new)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("checkpoint.key"), "{said}");
    assert!(!new.join("keys").exists(), "keys were made for it");
    // Put in place by hand, they are all that was missing.
    fs::create_dir(new.join("keys")).unwrap();
    for key in files(&lost.keys) {
        fs::copy(&key, new.join("keys").join(key.file_name().unwrap())).unwrap();
    }
    let again = InProcess::open(&new, &lost.clock);
    assert_eq!(again.ledger.head().checkpoint.to_string(), head_of(&lost.data));
    again.close();
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let lost = Lost::new(5, 0);
    lost.restore(&lost.data, &[]).assert_no("the data folder of a ledger");
    let full = lost.new_folder("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("letter"), "mine").unwrap();
    lost.restore(&full, &[]).assert_no("`letter`");
    assert_eq!(files(&full), [full.join("letter")]);
    lost.restore(&lost.backup.join("new"), &[]).assert_no("one in the other");
    // Keys alone are a ledger's, too.
    let keyed = lost.new_folder("keyed");
    fs::create_dir_all(keyed.join("keys")).unwrap();
    lost.restore(&keyed, &[]).assert_no("`keys`");
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let lost = Lost::new(600, 0);
    let blob = files(&lost.backup.join("public/blob")).remove(0);
    let blob = text(blob.strip_prefix(&lost.backup).unwrap()).to_owned();
    for file in [
        "public/tile/entries/000",
        "public/tile/entries/001",
        "public/tile/entries/002.p/89",
        "public/checkpoint",
        &blob,
    ] {
        let path = lost.backup.join(file);
        let good = fs::read(&path).unwrap();
        let new = lost.new_folder("new");
        for cut in [false, true] {
            if cut {
                fs::write(&path, &good[..good.len() / 2]).unwrap();
            } else {
                flip(&path, good.len() / 2);
            }
            lost.restore(&new, &["--keys", text(&lost.keys)]).assert_no(file.trim_start_matches("public/"));
            assert_nothing_made(&new);
            fs::write(&path, &good).unwrap();
        }
    }
    // Tiles follow from bundles: they are made again, and it is said.
    for file in ["public/tile/0/001", "public/tile/0/002.p/89", "public/tile/1/000.p/2"] {
        let path = lost.backup.join(file);
        let good = fs::read(&path).unwrap();
        for (name, bytes) in [("flipped", [&good[..7], b"!", &good[8..]].concat()), ("cut", good[..40].to_vec())] {
            fs::write(&path, bytes).unwrap();
            let new = lost.new_folder(&format!("{name}-{}", file.replace('/', "-")));
            let answer = lost.restore(&new, &["--keys", text(&lost.keys)]);
            assert!(answer.assert_done().said.contains(file), "{answer:?}");
            assert_valid(&new);
        }
        fs::remove_file(&path).unwrap();
        let new = lost.new_folder(&format!("gone-{}", file.replace('/', "-")));
        lost.restore(&new, &["--keys", text(&lost.keys)]).assert_done();
        assert_eq!(fs::read(new.join(file)).unwrap(), good);
        fs::write(&path, &good).unwrap();
    }
}

#[test]
fn a_head_that_somebody_kept_is_held_against_the_backup() {
    let lost = Lost::new(300, 0);
    let theirs = SignerKey::new(ORIGIN.parse().unwrap(), SecretKey::from_seed([9; 32]));
    let foreign = Checkpoint { origin: ORIGIN.into(), size: TreeSize::new(20), root: proof::sha256(b"x") };
    let other_log = Checkpoint { origin: "elsewhere.example/log".into(), ..foreign.clone() };
    for (name, note, because) in [
        ("forked", lost.signed(20, b"another history"), "another history"),
        ("forked-at-the-end", lost.signed(301, b"another history"), "another history"),
        ("unsigned", foreign.body(), "no checkpoint of this log"),
        ("foreign", foreign.sign(&theirs), "no checkpoint of this log"),
        ("of-another-log", other_log.sign(&lost.key(KeyRole::Checkpoint)), "no checkpoint of this log"),
        ("longer", lost.signed(302, b"more"), "1 events would be lost, and others hold proof of them"),
    ] {
        let new = lost.new_folder(name);
        let file = lost.head(&format!("{name}.note"), &note);
        let answer = lost.restore(&new, &["--keys", text(&lost.keys), "--known", text(&file)]);
        answer.assert_no(because);
        assert!(answer.said.contains(&format!("{name}.note")), "{answer:?}");
        assert_nothing_made(&new);
    }
    // Heads that it has, one of them in a receipt, are no hindrance.
    let mut world = InProcess::open(&lost.data, &lost.clock);
    let receipt = world.ledger.receipt(&[LeafIndex::new(7)]).unwrap();
    let longer = world.submit(intent(300, "want")).unwrap().receipt;
    world.close();
    let receipt = lost.head("receipt.json", &String::from_utf8(receipt.to_json()).unwrap());
    let published = lost.head("published.note", &head_of(&lost.backup));
    let new = lost.new_folder("agrees");
    let known = ["--known", text(&receipt), "--known", text(&published)];
    lost.restore(&new, &[&["--keys", text(&lost.keys)], &known[..]].concat()).assert_done();
    // The same in a receipt for something that was lost.
    let longer = lost.head("longer.json", &String::from_utf8(longer.to_json()).unwrap());
    lost.restore(&lost.new_folder("older"), &["--known", text(&receipt), "--known", text(&longer)])
        .assert_no("it has 301 events");
}

#[test]
fn other_keys_are_refused_before_anything_is_made() {
    let lost = Lost::new(5, 0);
    let new = lost.new_folder("new");
    for name in ["event.key", "checkpoint.key"] {
        let keys = copy(&lost.keys);
        let theirs = SignerKey::new(ORIGIN.parse().unwrap(), SecretKey::from_seed([9; 32]));
        fs::write(keys.path().join(name), format!("{}\n", theirs.encode())).unwrap();
        lost.restore(&new, &["--keys", text(keys.path())]).assert_no("the genesis names");
    }
    let root = lost.head(
        "other-root.key",
        &format!("{}\n", SignerKey::new("other/root".parse().unwrap(), SecretKey::from_seed([8; 32])).encode()),
    );
    let accept = ["--keys", text(&lost.keys), "--accept-loss", "gone", "--root", text(&root)];
    lost.restore(&new, &accept).assert_no("the root key is");
    // A decision that could not be logged is not asked for.
    let root = lost.keys.join("root.key");
    let usage = lost.restore(&new, &["--accept-loss", "gone", "--root", text(&root)]);
    assert_eq!(usage.code, Some(1), "{usage:?}");
    assert!(usage.said.contains("--keys"), "{usage:?}");
    assert_nothing_made(&new);
}

#[test]
fn a_loss_is_accepted_by_root_and_the_first_thing_that_the_log_says() {
    let lost = Lost::new(300, 20);
    let (new, root) = (lost.new_folder("new"), lost.keys.join("root.key"));
    let newest = lost.head("newest.note", &head_of(&lost.data));
    let known = ["--keys", text(&lost.keys), "--known", text(&newest)];
    lost.restore(&new, &known).assert_no("20 events would be lost");
    let accept = ["--accept-loss", "the disk is gone, and so is the machine beside it", "--root", text(&root)];
    let answer = lost.restore(&new, &[&known[..], &accept[..]].concat());
    assert_eq!((answer.assert_done().number("lost"), answer.number("logged")), (20, 301));
    let last = data::events(&new).pop().unwrap();
    let EventData::LedgerRestored(said) = &last.data else { panic!("{last:?}") };
    assert_eq!(last.header.seq, LeafIndex::new(301));
    assert_eq!(said.restoration.known.as_deref(), Some(&*head_of(&lost.data)));
    assert!(said.restoration.why.starts_with("the disk is gone"));
    assert_valid(&new);
    assert_eq!(size_of(&new), 302);
    // Whoever kept the lost head can prove that this is not what it was.
    let checkpoint = new.join("public/checkpoint");
    let key = lost.key(KeyRole::Checkpoint).verifier().to_string();
    let log = ["consistency", text(&newest), text(&checkpoint), "--log", text(&new), "--key", &key];
    assert_eq!(verify_with(log).code, 2);
    lost.clock.catch_up();
    let mut again = InProcess::open(&new, &lost.clock);
    again.submit(intent(301, "want")).unwrap();
    again.close();
    back_up(&new, &lost.backup, &[]).assert_done();
    assert_valid(&lost.backup);
    // The old machine, should it come back, is another history now.
    back_up(&lost.data, &lost.backup, &[]).assert_no("another history");
}

#[test]
fn a_witnessed_head_comes_along_and_a_closed_log_stays_closed() {
    let lost = Lost::new(300, 20);
    let (witnessed, settings) = ("public/witnessed/checkpoint", "witnesses.json");
    let put = |note: &str| {
        fs::create_dir_all(lost.data.join("public/witnessed")).unwrap();
        fs::write(lost.data.join(witnessed), note).unwrap();
    };
    // One that the published head does not reach yet waits for the next backup; one of another history is damage.
    put(&lost.signed(400, b"not yet"));
    back_up(&lost.data, &lost.new_folder("early"), &[]).assert_done();
    assert!(!lost.new_folder("early").join(witnessed).exists());
    put(&lost.signed(200, b"another history"));
    back_up(&lost.data, &lost.new_folder("forked"), &[]).assert_no(witnessed);
    assert!(!lost.new_folder("forked").join(witnessed).exists());
    assert_valid(&lost.new_folder("forked"));
    put(&head_of(&lost.backup));
    fs::write(lost.data.join(settings), r#"{"v":1,"mode":"closed","sizes":{}}"#).unwrap();
    let backup = lost.new_folder("second");
    back_up(&lost.data, &backup, &[]).assert_done();
    assert_eq!(fs::read_to_string(backup.join(witnessed)).unwrap(), head_of(&lost.backup));
    assert_valid(&backup);
    let (new, root) = (lost.new_folder("new"), lost.keys.join("root.key"));
    let arguments = ["restore", text(&backup), "--data", text(&new), "--keys", text(&lost.keys)];
    let accept = ["--accept-loss", "nobody knows", "--root", text(&root)];
    assert_eq!(ask(&[&arguments[..], &accept[..]].concat(), None).assert_done().number("logged"), 321);
    // The decision is in the log, and waits for the witnesses like any other event.
    assert_eq!(head_of(&new), head_of(&lost.data));
    assert!(matches!(data::events(&new).pop().unwrap().data, EventData::LedgerRestored(_)));
    assert!(new.join(settings).exists() && new.join(witnessed).exists());
}

#[test]
fn an_older_journal_beside_a_newer_head_is_not_opened() {
    let (home, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let data = home.path().join("data");
    founded(&data, &clock, 50);
    let older = copy(&data.join("journal"));
    grow(&data, &clock, 50..60, "want");
    let newer = head_of(&data);
    // By hand, as one would who knows no better.
    fs::remove_dir_all(data.join("journal")).unwrap();
    fs::rename(older.path(), data.join("journal")).unwrap();
    let error = InProcess::try_open(&data, &clock).unwrap_err().to_string();
    assert!(error.contains("journal") && error.contains("61"), "{error}");
    let output = binary::countersign(&["serve", "--listen", "127.0.0.1:0", "--data", text(&data)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("61"), "{said}");
    assert_eq!(head_of(&data), newer);
    // Only the head says so: the snapshots of the lost time go with the journal.
    for folder in ["snapshots", "closed"] {
        fs::remove_dir_all(data.join(folder)).unwrap();
    }
    let error = InProcess::try_open(&data, &clock).unwrap_err().to_string();
    assert!(error.contains("size 61 was committed"), "{error}");
    // The site has all of it: it is a backup like any other.
    let new = home.path().join("new");
    ask(&["restore", text(&data), "--data", text(&new), "--keys", text(&data.join("keys"))], None).assert_done();
    let again = InProcess::open(&new, &clock);
    assert_eq!(again.ledger.head().checkpoint.to_string(), newer);
    again.close();
}

#[test]
fn killed_at_any_call_a_restore_can_be_run_again() {
    let lost = Lost::new(300, 20);
    let (root, newest) = (lost.keys.join("root.key"), lost.head("newest.note", &head_of(&lost.data)));
    let more = [
        &["--keys", text(&lost.keys), "--known", text(&newest)][..],
        &["--accept-loss", "the disk is gone", "--root", text(&root)],
    ]
    .concat();
    let (mut killed, mut finished) = (0, 0);
    for call in ["mkdir", "openat", "pwrite64", "fdatasync", "rename", "fsync", "rmdir", "unlinkat"] {
        for nth in (0..10).map(|power| 1 << power) {
            let new = lost.new_folder(&format!("{call}-{nth}"));
            let arguments = [&["restore", text(&lost.backup), "--data", text(&new)], &more[..]].concat();
            let answer = ask(&arguments, Some(&Injection::once(call, Fault::Kill, nth)));
            if answer.code.is_some() {
                answer.assert_done();
                break;
            }
            killed += 1;
            // A folder in which nothing was made yet is as good as any other; one that has keys is whole.
            if new.join("restoring").exists() && !new.join("keys/checkpoint.key").exists() {
                let output = binary::countersign(&["serve", "--listen", "127.0.0.1:0", "--data", text(&new)]);
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(said.contains("run `countersign restore` again"), "{call} {nth}: {said}");
            }
            let answer = lost.restore(&new, &more);
            finished += u64::from(answer.assert_done().data["was_done"] == true);
            let last = data::events(&new).pop().unwrap();
            assert!(matches!(last.data, EventData::LedgerRestored(_)), "{call} {nth}: {last:?}");
            assert_eq!(last.header.seq, LeafIndex::new(301), "{call} {nth}: said once");
            assert_valid(&new);
            InProcess::open(&new, &lost.clock).close();
        }
    }
    assert!(killed > 20, "killed {killed} times only");
    eprintln!("restore: {killed} kills, {finished} of them after all was in place");
}
