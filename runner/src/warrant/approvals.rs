//! That the people who said yes could, and said it to this.

use super::Refusal;
use super::story::Story;
use domain::authored::StatementKind;
use domain::event::approval::{ApprovalAnswered, Strength, Verb};
use domain::event::decision::{DecisionRecorded, Ruling, Stage};
use domain::event::job::JobCreated;
use domain::event::key::{Credential, NewKey, Scope};
use domain::event::ledger::Profile;
use domain::event::proposal::Proposal;
use domain::event::{Actor, Event, EventData, PrincipalKind};
use domain::policy::Policy;
use proof::index::LeafIndex;

/// A person may hold keys of several kinds: the name alone says who they are.
fn all_distinct(actors: &[&Actor]) -> bool {
    actors.iter().enumerate().all(|(i, actor)| actors.iter().skip(i + 1).all(|other| actor.id != other.id))
}

/// Checks the approvals that a job rests on against what its first decision demanded.
pub(super) fn check(
    story: &Story,
    created: &JobCreated,
    decision: &DecisionRecorded,
    proposal: &Proposal,
    policy: &Policy,
) -> Result<(), Refusal> {
    let refuse = |detail: String| Refusal::new("approvals", detail);
    if created.approvals != decision.approvals || created.job.human_approved == created.approvals.is_empty() {
        return Err(refuse("the job and its decision name different approvals".into()));
    }
    // A decision at submission allows by itself only what no gate sends to a human.
    let asked = story.events().find_map(|(_, event)| match &event.data {
        EventData::DecisionRecorded(e) if e.stage == Stage::Submission && e.proposal_id == proposal.proposal_id => {
            Some(e)
        }
        _ => None,
    });
    let asked = asked.ok_or_else(|| refuse("the first decision is missing".into()))?;
    super::ruling::rederive(story, &proposal.proposal_id, asked, policy)?;
    match (&asked.required, decision.stage) {
        (None, Stage::Submission) if asked.ruling == Ruling::Allow && created.approvals.is_empty() => {
            return Ok(());
        }
        (Some(_), Stage::Approval) if asked.ruling == Ruling::RequireHuman => {}
        _ => return Err(refuse("the decisions do not follow from each other".into())),
    }
    let required = asked.required.clone().ok_or_else(|| refuse("nothing was demanded".into()))?;
    let mut actors = Vec::new();
    for index in &created.approvals {
        let event = story.at(*index)?;
        let EventData::ApprovalGranted(answered) = &event.data else {
            return Err(refuse(format!("event {index} is not a yes")));
        };
        granted(story, *index, event, answered, created, required.signed)?;
        actors.push(&event.header.actor);
    }
    let enough = u32::try_from(actors.len()).is_ok_and(|n| n >= required.count);
    if !enough || !all_distinct(&actors) {
        return Err(refuse(format!("{} yeses, expected {} from distinct people", actors.len(), required.count)));
    }
    Ok(())
}

fn granted(
    story: &Story,
    index: LeafIndex,
    event: &Event,
    answered: &ApprovalAnswered,
    created: &JobCreated,
    must_be_signed: bool,
) -> Result<(), Refusal> {
    let refuse = |detail: String| Refusal::new("approvals", format!("event {index}: {detail}"));
    let challenge = &answered.answer.challenge;
    let job = &created.job;
    if answered.answer.verb != Verb::Grant
        || challenge.proposal_id != job.proposal_id
        || challenge.action_digest != job.action_digest
        || challenge.policy_digest != job.policy
        || challenge.expires <= event.header.time
    {
        return Err(refuse("the yes is to something else, or too late".into()));
    }
    let actor = &event.header.actor;
    if !matches!(actor.kind, PrincipalKind::Human | PrincipalKind::Admin) {
        return Err(refuse("only a human or an admin can approve".into()));
    }
    let (key, by_root) = key_of(story, actor).ok_or_else(|| refuse("the approver's key is missing".into()))?;
    let usable =
        key.scopes.contains(&Scope::ProposalApprove) && key.expires.is_none_or(|expires| event.header.time < expires);
    if !usable {
        return Err(refuse("the approver's key lacks the scope `proposal:approve`, or had expired".into()));
    }
    match (&key.credential, &answered.authored) {
        (Credential::Ed25519(public), Some(authored)) => {
            domain::authored::check(authored, public, StatementKind::Answer, story.origin(), &answered.answer)
                .map_err(|e| refuse(e.to_string()))?;
        }
        (Credential::Api(_), None) if answered.strength == Strength::ApiKey && !must_be_signed => {}
        _ => return Err(refuse("the yes is not signed as it should be".into())),
    }
    let (submitted, _) = story.submission(&job.proposal_id)?;
    let proposed_for = submitted.header.actor.on_behalf_of.as_ref();
    let proposer =
        submitted.header.actor.id == actor.id || proposed_for.is_some_and(|agent| agent.as_str() == actor.id.as_str());
    let lenient = story.profile() == Profile::Dev && actor.kind == PrincipalKind::Admin && answered.self_approved;
    if proposer && !lenient {
        return Err(refuse("nobody approves what they proposed".into()));
    }
    let reversible = matches!(job.reversibility_class.as_deref(), Some("REVERSIBLE" | "PARTIALLY_REVERSIBLE"));
    if story.profile() == Profile::Prod && !reversible && !(by_root && answered.authored.is_some()) {
        return Err(refuse("an irreversible act needs a yes with a key that root enrolled".into()));
    }
    Ok(())
}

/// The actor's key as the log has it, and whether root enrolled it.
pub(super) fn key_of<'s>(story: &'s Story, actor: &Actor) -> Option<(&'s NewKey, bool)> {
    let of_genesis = story.genesis().genesis.keys.iter().find(|key| key.key_id == actor.key_id).map(|key| (key, true));
    let created = || {
        story.events().find_map(|(_, event)| match &event.data {
            EventData::KeyCreated(e) if e.key.key_id == actor.key_id => {
                let by_root = e.authored.as_ref().is_some_and(|authored| check_root(story, authored, &e.key));
                // A public key that root did not enrol is no key at all.
                let usable = by_root || matches!(e.key.credential, Credential::Api(_));
                usable.then_some((&e.key, by_root))
            }
            _ => None,
        })
    };
    of_genesis.or_else(created).filter(|(key, _)| key.principal.kind == actor.kind && key.principal.id == actor.id)
}

fn check_root(story: &Story, authored: &proof::dsse::Envelope, key: &NewKey) -> bool {
    domain::authored::check(authored, story.root(), StatementKind::Key, story.origin(), key).is_ok()
}
