//! From what clients send to what `decide` reads: long and personal text goes beside the log, secrets are found before
//! anything is stored.

pub(crate) mod intent;
pub(crate) mod proposal;
pub(crate) mod result;
pub(crate) mod signed;

use crate::app::App;
use crate::error::ApiError;
use axum::http::StatusCode;
use domain::command::{Caller, Command};
use domain::limits;
use domain::reason::Reason;
use proof::commitment::{Commitment, Salt};
use schemas::commit::{CommitError, Committer, Earlier, Opened};
use serde_json::Value;

/// Takes long and personal text out of a command; gives it with its bodies.
pub(crate) fn committer<T>(
    personal: bool,
    earlier: Earlier,
    commit: impl FnOnce(&mut Committer<'_>) -> Result<T, CommitError>,
) -> Result<(T, Vec<Opened>), ApiError> {
    let mut salts = || ledger::keys::entropy().ok().map(Salt::new);
    let mut to = Committer::new(personal, earlier, &mut salts);
    let made = commit(&mut to)?;
    Ok((made, to.into_bodies()))
}

/// Puts bodies on stable storage, out of the allowance of whoever brings them.
pub(crate) async fn store(app: &App, by: &Caller, mut bodies: Vec<Opened>) -> Result<(), ApiError> {
    // What was erased stays erased, whoever kept the request that brought it.
    app.ledger.with_state(|state| bodies.retain(|body| !state.is_erased(&body.commitment.sha256)));
    if bodies.is_empty() {
        return Ok(());
    }
    let total: usize = bodies.iter().map(|body| body.bytes.len()).sum();
    if total > limits::BODIES_BYTES {
        return Err(ApiError::too_large(format!("bodies of {total} bytes, at most {} together", limits::BODIES_BYTES)));
    }
    let (app, who) = (app.clone(), principal(app, by));
    let stored = tokio::task::spawn_blocking(move || {
        let all: Vec<_> = bodies
            .iter()
            .map(|b| ledger::content::Body { commitment: &b.commitment, salt: &b.salt, bytes: &b.bytes })
            .collect();
        app.ledger.content().put_many_for(&who, &all)
    });
    Ok(stored.await.map_err(ApiError::internal)??)
}

/// The same for a command that may be signed, once its signature holds: nobody fills this disk in somebody else's name.
pub(crate) async fn store_for(app: &App, command: &Command, bodies: Vec<Opened>) -> Result<(), ApiError> {
    if !bodies.is_empty() {
        app.ledger.with_state(|state| domain::decide::check_signature(state, command))?;
    }
    store(app, &caller(command), bodies).await
}

/// Who brings a command.
fn caller(command: &Command) -> Caller {
    match command {
        Command::CreateKey { by, .. }
        | Command::ChangeKey { by, .. }
        | Command::CreateIntent { by, .. }
        | Command::SubmitProposal { by, .. }
        | Command::AnswerApproval { by, .. }
        | Command::RecordResult { by, .. }
        | Command::EraseBlob { by, .. }
        | Command::ConfirmClock { by, .. } => by.clone(),
        // These bring no bodies.
        Command::CreateLedger { .. }
        | Command::RestoreLedger { .. }
        | Command::RegisterRunner { .. }
        | Command::ExpireApproval { .. }
        | Command::LeaseJob { .. }
        | Command::ExpireLease { .. }
        | Command::AttestProjections { .. } => Caller::anonymous(),
    }
}

/// A name for whoever holds a key: all keys of one principal share its allowance.
fn principal(app: &App, by: &Caller) -> String {
    let Some(key_id) = &by.key_id else { return "anonymous".into() };
    let owner = app.ledger.with_state(|state| state.key(key_id.as_str()).map(|record| record.key.principal.clone()));
    // A runner's key stands in no key record.
    owner.map_or_else(|| key_id.to_string(), |owner| format!("{:?}/{}", owner.kind, owner.id))
}

/// What secrets a value holds, by place and kind; never the value.
pub(crate) fn secrets(value: &Value) -> Vec<domain::event::proposal::Finding> {
    inspect::json::find(value)
        .into_iter()
        .map(|found| domain::event::proposal::Finding {
            place: found.pointer,
            kind: found.finding.kind.name().to_owned(),
        })
        .collect()
}

/// Refuses a command that holds a secret and that has no ruling which could say so.
pub(crate) fn refuse_secrets(value: &Value) -> Result<(), ApiError> {
    match secrets(value).into_iter().next() {
        None => Ok(()),
        Some(found) => {
            let detail = format!("what looks like a secret ({}) stands in the request; nothing was stored", found.kind);
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::SecretInCommand, detail).at(found.place))
        }
    }
}

/// An event that is known to stand in the log.
pub(crate) fn event_at(app: &App, seq: proof::index::LeafIndex) -> Result<domain::event::Event, ApiError> {
    Ok(app.ledger.event(seq)?)
}

/// The salts of commitments, where their bodies still exist.
pub(crate) fn salts<'a>(
    app: &App,
    places: impl Iterator<Item = (String, &'a Commitment)>,
) -> Result<Earlier, ApiError> {
    let mut found = Earlier::new();
    for (place, commitment) in places {
        if let Some((salt, _)) = app.ledger.content().get(commitment).map_err(ApiError::internal)? {
            found.insert(place, (commitment.clone(), salt));
        }
    }
    Ok(found)
}

/// The same for bodies beside a signed command: they cannot be redacted without breaking the signature.
pub(crate) fn refuse_secret_bodies(bodies: &[Opened]) -> Result<(), ApiError> {
    for body in bodies {
        refuse_secrets(&Value::String(String::from_utf8_lossy(&body.bytes).into_owned()))?;
    }
    Ok(())
}
