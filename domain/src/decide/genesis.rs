//! Founding a ledger.

use super::{Context, Draft, root_actor};
use crate::ENGINE;
use crate::command::Rejection;
use crate::event::ledger::{Genesis, LedgerCreated};
use crate::event::{EventData, Subject};
use crate::reason::Reason;
use crate::state::State;
use proof::dsse::Envelope;
use proof::note::VerifierKey;

pub(super) fn create(
    state: &State,
    genesis: &Genesis,
    authored: &Envelope,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    if state.ledger().is_some() {
        return Err(Rejection::conflict(Reason::AlreadyExists, "the ledger was created already"));
    }
    let vkey = |what: &str, line: &str| {
        VerifierKey::parse(line).map_err(|e| Rejection::malformed(format!("{what} key: {e}")))
    };
    let (root, event) = (vkey("root", &genesis.root)?, vkey("event", &genesis.event)?);
    let checkpoint = vkey("checkpoint", &genesis.checkpoint)?;
    if checkpoint.name().as_str() != genesis.origin {
        return Err(Rejection::malformed("the checkpoint key's name must be the origin".into()));
    }
    let keys = [root.key(), event.key(), checkpoint.key()];
    if keys.iter().enumerate().any(|(i, key)| keys.iter().skip(i + 1).any(|other| key == other)) {
        return Err(Rejection::malformed("root, event and checkpoint key must be three keys".into()));
    }
    if genesis.policy != context.policy.bundle_digest() || genesis.manifest != context.policy.manifest_digest() {
        return Err(Rejection::mismatch("genesis names another policy bundle or tool manifest than the one in force".into()));
    }
    let data = LedgerCreated { genesis: genesis.clone(), engine: ENGINE, authored: authored.clone() };
    Ok(vec![Draft {
        subject: Subject::ledger(),
        actor: root_actor(root.key(), &genesis.origin)?,
        session: None,
        causes: Vec::new(),
        data: EventData::LedgerCreated(data),
    }])
}
