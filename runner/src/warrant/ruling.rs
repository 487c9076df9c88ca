//! That the first decision is the one that governance makes: the runner runs every gate itself.

use super::Refusal;
use super::approvals::key_of;
use super::story::Story;
use domain::authored::{StatementKind, check};
use domain::event::decision::{DecisionRecorded, Ruling};
use domain::event::key::Credential;
use domain::gate::{self, GateInput};
use domain::id::ProposalId;
use domain::policy::Policy;
use proof::index::TreeSize;

/// Decides the proposal again, under the same policy, and compares.
pub(super) fn rederive(
    story: &Story,
    id: &ProposalId,
    asked: &DecisionRecorded,
    policy: &Policy,
) -> Result<(), Refusal> {
    let refuse = |detail: String| Refusal::new("ruling_rederived", detail);
    let (event, submission) = story.submission(id)?;
    let (proposal, actor) = (&submission.proposal, &event.header.actor);
    let (key, _) = key_of(story, actor).ok_or_else(|| refuse("the proposer's key is missing".into()))?;
    match (&key.credential, &submission.authored) {
        (Credential::Ed25519(public), Some(authored)) => {
            check(authored, public, StatementKind::Proposal, story.origin(), proposal)
                .map_err(|e| refuse(e.to_string()))?;
        }
        (Credential::Api(_), None) => {}
        _ => return Err(refuse("the proposal is not signed as its proposer's key asks".into())),
    }
    if policy.manifest_digest() != asked.manifest {
        let (theirs, ours) = (asked.manifest, policy.manifest_digest());
        return Err(Refusal::new(
            "manifest",
            format!("it was decided under manifest {theirs}, this runner has {ours}"),
        ));
    }
    if policy.bundle_digest() != asked.policy {
        return Err(refuse(format!(
            "it was decided under policy {}, known is {}",
            asked.policy,
            policy.bundle_digest()
        )));
    }
    let actions = gate::effective_actions(proposal);
    let size = TreeSize::new(event.header.seq.get());
    let reports = gate::run(&GateInput::new(proposal, &actions, &submission.findings, actor, policy, size));
    let ruling = gate::strictest(&reports);
    if ruling != asked.ruling || reports != asked.gates {
        let (theirs, ours) = (asked.ruling.as_str(), ruling.as_str());
        return Err(refuse(format!("the decision says {theirs}, the gates say {ours} or give other reasons")));
    }
    let required = (ruling == Ruling::RequireHuman).then(|| gate::required_approvals(proposal, policy.bundle()));
    if required == asked.required {
        Ok(())
    } else {
        Err(refuse("other approvals are demanded than policy asks for".into()))
    }
}
