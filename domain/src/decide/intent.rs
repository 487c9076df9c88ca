//! Stating an intent.

use super::{Context, Draft, actor_of, authorize, check_credential, form, ledger_of, parse_id};
use crate::command::{Caller, Rejection};
use crate::event::intent::{Intent, IntentCreated};
use crate::event::key::Scope;
use crate::event::ledger::Profile;
use crate::event::{Actor, EventData, PrincipalKind, Subject};
use crate::reason::Reason;
use crate::state::State;
use proof::dsse::Envelope;
use proof::hash::sha256;

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
    if let Some(seen) = state.intent(&intent.intent_id) {
        let bytes = proof::canonical::to_vec(intent).map_err(|e| Rejection::malformed(e.to_string()))?;
        return Err(if seen.digest == sha256(&bytes) && seen.actor.same_principal(&actor) {
            Rejection::duplicate(seen.seq)
        } else {
            let detail = format!("intent `{}` exists with other content", intent.intent_id);
            Rejection::conflict(Reason::ContentConflict, detail)
        });
    }
    let mut settled = intent.clone();
    settled.settle();
    let data = IntentCreated { intent: settled, authored: authored.cloned() };
    Ok(vec![Draft {
        subject: Subject::of("intent", &intent.intent_id),
        actor,
        session: None,
        causes: Vec::new(),
        data: EventData::IntentCreated(data),
    }])
}
