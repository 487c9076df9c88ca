//! Commands: what may be asked of a ledger, and the ways in which it says no without an event.

use crate::event::approval::Answer;
use crate::event::intent::Intent;
use crate::event::job::LeaseRequest;
use crate::event::key::NewKey;
use crate::event::ledger::{Genesis, Restoration};
use crate::event::projection::ProjectionDigest;
use crate::event::proposal::{Finding, Proposal};
use crate::event::result::JobResult;
use crate::event::runner::NewRunner;
use crate::event::{Event, EventData, PrincipalKind};
use crate::id::{AnyKeyId, JobId, PrincipalId, ProposalId};
use crate::reason::Reason;
use crate::state::closed::Unreadable;
use crate::time::Timestamp;
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::index::{LeafIndex, TreeSize};
use proof::key::KeyId;
use std::fmt;

/// Who asks: a key, or nobody known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key that was presented or that signed.
    pub key_id: Option<AnyKeyId>,
}

impl Caller {
    /// The holder of a key.
    pub fn key(key_id: AnyKeyId) -> Self {
        Self { key_id: Some(key_id) }
    }

    /// Somebody without a key.
    pub fn anonymous() -> Self {
        Self { key_id: None }
    }
}

/// What to do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// Stop it.
    Disable,
    /// Start it again.
    Enable,
    /// End it.
    Delete,
}

/// A request. Signatures on it were checked before it is decided, and are checked again by every verifier.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "members are the nouns of their events, described there")]
pub enum Command {
    /// Found the ledger.
    CreateLedger { genesis: Genesis, authored: Envelope },
    /// Create a key. With an envelope: by root.
    CreateKey { by: Caller, key: NewKey, authored: Option<Envelope> },
    /// Disable, enable or delete a key.
    ChangeKey { by: Caller, key_id: AnyKeyId, change: KeyChange },
    /// Register a runner, by root.
    RegisterRunner { runner: NewRunner, authored: Envelope },
    /// State an intent.
    CreateIntent { by: Caller, intent: Intent, authored: Option<Envelope> },
    /// Propose.
    SubmitProposal { by: Caller, proposal: Box<Proposal>, findings: Vec<Finding>, authored: Option<Envelope> },
    /// Grant or deny.
    AnswerApproval { by: Caller, answer: Answer, authored: Option<Envelope> },
    /// Nobody answered.
    ExpireApproval { proposal_id: ProposalId },
    /// Take the oldest job that fits. `seen` is the size of the head the runner signed for.
    LeaseJob { request: LeaseRequest, key_id: KeyId, seen: TreeSize, authored: Envelope },
    /// The runner did not report.
    ExpireLease { job_id: JobId },
    /// Report. With an envelope: by the runner that holds the lease.
    RecordResult { by: Caller, result: JobResult, authored: Option<Envelope> },
    /// Erase a body.
    EraseBlob { by: Caller, sha256: Hash, why: String },
    /// Say that the clock is right, although it leapt.
    ConfirmClock { by: Caller, time: Timestamp },
    /// State the read models' digests.
    AttestProjections { position: TreeSize, projections: Vec<ProjectionDigest> },
    /// Go on from an older copy of the log, by root.
    RestoreLedger { restoration: Restoration, authored: Envelope },
}

/// A command about something that began before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// With which event it began.
    pub begun: LeafIndex,
    /// Who asks now.
    pub kind: PrincipalKind,
    /// Their name.
    pub id: PrincipalId,
    /// Digest of what is asked now.
    pub digest: Hash,
}

/// What kind of no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RejectionKind {
    /// The request makes no sense.
    Malformed,
    /// The caller did not show who they are.
    Unauthenticated,
    /// The caller may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It conflicts with what is.
    Conflict,
    /// The id was used before; the event there tells whether by the very same command, see [`Rejection::settle`].
    Exists(Repeat),
    /// The very same command was carried out before, as the group at this leaf index.
    Duplicate(LeafIndex),
    /// What the ruling needs cannot be read now.
    Unavailable,
}

/// A no without an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What kind.
    pub kind: RejectionKind,
    /// The stable code.
    pub reason: Reason,
    /// What, where, and what would be right.
    pub detail: String,
}

impl Rejection {
    /// The request makes no sense.
    pub fn malformed(detail: String) -> Self {
        Self { kind: RejectionKind::Malformed, reason: Reason::Malformed, detail }
    }

    /// The signed statement and the request differ.
    pub fn mismatch(detail: String) -> Self {
        Self { kind: RejectionKind::Malformed, reason: Reason::StatementMismatch, detail }
    }

    /// The caller did not show who they are.
    pub fn unauthenticated(reason: Reason, detail: String) -> Self {
        Self { kind: RejectionKind::Unauthenticated, reason, detail }
    }

    /// The caller may not.
    pub fn forbidden(reason: Reason, detail: impl Into<String>) -> Self {
        Self { kind: RejectionKind::Forbidden, reason, detail: detail.into() }
    }

    /// There is no such thing.
    pub fn not_found(reason: Reason, detail: impl Into<String>) -> Self {
        Self { kind: RejectionKind::NotFound, reason, detail: detail.into() }
    }

    /// It conflicts with what is.
    pub fn conflict(reason: Reason, detail: impl Into<String>) -> Self {
        Self { kind: RejectionKind::Conflict, reason, detail: detail.into() }
    }

    /// The id was used before.
    pub fn exists(repeat: Repeat) -> Self {
        let detail = format!("the id was used before, in event {}", repeat.begun);
        Self { kind: RejectionKind::Exists(repeat), reason: Reason::ContentConflict, detail }
    }

    /// Tells, from the event with which something began, whether the same command came again.
    #[must_use]
    pub fn settle(self, first: &Event) -> Self {
        let RejectionKind::Exists(repeat) = &self.kind else { return self };
        let said = match &first.data {
            EventData::IntentCreated(e) => e.intent.digest(),
            EventData::ProposalSubmitted(e) => Ok(e.proposal.action_digest()),
            _ => return self,
        };
        let by = &first.header.actor;
        if first.header.seq == repeat.begun
            && said == Ok(repeat.digest)
            && (by.kind, &by.id) == (repeat.kind, &repeat.id)
        {
            return Self::duplicate(repeat.begun);
        }
        let detail =
            format!("`{}` exists with other content; a changed one is a new one", first.header.subject.as_str());
        Self::conflict(Reason::ContentConflict, detail)
    }

    /// It was carried out before.
    pub fn duplicate(first: LeafIndex) -> Self {
        let detail = format!("the same command stands in the log at {first}");
        Self { kind: RejectionKind::Duplicate(first), reason: Reason::AlreadyExists, detail }
    }
}

impl From<Unreadable> for Rejection {
    fn from(unreadable: Unreadable) -> Self {
        Self { kind: RejectionKind::Unavailable, reason: Reason::IndexUnreadable, detail: unreadable.to_string() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

impl std::error::Error for Rejection {}
