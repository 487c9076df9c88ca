//! A warrant's events, once it is proven that they are this log's.

use super::{Pins, Refusal};
use domain::authored::{SeenHead, StatementKind, check};
use domain::event::decision::DecisionRecorded;
use domain::event::job::{JobCreated, JobLeased};
use domain::event::ledger::{LedgerCreated, Profile};
use domain::event::proposal::{Proposal, ProposalSubmitted};
use domain::event::{Event, EventData};
use domain::id::{JobId, ProposalId};
use proof::index::LeafIndex;
use proof::key::PublicKey;
use proof::leaf::Leaf;
use proof::note::VerifierKey;
use proof::receipt::Receipt;
use schemas::job::Warrant;
use std::collections::BTreeMap;

/// See the module.
pub(super) struct Story {
    genesis: LedgerCreated,
    root: PublicKey,
    head: SeenHead,
    events: BTreeMap<LeafIndex, Event>,
}

impl Story {
    /// Proves the events, and reads them.
    pub(super) fn open(warrant: &Warrant, pins: &Pins) -> Result<Self, Refusal> {
        let genesis = genesis(&warrant.receipt, pins)?;
        let key = |what, line: &str| VerifierKey::parse(line).map_err(|e| Refusal::new(what, e));
        let checkpoint_key = key("checkpoint", &genesis.genesis.checkpoint)?;
        let event_key = key("event_signatures", &genesis.genesis.event)?;
        let proven = warrant.receipt.verify(&checkpoint_key).map_err(|e| Refusal::new("inclusion", e))?;
        let mut events = BTreeMap::new();
        for (index, bytes) in proven.entries() {
            let leaf = Leaf::parse(bytes).map_err(|e| Refusal::new("event_signatures", e))?;
            leaf.verify(event_key.key())
                .map_err(|e| Refusal::new("event_signatures", format!("event {index}: {e}")))?;
            let event = Event::parse(leaf.payload).map_err(|e| Refusal::new("events_readable", e))?;
            if event.header.seq != *index || event.header.ledger != genesis.genesis.origin {
                return Err(Refusal::new("events_readable", format!("event {index} belongs elsewhere")));
            }
            events.insert(*index, event);
        }
        let head = SeenHead { size: proven.checkpoint().size, root: proven.checkpoint().root };
        Ok(Self { genesis, root: *pins.root.key(), head, events })
    }

    pub(super) fn origin(&self) -> &str {
        &self.genesis.genesis.origin
    }

    pub(super) fn profile(&self) -> Profile {
        self.genesis.genesis.profile
    }

    pub(super) fn genesis(&self) -> &LedgerCreated {
        &self.genesis
    }

    pub(super) fn root(&self) -> &PublicKey {
        &self.root
    }

    pub(super) fn head(&self) -> SeenHead {
        self.head
    }

    pub(super) fn events(&self) -> impl Iterator<Item = (&LeafIndex, &Event)> {
        self.events.iter()
    }

    pub(super) fn at(&self, index: LeafIndex) -> Result<&Event, Refusal> {
        self.events.get(&index).ok_or_else(|| Refusal::new("complete", format!("event {index} is missing")))
    }

    /// That root registered this runner, under this name, with this key.
    pub(super) fn registered(&self, pins: &Pins) -> Result<(), Refusal> {
        let refuse = |detail: String| Refusal::new("runner_registered_by_root", detail);
        for (_, event) in self.events() {
            if let EventData::RunnerRegistered(e) = &event.data
                && e.runner.runner_id == pins.runner_id
                && e.runner.public_key == pins.key
            {
                check(&e.authored, &self.root, StatementKind::Runner, self.origin(), &e.runner)
                    .map_err(|e| refuse(e.to_string()))?;
                return Ok(());
            }
        }
        Err(refuse(format!("no registration of `{}` with this key", pins.runner_id)))
    }

    pub(super) fn lease(&self, job_id: &JobId) -> Result<(LeafIndex, JobLeased), Refusal> {
        let found = self.events().find_map(|(index, event)| match &event.data {
            EventData::JobLeased(e) if e.job_id == *job_id => Some((*index, e.clone())),
            _ => None,
        });
        found.ok_or_else(|| Refusal::new("lease_in_this_name", "the lease is missing"))
    }

    pub(super) fn job(&self, job_id: &JobId) -> Result<JobCreated, Refusal> {
        let found = self.events().find_map(|(_, event)| match &event.data {
            EventData::JobCreated(e) if e.job.job_id == *job_id => Some(e.clone()),
            _ => None,
        });
        found.ok_or_else(|| Refusal::new("complete", "the job is missing"))
    }

    pub(super) fn decision(&self, index: LeafIndex) -> Result<&DecisionRecorded, Refusal> {
        match &self.at(index)?.data {
            EventData::DecisionRecorded(e) => Ok(e),
            _ => Err(Refusal::new("decision_allows_job", format!("event {index} is not a decision"))),
        }
    }

    pub(super) fn proposal(&self, id: &ProposalId) -> Result<&Proposal, Refusal> {
        self.submission(id).map(|(_, e)| &e.proposal)
    }

    pub(super) fn submission(&self, id: &ProposalId) -> Result<(&Event, &ProposalSubmitted), Refusal> {
        let found = self.events().find_map(|(_, event)| match &event.data {
            EventData::ProposalSubmitted(e) if e.proposal.proposal_id == *id => Some((event, e)),
            _ => None,
        });
        found.ok_or_else(|| Refusal::new("complete", "the proposal is missing"))
    }
}

/// The genesis, under the pinned root. It is read before its inclusion is proven, since it names the key that proves it;
/// what makes it believable is root's signature.
pub(crate) fn genesis(receipt: &Receipt, pins: &Pins) -> Result<LedgerCreated, Refusal> {
    let refuse = |detail: String| Refusal::new("genesis_under_pinned_root", detail);
    let entry = receipt.entries.first().filter(|entry| entry.index.get() == 0);
    let entry = entry.ok_or_else(|| refuse("the genesis is missing".into()))?;
    let leaf = Leaf::parse(entry.leaf.as_bytes()).map_err(|e| refuse(e.to_string()))?;
    let event = Event::parse(leaf.payload).map_err(|e| refuse(e.to_string()))?;
    let EventData::LedgerCreated(created) = event.data else {
        return Err(refuse("the first event is not a genesis".into()));
    };
    if created.genesis.root != pins.root.to_string() {
        return Err(refuse(format!("the genesis names root `{}`, pinned is `{}`", created.genesis.root, pins.root)));
    }
    check(&created.authored, pins.root.key(), StatementKind::Genesis, &created.genesis.origin, &created.genesis)
        .map_err(|e| refuse(e.to_string()))?;
    Ok(created)
}
