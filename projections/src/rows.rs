//! The rows as types, and the questions that the edges ask.
//!
//! The shapes are those that the folds of `domain::view` write; a test folds every kind of event
//! and reads each row back.

use domain::content::Text;
use domain::effect::Effects;
use domain::event::Actor;
use domain::event::approval::{Challenge, Strength};
use domain::event::decision::{Required, Ruling};
use domain::event::job::Job;
use domain::event::result::{Evidence, JobResult};
use domain::id::{AgentName, IntentId, JobId, ProposalId, RunnerId, SessionId};
use domain::reason::Reason;
use domain::time::Timestamp;
use domain::view::{approvals, jobs, order_key, proposals};
use proof::LeafIndex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ReadError;
use crate::store::{Order, Store};

/// Most jobs that one question looks at for those of the right status.
const JOBS_SEEN_MAX: usize = 10_000;
/// Rows that are read from sled at a time while looking through an order.
const PAGE: usize = 256;

/// A proposal and how it was ruled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalRow {
    /// Its name.
    pub proposal_id: ProposalId,
    /// What it serves.
    pub intent_id: IntentId,
    /// On whose limits.
    pub agent: AgentName,
    /// In words.
    pub summary: Text,
    /// What it touches.
    pub effects: Effects,
    /// Who submitted it.
    pub actor: Actor,
    /// Its session.
    pub session: Option<SessionId>,
    /// Where it was submitted.
    pub submitted: LeafIndex,
    /// When it was submitted.
    pub time: Timestamp,
    /// When something last happened to it.
    pub updated: Timestamp,
    /// `submitted`, then its latest ruling.
    pub status: String,
    /// Its latest ruling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// The reasons of that ruling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Where that ruling is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<LeafIndex>,
    /// The job that was minted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// How that job ended, as the type of its last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The first event of each command that belongs to its story.
    pub groups: Vec<LeafIndex>,
}

/// A proposal that waits for a human.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRow {
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// What to answer to.
    pub challenge: Challenge,
    /// What is demanded.
    pub required: Required,
    /// The decision that asks.
    pub decision: LeafIndex,
    /// Where it was asked.
    pub requested: LeafIndex,
    /// When it was asked.
    pub time: Timestamp,
    /// The proposal's session.
    pub session: Option<SessionId>,
    /// Yeses so far.
    pub grants: Vec<Grant>,
}

/// One yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Who said it.
    pub by: Actor,
    /// Where.
    pub at: LeafIndex,
    /// How well it is proven.
    pub strength: Strength,
}

/// A job and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRow {
    /// The work.
    pub job: Job,
    /// The decision that minted it.
    pub decision: LeafIndex,
    /// The approvals it rests on.
    pub approvals: Vec<LeafIndex>,
    /// Where it was created.
    pub created: LeafIndex,
    /// When it was created.
    pub time: Timestamp,
    /// When something last happened to it.
    pub updated: Timestamp,
    /// Its proposal's session.
    pub session: Option<SessionId>,
    /// `ready`, `leased`, `completed`, `failed`, `rejected` or `unknown`.
    pub status: String,
    /// The latest try; 0 before the first lease.
    pub attempt: u32,
    /// Who had the latest lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<RunnerId>,
    /// Where the latest lease is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeafIndex>,
    /// When the latest lease lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// What the report rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Where the report is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_seq: Option<LeafIndex>,
}

/// Some proposals, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct ProposalPage {
    /// The proposals.
    pub proposals: Vec<ProposalRow>,
    /// Where the next page starts, as its `before`; nothing when there is none.
    pub next: Option<LeafIndex>,
}

/// Some jobs, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobRow>,
    /// Where the next page starts, as its `before`; nothing when there is none.
    pub next: Option<LeafIndex>,
}

impl Store {
    /// Proposals, newest first, at most `limit`; with `before`, those submitted before that event.
    pub fn proposals(&self, limit: usize, before: Option<LeafIndex>) -> Result<ProposalPage, ReadError> {
        let mut page = ProposalPage { proposals: Vec::new(), next: None };
        if limit == 0 {
            return Ok(page);
        }
        let name = proposals::PROJECTION.name;
        let places = self.scan(name, "order/", key_of(before).as_deref(), limit, Order::Descending)?;
        for (_, id) in &places {
            if let Some(row) = self.typed_row(name, &format!("proposal/{}", text(id)))? {
                page.proposals.push(row);
            }
        }
        if places.len() == limit {
            page.next = page.proposals.last().map(|row: &ProposalRow| row.submitted);
        }
        Ok(page)
    }

    /// One proposal.
    pub fn proposal(&self, id: &ProposalId) -> Result<Option<ProposalRow>, ReadError> {
        self.typed_row(proposals::PROJECTION.name, &format!("proposal/{id}"))
    }

    /// Proposals that wait for a human, the longest waiting first, at most `limit`.
    pub fn pending_approvals(&self, limit: usize) -> Result<Vec<ApprovalRow>, ReadError> {
        let name = approvals::PROJECTION.name;
        let rows = self.scan(name, "", None, usize::MAX, Order::Ascending)?;
        let mut waiting: Vec<ApprovalRow> =
            rows.into_iter().map(|(key, row)| typed(name, &key, row)).collect::<Result<_, _>>()?;
        waiting.sort_by_key(|row| row.requested);
        waiting.truncate(limit);
        Ok(waiting)
    }

    /// The open question about one proposal.
    pub fn pending_approval(&self, id: &ProposalId) -> Result<Option<ApprovalRow>, ReadError> {
        self.typed_row(approvals::PROJECTION.name, id.as_str())
    }

    /// Jobs, newest first, at most `limit`; with `before`, those created before that event; with
    /// `status`, only those.
    ///
    /// Looks at no more than 10,000 jobs: a page may have fewer than `limit` and still a `next`.
    pub fn jobs(&self, limit: usize, before: Option<LeafIndex>, status: Option<&str>) -> Result<JobPage, ReadError> {
        let name = jobs::PROJECTION.name;
        let mut page = JobPage { jobs: Vec::new(), next: None };
        let mut cursor = key_of(before);
        let mut seen = 0;
        while page.jobs.len() < limit && seen < JOBS_SEEN_MAX {
            let places = self.scan(name, "order/", cursor.as_deref(), PAGE, Order::Descending)?;
            let last_page = places.len() < PAGE;
            for (key, id) in places {
                seen += 1;
                let row: Option<JobRow> = self.typed_row(name, &format!("job/{}", text(&id)))?;
                cursor = Some(key);
                let Some(row) = row else { continue };
                page.next = Some(row.created);
                if status.is_none_or(|status| status == row.status) {
                    page.jobs.push(row);
                }
                if page.jobs.len() == limit {
                    return Ok(page);
                }
            }
            if last_page {
                page.next = None;
                break;
            }
        }
        Ok(page)
    }

    /// One job.
    pub fn job(&self, id: &JobId) -> Result<Option<JobRow>, ReadError> {
        self.typed_row(jobs::PROJECTION.name, &format!("job/{id}"))
    }

    fn typed_row<T: DeserializeOwned>(&self, projection: &str, key: &str) -> Result<Option<T>, ReadError> {
        self.row(projection, key)?.map(|row| typed(projection, key, row)).transpose()
    }
}

fn typed<T: DeserializeOwned>(projection: &str, key: &str, row: Value) -> Result<T, ReadError> {
    serde_json::from_value(row).map_err(|error| ReadError::Damaged(format!("row `{key}` of `{projection}`: {error}")))
}

fn key_of(before: Option<LeafIndex>) -> Option<String> {
    before.map(order_key)
}

/// The id that an entry of an order holds.
fn text(id: &Value) -> &str {
    id.as_str().unwrap_or_default()
}
