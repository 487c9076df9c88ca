//! Stating an intent.

use super::{Context, Draft, actor_of, authorize, check_credential, form, ledger_of, parse_id};
use crate::command::{Caller, Rejection, Repeat};
use crate::event::intent::{Intent, IntentCreated};
use crate::event::key::Scope;
use crate::event::ledger::Profile;
use crate::event::{Actor, EventData, PrincipalKind, Subject};
use crate::state::State;
use proof::dsse::Envelope;

pub(super) fn create(
    state: &State,
    by: &Caller,
    intent: &Intent,
    authored: Option<&Envelope>,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    // Nobody without a key can have signed anything.
    let actor = match (&by.key_id, info.genesis.profile) {
        (None, Profile::Dev) if authored.is_none() => Actor {
            kind: PrincipalKind::Anonymous,
            id: parse_id("anonymous")?,
            key_id: parse_id("none")?,
            on_behalf_of: None,
        },
        _ => {
            let record = authorize(state, by, Scope::ProposalCreate, context.now)?;
            check_credential(record, authored.is_some())?;
            actor_of(record, None)
        }
    };
    form::check("the intent", intent)?;
    let mut settled = intent.clone();
    settled.settle();
    if let Some(begun) = state.intent(&intent.intent_id)? {
        let digest = settled.digest().map_err(|e| Rejection::malformed(e.to_string()))?;
        return Err(Rejection::exists(Repeat { begun, kind: actor.kind, id: actor.id, digest }));
    }
    let data = IntentCreated { intent: settled, authored: authored.cloned() };
    Ok(vec![Draft {
        subject: Subject::of("intent", &intent.intent_id),
        actor,
        session: None,
        causes: Vec::new(),
        data: EventData::IntentCreated(data),
    }])
}
