//! `decide`: one command against the state gives events, or a no without an event. Total, pure, deterministic.

mod answer;
mod expire;
mod form;
mod genesis;
mod intent;
mod job;
mod key;
mod mint;
mod propose;
mod restore;
mod signature;
mod upkeep;

pub use signature::check_signature;

use crate::command::{Caller, Command, Rejection};
use crate::event::key::{Credential, Principal, Scope};
use crate::event::proposal::Seed;
use crate::event::{Actor, Event, EventData, Header, PrincipalKind, SCHEMA_VERSION, Subject};
use crate::id::{AgentName, AnyKeyId, SessionId};
use crate::limits;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::key::{KeyRecord, KeyStatus};
use crate::state::{IllegalTransition, LedgerInfo, State};
use crate::time::Timestamp;
use proof::hash::{Hash, sha256};
use proof::index::LeafIndex;
use std::fmt;
use std::sync::Arc;

/// What `decide` reads that is not in the state. The clock and the seed are attested: recorded, named, counted.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The moment of decision.
    pub now: Timestamp,
    /// Minted entropy.
    pub seed: Seed,
    /// The policy in force.
    pub policy: &'a Policy,
}

/// An event without its place.
#[derive(Debug, Clone)]
pub struct Draft {
    subject: Subject,
    actor: Actor,
    session: Option<SessionId>,
    causes: Vec<LeafIndex>,
    data: EventData,
}

/// An event with its place, and the bytes that say so.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The event.
    pub event: Arc<Event>,
    /// Its payload.
    pub payload: Vec<u8>,
    /// SHA-256 of the payload, which the next event names.
    pub payload_hash: Hash,
}

/// Why a command left no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// It was refused; the state is as it was.
    Rejected(Rejection),
    /// `decide` and `apply` disagree: a defect. The state is not to be used any more.
    Broken(IllegalTransition),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(no) => no.fmt(f),
            Self::Broken(illegal) => write!(f, "engine fault: {illegal}"),
        }
    }
}

impl std::error::Error for RunError {}

/// Decides a command. Signatures were checked by whoever built it, see [`check_signature`].
///
/// A clock behind the log counts as the log's own time: that is what the events will say, and all that a verifier has.
pub fn decide(state: &State, command: &Command, context: &Context<'_>) -> Result<Vec<Draft>, Rejection> {
    let context = &Context { now: context.now.max(state.time()), ..context.clone() };
    match command {
        Command::CreateLedger { genesis, authored } => genesis::create(state, genesis, authored, context),
        Command::CreateKey { by, key, authored } => key::create(state, by, key, authored.as_ref(), context),
        Command::ChangeKey { by, key_id, change } => key::change(state, by, key_id, *change, context),
        Command::RegisterRunner { runner, authored } => key::register_runner(state, runner, authored),
        Command::CreateIntent { by, intent, authored } => intent::create(state, by, intent, authored.as_ref(), context),
        Command::SubmitProposal { by, proposal, findings, authored } => {
            propose::submit(state, by, proposal, findings, authored.as_ref(), context)
        }
        Command::AnswerApproval { by, answer, authored } => {
            answer::answer(state, by, answer, authored.as_ref(), context)
        }
        Command::ExpireApproval { proposal_id } => expire::approval(state, proposal_id, context),
        Command::ExpireLease { job_id } => expire::lease(state, job_id, context),
        Command::LeaseJob { request, key_id, seen, authored } => {
            job::lease(state, request, key_id, *seen, authored, context)
        }
        Command::RecordResult { by, result, authored } => job::record(state, by, result, authored.as_ref(), context),
        Command::EraseBlob { by, sha256, why } => upkeep::erase(state, by, sha256, why, context),
        Command::ConfirmClock { by, time } => upkeep::confirm_clock(state, by, *time, context),
        Command::AttestProjections { position, projections } => upkeep::attest(state, *position, projections),
        Command::RestoreLedger { restoration, authored } => restore::restore(state, restoration, authored),
    }
}

/// Decides, gives each event its place, and folds it in. On [`RunError::Rejected`] the state is untouched.
pub fn run(state: &mut State, command: &Command, context: &Context<'_>) -> Result<Vec<Sealed>, RunError> {
    let drafts = decide(state, command, context).map_err(RunError::Rejected)?;
    // All sizes are known before anything is folded: a refusal leaves the state as it was.
    let mut sized = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let data = draft.data.to_canonical().map_err(|e| RunError::Rejected(Rejection::malformed(e.to_string())))?;
        if data.len() > limits::EVENT_DATA_BYTES {
            let (name, max) = (draft.data.type_name(), limits::EVENT_DATA_BYTES);
            let detail = format!("`{name}` would hold {} bytes, at most {max}", data.len());
            return Err(RunError::Rejected(Rejection::malformed(detail)));
        }
        sized.push((draft, data));
    }
    let now = context.now.max(state.time());
    let group = state.size().next_index();
    let mut sealed = Vec::with_capacity(sized.len());
    for (draft, data) in sized {
        let seq = state.size().next_index();
        let broken = |rule: String| RunError::Broken(IllegalTransition { seq, rule });
        let event = seal(state, draft, now, group);
        let payload = event.to_payload(&data).map_err(|e| broken(e.to_string()))?;
        let payload_hash = sha256(&payload);
        state.apply(&event, payload_hash).map_err(RunError::Broken)?;
        sealed.push(Sealed { event: Arc::new(event), payload, payload_hash });
    }
    Ok(sealed)
}

fn seal(state: &State, draft: Draft, time: Timestamp, group: LeafIndex) -> Event {
    let Draft { subject, actor, session, causes, data } = draft;
    let origin = match (&state.ledger(), &data) {
        (Some(info), _) => info.genesis.origin.clone(),
        (None, EventData::LedgerCreated(created)) => created.genesis.origin.clone(),
        (None, _) => String::new(),
    };
    let version = state.next_version(&subject);
    let header = Header {
        v: SCHEMA_VERSION,
        ledger: origin,
        seq: state.size().next_index(),
        time,
        subject,
        version,
        actor,
        session,
        group,
        causes,
        prev: state.prev(),
    };
    Event { header, data }
}

/// The leaf index that the `n`th event of the command will have.
fn index_of(state: &State, n: u64) -> LeafIndex {
    LeafIndex::new(state.size().get() + n)
}

fn ledger_of(state: &State) -> Result<&LedgerInfo, Rejection> {
    state.ledger().ok_or_else(|| Rejection::malformed("the ledger has no genesis".into()))
}

/// The ledger itself as an actor: when a deadline passes, when the follower attests.
fn ledger_actor(info: &LedgerInfo) -> Result<Actor, Rejection> {
    Ok(Actor {
        kind: PrincipalKind::Ledger,
        id: parse_id(&info.genesis.origin)?,
        key_id: parse_id(&info.event.key_id().to_string())?,
        on_behalf_of: None,
    })
}

fn root_actor(root: &proof::key::PublicKey, origin: &str) -> Result<Actor, Rejection> {
    Ok(Actor {
        kind: PrincipalKind::Root,
        id: parse_id(origin)?,
        key_id: parse_id(&root.key_id().to_string())?,
        on_behalf_of: None,
    })
}

fn parse_id<T: std::str::FromStr>(text: &str) -> Result<T, Rejection>
where
    T::Err: fmt::Display,
{
    text.parse().map_err(|e: T::Err| Rejection::malformed(e.to_string()))
}

/// The caller's key, if it may be used now and for this.
fn authorize<'s>(state: &'s State, by: &Caller, scope: Scope, now: Timestamp) -> Result<&'s KeyRecord, Rejection> {
    let key_id = by.key_id.as_ref().ok_or_else(|| {
        Rejection::unauthenticated(Reason::KeyRequired, format!("this needs a key with scope `{}`", scope.as_str()))
    })?;
    let record = usable_key(state, key_id, now)?;
    if !record.key.scopes.contains(&scope) {
        let detail = format!("key `{key_id}` lacks the scope `{}`", scope.as_str());
        return Err(Rejection::forbidden(Reason::ScopeMissing, detail));
    }
    Ok(record)
}

/// A key that may be used now, for whatever it has scopes for.
pub fn usable_key<'s>(state: &'s State, key_id: &AnyKeyId, now: Timestamp) -> Result<&'s KeyRecord, Rejection> {
    let record = state
        .key(key_id.as_str())
        .filter(|record| record.status != KeyStatus::Deleted)
        .ok_or_else(|| Rejection::unauthenticated(Reason::KeyUnknown, format!("key `{key_id}` is not known here")))?;
    if record.status == KeyStatus::Disabled {
        return Err(Rejection::forbidden(Reason::KeyDisabled, format!("key `{key_id}` is disabled")));
    }
    if record.key.expires.is_some_and(|expires| expires <= now) {
        return Err(Rejection::forbidden(Reason::KeyExpired, format!("key `{key_id}` has expired")));
    }
    Ok(record)
}

/// The actor that a key makes, speaking for `agent` if one is named.
fn actor_of(record: &KeyRecord, agent: Option<&AgentName>) -> Actor {
    let Principal { kind, id } = record.key.principal.clone();
    let itself = kind == PrincipalKind::Agent && agent.is_some_and(|agent| agent.as_str() == id.as_str());
    let on_behalf_of = if itself { None } else { agent.cloned() };
    Actor { kind, id, key_id: record.key.key_id.clone(), on_behalf_of }
}

/// A signed command must come under an Ed25519 key, an unsigned one under an API key: so the log says which it was.
fn check_credential(record: &KeyRecord, signed: bool) -> Result<(), Rejection> {
    match (&record.key.credential, signed) {
        (Credential::Ed25519(_), true) | (Credential::Api(_), false) => Ok(()),
        (Credential::Ed25519(_), false) => Err(Rejection::unauthenticated(
            Reason::SignatureInvalid,
            "a public key speaks only by signing the command".into(),
        )),
        (Credential::Api(_), true) => Err(Rejection::unauthenticated(
            Reason::SignatureInvalid,
            "an API key cannot have signed the command".into(),
        )),
    }
}
