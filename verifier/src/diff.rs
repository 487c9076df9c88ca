//! `diff`: two copies of a log. One may be shorter; where they say different things, the log's key is convicted of both,
//! and an evidence file holds all that shows it.
//!
//! ```text
//! {"a":<receipt>,"b":<receipt>,"key":"<vkey>","kind":"fork","v":1}
//! ```
//!
//! Each receipt has one entry, at the same index; both verify under the key; their leaves differ. A log that only grows
//! cannot have signed both.

use std::time::Instant;

use proof::merkle::{HashSource as _, inclusion_proof};
use proof::{Hash, LeafIndex, Receipt, ReceiptEntry, TreeSize, VerifierKey};
use serde::Serialize;
use serde_json::{Value, json};

use crate::consistency::SiteTree;
use crate::log::head::{self, Head};
use crate::log::{entry, genesis, genesis_leaf, read_checkpoint, site};
use crate::report::{CommandName, HeadReport, Report};
use crate::rule::{Finding, Rule};
use crate::source::{Location, Source};
use crate::trust::{Options, Trust};

/// Bytes of an evidence file: two receipts of one entry.
pub(crate) const MAX_EVIDENCE_BYTES: u64 = 4 * 1024 * 1024;

/// Where two copies of a log part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fork {
    /// The first leaf that differs.
    pub index: LeafIndex,
    /// What convicts the log's key, as an evidence file holds it.
    pub evidence: Value,
}

/// Compares the published sites of two copies of a log.
pub fn verify_diff(a: &Location, b: &Location, options: &Options<'_>) -> Report {
    let start = Instant::now();
    let mut report = Report::new(CommandName::Diff, &format!("{} and {}", a.name, b.name));
    report.key_pinned = options.trust.is_pinned();
    let outcome = compare(a, b, options, &mut report);
    report.conclude(outcome.err().into_iter().collect());
    report.duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

/// Judges an evidence file: does it convict a log whose key the user knows?
pub fn verify_evidence(name: &str, bytes: &[u8], options: &Options<'_>) -> Report {
    let mut report = Report::new(CommandName::Evidence, name);
    report.key_pinned = options.trust.is_pinned();
    let outcome = if report.key_pinned {
        judge(bytes, options, &mut report)
    } else {
        let detail = "evidence convicts nobody without the log's key: give `--key VKEY` or `--policy FILE`";
        Err(Finding::whole(Rule::Unreadable, detail))
    };
    report.conclude(outcome.err().into_iter().collect());
    report
}

/// One copy, with its head.
struct Copy<'a> {
    name: &'a str,
    head: Head,
    tree: SiteTree<'a>,
}

impl<'a> Copy<'a> {
    fn open(location: &'a Location, options: &Options<'_>) -> Result<Self, Finding> {
        let (name, site) = (location.name.as_str(), location.site.as_ref());
        let named = |finding: Finding| Finding { detail: format!("`{name}`: {}", finding.detail), ..finding };
        let head = open_head(site, &options.trust).map_err(named)?;
        let tree = SiteTree::new(site, head.checkpoint.size);
        Ok(Self { name, head, tree })
    }

    fn size(&self) -> TreeSize {
        self.head.checkpoint.size
    }

    /// Proves that the copy has this leaf, under its own head.
    fn receipt(&self, index: LeafIndex) -> Result<Receipt, Finding> {
        let unproven = |detail: &dyn std::fmt::Display| {
            Finding::at(index, Rule::ProofMissing, format_args!("`{}` does not prove its head: {detail}", self.name))
        };
        let piece = site::read_bundle(self.tree.site(), index.get() / site::WIDTH, self.size())?;
        let place = usize::try_from(index.get() % site::WIDTH).unwrap_or(usize::MAX);
        let leaf = entry::split(&piece.bytes).0.get(place).copied().unwrap_or_default().to_vec();
        let leaf = String::from_utf8(leaf).map_err(|error| unproven(&error))?;
        let path = inclusion_proof(&self.tree, index, self.size()).map_err(|error| unproven(&error))?;
        let receipt = Receipt { checkpoint: self.head.note.clone(), entries: vec![ReceiptEntry { index, leaf, path }] };
        receipt.verify(&self.head.key).map_err(|error| unproven(&error))?;
        Ok(receipt)
    }

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Finding> {
        self.tree.subtree(level, index)
    }
}

fn open_head(site: &dyn Source, trust: &Trust) -> Result<Head, Finding> {
    let note = read_checkpoint(site)?;
    let note = head::text(&note)?;
    let own = match trust {
        Trust::SelfAsserted => {
            let size = head::unverified(note)?.size;
            Some(genesis::read(&genesis_leaf(site, size, true)?)?.checkpoint)
        }
        Trust::Key(_) | Trust::Policy(_) => None,
    };
    head::open(note, trust, own.as_ref())
}

fn compare(a: &Location, b: &Location, options: &Options<'_>, report: &mut Report) -> Result<(), Finding> {
    let (a, b) = (Copy::open(a, options)?, Copy::open(b, options)?);
    for copy in [&a, &b] {
        let checkpoint = &copy.head.checkpoint;
        let (size, root) = (checkpoint.size, checkpoint.root);
        report.heads.push(HeadReport { source: copy.name.to_owned(), size, root });
    }
    if a.head.key != b.head.key {
        return Err(Finding::whole(Rule::Forked, "the two copies are of two logs: different keys signed their heads"));
    }
    let longer = if a.size() < b.size() { &b } else { &a };
    report.set_head(&longer.head.checkpoint);
    let common = a.size().min(b.size());
    let Some(index) = first_difference(&a, &b, common)? else {
        // The tiles agree; that says something only if they lead to what was signed.
        if common > TreeSize::ZERO {
            for copy in [&a, &b] {
                copy.tree.prefix_root(common, &copy.head.checkpoint)?;
            }
        }
        return Ok(());
    };
    let receipts = (a.receipt(index)?, b.receipt(index)?);
    // Tiles that were damaged lead here too, and then both copies have the same leaf.
    if receipts.0.entries.first().map(|entry| &entry.leaf) == receipts.1.entries.first().map(|entry| &entry.leaf) {
        let detail = "the tiles differ here, the leaves do not: one copy is damaged, `log` says which";
        return Err(Finding::at(index, Rule::ProofMissing, detail));
    }
    report.fork = Some(Fork { index, evidence: evidence(&receipts.0, &receipts.1, &a.head.key) });
    let detail = format!("the log's key signed a head of {} events and one of {} that part here", a.size(), b.size());
    Err(Finding::at(index, Rule::Forked, detail))
}

/// The first leaf below `size` that is not the same in both.
fn first_difference(a: &Copy<'_>, b: &Copy<'_>, size: TreeSize) -> Result<Option<LeafIndex>, Finding> {
    let mut at = 0;
    while let Some(level) = size.get().saturating_sub(at).checked_ilog2() {
        let mut level = u8::try_from(level).unwrap_or(u8::MAX);
        let mut index = at >> level;
        if a.subtree(level, index)? == b.subtree(level, index)? {
            at = at.saturating_add(1 << level);
            continue;
        }
        // It is below; and if not in the left half, then in the right one.
        while level > 0 {
            (level, index) = (level.saturating_sub(1), index.saturating_mul(2));
            if a.subtree(level, index)? == b.subtree(level, index)? {
                index = index.saturating_add(1);
            }
        }
        return Ok(Some(LeafIndex::new(index)));
    }
    Ok(None)
}

fn evidence(a: &Receipt, b: &Receipt, key: &VerifierKey) -> Value {
    let receipt = |receipt: &Receipt| serde_json::from_slice::<Value>(&receipt.to_json()).unwrap_or_default();
    json!({"a": receipt(a), "b": receipt(b), "key": key.to_string(), "kind": "fork", "v": 1})
}

fn judge(bytes: &[u8], options: &Options<'_>, report: &mut Report) -> Result<(), Finding> {
    let malformed = |detail: &dyn std::fmt::Display| Finding::whole(Rule::EvidenceMalformed, detail);
    let value = proof::canonical::parse(bytes).map_err(|error| malformed(&error))?;
    if value.get("kind") != Some(&json!("fork")) || value.get("v") != Some(&json!(1)) {
        return Err(malformed(&"expected evidence of kind `fork`, version 1"));
    }
    let mut entries = Vec::new();
    for side in ["a", "b"] {
        let receipt = value.get(side).map(|receipt| receipt.to_string().into_bytes()).unwrap_or_default();
        let receipt = Receipt::parse_json(&receipt).map_err(|error| malformed(&format_args!("`{side}`: {error}")))?;
        let head = head::open(&receipt.checkpoint, &options.trust, None)?;
        let verified = receipt.verify(&head.key).map_err(|error| malformed(&format_args!("`{side}`: {error}")))?;
        let (size, root) = (head.checkpoint.size, head.checkpoint.root);
        report.heads.push(HeadReport { source: side.to_owned(), size, root });
        report.set_head(&head.checkpoint);
        entries.push((head.key, verified.entries().to_vec()));
    }
    let [(key, ours), (other, theirs)] = entries.as_slice() else { return Err(malformed(&"two receipts are needed")) };
    let differing = ours.iter().find(|(index, leaf)| {
        theirs.iter().any(|(their_index, their_leaf)| index == their_index && leaf != their_leaf)
    });
    match differing {
        Some((index, _)) if key == other => {
            Err(Finding::at(*index, Rule::Forked, "the log's key signed two heads with different events here"))
        }
        _ => Err(Finding::whole(Rule::NoConviction, "both receipts hold, and they do not contradict each other")),
    }
}
