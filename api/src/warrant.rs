//! Putting together what a runner demands before it acts.

use crate::app::App;
use crate::error::ApiError;
use crate::ingest;
use crate::native::jobs::leased;
use crate::native::receipts::group;
use domain::event::{Event, EventData};
use domain::id::AnyKeyId;
use proof::index::{LeafIndex, TreeSize};
use schemas::body::Body;
use schemas::job::{Consistency, Warrant};

/// Everything the job rests on, under one checkpoint that extends the head the runner named.
pub(crate) fn warrant(app: &App, lease: &Event, seen: TreeSize) -> Result<Warrant, ApiError> {
    let broken = || ApiError::internal("a lease without its job");
    let job_id = leased(&lease.data).ok_or_else(broken)?.clone();
    let created = app.ledger.with_state(|state| state.job_created(&job_id))?.ok_or_else(broken)?;
    let EventData::JobCreated(minted) = ingest::event_at(app, created)?.data else {
        return Err(broken());
    };

    let mut indices = vec![LeafIndex::new(0), created, lease.header.seq, minted.decision];
    let EventData::JobLeased(data) = &lease.data else {
        return Err(broken());
    };
    let (runner, proposal) = app.ledger.with_state(|state| {
        let runner = state.runner(&data.lease.runner_id).map(|record| record.registered);
        (runner, state.submitted(&minted.job.proposal_id))
    });
    indices.push(runner.ok_or_else(broken)?);
    let submitted = proposal?.ok_or_else(broken)?;
    indices.extend(group(app, submitted)?);
    let proposer = ingest::event_at(app, submitted)?.header.actor.key_id;
    indices.extend(key_event(app, &proposer));
    for approval in &minted.approvals {
        indices.push(*approval);
        let key_id = ingest::event_at(app, *approval)?.header.actor.key_id;
        indices.extend(key_event(app, &key_id));
    }

    let mut bodies = Vec::new();
    for commitment in minted.job.actions.iter().flat_map(|action| action.bodies.values()) {
        let found = app.ledger.content().get(commitment).map_err(ApiError::internal)?;
        // A body that was erased is not there; the runner will refuse, and say so.
        bodies.extend(found.map(|(salt, bytes)| Body::new(salt, &commitment.media_type, &bytes)));
    }
    let receipt = app.ledger.receipt(&indices)?;
    let new = proved_size(&receipt)?;
    let consistency = Consistency { old: seen, new, path: app.ledger.consistency(seen, new)? };
    Ok(Warrant { job_id, receipt, consistency, bodies })
}

/// Where a key was created.
fn key_event(app: &App, key_id: &AnyKeyId) -> Option<LeafIndex> {
    app.ledger.with_state(|state| state.key(key_id.as_str()).map(|record| record.created))
}

/// The size of the checkpoint that a receipt was made under.
fn proved_size(receipt: &proof::receipt::Receipt) -> Result<TreeSize, ApiError> {
    let line = receipt.checkpoint.lines().nth(1).and_then(|size| size.parse().ok());
    line.map(TreeSize::new).ok_or_else(|| ApiError::internal("a checkpoint without a size"))
}
