//! The laws, as a model of their own: after every group the whole log is looked through for what must never stand in
//! it. The property tests and every other test run it; the tests below show each law at work once.

use crate::material::{default_bundle, effects, patch, plain, publish, read};
use crate::world::{Group, World, decision, minted, types};
use domain::command::{Caller, Command};
use domain::effect::Effect;
use domain::event::approval::{ApprovalAnswered, Verb};
use domain::event::decision::{DecisionRecorded, Ruling, Stage};
use domain::event::job::JobCreated;
use domain::event::ledger::Profile;
use domain::event::proposal::Proposal;
use domain::event::{Actor, Event, EventData, PrincipalKind};
use domain::gate;
use domain::reason::Reason;
use domain::replay::Recorded;
use proof::index::LeafIndex;
use serde_json::json;

/// Checks a new group against everything before it.
pub(crate) fn hold_in(earlier: &[Group], group: &[Recorded]) {
    let log = Log { earlier, group };
    for recorded in group {
        match &recorded.event.data {
            EventData::DecisionRecorded(ruled) => log.check_decision(ruled),
            EventData::ApprovalGranted(yes) => log.check_yes(&recorded.event.header.actor, yes),
            EventData::JobCreated(created) => log.check_mint(created),
            _ => {}
        }
    }
}

struct Log<'a> {
    earlier: &'a [Group],
    group: &'a [Recorded],
}

impl Log<'_> {
    fn all(&self) -> impl Iterator<Item = &Event> {
        self.earlier.iter().flat_map(|g| &g.events).chain(self.group).map(|recorded| &recorded.event)
    }

    fn at(&self, seq: LeafIndex) -> &Event {
        self.all().find(|event| event.header.seq == seq).expect("what is named is in the log")
    }

    fn submission(&self, id: &str) -> (&Actor, &Proposal, bool) {
        let found = self.all().find_map(|event| match &event.data {
            EventData::ProposalSubmitted(e) if e.proposal.proposal_id.as_str() == id => {
                Some((&event.header.actor, &e.proposal, !e.findings.is_empty()))
            }
            _ => None,
        });
        found.expect("the proposal is in the log")
    }

    fn profile(&self) -> Profile {
        let genesis = self.all().find_map(|event| match &event.data {
            EventData::LedgerCreated(e) => Some(e.genesis.profile),
            _ => None,
        });
        genesis.expect("there is a genesis")
    }

    /// Ambiguity resolves to denial, and the strictest gate wins.
    fn check_decision(&self, ruled: &DecisionRecorded) {
        let (_, proposal, leaked) = self.submission(ruled.proposal_id.as_str());
        assert!(!ruled.reasons.is_empty() || ruled.ruling == Ruling::Allow, "every refusal names a reason");
        assert_eq!(ruled.action_digest, proposal.action_digest());
        if ruled.stage != Stage::Submission {
            assert!(ruled.ruling == Ruling::Deny || !ruled.approvals.is_empty(), "silence never allows");
            return;
        }
        assert_eq!(ruled.ruling, ruled.gates.iter().map(|g| g.ruling).max().unwrap());
        for reason in ruled.gates.iter().flat_map(|g| &g.reasons) {
            assert!(ruled.reasons.contains(reason), "the trace shows all that was wrong");
        }
        let secrets = proposal.effects.contains(&Effect::new(Effect::READ_SECRETS).unwrap());
        let odd_class = proposal
            .reversibility_class
            .as_deref()
            .is_some_and(|class| !["REVERSIBLE", "PARTIALLY_REVERSIBLE", "IRREVERSIBLE"].contains(&class));
        if secrets || leaked || odd_class || proposal.effects.is_empty() || gate::effective_envelope(proposal).is_err()
        {
            assert_eq!(ruled.ruling, Ruling::Deny, "{proposal:?}");
        }
        if proposal.reversibility_class.as_deref() == Some("IRREVERSIBLE") {
            assert_ne!(ruled.ruling, Ruling::Allow, "an irreversible act needs a human, always");
        }
    }

    /// Only people approve, and nobody what they proposed.
    fn check_yes(&self, approver: &Actor, yes: &ApprovalAnswered) {
        assert!(matches!(approver.kind, PrincipalKind::Human | PrincipalKind::Admin), "{approver:?}");
        assert_eq!(yes.authored.is_some(), approver.key_id.as_str().starts_with("ed25519:"));
        let (proposer, ..) = self.submission(yes.answer.proposal_id.as_str());
        let own = proposer.id == approver.id
            || proposer.on_behalf_of.as_ref().is_some_and(|agent| agent.as_str() == approver.id.as_str());
        assert_eq!(yes.self_approved, own);
        if own {
            assert_eq!((self.profile(), approver.kind), (Profile::Dev, PrincipalKind::Admin));
        }
    }

    /// No decision, no job; what is approved is what is minted, byte for byte.
    fn check_mint(&self, created: &JobCreated) {
        let job = &created.job;
        let EventData::DecisionRecorded(ruled) = &self.at(created.decision).data else {
            panic!("job {} names an event that is no decision", job.job_id)
        };
        assert_eq!((ruled.ruling, &ruled.proposal_id), (Ruling::Allow, &job.proposal_id));
        assert_eq!(ruled.approvals, created.approvals);
        let jobs =
            self.all().filter(|e| matches!(&e.data, EventData::JobCreated(j) if j.job.proposal_id == job.proposal_id));
        assert_eq!(jobs.count(), 1, "one proposal, one job");

        let (_, proposal, _) = self.submission(job.proposal_id.as_str());
        assert_eq!(job.actions, gate::effective_actions(proposal));
        assert_eq!(job.action_digest, proposal.action_digest());
        assert_eq!(job.action_digest, ruled.action_digest);
        assert_eq!(job.effects, proposal.effects);
        assert_eq!((job.policy, job.manifest), (ruled.policy, ruled.manifest));
        assert_eq!(job.envelope_hash, job.deployment_envelope.hash());

        let mut people = Vec::new();
        for yes in &created.approvals {
            let event = self.at(*yes);
            let EventData::ApprovalGranted(granted) = &event.data else { panic!("{yes} is no approval") };
            assert_eq!(granted.answer.challenge.action_digest, job.action_digest);
            assert!(!people.contains(&&event.header.actor.id), "each person counts once");
            people.push(&event.header.actor.id);
        }
        if job.reversibility_class.as_deref() == Some("IRREVERSIBLE") {
            assert!(!people.is_empty() && job.human_approved, "an irreversible act needs a human, always");
        }
    }
}

#[test]
fn without_a_decision_there_is_no_job() {
    let mut world = World::dev();
    for (proposal, jobs) in
        [(read("p-allow"), 1), (plain("p-deny", "Casey", &["READ_SECRETS"]), 0), (publish("p-human"), 0)]
    {
        let key = if proposal.agent.as_str() == "Casey" { "key_casey" } else { "key_jordan" };
        let group = world.propose(key, proposal).unwrap();
        assert_eq!(minted(&group).into_iter().count(), jobs);
    }
    assert_eq!(world.lease().unwrap().len(), 1);
    assert_eq!(world.lease().unwrap_err().reason, Reason::NoJob, "a proposal that waits gives no work");
}

#[test]
fn secrets_are_denied_to_everyone_under_any_policy() {
    let lenient = || {
        World::with(|bundle| {
            let secrets = Effect::new(Effect::READ_SECRETS).unwrap();
            let rule = bundle.effects.get_mut(&secrets).unwrap();
            (rule.forbidden, rule.risk_floor) = (false, 0.0);
            for agent in &mut bundle.agents {
                agent.max_risk = 1.0;
                agent.allowed_effects.insert(secrets.clone());
            }
        })
    };
    for make in [World::dev, World::prod, lenient] {
        let mut world = make();
        for (key, agent) in
            [("key_casey", "Casey"), ("key_ops", "Human"), ("key_lee", "Human"), ("key_jordan", "Jordan")]
        {
            let name = format!("p-{key}");
            let group = world.propose(key, plain(&name, agent, &["READ_SECRETS"])).unwrap();
            assert_eq!(decision(&group).ruling, Ruling::Deny, "{key}");
            assert!(decision(&group).reasons.contains(&Reason::ForbiddenEffect));
        }
    }
    // A bundle that does not list it at all makes it no better.
    let mut world = World::with(|bundle| {
        bundle.effects.remove(Effect::READ_SECRETS);
    });
    let group = world.propose("key_ops", plain("p", "Human", &["READ_SECRETS"])).unwrap();
    assert_eq!(decision(&group).reasons[..2], [Reason::ForbiddenEffect, Reason::UnknownEffect]);
}

#[test]
fn a_policy_cannot_wave_an_irreversible_act_through() {
    let mut world = World::with(|bundle| {
        bundle.effects.values_mut().for_each(|rule| {
            rule.human_only = false;
            rule.risk_floor = 0.0;
        });
        bundle.risk_irreversible = 0.0;
        bundle.agents.iter_mut().for_each(|agent| agent.max_risk = 1.0);
    });
    let mut silent = plain("p-1", "Jordan", &["BUILD_ARTIFACT"]);
    silent.reversibility_class = Some("IRREVERSIBLE".into());
    let group = world.propose("key_jordan", silent).unwrap();
    assert_eq!(
        (decision(&group).ruling, &decision(&group).reasons[..]),
        (Ruling::RequireHuman, &[Reason::Irreversible][..])
    );

    let mut reads = read("p-2");
    reads.reversibility_class = Some("IRREVERSIBLE".into());
    let group = world.propose("key_casey", reads).unwrap();
    assert_eq!(decision(&group).ruling, Ruling::RequireHuman, "also when the effects change nothing");
}

#[test]
fn ambiguity_is_recorded_and_denied() {
    let mut world = World::dev();
    let unknown = plain("p-unknown", "Casey", &["READ_REPO", "TELEPORT"]);
    let empty = plain("p-empty", "Casey", &[]);
    let mut class = read("p-class");
    class.reversibility_class = Some("MOSTLY".into());
    let mut envelope = read("p-envelope");
    envelope.deployment_envelope = Some(json!({"model_id": ""}));
    for (proposal, reason) in [
        (unknown, Reason::UnknownEffect),
        (empty, Reason::NoEffects),
        (class, Reason::ReversibilityUnknown),
        (envelope, Reason::EnvelopeInvalid),
    ] {
        let group = world.propose("key_casey", proposal).unwrap();
        assert_eq!(types(&group), ["proposal.submitted", "decision.recorded"]);
        assert_eq!(decision(&group).ruling, Ruling::Deny);
        assert!(decision(&group).reasons.contains(&reason), "{reason}");
        assert!(decision(&group).allowed_effects.is_empty());
    }
}

#[test]
fn what_is_approved_is_what_is_minted() {
    let mut world = World::dev();
    let mut proposal = publish("p-1");
    proposal.deployment_envelope = Some(json!({
        "model_id": "llama", "weights_hash": "b".repeat(64),
        "autonomy_budget": {"max_write_scope": "staging", "max_runtime_seconds": 45},
    }));
    proposal.cleanup_cost = Some("MEDIUM".into());
    world.propose("key_jordan", proposal.clone()).unwrap();
    let group = world.says("key_lee", Verb::Grant, "p-1").unwrap();
    let job = minted(&group).unwrap();
    assert_eq!(job.actions, proposal.actions);
    assert_eq!(job.action_digest, proposal.action_digest());
    assert_eq!(job.deployment_envelope.model_id, "llama", "not the default envelope");
    assert_eq!((job.timeout_ms, job.attempts_max, job.human_approved), (45_000, 1, true));
    assert_eq!((job.cleanup_cost.as_deref(), job.rollback_proof.as_ref()), (Some("MEDIUM"), None));
}

#[test]
fn a_proposal_without_actions_mints_echo() {
    let mut world = World::dev();
    let group = world.propose("key_casey", plain("p/1", "Casey", &["READ_REPO"])).unwrap();
    let job = minted(&group).unwrap();
    assert_eq!(job.actions.len(), 1);
    assert_eq!(
        (job.actions[0].tool.as_str(), &job.actions[0].inputs["message"]),
        ("echo", &json!("[Casey] as agreed"))
    );
    assert_eq!(job.effects, effects(&["READ_REPO"]));
}

#[test]
fn an_agents_intent_or_proposal_is_recorded_as_its_own() {
    let mut world = World::dev();
    let group = world.propose("key_ops", patch("p-1")).unwrap();
    let actor = &group[0].event.header.actor;
    assert_eq!((actor.kind, actor.id.as_str()), (PrincipalKind::Admin, "ops"));
    assert_eq!(actor.on_behalf_of.as_ref().map(domain::id::AgentName::as_str), Some("Casey"));
    let group = world.propose_signed(read("p-2")).unwrap();
    assert_eq!(group[0].event.header.actor.on_behalf_of, None);
    assert_eq!(group[1].event.header.actor.kind, PrincipalKind::Ledger, "the ruling is the ledger's");
}

#[test]
fn nothing_happens_before_the_genesis() {
    let mut world = World::empty(default_bundle());
    let command = Command::SubmitProposal {
        by: Caller::anonymous(),
        proposal: Box::new(read("p-1")),
        findings: Vec::new(),
        authored: None,
    };
    assert_eq!(world.run(command).unwrap_err().reason, Reason::Malformed);
}
