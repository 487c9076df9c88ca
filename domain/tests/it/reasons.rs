//! Every reason is given by somebody: for each one that the domain gives there is a way to provoke it here, and the
//! rest stand in a list of what is said elsewhere.

use crate::material::{action, api_key, default_bundle, id, patch, plain, publish, read, report, secret};
use crate::world::{World, by, decision, leased, minted};
use domain::command::{Caller, Command, KeyChange, Rejection};
use domain::content::{Content, Text};
use domain::decide::Sealed;
use domain::event::PrincipalKind;
use domain::event::approval::Verb;
use domain::event::intent::Intent;
use domain::event::key::{NewKey, Scope};
use domain::event::proposal::{Claim, Finding, Proposal};
use domain::event::result::{JobResult, ResultStatus};
use domain::reason::Reason;
use domain::state::closed::{Archive, Closed, ClosedKey, Unreadable};
use serde_json::json;

/// Stands in `job.rejected` only: it refuses no command and is in no decision.
const IN_ENDINGS_ONLY: [Reason; 1] = [Reason::WarrantRefused];

type Outcome = Result<Vec<Sealed>, Rejection>;

fn given(outcome: &Outcome) -> Vec<Reason> {
    match outcome {
        Ok(group) => decision(group).reasons.clone(),
        Err(no) => vec![no.reason],
    }
}

fn casey(change: fn(&mut Proposal)) -> Outcome {
    let mut proposal = patch("p");
    change(&mut proposal);
    World::dev().propose("key_casey", proposal)
}

fn lee(name: &str, tags: &[&str]) -> Outcome {
    World::dev().propose("key_lee", plain(name, "Human", tags))
}

/// An archive on a disk that fails.
#[derive(Debug)]
struct Broken;

impl Archive for Broken {
    fn find(&self, _: &ClosedKey) -> Result<Option<Closed>, Unreadable> {
        Err(Unreadable("input/output error".into()))
    }
}

fn asked() -> World {
    let mut world = World::dev();
    world.propose("key_jordan", publish("p")).unwrap();
    world
}

fn working() -> (World, JobResult) {
    let mut world = World::dev();
    let job = minted(&world.propose("key_casey", patch("p")).unwrap()).unwrap().clone();
    let (at, _) = leased(&world.lease().unwrap());
    (world, report(&job, Some(at), 1, ResultStatus::Completed))
}

fn reported(world: &mut World, result: JobResult) -> Outcome {
    let authored = Some(world.signed(domain::authored::StatementKind::Result, &result, &world.runner));
    world.run(Command::RecordResult { by: crate::world::by_signature(&world.runner), result, authored })
}

fn changed(key: &str, change: KeyChange) -> Outcome {
    World::dev().run(Command::ChangeKey { by: by("key_ops"), key_id: id(key), change })
}

/// What the gates say of a proposal.
fn ruled(reason: Reason) -> Outcome {
    use Reason as R;
    match reason {
        R::ForbiddenEffect => lee("p", &["READ_SECRETS"]),
        R::UnknownEffect => lee("p", &["OTHER"]),
        R::NoEffects => lee("p", &[]),
        R::HumanOnlyEffect => lee("p", &["DEPLOY"]),
        R::ToolNotInManifest => casey(|p| p.actions[0].tool = id("rm")),
        R::ToolInputInvalid => casey(|p| p.actions[0].inputs.clear()),
        R::EffectUndeclared => casey(|p| p.actions = vec![action("run_tests", &[])]),
        R::SecretInCommand => {
            let finding = Finding { place: "/summary".into(), kind: "jwt".into() };
            World::dev().propose_with("key_casey", read("p"), vec![finding])
        }
        R::EvidenceMissing => casey(|p| p.truth_account.observations.clear()),
        R::EvidenceKindMissing => {
            let world =
                World::with(|b| b.effects.get_mut("WRITE_PATCH").unwrap().evidence = ["diff".to_owned()].into());
            world.clone().propose("key_casey", patch("p"))
        }
        R::ClaimConfidenceInvalid => casey(|p| {
            p.truth_account.claims = vec![Claim { confidence: None, claim: Content::Inline(json!("so")) }];
        }),
        R::CitedEventMissing => casey(|p| p.truth_account.observations[0].cites = vec![1_000]),
        R::EffectOutOfScope => lee("p", &["COMPUTE"]),
        R::AgentKeyMismatch => casey(|p| p.agent = id("Jordan")),
        R::RiskAboveAgentMax => casey(|p| p.risk_score = Some(0.7)),
        R::ToolRequiresHuman => World::dev().propose("key_jordan", publish("p")),
        R::ReversibilityUndeclared => casey(|p| p.reversibility_class = None),
        R::ReversibilityUnknown => casey(|p| p.reversibility_class = Some("YES".into())),
        R::RollbackProofMissing => casey(|p| p.rollback_proof = None),
        R::Irreversible => casey(|p| p.reversibility_class = Some("IRREVERSIBLE".into())),
        R::ExecutionModeUnknown => casey(|p| p.execution_mode = Some("yolo".into())),
        R::ModeUnsupported => casey(|p| p.execution_mode = Some("preview".into())),
        R::EnvelopeInvalid => casey(|p| p.deployment_envelope = Some(json!({}))),
        R::WriteScopeExceeded => {
            World::dev().propose("key_jordan", Proposal { deployment_envelope: None, ..publish("p") })
        }
        R::RuntimeExceeded => casey(|p| {
            p.deployment_envelope = Some(json!({"model_id": "m", "autonomy_budget": {"max_steps": 1}}));
            p.cleanup_cost = Some("HIGH".into());
        }),
        R::HumanApproved => asked().says("key_lee", Verb::Grant, "p"),
        R::HumanDenied => asked().says("key_lee", Verb::Deny, "p"),
        R::ApprovalExpired => {
            let mut world = asked();
            world.pass_minutes(61);
            world.run(Command::ExpireApproval { proposal_id: id("p") })
        }
        other => panic!("no gate gives {other}"),
    }
}

/// Refusals that concern keys and signatures.
fn key_refusal(reason: Reason) -> Outcome {
    use Reason as R;
    let mut world = World::dev();
    let key = |change: fn(&mut NewKey)| {
        let mut key = api_key("key_x", PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]);
        change(&mut key);
        key
    };
    match reason {
        R::KeyRequired => {
            let (proposal, findings) = (Box::new(read("p")), Vec::new());
            world.run(Command::SubmitProposal { by: Caller::anonymous(), proposal, findings, authored: None })
        }
        R::KeyUnknown => world.propose("key_nobody", read("p")),
        R::KeyDisabled => changed("key_ops", KeyChange::Disable),
        R::KeyExpired => {
            world.enrol(NewKey { expires: Some(world.now), ..key(|_| {}) }).unwrap();
            world.propose("key_x", read("p"))
        }
        R::ScopeMissing => world.propose("key_max", read("p")),
        R::KeyEffectScope => {
            world.enrol(key(|key| key.effect_scopes = Some(domain::effect::Effects::new()))).unwrap();
            world.propose("key_x", read("p"))
        }
        R::KeyRiskCap => {
            world.enrol(key(|key| key.max_risk = 0.0)).unwrap();
            world.propose("key_x", read("p"))
        }
        R::RootRequired => {
            let key = crate::material::public_key(&secret(50), PrincipalKind::Human, "ann", &[]);
            world.run(Command::CreateKey { by: by("key_ops"), key, authored: None })
        }
        R::SignatureInvalid => {
            let (sam, answer) = (secret(7), asked().answer_to("p", Verb::Grant));
            let mut world = asked();
            let authored = Some(world.signed(domain::authored::StatementKind::Answer, &answer, &sam));
            world.run(Command::AnswerApproval { by: crate::world::by_signature(&world.sam), answer, authored })
        }
        R::StatementMismatch => {
            let (key, request) = (world.runner.clone(), world.request("runner-1"));
            let authored = world.signed(domain::authored::StatementKind::Result, &request, &key);
            let seen = world.state.size();
            world.run(Command::LeaseJob { request, key_id: key.public().key_id(), seen, authored })
        }
        other => panic!("{other} is not about keys"),
    }
}

/// Refusals of answers.
fn answer_refusal(reason: Reason) -> Outcome {
    use Reason as R;
    let mut world = asked();
    match reason {
        R::ProposalUnknown | R::NotPending | R::ChallengeMismatch => {
            world.propose("key_casey", read("done")).unwrap();
            let mut answer = world.answer_to("p", Verb::Grant);
            match reason {
                R::ProposalUnknown => answer.proposal_id = id("p-9"),
                R::NotPending => answer.proposal_id = id("done"),
                _ => answer.challenge.nonce.clear(),
            }
            world.answer("key_lee", answer)
        }
        R::AlreadyAnswered => {
            let mut world = World::with(|bundle| bundle.approvals.required = 2);
            world.propose("key_jordan", publish("p")).unwrap();
            world.says("key_lee", Verb::Grant, "p").unwrap();
            world.says("key_lee", Verb::Grant, "p")
        }
        R::ChallengeExpired => {
            world.pass_minutes(61);
            world.says("key_lee", Verb::Grant, "p")
        }
        R::SelfApproval => {
            world.propose("key_lee", plain("q", "Human", &["DEPLOY"])).unwrap();
            world.says("key_lee", Verb::Grant, "q")
        }
        R::ApproverKind => world.says("key_casey", Verb::Deny, "p"),
        R::SignedApprovalRequired => {
            let mut world = World::prod();
            world.propose("key_jordan", publish("p")).unwrap();
            world.says("key_lee", Verb::Grant, "p")
        }
        R::PolicyChanged => {
            let mut other = default_bundle();
            other.name = "other".into();
            world.policy = domain::policy::Policy::new(other, crate::material::manifest());
            world.says("key_lee", Verb::Grant, "p")
        }
        R::NotDue => world.run(Command::ExpireApproval { proposal_id: id("p") }),
        other => panic!("{other} is not about answers"),
    }
}

/// Refusals of leases, results and the rest.
fn work_refusal(reason: Reason) -> Outcome {
    use Reason as R;
    let (mut world, result) = working();
    let job = result.job_id.clone();
    match reason {
        R::ClockDiffers => {
            let time = world.now.plus_ms(3_600_000);
            world.run(Command::ConfirmClock { by: by("key_ops"), time })
        }
        R::IndexUnreadable => {
            world.state.archived(std::sync::Arc::new(Broken));
            world.propose("key_casey", read("q"))
        }
        R::Malformed => world.propose("key_casey", Proposal { risk_score: Some(7.0), ..read("q") }),
        R::ContentConflict => {
            let intent = |goal: &str| Intent {
                intent_id: id("i"),
                from: None,
                mode: None,
                goal: Text::Inline(goal.into()),
                constraints: None,
            };
            let state = |intent| Command::CreateIntent { by: Caller::anonymous(), intent, authored: None };
            world.run(state(intent("this"))).unwrap();
            world.run(state(intent("that")))
        }
        R::AlreadyExists => world.propose("key_casey", patch("p")),
        R::JobUnknown => reported(&mut world, JobResult { job_id: id("job-9"), ..result }),
        R::JobNotOpen => {
            reported(&mut world, result.clone()).unwrap();
            reported(&mut world, result)
        }
        R::NoJob => world.lease(),
        R::RunnerUnknown => {
            world.register("runner-9", &secret(61)).and_then(|_| world.lease_as(&secret(62), world.request("runner-9")))
        }
        R::LeaseForeign => reported(&mut world, JobResult { attempt: 9, ..result }),
        R::LeaseExpired => {
            world.pass_minutes(61);
            reported(&mut world, result)
        }
        R::LeaseReplayed => world.lease_at(proof::index::TreeSize::new(1), &secret(4), world.request("runner-1")),
        R::LeaseOpen => world.run(Command::ExpireLease { job_id: job }),
        R::WarrantRequired => world.run(Command::RecordResult { by: by("key_legacy"), result, authored: None }),
        R::ArtifactsMissing => reported(&mut world, JobResult { artifacts: Vec::new(), ..result }),
        R::BlobUnknown => {
            let (by, sha256) = (by("key_ops"), world.policy.bundle_digest());
            world.run(Command::EraseBlob { by, sha256, why: "no".into() })
        }
        other => panic!("{other} is not about work"),
    }
}

fn provoked(reason: Reason) -> Outcome {
    use Reason as R;
    match reason {
        R::ForbiddenEffect
        | R::UnknownEffect
        | R::NoEffects
        | R::ToolNotInManifest
        | R::ToolInputInvalid
        | R::EffectUndeclared
        | R::SecretInCommand
        | R::EvidenceMissing
        | R::EvidenceKindMissing
        | R::ClaimConfidenceInvalid
        | R::CitedEventMissing
        | R::EffectOutOfScope
        | R::AgentKeyMismatch
        | R::RiskAboveAgentMax
        | R::HumanOnlyEffect
        | R::ToolRequiresHuman
        | R::ReversibilityUndeclared
        | R::ReversibilityUnknown
        | R::RollbackProofMissing
        | R::Irreversible
        | R::ExecutionModeUnknown
        | R::ModeUnsupported
        | R::EnvelopeInvalid
        | R::WriteScopeExceeded
        | R::RuntimeExceeded
        | R::HumanApproved
        | R::HumanDenied
        | R::ApprovalExpired => ruled(reason),
        R::KeyRequired
        | R::KeyUnknown
        | R::KeyDisabled
        | R::KeyExpired
        | R::ScopeMissing
        | R::KeyEffectScope
        | R::KeyRiskCap
        | R::RootRequired
        | R::SignatureInvalid
        | R::StatementMismatch => key_refusal(reason),
        R::ProposalUnknown
        | R::NotPending
        | R::AlreadyAnswered
        | R::ChallengeMismatch
        | R::ChallengeExpired
        | R::SelfApproval
        | R::ApproverKind
        | R::SignedApprovalRequired
        | R::PolicyChanged
        | R::NotDue => answer_refusal(reason),
        R::Malformed
        | R::IndexUnreadable
        | R::ClockDiffers
        | R::ContentConflict
        | R::AlreadyExists
        | R::JobUnknown
        | R::JobNotOpen
        | R::NoJob
        | R::RunnerUnknown
        | R::LeaseForeign
        | R::LeaseExpired
        | R::LeaseReplayed
        | R::LeaseOpen
        | R::WarrantRequired
        | R::ArtifactsMissing
        | R::BlobUnknown => work_refusal(reason),
        R::WarrantRefused => panic!("only an ending gives {reason}"),
    }
}

#[test]
fn every_reason_can_be_provoked_or_stands_in_an_ending() {
    for reason in Reason::ALL.iter().filter(|reason| !IN_ENDINGS_ONLY.contains(reason)) {
        let outcome = provoked(*reason);
        let given = given(&outcome);
        assert!(given.contains(reason), "{reason} was to be given, not {given:?}");
    }
}
