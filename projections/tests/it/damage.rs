//! Damaged files lead to a rebuild: never to wrong rows, never to a panic that escapes.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use countersign_projections::{Opened, StepError, Store, Writer, scan_check};

use crate::log::{Log, copy_of, fold, open};

/// A store with everything folded, in enough batches that sled has several segments' worth.
fn folded(home: &Path, log: &Log) -> PathBuf {
    let dir = home.join("views");
    let (store, mut writer, _) = open(&dir, log);
    fold(&mut writer, log, 8);
    writer.flush().unwrap();
    drop((store, writer));
    dir
}

/// Numbers that look random and are the same each time.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |n| Some(n.wrapping_mul(6_364_136_223_846_793_005) + 1)).skip(1).map(|n| n >> 33)
}

/// Folds whatever is left, replacing the files when they turn out to be damaged on the way.
fn fold_mending(writer: &mut Writer, log: &Log) -> bool {
    for _ in 0..3 {
        loop {
            match writer.step(log, 64) {
                Ok(step) if step.events == 0 => return writer.position() == log.size(),
                Ok(_) => {}
                Err(StepError::Damaged(why)) => {
                    writer.replace(&why).unwrap();
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    false
}

/// What opening made of a damaged store.
#[derive(Debug, PartialEq)]
enum Found {
    /// Everything: the damage hit nothing that is in use.
    Everything,
    /// An earlier position, with the rows that belong to it: sled had dropped its own tail.
    Earlier,
    /// Nothing to be used: the log was folded again.
    Replaced,
}

fn check(name: &str, dir: &Path, log: &Log) -> Found {
    let (store, mut writer, opened) = Store::open(dir, log).unwrap();
    let found = match opened {
        Opened::Replaced { .. } => Found::Replaced,
        Opened::Resumed if writer.position() == log.size() => Found::Everything,
        Opened::Resumed | Opened::Fresh => Found::Earlier,
    };
    assert_eq!(writer.digests(), log.digests_at(writer.position()), "{name}");
    assert!(fold_mending(&mut writer, log), "{name}");
    assert_eq!(writer.digests(), log.digests_at(log.size()), "{name}");
    let report = scan_check(&store, log, |_| ()).unwrap();
    assert!(report.is_clean(), "{name}: {:?}", report.told);
    found
}

fn data_file(dir: &Path) -> PathBuf {
    dir.join("db")
}

/// Where the data file has something that could be damaged.
fn written(dir: &Path) -> Vec<u64> {
    let bytes = std::fs::read(data_file(dir)).unwrap();
    (0..).zip(bytes).filter(|(_, byte)| *byte != 0).map(|(at, _)| at).collect()
}

#[test]
fn flipped_bytes() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(250);
    let dir = folded(home.path(), &log);
    let written = written(&dir);
    let mut noticed = 0;
    for (n, pick) in numbers(1).take(32).enumerate() {
        let copy = copy_of(&dir, &home.path().join(format!("flip-{n}")));
        let file = OpenOptions::new().read(true).write(true).open(data_file(&copy)).unwrap();
        let at = written[usize::try_from(pick).unwrap() % written.len()];
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        byte[0] ^= 1 << (pick % 8);
        file.write_all_at(&byte, at).unwrap();
        drop(file);
        noticed += usize::from(check(&format!("flip at {at}"), &copy, &log) != Found::Everything);
    }
    // sled keeps old versions of a page; a flip in one of those harms nobody.
    assert!(noticed > 3, "{noticed} flips were noticed");
}

#[test]
fn zeroed_blocks() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(250);
    let dir = folded(home.path(), &log);
    let length = data_file(&dir).metadata().unwrap().len();
    let written = written(&dir);
    for (n, pick) in numbers(2).take(16).enumerate() {
        let copy = copy_of(&dir, &home.path().join(format!("zero-{n}")));
        let file = OpenOptions::new().write(true).open(data_file(&copy)).unwrap();
        let at = written[usize::try_from(pick).unwrap() % written.len()] / 4096 * 4096;
        let block = usize::try_from((length - at).min(4096)).unwrap();
        file.write_all_at(&vec![0; block], at).unwrap();
        drop(file);
        check(&format!("zeros at {at}"), &copy, &log);
    }
}

#[test]
fn truncated_files() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(250);
    let dir = folded(home.path(), &log);
    let length = data_file(&dir).metadata().unwrap().len();
    let ends = numbers(3).map(|n| n % length).take(16).chain([0, 1, length - 1, length / 2]);
    for (n, end) in ends.enumerate() {
        let copy = copy_of(&dir, &home.path().join(format!("cut-{n}")));
        OpenOptions::new().write(true).open(data_file(&copy)).unwrap().set_len(end).unwrap();
        check(&format!("cut at {end}"), &copy, &log);
    }
}

#[test]
fn other_files_of_sled() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(100);
    let dir = folded(home.path(), &log);
    for (n, name) in ["conf", "db"].into_iter().enumerate() {
        let copy = copy_of(&dir, &home.path().join(format!("junk-{n}")));
        std::fs::write(copy.join(name), b"junk\0junk").unwrap();
        check(&format!("junk in {name}"), &copy, &log);
        let copy = copy_of(&dir, &home.path().join(format!("gone-{n}")));
        std::fs::remove_file(copy.join(name)).unwrap();
        check(&format!("{name} is gone"), &copy, &log);
    }
    for entry in std::fs::read_dir(&dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("snap.") {
            let copy = copy_of(&dir, &home.path().join("snap-junk"));
            std::fs::write(copy.join(&name), b"junk").unwrap();
            check("junk in the snapshot", &copy, &log);
        }
    }
}

#[test]
fn a_row_that_sled_gives_back_changed_or_not_at_all_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(100);
    let dir = folded(home.path(), &log);
    let tamper = |name: &str, work: &dyn Fn(&sled::Db)| {
        let copy = copy_of(&dir, &home.path().join(name));
        let db = sled::Config::new().path(&copy).flush_every_ms(None).open().unwrap();
        work(&db);
        db.flush().unwrap();
        drop(db);
        assert_eq!(check(name, &copy, &log), Found::Replaced, "{name}");
    };
    let some_row = |db: &sled::Db| db.scan_prefix(b"jobs\0job/").next().unwrap().unwrap();
    tamper("changed", &|db| {
        let (key, _) = some_row(db);
        db.insert(key, b"{}").unwrap();
    });
    tamper("missing", &|db| {
        let (key, _) = some_row(db);
        db.remove(key).unwrap();
    });
    tamper("added", &|db| {
        db.insert(b"jobs\0job/more", b"{}").unwrap();
    });
    tamper("stray", &|db| {
        db.insert(b"else\0a", b"{}").unwrap();
    });
    tamper("no position", &|db| {
        db.remove(b"\0meta").unwrap();
    });
}

#[test]
fn scan_check_tells_each_row_that_differs() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(100);
    let dir = home.path().join("views");
    let (store, mut writer, _) = open(&dir, &log);
    fold(&mut writer, &log, 8);
    // A log that says something else about the same positions: every proposal differs.
    let mut shorter = crate::history::History::new();
    while shorter.size() < log.size() {
        shorter.intent(&format!("i-{}", shorter.size()));
    }
    let report = scan_check(&store, &Log::of(shorter), |_| ()).unwrap();
    assert!(!report.is_clean());
    assert!(report.told.iter().any(|d| d.projection == "jobs" && d.folded.is_none()));
    assert!(scan_check(&store, &log, |_| ()).unwrap().is_clean());
}
