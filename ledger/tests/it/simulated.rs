//! Journal and site on a disk that fails: thousands of histories, each from a seed.
//!
//! A history is a random sequence of frames, publications, reclaims, faults, kills and crashes. After
//! every fault and every crash all is opened again and compared with what was promised:
//!
//! * every acknowledged frame is there, byte for byte, and nothing before it has changed;
//! * a frame whose outcome was unknown is there whole or not at all, and it stays that way;
//! * the journal is no shorter than any published checkpoint, and there is one content for an index;
//! * the site opens, its root is the journal's, nothing that was published is missing or damaged;
//! * of every checkpoint that was ever published the tiles and bundles are readable, and lead to it.
//!
//! `COUNTERSIGN_SEED=n` runs one seed again, `COUNTERSIGN_SEEDS=n` so many of them.
//!
//! The disk is all that a history has in its hands: whatever takes a [`SimulatedDisk`] can be driven by
//! [`for_each_seed`] in the same way, a whole ledger as well.

mod chance;
mod history;
mod model;

use std::path::Path;

use countersign_ledger::disk::{Disk, Fault, Operation, SimulatedDisk};
use countersign_ledger::journal::{Damage, DamageKind, OpenError};

use chance::{for_each_of, for_each_seed};
use history::{History, Restart, Step};

/// What a debug build does in about 20 seconds on a machine with two cores.
const SEEDS: u64 = 2000;

#[test]
fn what_was_acknowledged_survives_whatever_the_disk_does() {
    let mut total = history::Tally::default();
    for_each_seed(SEEDS, |seed| {
        let mut history = History::start(seed);
        for _ in 0..history.random.within(10, 40) {
            let step = history.random_step();
            history.take(step);
        }
        history.restart(Restart::Crash);
        history.check_all();
        total.add(&history.tally);
    });
    // A simulation in which nothing happens proves nothing.
    if std::env::var("COUNTERSIGN_SEED").is_err() && std::env::var("COUNTERSIGN_SEEDS").is_err() {
        total.check_variety(SEEDS);
    }
}

#[test]
fn any_operation_may_be_the_last_one() {
    // The same history, cut off at each of its operations in turn.
    let script = || {
        let mut steps = Vec::new();
        for _ in 0..4 {
            steps.extend([
                Step::Append { leaves: 90, bytes: 40 },
                Step::Publish,
                Step::Append { leaves: 3, bytes: 900 },
            ]);
            steps.extend([Step::Append { leaves: 2, bytes: 3000 }, Step::Snapshot, Step::Publish, Step::Reclaim]);
        }
        steps
    };
    let mut history = History::start(0);
    let before = history.disk.operations();
    for step in script() {
        history.take(step);
    }
    assert!(history.tally.reclaimed > 0 && history.tally.published >= 8, "{:?}", history.tally);
    let operations = history.disk.operations() - before;
    for_each_of(operations, |nth| {
        if nth >= operations {
            return;
        }
        let mut history = History::on(SimulatedDisk::new(nth), 0);
        history.disk.cut_power_at(nth);
        for step in script() {
            history.take(step);
            if history.tally.crashed > 0 {
                break;
            }
        }
        assert_eq!(history.tally.crashed, 1, "operation {nth} of {operations} did not come");
        history.take(Step::Append { leaves: 5, bytes: 10 });
        history.take(Step::Publish);
        history.restart(Restart::Crash);
        history.check_all();
    });
}

#[test]
fn what_a_failed_attempt_has_left_is_made_durable_before_it_is_built_on() {
    // The nth sync of a directory fails while the folder is made, or a segment, or a tile; the process
    // is killed, and the next one finds everything in its place, though none of it need be durable.
    for_each_seed(200, |seed| {
        let disk = SimulatedDisk::new(seed);
        disk.fail_nth(Operation::SyncDir, seed % 40, Fault::Io);
        let mut history = History::on(disk, seed);
        for _ in 0..3 {
            history.take(Step::Append { leaves: 100, bytes: 50 });
            history.take(Step::Publish);
            history.restart(Restart::Kill);
        }
        history.restart(Restart::Crash);
        history.check_all();
    });
}

#[test]
fn a_disk_that_lied_about_a_sync_is_found_out_and_the_log_never_starts_shorter() {
    let (mut refused, mut whole) = (0, 0);
    for_each_seed(400, |seed| {
        let mut history = History::start(seed);
        for _ in 0..3 {
            history.take(Step::Append { leaves: 40, bytes: 100 });
            history.take(Step::Publish);
        }
        history.disk.lie(true);
        for _ in 0..history.random.within(1, 4) {
            history.take(Step::Append { leaves: 20, bytes: 200 });
        }
        history.take(Step::Publish);
        let published = history.model.published();
        history.crash_unopened();
        // What was published is remembered by whoever saw it: a witness, a client, the site.
        match history.open_journal(published) {
            Ok((size, leaves)) => {
                assert!(size >= published, "started with {size} leaves, {published} were published");
                history.model.check_prefix(&leaves);
                whole += 1;
            }
            Err(OpenError::Damage(damage)) => {
                check_names_what_is_missing(&damage, &history.dir, published);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
        // And if the checkpoint itself is all that is left, it says so.
        if let Some(on_disk) = history.published_on_disk()
            && let Ok((size, _)) = history.open_journal(on_disk)
        {
            assert!(size >= on_disk);
        }
    });
    if std::env::var("COUNTERSIGN_SEED").is_err() {
        assert!(refused > 10 && whole > 10, "refused {refused}, whole {whole}");
    }
}

fn check_names_what_is_missing(damage: &Damage, dir: &Path, published: proof::TreeSize) {
    assert!(damage.file.starts_with(dir.join("journal")), "{damage}");
    assert!(damage.to_string().contains(&damage.index.to_string()), "{damage}");
    if let DamageKind::EndsShort { must_reach } = damage.kind {
        assert_eq!(must_reach, published);
        assert!(published.contains(damage.index), "{damage}");
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    let run = |seed| {
        let mut history = History::start(seed);
        for _ in 0..30 {
            let step = history.random_step();
            history.take(step);
        }
        let segments = history.disk.list(&history.dir.join("journal"));
        (format!("{:?}", history.tally), history.disk.operations(), history.model.root(), segments.ok())
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    // A clone of the disk is the disk.
    let disk = SimulatedDisk::new(1);
    disk.clone().create_dir(Path::new("/x"), countersign_ledger::durable::Mode::Private).unwrap();
    assert!(disk.is_dir(Path::new("/x")));
}
