//! From wire types to what is signed and stored: long and personal text goes beside the log, under salted commitments.
//!
//! Authors do this before they sign; the server does it for whoever does not. Where the salts come from is the caller's:
//! there is no randomness here.

use crate::body::Body;
use crate::intent::SubmitIntent;
use crate::proposal::{ObservationInput, ProposedAction, SubmitProposal, TruthAccountInput};
use domain::content::{Content, Text};
use domain::effect::{Effect, Effects};
use domain::event::intent::Intent;
use domain::event::proposal::{Action, Claim, Observation, Proposal, TruthAccount};
use domain::id::{IntentId, ProposalId};
use domain::limits;
use proof::commitment::{Commitment, Salt};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Media type of committed text.
const TEXT: &str = "text/plain; charset=utf-8";

/// Why something cannot become a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitError {
    /// JSON pointer to it.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
    /// Whether it is only too large.
    pub too_large: bool,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.detail)
    }
}

impl std::error::Error for CommitError {}

fn refuse(pointer: impl Into<String>, detail: impl Into<String>) -> CommitError {
    CommitError { pointer: pointer.into(), detail: detail.into(), too_large: false }
}

/// Commitments of an earlier submission with their salts, by place.
pub type Earlier = BTreeMap<String, (Commitment, Salt)>;

/// A commitment and what opens it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What the command says.
    pub commitment: Commitment,
    /// The salt.
    pub salt: Salt,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Opened {
    /// As it travels beside a signed command.
    pub fn to_body(&self) -> Body {
        Body::new(self.salt.clone(), &self.commitment.media_type, &self.bytes)
    }
}

/// Takes text out of a command, and keeps the bodies.
pub struct Committer<'s> {
    personal: bool,
    /// An equal text at the same place of an earlier submission keeps its salt, so that the same command is recognised as
    /// the same.
    earlier: Earlier,
    salts: &'s mut dyn FnMut() -> Option<Salt>,
    opened: Vec<Opened>,
}

impl fmt::Debug for Committer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Committer({} bodies)", self.opened.len())
    }
}

impl<'s> Committer<'s> {
    /// `salts` gives 32 random bytes each time; nothing when there is no entropy.
    pub fn new(personal: bool, earlier: Earlier, salts: &'s mut dyn FnMut() -> Option<Salt>) -> Self {
        Self { personal, earlier, salts, opened: Vec::new() }
    }

    /// The bodies.
    pub fn into_bodies(self) -> Vec<Opened> {
        self.opened
    }

    /// A text.
    pub fn text(&mut self, place: &str, text: String) -> Result<Text, CommitError> {
        if !self.personal && text.len() <= limits::INLINE_TEXT_BYTES {
            return Ok(Text::Inline(text));
        }
        Ok(Text::Committed { commit: self.commit(place, text.into_bytes(), TEXT)? })
    }

    /// Any JSON.
    pub fn content(&mut self, place: &str, value: Value) -> Result<Content, CommitError> {
        let bytes = proof::canonical::value_to_vec(&value);
        if !self.personal && bytes.len() <= limits::INLINE_TEXT_BYTES {
            return Ok(Content::Inline(value));
        }
        Ok(Content::Committed(self.commit(place, bytes, "application/json")?))
    }

    fn commit(&mut self, place: &str, bytes: Vec<u8>, media_type: &str) -> Result<Commitment, CommitError> {
        if bytes.len() > limits::BODY_BYTES {
            let detail = format!("{} bytes, at most {}", bytes.len(), limits::BODY_BYTES);
            return Err(CommitError { pointer: place.into(), detail, too_large: true });
        }
        let earlier = self.earlier.get(place).filter(|(commitment, salt)| commitment.opens(salt, &bytes));
        let salt = match earlier {
            Some((_, salt)) => salt.clone(),
            None => (self.salts)().ok_or_else(|| refuse(place, "there is no entropy to commit with"))?,
        };
        let commitment = Commitment::new(&salt, &bytes, media_type);
        self.opened.push(Opened { commitment: commitment.clone(), salt, bytes });
        Ok(commitment)
    }
}

/// A value that must fit the event.
fn short(place: &str, value: Value) -> Result<Value, CommitError> {
    let (bytes, max) = (proof::canonical::value_to_vec(&value).len(), limits::INLINE_TEXT_BYTES * 4);
    if bytes <= max { Ok(value) } else { Err(refuse(place, format!("{bytes} bytes, at most {max}"))) }
}

fn word(place: &str, text: Option<String>, max: usize) -> Result<Option<String>, CommitError> {
    match text {
        Some(text) if text.len() > max => Err(refuse(place, format!("{} bytes, at most {max}", text.len()))),
        other => Ok(other),
    }
}

impl SubmitIntent {
    /// The intent to be signed or stored, under this name.
    ///
    /// # Errors
    /// If a part breaks a limit.
    pub fn commit(self, intent_id: IntentId, to: &mut Committer<'_>) -> Result<Intent, CommitError> {
        Ok(Intent {
            intent_id,
            from: word("/from", self.from, 256)?,
            mode: word("/mode", self.mode, 256)?,
            goal: to.text("/goal", self.goal)?,
            constraints: self.constraints.map(|value| to.content("/constraints", value)).transpose()?,
        })
    }
}

impl SubmitProposal {
    /// The proposal to be signed or stored, under this name.
    ///
    /// # Errors
    /// If a part breaks a limit.
    pub fn commit(self, proposal_id: ProposalId, to: &mut Committer<'_>) -> Result<Proposal, CommitError> {
        Ok(Proposal {
            proposal_id,
            intent_id: self.intent_id,
            agent: self.agent,
            summary: to.text("/summary", self.summary)?,
            effects: effects(self.effects)?,
            truth_account: truth_account(to, self.truth_account)?,
            artifacts: artifacts(to, self.artifacts.unwrap_or_default())?,
            actions: actions(to, self.actions)?,
            risk_score: self.risk_score,
            deployment_envelope: self.deployment_envelope.map(|v| short("/deployment_envelope", v)).transpose()?,
            reversibility_class: word("/reversibility_class", self.reversibility_class, 64)?,
            rollback_proof: self.rollback_proof.map(|v| short("/rollback_proof", v)).transpose()?,
            execution_mode: word("/execution_mode", self.execution_mode, 64)?,
            cleanup_cost: word("/cleanup_cost", self.cleanup_cost, 64)?,
            supersedes: self.supersedes,
        })
    }
}

fn effects(tags: Vec<String>) -> Result<Effects, CommitError> {
    let right = "an effect is 1 to 64 printable ASCII characters";
    let read = |(i, tag)| Effect::new(tag).ok_or_else(|| refuse(format!("/effects/{i}"), right));
    tags.into_iter().enumerate().map(read).collect()
}

fn truth_account(to: &mut Committer<'_>, input: TruthAccountInput) -> Result<TruthAccount, CommitError> {
    let mut account = TruthAccount::default();
    for (i, seen) in input.observations.into_iter().enumerate() {
        let (text, kind, cites) = match seen {
            ObservationInput::Text(text) => (text, None, Vec::new()),
            ObservationInput::Full { text, kind, cites } => (text, kind, cites),
        };
        let place = format!("/truth_account/observations/{i}");
        let kind = word(&format!("{place}/kind"), kind, 64)?;
        account.observations.push(Observation { text: to.text(&format!("{place}/text"), text)?, kind, cites });
    }
    for (i, claim) in input.claims.into_iter().enumerate() {
        let confidence = claim.get("confidence").and_then(Value::as_f64);
        let claim = to.content(&format!("/truth_account/claims/{i}/claim"), Value::Object(claim))?;
        account.claims.push(Claim { confidence, claim });
    }
    Ok(account)
}

fn artifacts(
    to: &mut Committer<'_>,
    input: Vec<BTreeMap<String, String>>,
) -> Result<Vec<BTreeMap<String, Text>>, CommitError> {
    let mut artifacts = Vec::with_capacity(input.len());
    for (i, artifact) in input.into_iter().enumerate() {
        let mut kept = BTreeMap::new();
        for (name, text) in artifact {
            let text = to.text(&format!("/artifacts/{i}/{name}"), text)?;
            kept.insert(name, text);
        }
        artifacts.push(kept);
    }
    Ok(artifacts)
}

/// Long strings by commitment, anything else in the event.
fn actions(to: &mut Committer<'_>, input: Vec<ProposedAction>) -> Result<Vec<Action>, CommitError> {
    let mut actions = Vec::with_capacity(input.len());
    for (i, action) in input.into_iter().enumerate() {
        let (mut inputs, mut bodies) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in action.inputs {
            let place = format!("/actions/{i}/inputs/{name}");
            match value {
                Value::String(text) if to.personal || text.len() > limits::INLINE_TEXT_BYTES => {
                    bodies.insert(name, to.commit(&place, text.into_bytes(), TEXT)?);
                }
                other => {
                    inputs.insert(name, short(&place, other)?);
                }
            }
        }
        actions.push(Action { tool: action.tool, inputs, bodies });
    }
    Ok(actions)
}
