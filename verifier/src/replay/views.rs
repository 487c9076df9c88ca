//! Read models: the ledger attests a digest of each now and then, and it must be the fold of the events before.
//!
//! A fold reads only rows that may still change, so the rows of what is over are dropped here. Digests are kept of the
//! newest changes only: the follower attests what it has just folded.

use std::collections::{BTreeMap, VecDeque};

use domain::event::decision::Ruling;
use domain::event::projection::{ProjectionAttested, ProjectionDigest};
use domain::event::{Event, EventData};
use domain::view::{ALL, Digest, Projection, RowChange};
use proof::{Hash, LeafIndex};
use serde_json::Value;

use crate::report::MAX_PROBLEMS;
use crate::rule::{Finding, Rule};

/// Changes of one read model whose digests are kept, 40 bytes each.
const KEPT_DIGESTS: usize = 65_536;

/// Every read model that this build knows.
pub(super) struct Views {
    views: Vec<View>,
}

/// One read model.
struct View {
    projection: Projection,
    /// The rows that may change again.
    rows: BTreeMap<String, Value>,
    digest: Digest,
    /// The digest at every number of events where it changed: the follower attests in its own time.
    digests: VecDeque<(u64, Hash)>,
}

impl Views {
    /// Nothing folded yet.
    pub(super) fn new() -> Self {
        Self { views: ALL.into_iter().map(View::new).collect() }
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
        let over = over(event);
        for view in &mut self.views {
            view.push(event);
            for key in &over {
                view.rows.remove(key);
            }
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
        let mut known = self.views.iter();
        let Some(view) = known.find(|view| view.projection.name == *name && view.projection.version == *version) else {
            let detail = format!("this build does not know version {version} of the read model `{name}`");
            return Ok(Some(Finding::at(at, Rule::ProjectionUnknown, detail)));
        };
        let position = attested.position;
        let Some(ours) = view.at(position.get()) else {
            let detail = format!("`{name}` after {position} events: more than {KEPT_DIGESTS} changes ago");
            return Ok(Some(Finding::at(at, Rule::ProjectionOld, detail)));
        };
        if ours == *digest {
            return Ok(None);
        }
        let what = format!("`{name}` after {position} events");
        Err(Finding::hash(at, Rule::ProjectionDigest, &what, &ours, digest))
    }
}

impl View {
    fn new(projection: Projection) -> Self {
        let digest = Digest::default();
        Self { projection, rows: BTreeMap::new(), digest, digests: VecDeque::from([(0, digest.hash())]) }
    }

    fn push(&mut self, event: &Event) {
        let changes = (self.projection.fold)(&self.rows, event);
        if changes.is_empty() {
            return;
        }
        for change in changes {
            self.digest = self.digest.after(&change);
            match change {
                // Where a row stands among the others: no fold asks.
                RowChange::Put(key, _) if key.starts_with("order/") => {}
                RowChange::Put(key, row) => {
                    self.rows.insert(key, row);
                }
                RowChange::Delete(key) => {
                    self.rows.remove(&key);
                }
            }
        }
        if self.digests.len() >= KEPT_DIGESTS {
            self.digests.pop_front();
        }
        self.digests.push_back((event.header.seq.size_after().get(), self.digest.hash()));
    }

    /// The digest of the fold of the first `position` events, unless that is forgotten.
    fn at(&self, position: u64) -> Option<Hash> {
        let behind = self.digests.partition_point(|(at, _)| *at <= position);
        self.digests.get(behind.checked_sub(1)?).map(|(_, digest)| *digest)
    }
}

/// The rows that no later event may change: the state refuses events about what is over.
fn over(event: &Event) -> Vec<String> {
    match &event.data {
        EventData::DecisionRecorded(decision) if matches!(decision.ruling, Ruling::Deny | Ruling::NeedMoreEvidence) => {
            vec![format!("proposal/{}", decision.proposal_id)]
        }
        EventData::JobCompleted(ended)
        | EventData::JobFailed(ended)
        | EventData::JobRejected(ended)
        | EventData::JobUnknown(ended) => {
            vec![format!("job/{}", ended.job_id), format!("proposal/{}", ended.proposal_id)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_long_ago_are_forgotten_and_said_to_be() {
        let mut view = View::new(ALL[0]);
        for n in 1..=3 {
            view.digests.push_back((n * 10, proof::sha256(&n.to_be_bytes())));
        }
        let of = |n: u64| Some(proof::sha256(&n.to_be_bytes()));
        assert_eq!((view.at(0), view.at(9)), (Some(Hash::ZERO), Some(Hash::ZERO)));
        assert_eq!((view.at(10), view.at(29), view.at(30), view.at(u64::MAX)), (of(1), of(2), of(3), of(3)));
        view.digests.pop_front();
        assert_eq!((view.at(9), view.at(10)), (None, of(1)));
    }
}
