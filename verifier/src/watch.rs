//! `watch`: a monitor that goes on where it stopped.
//!
//! Each look proves that the new head extends the one it knew, that the new entries are what the head signs, and that
//! each is in one spelling, signed, an event that is known here, and in its place. Only then does it remember the new
//! head. What it does not do is decide anything again: that is `replay`'s and `audit`'s, from the beginning.

pub mod memory;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Instant;

use domain::event::{Event, EventData};
use proof::merkle::{Frontier, HashSource as _};
use proof::{LeafIndex, PublicKey, TreeSize, VerifierKey};

use crate::consistency::SiteTree;
use crate::log::chain::Chain;
use crate::log::entry::{Checks, Entry};
use crate::log::head::{self, Head};
use crate::log::walk::{self, Task};
use crate::log::{genesis, genesis_leaf, read_checkpoint, site};
use crate::overview::Exception;
use crate::report::{CommandName, Report, Verdict, tell};
use crate::rule::{Finding, Rule};
use crate::source::{Location, Source};
use crate::trust::{Options, Trust};

use memory::Memory;

/// Watched events that one look lists; all are counted.
const NOTICES: usize = 1_000;

/// What to look out for.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    /// Principals whose every event is told.
    pub principals: BTreeSet<String>,
    /// Effects; each proposal with one of them is told.
    pub effects: BTreeSet<String>,
    /// How old the newest head may become, by the monitor's clock.
    pub stale_ms: Option<u64>,
    /// Whether to believe the key that the log names itself when nothing is known yet.
    pub trust_first: bool,
}

/// Looks once. `memory` is what the last look remembered; if all is well, the second answer is what to remember now.
pub fn look(
    location: &Location,
    memory: Option<&Memory>,
    watching: &Watching,
    options: &Options<'_>,
    now_ms: u64,
) -> (Report, Option<Memory>) {
    let start = Instant::now();
    let mut report = Report::new(CommandName::Watch, &location.name);
    report.key_pinned = options.trust.is_pinned();
    report.root_pinned = options.root.is_some();
    let look = Look { site: location.site.as_ref(), memory, watching, options };
    let mut findings = Vec::new();
    let outcome = look.run(&mut report, &mut findings, now_ms);
    let outcome = outcome.map_err(|finding| findings.push(finding)).ok();
    report.conclude(findings);
    let outcome = outcome.filter(|_| report.verdict == Verdict::Valid);
    report.duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    (report, outcome)
}

struct Look<'a> {
    site: &'a dyn Source,
    memory: Option<&'a Memory>,
    watching: &'a Watching,
    options: &'a Options<'a>,
}

/// Who the log is.
struct Known {
    origin: String,
    event_key: PublicKey,
    key: VerifierKey,
}

impl Look<'_> {
    fn run(&self, report: &mut Report, findings: &mut Vec<Finding>, now_ms: u64) -> Result<Memory, Finding> {
        let note = read_checkpoint(self.site)?;
        let note = head::text(&note)?;
        let (head, known) = self.open(note)?;
        report.set_head(&head.checkpoint);
        report.witnessed = head.unmet.is_none() && !head.witnesses.is_empty();
        report.witnesses.clone_from(&head.witnesses);
        let size = head.checkpoint.size;
        let tree = SiteTree::new(self.site, size);
        let frontier = self.extends(&head, &tree)?;
        let next = self.entries(frontier, &head, &known, report, now_ms)?;
        findings.extend(head.unmet);
        if let Some(stale_ms) = self.watching.stale_ms
            && now_ms.saturating_sub(next.grown_ms) > stale_ms
        {
            let seconds = now_ms.saturating_sub(next.grown_ms) / 1_000;
            let detail = format!("the head of {size} events has not grown for {seconds} s");
            findings.push(Finding::whole(Rule::StaleHead, detail));
        }
        Ok(next)
    }

    /// Opens the head under the key that is pinned, or remembered.
    fn open(&self, note: &str) -> Result<(Head, Known), Finding> {
        let trust = match (&self.options.trust, self.memory) {
            (Trust::SelfAsserted, Some(memory)) => Trust::Key(Box::new(memory.key.clone())),
            (Trust::SelfAsserted, None) if !self.watching.trust_first => {
                let detail = "nothing is known of this log yet: give `--key VKEY` or `--policy FILE`, or say \
                              `--trust-first-use`";
                return Err(Finding::whole(Rule::Unreadable, detail));
            }
            (trust, _) => trust.clone(),
        };
        if let Some(memory) = self.memory {
            let head = head::open(note, &trust, None)?;
            if head.key != memory.key || head.checkpoint.origin != memory.origin {
                let detail = "the state file is another log's: it knows another key than the pinned one";
                return Err(Finding::whole(Rule::CheckpointKey, detail));
            }
            let Memory { origin, event_key, key, .. } = memory.clone();
            return Ok((head, Known { origin, event_key, key }));
        }
        let claimed = head::unverified(note)?;
        let own_key = !trust.is_pinned();
        let pinned = if own_key { None } else { Some(head::open(note, &trust, None)?) };
        if claimed.size == TreeSize::ZERO {
            return Err(Finding::whole(Rule::GenesisMissing, "the log is empty"));
        }
        let identity = genesis::read(&genesis_leaf(self.site, claimed.size, own_key)?)?;
        let head = match pinned {
            Some(head) => head,
            None => head::open(note, &trust, Some(&identity.checkpoint))?,
        };
        identity.check(&head.key, self.options.root.as_ref())?;
        let key = head.key.clone();
        Ok((head, Known { origin: identity.origin, event_key: identity.event, key }))
    }

    /// Proves that the head extends the remembered one; gives the tree that the new entries are added to.
    fn extends(&self, head: &Head, tree: &SiteTree<'_>) -> Result<Frontier, Finding> {
        let Some(memory) = self.memory else { return Ok(Frontier::new()) };
        let (old, new) = (memory.size, head.checkpoint.size);
        if new < old {
            let detail = format!("a head of {old} events was seen, now there is one of {new}: the log was rolled back");
            return Err(Finding::whole(Rule::Shrinking, detail));
        }
        let root = if new == old { head.checkpoint.root } else { tree.prefix_root(old, &head.checkpoint)? };
        if root != memory.root {
            let (seen, at) = (memory.root, if new == old { "now" } else { "the new head's history" });
            let detail = format!("at size {old} root {seen} was seen, {at} has {root}");
            return Err(Finding::whole(Rule::Forked, detail));
        }
        if new == old {
            // Nothing will be added.
            return Ok(Frontier::new());
        }
        let mut hashes = Vec::new();
        let mut at = 0;
        while let Some(level) = old.get().saturating_sub(at).checked_ilog2() {
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            hashes.push(tree.subtree(level, at >> level)?);
            at = at.saturating_add(1 << level);
        }
        let frontier = Frontier::from_parts(old, hashes).map_err(|error| Finding::whole(Rule::ProofMissing, error))?;
        if frontier.root() == memory.root {
            Ok(frontier)
        } else {
            Err(Finding::whole(Rule::ProofMissing, "the site's tiles changed while they were read"))
        }
    }

    /// Goes through the new entries, and makes sure that they are what the head signs.
    fn entries(
        &self,
        mut frontier: Frontier,
        head: &Head,
        known: &Known,
        report: &mut Report,
        now_ms: u64,
    ) -> Result<Memory, Finding> {
        let (size, root) = (head.checkpoint.size, head.checkpoint.root);
        let from = self.memory.map_or(TreeSize::ZERO, |memory| memory.size);
        if let Some(memory) = self.memory.filter(|_| from == size) {
            return Ok(memory.clone());
        }
        let mut chain = match self.memory {
            Some(memory) => memory.chain(),
            None => Chain::new(known.origin.clone()),
        };
        let checks = Checks { origin: &known.origin, event_key: &known.event_key, structure_only: false };
        let first_bundle = from.get() / site::WIDTH;
        let task = Task { site: self.site, size, first_bundle, checks, threads: self.options.thread_count() };
        let mut outcome = Ok(());
        walk::walk(task, |bundle| {
            let broken = bundle.broken;
            let new = bundle.entries.into_iter().filter(|entry| entry.index.get() >= from.get());
            outcome = new.into_iter().try_for_each(|entry| self.entry(&entry, &mut chain, &mut frontier, report));
            outcome = std::mem::replace(&mut outcome, Ok(())).and_then(|()| broken.map_or(Ok(()), Err));
            if let Some(progress) = self.options.progress {
                progress(report.checked.events, size.get().saturating_sub(from.get()));
            }
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        outcome?;
        if frontier.size() != size || frontier.root() != root {
            let got = frontier.root();
            let detail = format!("the checkpoint of size {size} signs root {root}, the entries lead to {got}");
            return Err(Finding::whole(Rule::CheckpointRoot, detail));
        }
        let Known { origin, event_key, key } = known;
        let (origin, key) = (origin.clone(), key.clone());
        Ok(Memory::new(origin, key, *event_key, &head.checkpoint, &chain, now_ms))
    }

    fn entry(
        &self,
        entry: &Entry,
        chain: &mut Chain,
        frontier: &mut Frontier,
        report: &mut Report,
    ) -> Result<(), Finding> {
        chain.push(entry)?;
        frontier.push(entry.leaf_hash);
        let checked = &mut report.checked;
        checked.events = checked.events.saturating_add(1);
        checked.signatures = checked.signatures.saturating_add(1);
        checked.groups = checked.groups.saturating_add(u64::from(entry.link.group == entry.link.seq));
        checked.decisions = checked.decisions.saturating_add(u64::from(entry.link.is_decision));
        if let Some(recorded) = &entry.recorded
            && let Some(kind) = self.watching.concerns(&recorded.event)
        {
            report.watched = report.watched.saturating_add(1);
            if report.notices.len() < NOTICES {
                report.notices.push(notice(entry.index, kind, &recorded.event));
            }
        }
        Ok(())
    }
}

impl Watching {
    /// Whether somebody wants to hear of an event.
    fn concerns(&self, event: &Event) -> Option<&'static str> {
        let actor = &event.header.actor;
        let is_agent = actor.on_behalf_of.as_ref().is_some_and(|agent| self.principals.contains(agent.as_str()));
        if is_agent || self.principals.contains(actor.id.as_str()) {
            return Some("watched principal");
        }
        match &event.data {
            EventData::ProposalSubmitted(submitted) => {
                let mut effects = submitted.proposal.effects.iter();
                effects.any(|effect| self.effects.contains(&effect.to_string())).then_some("watched effect")
            }
            _ => None,
        }
    }
}

fn notice(index: LeafIndex, kind: &'static str, event: &Event) -> Exception {
    let subject = tell::shown(event.header.subject.as_str());
    let detail = format!("{}: {}", tell::actor(&event.header.actor), tell::claim(event));
    Exception { index, time: event.header.time.to_string(), kind, subject, detail }
}
