//! What a log is about, for a page that is read by people: rulings, agents, time, and what went otherwise than planned.

use std::collections::BTreeMap;

use domain::event::decision::Ruling;
use domain::event::{Event, EventData};
use domain::replay::Recorded;
use proof::LeafIndex;
use serde::Serialize;

use crate::observe::{Observer, Proofs};
use crate::report::{CommandName, Report, tell};
use crate::rule::{Finding, Rule};
use crate::source::Location;
use crate::trust::Options;

/// Agents that are counted apart; the rest together.
const AGENTS: usize = 200;
/// Exceptions that are listed; all are counted.
const LISTED: usize = 500;
/// Columns of the timeline.
const COLUMNS: usize = 96;
/// Receipts that are made and checked as a sample.
const SAMPLE: u64 = 16;

/// How often each ruling was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rulings {
    /// `ALLOW`.
    pub allow: u64,
    /// `REQUIRE_HUMAN`.
    pub require_human: u64,
    /// `NEED_MORE_EVIDENCE`.
    pub need_more_evidence: u64,
    /// `DENY`.
    pub deny: u64,
}

impl Rulings {
    fn count(&mut self, ruling: Ruling) {
        let count = match ruling {
            Ruling::Allow => &mut self.allow,
            Ruling::RequireHuman => &mut self.require_human,
            Ruling::NeedMoreEvidence => &mut self.need_more_evidence,
            Ruling::Deny => &mut self.deny,
        };
        *count = count.saturating_add(1);
    }

    /// Each with its name, from mild to strict.
    pub const fn all(&self) -> [(&'static str, u64); 4] {
        [
            ("ALLOW", self.allow),
            ("REQUIRE_HUMAN", self.require_human),
            ("NEED_MORE_EVIDENCE", self.need_more_evidence),
            ("DENY", self.deny),
        ]
    }

    /// All together.
    pub const fn total(&self) -> u64 {
        self.allow.saturating_add(self.require_human).saturating_add(self.need_more_evidence).saturating_add(self.deny)
    }
}

/// Events over time, in columns of equal width.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// When the first column begins, in ms since 1970.
    pub start_ms: u64,
    /// How much time a column stands for.
    pub width_ms: u64,
    /// Events in each.
    pub events: Vec<u64>,
}

impl Timeline {
    fn count(&mut self, ms: u64) {
        if self.events.is_empty() {
            (self.start_ms, self.width_ms) = (ms, 1);
        }
        let mut column = self.column(ms);
        while column >= COLUMNS {
            self.events = self.events.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.width_ms = self.width_ms.saturating_mul(2);
            column = self.column(ms);
        }
        if self.events.len() <= column {
            self.events.resize(column.saturating_add(1), 0);
        }
        if let Some(count) = self.events.get_mut(column) {
            *count = count.saturating_add(1);
        }
    }

    fn column(&self, ms: u64) -> usize {
        usize::try_from(ms.saturating_sub(self.start_ms) / self.width_ms.max(1)).unwrap_or(usize::MAX)
    }
}

/// Something that an auditor should look at, though it is no breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// The event.
    pub index: LeafIndex,
    /// When.
    pub time: String,
    /// What kind of exception.
    pub kind: &'static str,
    /// What it is about.
    pub subject: String,
    /// In words.
    pub detail: String,
}

/// The log at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// When the first and the last event were sequenced.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// Rulings on proposals when they were submitted.
    pub rulings: Rulings,
    /// The same by agent.
    pub agents: BTreeMap<String, Rulings>,
    /// Events over time.
    pub timeline: Timeline,
    /// Events by type.
    pub types: BTreeMap<&'static str, u64>,
    /// Exceptions by kind.
    pub exception_counts: BTreeMap<&'static str, u64>,
    /// The first exceptions.
    pub exceptions: Vec<Exception>,
    /// Receipts that were made from the tiles and checked against the head, as a sample.
    pub receipts: u64,
}

/// Replays a log, and makes an overview of it.
pub fn verify_overview(command: CommandName, location: &Location, options: &Options<'_>) -> Report {
    let mut looker = Looker { overview: Overview::default() };
    let mut report = crate::log::survey(command, location, options, &mut looker);
    // Of a log that is not valid this is what was seen before the breach.
    if report.overview.is_none() {
        report.overview = Some(Box::new(looker.overview));
    }
    report
}

struct Looker {
    overview: Overview,
}

impl Observer for Looker {
    fn after(&mut self, group: &[Recorded]) {
        let mut agent = None;
        for Recorded { event, .. } in group {
            if let EventData::ProposalSubmitted(submitted) = &event.data {
                agent = Some(tell::shown(submitted.proposal.agent.as_str()));
            }
            self.overview.count(event, agent.as_deref());
        }
    }

    fn conclude(&mut self, proofs: &Proofs<'_>, report: &mut Report) -> Result<(), Finding> {
        let size = proofs.size.get();
        let step = size.div_ceil(SAMPLE).max(1);
        let mut sample: Vec<LeafIndex> =
            (0..size).step_by(usize::try_from(step).unwrap_or(usize::MAX)).map(LeafIndex::new).collect();
        let last = LeafIndex::new(size.saturating_sub(1));
        sample.extend((sample.last() != Some(&last)).then_some(last));
        proofs.receipt(&sample)?.verify(proofs.key).map_err(|error| Finding::whole(Rule::Inclusion, error))?;
        self.overview.receipts = u64::try_from(sample.len()).unwrap_or(u64::MAX);
        report.overview = Some(Box::new(std::mem::take(&mut self.overview)));
        Ok(())
    }
}

impl Overview {
    fn count(&mut self, event: &Event, agent: Option<&str>) {
        let time = event.header.time;
        self.first.get_or_insert_with(|| time.to_string());
        self.last = Some(time.to_string());
        self.timeline.count(time.as_ms());
        add(self.types.entry(event.data.type_name()).or_default());
        if let (EventData::DecisionRecorded(decision), Some(agent)) = (&event.data, agent) {
            self.rulings.count(decision.ruling);
            let is_new = !self.agents.contains_key(agent);
            let name = if is_new && self.agents.len() >= AGENTS { "others" } else { agent };
            self.agents.entry(name.to_owned()).or_default().count(decision.ruling);
        }
        let Some(kind) = exception(event) else { return };
        add(self.exception_counts.entry(kind).or_default());
        if self.exceptions.len() < LISTED {
            let subject = tell::shown(event.header.subject.as_str());
            let detail = tell::claim(event);
            let time = time.to_string();
            self.exceptions.push(Exception { index: event.header.seq, time, kind, subject, detail });
        }
    }
}

fn exception(event: &Event) -> Option<&'static str> {
    match &event.data {
        EventData::DecisionRecorded(decision) if decision.ruling == Ruling::Deny => Some("denied"),
        EventData::ApprovalGranted(answered) if answered.self_approved => Some("approved by its proposer"),
        EventData::ApprovalDenied(_) => Some("refused by a human"),
        EventData::ApprovalExpired(_) => Some("nobody answered"),
        EventData::JobLeaseExpired(_) => Some("runner silent"),
        EventData::JobFailed(_) => Some("job failed"),
        EventData::JobRejected(_) => Some("job refused by its runner"),
        EventData::JobUnknown(_) => Some("job with unknown outcome"),
        EventData::BlobErased(_) => Some("body erased"),
        EventData::KeyDisabled(_) | EventData::KeyDeleted(_) => Some("key taken away"),
        _ => None,
    }
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_keeps_every_event_in_few_columns_of_equal_width() {
        let mut timeline = Timeline::default();
        let times: Vec<u64> = (0..5_000_u64).map(|n| 1_000 + n * n).collect();
        for time in &times {
            timeline.count(*time);
            assert!(timeline.events.len() <= COLUMNS);
        }
        assert_eq!(timeline.events.iter().sum::<u64>(), 5_000);
        for (column, count) in (0..).zip(&timeline.events) {
            let range = 1_000 + column * timeline.width_ms..1_000 + (column + 1) * timeline.width_ms;
            assert_eq!(times.iter().filter(|time| range.contains(time)).count(), usize::try_from(*count).unwrap());
        }
    }
}
