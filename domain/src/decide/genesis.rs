//! Founding a ledger.

use super::key::check_new;
use super::{Context, Draft, form, root_actor};
use crate::ENGINE;
use crate::command::Rejection;
use crate::event::key::{Credential, NewKey};
use crate::event::ledger::{Genesis, LedgerCreated};
use crate::event::{EventData, Subject};
use crate::reason::Reason;
use crate::state::State;
use proof::dsse::Envelope;
use proof::key::PublicKey;
use proof::note::{KeyKind, VerifierKey};

/// Keys of the genesis are keys like others, and differ from each other and from the ledger's own.
fn check_keys(keys: &[NewKey], own: [&PublicKey; 3]) -> Result<(), Rejection> {
    for (i, key) in keys.iter().enumerate() {
        check_new(key)?;
        let earlier = keys.iter().take(i);
        let twice = earlier.into_iter().any(|e| e.key_id == key.key_id || e.credential == key.credential);
        let reused = matches!(&key.credential, Credential::Ed25519(public) if own.contains(&public));
        if twice || reused {
            return Err(Rejection::malformed(format!("key `{}` stands twice in the genesis", key.key_id)));
        }
    }
    Ok(())
}

pub(super) fn create(
    state: &State,
    genesis: &Genesis,
    authored: &Envelope,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    if state.ledger().is_some() {
        return Err(Rejection::conflict(Reason::AlreadyExists, "the ledger was created already"));
    }
    form::check("the genesis", genesis)?;
    let vkey = |what: &str, line: &str| {
        let key = VerifierKey::parse(line).map_err(|e| Rejection::malformed(format!("{what} key: {e}")))?;
        if key.kind() != KeyKind::Ed25519 {
            return Err(Rejection::malformed(format!("{what} key: expected a signer's key, this is a witness's")));
        }
        Ok(key)
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
    check_keys(&genesis.keys, keys)?;
    if genesis.policy != context.policy.bundle_digest() || genesis.manifest != context.policy.manifest_digest() {
        return Err(Rejection::mismatch(
            "genesis names another policy bundle or tool manifest than the one in force".into(),
        ));
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
