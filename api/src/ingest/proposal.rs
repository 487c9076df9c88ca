//! Proposals.

use super::{Committer, Earlier, StoredBody, short};
use crate::app::App;
use crate::error::ApiError;
use axum::http::StatusCode;
use domain::content::Text;
use domain::effect::Effect;
use domain::event::EventData;
use domain::event::proposal::{Action, Claim, Observation, Proposal, TruthAccount};
use domain::id::ProposalId;
use domain::reason::Reason;
use schemas::proposal::{ObservationInput, ProposedAction, SubmitProposal, TruthAccountInput};
use serde_json::Value;
use std::collections::BTreeMap;

/// A proposal and the bodies it commits to.
pub(crate) fn proposal(
    app: &App,
    input: SubmitProposal,
) -> Result<(Proposal, Vec<StoredBody>), ApiError> {
    let (proposal_id, earlier) = match input.proposal_id {
        Some(id) => {
            let earlier = earlier(app, &id)?;
            (id, earlier)
        }
        None => {
            let seed = domain::event::proposal::Seed::new(
                ledger::keys::entropy().map_err(ApiError::internal)?,
            );
            (
                ProposalId::new(seed.uuid("proposal")).map_err(ApiError::internal)?,
                BTreeMap::new(),
            )
        }
    };
    let mut committer = Committer::new(input.personal, earlier);
    let proposal = Proposal {
        proposal_id,
        intent_id: input.intent_id,
        agent: input.agent,
        summary: committer.text("/summary", input.summary)?,
        effects: effects(input.effects)?,
        truth_account: truth_account(&mut committer, input.truth_account)?,
        artifacts: artifacts(&mut committer, input.artifacts.unwrap_or_default())?,
        actions: actions(&mut committer, input.actions)?,
        risk_score: input.risk_score,
        deployment_envelope: input
            .deployment_envelope
            .map(|v| short("/deployment_envelope", v))
            .transpose()?,
        reversibility_class: word("/reversibility_class", input.reversibility_class)?,
        rollback_proof: input
            .rollback_proof
            .map(|v| short("/rollback_proof", v))
            .transpose()?,
        execution_mode: word("/execution_mode", input.execution_mode)?,
        cleanup_cost: word("/cleanup_cost", input.cleanup_cost)?,
        supersedes: input.supersedes,
    };
    Ok((proposal, committer.bodies))
}

fn malformed(place: impl Into<String>, detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, detail).at(place)
}

fn word(place: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    match text {
        Some(text) if text.len() > 64 => Err(malformed(place, "at most 64 bytes")),
        other => Ok(other),
    }
}

fn effects(tags: Vec<String>) -> Result<domain::effect::Effects, ApiError> {
    let read = |(i, tag)| {
        Effect::new(tag).ok_or_else(|| {
            malformed(
                format!("/effects/{i}"),
                "an effect is 1 to 64 printable ASCII characters",
            )
        })
    };
    tags.into_iter().enumerate().map(read).collect()
}

fn truth_account(
    committer: &mut Committer,
    input: TruthAccountInput,
) -> Result<TruthAccount, ApiError> {
    let mut account = TruthAccount::default();
    for (i, seen) in input.observations.into_iter().enumerate() {
        let (text, kind, cites) = match seen {
            ObservationInput::Text(text) => (text, None, Vec::new()),
            ObservationInput::Full { text, kind, cites } => (text, kind, cites),
        };
        let place = format!("/truth_account/observations/{i}");
        let kind = word(&format!("{place}/kind"), kind)?;
        account.observations.push(Observation {
            text: committer.text(&format!("{place}/text"), text)?,
            kind,
            cites,
        });
    }
    for (i, claim) in input.claims.into_iter().enumerate() {
        let confidence = claim.get("confidence").and_then(Value::as_f64);
        let claim = committer.content(
            &format!("/truth_account/claims/{i}/claim"),
            Value::Object(claim),
        )?;
        account.claims.push(Claim { confidence, claim });
    }
    Ok(account)
}

fn artifacts(
    committer: &mut Committer,
    input: Vec<BTreeMap<String, String>>,
) -> Result<Vec<BTreeMap<String, Text>>, ApiError> {
    let mut artifacts = Vec::with_capacity(input.len());
    for (i, artifact) in input.into_iter().enumerate() {
        let mut kept = BTreeMap::new();
        for (name, text) in artifact {
            let text = committer.text(&format!("/artifacts/{i}/{name}"), text)?;
            kept.insert(name, text);
        }
        artifacts.push(kept);
    }
    Ok(artifacts)
}

fn actions(committer: &mut Committer, input: Vec<ProposedAction>) -> Result<Vec<Action>, ApiError> {
    let mut actions = Vec::with_capacity(input.len());
    for (i, action) in input.into_iter().enumerate() {
        let (mut inputs, mut bodies) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in action.inputs {
            match committer.input(&format!("/actions/{i}/inputs/{name}"), value)? {
                Ok(value) => {
                    inputs.insert(name, value);
                }
                Err(commitment) => {
                    bodies.insert(name, commitment);
                }
            }
        }
        actions.push(Action {
            tool: action.tool,
            inputs,
            bodies,
        });
    }
    Ok(actions)
}

fn earlier(app: &App, id: &ProposalId) -> Result<Earlier, ApiError> {
    let Some(seq) = app
        .ledger
        .with_state(|state| state.proposal(id).map(|record| record.submitted))
    else {
        return Ok(BTreeMap::new());
    };
    match super::event_at(app, seq)?.data {
        EventData::ProposalSubmitted(e) => super::salts(app, e.proposal.commitments().into_iter()),
        _ => Ok(BTreeMap::new()),
    }
}
