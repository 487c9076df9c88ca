//! One history: a journal and a site on one disk, and what happens to them.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use countersign_ledger::disk::{Fault, Operation, SimulatedDisk};
use countersign_ledger::durable::Staging;
use countersign_ledger::journal::segment::{Options, Prepare, SegmentJournal, first_kept};
use countersign_ledger::journal::{AppendError, Frame, Journal, OpenError};
use countersign_ledger::site::{Check, LeafBytes, SiteSource, SiteWriter, TileTree, published_note};
use proof::merkle::{Frontier, leaf_hash, root_at};
use proof::{Checkpoint, LeafIndex, TreeSize};

use super::chance::Random;
use super::model::Model;
use crate::fixture::Leaves;
use crate::log::{ORIGIN, signer};

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Append {
        leaves: u64,
        bytes: u64,
    },
    Publish,
    Snapshot,
    Reclaim,
    Scrub,
    /// The nth operation of a kind is going to fail.
    Fault {
        operation: Operation,
        nth: u64,
        fault: Fault,
    },
    /// The power is going to fail.
    PowerCut {
        nth: u64,
    },
    Restart(Restart),
}

/// How a life ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Restart {
    /// The process is killed.
    Kill,
    /// The machine stops.
    Crash,
}

/// What did happen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) appended: u64,
    pub(crate) published: u64,
    pub(crate) reclaimed: u64,
    pub(crate) crashed: u64,
    killed: u64,
    unknown: u64,
    unknown_found: u64,
    torn: u64,
    no_room: u64,
    publications_failed: u64,
    opens_failed: u64,
}

pub(crate) struct History {
    pub(crate) disk: SimulatedDisk,
    pub(crate) dir: PathBuf,
    pub(crate) random: Random,
    pub(crate) model: Model,
    pub(crate) tally: Tally,
    open: Option<Open>,
}

/// What one life has in memory.
struct Open {
    journal: SegmentJournal,
    tree: Arc<TileTree>,
    writer: SiteWriter,
}

impl History {
    pub(crate) fn start(seed: u64) -> Self {
        Self::on(SimulatedDisk::new(seed), seed)
    }

    /// A history on this disk, which has a seed of its own.
    pub(crate) fn on(disk: SimulatedDisk, seed: u64) -> Self {
        let mut history = Self {
            disk,
            dir: "/sim/data".into(),
            random: Random::new(seed),
            model: Model::new(),
            tally: Tally::default(),
            open: None,
        };
        history.open_again();
        history
    }

    pub(crate) fn random_step(&mut self) -> Step {
        let random = &mut self.random;
        match random.within(0, 100) {
            0..36 => Step::Append { leaves: random.within(1, 70), bytes: random.within(1, 60) },
            36..46 => Step::Append { leaves: random.within(1, 4), bytes: random.within(500, 4000) },
            46..60 => Step::Publish,
            60..66 => Step::Snapshot,
            66..74 => Step::Reclaim,
            74..75 => Step::Scrub,
            75..86 => {
                let (operation, nth) = (random.pick(&Operation::ALL), random.within(0, 8));
                Step::Fault { operation, nth, fault: random.pick(&[Fault::Io, Fault::NoSpace]) }
            }
            86..91 => Step::PowerCut { nth: random.within(0, 60) },
            91..96 => Step::Restart(Restart::Kill),
            _ => Step::Restart(Restart::Crash),
        }
    }

    /// Takes one step. Whatever fails must have a fault to show for it.
    pub(crate) fn take(&mut self, step: Step) {
        let failures = self.disk.failures();
        let is_well = match step {
            Step::Append { leaves, bytes } => self.append(leaves, bytes),
            Step::Publish => self.publish(),
            Step::Snapshot => {
                let last = self.model.boundaries.len() as u64 - 1;
                let boundary = if self.random.once_in(2) { last } else { self.random.within(0, last + 1) } as usize;
                self.model.snapshot = self.model.snapshot.max(self.model.boundaries[boundary].size());
                true
            }
            Step::Reclaim => self.reclaim(),
            Step::Scrub => self.scrub(),
            Step::Fault { operation, nth, fault } => {
                self.disk.fail_nth(operation, nth, fault);
                true
            }
            Step::PowerCut { nth } => {
                self.disk.cut_power_at(nth);
                true
            }
            Step::Restart(restart) => return self.restart(restart),
        };
        assert!(is_well || self.disk.failures() > failures, "{step:?} failed without a fault");
        if self.disk.is_off() {
            self.restart(Restart::Crash);
        } else if self.open.is_none() || (!is_well && self.random.once_in(3)) {
            let restart = self.random.pick(&[Restart::Kill, Restart::Crash]);
            self.restart(restart);
        }
    }

    fn append(&mut self, leaves: u64, bytes: u64) -> bool {
        let open = self.open.as_mut().unwrap();
        let start = self.model.size();
        let number = self.tally.appended + self.tally.unknown + self.tally.no_room;
        // No two frames are alike, so that one cannot be taken for another.
        let leaf = |index: u64| {
            let mut leaf = format!("{number} {index} ").into_bytes();
            leaf.resize((leaf.len() as u64 + bytes) as usize, b'a' + (index % 26) as u8);
            leaf
        };
        let leaves: Leaves = (0..leaves).map(leaf).collect();
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let mut frontier = self.model.frontier().clone();
        for hash in &hashes {
            frontier.push(*hash);
        }
        match open.journal.append(&Frame { start, leaves: &leaves, root: frontier.root() }) {
            Ok(size) => {
                assert_eq!(size, frontier.size());
                let shared: Vec<LeafBytes> = leaves.iter().cloned().map(Arc::new).collect();
                open.tree.append(&shared, &hashes);
                self.model.acknowledge(leaves);
                self.tally.appended += 1;
                true
            }
            Err(AppendError::OutcomeUnknown(_)) => {
                let late = open.journal.append(&Frame { start, leaves: &leaves, root: frontier.root() });
                assert!(matches!(late, Err(AppendError::Poisoned)), "{late:?}");
                self.model.unknown = Some(leaves);
                self.tally.unknown += 1;
                self.open = None;
                false
            }
            Err(AppendError::NoRoom(_)) => {
                assert_eq!(open.journal.size(), start);
                self.tally.no_room += 1;
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Publishes the newest head, or one shortly before it.
    fn publish(&mut self) -> bool {
        let open = self.open.as_mut().unwrap();
        let (low, high) = (self.model.published().get(), self.model.size().get());
        let size = if self.random.once_in(4) { self.random.within(low, high + 1) } else { high };
        if size == 0 {
            return true;
        }
        let size = TreeSize::new(size);
        let note = self.model.checkpoint(size).sign(&signer());
        let published = open.writer.publish(&note);
        match published {
            Ok(()) => {
                self.model.note_published(size);
                self.tally.published += 1;
            }
            Err(_) => self.tally.publications_failed += 1,
        }
        // What was published already is, whatever became of this one.
        assert!(open.tree.published() >= self.model.published());
        published.is_ok()
    }

    fn reclaim(&mut self) -> bool {
        let open = self.open.as_mut().unwrap();
        let upto = open.tree.durable_size().min(self.model.snapshot);
        let before = open.journal.reader().first();
        let reclaimed = open.journal.reclaim(upto);
        let after = open.journal.reader().first();
        assert!(after >= before && after.get() <= upto.get().max(before.get()));
        self.tally.reclaimed += u64::from(after > before);
        reclaimed.is_ok()
    }

    fn scrub(&mut self) -> bool {
        let open = self.open.as_mut().unwrap();
        let bundles = open.tree.scrub_bundles();
        if bundles == 0 {
            return true;
        }
        match open.tree.scrub(self.random.within(0, bundles)) {
            Ok(flaws) => {
                assert_eq!(flaws, [], "published files are wrong");
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn restart(&mut self, restart: Restart) {
        self.open = None;
        match restart {
            Restart::Kill => {
                self.disk.kill();
                self.tally.killed += 1;
            }
            Restart::Crash => {
                self.disk.crash();
                self.tally.crashed += 1;
            }
        }
        self.open_again();
    }

    /// Crashes and leaves everything closed.
    pub(crate) fn crash_unopened(&mut self) {
        self.open = None;
        self.disk.crash();
    }

    fn open_again(&mut self) {
        // The disk may fail during recovery, too.
        while self.random.once_in(5) {
            let failures = self.disk.failures();
            let nth = self.random.within(0, 30);
            match self.random.pick(&[None, Some(Operation::Sync), Some(Operation::SyncDir), Some(Operation::Write)]) {
                None => self.disk.cut_power_at(nth),
                Some(operation) => self.disk.fail_nth(operation, nth / 10, Fault::Io),
            }
            if let Err(error) = self.try_open() {
                assert!(self.disk.failures() > failures, "does not open, without a fault: {error}");
                self.tally.opens_failed += 1;
            }
            self.open = None;
            if self.disk.is_off() || self.random.once_in(2) { self.disk.crash() } else { self.disk.kill() }
        }
        let failures = self.disk.failures();
        while let Err(error) = self.try_open() {
            assert!(self.disk.failures() > failures, "does not open: {error}");
            self.disk.kill();
        }
        self.check_some();
    }

    fn options(&self, must_reach: TreeSize, resume: Frontier) -> Options {
        Options {
            segment_bytes: 16_384,
            first_segment_bytes: 4096,
            must_reach,
            resume,
            disk: Arc::new(self.disk.clone()),
            prepare: Prepare::WhenNeeded,
            ..Options::new(ORIGIN)
        }
    }

    /// A snapshot that the journal must open with: any one from its first leaf on, or none if all is there.
    fn resume(&mut self, first: LeafIndex) -> Frontier {
        assert!(first.get() <= self.model.snapshot.get(), "more was forgotten than the snapshot has");
        let boundaries = &self.model.boundaries;
        if self.random.once_in(2) {
            // As a server would: from the beginning while that is there, else from the latest snapshot.
            let size = if first.get() == 0 { TreeSize::ZERO } else { self.model.snapshot };
            return boundaries.iter().find(|frontier| frontier.size() == size).unwrap().clone();
        }
        let fit: Vec<_> = boundaries.iter().filter(|frontier| frontier.size().get() >= first.get()).collect();
        fit[self.random.within(0, fit.len() as u64) as usize].clone()
    }

    fn try_open(&mut self) -> Result<(), String> {
        let note = published_note(&self.disk, &self.dir).map_err(|e| e.to_string())?;
        let head = note.as_deref().map(|note| Checkpoint::open(note, &signer().verifier()).unwrap());
        let must_reach = head.as_ref().map_or(TreeSize::ZERO, |head| head.size);
        let first = first_kept(&self.disk, &self.dir).map_err(|e| e.to_string())?.unwrap_or_default();
        let resume = self.resume(first);
        let from = resume.size();
        let options = self.options(must_reach, resume);
        let mut found = Leaves::new();
        let opened = SegmentJournal::open(&self.dir, &options, &mut |index, leaf| {
            assert_eq!(index.get(), from.get() + found.len() as u64);
            found.push(leaf.to_vec());
            Ok(())
        })
        .map_err(|e| e.to_string())?;
        self.tally.torn += u64::from(opened.torn.is_some());
        let had_unknown = self.model.unknown.is_some();
        let before = self.model.size();
        self.model.reconcile(from, &found);
        self.tally.unknown_found += u64::from(had_unknown && self.model.size() > before);
        assert_eq!(opened.frontier, *self.model.frontier());
        let head = self.model.check_head(note.as_deref());
        self.check_journal(&opened.journal)?;
        let staging = Staging::open_on(Arc::new(self.disk.clone()), &self.dir).map_err(|e| e.to_string())?;
        let check = if self.random.once_in(6) { Check::All } else { Check::Edge };
        let source = SiteSource {
            journal: opened.journal.reader(),
            frontier: &opened.frontier,
            published: head.as_ref(),
            check,
        };
        let site = TileTree::open(&self.dir, &staging, &source).map_err(|e| e.to_string())?;
        if !site.report.is_clean() {
            return Err(format!("published files were wrong: {:?}", site.report));
        }
        assert_eq!(root_at(&*site.tree, self.model.size()).map_err(|e| e.to_string())?, self.model.root());
        self.open = Some(Open { journal: opened.journal, tree: site.tree, writer: site.writer });
        Ok(())
    }

    /// What the journal has, from its first leaf on, byte for byte.
    fn check_journal(&self, journal: &SegmentJournal) -> Result<(), String> {
        let reader = journal.reader();
        let mut next = reader.first().get() as usize;
        let read = reader.read(reader.first(), &mut |frame| {
            for leaf in &frame.leaves {
                assert!(self.model.leaves[next] == *leaf, "leaf {next} is another one now");
                next += 1;
            }
            ControlFlow::Continue(())
        });
        read.map_err(|e| e.to_string())?;
        assert_eq!(next, self.model.leaves.len());
        Ok(())
    }

    /// The files of the newest published head, and of one before it.
    fn check_some(&mut self) {
        let sizes = self.model.all_published();
        let other = sizes.get(self.random.within(0, sizes.len() as u64 + 1) as usize);
        for size in [Some(&self.model.published()), other].into_iter().flatten() {
            self.model.check_tiles(&self.disk, &self.dir, *size);
        }
    }

    /// The files of every head that was ever published, and every leaf through the tree.
    pub(crate) fn check_all(&self) {
        for size in self.model.all_published() {
            self.model.check_tiles(&self.disk, &self.dir, *size);
        }
        let tree = &self.open.as_ref().unwrap().tree;
        let mut leaves = Leaves::new();
        while leaves.len() < self.model.leaves.len() {
            let from = LeafIndex::new(leaves.len() as u64);
            let read = tree.read_entries(from, 1000, self.model.size()).unwrap();
            leaves.extend(read.iter().map(|leaf| leaf.to_vec()));
        }
        assert!(leaves == self.model.leaves);
    }

    /// Opens the journal alone, from its beginning, if it reaches so far.
    pub(crate) fn open_journal(&self, must_reach: TreeSize) -> Result<(TreeSize, Leaves), OpenError> {
        let mut leaves = Leaves::new();
        let opened = SegmentJournal::open(&self.dir, &self.options(must_reach, Frontier::new()), &mut |_, leaf| {
            leaves.push(leaf.to_vec());
            Ok(())
        })?;
        Ok((opened.journal.size(), leaves))
    }

    /// The size of the checkpoint that is on the disk.
    pub(crate) fn published_on_disk(&self) -> Option<TreeSize> {
        let note = published_note(&self.disk, &self.dir).unwrap()?;
        Some(Checkpoint::open(&note, &signer().verifier()).ok()?.size)
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.appended += other.appended;
        self.published += other.published;
        self.reclaimed += other.reclaimed;
        self.crashed += other.crashed;
        self.killed += other.killed;
        self.unknown += other.unknown;
        self.unknown_found += other.unknown_found;
        self.torn += other.torn;
        self.no_room += other.no_room;
        self.publications_failed += other.publications_failed;
        self.opens_failed += other.opens_failed;
    }

    /// That everything which may happen did, and often.
    pub(crate) fn check_variety(&self, seeds: u64) {
        eprintln!("{seeds} seeds: {self:?}");
        for (count, at_least) in [
            (self.appended, seeds * 5),
            (self.published, seeds),
            (self.reclaimed, seeds / 15),
            (self.crashed, seeds),
            (self.killed, seeds / 2),
            (self.unknown, seeds / 4),
            (self.unknown_found, seeds / 50),
            (self.unknown - self.unknown_found, seeds / 50),
            (self.torn, seeds / 50),
            (self.no_room, seeds / 100),
            (self.publications_failed, seeds / 20),
            (self.opens_failed, seeds / 10),
        ] {
            assert!(count >= at_least, "too little happened: {self:?}");
        }
    }
}
