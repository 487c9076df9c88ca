//! A challenge is answered once, by who saw it, in time.

use crate::material::{publish, read};
use crate::world::{World, decision, minted};
use domain::command::{Command, RejectionKind};
use domain::event::approval::{Answer, Verb};
use domain::event::decision::Ruling;
use domain::reason::Reason;

fn waiting() -> World {
    let mut world = World::dev();
    world.propose("key_jordan", publish("p-1")).unwrap();
    world
}

#[test]
fn an_answer_is_to_the_open_challenge_whole() {
    let mut world = waiting();
    let changes: [(&str, fn(&mut Answer)); 6] = [
        ("nonce", |a| a.challenge.nonce = "0".repeat(32)),
        ("action", |a| a.challenge.action_digest = a.challenge.policy_digest),
        ("policy", |a| a.challenge.policy_digest = a.challenge.action_digest),
        ("preview", |a| a.challenge.preview_digest = a.challenge.policy_digest),
        ("expiry", |a| a.challenge.expires = a.challenge.expires.plus_ms(1)),
        ("proposal", |a| a.challenge.proposal_id = "p-2".parse().unwrap()),
    ];
    let sam = world.sam.clone();
    for verb in [Verb::Grant, Verb::Deny] {
        for (what, change) in changes {
            let mut answer = world.answer_to("p-1", verb);
            change(&mut answer);
            let no = world.answer("key_lee", answer.clone()).unwrap_err();
            assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::ChallengeMismatch), "{what}");
            assert_eq!(
                world.answer_signed(&sam, answer).unwrap_err().reason,
                Reason::ChallengeMismatch,
                "{what}, signed"
            );
        }
    }
}

#[test]
fn an_answer_to_one_proposal_is_none_to_another() {
    let mut world = waiting();
    world.propose("key_jordan", publish("p-2")).unwrap();
    assert_ne!(world.challenge("p-1").nonce, world.challenge("p-2").nonce);
    let mut moved = world.answer_to("p-1", Verb::Grant);
    moved.proposal_id = "p-2".parse().unwrap();
    assert_eq!(world.answer("key_lee", moved).unwrap_err().reason, Reason::ChallengeMismatch);
}

#[test]
fn of_two_answers_exactly_one_wins() {
    for (first, second) in
        [(Verb::Grant, Verb::Grant), (Verb::Grant, Verb::Deny), (Verb::Deny, Verb::Grant), (Verb::Deny, Verb::Deny)]
    {
        let mut world = waiting();
        // Both were made while the question was open.
        let (lee, max) = (world.answer_to("p-1", first), world.answer_to("p-1", second));
        let won = world.answer("key_lee", lee.clone()).unwrap();
        assert_eq!(decision(&won).ruling == Ruling::Allow, first == Verb::Grant);
        for late in [("key_max", max), ("key_lee", lee)] {
            let no = world.answer(late.0, late.1).unwrap_err();
            assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::NotPending));
        }
        assert_eq!(world.lease().is_ok(), first == Verb::Grant);
        assert_eq!(world.lease().unwrap_err().reason, Reason::NoJob, "never a second job");
    }
}

#[test]
fn an_answer_and_an_expiry_exclude_each_other() {
    let mut world = waiting();
    let yes = world.answer_to("p-1", Verb::Grant);
    let mut answered = world.clone();
    answered.now = yes.challenge.expires;
    answered.now = domain::time::Timestamp::from_ms(answered.now.as_ms() - 1);
    assert!(minted(&answered.answer("key_lee", yes.clone()).unwrap()).is_some(), "the last millisecond is in time");
    answered.pass_minutes(1);
    let expire = Command::ExpireApproval { proposal_id: "p-1".parse().unwrap() };
    assert_eq!(answered.run(expire.clone()).unwrap_err().reason, Reason::NotPending);

    world.now = yes.challenge.expires;
    world.run(expire).unwrap();
    assert_eq!(world.answer("key_lee", yes).unwrap_err().reason, Reason::NotPending);
}

#[test]
fn only_a_proposal_that_waits_is_answered() {
    let mut world = waiting();
    world.propose("key_casey", read("p-allowed")).unwrap();
    for (proposal, kind, reason) in [
        ("p-allowed", RejectionKind::Conflict, Reason::NotPending),
        ("p-none", RejectionKind::NotFound, Reason::ProposalUnknown),
    ] {
        let mut answer = world.answer_to("p-1", Verb::Grant);
        answer.proposal_id = proposal.parse().unwrap();
        let no = world.answer("key_lee", answer).unwrap_err();
        assert_eq!((no.kind, no.reason), (kind, reason));
        let expire = Command::ExpireApproval { proposal_id: proposal.parse().unwrap() };
        assert_eq!(world.run(expire).unwrap_err().reason, Reason::NotPending);
    }
}
