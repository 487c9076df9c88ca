//! `log`: everything about a log that can be told without knowing what its events decide.
//!
//! In order: the checkpoint's signature, the genesis, and then for each entry that it is canonical, signed by the
//! event key, at its place in the chain, and under every tile; at the end the root. The search stops at the first
//! breach, because after it nothing can be judged; so the index that is reported is the lowest.

pub(crate) mod audit;
pub(crate) mod beside;
pub(crate) mod chain;
pub(crate) mod entry;
pub(crate) mod genesis;
pub(crate) mod head;
pub(crate) mod history;
pub(crate) mod link;
mod scan;
pub(crate) mod site;
pub(crate) mod tiles;
pub(crate) mod walk;
pub(crate) mod witnessed;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use proof::tile::BundleCoord;
use proof::{LeafIndex, TreeSize};

use audit::Audit;
use entry::Checks;
use genesis::Identity;
use head::Head;
use walk::Task;
use witnessed::Witnessed;

use crate::journal;
use crate::observe::{Nobody, Observer};
use crate::replay::Replay;
use crate::report::{CommandName, Journal, Report, Verdict};
use crate::rule::{Finding, Rule};
use crate::source::{CHECKPOINT, Location, Source};
use crate::trust::Options;

/// Bytes of a checkpoint with many cosignatures, as `proof` bounds any note.
pub(crate) const MAX_CHECKPOINT_BYTES: u64 = 1_000_000;

/// Verifies the structure of a log: signatures, chain, tiles, root, head, and the journal where there is one.
pub fn verify_log(location: &Location, options: &Options<'_>) -> Report {
    run(CommandName::Log, location, options)
}

/// Verifies form, chain, tiles and head of a log, and no more: no event's signature, nor anything that events say.
pub fn verify_structure(location: &Location, options: &Options<'_>) -> Report {
    run(CommandName::Structure, location, options)
}

/// Verifies a log, and replays it if that is the command.
pub(crate) fn run(command: CommandName, location: &Location, options: &Options<'_>) -> Report {
    survey(command, location, options, &mut Nobody)
}

/// Verifies a log, and replays it if that is part of the command, while somebody looks on.
pub(crate) fn survey(
    command: CommandName,
    location: &Location,
    options: &Options<'_>,
    observer: &mut dyn Observer,
) -> Report {
    let start = Instant::now();
    let mut report = Report::new(command, &location.name);
    report.key_pinned = options.trust.is_pinned();
    report.root_pinned = options.root.is_some();
    let findings = match establish(location.site.as_ref(), options, &mut report) {
        Ok((identity, head, witnessed)) => {
            examine(location, options, &identity, (head, witnessed.as_ref()), observer, &mut report)
        }
        Err(finding) => vec![finding],
    };
    report.conclude(findings);
    report.duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

/// Who the log is, and the head that everything below is measured by.
fn establish(
    site: &dyn Source,
    options: &Options<'_>,
    report: &mut Report,
) -> Result<(Identity, Head, Option<Witnessed>), Finding> {
    let witnessed = Witnessed::read(site)?;
    let note = read_checkpoint(site)?;
    report.size = head::readable_size(&note);
    let note = head::text(&note)?;
    let claimed = head::unverified(note)?;
    report.set_head(&claimed);
    let own_key = !options.trust.is_pinned();
    // A pinned key judges the head first. Otherwise the key is in the genesis, which has to hold by itself.
    let pinned = if own_key { None } else { Some(head::open(note, &options.trust, None)?) };
    if claimed.size == TreeSize::ZERO {
        return Err(Finding::whole(Rule::GenesisMissing, "the log is empty"));
    }
    let identity = genesis::read(&genesis_leaf(site, claimed.size, own_key)?)?;
    let head = match pinned {
        Some(head) => head,
        None => head::open(note, &options.trust, Some(&identity.checkpoint))?,
    };
    identity.check(&head.key, options.root.as_ref())?;
    Ok((identity, head, witnessed))
}

/// The signed note of a site.
pub(crate) fn read_checkpoint(site: &dyn Source) -> Result<Vec<u8>, Finding> {
    let note = site.read(CHECKPOINT, MAX_CHECKPOINT_BYTES);
    let note = note.map_err(|error| site::unreadable(None, Rule::CheckpointMalformed, &error))?;
    note.ok_or_else(|| Finding::whole(Rule::Unreadable, "`checkpoint` is not there"))
}

/// The log's first entry. With `probe` it is looked for whatever the tree's size may be: if the checkpoint's size was
/// tampered with, its key is still needed to show that.
pub(crate) fn genesis_leaf(site: &dyn Source, size: TreeSize, probe: bool) -> Result<Vec<u8>, Finding> {
    let first = LeafIndex::new(0);
    let bytes = match site::read_bundle(site, 0, size) {
        Ok(piece) => piece.bytes,
        Err(missing) if probe && missing.rule == Rule::EntriesMissing => {
            let other = |width| {
                let path = BundleCoord::new(0, width).ok()?.path();
                site.read(&path, site::MAX_BUNDLE_BYTES).ok()?
            };
            (1..=u16::from(u8::MAX)).find_map(other).ok_or(missing)?
        }
        Err(finding) => return Err(finding),
    };
    let (entries, _) = entry::split(&bytes);
    let leaf = entries.first().ok_or_else(|| Finding::at(first, Rule::Bundle, "the bundle has no first entry"))?;
    Ok(leaf.to_vec())
}

/// Goes through the whole log; returns everything that is wrong.
fn examine(
    location: &Location,
    options: &Options<'_>,
    identity: &Identity,
    (head, witnessed): (Head, Option<&Witnessed>),
    observer: &mut dyn Observer,
    report: &mut Report,
) -> Vec<Finding> {
    let site = location.site.as_ref();
    let size = head.checkpoint.size;
    let mut findings = Vec::new();
    let replay = report.command.replays().then(|| Replay::new(site, identity, &mut findings)).flatten();
    let keep_history = location.journal.is_some() || replay.is_some() || witnessed.is_some();
    let mut audit = Audit::new(site, identity, size, keep_history, replay, observer);
    let mut stop = None;
    let checks = Checks {
        origin: &identity.origin,
        event_key: &identity.event,
        structure_only: report.command == CommandName::Structure,
    };
    let task = Task { site, size, first_bundle: 0, checks, threads: options.thread_count() };
    walk::walk(task, |bundle| {
        let outcome = audit.bundle(bundle);
        if let Some(progress) = options.progress {
            progress(audit.checked.events, size.get());
        }
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(finding) => {
                stop = Some(finding);
                ControlFlow::Break(())
            }
        }
    });
    let site_holds = stop.is_none();
    findings.extend(stop.or_else(|| audit.check_root(&head.checkpoint).err()));
    findings.append(&mut audit.tiles.aside);
    let journal_holds = match &location.journal {
        Some(folder) => examine_journal(folder, identity, &mut audit, site_holds, &mut findings, report),
        None => true,
    };
    if let (Some(witnessed), Some(history)) = (witnessed, &audit.history) {
        findings.extend(witnessed.check(&head.key, history, site_holds && journal_holds).err());
    }
    audit.finish(site_holds && journal_holds, &mut findings, report);
    if findings.iter().all(|finding| finding.verdict() == Verdict::Insufficient) {
        findings.extend(audit.conclude(site, &head, report).err());
    }
    report.witnessed = head.unmet.is_none() && !head.witnesses.is_empty();
    report.witnesses = head.witnesses;
    findings.extend(head.unmet);
    findings
}

fn examine_journal(
    folder: &Path,
    identity: &Identity,
    audit: &mut Audit<'_>,
    site_holds: bool,
    findings: &mut Vec<Finding>,
    report: &mut Report,
) -> bool {
    let mut journal = Journal::default();
    let outcome = journal::examine(folder, identity, audit, site_holds, &mut journal);
    let holds = outcome.is_ok();
    findings.extend(outcome.err());
    report.journal = Some(journal);
    holds
}
