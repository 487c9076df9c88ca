//! The chain: what each event's header must say, given the events before it.

use std::collections::BTreeMap;

use domain::event::decision::Ruling;
use domain::event::{EventData, Header};
use domain::state::closed::ClosedKey;
use domain::time::Timestamp;
use proof::{Hash, LeafIndex};

use super::entry::Entry;
use crate::rule::{Finding, Rule};

/// The chain so far.
#[derive(Debug)]
pub(crate) struct Chain {
    origin: String,
    next: LeafIndex,
    prev: Hash,
    time: Timestamp,
    group: LeafIndex,
    /// Of subjects that may get further events, by the short form of their names; so this is bounded by open work, not
    /// by history.
    versions: BTreeMap<ClosedKey, u64>,
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
            versions: BTreeMap::new(),
        }
    }

    /// Adds the next event. The most telling rule comes first: after a lost event `prev` is wrong too.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<(), Finding> {
        let (at, event) = (entry.index, &entry.recorded.event);
        let h = &event.header;
        if h.seq != self.next {
            return Err(Finding::expected(at, Rule::Seq, self.next, h.seq));
        }
        if h.ledger != self.origin {
            return Err(Finding::expected(
                at,
                Rule::Ledger,
                format_args!("`{}`", self.origin),
                format_args!("`{}`", h.ledger),
            ));
        }
        if h.prev != self.prev {
            return Err(Finding::expected(at, Rule::Prev, self.prev, h.prev));
        }
        if h.time < self.time {
            return Err(Finding::expected(at, Rule::Time, format_args!("{} or later", self.time), h.time));
        }
        self.check_links(at, h)?;
        if matches!(event.data, EventData::LedgerCreated(_)) != (at.get() == 0) {
            return Err(Finding::at(at, Rule::Genesis, "`ledger.created` is the first event, and only the first"));
        }
        self.push_subject(at, h, is_final(&event.data))?;
        self.next = at.next();
        self.prev = entry.payload_hash;
        self.time = h.time;
        self.group = h.group;
        Ok(())
    }

    fn check_links(&self, at: LeafIndex, h: &Header) -> Result<(), Finding> {
        let continues = at.get() > 0 && h.group == self.group;
        if h.group != at && !continues {
            let expected = format!("{at} or {}", self.group);
            return Err(Finding::expected(at, Rule::Group, expected, h.group));
        }
        match h.causes.iter().find(|cause| **cause >= at) {
            Some(cause) => Err(Finding::expected(at, Rule::Causes, format_args!("earlier events than {at}"), cause)),
            None => Ok(()),
        }
    }

    /// A subject that is closed gets no more events; should its name come up again, it starts anew.
    fn push_subject(&mut self, at: LeafIndex, h: &Header, is_final: bool) -> Result<(), Finding> {
        let name = ClosedKey::of(&h.subject);
        let expected = self.versions.get(&name).copied().unwrap_or(0).saturating_add(1);
        if h.version != expected {
            let subject = h.subject.as_str();
            return Err(Finding::at(
                at,
                Rule::SubjectVersion,
                format_args!("expected version {expected} of `{subject}`, got {}", h.version),
            ));
        }
        if is_final {
            self.versions.remove(&name);
        } else {
            self.versions.insert(name, h.version);
        }
        Ok(())
    }
}

/// Whether an event is the last of its subject.
const fn is_final(data: &EventData) -> bool {
    match data {
        EventData::IntentCreated(_)
        | EventData::JobCompleted(_)
        | EventData::JobFailed(_)
        | EventData::JobRejected(_)
        | EventData::JobUnknown(_) => true,
        EventData::DecisionRecorded(decision) => !matches!(decision.ruling, Ruling::RequireHuman),
        EventData::LedgerCreated(_)
        | EventData::KeyCreated(_)
        | EventData::KeyDisabled(_)
        | EventData::KeyEnabled(_)
        | EventData::KeyDeleted(_)
        | EventData::RunnerRegistered(_)
        | EventData::ProposalSubmitted(_)
        | EventData::ApprovalRequested(_)
        | EventData::ApprovalGranted(_)
        | EventData::ApprovalDenied(_)
        | EventData::ApprovalExpired(_)
        | EventData::JobCreated(_)
        | EventData::JobLeased(_)
        | EventData::JobLeaseExpired(_)
        | EventData::ResultRecorded(_)
        | EventData::BlobErased(_)
        | EventData::ProjectionAttested(_)
        | EventData::LedgerRestored(_) => false,
    }
}
