//! Erasing bodies, and attesting read models.

use super::{Context, Draft, actor_of, authorize, check_credential, ledger_actor, ledger_of};
use crate::command::{Caller, Rejection};
use crate::event::blob::BlobErased;
use crate::event::clock::ClockConfirmed;
use crate::event::key::Scope;
use crate::event::projection::{ProjectionAttested, ProjectionDigest};
use crate::event::{EventData, PrincipalKind, Subject};
use crate::reason::Reason;
use crate::state::State;
use crate::time::Timestamp;
use proof::hash::Hash;
use proof::index::TreeSize;

pub(super) fn erase(
    state: &State,
    by: &Caller,
    sha256: &Hash,
    why: &str,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    let record = authorize(state, by, Scope::AdminErase, context.now)?;
    check_credential(record, false)?;
    if why.len() > crate::limits::INLINE_TEXT_BYTES {
        return Err(Rejection::malformed("`why` is longer than 1 KiB".into()));
    }
    let (policy, manifest) = (context.policy.bundle_digest(), context.policy.manifest_digest());
    if [info.genesis.policy, info.genesis.manifest, policy, manifest].contains(sha256) {
        let detail = "policy bundles and tool manifests are public, part of every export, and never erased";
        return Err(Rejection::not_found(Reason::BlobUnknown, detail));
    }
    Ok(vec![Draft {
        subject: Subject::of("blob", sha256),
        actor: actor_of(record, None),
        session: None,
        causes: Vec::new(),
        data: EventData::BlobErased(BlobErased { sha256: *sha256, why: why.to_owned() }),
    }])
}

/// An admin may be this far from the clock that they confirm.
const CLOCK_TOLERANCE_MS: u64 = 5 * 60_000;

pub(super) fn confirm_clock(
    state: &State,
    by: &Caller,
    time: Timestamp,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    ledger_of(state)?;
    let record = authorize(state, by, Scope::AdminKeys, context.now)?;
    check_credential(record, false)?;
    if record.key.principal.kind != PrincipalKind::Admin {
        return Err(Rejection::forbidden(Reason::ScopeMissing, "only an admin confirms the clock"));
    }
    if time.as_ms().abs_diff(context.now.as_ms()) > CLOCK_TOLERANCE_MS {
        let detail = format!("the clock says {}, more than five minutes from {time}", context.now);
        return Err(Rejection::conflict(Reason::ClockDiffers, detail));
    }
    Ok(vec![Draft {
        subject: Subject::ledger(),
        actor: actor_of(record, None),
        session: None,
        causes: Vec::new(),
        data: EventData::ClockConfirmed(ClockConfirmed { time }),
    }])
}

pub(super) fn attest(
    state: &State,
    position: TreeSize,
    projections: &[ProjectionDigest],
) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    if position > state.size() {
        return Err(Rejection::malformed(format!(
            "read models cannot have folded {position} of {} events",
            state.size()
        )));
    }
    let data = ProjectionAttested { position, projections: projections.to_vec() };
    Ok(vec![Draft {
        subject: Subject::of("projection", "all"),
        actor: ledger_actor(info)?,
        session: None,
        causes: Vec::new(),
        data: EventData::ProjectionAttested(data),
    }])
}
