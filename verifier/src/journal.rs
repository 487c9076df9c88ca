//! The journal of a data folder, compared with what was published from it.
//!
//! Leaves under the published head must be the published ones; what is beyond it continues the same chain. Old segments
//! may be gone: then the journal begins at a later leaf, with the root that the published log had there. This is a
//! reader of the verifier's own, for the format that is drawn in [`segment`].

mod segment;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use proof::merkle::{Frontier, leaf_hash};
use proof::{Hash, LeafIndex, TreeSize, sha256};

use crate::log::audit::Audit;
use crate::log::entry::{self, Checks};
use crate::log::genesis::Identity;
use crate::log::history::History;
use crate::report::Journal;
use crate::rule::{Finding, Rule};

use segment::{Damage, Frame, Rest, Segment, Step};

/// Goes through the journal; tells the first breach.
///
/// `site_holds` says that every published entry was good. If not, only the leaves before the bad one are compared.
pub(crate) fn examine(
    folder: &Path,
    identity: &Identity,
    audit: &mut Audit<'_>,
    site_holds: bool,
    report: &mut Journal,
) -> Result<(), Finding> {
    let published = audit.history.as_ref().map_or(TreeSize::ZERO, History::size);
    let mut walk = Walk {
        audit,
        checks: Checks { origin: &identity.origin, event_key: &identity.event, structure_only: false },
        origin: sha256(identity.origin.as_bytes()),
        first: LeafIndex::default(),
        frontier: Frontier::new(),
        published,
        site_holds,
        torn: None,
    };
    let outcome = walk.folder(folder);
    let size = walk.frontier.size();
    report.torn = walk.torn.take();
    report.first = walk.first;
    report.events = size.get().saturating_sub(walk.first.get());
    report.beyond_published_head = size.get().saturating_sub(published.get());
    match outcome {
        Err(Stop::Breach(finding)) => Err(*finding),
        Err(Stop::Enough) => Ok(()),
        Ok(()) if size >= published => Ok(()),
        Ok(()) => {
            let detail = format!("the journal ends after {size} leaves, {published} were published");
            Err(Finding::at(size.next_index(), Rule::JournalShort, detail))
        }
    }
}

/// Why the walk ends early.
enum Stop {
    Breach(Box<Finding>),
    /// What comes now cannot be judged, since the site is bad from here on.
    Enough,
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Breach(Box::new(finding))
    }
}

struct Walk<'w, 's> {
    audit: &'w mut Audit<'s>,
    checks: Checks<'w>,
    origin: Hash,
    /// The first leaf that the journal has.
    first: LeafIndex,
    frontier: Frontier,
    published: TreeSize,
    site_holds: bool,
    torn: Option<String>,
}

impl Walk<'_, '_> {
    fn folder(&mut self, folder: &Path) -> Result<(), Stop> {
        let segments = list(folder)?;
        if let Some((first, path)) = segments.first_key_value() {
            self.begin(LeafIndex::new(*first), path)?;
        }
        let last = segments.keys().next_back().copied();
        for (first, path) in segments {
            self.segment(&path, LeafIndex::new(first), Some(first) == last)?;
        }
        Ok(())
    }

    /// Goes to the first leaf that is kept. What is before it must have been published, and was checked there.
    fn begin(&mut self, first: LeafIndex, path: &Path) -> Result<(), Stop> {
        let history = self.audit.history.as_ref();
        let frontier = history.map(|history| history.frontier_at(TreeSize::new(first.get()))).transpose()?.flatten();
        let Some(frontier) = frontier else {
            if !self.site_holds {
                return Err(Stop::Enough);
            }
            let (name, published) = (path.display(), self.published);
            let detail = format!(
                "`{name}`: the journal begins at leaf {first}, {published} were published: those between are missing"
            );
            return Err(Finding::at(published.next_index(), Rule::JournalSegment, detail).into());
        };
        (self.first, self.frontier) = (first, frontier);
        Ok(())
    }

    fn here(&self) -> LeafIndex {
        self.frontier.size().next_index()
    }

    fn segment(&mut self, path: &Path, first: LeafIndex, is_last: bool) -> Result<(), Stop> {
        let failed = |error: std::io::Error| unreadable(path, error);
        let name = path.display();
        // Looked at before it is opened: opening a pipe would wait for somebody to write into it.
        let metadata = path.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(unreadable(path, "not a regular file").into());
        }
        let file = File::open(path).map_err(failed)?;
        let bad = |detail: &dyn std::fmt::Display| {
            Finding::at(first, Rule::JournalSegment, format_args!("`{name}`: {detail}"))
        };
        let (mut segment, header) =
            Segment::open(file, metadata.len()).map_err(failed)?.map_err(|detail| bad(&detail))?;
        if header.first != first {
            return Err(bad(&format_args!("the header is that of the segment of leaf {}", header.first)).into());
        }
        if header.origin != self.origin {
            return Err(bad(&"the segment is another log's").into());
        }
        if first != self.here() {
            let detail = format!("the segment before it ends at leaf {}", self.here());
            return Err(
                Finding::at(first.min(self.here()), Rule::JournalSegment, format_args!("`{name}`: {detail}")).into()
            );
        }
        if header.root_before != self.frontier.root() {
            return Err(bad(&"the segment continues another tree").into());
        }
        loop {
            let offset = segment.offset();
            match segment.next_frame().map_err(failed)? {
                Step::Frame(frame) => self.frame(&frame, &format_args!("`{name}`, frame at byte {offset}"))?,
                Step::End => return self.end(&mut segment, path, None, is_last),
                Step::Damaged(damage) => {
                    return self.end(&mut segment, path, Some(&damage), is_last);
                }
            }
        }
    }

    fn frame(&mut self, frame: &Frame, place: &dyn std::fmt::Display) -> Result<(), Stop> {
        let start = self.here();
        if frame.start != self.frontier.size() {
            let detail =
                format!("{place}: expected one for size {}, got one for {}", self.frontier.size(), frame.start);
            return Err(Finding::at(start, Rule::JournalFrame, detail).into());
        }
        for leaf in frame.leaves() {
            self.leaf(leaf)?;
        }
        if self.frontier.root() == frame.root {
            return Ok(());
        }
        let detail =
            format!("{place}: its leaves lead to root {}, it was written with {}", self.frontier.root(), frame.root);
        Err(Finding::at(start, Rule::JournalFrame, detail).into())
    }

    fn leaf(&mut self, leaf: &[u8]) -> Result<(), Stop> {
        let (index, hash) = (self.here(), leaf_hash(leaf));
        if self.published.contains(index) {
            let history = self.audit.history.as_ref();
            let published = history.map(|history| history.leaf(index)).transpose()?.flatten();
            if let Some(published) = published.filter(|published| *published != hash) {
                let detail = match entry::check(index, leaf, self.checks) {
                    Ok(_) => {
                        format!("another event than the published one: expected leaf hash {published}, got {hash}")
                    }
                    Err(finding) => format!("not the published leaf: {}: {}", finding.rule, finding.detail),
                };
                return Err(Finding::at(index, Rule::JournalLeaf, detail).into());
            }
        } else if self.site_holds {
            self.beyond(index, leaf)?;
        } else {
            return Err(Stop::Enough);
        }
        self.frontier.push(hash);
        Ok(())
    }

    fn beyond(&mut self, index: LeafIndex, leaf: &[u8]) -> Result<(), Finding> {
        let checked = entry::check(index, leaf, self.checks).and_then(|entry| self.audit.unpublished(entry));
        checked.map_err(|finding| {
            let detail = format!("in the journal, beyond the published head: {}", finding.detail);
            Finding { detail, ..finding }
        })
    }

    /// No good frame comes now: is that the end, or was there more?
    fn end(&mut self, segment: &mut Segment, path: &Path, damage: Option<&Damage>, is_last: bool) -> Result<(), Stop> {
        let offset = segment.offset();
        let rest = segment.rest().map_err(|error| unreadable(path, error))?;
        let place = format!("`{}`, byte {offset}", path.display());
        let what = match (damage, &rest) {
            (None, Rest::Zeros) => return Ok(()),
            (None, Rest::Bytes(count)) if is_last => {
                self.torn = Some(format!("{place}: a frame whose first sector is missing, {count} bytes"));
                return Ok(());
            }
            (Some(damage), Rest::Zeros | Rest::Bytes(_)) if is_last && damage.is_cut_short => {
                self.torn = Some(format!("{place}: {}", damage.detail));
                return Ok(());
            }
            (None, Rest::Bytes(_)) => "bytes that belong to no frame".to_owned(),
            (None, Rest::Frame(behind)) => {
                format!("no frame here, but one behind, at byte {behind}")
            }
            (Some(damage), Rest::Frame(behind)) => {
                format!("{}; there is a frame behind, at byte {behind}", damage.detail)
            }
            (Some(damage), Rest::Zeros | Rest::Bytes(_)) => damage.detail.clone(),
        };
        let start = self.here();
        // The frame is bad as a whole; perhaps one of its leaves can be named.
        if let Some(frame) =
            damage.and_then(|damage| damage.frame.as_ref()).filter(|frame| frame.start == self.frontier.size())
        {
            for leaf in frame.leaves() {
                self.leaf(leaf)?;
            }
        }
        Err(Finding::at(start, Rule::JournalFrame, format_args!("{place}: {what}")).into())
    }
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> Finding {
    Finding::whole(Rule::Unreadable, format_args!("cannot read `{}`: {error}", path.display()))
}

/// The segment files, by their first leaf index.
fn list(folder: &Path) -> Result<BTreeMap<u64, PathBuf>, Finding> {
    let mut segments = BTreeMap::new();
    for file in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = file.map_err(|error| unreadable(folder, error))?.path();
        if path.extension().is_none_or(|extension| extension != "seg") {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| stem.len() == 20);
        let digits = stem.filter(|stem| stem.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(first) = digits.and_then(|digits| digits.parse().ok()) else {
            let detail = format!("`{}` is not named after a leaf index of 20 digits", path.display());
            return Err(Finding::whole(Rule::JournalSegment, detail));
        };
        segments.insert(first, path);
    }
    Ok(segments)
}
