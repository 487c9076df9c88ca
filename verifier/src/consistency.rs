//! `consistency`: do two signed heads belong to one history?

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

use proof::merkle::{HashSource, consistency_proof, root_at, verify_consistency as verify_path};
use proof::{Checkpoint, Hash, Receipt, TreeSize, VerifierKey};

use crate::log::head::{self, Head};
use crate::log::history::complete_root;
use crate::log::{genesis, genesis_leaf, read_checkpoint, site};
use crate::report::{CommandName, HeadReport, Report};
use crate::rule::{Finding, Rule};
use crate::source::{Location, Source};
use crate::trust::{Options, Trust};

/// A checkpoint, or a receipt with a checkpoint in it.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit<'a> {
    /// The file, or what else it is called.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Verifies that `new` extends `old`, with a proof made of the tiles of the log at `location`.
///
/// The tiles are not believed: the proof has to lead to heads that the log's key signed. Without a location only heads
/// of the same size can be compared.
pub fn verify_consistency(
    old: Exhibit<'_>,
    new: Exhibit<'_>,
    location: Option<&Location>,
    options: &Options<'_>,
) -> Report {
    let start = Instant::now();
    let mut report = Report::new(CommandName::Consistency, &format!("{} and {}", old.name, new.name));
    report.key_pinned = options.trust.is_pinned();
    let outcome = examine(old, new, location.map(|location| location.site.as_ref()), options, &mut report);
    report.conclude(outcome.err().into_iter().collect());
    report.duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

fn examine(
    old: Exhibit<'_>,
    new: Exhibit<'_>,
    site: Option<&dyn Source>,
    options: &Options<'_>,
    report: &mut Report,
) -> Result<(), Finding> {
    let own = match (&options.trust, site) {
        (Trust::Key(_) | Trust::Policy(_), _) => None,
        (Trust::SelfAsserted, Some(site)) => Some(own_key(site)?),
        (Trust::SelfAsserted, None) => {
            return Err(Finding::whole(Rule::Unreadable, "give the log's key with `--key VKEY` or `--policy FILE`"));
        }
    };
    let mut open = |exhibit: Exhibit<'_>| {
        let head = open(exhibit, &options.trust, own.as_ref())?;
        let Checkpoint { size, root, .. } = head.checkpoint;
        report.heads.push(HeadReport { source: exhibit.name.to_owned(), size, root });
        Ok(head)
    };
    let (old, new) = (open(old)?, open(new)?);
    report.set_head(&new.checkpoint);
    report.witnessed = new.unmet.is_none() && !new.witnesses.is_empty();
    report.witnesses.clone_from(&new.witnesses);
    if old.key != new.key {
        return Err(Finding::whole(Rule::Forked, "the two checkpoints are of two logs"));
    }
    compare(&old.checkpoint, &new.checkpoint, site, &new.key)?;
    old.unmet.or(new.unmet).map_or(Ok(()), Err)
}

fn compare(old: &Checkpoint, new: &Checkpoint, site: Option<&dyn Source>, key: &VerifierKey) -> Result<(), Finding> {
    if old.size > new.size {
        let detail = format!(
            "the older checkpoint is of {} events, the newer one of {}: the log was rolled back",
            old.size, new.size
        );
        return Err(Finding::whole(Rule::Shrinking, detail));
    }
    if old.size == new.size {
        return same(old, &new.root, "the other checkpoint of that size");
    }
    if old.size == TreeSize::ZERO {
        return Ok(());
    }
    let missing = |detail: &dyn std::fmt::Display| Finding::whole(Rule::ProofMissing, detail);
    let site = site.ok_or_else(|| {
        missing(&"the checkpoints are of different sizes: a proof needs the log, give `--log DIR|URL`")
    })?;
    let note = read_checkpoint(site)?;
    // The site's own head is signed by the same key; whatever it proves of its prefixes, the key has vouched for.
    let head = head::open(head::text(&note)?, &Trust::Key(Box::new(key.clone())), None)?.checkpoint;
    if head.size < new.size {
        return Err(missing(&format_args!(
            "the log there has {} events, the newer checkpoint {}",
            head.size, new.size
        )));
    }
    let tree = SiteTree::new(site, head.size);
    for checkpoint in [old, new] {
        let proven = tree.prefix_root(checkpoint.size, &head)?;
        same(checkpoint, &proven, &format!("the history of the log's head of {} events", head.size))?;
    }
    Ok(())
}

fn same(checkpoint: &Checkpoint, root: &Hash, other: &str) -> Result<(), Finding> {
    if checkpoint.root == *root {
        return Ok(());
    }
    let detail =
        format!("at size {} one checkpoint signs root {}, and {other} has {root}", checkpoint.size, checkpoint.root);
    Err(Finding::whole(Rule::Forked, detail))
}

/// The key that the log's genesis names.
fn own_key(site: &dyn Source) -> Result<VerifierKey, Finding> {
    let note = read_checkpoint(site)?;
    let claimed = head::unverified(head::text(&note)?)?;
    Ok(genesis::read(&genesis_leaf(site, claimed.size, true)?)?.checkpoint)
}

fn open(exhibit: Exhibit<'_>, trust: &Trust, own: Option<&VerifierKey>) -> Result<Head, Finding> {
    let named = |finding: Finding| Finding { detail: format!("`{}`: {}", exhibit.name, finding.detail), ..finding };
    let opened = match Receipt::parse_any(exhibit.bytes) {
        Ok(receipt) => head::open(&receipt.checkpoint, trust, own),
        Err(_) => head::text(exhibit.bytes).and_then(|note| head::open(note, trust, own)),
    };
    opened.map_err(named)
}

/// The tree of a site of a certain size, read tile by tile.
pub(crate) struct SiteTree<'s> {
    site: &'s dyn Source,
    size: TreeSize,
    tiles: RefCell<BTreeMap<(u8, u64), Vec<Hash>>>,
}

impl<'s> SiteTree<'s> {
    /// Of a tree of this size; nothing was read yet.
    pub(crate) fn new(site: &'s dyn Source, size: TreeSize) -> Self {
        Self { site, size, tiles: RefCell::default() }
    }

    /// Where the tiles are.
    pub(crate) fn site(&self) -> &'s dyn Source {
        self.site
    }

    /// The root at an earlier size, proven to be that of a prefix of the tree that `head` signs.
    pub(crate) fn prefix_root(&self, size: TreeSize, head: &Checkpoint) -> Result<Hash, Finding> {
        let unproven = |detail: &dyn std::fmt::Display| {
            Finding::whole(Rule::ProofMissing, format_args!("the log's tiles do not prove its head: {detail}"))
        };
        let path = consistency_proof(self, size, head.size).map_err(|error| unproven(&error))?;
        let root = root_at(self, size).map_err(|error| unproven(&error))?;
        verify_path(size, &root, head.size, &head.root, &path).map_err(|error| unproven(&error))?;
        Ok(root)
    }
}

impl HashSource for SiteTree<'_> {
    type Error = Finding;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Finding> {
        let (tile_level, height) = (level / 8, u32::from(level % 8));
        let first = index.checked_shl(height).unwrap_or(u64::MAX);
        let (tile, place) = (first / site::WIDTH, first % site::WIDTH);
        let mut tiles = self.tiles.borrow_mut();
        let hashes = match tiles.entry((tile_level, tile)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(site::read_tile(self.site, tile_level, tile, self.size)?)
            }
        };
        let (start, width) = (usize::try_from(place).unwrap_or(usize::MAX), 1_usize << height);
        let part = hashes.get(start..).and_then(|hashes| hashes.get(..width)).and_then(complete_root);
        part.ok_or_else(|| {
            Finding::whole(Rule::ProofMissing, format_args!("tile {tile} of level {tile_level} is too small"))
        })
    }
}
