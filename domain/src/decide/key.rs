//! Keys and runners.

use super::{Context, Draft, actor_of, authorize, check_credential, form, ledger_of, root_actor};
use crate::command::{Caller, KeyChange, Rejection};
use crate::event::key::{Credential, KeyChanged, KeyCreated, NewKey, Scope};
use crate::event::runner::{NewRunner, RunnerRegistered};
use crate::event::{EventData, PrincipalKind, Subject};
use crate::id::AnyKeyId;
use crate::reason::Reason;
use crate::state::key::KeyStatus;
use crate::state::{LedgerInfo, State};
use proof::dsse::Envelope;
use proof::key::PublicKey;

/// What holds for every key, also for one in the genesis.
pub(super) fn check_new(key: &NewKey) -> Result<(), Rejection> {
    form::check("the key", key)?;
    if !(0.0..=1.0).contains(&key.max_risk) {
        return Err(Rejection::malformed("`max_risk` must be between 0 and 1".into()));
    }
    let named = match &key.credential {
        Credential::Api(_) => key.key_id.as_str().starts_with("key_"),
        Credential::Ed25519(public) => key.key_id.as_str() == public.key_id().to_string(),
    };
    if !named {
        return Err(Rejection::malformed(
            "`key_id` must be `key_…` for an API key and the key's own id for a public key".into(),
        ));
    }
    match key.principal.kind {
        PrincipalKind::Root | PrincipalKind::Ledger | PrincipalKind::Anonymous => {
            Err(Rejection::malformed("this kind of principal cannot have a key".into()))
        }
        PrincipalKind::Agent | PrincipalKind::Runner | PrincipalKind::Service => {
            // An approval is a human's, and so is making the key that approves; a key of another kind could only pretend.
            for scope in [Scope::ProposalApprove, Scope::AdminKeys] {
                if key.scopes.contains(&scope) {
                    let detail = format!("only a human's or an admin's key can have the scope `{}`", scope.as_str());
                    return Err(Rejection::malformed(detail));
                }
            }
            Ok(())
        }
        PrincipalKind::Human | PrincipalKind::Admin => Ok(()),
    }
}

/// Whether a key has a role in the ledger already. Roles are kept apart: what the server's keys or a runner's could
/// sign as an author proves nothing.
fn has_role(state: &State, info: &LedgerInfo, key: &PublicKey) -> bool {
    [&info.root, &info.event, info.checkpoint.key()].contains(&key)
        || state.runners().any(|record| record.runner.public_key == *key)
}

fn check_roles(state: &State, info: &LedgerInfo, key: &PublicKey) -> Result<(), Rejection> {
    if has_role(state, info, key) {
        let detail =
            format!("`{}` is a key of the ledger or of a runner; every role has a key of its own", key.key_id());
        return Err(Rejection::conflict(Reason::AlreadyExists, detail));
    }
    Ok(())
}

pub(super) fn create(
    state: &State,
    by: &Caller,
    key: &NewKey,
    authored: Option<&Envelope>,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    check_new(key)?;
    let taken = matches!(&key.credential, Credential::Api(hash) if state.api_key(hash).is_some());
    if taken || state.key(key.key_id.as_str()).is_some() {
        return Err(Rejection::conflict(Reason::AlreadyExists, format!("key `{}` exists already", key.key_id)));
    }
    if let Credential::Ed25519(public) = &key.credential {
        check_roles(state, info, public)?;
    }
    let actor = match (authored, &key.credential) {
        (Some(_), _) => root_actor(&info.root, &info.genesis.origin)?,
        (None, Credential::Ed25519(_)) => {
            return Err(Rejection::forbidden(Reason::RootRequired, "only root enrols a public key"));
        }
        (None, Credential::Api(_)) => {
            let record = authorize(state, by, Scope::AdminKeys, context.now)?;
            check_credential(record, false)?;
            actor_of(record, None)
        }
    };
    let data = KeyCreated { key: key.clone(), authored: authored.cloned() };
    Ok(vec![Draft {
        subject: Subject::of("key", &key.key_id),
        actor,
        session: None,
        causes: Vec::new(),
        data: EventData::KeyCreated(data),
    }])
}

pub(super) fn change(
    state: &State,
    by: &Caller,
    key_id: &AnyKeyId,
    change: KeyChange,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    let record = authorize(state, by, Scope::AdminKeys, context.now)?;
    check_credential(record, false)?;
    let target = state.key(key_id.as_str()).filter(|target| target.status != KeyStatus::Deleted);
    let target =
        target.ok_or_else(|| Rejection::not_found(Reason::KeyUnknown, format!("there is no key `{key_id}`")))?;
    let data = KeyChanged { key_id: key_id.clone() };
    let data = match (change, target.status) {
        (KeyChange::Disable, KeyStatus::Enabled) => EventData::KeyDisabled(data),
        (KeyChange::Enable, KeyStatus::Disabled) => EventData::KeyEnabled(data),
        (KeyChange::Delete, _) => EventData::KeyDeleted(data),
        (KeyChange::Disable | KeyChange::Enable, _) => {
            return Err(Rejection::conflict(Reason::AlreadyExists, format!("key `{key_id}` is so already")));
        }
    };
    if change != KeyChange::Enable && by.key_id.as_ref() == Some(key_id) {
        return Err(Rejection::conflict(
            Reason::KeyDisabled,
            "a key cannot disable or delete itself: nobody could undo it",
        ));
    }
    Ok(vec![Draft {
        subject: Subject::of("key", key_id),
        actor: actor_of(record, None),
        session: None,
        causes: vec![target.created],
        data,
    }])
}

pub(super) fn register_runner(state: &State, runner: &NewRunner, authored: &Envelope) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    if state.runner(&runner.runner_id).is_some() {
        return Err(Rejection::conflict(
            Reason::AlreadyExists,
            format!("runner `{}` is registered already", runner.runner_id),
        ));
    }
    form::check("the runner", runner)?;
    check_roles(state, info, &runner.public_key)?;
    let key_id = runner.public_key.key_id().to_string();
    if state.key(&key_id).is_some() {
        let detail = format!("`{key_id}` is an author's key; every role has a key of its own");
        return Err(Rejection::conflict(Reason::AlreadyExists, detail));
    }
    let data = RunnerRegistered { runner: runner.clone(), authored: authored.clone() };
    Ok(vec![Draft {
        subject: Subject::of("runner", &runner.runner_id),
        actor: root_actor(&info.root, &info.genesis.origin)?,
        session: None,
        causes: Vec::new(),
        data: EventData::RunnerRegistered(data),
    }])
}
