//! `whatif`: a verified history under another policy bundle. Which proposals would have been ruled otherwise?
//!
//! Each proposal is decided again where it was submitted, in the state that the log had then, with its recorded clock,
//! seed and findings; only the bundle is the other one. What its ruling would have led to is not made up: budgets and
//! sessions are as they were. Answers of humans are not asked for again.

use std::collections::BTreeMap;

use domain::decide::{Context, run};
use domain::event::EventData;
use domain::event::decision::{DecisionRecorded, Ruling};
use domain::policy::{Bundle, Policy};
use domain::replay::{Recorded, command_of};
use domain::state::State;
use proof::{Hash, LeafIndex};
use serde::Serialize;

use crate::observe::{Observer, Proofs};
use crate::report::{CommandName, Report, tell};
use crate::rule::Finding;
use crate::source::Location;
use crate::trust::Options;

/// Changed rulings that are listed one by one; all are counted.
const LISTED: usize = 1_000;
/// Agents and reasons that are counted apart; the rest together.
const COUNTED: usize = 1_000;

/// How the rulings of a history would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WhatIf {
    /// The other bundle's digest.
    pub policy: Hash,
    /// Its name.
    pub name: String,
    /// Proposals that were decided again.
    pub decided: u64,
    /// Those of them with the same ruling.
    pub same: u64,
    /// Those with another one.
    pub flipped: u64,
    /// Those that would be denied, and were not.
    pub newly_denied: u64,
    /// Those that would be allowed, and were not.
    pub newly_allowed: u64,
    /// Those of `decided` that rest on what the server recorded about content that is not in the log.
    pub from_recorded_facts: u64,
    /// Proposals that cannot be decided under the other bundle.
    pub unreplayable: u64,
    /// Flips, `FROM > TO`.
    pub by_ruling: BTreeMap<String, u64>,
    /// Flips by agent.
    pub by_agent: BTreeMap<String, u64>,
    /// Flips by each reason that is given under one bundle only: `+code` under the other, `-code` under the recorded.
    pub by_reason: BTreeMap<String, u64>,
    /// The first flips.
    pub flips: Vec<Flip>,
}

/// One proposal that would be ruled otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// The recorded decision.
    pub decision: LeafIndex,
    /// The proposal.
    pub proposal: String,
    /// Whose it is.
    pub agent: String,
    /// As it was ruled.
    pub from: &'static str,
    /// As it would be.
    pub to: &'static str,
    /// The reasons that would be given.
    pub reasons: Vec<&'static str>,
}

/// Replays the log, and decides each proposal also by another bundle.
pub fn verify_whatif(location: &Location, bundle: Bundle, options: &Options<'_>) -> Report {
    let answer = WhatIf { policy: bundle.digest(), name: tell::shown(&bundle.name), ..WhatIf::default() };
    let mut observer = Alternative { bundle, policy: None, answer };
    crate::log::survey(CommandName::Whatif, location, options, &mut observer)
}

struct Alternative {
    bundle: Bundle,
    /// The bundle, with the manifest that the log has.
    policy: Option<Policy>,
    answer: WhatIf,
}

impl Observer for Alternative {
    fn wants_state(&self) -> bool {
        true
    }

    fn before(&mut self, state: &State, policy: &Policy, group: &[Recorded]) {
        let Some(first) = group.first() else { return };
        let EventData::ProposalSubmitted(submitted) = &first.event.data else { return };
        let Some((at, recorded)) = decision_of(group.iter().map(|recorded| &recorded.event)) else { return };
        let (bundle, manifest) = (&self.bundle, policy.manifest());
        let other = self.policy.get_or_insert_with(|| Policy::new(bundle.clone(), manifest.clone()));
        let decided = command_of(&first.event).ok().and_then(|asked| {
            let context = Context { now: asked.now, seed: asked.seed, policy: other };
            // A copy, which is thrown away: the history stays as it was.
            run(&mut state.clone(), &asked.command, &context).ok()
        });
        let decided = decided.as_ref().and_then(|sealed| decision_of(sealed.iter().map(|sealed| &*sealed.event)));
        let Some((_, ours)) = decided else {
            add(&mut self.answer.unreplayable);
            return;
        };
        let proposal = &submitted.proposal;
        if !submitted.findings.is_empty() || !proposal.commitments().is_empty() {
            add(&mut self.answer.from_recorded_facts);
        }
        let agent = tell::shown(proposal.agent.as_str());
        self.answer.count(at, tell::shown(proposal.proposal_id.as_str()), agent, recorded, ours);
    }

    fn conclude(&mut self, _proofs: &Proofs<'_>, report: &mut Report) -> Result<(), Finding> {
        report.whatif = Some(std::mem::take(&mut self.answer));
        Ok(())
    }
}

impl WhatIf {
    fn count(
        &mut self,
        at: LeafIndex,
        proposal: String,
        agent: String,
        recorded: &DecisionRecorded,
        ours: &DecisionRecorded,
    ) {
        add(&mut self.decided);
        if recorded.ruling == ours.ruling {
            add(&mut self.same);
            return;
        }
        add(&mut self.flipped);
        match ours.ruling {
            Ruling::Deny => add(&mut self.newly_denied),
            Ruling::Allow => add(&mut self.newly_allowed),
            Ruling::RequireHuman | Ruling::NeedMoreEvidence => {}
        }
        let (from, to) = (recorded.ruling.as_str(), ours.ruling.as_str());
        bump(&mut self.by_ruling, format!("{from} > {to}"));
        bump(&mut self.by_agent, agent.clone());
        for reason in ours.reasons.iter().filter(|reason| !recorded.reasons.contains(reason)) {
            bump(&mut self.by_reason, format!("+{}", reason.code()));
        }
        for reason in recorded.reasons.iter().filter(|reason| !ours.reasons.contains(reason)) {
            bump(&mut self.by_reason, format!("-{}", reason.code()));
        }
        if self.flips.len() < LISTED {
            let reasons = ours.reasons.iter().map(|reason| reason.code()).collect();
            self.flips.push(Flip { decision: at, proposal, agent, from, to, reasons });
        }
    }
}

/// The decision among the events of a group.
fn decision_of<'e>(
    mut events: impl Iterator<Item = &'e domain::event::Event>,
) -> Option<(LeafIndex, &'e DecisionRecorded)> {
    events.find_map(|event| match &event.data {
        EventData::DecisionRecorded(decision) => Some((event.header.seq, decision)),
        _ => None,
    })
}

fn bump(counts: &mut BTreeMap<String, u64>, key: String) {
    let key = if counts.len() < COUNTED || counts.contains_key(&key) { key } else { "others".to_owned() };
    add(counts.entry(key).or_default());
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}
