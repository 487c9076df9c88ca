//! Statements that authors sign.
//!
//! Only the ledger knows `seq` and `prev`, so an author signs the *command*: a DSSE envelope over the canonical JSON
//! `{"body": …, "checkpoint": {"root", "size"}, "ledger": …, "type": …}`. `body` is what the event then carries, byte
//! for byte; `checkpoint` is the head the author had seen, so a forked history convicts itself.

use crate::command::Rejection;
use crate::limits;
use crate::reason::Reason;
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::index::TreeSize;
use proof::key::{PublicKey, SecretKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// DSSE payload type of a signed command.
pub const PAYLOAD_TYPE: &str = "application/vnd.countersign.command+json";

/// What a statement is about. A signature for one kind is no signature for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatementKind {
    /// Root founds a ledger.
    #[serde(rename = "ledger.create")]
    Genesis,
    /// Root enrols a key.
    #[serde(rename = "key.create")]
    Key,
    /// Root registers a runner.
    #[serde(rename = "runner.register")]
    Runner,
    /// Somebody states an intent.
    #[serde(rename = "intent.create")]
    Intent,
    /// An agent proposes.
    #[serde(rename = "proposal.submit")]
    Proposal,
    /// An approver answers.
    #[serde(rename = "approval.answer")]
    Answer,
    /// A runner asks for work.
    #[serde(rename = "job.lease")]
    Lease,
    /// A runner reports.
    #[serde(rename = "job.result")]
    Result,
    /// Root goes on from an older copy of the log.
    #[serde(rename = "ledger.restore")]
    Restoration,
}

/// A head as an author saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenHead {
    /// Events in the log.
    pub size: TreeSize,
    /// The tree's root.
    pub root: Hash,
}

impl SeenHead {
    /// The head of a log with nothing in it.
    pub fn empty() -> Self {
        Self { size: TreeSize::ZERO, root: proof::merkle::empty_root() }
    }
}

/// A statement. What an author adds to it is not understood here, so it is refused rather than passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement<T> {
    /// What it says.
    pub body: T,
    /// The head its author had seen.
    pub checkpoint: SeenHead,
    /// The log it is for.
    pub ledger: String,
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: StatementKind,
}

/// Signs a statement.
///
/// # Errors
/// If the body cannot be written as I-JSON.
pub fn sign<T: Serialize>(
    kind: StatementKind,
    ledger: &str,
    checkpoint: SeenHead,
    body: &T,
    key: &SecretKey,
) -> Result<Envelope, proof::canonical::JsonError> {
    let statement = Statement { body, checkpoint, ledger: ledger.to_owned(), kind };
    Ok(Envelope::sign(PAYLOAD_TYPE, &proof::canonical::to_vec(&statement)?, key))
}

/// Reads a statement without checking its signature: who it claims to be from must be known before it can be checked.
pub fn read<T: DeserializeOwned>(
    envelope: &Envelope,
    kind: StatementKind,
    ledger: &str,
) -> Result<Statement<T>, Rejection> {
    let value = read_value(envelope, kind, ledger)?;
    serde_json::from_value(value).map_err(|e| Rejection::malformed(format!("signed statement: {e}")))
}

fn read_value(envelope: &Envelope, kind: StatementKind, ledger: &str) -> Result<Value, Rejection> {
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(Rejection::malformed(format!(
            "payloadType is `{}`, expected `{PAYLOAD_TYPE}`",
            envelope.payload_type
        )));
    }
    // A second signature would be recorded and never checked, as if somebody else had said it too.
    if envelope.signatures.len() != 1 {
        let count = envelope.signatures.len();
        return Err(Rejection::malformed(format!("the statement has {count} signatures, expected one")));
    }
    if envelope.payload.len() > limits::COMMAND_BYTES {
        return Err(Rejection::malformed(format!(
            "signed statement is {} bytes, at most {}; long texts travel as bodies",
            envelope.payload.len(),
            limits::COMMAND_BYTES
        )));
    }
    let value = proof::canonical::parse_canonical(&envelope.payload)
        .map_err(|e| Rejection::malformed(format!("signed statement: {e}")))?;
    let head: Statement<Value> =
        serde_json::from_value(value.clone()).map_err(|e| Rejection::malformed(format!("signed statement: {e}")))?;
    if head.kind != kind {
        return Err(Rejection::mismatch(format!("the statement is about {:?}, expected {kind:?}", head.kind)));
    }
    if head.ledger != ledger {
        return Err(Rejection::mismatch(format!("the statement is for ledger `{}`, expected `{ledger}`", head.ledger)));
    }
    Ok(value)
}

/// Checks a statement under the key that should have signed it, and that it says exactly `body`.
pub fn check<T: Serialize>(
    envelope: &Envelope,
    key: &PublicKey,
    kind: StatementKind,
    ledger: &str,
    body: &T,
) -> Result<SeenHead, Rejection> {
    let value = read_value(envelope, kind, ledger)?;
    let statement: Statement<Value> =
        serde_json::from_value(value).map_err(|e| Rejection::malformed(format!("signed statement: {e}")))?;
    let said = proof::canonical::value_to_vec(&statement.body);
    let recorded = proof::canonical::to_vec(body).map_err(|e| Rejection::malformed(e.to_string()))?;
    if said != recorded {
        return Err(Rejection::mismatch("the signed body is not what the request says".into()));
    }
    envelope.verify(key).map_err(|_| {
        Rejection::unauthenticated(
            Reason::SignatureInvalid,
            format!("no signature by `{}` verifies over the statement", key.key_id()),
        )
    })?;
    Ok(statement.checkpoint)
}
