//! The life of a job.

use super::closed::End;
use crate::event::job::{Job, JobEnded, JobLeased};
use crate::event::result::{ResultRecorded, ResultStatus};
use crate::id::{JobId, ProposalId, RunnerId};
use crate::time::Timestamp;
use proof::index::LeafIndex;
use proof::key::KeyId;
use serde::{Deserialize, Serialize};

/// A lease in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Where it stands in the log.
    pub at: LeafIndex,
    /// Whose it is.
    pub runner_id: RunnerId,
    /// The key that must sign the result.
    pub key_id: KeyId,
    /// Which try.
    pub attempt: u32,
    /// When it lapses.
    pub expires: Timestamp,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum JobState {
    /// Waits for a runner, after this many tries.
    Ready(u32),
    /// A runner has it.
    Leased(Lease),
    /// Its last lease lapsed; only within a group.
    Lapsed(u32),
    /// A runner reported; only within a group.
    Reported(u32, LeafIndex, ResultStatus),
}

/// A job that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its name.
    pub job_id: JobId,
    /// Its proposal.
    pub proposal_id: ProposalId,
    /// Where it was created.
    pub created: LeafIndex,
    /// The work.
    pub job: Box<Job>,
    /// Where it stands.
    pub state: JobState,
}

impl JobState {
    pub(super) fn leased(self, at: LeafIndex, event: &JobLeased, max: u32) -> Result<Self, String> {
        match self {
            Self::Ready(tries) if event.attempt == tries + 1 && event.attempt <= max => Ok(Self::Leased(Lease {
                at,
                runner_id: event.lease.runner_id.clone(),
                key_id: event.key_id,
                attempt: event.attempt,
                expires: event.expires,
            })),
            Self::Ready(tries) => Err(format!("attempt {} cannot follow {tries} of {max}", event.attempt)),
            other => Err(format!("it cannot be leased while it is {}", other.name())),
        }
    }

    pub(super) fn lease_expired(self, now: Timestamp, attempt: u32, max: u32) -> Result<Self, String> {
        match self {
            Self::Leased(lease) if lease.attempt == attempt && lease.expires <= now => {
                Ok(if attempt < max { Self::Ready(attempt) } else { Self::Lapsed(attempt) })
            }
            other => Err(format!("attempt {attempt} cannot lapse while it is {}", other.name())),
        }
    }

    pub(super) fn reported(self, at: LeafIndex, event: &ResultRecorded) -> Result<Self, String> {
        let result = &event.result;
        match self {
            Self::Leased(lease) if result.attempt == lease.attempt && result.lease == Some(lease.at) => {
                Ok(Self::Reported(lease.attempt, at, result.status))
            }
            Self::Ready(0) if result.lease.is_none() && event.authored.is_none() => {
                Ok(Self::Reported(0, at, result.status))
            }
            other => Err(format!("this result cannot be reported while it is {}", other.name())),
        }
    }

    /// How it ends, if it may end so.
    pub(super) fn ended(&self, event: &JobEnded, type_name: &str) -> Result<End, String> {
        let end = match self {
            Self::Reported(attempt, at, status) if *attempt == event.attempt && event.result == Some(*at) => {
                match status {
                    ResultStatus::Completed => Some(End::Completed),
                    ResultStatus::Failed => Some(End::Failed),
                    ResultStatus::Rejected => Some(End::Rejected),
                }
            }
            Self::Lapsed(attempt) if *attempt == event.attempt && event.result.is_none() => Some(End::Unknown),
            _ => None,
        };
        end.filter(|end| end.name() == type_name)
            .ok_or_else(|| format!("`{type_name}` cannot follow while it is {}", self.name()))
    }

    /// In a word or two.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready(_) => "ready",
            Self::Leased(_) => "leased",
            Self::Lapsed(_) => "lapsed",
            Self::Reported(..) => "reported",
        }
    }
}
