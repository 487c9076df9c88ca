//! The chain: what each event's header must say, given the events before it.

use std::collections::BTreeMap;

use domain::state::closed::ClosedKey;
use domain::time::Timestamp;
use proof::{Hash, LeafIndex};

use super::entry::Entry;
use super::link::Link;
use crate::rule::{Finding, Rule};

/// The chain so far.
#[derive(Debug)]
pub(crate) struct Chain {
    origin: String,
    next: LeafIndex,
    prev: Hash,
    time: Timestamp,
    group: LeafIndex,
    /// `None` if the beginning was not seen, so that versions cannot be judged. Of subjects that may get further events, by the short form of their names; so this is bounded by open work, not
    /// by history.
    versions: Option<BTreeMap<ClosedKey, u64>>,
}

impl Chain {
    /// The chain of the log with this name, before its first event.
    pub(crate) fn new(origin: String) -> Self {
        let first = LeafIndex::new(0);
        Self {
            origin,
            next: first,
            prev: Hash::ZERO,
            time: Timestamp::from_ms(0),
            group: first,
            versions: Some(BTreeMap::new()),
        }
    }

    /// The chain from some event on, as [`stands_at`](Self::stands_at) told it. It does not judge subjects' versions.
    pub(crate) fn resume(origin: String, next: LeafIndex, at: (Hash, Timestamp, LeafIndex)) -> Self {
        let (prev, time, group) = at;
        Self { origin, next, prev, time, group, versions: None }
    }

    /// What the next event is measured by: the last payload's digest, its time and its group.
    pub(crate) const fn stands_at(&self) -> (Hash, Timestamp, LeafIndex) {
        (self.prev, self.time, self.group)
    }

    /// Adds the next event. The most telling rule comes first: after a lost event `prev` is wrong too.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<(), Finding> {
        let (at, link) = (entry.index, &entry.link);
        if link.seq != self.next {
            return Err(Finding::expected(at, Rule::Seq, self.next, link.seq));
        }
        if let Some(other) = &link.other_ledger {
            let expected = format!("`{}`", self.origin);
            return Err(Finding::expected(at, Rule::Ledger, expected, format_args!("`{other}`")));
        }
        if link.prev != self.prev {
            return Err(Finding::expected(at, Rule::Prev, self.prev, link.prev));
        }
        if link.time < self.time {
            return Err(Finding::expected(at, Rule::Time, format_args!("{} or later", self.time), link.time));
        }
        self.check_links(at, link)?;
        if link.is_genesis != (at.get() == 0) {
            return Err(Finding::at(at, Rule::Genesis, "`ledger.created` is the first event, and only the first"));
        }
        self.push_subject(at, link)?;
        self.next = at.next();
        self.prev = entry.payload_hash;
        self.time = link.time;
        self.group = link.group;
        Ok(())
    }

    fn check_links(&self, at: LeafIndex, link: &Link) -> Result<(), Finding> {
        let continues = at.get() > 0 && link.group == self.group;
        if link.group != at && !continues {
            let expected = format!("{at} or {}", self.group);
            return Err(Finding::expected(at, Rule::Group, expected, link.group));
        }
        match link.bad_cause {
            Some(cause) => Err(Finding::expected(at, Rule::Causes, format_args!("earlier events than {at}"), cause)),
            None => Ok(()),
        }
    }

    /// A subject that is closed gets no more events; should its name come up again, it starts anew.
    fn push_subject(&mut self, at: LeafIndex, link: &Link) -> Result<(), Finding> {
        let Some(versions) = &mut self.versions else { return Ok(()) };
        let expected = versions.get(&link.name).copied().unwrap_or(0).saturating_add(1);
        if link.version != expected {
            let detail = format!("expected version {expected} of `{}`, got {}", link.subject, link.version);
            return Err(Finding::at(at, Rule::SubjectVersion, detail));
        }
        if link.is_final {
            versions.remove(&link.name);
        } else {
            versions.insert(link.name, link.version);
        }
        Ok(())
    }
}
