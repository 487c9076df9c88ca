//! Events: what stands in the log. One file per family under `event/`; this page has the header, the list of types,
//! and the two directions between an [`Event`] and its payload bytes.

pub mod approval;
pub mod blob;
pub mod clock;
pub mod decision;
pub mod intent;
pub mod job;
pub mod key;
pub mod ledger;
pub mod projection;
pub mod proposal;
pub mod result;
pub mod runner;

mod bodies;

use crate::id::{AgentName, AnyKeyId, PrincipalId, SessionId};
use crate::time::Timestamp;
use proof::hash::Hash;
use proof::index::LeafIndex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The payload's schema version.
pub const SCHEMA_VERSION: u32 = 1;

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// An AI agent.
    Agent,
    /// A person.
    Human,
    /// A person who runs the ledger.
    Admin,
    /// Another program.
    Service,
    /// An executor.
    Runner,
    /// The holder of the root key.
    Root,
    /// The ledger itself, when a deadline passes.
    Ledger,
    /// Somebody without a key; may state intents in a `dev` ledger, nothing else.
    Anonymous,
}

impl PrincipalKind {
    /// The word used in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Human => "human",
            Self::Admin => "admin",
            Self::Service => "service",
            Self::Runner => "runner",
            Self::Root => "root",
            Self::Ledger => "ledger",
            Self::Anonymous => "anonymous",
        }
    }
}

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What they are.
    pub kind: PrincipalKind,
    /// Who they are.
    pub id: PrincipalId,
    /// With which key.
    pub key_id: AnyKeyId,
    /// For which agent, when they are not that agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<AgentName>,
}

impl Actor {
    /// Whether two actors are the same principal, whatever keys they used.
    pub fn same_principal(&self, other: &Self) -> bool {
        self.kind == other.kind && self.id == other.id
    }
}

/// What an event is about: `proposal/<id>`, `job/<id>`, `ledger`, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// The ledger itself.
    pub fn ledger() -> Self {
        Self("ledger".into())
    }

    /// `kind/id`.
    pub fn of(kind: &str, id: impl fmt::Display) -> Self {
        Self(format!("{kind}/{id}"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everything of an event but its type and data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Schema version.
    pub v: u32,
    /// The log's name.
    pub ledger: String,
    /// Its leaf index.
    pub seq: LeafIndex,
    /// When it was sequenced; never earlier than the event before.
    pub time: Timestamp,
    /// What it is about.
    pub subject: Subject,
    /// The subject's own count, from 1, without gaps.
    pub version: u64,
    /// Who caused it.
    pub actor: Actor,
    /// The session it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Leaf index of the first event of the same command.
    pub group: LeafIndex,
    /// Earlier events that led to it.
    pub causes: Vec<LeafIndex>,
    /// SHA-256 of the previous payload's bytes; zeros for the first.
    pub prev: Hash,
}

/// An event, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Where it stands and who caused it.
    pub header: Header,
    /// What happened.
    pub data: EventData,
}

/// Why a payload is not an event this build knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventError {
    /// Not canonical JSON, or not an object of the right shape.
    Malformed(String),
    /// A schema version of a later build.
    UnknownVersion(u64),
    /// A type of a later build.
    UnknownType(String),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "payload is not an event: {what}"),
            Self::UnknownVersion(v) => write!(f, "payload has schema version {v}, expected {SCHEMA_VERSION}"),
            Self::UnknownType(t) => write!(f, "event type `{t}` is not known here"),
        }
    }
}

impl std::error::Error for EventError {}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($data:ty) = $name:literal,)+) => {
        /// What happened, by type.
        #[derive(Debug, Clone, PartialEq)]
        pub enum EventData {
            $($(#[$doc])* $variant($data),)+
        }

        impl EventData {
            /// Every type, in the order of this page.
            pub const TYPES: &'static [&'static str] = &[$($name,)+];

            /// The type as it stands in the payload.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// The canonical bytes of `data`.
            pub fn to_canonical(&self) -> Result<Vec<u8>, EventError> {
                match self {
                    $(Self::$variant(data) => proof::canonical::to_vec(data),)+
                }
                .map_err(|e| EventError::Malformed(e.to_string()))
            }

            fn from_value(type_name: &str, data: Value) -> Result<Self, EventError> {
                match type_name {
                    $($name => serde_json::from_value(data).map(Self::$variant),)+
                    other => return Err(EventError::UnknownType(other.to_owned())),
                }
                .map_err(|e| EventError::Malformed(format!("data of `{type_name}`: {e}")))
            }
        }
    };
}

events! {
    /// The first event of every log.
    LedgerCreated(ledger::LedgerCreated) = "ledger.created",
    /// A key may be used from here on.
    KeyCreated(key::KeyCreated) = "key.created",
    /// A key may not be used from here on.
    KeyDisabled(key::KeyChanged) = "key.disabled",
    /// A disabled key may be used again.
    KeyEnabled(key::KeyChanged) = "key.enabled",
    /// A key is gone for good.
    KeyDeleted(key::KeyChanged) = "key.deleted",
    /// A runner may lease jobs.
    RunnerRegistered(runner::RunnerRegistered) = "runner.registered",
    /// Somebody wants something.
    IntentCreated(intent::IntentCreated) = "intent.created",
    /// A concrete action was put forward.
    ProposalSubmitted(proposal::ProposalSubmitted) = "proposal.submitted",
    /// Governance ruled.
    DecisionRecorded(decision::DecisionRecorded) = "decision.recorded",
    /// A human is asked.
    ApprovalRequested(approval::ApprovalRequested) = "approval.requested",
    /// A human said yes.
    ApprovalGranted(approval::ApprovalAnswered) = "approval.granted",
    /// A human said no.
    ApprovalDenied(approval::ApprovalAnswered) = "approval.denied",
    /// Nobody answered in time.
    ApprovalExpired(approval::ApprovalExpired) = "approval.expired",
    /// Work was minted.
    JobCreated(job::JobCreated) = "job.created",
    /// A runner took the job.
    JobLeased(job::JobLeased) = "job.leased",
    /// The runner did not report in time.
    JobLeaseExpired(job::JobLeaseExpired) = "job.lease_expired",
    /// A runner reported.
    ResultRecorded(result::ResultRecorded) = "result.recorded",
    /// The job is done, with artifacts.
    JobCompleted(job::JobEnded) = "job.completed",
    /// The job was tried and did not succeed.
    JobFailed(job::JobEnded) = "job.failed",
    /// The runner would not touch the job.
    JobRejected(job::JobEnded) = "job.rejected",
    /// Nobody can say whether the job took effect.
    JobUnknown(job::JobEnded) = "job.unknown",
    /// A body and its salt are gone.
    BlobErased(blob::BlobErased) = "blob.erased",
    /// The follower states its read models' digests.
    ProjectionAttested(projection::ProjectionAttested) = "projection.attested",
    /// The log goes on from an older copy, and root says so.
    LedgerRestored(ledger::LedgerRestored) = "ledger.restored",
    /// The clock leapt ahead, and an admin says that it is right.
    ClockConfirmed(clock::ClockConfirmed) = "clock.confirmed",
}

impl EventData {
    /// What an event with this data is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::LedgerCreated(_) | Self::LedgerRestored(_) | Self::ClockConfirmed(_) => Subject::ledger(),
            Self::KeyCreated(e) => Subject::of("key", &e.key.key_id),
            Self::KeyDisabled(e) | Self::KeyEnabled(e) | Self::KeyDeleted(e) => Subject::of("key", &e.key_id),
            Self::RunnerRegistered(e) => Subject::of("runner", &e.runner.runner_id),
            Self::IntentCreated(e) => Subject::of("intent", &e.intent.intent_id),
            Self::ProposalSubmitted(e) => Subject::of("proposal", &e.proposal.proposal_id),
            Self::DecisionRecorded(e) => Subject::of("proposal", &e.proposal_id),
            Self::ApprovalRequested(e) => Subject::of("proposal", &e.challenge.proposal_id),
            Self::ApprovalGranted(e) | Self::ApprovalDenied(e) => Subject::of("proposal", &e.answer.proposal_id),
            Self::ApprovalExpired(e) => Subject::of("proposal", &e.proposal_id),
            Self::JobCreated(e) => Subject::of("job", &e.job.job_id),
            Self::JobLeased(e) => Subject::of("job", &e.job_id),
            Self::JobLeaseExpired(e) => Subject::of("job", &e.job_id),
            Self::ResultRecorded(e) => Subject::of("job", &e.result.job_id),
            Self::JobCompleted(e) | Self::JobFailed(e) | Self::JobRejected(e) | Self::JobUnknown(e) => {
                Subject::of("job", &e.job_id)
            }
            Self::BlobErased(e) => Subject::of("blob", e.sha256),
            Self::ProjectionAttested(_) => Subject::of("projection", "all"),
        }
    }
}

impl Event {
    /// Reads a payload. Its bytes must be canonical.
    pub fn parse(payload: &[u8]) -> Result<Self, EventError> {
        let malformed = |e: &dyn fmt::Display| EventError::Malformed(e.to_string());
        let value = proof::canonical::parse_canonical(payload).map_err(|e| malformed(&e))?;
        Self::from_value(value)
    }

    /// Reads a payload that was parsed already.
    pub fn from_value(value: Value) -> Result<Self, EventError> {
        let Value::Object(mut members) = value else {
            return Err(EventError::Malformed("expected an object".into()));
        };
        match members.get("v").and_then(Value::as_u64) {
            Some(v) if v == u64::from(SCHEMA_VERSION) => {}
            Some(v) => return Err(EventError::UnknownVersion(v)),
            None => return Err(EventError::Malformed("`v` is missing".into())),
        }
        let data = members.remove("data").ok_or_else(|| EventError::Malformed("`data` is missing".into()))?;
        let Some(Value::String(type_name)) = members.remove("type") else {
            return Err(EventError::Malformed("`type` is missing".into()));
        };
        let header =
            serde_json::from_value(Value::Object(members)).map_err(|e| EventError::Malformed(e.to_string()))?;
        Ok(Self { header, data: EventData::from_value(&type_name, data)? })
    }

    /// The payload's canonical bytes.
    ///
    /// The members stand in the order that JCS demands, so a sequencer only splices the header around data that is
    /// canonical already.
    pub fn to_payload(&self, canonical_data: &[u8]) -> Result<Vec<u8>, EventError> {
        let h = &self.header;
        let part = |name: &str, value: &dyn erased::Canonical| -> Result<Vec<u8>, EventError> {
            value.bytes().map_err(|e| EventError::Malformed(format!("{name}: {e}")))
        };
        let mut out = Vec::with_capacity(canonical_data.len() + 640);
        out.extend_from_slice(b"{\"actor\":");
        out.extend(part("actor", &h.actor)?);
        out.extend_from_slice(b",\"causes\":[");
        for (i, cause) in h.causes.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(cause.to_string().as_bytes());
        }
        out.extend_from_slice(b"],\"data\":");
        out.extend_from_slice(canonical_data);
        out.extend_from_slice(format!(",\"group\":{},\"ledger\":", h.group).as_bytes());
        out.extend(part("ledger", &h.ledger)?);
        out.extend_from_slice(format!(",\"prev\":\"{}\",\"seq\":{}", h.prev, h.seq).as_bytes());
        if let Some(session) = &h.session {
            out.extend_from_slice(b",\"session\":");
            out.extend(part("session", session)?);
        }
        out.extend_from_slice(b",\"subject\":");
        out.extend(part("subject", &h.subject)?);
        let tail = format!(
            ",\"time\":\"{}\",\"type\":\"{}\",\"v\":{},\"version\":{}}}",
            h.time,
            self.data.type_name(),
            h.v,
            h.version
        );
        out.extend_from_slice(tail.as_bytes());
        Ok(out)
    }
}

/// Lets `to_payload` treat its few header members alike.
mod erased {
    use serde::Serialize;

    pub(super) trait Canonical {
        fn bytes(&self) -> Result<Vec<u8>, proof::canonical::JsonError>;
    }

    impl<T: Serialize> Canonical for T {
        fn bytes(&self) -> Result<Vec<u8>, proof::canonical::JsonError> {
            proof::canonical::to_vec(self)
        }
    }
}
