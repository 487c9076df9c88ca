//! `POST /v1/govern/proposal`.

use super::{body, ok, python_list, require_key, require_members, view};
use crate::app::App;
use crate::error::ApiError;
use crate::native::proposals::{cut_secrets, rule};
use crate::{ingest, request};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::command::{Caller, Command};
use domain::event::key::{NewKey, Scope};
use domain::event::proposal::Proposal;
use domain::id::{AgentName, IntentId, ProposalId};
use domain::reason::Reason;
use schemas::proposal::{ProposedAction, SubmitProposal, TruthAccountInput};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The predecessor's request; unknown members are ignored. `actions` is ours: without it the job is an `echo`.
#[derive(Debug, Deserialize)]
struct Request {
    proposal_id: ProposalId,
    intent_id: IntentId,
    agent: AgentName,
    summary: String,
    effects: Vec<String>,
    truth_account: TruthAccountInput,
    #[serde(default)]
    artifacts: Option<Vec<BTreeMap<String, String>>>,
    #[serde(default)]
    risk_score: Option<f64>,
    #[serde(default)]
    deployment_envelope: Option<Value>,
    #[serde(default)]
    reversibility_class: Option<String>,
    #[serde(default)]
    rollback_proof: Option<Value>,
    #[serde(default)]
    execution_mode: Option<String>,
    #[serde(default)]
    cleanup_cost: Option<String>,
    #[serde(default)]
    actions: Option<Vec<ProposedAction>>,
}

impl From<Request> for SubmitProposal {
    fn from(request: Request) -> Self {
        Self {
            proposal_id: Some(request.proposal_id),
            intent_id: request.intent_id,
            agent: request.agent,
            summary: request.summary,
            effects: request.effects,
            truth_account: request.truth_account,
            actions: request.actions.unwrap_or_default(),
            artifacts: request.artifacts,
            risk_score: request.risk_score,
            deployment_envelope: request.deployment_envelope,
            reversibility_class: request.reversibility_class,
            rollback_proof: request.rollback_proof,
            execution_mode: request.execution_mode,
            cleanup_cost: request.cleanup_cost,
            supersedes: None,
            personal: false,
        }
    }
}

pub(crate) async fn submit(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Result<Response, ApiError> {
    let value = body(&bytes)?;
    require_members(&value, &["proposal_id", "intent_id", "agent", "summary", "effects", "truth_account"])?;
    let (value, findings) = cut_secrets(value);
    let request: Request = request::typed(value).map_err(ApiError::into_compat)?;
    let key = require_key(&app, &headers, Scope::ProposalCreate)?;
    let by = Caller::key(key.key_id.clone());
    let (proposal, bodies) = ingest::proposal::proposal(&app, request.into()).map_err(ApiError::into_compat)?;
    let command = Command::SubmitProposal { by, proposal: Box::new(proposal.clone()), findings, authored: None };
    let (_, ruled) = rule(&app, command, bodies).await.map_err(|error| key_refusal(&app, error, &key, &proposal))?;
    ok(&view::governance_decision(&proposal, &ruled.gates, ruled.ruling, ruled.job_id.as_ref()))
}

/// The key's own limits, in the predecessor's words.
fn key_refusal(app: &App, error: ApiError, key: &NewKey, proposal: &Proposal) -> ApiError {
    let effects = &proposal.effects;
    if error.reason == Reason::KeyEffectScope.code() {
        let scopes = key.effect_scopes.clone().unwrap_or_default();
        let outside: Vec<&str> =
            effects.iter().filter(|e| !scopes.contains(*e)).map(domain::effect::Effect::as_str).collect();
        let detail = format!("Key not authorized for effects: {}", python_list(&outside));
        return ApiError::detail(StatusCode::FORBIDDEN, detail);
    }
    if error.reason == Reason::KeyRiskCap.code() {
        let class = proposal.reversibility_class.as_deref();
        let floor = domain::gate::risk_floor(effects, class, app.ledger.policy().bundle());
        let risk = f64::max(proposal.risk_score.unwrap_or_default(), floor);
        let detail = format!("Risk {risk} exceeds key max {:?}", key.max_risk);
        return ApiError::detail(StatusCode::FORBIDDEN, detail);
    }
    error.into_compat()
}
