//! The gates. Every one runs and reports; the strictest ruling wins, so a decision's trace shows all that was wrong.
//!
//! Report order: forbidden effects · unknown effects · evidence · agent scope · risk · human-only effects · artifact
//! findings · reversibility · budget. Quarantine, path rules, session risk and organisation policy join in later engines.

pub(crate) mod budget;
mod evidence;
mod findings;
mod forbidden;
mod human_only;
mod reversibility;
pub(crate) mod risk;
mod scope;
mod unknown;

use crate::content::settle;
pub use risk::floor as risk_floor;

use crate::effect::Effects;
use crate::envelope::{DeploymentEnvelope, EnvelopeError};
use crate::event::decision::{Required, Ruling};
use crate::event::proposal::{Action, ExecutionMode, Finding, Proposal};
use crate::event::{Actor, PrincipalKind};
use crate::limits;
use crate::policy::{AgentProfile, Bundle, Policy};
use crate::reason::Reason;
use proof::index::TreeSize;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateName {
    /// Effects nobody may have.
    ForbiddenEffects,
    /// Effects and tools nobody knows.
    UnknownEffects,
    /// What the sensors reported.
    ArtifactFindings,
    /// The truth account.
    Evidence,
    /// The agent's scope, and whose key spoke.
    AgentScope,
    /// Declared and computed risk.
    Risk,
    /// Effects and tools that always need a human.
    HumanOnly,
    /// Whether and how it could be undone.
    Reversibility,
    /// The deployment envelope and its budget.
    Budget,
}

/// What one gate says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// Which gate.
    pub gate: GateName,
    /// What it says.
    pub ruling: Ruling,
    /// Why, when it is not content.
    pub reasons: Vec<Reason>,
    /// What it read.
    pub facts: BTreeMap<String, Value>,
}

impl GateReport {
    fn new(gate: GateName) -> Self {
        Self { gate, ruling: Ruling::Allow, reasons: Vec::new(), facts: BTreeMap::new() }
    }

    fn raise(&mut self, ruling: Ruling, reason: Reason) {
        self.ruling = self.ruling.max(ruling);
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    fn fact(&mut self, name: &str, value: impl Into<Value>) {
        let mut value = value.into();
        settle(&mut value);
        match &mut value {
            Value::String(text) => clip(text),
            Value::Array(items) => items.iter_mut().for_each(|item| {
                if let Value::String(text) = item {
                    clip(text);
                }
            }),
            _ => {}
        }
        self.facts.insert(name.to_owned(), value);
    }

    fn list(&mut self, name: &str, values: impl IntoIterator<Item = impl ToString>) {
        let list: Vec<Value> = values.into_iter().map(|v| Value::String(v.to_string())).collect();
        if !list.is_empty() {
            self.fact(name, list);
        }
    }
}

/// Cuts a text at [`limits::FACT_BYTES`], and shows that it did.
fn clip(text: &mut String) {
    if text.len() > limits::FACT_BYTES {
        let room = limits::FACT_BYTES - '…'.len_utf8();
        let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

/// Everything the gates read.
#[derive(Debug)]
pub struct GateInput<'a> {
    proposal: &'a Proposal,
    actions: &'a [Action],
    findings: &'a [Finding],
    actor: &'a Actor,
    policy: &'a Policy,
    profile: &'a AgentProfile,
    log_size: TreeSize,
    envelope: Result<DeploymentEnvelope, EnvelopeError>,
    read_only: bool,
}

impl<'a> GateInput<'a> {
    /// Gathers what the gates read. `actions` are the effective ones, see [`effective_actions`].
    pub fn new(
        proposal: &'a Proposal,
        actions: &'a [Action],
        findings: &'a [Finding],
        actor: &'a Actor,
        policy: &'a Policy,
        log_size: TreeSize,
    ) -> Self {
        Self {
            proposal,
            actions,
            findings,
            actor,
            policy,
            profile: policy.bundle().profile(&proposal.agent),
            log_size,
            envelope: effective_envelope(proposal),
            read_only: !proposal.effects.is_empty() && policy.bundle().read_only(&proposal.effects),
        }
    }

    fn effects(&self) -> &Effects {
        &self.proposal.effects
    }

    /// The mode, or nothing when the word is not one of the three.
    fn mode(&self) -> Option<ExecutionMode> {
        execution_mode(self.proposal)
    }
}

/// The envelope that would run: the declared one checked and clamped, or the default when none was declared.
pub fn effective_envelope(proposal: &Proposal) -> Result<DeploymentEnvelope, EnvelopeError> {
    match &proposal.deployment_envelope {
        None => Ok(DeploymentEnvelope::default()),
        Some(value) => DeploymentEnvelope::parse(value).map(DeploymentEnvelope::clamped),
    }
}

/// The declared mode, case-exact; `commit` when none was declared.
pub fn execution_mode(proposal: &Proposal) -> Option<ExecutionMode> {
    match proposal.execution_mode.as_deref() {
        None | Some("commit") => Some(ExecutionMode::Commit),
        Some("draft") => Some(ExecutionMode::Draft),
        Some("preview") => Some(ExecutionMode::Preview),
        Some(_) => None,
    }
}

/// The actions that would be minted: the proposal's own, or one `echo` for a compatible proposal without any.
pub fn effective_actions(proposal: &Proposal) -> Vec<Action> {
    if !proposal.actions.is_empty() {
        return proposal.actions.clone();
    }
    let Ok(tool) = "echo".parse() else {
        return Vec::new();
    };
    // A slash would trip the path check of the predecessor's runner, which takes the message for a path.
    let summary = proposal.summary.inline().unwrap_or(proposal.proposal_id.as_str()).replace('/', "\u{2215}");
    let message = Value::String(format!("[{}] {summary}", proposal.agent));
    vec![Action { tool, inputs: BTreeMap::from([("message".to_owned(), message)]), bodies: BTreeMap::new() }]
}

/// Runs every gate, in report order.
pub fn run(input: &GateInput<'_>) -> Vec<GateReport> {
    let human_only = human_only::run(input);
    let risk = risk::run(input);
    let human_anyway = human_only.ruling.max(risk.ruling) >= Ruling::RequireHuman;
    let reversibility = reversibility::run(input, human_anyway);
    vec![
        forbidden::run(input),
        unknown::run(input),
        evidence::run(input),
        scope::run(input),
        risk,
        human_only,
        findings::run(input),
        reversibility,
        budget::run(input),
    ]
}

/// The strictest ruling; no gate at all denies.
pub fn strictest(reports: &[GateReport]) -> Ruling {
    reports.iter().map(|r| r.ruling).max().unwrap_or(Ruling::Deny)
}

/// The approvals that a proposal needs once a human must say: the most that any of its effects asks for.
pub fn required_approvals(proposal: &Proposal, bundle: &Bundle) -> Required {
    let rules: Vec<_> = proposal.effects.iter().filter_map(|e| bundle.effects.get(e)).collect();
    let count = rules.iter().filter_map(|rule| rule.approvals).max().unwrap_or(0).max(bundle.approvals.required);
    Required { count, signed: rules.iter().any(|rule| rule.signed_approval) }
}

/// What an approver is shown, and signs the digest of.
pub fn preview(proposal: &Proposal, actions: &[Action], reports: &[GateReport]) -> Value {
    let reasons: Vec<&str> = reports.iter().flat_map(|r| &r.reasons).map(|r| r.code()).collect();
    serde_json::json!({
        "proposal_id": proposal.proposal_id,
        "agent": proposal.agent,
        "summary": proposal.summary,
        "effects": proposal.effects,
        "actions": actions,
        "execution_mode": proposal.execution_mode,
        "reversibility_class": proposal.reversibility_class,
        "risk_score": proposal.risk_score,
        "reasons": reasons,
    })
}

/// Whether this kind of principal may speak for agents that are not itself.
fn speaks_for_others(kind: PrincipalKind) -> bool {
    matches!(kind, PrincipalKind::Admin | PrincipalKind::Human)
}
