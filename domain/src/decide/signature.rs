//! Whether who is said to have signed a command did, and whether they said what the command says.

use super::{check_credential, job, ledger_of};
use crate::authored::{SeenHead, StatementKind, check};
use crate::command::{Caller, Command, Rejection};
use crate::event::key::Credential;
use crate::reason::Reason;
use crate::state::State;
use proof::dsse::Envelope;
use proof::note::VerifierKey;
use serde::Serialize;

/// Checks the author's signature on a command, and that the envelope says what the command says.
///
/// Gives the head that the author had seen, for whoever has the tree to compare. Costs a signature check: the edge does
/// it before queueing, every verifier does it again.
pub fn check_signature(state: &State, command: &Command) -> Result<Option<SeenHead>, Rejection> {
    let head = match command {
        Command::CreateLedger { genesis, authored } => {
            let root = VerifierKey::parse(&genesis.root).map_err(|e| Rejection::malformed(e.to_string()))?;
            check(authored, root.key(), StatementKind::Genesis, &genesis.origin, genesis)?
        }
        Command::CreateKey { key, authored: Some(authored), .. } => {
            let info = ledger_of(state)?;
            check(authored, &info.root, StatementKind::Key, &info.genesis.origin, key)?
        }
        Command::RegisterRunner { runner, authored } => {
            let info = ledger_of(state)?;
            check(authored, &info.root, StatementKind::Runner, &info.genesis.origin, runner)?
        }
        Command::CreateIntent { by, intent, authored: Some(authored) } => {
            signed_by(state, by, authored, StatementKind::Intent, intent)?
        }
        Command::SubmitProposal { by, proposal, authored: Some(authored), .. } => {
            signed_by(state, by, authored, StatementKind::Proposal, proposal.as_ref())?
        }
        Command::AnswerApproval { by, answer, authored: Some(authored) } => {
            signed_by(state, by, authored, StatementKind::Answer, answer)?
        }
        Command::LeaseJob { request, key_id, authored, seen } => {
            let info = ledger_of(state)?;
            let runner = job::named_runner(state, &request.runner_id, key_id)?;
            let head = check(authored, &runner.runner.public_key, StatementKind::Lease, &info.genesis.origin, request)?;
            if head.size != *seen {
                return Err(Rejection::mismatch("the head that was seen is not the signed one".into()));
            }
            head
        }
        Command::RecordResult { by, result, authored: Some(authored) } => {
            let info = ledger_of(state)?;
            let key = &job::runner_by_key(state, by)?.runner.public_key;
            check(authored, key, StatementKind::Result, &info.genesis.origin, result)?
        }
        Command::RestoreLedger { restoration, authored } => {
            let info = ledger_of(state)?;
            let head = check(authored, &info.root, StatementKind::Restoration, &info.genesis.origin, restoration)?;
            // The head is compared with the tree, and so is what root says of the copy.
            if (head.size, head.root) != (restoration.size, restoration.root) {
                return Err(Rejection::mismatch("the head that was seen is not that of the copy".into()));
            }
            head
        }
        Command::CreateKey { authored: None, .. }
        | Command::ChangeKey { .. }
        | Command::CreateIntent { authored: None, .. }
        | Command::SubmitProposal { authored: None, .. }
        | Command::AnswerApproval { authored: None, .. }
        | Command::ExpireApproval { .. }
        | Command::ExpireLease { .. }
        | Command::RecordResult { authored: None, .. }
        | Command::EraseBlob { .. }
        | Command::ConfirmClock { .. }
        | Command::AttestProjections { .. } => return Ok(None),
    };
    Ok(Some(head))
}

fn signed_by<T: Serialize>(
    state: &State,
    by: &Caller,
    envelope: &Envelope,
    kind: StatementKind,
    body: &T,
) -> Result<SeenHead, Rejection> {
    let info = ledger_of(state)?;
    let key_id = by
        .key_id
        .as_ref()
        .ok_or_else(|| Rejection::unauthenticated(Reason::KeyRequired, "the statement names no key".into()))?;
    let record = state
        .key(key_id.as_str())
        .ok_or_else(|| Rejection::unauthenticated(Reason::KeyUnknown, format!("key `{key_id}` is not known here")))?;
    match &record.key.credential {
        Credential::Ed25519(key) => check(envelope, key, kind, &info.genesis.origin, body),
        Credential::Api(_) => check_credential(record, true).map(|()| SeenHead::empty()),
    }
}
