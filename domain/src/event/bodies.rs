//! Which bodies beside the log an event names.

use super::EventData;
use crate::content::{Content, Text};
use proof::commitment::Commitment;

impl EventData {
    /// The commitments to bodies that the event is the first to make.
    pub fn commitments(&self) -> Vec<&Commitment> {
        match self {
            Self::IntentCreated(e) => {
                let constraints = e.intent.constraints.as_ref().and_then(Content::commitment);
                e.intent.goal.commitment().into_iter().chain(constraints).collect()
            }
            Self::ProposalSubmitted(e) => e.proposal.commitments().into_iter().map(|(_, commit)| commit).collect(),
            Self::ApprovalGranted(e) | Self::ApprovalDenied(e) => {
                e.answer.reason.as_ref().and_then(Text::commitment).into_iter().collect()
            }
            Self::ResultRecorded(e) => {
                e.result.actions.iter().filter_map(|action| action.output.as_ref()?.commitment()).collect()
            }
            Self::LedgerCreated(_)
            | Self::KeyCreated(_)
            | Self::KeyDisabled(_)
            | Self::KeyEnabled(_)
            | Self::KeyDeleted(_)
            | Self::RunnerRegistered(_)
            | Self::DecisionRecorded(_)
            | Self::ApprovalRequested(_)
            | Self::ApprovalExpired(_)
            | Self::JobCreated(_)
            | Self::JobLeased(_)
            | Self::JobLeaseExpired(_)
            | Self::JobCompleted(_)
            | Self::JobFailed(_)
            | Self::JobRejected(_)
            | Self::JobUnknown(_)
            | Self::BlobErased(_)
            | Self::ProjectionAttested(_)
            | Self::LedgerRestored(_)
            | Self::ClockConfirmed(_) => Vec::new(),
        }
    }
}
