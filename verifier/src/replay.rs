//! `replay`: everything of [`log`](crate::log), and every event derived again.
//!
//! The events of a group follow from the command that its first event records, the state that the events before it
//! make, and the policy that the genesis names. `domain` decides the command again, and the bytes must be the recorded
//! ones. Besides, the heads that signed statements name must be heads of this very log, and every attested digest of a
//! read model must be the fold of the events before it.

mod blobs;
mod closed;
mod heads;
mod views;

use domain::ENGINE;
use domain::event::EventData;
use domain::event::proposal::ProposalSubmitted;
use domain::policy::Policy;
use domain::replay::{Mismatch, MismatchRule, Recorded, rederive};
use domain::state::State;
use proof::LeafIndex;

use crate::log::genesis::Identity;
use crate::log::history::History;
use crate::observe::Observer;
use crate::report::{Attested, Authors, CommandName, Decisions, Report, Statements};
use crate::rule::{Finding, Rule};
use crate::source::{Location, Source};
use crate::trust::Options;

use closed::Runs;
use views::Views;

/// Events of one group. A command leads to fewer than ten; the bound keeps a forger from making us hold a whole log.
const MAX_GROUP_EVENTS: usize = 256;

/// Verifies a log and derives every event of it again.
pub fn verify_replay(location: &Location, options: &Options<'_>) -> Report {
    crate::log::run(CommandName::Replay, location, options)
}

/// A replay under way.
pub(crate) struct Replay {
    state: State,
    /// What the state does not keep of what is over.
    over: Runs,
    policy: Policy,
    group: Vec<Recorded>,
    views: Views,
    tally: Tally,
    /// Set when nothing more can be derived: a breach was found, or an engine is not known here.
    is_over: bool,
    /// Reasons for which less is proven than was asked.
    insufficient: Vec<Finding>,
}

#[derive(Default)]
struct Tally {
    decisions: Decisions,
    statements: Statements,
    attested: Attested,
}

impl Replay {
    /// Loads the policy that the genesis names. Without it nothing can be derived, and a finding says so.
    pub(crate) fn new(site: &dyn Source, identity: &Identity, findings: &mut Vec<Finding>) -> Option<Self> {
        match blobs::policy(site, identity) {
            Ok(policy) => Some(Self {
                state: State::new(),
                over: Runs::default(),
                policy,
                group: Vec::new(),
                views: Views::new(),
                tally: Tally::default(),
                is_over: false,
                insufficient: Vec::new(),
            }),
            Err(finding) => {
                findings.push(finding);
                None
            }
        }
    }

    /// Adds the next event. The group that it does not belong to is derived.
    pub(crate) fn push(
        &mut self,
        recorded: Recorded,
        history: &History<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(), Finding> {
        if self.is_over {
            return Ok(());
        }
        let header = &recorded.event.header;
        if header.group == header.seq || self.group.len() >= MAX_GROUP_EVENTS {
            self.derive(history, observer)?;
        }
        self.group.push(recorded);
        Ok(())
    }

    /// Derives the last group. Of one whose end is wanting, only what is there can be wrong.
    pub(crate) fn finish(
        mut self,
        history: &History<'_>,
        observer: &mut dyn Observer,
        is_whole: bool,
        findings: &mut Vec<Finding>,
        report: &mut Report,
    ) {
        if !self.is_over {
            let there = self.group.last().map_or(0, |last| last.event.header.seq.get());
            let outcome = self.derive(history, observer);
            findings.extend(outcome.err().filter(|finding| is_whole || finding.place() <= there));
        }
        findings.append(&mut self.insufficient);
        report.decisions = Some(self.tally.decisions);
        report.statements = Some(self.tally.statements);
        report.attested = Some(self.tally.attested);
    }

    fn derive(&mut self, history: &History<'_>, observer: &mut dyn Observer) -> Result<(), Finding> {
        let group = std::mem::take(&mut self.group);
        let Some(first) = group.first() else {
            return Ok(());
        };
        if let Some(unknown) = group.iter().find_map(unknown_engine) {
            self.insufficient.push(unknown);
            self.is_over = true;
            return Ok(());
        }
        observer.before(&self.state, &self.policy, &group);
        let outcome = self.check(first.event.header.seq, &group, history);
        self.is_over |= outcome.is_err();
        if outcome.is_ok() {
            observer.after(&group);
            self.over.relieve(&mut self.state, observer.wants_state());
        }
        outcome
    }

    fn check(&mut self, start: LeafIndex, group: &[Recorded], history: &History<'_>) -> Result<(), Finding> {
        let derived = rederive(&mut self.state, group, &self.policy);
        // A statement stands in the group's first event; so its breach comes first, unless that event has another.
        match derived {
            Err(mismatch) if mismatch.seq == start => return Err(self.mismatch(&mismatch, group)),
            Ok(()) | Err(_) => {}
        }
        if let Some(first) = group.first() {
            heads::check(&first.event, history)?;
        }
        derived.map_err(|mismatch| self.mismatch(&mismatch, group))?;
        for recorded in group {
            self.views.push(&recorded.event, &mut self.insufficient)?;
        }
        self.tally.count(group);
        Ok(())
    }

    fn mismatch(&mut self, mismatch: &Mismatch, group: &[Recorded]) -> Finding {
        let event = group.iter().map(|recorded| &recorded.event).find(|event| event.header.seq == mismatch.seq);
        if event.is_some_and(|event| matches!(event.data, EventData::DecisionRecorded(_))) {
            self.tally.decisions.mismatched = self.tally.decisions.mismatched.saturating_add(1);
        }
        let rule = match mismatch.rule {
            MismatchRule::NoCommand => Rule::GroupHasNoCommand,
            MismatchRule::Authorship => Rule::Authorship,
            MismatchRule::Refused => Rule::CommandRefused,
            MismatchRule::Payload => Rule::PayloadDiffers,
            MismatchRule::Count => Rule::EventCountDiffers,
        };
        let what = event.map_or_else(String::new, |event| {
            format!("`{}` of {}: ", event.data.type_name(), event.header.subject.as_str())
        });
        Finding::at(mismatch.seq, rule, format_args!("{what}{}", mismatch.detail))
    }
}

/// The engine that an event names, if this build does not have it.
fn unknown_engine(recorded: &Recorded) -> Option<Finding> {
    let engine = match &recorded.event.data {
        EventData::LedgerCreated(created) => created.engine,
        EventData::DecisionRecorded(decision) => decision.engine,
        _ => return None,
    };
    let at = recorded.event.header.seq;
    let detail = format!("engine {engine} decided this; this build has engine {ENGINE}");
    (engine != ENGINE).then(|| Finding::at(at, Rule::EngineUnknown, detail))
}

impl Tally {
    /// Counts a group that was derived.
    fn count(&mut self, group: &[Recorded]) {
        let mut from_recorded_facts = false;
        add(&mut self.attested.clock);
        for recorded in group {
            match &recorded.event.data {
                EventData::ProposalSubmitted(submitted) => {
                    from_recorded_facts = rests_on_records(submitted);
                    add(&mut self.attested.seeds);
                    add(&mut self.attested.sensor_reports);
                    self.statements.proposals.count(submitted.authored.is_some());
                }
                EventData::ApprovalGranted(answered) | EventData::ApprovalDenied(answered) => {
                    add(&mut self.attested.seeds);
                    self.statements.approvals.count(answered.authored.is_some());
                }
                EventData::ResultRecorded(result) => self.statements.results.count(result.authored.is_some()),
                EventData::ProjectionAttested(attested) => {
                    let more = u64::try_from(attested.projections.len()).unwrap_or(u64::MAX);
                    self.attested.projections = self.attested.projections.saturating_add(more);
                }
                EventData::DecisionRecorded(_) if from_recorded_facts => {
                    add(&mut self.decisions.from_recorded_facts);
                }
                EventData::DecisionRecorded(_) => add(&mut self.decisions.re_derived),
                _ => {}
            }
        }
    }
}

impl Authors {
    fn count(&mut self, is_signed: bool) {
        add(if is_signed { &mut self.signed } else { &mut self.asserted });
    }
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

/// Whether a ruling rests on content that is not in the log: what a sensor said of it is then all there is.
fn rests_on_records(submitted: &ProposalSubmitted) -> bool {
    !submitted.findings.is_empty() || !submitted.proposal.commitments().is_empty()
}
