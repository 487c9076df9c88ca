//! The sequential part of an audit: each entry takes its place in the chain, the tree and the replay.

use proof::merkle::Frontier;
use proof::{Checkpoint, TreeSize};

use super::chain::Chain;
use super::entry::Entry;
use super::genesis::Identity;
use super::head::Head;
use super::history::History;
use super::tiles::Tiles;
use super::walk::Bundle;
use crate::observe::{Observer, Proofs};
use crate::replay::Replay;
use crate::report::{Checked, Report};
use crate::rule::{Finding, Rule};
use crate::source::Source;

/// Everything that grows with the entries.
pub(crate) struct Audit<'s> {
    chain: Chain,
    frontier: Frontier,
    pub(crate) tiles: Tiles<'s>,
    /// Kept only for those who compare with it.
    pub(crate) history: Option<History<'s>>,
    replay: Option<Replay>,
    observer: &'s mut dyn Observer,
    pub(crate) checked: Checked,
}

impl<'s> Audit<'s> {
    pub(crate) fn new(
        site: &'s dyn Source,
        identity: &Identity,
        size: TreeSize,
        keep_history: bool,
        replay: Option<Replay>,
        observer: &'s mut dyn Observer,
    ) -> Self {
        Self {
            chain: Chain::new(identity.origin.clone()),
            frontier: Frontier::new(),
            tiles: Tiles::new(site, size),
            history: keep_history.then(|| History::new(site, size)),
            replay,
            observer,
            checked: Checked::default(),
        }
    }

    /// Adds a bundle of the site.
    pub(crate) fn bundle(&mut self, bundle: Bundle) -> Result<(), Finding> {
        let Bundle { entries, broken, tile, beside } = bundle;
        self.tiles.note(beside);
        // A tile that cannot be used is one breach, its entries' own are more telling; so those come first.
        let tile_holds = self.tiles.supply(tile);
        for entry in entries {
            self.published(entry)?;
        }
        broken.map_or(Ok(()), Err)?;
        tile_holds
    }

    fn published(&mut self, entry: Entry) -> Result<(), Finding> {
        self.chain.push(&entry)?;
        self.tiles.push(entry.leaf_hash)?;
        self.frontier.push(entry.leaf_hash);
        let (link, checked) = (&entry.link, &mut self.checked);
        checked.events = checked.events.saturating_add(1);
        checked.signatures = checked.signatures.saturating_add(u64::from(entry.recorded.is_some()));
        checked.groups = checked.groups.saturating_add(u64::from(link.group == link.seq));
        checked.decisions = checked.decisions.saturating_add(u64::from(link.is_decision));
        self.follow(entry)
    }

    /// Adds an entry that the journal has beyond the published head.
    pub(crate) fn unpublished(&mut self, entry: Entry) -> Result<(), Finding> {
        self.chain.push(&entry)?;
        self.follow(entry)
    }

    fn follow(&mut self, entry: Entry) -> Result<(), Finding> {
        let Some(history) = &mut self.history else {
            return Ok(());
        };
        history.push(entry.leaf_hash);
        match (&mut self.replay, entry.recorded) {
            (Some(replay), Some(recorded)) => replay.push(recorded, history, self.observer),
            _ => Ok(()),
        }
    }

    /// Compares the root of all published entries with the signed one.
    pub(crate) fn check_root(&self, signed: &Checkpoint) -> Result<(), Finding> {
        let (expected, got) = (signed.root, self.frontier.root());
        if self.frontier.size() == signed.size && got == expected {
            return Ok(());
        }
        let detail = format!("the checkpoint of size {} signs root {expected}, the entries lead to {got}", signed.size);
        Err(Finding::whole(Rule::CheckpointRoot, detail))
    }

    /// Replays what is left, and hands over what the replay found. `is_whole` says that no entry is wanting.
    pub(crate) fn finish(&mut self, is_whole: bool, findings: &mut Vec<Finding>, report: &mut Report) {
        report.checked = Checked { tiles: self.tiles.checked, ..self.checked };
        if let (Some(replay), Some(history)) = (self.replay.take(), &self.history) {
            replay.finish(history, self.observer, is_whole, findings, report);
        }
    }

    /// Lets the observer draw its conclusion from a log that was gone through to its end.
    pub(crate) fn conclude(&mut self, site: &dyn Source, head: &Head, report: &mut Report) -> Result<(), Finding> {
        let Some(history) = &self.history else { return Ok(()) };
        let proofs = Proofs { site, note: &head.note, key: &head.key, size: head.checkpoint.size, history };
        self.observer.conclude(&proofs, report)
    }
}
