//! The life of a proposal, as an enum whose variants own exactly what is legal then.

use crate::event::Actor;
use crate::event::approval::{ApprovalAnswered, ApprovalRequested, Challenge, Verb};
use crate::event::decision::{DecisionRecorded, Required, Ruling, Stage};
use crate::event::proposal::Proposal;
use crate::id::SessionId;
use crate::time::Timestamp;
use proof::hash::Hash;
use proof::index::LeafIndex;
use serde::{Deserialize, Serialize};

/// A proposal that is still open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// As it was submitted.
    pub proposal: Box<Proposal>,
    /// Who submitted it.
    pub actor: Actor,
    /// Its session.
    pub session: Option<SessionId>,
    /// Digest of the tool manifest it was ruled under, once it was.
    pub manifest: Option<Hash>,
}

/// An open question to a human.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What to answer to.
    pub challenge: Challenge,
    /// What is demanded.
    pub required: Required,
    /// The decision that asked.
    pub decision: LeafIndex,
    /// Yeses so far, each with who said it.
    pub grants: Vec<(LeafIndex, Actor)>,
}

/// Where a proposal stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ProposalState {
    /// Not ruled yet; only within its own group.
    Submitted(Open),
    /// Ruled `REQUIRE_HUMAN`, not asked yet; only within a group.
    Escalated(Open, LeafIndex),
    /// A human is asked.
    Waiting(Open, Ask),
    /// A human said no, or nobody said anything; only within a group.
    Refused(Open),
    /// Ruled `ALLOW`; its job is minted in the same group.
    Allowed(Open, LeafIndex, Vec<LeafIndex>),
    /// Over; only for a moment, then it is not here any more.
    Closed(Ruling),
}

/// A proposal that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProposalRecord {
    /// Where it was submitted.
    pub submitted: LeafIndex,
    /// Where it stands.
    pub state: ProposalState,
}

impl ProposalState {
    /// A decision about it.
    pub(super) fn decided(self, at: LeafIndex, decision: &DecisionRecorded) -> Result<Self, String> {
        match (self, decision.stage, decision.ruling) {
            (Self::Submitted(open), Stage::Submission, Ruling::Allow) => Ok(Self::Allowed(open, at, Vec::new())),
            (Self::Submitted(open), Stage::Submission, Ruling::RequireHuman) => {
                Ok(Self::Escalated(Open { manifest: Some(decision.manifest), ..open }, at))
            }
            (Self::Submitted(_), Stage::Submission, Ruling::Deny | Ruling::NeedMoreEvidence)
            | (Self::Refused(_), Stage::Approval | Stage::Expiry, Ruling::Deny) => Ok(Self::Closed(decision.ruling)),
            (Self::Waiting(open, ask), Stage::Approval, Ruling::Allow) if ask.is_satisfied() => {
                Ok(Self::Allowed(open, at, ask.grants.iter().map(|(at, _)| *at).collect()))
            }
            (from, stage, ruling) => Err(format!(
                "a {} at stage {stage:?} cannot follow while the proposal is {}",
                ruling.as_str(),
                from.name()
            )),
        }
    }

    /// A human is asked.
    pub(super) fn asked(self, request: &ApprovalRequested) -> Result<Self, String> {
        match self {
            Self::Escalated(open, decision) if request.decision == decision => {
                let (challenge, required) = (request.challenge.clone(), request.required.clone());
                Ok(Self::Waiting(open, Ask { challenge, required, decision, grants: Vec::new() }))
            }
            other => Err(format!("nobody can be asked while the proposal is {}", other.name())),
        }
    }

    /// A human answers.
    pub(super) fn answered(self, at: LeafIndex, actor: &Actor, answer: &ApprovalAnswered) -> Result<Self, String> {
        match self {
            Self::Waiting(open, mut ask) if answer.answer.challenge == ask.challenge && !ask.is_satisfied() => {
                match answer.answer.verb {
                    Verb::Grant => {
                        ask.grants.push((at, actor.clone()));
                        Ok(Self::Waiting(open, ask))
                    }
                    Verb::Deny => Ok(Self::Refused(open)),
                }
            }
            Self::Waiting(..) => Err("the answer is not to the open challenge".into()),
            other => Err(format!("nobody can answer while the proposal is {}", other.name())),
        }
    }

    /// Nobody answered.
    pub(super) fn lapsed(self, nonce: &str) -> Result<Self, String> {
        match self {
            Self::Waiting(open, ask) if ask.challenge.nonce == nonce => Ok(Self::Refused(open)),
            other => Err(format!("no challenge `{nonce}` can lapse while the proposal is {}", other.name())),
        }
    }

    /// Its job is minted.
    pub(super) fn minted(self, decision: LeafIndex, approvals: &[LeafIndex]) -> Result<Self, String> {
        match self {
            Self::Allowed(_, at, grants) if at == decision && grants == approvals => Ok(Self::Closed(Ruling::Allow)),
            other => Err(format!("no job can be minted while the proposal is {}", other.name())),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Submitted(_) => "submitted",
            Self::Escalated(..) => "escalated",
            Self::Waiting(..) => "waiting for a human",
            Self::Refused(_) => "refused",
            Self::Allowed(..) => "allowed",
            Self::Closed(_) => "closed",
        }
    }
}

impl ProposalRecord {
    /// When the open challenge lapses, while a human is asked and has not finished answering.
    pub fn answer_due(&self) -> Option<Timestamp> {
        match &self.state {
            ProposalState::Waiting(_, ask) if !ask.is_satisfied() => Some(ask.challenge.expires),
            _ => None,
        }
    }
}

impl Ask {
    /// Whether enough people said yes.
    pub fn is_satisfied(&self) -> bool {
        u32::try_from(self.grants.len()).is_ok_and(|n| n >= self.required.count)
    }
}
