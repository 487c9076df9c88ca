//! More to worry about never makes a ruling milder, and deciding twice decides alike.

use crate::arbitrary;
use crate::material::{effects, manifest};
use crate::world::World;
use domain::decide::{Context, decide};
use domain::effect::Effect;
use domain::event::decision::Ruling;
use domain::event::proposal::{Finding, Proposal, Seed};
use domain::event::{Actor, PrincipalKind};
use domain::gate::{self, GateInput};
use proof::index::TreeSize;
use proptest::prelude::*;

fn ruling(world: &World, proposal: &Proposal, findings: &[Finding]) -> Ruling {
    let actor = Actor {
        kind: PrincipalKind::Admin,
        id: crate::material::id("ops"),
        key_id: crate::material::id("key_ops"),
        on_behalf_of: Some(proposal.agent.clone()),
    };
    let actions = gate::effective_actions(proposal);
    let input = GateInput::new(proposal, &actions, findings, &actor, &world.policy, TreeSize::new(6));
    gate::strictest(&gate::run(&input))
}

/// Effects that a tool of the proposal has: declaring these is what is asked for, so it may well help.
fn of_its_tools(proposal: &Proposal, tag: &Effect) -> bool {
    let tools = manifest().tools;
    proposal.actions.iter().filter_map(|a| tools.get(&a.tool)).any(|tool| tool.effects.contains(tag))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_effect_or_finding_is_never_milder(shape in arbitrary::shape(), added in arbitrary::effect()) {
        let world = World::dev();
        let proposal = shape.proposal("p");
        let before = ruling(&world, &proposal, &[]);

        let finding = Finding { place: "/summary".into(), kind: "jwt".into() };
        prop_assert_eq!(ruling(&world, &proposal, &[finding]), Ruling::Deny);

        // The one exception is on purpose: an undeclared class is denied when nobody would look, and counts as
        // irreversible when a human looks anyway.
        let declared = proposal.reversibility_class.is_some();
        let added = effects(&[added]);
        let tag = added.first().unwrap();
        if declared && !proposal.effects.is_empty() && !of_its_tools(&proposal, tag) {
            let mut more = proposal.clone();
            more.effects.insert(tag.clone());
            let after = ruling(&world, &more, &[]);
            prop_assert!(after >= before, "{:?} became {:?} with {}", before, after, tag);
        }
    }

    #[test]
    fn deciding_is_a_function(shape in arbitrary::shape()) {
        let world = World::dev();
        let command = shape.submission("p");
        let context = Context { now: world.now, seed: Seed::new([9; 32]), policy: &world.policy };
        let twice = [(); 2].map(|()| format!("{:?}", decide(&world.state, &command, &context)));
        prop_assert_eq!(&twice[0], &twice[1]);
    }
}

#[test]
fn an_undeclared_class_is_denied_unless_a_human_looks() {
    let world = World::dev();
    let undeclared = |tags: &'static [&'static str]| crate::material::plain("p", "Human", tags);
    assert_eq!(ruling(&world, &undeclared(&["RUN_TESTS"]), &[]), Ruling::Deny);
    assert_eq!(ruling(&world, &undeclared(&["RUN_TESTS", "DEPLOY"]), &[]), Ruling::RequireHuman);
}
