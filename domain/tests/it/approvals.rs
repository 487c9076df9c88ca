//! Who may say yes, how often, how well proven, and until when.

use crate::material::{api_key, default_bundle, patch, plain, public_key, publish, secret};
use crate::world::{World, by, by_signature, decision, minted, types};
use domain::command::{Command, RejectionKind};
use domain::content::Text;
use domain::event::approval::{Strength, Verb};
use domain::event::decision::{Ruling, Stage};
use domain::event::key::Scope;
use domain::event::ledger::Profile;
use domain::event::proposal::Proposal;
use domain::event::{EventData, PrincipalKind, Subject};
use domain::reason::Reason;
use domain::state::closed::End;
use serde_json::json;

const GRANT: Verb = Verb::Grant;

/// A world in which Jordan's `p-1` waits.
fn waiting() -> World {
    let mut world = World::dev();
    world.propose("key_jordan", publish("p-1")).unwrap();
    world
}

#[test]
fn one_yes_allows_and_mints() {
    let mut world = waiting();
    let group = world.says("key_lee", GRANT, "p-1").unwrap();
    assert_eq!(types(&group), ["approval.granted", "decision.recorded", "job.created"]);
    let ruled = decision(&group);
    assert_eq!(
        (ruled.stage, ruled.ruling, &ruled.reasons[..]),
        (Stage::Approval, Ruling::Allow, &[Reason::HumanApproved][..])
    );
    assert_eq!(ruled.approvals, [group[0].event.header.seq]);
    assert_eq!(ruled.allowed_effects, publish("p-1").effects);
}

#[test]
fn one_no_denies_for_good() {
    let mut world = waiting();
    let mut no = world.answer_to("p-1", Verb::Deny);
    no.reason = Some(Text::Inline("not on a Friday".into()));
    let group = world.answer("key_max", no).unwrap();
    assert_eq!(types(&group), ["approval.denied", "decision.recorded"]);
    assert_eq!((decision(&group).ruling, &decision(&group).reasons[..]), (Ruling::Deny, &[Reason::HumanDenied][..]));
    assert_eq!(world.lease().unwrap_err().reason, Reason::NoJob);
    let closed = world.state.closed(&Subject::of("proposal", "p-1")).unwrap().unwrap();
    assert_eq!(closed.end, End::Ruled(Ruling::Deny));
}

#[test]
fn the_log_says_how_well_a_yes_is_proven() {
    for (signed, strength) in [(false, Strength::ApiKey), (true, Strength::Signed)] {
        let mut world = waiting();
        let key = world.sam.clone();
        let group =
            if signed { world.approve_signed(&key, "p-1") } else { world.says("key_lee", GRANT, "p-1") }.unwrap();
        let EventData::ApprovalGranted(yes) = &group[0].event.data else { panic!() };
        assert_eq!((yes.strength, yes.authored.is_some(), yes.self_approved), (strength, signed, false));
    }
}

#[test]
fn only_people_answer() {
    let mut world = waiting();
    // Casey's key may deny, by its scopes; but "a human said no" would not be true.
    let no = world.says("key_casey", Verb::Deny, "p-1").unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::Forbidden, Reason::ApproverKind));
    for (key, reason) in [
        ("key_casey", Reason::ScopeMissing),
        ("key_jordan", Reason::ScopeMissing),
        ("key_legacy", Reason::ScopeMissing),
        ("key_nobody", Reason::KeyUnknown),
    ] {
        assert_eq!(world.says(key, GRANT, "p-1").unwrap_err().reason, reason, "{key}");
    }
    let casey = world.casey.clone();
    assert_eq!(world.approve_signed(&casey, "p-1").unwrap_err().reason, Reason::ScopeMissing);
    let stranger = secret(99);
    assert_eq!(world.approve_signed(&stranger, "p-1").unwrap_err().reason, Reason::KeyUnknown);
    let runner = world.runner.clone();
    assert_eq!(world.approve_signed(&runner, "p-1").unwrap_err().reason, Reason::KeyUnknown);
}

#[test]
fn nobody_answers_with_a_key_that_is_not_theirs() {
    let mut world = waiting();
    let answer = world.answer_to("p-1", GRANT);
    let by_kim = world.signed(domain::authored::StatementKind::Answer, &answer, &world.kim);
    let as_sam = by_signature(&world.sam);
    // Signed by kim, said to be sam's.
    let forged = Command::AnswerApproval { by: as_sam.clone(), answer: answer.clone(), authored: Some(by_kim.clone()) };
    assert_eq!(world.run(forged).unwrap_err().reason, Reason::SignatureInvalid);
    // Unsigned, said to be sam's.
    let bare = Command::AnswerApproval { by: as_sam, answer: answer.clone(), authored: None };
    assert_eq!(world.run(bare).unwrap_err().reason, Reason::SignatureInvalid);
    // Signed by kim, said to be an API key's.
    let mixed = Command::AnswerApproval { by: by("key_lee"), answer: answer.clone(), authored: Some(by_kim.clone()) };
    assert_eq!(world.run(mixed).unwrap_err().reason, Reason::SignatureInvalid);
    // Kim said no; the request says she said yes.
    let no = world.answer_to("p-1", Verb::Deny);
    let turned = Some(world.signed(domain::authored::StatementKind::Answer, &no, &world.kim));
    let turned = Command::AnswerApproval { by: by_signature(&world.kim), answer: answer.clone(), authored: turned };
    assert_eq!(world.run(turned).unwrap_err().reason, Reason::StatementMismatch);
    // What she signed as something else is no answer.
    let other = Some(world.signed(domain::authored::StatementKind::Intent, &answer, &world.kim));
    let other = Command::AnswerApproval { by: by_signature(&world.kim), answer: answer.clone(), authored: other };
    assert_eq!(world.run(other).unwrap_err().reason, Reason::StatementMismatch);
    // Nothing unchecked rides along on a good signature.
    let mut double = by_kim;
    double.signatures.push(double.signatures[0]);
    let double = Command::AnswerApproval { by: by_signature(&world.kim), answer, authored: Some(double) };
    assert_eq!(world.run(double).unwrap_err().reason, Reason::Malformed);
}

/// Lee proposes deploying, on behalf of an agent.
fn deploy(name: &str, agent: &str) -> Proposal {
    plain(name, agent, &["DEPLOY"])
}

#[test]
fn nobody_approves_what_they_proposed() {
    let mut world = World::dev();
    world.enrol(api_key("key_lee_2", PrincipalKind::Human, "lee", &[Scope::ProposalApprove])).unwrap();
    world.enrol(api_key("key_lee_admin", PrincipalKind::Admin, "lee", &[Scope::ProposalApprove])).unwrap();
    world.enrol(api_key("key_human", PrincipalKind::Human, "Human", &[Scope::ProposalApprove])).unwrap();
    world.enrol(public_key(&secret(40), PrincipalKind::Human, "lee", &[Scope::ProposalApprove])).unwrap();
    world.propose("key_lee", deploy("p-1", "Human")).unwrap();
    for key in ["key_lee", "key_lee_2", "key_human"] {
        let no = world.says(key, GRANT, "p-1").unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::Forbidden, Reason::SelfApproval), "{key}");
    }
    assert_eq!(
        world.approve_signed(&secret(40), "p-1").unwrap_err().reason,
        Reason::SelfApproval,
        "a key of one's own"
    );
    // The same person as an admin of a dev ledger: the one exception, and it is recorded.
    let mut lenient = world.clone();
    let group = lenient.says("key_lee_admin", GRANT, "p-1").unwrap();
    let EventData::ApprovalGranted(yes) = &group[0].event.data else { panic!() };
    assert!(yes.self_approved);
    // Somebody else is fine, and no self-approval.
    let group = world.says("key_max", GRANT, "p-1").unwrap();
    let EventData::ApprovalGranted(yes) = &group[0].event.data else { panic!() };
    assert!(!yes.self_approved);
}

#[test]
fn the_exception_for_an_admin_ends_where_prod_begins() {
    let reversible = |name: &str| Proposal { risk_score: Some(1.0), ..patch(name) };
    let mut dev = World::dev();
    dev.propose("key_ops", reversible("p-1")).unwrap();
    let group = dev.says("key_ops", GRANT, "p-1").unwrap();
    let EventData::ApprovalGranted(yes) = &group[0].event.data else { panic!() };
    assert!(yes.self_approved && minted(&group).is_some());

    let mut prod = World::prod();
    prod.propose("key_ops", reversible("p-1")).unwrap();
    assert_eq!(prod.says("key_ops", GRANT, "p-1").unwrap_err().reason, Reason::SelfApproval);
    assert!(minted(&prod.says("key_lee", GRANT, "p-1").unwrap()).is_some(), "another may, with an API key");
}

#[test]
fn in_prod_an_irreversible_act_takes_a_key_under_root() {
    let mut world = World::prod();
    world.propose("key_jordan", publish("p-1")).unwrap();
    let no = world.says("key_lee", GRANT, "p-1").unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::Forbidden, Reason::SignedApprovalRequired));
    let sam = world.sam.clone();
    assert!(minted(&world.approve_signed(&sam, "p-1").unwrap()).is_some());

    // An undeclared class counts as irreversible here too.
    world.propose("key_ops", deploy("p-2", "Human")).unwrap();
    assert_eq!(world.says("key_lee", GRANT, "p-2").unwrap_err().reason, Reason::SignedApprovalRequired);
    // A no needs no such proof.
    assert_eq!(decision(&world.says("key_lee", Verb::Deny, "p-2").unwrap()).ruling, Ruling::Deny);
}

#[test]
fn policy_can_demand_a_signed_yes() {
    let mut world = World::with(|bundle| bundle.effects.get_mut("BUILD_ARTIFACT").unwrap().signed_approval = true);
    let group = world.propose("key_jordan", publish("p-1")).unwrap();
    assert!(decision(&group).required.as_ref().unwrap().signed);
    assert_eq!(world.says("key_lee", GRANT, "p-1").unwrap_err().reason, Reason::SignedApprovalRequired);
    let kim = world.kim.clone();
    assert!(minted(&world.approve_signed(&kim, "p-1").unwrap()).is_some());
}

#[test]
fn the_most_that_anything_demands_is_demanded() {
    for (general, of_effect, count) in [(1, None, 1), (3, None, 3), (1, Some(2), 2), (3, Some(1), 3), (2, Some(16), 16)]
    {
        let mut world = World::with(|bundle| {
            bundle.approvals.required = general;
            bundle.effects.get_mut("BUILD_ARTIFACT").unwrap().approvals = of_effect;
        });
        let group = world.propose("key_jordan", publish("p-1")).unwrap();
        assert_eq!(decision(&group).required.as_ref().unwrap().count, count);
    }
}

#[test]
fn two_yeses_come_from_two_people() {
    let mut bundle = default_bundle();
    bundle.effects.get_mut("BUILD_ARTIFACT").unwrap().approvals = Some(2);
    let mut world = World::founded(Profile::Dev, bundle);
    world.enrol(api_key("key_sam", PrincipalKind::Human, "sam", &[Scope::ProposalApprove])).unwrap();
    world.enrol(api_key("key_sam_admin", PrincipalKind::Admin, "sam", &[Scope::ProposalApprove])).unwrap();
    let group = world.propose("key_jordan", publish("p-1")).unwrap();
    assert_eq!(decision(&group).required.as_ref().unwrap().count, 2);

    let sam = world.sam.clone();
    let first = world.approve_signed(&sam, "p-1").unwrap();
    assert_eq!(types(&first), ["approval.granted"]);
    assert_eq!(world.lease().unwrap_err().reason, Reason::NoJob, "one of two is none");
    assert_eq!(world.approve_signed(&sam, "p-1").unwrap_err().reason, Reason::AlreadyAnswered);
    for key in ["key_sam", "key_sam_admin"] {
        let no = world.says(key, GRANT, "p-1").unwrap_err();
        assert_eq!(no.reason, Reason::AlreadyAnswered, "{key}: the same person with another key");
    }
    let second = world.says("key_lee", GRANT, "p-1").unwrap();
    let approvals = [first[0].event.header.seq, second[0].event.header.seq];
    assert_eq!(decision(&second).approvals, approvals);
    assert!(minted(&second).is_some());
}

#[test]
fn one_no_outweighs_an_earlier_yes() {
    let mut world = World::with(|bundle| bundle.approvals.required = 2);
    world.propose("key_jordan", publish("p-1")).unwrap();
    world.says("key_lee", GRANT, "p-1").unwrap();
    // Lee changes his mind.
    let group = world.says("key_lee", Verb::Deny, "p-1").unwrap();
    assert_eq!(decision(&group).ruling, Ruling::Deny);
}

#[test]
fn silence_never_allows() {
    for yeses in [0, 1] {
        let mut world = World::with(|bundle| bundle.approvals.required = 2);
        world.propose("key_jordan", publish("p-1")).unwrap();
        if yeses == 1 {
            world.says("key_lee", GRANT, "p-1").unwrap();
        }
        let expire = || Command::ExpireApproval { proposal_id: "p-1".parse().unwrap() };
        let no = world.run(expire()).unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::NotDue));
        world.pass_minutes(60);
        let late = world.says("key_max", GRANT, "p-1").unwrap_err();
        assert_eq!(late.reason, Reason::ChallengeExpired, "the sixtieth minute is too late");
        let group = world.run(expire()).unwrap();
        assert_eq!(types(&group), ["approval.expired", "decision.recorded"]);
        let ruled = decision(&group);
        assert_eq!(
            (ruled.stage, ruled.ruling, &ruled.reasons[..]),
            (Stage::Expiry, Ruling::Deny, &[Reason::ApprovalExpired][..])
        );
        assert_eq!(world.run(expire()).unwrap_err().reason, Reason::NotPending);
        assert!(world.state.next_due().is_none());
    }
}

#[test]
fn a_changed_policy_or_manifest_asks_again() {
    let mut stricter = default_bundle();
    stricter.name = "stricter".into();
    let mut other = crate::material::manifest();
    other.version = "2".into();
    let manifest = crate::material::manifest;
    for policy in
        [domain::policy::Policy::new(stricter, manifest()), domain::policy::Policy::new(default_bundle(), other)]
    {
        let mut world = waiting();
        let answer = world.answer_to("p-1", GRANT);
        world.policy = policy;
        let no = world.answer("key_lee", answer).unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::PolicyChanged));
        let group = world.says("key_lee", Verb::Deny, "p-1").unwrap();
        assert_eq!(decision(&group).ruling, Ruling::Deny, "a no is a no under any policy");
    }
}

#[test]
fn what_is_shown_has_a_stable_digest() {
    let mut world = waiting();
    assert_eq!(
        world.challenge("p-1").preview_digest.to_string(),
        "a7f936da8c9eac108f0c8e40a411329c234eaa9d887605cadc52e31d910afcb9",
        "approvers sign this digest; another one is another preview"
    );
    // It covers what is to be done and why a human is asked.
    let mut other = publish("p-2");
    other.actions[0].inputs.insert("path".into(), json!("target/other"));
    world.propose("key_jordan", other).unwrap();
    assert_ne!(world.challenge("p-2").preview_digest, world.challenge("p-1").preview_digest);
}
