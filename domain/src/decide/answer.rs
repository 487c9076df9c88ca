//! A human answers a challenge.

use super::mint::{self, Basis};
use super::{Context, Draft, actor_of, authorize, check_credential, form, index_of, ledger_actor, ledger_of};
use crate::ENGINE;
use crate::command::{Caller, Rejection};
use crate::effect::Effects;
use crate::event::approval::{Answer, ApprovalAnswered, Strength, Verb};
use crate::event::decision::{DecisionRecorded, Ruling, Stage};
use crate::event::key::Scope;
use crate::event::ledger::Profile;
use crate::event::{Actor, EventData, PrincipalKind, Subject};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::State;
use crate::state::key::KeyRecord;
use crate::state::proposal::{Ask, Open, ProposalState};
use proof::dsse::Envelope;

pub(super) fn answer(
    state: &State,
    by: &Caller,
    answer: &Answer,
    authored: Option<&Envelope>,
    context: &Context<'_>,
) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    let scope = match answer.verb {
        Verb::Grant => Scope::ProposalApprove,
        Verb::Deny => Scope::ProposalDeny,
    };
    let record = authorize(state, by, scope, context.now)?;
    check_credential(record, authored.is_some())?;
    if !matches!(record.key.principal.kind, PrincipalKind::Human | PrincipalKind::Admin) {
        return Err(Rejection::forbidden(
            Reason::ApproverKind,
            "only a human or an admin answers, with a yes or with a no",
        ));
    }
    form::check("the answer", answer)?;
    let (open, ask) = open_question(state, answer, context)?;
    let actor = actor_of(record, None);
    let self_approved = match answer.verb {
        Verb::Grant => {
            check_approver(record, &actor, open, ask, info.genesis.profile, authored.is_some(), context.policy)?
        }
        Verb::Deny => false,
    };

    let subject = Subject::of("proposal", &answer.proposal_id);
    let draft =
        |actor, causes, data| Draft { subject: subject.clone(), actor, session: open.session.clone(), causes, data };
    let answered = ApprovalAnswered {
        answer: answer.clone(),
        strength: if authored.is_some() { Strength::Signed } else { Strength::ApiKey },
        self_approved,
        seed: context.seed.clone(),
        authored: authored.cloned(),
    };
    let (said, decided) = (index_of(state, 0), index_of(state, 1));
    let judge = ledger_actor(info)?;
    let mut grants: Vec<_> = ask.grants.iter().map(|(at, _)| *at).collect();
    match answer.verb {
        Verb::Deny => Ok(vec![
            draft(actor, vec![ask.decision], EventData::ApprovalDenied(answered)),
            draft(
                judge,
                vec![said],
                EventData::DecisionRecorded(final_decision(open, Stage::Approval, Ruling::Deny, Vec::new(), context)),
            ),
        ]),
        Verb::Grant => {
            let mut drafts = vec![draft(actor, vec![ask.decision], EventData::ApprovalGranted(answered))];
            grants.push(said);
            if u32::try_from(grants.len()).is_ok_and(|n| n >= ask.required.count) {
                let decision = final_decision(open, Stage::Approval, Ruling::Allow, grants.clone(), context);
                drafts.push(draft(judge.clone(), grants.clone(), EventData::DecisionRecorded(decision)));
                let basis = Basis { decision: decided, approvals: grants, actor: judge, session: open.session.clone() };
                drafts.push(mint::job(state, &open.proposal, context, basis)?);
            }
            Ok(drafts)
        }
    }
}

/// The question that is open now, if the answer is to it.
fn open_question<'s>(
    state: &'s State,
    answer: &Answer,
    context: &Context<'_>,
) -> Result<(&'s Open, &'s Ask), Rejection> {
    let id = &answer.proposal_id;
    let Some(ProposalState::Waiting(open, ask)) = state.proposal(id).map(|record| &record.state) else {
        return Err(if state.submitted(id)?.is_some() {
            Rejection::conflict(Reason::NotPending, format!("proposal `{id}` is not waiting for a human"))
        } else {
            Rejection::not_found(Reason::ProposalUnknown, format!("there is no proposal `{id}`"))
        });
    };
    if answer.challenge != ask.challenge {
        return Err(Rejection::conflict(Reason::ChallengeMismatch, "the answer is not to the challenge that is open"));
    }
    if ask.challenge.expires <= context.now {
        let detail = format!("the challenge expired at {}", ask.challenge.expires);
        return Err(Rejection::conflict(Reason::ChallengeExpired, detail));
    }
    Ok((open, ask))
}

/// Whether this principal may say yes; `true` when it is the proposer and the ledger is lenient enough.
fn check_approver(
    record: &KeyRecord,
    actor: &Actor,
    open: &Open,
    ask: &Ask,
    profile: Profile,
    signed: bool,
    policy: &Policy,
) -> Result<bool, Rejection> {
    let ruled_under = (Some(ask.challenge.policy_digest), open.manifest);
    if ruled_under != (Some(policy.bundle_digest()), Some(policy.manifest_digest())) {
        let detail = "the policy or the tool manifest changed since the decision; submit the proposal again";
        return Err(Rejection::conflict(Reason::PolicyChanged, detail));
    }
    if ask.required.signed && !signed {
        return Err(Rejection::forbidden(
            Reason::SignedApprovalRequired,
            "policy wants this approval signed with the approver's own key",
        ));
    }
    // An irreversible act of a `prod` ledger takes a yes that nobody but its author could have made.
    let declared = open.proposal.reversibility_class.as_deref();
    let reversible = matches!(declared, Some("REVERSIBLE" | "PARTIALLY_REVERSIBLE"));
    if profile == Profile::Prod && !reversible && !(signed && record.enrolled_by_root) {
        return Err(Rejection::forbidden(
            Reason::SignedApprovalRequired,
            "in a `prod` ledger an irreversible act is approved with a key that root enrolled",
        ));
    }
    // A person may hold keys of several kinds: the name alone says who they are.
    if ask.grants.iter().any(|(_, earlier)| earlier.id == actor.id) {
        return Err(Rejection::conflict(Reason::AlreadyAnswered, "this approver said yes already"));
    }
    let proposer = open.actor.id == actor.id
        || open.actor.on_behalf_of.as_ref().is_some_and(|agent| agent.as_str() == actor.id.as_str());
    if !proposer {
        return Ok(false);
    }
    if profile == Profile::Dev && actor.kind == PrincipalKind::Admin {
        return Ok(true);
    }
    Err(Rejection::forbidden(Reason::SelfApproval, "nobody approves what they proposed"))
}

/// The decision that ends a proposal which a human had to see.
pub(super) fn final_decision(
    open: &Open,
    stage: Stage,
    ruling: Ruling,
    approvals: Vec<proof::index::LeafIndex>,
    context: &Context<'_>,
) -> DecisionRecorded {
    let reason = match (stage, ruling) {
        (Stage::Expiry, _) => Reason::ApprovalExpired,
        (_, Ruling::Allow) => Reason::HumanApproved,
        _ => Reason::HumanDenied,
    };
    let proposal = &open.proposal;
    DecisionRecorded {
        proposal_id: proposal.proposal_id.clone(),
        stage,
        engine: ENGINE,
        ruling,
        reasons: vec![reason],
        gates: Vec::new(),
        policy: context.policy.bundle_digest(),
        manifest: context.policy.manifest_digest(),
        action_digest: proposal.action_digest(),
        allowed_effects: if ruling == Ruling::Allow { proposal.effects.clone() } else { Effects::new() },
        required: None,
        approvals,
    }
}
