//! Read models: the ledger attests a digest of each now and then, and it must be the fold of the events before.

use domain::event::projection::{ProjectionAttested, ProjectionDigest};
use domain::event::{Event, EventData};
use domain::view::{ALL, Folded};
use proof::{Hash, LeafIndex};

use crate::report::MAX_PROBLEMS;
use crate::rule::{Finding, Rule};

/// Every read model that this build knows.
pub(super) struct Views {
    views: Vec<View>,
}

/// One read model, and its digest at every number of events where it changed: the follower attests in its own time.
struct View {
    folded: Folded,
    digests: Vec<(u64, Hash)>,
}

impl Views {
    /// Nothing folded yet.
    pub(super) fn new() -> Self {
        let view = |projection| {
            let folded = Folded::new(projection);
            let empty = folded.attested().digest;
            View { folded, digests: vec![(0, empty)] }
        };
        Self { views: ALL.into_iter().map(view).collect() }
    }

    /// Folds the next event, after comparing what it attests.
    pub(super) fn push(&mut self, event: &Event, insufficient: &mut Vec<Finding>) -> Result<(), Finding> {
        let at = event.header.seq;
        if let EventData::ProjectionAttested(attested) = &event.data {
            for projection in &attested.projections {
                let unknown = self.compare(at, attested, projection)?;
                let has_room = insufficient.len() < MAX_PROBLEMS;
                insufficient.extend(unknown.filter(|_| has_room));
            }
        }
        for view in &mut self.views {
            view.push(event);
        }
        Ok(())
    }

    fn compare(
        &self,
        at: LeafIndex,
        attested: &ProjectionAttested,
        projection: &ProjectionDigest,
    ) -> Result<Option<Finding>, Finding> {
        let ProjectionDigest { name, version, digest } = projection;
        let known = self.views.iter().find(|view| {
            let ours = view.folded.attested();
            ours.name == *name && ours.version == *version
        });
        let Some(view) = known else {
            let detail = format!("this build does not know version {version} of the read model `{name}`");
            return Ok(Some(Finding::at(at, Rule::ProjectionUnknown, detail)));
        };
        let ours = view.at(attested.position.get());
        if ours == *digest {
            return Ok(None);
        }
        let what = format!("`{name}` after {} events", attested.position);
        Err(Finding::hash(at, Rule::ProjectionDigest, &what, &ours, digest))
    }
}

impl View {
    fn push(&mut self, event: &Event) {
        self.folded.apply(event);
        let digest = self.folded.attested().digest;
        if self.digests.last().is_none_or(|(_, last)| *last != digest) {
            self.digests.push((event.header.seq.size_after().get(), digest));
        }
    }

    /// The digest of the fold of the first `position` events.
    fn at(&self, position: u64) -> Hash {
        let behind = self.digests.partition_point(|(at, _)| *at <= position);
        self.digests.get(behind.saturating_sub(1)).map_or(Hash::ZERO, |(_, digest)| *digest)
    }
}
