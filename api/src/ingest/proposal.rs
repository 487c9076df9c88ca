//! Proposals.

use super::committer;
use crate::app::App;
use crate::error::ApiError;
use domain::event::EventData;
use domain::event::proposal::{Proposal, Seed};
use domain::id::ProposalId;
use schemas::commit::{Earlier, Opened};
use schemas::proposal::SubmitProposal;

/// A proposal and the bodies it commits to.
pub(crate) fn proposal(app: &App, mut input: SubmitProposal) -> Result<(Proposal, Vec<Opened>), ApiError> {
    let (id, earlier) = match input.proposal_id.take() {
        Some(id) => (id.clone(), earlier(app, &id)?),
        None => {
            let seed = Seed::new(ledger::keys::entropy().map_err(ApiError::internal)?);
            (ProposalId::new(seed.uuid("proposal")).map_err(ApiError::internal)?, Earlier::new())
        }
    };
    committer(input.personal, earlier, |to| input.commit(id, to))
}

fn earlier(app: &App, id: &ProposalId) -> Result<Earlier, ApiError> {
    let Some(seq) = app.ledger.with_state(|state| state.submitted(id))? else { return Ok(Earlier::new()) };
    match super::event_at(app, seq)?.data {
        EventData::ProposalSubmitted(e) => super::salts(app, e.proposal.commitments().into_iter()),
        _ => Ok(Earlier::new()),
    }
}
