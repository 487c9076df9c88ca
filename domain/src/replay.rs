//! Re-deriving a log: from each group's first event, the command; from the command, every event; byte for byte.

use crate::authored::{self, StatementKind};
use crate::command::{Caller, Command, KeyChange};
use crate::decide::{Context, RunError, check_signature, run};
use crate::event::job::LeaseRequest;
use crate::event::key::KeyChanged;
use crate::event::proposal::Seed;
use crate::event::{Event, EventData, PrincipalKind};
use crate::policy::Policy;
use crate::state::State;
use crate::time::Timestamp;
use proof::index::LeafIndex;
use std::fmt;

/// An event as it was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Read.
    pub event: Event,
    /// Its payload's bytes.
    pub payload: Vec<u8>,
}

/// Where re-deriving and the record part ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The first event that differs.
    pub seq: LeafIndex,
    /// Which rule.
    pub rule: MismatchRule,
    /// In words.
    pub detail: String,
}

/// Which rule a mismatch broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MismatchRule {
    /// The first event of a group states no command.
    NoCommand,
    /// An author's signature or statement does not hold.
    Authorship,
    /// `decide` refuses the command.
    Refused,
    /// `decide` gives other bytes.
    Payload,
    /// `decide` gives more or fewer events.
    Count,
}

impl MismatchRule {
    /// The rule's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCommand => "group_has_no_command",
            Self::Authorship => "authorship",
            Self::Refused => "command_refused",
            Self::Payload => "payload_differs",
            Self::Count => "event_count_differs",
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}: {}", self.seq, self.rule.name(), self.detail)
    }
}

impl std::error::Error for Mismatch {}

/// What a group's first event says was asked, with the attested facts `decide` needs again.
#[derive(Debug)]
pub struct Asked {
    /// The command.
    pub command: Command,
    /// The clock.
    pub now: Timestamp,
    /// The minted entropy; any, where the command mints nothing.
    pub seed: Seed,
}

/// Reads the command out of a group's first event.
pub fn command_of(first: &Event) -> Result<Asked, String> {
    let by_key = || match first.header.actor.kind {
        PrincipalKind::Anonymous => Caller::anonymous(),
        _ => Caller::key(first.header.actor.key_id.clone()),
    };
    let change_key = |e: &KeyChanged, change| Command::ChangeKey { by: by_key(), key_id: e.key_id.clone(), change };
    let mut seed = Seed::new([0; 32]);
    let command = match &first.data {
        EventData::LedgerCreated(e) => {
            Command::CreateLedger { genesis: e.genesis.clone(), authored: e.authored.clone() }
        }
        EventData::KeyCreated(e) => {
            Command::CreateKey { by: by_key(), key: e.key.clone(), authored: e.authored.clone() }
        }
        EventData::KeyDisabled(e) => change_key(e, KeyChange::Disable),
        EventData::KeyEnabled(e) => change_key(e, KeyChange::Enable),
        EventData::KeyDeleted(e) => change_key(e, KeyChange::Delete),
        EventData::RunnerRegistered(e) => {
            Command::RegisterRunner { runner: e.runner.clone(), authored: e.authored.clone() }
        }
        EventData::IntentCreated(e) => {
            Command::CreateIntent { by: by_key(), intent: e.intent.clone(), authored: e.authored.clone() }
        }
        EventData::ProposalSubmitted(e) => {
            seed = e.seed.clone();
            Command::SubmitProposal {
                by: by_key(),
                proposal: Box::new(e.proposal.clone()),
                findings: e.findings.clone(),
                authored: e.authored.clone(),
            }
        }
        EventData::ApprovalGranted(e) | EventData::ApprovalDenied(e) => {
            seed = e.seed.clone();
            Command::AnswerApproval { by: by_key(), answer: e.answer.clone(), authored: e.authored.clone() }
        }
        EventData::ApprovalExpired(e) => Command::ExpireApproval { proposal_id: e.proposal_id.clone() },
        EventData::JobLeased(e) => {
            let statement = authored::read::<LeaseRequest>(&e.authored, StatementKind::Lease, &first.header.ledger)
                .map_err(|no| no.to_string())?;
            Command::LeaseJob {
                request: e.lease.clone(),
                key_id: e.key_id,
                seen: statement.checkpoint.size,
                authored: e.authored.clone(),
            }
        }
        EventData::JobLeaseExpired(e) => Command::ExpireLease { job_id: e.job_id.clone() },
        EventData::ResultRecorded(e) => {
            Command::RecordResult { by: by_key(), result: e.result.clone(), authored: e.authored.clone() }
        }
        EventData::ClockConfirmed(e) => Command::ConfirmClock { by: by_key(), time: e.time },
        EventData::BlobErased(e) => Command::EraseBlob { by: by_key(), sha256: e.sha256, why: e.why.clone() },
        EventData::ProjectionAttested(e) => {
            Command::AttestProjections { position: e.position, projections: e.projections.clone() }
        }
        EventData::LedgerRestored(e) => {
            Command::RestoreLedger { restoration: e.restoration.clone(), authored: e.authored.clone() }
        }
        EventData::DecisionRecorded(_)
        | EventData::ApprovalRequested(_)
        | EventData::JobCreated(_)
        | EventData::JobCompleted(_)
        | EventData::JobFailed(_)
        | EventData::JobRejected(_)
        | EventData::JobUnknown(_) => {
            return Err(format!("`{}` follows from a command, it cannot begin a group", first.data.type_name()));
        }
    };
    Ok(Asked { command, now: first.header.time, seed })
}

/// Decides a recorded group again. On success the state stands behind it.
pub fn rederive(state: &mut State, group: &[Recorded], policy: &Policy) -> Result<(), Mismatch> {
    let Some(first) = group.first() else {
        return Ok(());
    };
    let start = state.size().next_index();
    let at_start = |rule, detail: String| Mismatch { seq: start, rule, detail };
    let asked = command_of(&first.event).map_err(|detail| at_start(MismatchRule::NoCommand, detail))?;
    check_signature(state, &asked.command).map_err(|no| at_start(MismatchRule::Authorship, no.to_string()))?;
    let context = Context { now: asked.now, seed: asked.seed, policy };
    let derived = match run(state, &asked.command, &context) {
        Ok(derived) => derived,
        Err(RunError::Rejected(no)) => return Err(at_start(MismatchRule::Refused, no.to_string())),
        Err(RunError::Broken(illegal)) => {
            return Err(Mismatch { seq: illegal.seq, rule: MismatchRule::Refused, detail: illegal.rule });
        }
    };
    for (ours, theirs) in derived.iter().zip(group) {
        if ours.payload != theirs.payload {
            let seq = ours.event.header.seq;
            return Err(Mismatch {
                seq,
                rule: MismatchRule::Payload,
                detail: first_difference(&ours.payload, &theirs.payload),
            });
        }
    }
    if derived.len() == group.len() {
        return Ok(());
    }
    let shorter = derived.len().min(group.len());
    let seq = LeafIndex::new(start.get() + u64::try_from(shorter).unwrap_or(u64::MAX));
    let detail = format!("the command gives {} events, the log has {}", derived.len(), group.len());
    Err(Mismatch { seq, rule: MismatchRule::Count, detail })
}

/// Shows where two payloads part, with a little of each.
fn first_difference(derived: &[u8], recorded: &[u8]) -> String {
    let at = derived.iter().zip(recorded).take_while(|(a, b)| a == b).count();
    let from = at.saturating_sub(24);
    let excerpt = |bytes: &[u8]| {
        let part: Vec<u8> = bytes.iter().skip(from).take(64).copied().collect();
        String::from_utf8_lossy(&part).into_owned()
    };
    format!("at byte {at}: derived `…{}…`, recorded `…{}…`", excerpt(derived), excerpt(recorded))
}
