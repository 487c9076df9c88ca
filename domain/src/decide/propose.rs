//! Ruling on a proposal.

use super::mint::{self, Basis};
use super::{Context, Draft, actor_of, authorize, check_credential, form, index_of, ledger_actor, ledger_of};
use crate::ENGINE;
use crate::command::{Caller, Rejection, Repeat};
use crate::effect::{Effect, Effects};
use crate::event::approval::{ApprovalRequested, Challenge};
use crate::event::decision::{DecisionRecorded, Ruling, Stage};
use crate::event::key::{NewKey, Scope};
use crate::event::proposal::{Finding, Proposal, ProposalSubmitted};
use crate::event::{EventData, Subject};
use crate::gate::{self, GateInput, GateReport};
use crate::id::SessionId;
use crate::limits;
use crate::policy::Bundle;
use crate::reason::Reason;
use crate::state::State;
use crate::state::closed::{Closed, End};
use proof::dsse::Envelope;
use proof::hash::sha256;
use proof::index::LeafIndex;
use serde_json::Value;

/// Bounds that no policy can widen.
fn check_form(proposal: &Proposal) -> Result<(), Rejection> {
    let at_most = |what: &str, count: usize, max: usize| {
        if count <= max {
            Ok(())
        } else {
            Err(Rejection::malformed(format!("`{what}` has {count} entries, at most {max}")))
        }
    };
    at_most("effects", proposal.effects.len(), limits::EFFECTS)?;
    at_most("actions", proposal.actions.len(), limits::ACTIONS)?;
    at_most("artifacts", proposal.artifacts.len(), limits::ARTIFACTS)?;
    at_most("truth_account.observations", proposal.truth_account.observations.len(), limits::TRUTH_ITEMS)?;
    at_most("truth_account.claims", proposal.truth_account.claims.len(), limits::TRUTH_ITEMS)?;
    for seen in &proposal.truth_account.observations {
        at_most("truth_account.observations.cites", seen.cites.len(), limits::CITES)?;
    }
    if proposal.risk_score.is_some_and(|risk| !(0.0..=1.0).contains(&risk)) {
        return Err(Rejection::malformed("`risk_score` must be between 0 and 1".into()));
    }
    // `null` reads back as absent, so the two must not look different here.
    for (name, value) in
        [("deployment_envelope", &proposal.deployment_envelope), ("rollback_proof", &proposal.rollback_proof)]
    {
        if value.as_ref().is_some_and(Value::is_null) {
            return Err(Rejection::malformed(format!("`{name}` is null; leave it out")));
        }
    }
    form::check("the proposal", proposal)
}

/// The key's own limits. Effects that nobody can have are left to the gates, so that they are recorded and denied.
fn check_key(key: &NewKey, proposal: &Proposal, bundle: &Bundle) -> Result<(), Rejection> {
    let possible =
        |e: &&Effect| e.as_str() != Effect::READ_SECRETS && bundle.effects.get(*e).is_some_and(|rule| !rule.forbidden);
    let effects = || proposal.effects.iter().filter(possible);
    if let Some(scopes) = &key.effect_scopes {
        let outside: Vec<&str> = effects().filter(|e| !scopes.contains(*e)).map(Effect::as_str).collect();
        if !outside.is_empty() {
            let detail = format!("key `{}` may not be used for {}", key.key_id, outside.join(", "));
            return Err(Rejection::forbidden(Reason::KeyEffectScope, detail));
        }
    }
    // Declaring less, or nothing, does not lower what the act counts for.
    let floor = gate::risk::floor(effects(), proposal.reversibility_class.as_deref(), bundle);
    let risk = f64::max(proposal.risk_score.unwrap_or(0.0), floor);
    if risk > key.max_risk {
        let detail = format!("risk {risk} exceeds {} of key `{}`", key.max_risk, key.key_id);
        return Err(Rejection::forbidden(Reason::KeyRiskCap, detail));
    }
    Ok(())
}

/// Where the proposal that this one supersedes was submitted.
fn superseded(state: &State, proposal: &Proposal) -> Result<Option<LeafIndex>, Rejection> {
    let Some(earlier) = &proposal.supersedes else {
        return Ok(None);
    };
    match state.closed(&Subject::of("proposal", earlier))? {
        Some(Closed { begun, end: End::Ruled(Ruling::NeedMoreEvidence) }) => Ok(Some(begun)),
        None if state.proposal(earlier).is_none() => {
            Err(Rejection::not_found(Reason::ProposalUnknown, format!("there is no proposal `{earlier}` to supersede")))
        }
        _ => {
            let detail = format!("proposal `{earlier}` did not lack evidence; only such a one can be superseded");
            Err(Rejection::conflict(Reason::ContentConflict, detail))
        }
    }
}

pub(super) fn submit(
    state: &State,
    by: &Caller,
    proposal: &Proposal,
    findings: &[Finding],
    authored: Option<&Envelope>,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    let record = authorize(state, by, Scope::ProposalCreate, context.now)?;
    // A signed proposal in which a sensor found a secret is recorded without its envelope, which holds the secret.
    check_credential(record, authored.is_some() || !findings.is_empty() && record.is_public_key())?;
    check_form(proposal)?;
    let mut settled = proposal.clone();
    settled.settle();
    let proposal = &settled;
    // One finding denies; which ones beyond a screenful does not matter. An envelope over what was found would keep it.
    let findings: Vec<Finding> = findings.iter().take(limits::FINDINGS).cloned().collect();
    form::check("the findings", &findings)?;
    let authored = authored.filter(|_| findings.is_empty());
    check_key(&record.key, proposal, context.policy.bundle())?;
    let actor = actor_of(record, Some(&proposal.agent));
    if let Some(begun) = state.submitted(&proposal.proposal_id)? {
        let digest = proposal.action_digest();
        return Err(Rejection::exists(Repeat { begun, kind: actor.kind, id: actor.id, digest }));
    }
    let superseded = superseded(state, proposal)?;

    let actions = gate::effective_actions(proposal);
    let reports = gate::run(&GateInput::new(proposal, &actions, &findings, &actor, context.policy, state.size()));
    let ruling = gate::strictest(&reports);
    let session = SessionId::derive(actor.kind.as_str(), &actor.id, &proposal.agent, &proposal.intent_id);
    let mut causes: Vec<_> = state.intent(&proposal.intent_id)?.into_iter().collect();
    causes.extend(superseded);
    let subject = Subject::of("proposal", &proposal.proposal_id);
    let draft =
        |actor, causes, data| Draft { subject: subject.clone(), actor, session: Some(session.clone()), causes, data };

    let (submitted, decided) = (index_of(state, 0), index_of(state, 1));
    let decision = decision(proposal, &reports, ruling, context);
    let submission = ProposalSubmitted {
        proposal: proposal.clone(),
        findings,
        seed: context.seed.clone(),
        authored: authored.cloned(),
    };
    let judge = ledger_actor(info)?;
    let required = decision.required.clone();
    let mut drafts = vec![
        draft(actor, causes, EventData::ProposalSubmitted(submission)),
        draft(judge.clone(), vec![submitted], EventData::DecisionRecorded(decision)),
    ];
    match (ruling, required) {
        (Ruling::Allow, _) => {
            let basis = Basis { decision: decided, approvals: Vec::new(), actor: judge, session: Some(session) };
            drafts.push(mint::job(state, proposal, context, basis)?);
        }
        (Ruling::RequireHuman, Some(required)) => {
            let preview = gate::preview(proposal, &actions, &reports);
            let challenge = Challenge {
                proposal_id: proposal.proposal_id.clone(),
                nonce: context.seed.nonce("challenge"),
                action_digest: proposal.action_digest(),
                policy_digest: context.policy.bundle_digest(),
                preview_digest: sha256(&proof::canonical::value_to_vec(&preview)),
                expires: context.now.plus_ms(u64::from(context.policy.bundle().approvals.expire_minutes) * 60_000),
            };
            let request = ApprovalRequested { challenge, required, decision: decided };
            drafts.push(draft(judge, vec![decided], EventData::ApprovalRequested(request)));
        }
        (Ruling::RequireHuman | Ruling::NeedMoreEvidence | Ruling::Deny, _) => {}
    }
    Ok(drafts)
}

fn decision(proposal: &Proposal, reports: &[GateReport], ruling: Ruling, context: &Context<'_>) -> DecisionRecorded {
    let mut reasons: Vec<Reason> = Vec::new();
    for reason in reports.iter().flat_map(|r| &r.reasons) {
        if !reasons.contains(reason) {
            reasons.push(*reason);
        }
    }
    let allowed_effects = if ruling == Ruling::Allow { proposal.effects.clone() } else { Effects::new() };
    DecisionRecorded {
        proposal_id: proposal.proposal_id.clone(),
        stage: Stage::Submission,
        engine: ENGINE,
        ruling,
        reasons,
        gates: reports.to_vec(),
        policy: context.policy.bundle_digest(),
        manifest: context.policy.manifest_digest(),
        action_digest: proposal.action_digest(),
        allowed_effects,
        required: (ruling == Ruling::RequireHuman).then(|| gate::required_approvals(proposal, context.policy.bundle())),
        approvals: Vec::new(),
    }
}
