//! `story`: the life of one proposal, each claim with the event that makes it, whose word it is, and its proof.

use domain::event::{Event, EventData, Subject};
use domain::replay::Recorded;
use proof::LeafIndex;
use proof::limits::MAX_RECEIPT_ENTRIES;
use serde::Serialize;
use serde_json::Value;

use crate::observe::{Observer, Proofs};
use crate::report::tell;
use crate::report::{CommandName, Report};
use crate::rule::{Finding, Rule};
use crate::source::Location;
use crate::trust::Options;

/// One event of the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its leaf index.
    pub index: LeafIndex,
    /// When, by the ledger's clock.
    pub time: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Who caused it.
    pub actor: String,
    /// What it says.
    pub claim: String,
    /// Whose word that is.
    pub rests_on: String,
    /// Whether the signed head covers it; the receipt has its path then.
    pub proven: bool,
}

/// The life of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Story {
    /// The proposal.
    pub proposal: String,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// A receipt of all steps under the head, which anybody can check with `receipt` and the log's key.
    pub receipt: Option<Value>,
}

/// Replays the log, then tells the story of one proposal.
pub fn verify_story(location: &Location, proposal: &str, options: &Options<'_>) -> Report {
    let mut teller = Teller {
        proposal: proposal.to_owned(),
        subjects: vec![Subject::of("proposal", proposal)],
        intent: None,
        steps: Vec::new(),
    };
    crate::log::survey(CommandName::Story, location, options, &mut teller)
}

struct Teller {
    proposal: String,
    /// The proposal, and its job once there is one.
    subjects: Vec<Subject>,
    /// What its intent is called, and where it was stated.
    intent: Option<(Subject, Option<LeafIndex>)>,
    steps: Vec<Step>,
}

impl Observer for Teller {
    fn wants_state(&self) -> bool {
        true
    }

    fn before(&mut self, state: &domain::state::State, _policy: &domain::policy::Policy, group: &[Recorded]) {
        let Some(EventData::ProposalSubmitted(submitted)) = group.first().map(|first| &first.event.data) else {
            return;
        };
        if submitted.proposal.proposal_id.as_str() == self.proposal {
            let intent = &submitted.proposal.intent_id;
            // In memory here, so it cannot be unreadable.
            self.intent = Some((Subject::of("intent", intent), state.intent(intent).unwrap_or_default()));
        }
    }

    fn after(&mut self, group: &[Recorded]) {
        for Recorded { event, .. } in group {
            if let EventData::JobCreated(created) = &event.data
                && created.job.proposal_id.as_str() == self.proposal
            {
                self.subjects.push(Subject::of("job", &created.job.job_id));
            }
            if self.subjects.contains(&event.header.subject) {
                self.steps.push(step(event));
            }
        }
    }

    fn conclude(&mut self, proofs: &Proofs<'_>, report: &mut Report) -> Result<(), Finding> {
        if self.steps.is_empty() {
            let detail = format!("the log has no proposal `{}`", tell::shown(&self.proposal));
            return Err(Finding::whole(Rule::NoSuchProposal, detail));
        }
        if let Some((_, Some(stated))) = &self.intent
            && proofs.size.contains(*stated)
        {
            let leaf = proofs.leaf(*stated)?;
            let event = proof::Leaf::parse(&leaf).ok().and_then(|leaf| Event::parse(leaf.payload).ok());
            self.steps.extend(event.as_ref().map(step));
            self.steps.sort_by_key(|step| step.index);
        }
        let mut steps = std::mem::take(&mut self.steps);
        let mut proven = Vec::new();
        for step in &mut steps {
            step.proven = proofs.size.contains(step.index) && proven.len() < MAX_RECEIPT_ENTRIES;
            proven.extend(step.proven.then_some(step.index));
        }
        let receipt = if proven.is_empty() { None } else { Some(proofs.receipt(&proven)?) };
        let receipt = receipt.and_then(|receipt| serde_json::from_slice(&receipt.to_json()).ok());
        report.story = Some(Story { proposal: self.proposal.clone(), steps, receipt });
        Ok(())
    }
}

fn step(event: &Event) -> Step {
    let header = &event.header;
    Step {
        index: header.seq,
        time: header.time.to_string(),
        type_name: event.data.type_name().to_owned(),
        actor: tell::actor(&header.actor),
        claim: tell::claim(event),
        rests_on: tell::rests_on(event),
        proven: false,
    }
}
