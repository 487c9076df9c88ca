//! Arbitrary proposals and commands over a small universe, so that sequences of them meet: valid, odd and hostile ones.

use crate::material::{action, effects, id, plain};
use crate::world::{by, by_signature};
use domain::command::Command;
use domain::content::{Content, Text};
use domain::event::proposal::{Action, Claim, Finding, Observation, Proposal};
use proof::commitment::{Commitment, Salt};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Effects of the universe: known ones, the forbidden one, and one that nobody knows.
const EFFECTS: [&str; 12] = [
    "READ_REPO",
    "WRITE_PATCH",
    "RUN_TESTS",
    "BUILD_ARTIFACT",
    "COMPUTE",
    "DEPLOY",
    "MERGE",
    "NETWORK_CALL",
    "SEND_NOTIFICATION",
    "CREATE_PR",
    "READ_SECRETS",
    "TELEPORT",
];

/// Names of proposals, few enough to collide.
pub(crate) const NAMES: [&str; 12] =
    ["p-0", "p-1", "p-2", "p-3", "p-4", "p-5", "p-6", "p-7", "p-8", "p-9", "p-10", "p-11"];

/// API keys of the universe, one of which does not exist.
pub(crate) const KEYS: [&str; 7] =
    ["key_casey", "key_ops", "key_lee", "key_jordan", "key_max", "key_legacy", "key_nobody"];

/// Choices that make a proposal or another command. All zeros is the mildest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape([u8; 24]);

/// Any choices.
pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    any::<[u8; 24]>().prop_map(Shape)
}

/// Any effect of the universe.
pub(crate) fn effect() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&EFFECTS[..])
}

impl Shape {
    /// The first choice three times out of four, else any.
    pub(crate) fn mostly<T: Clone>(&self, at: usize, choices: &[T]) -> T {
        let byte = usize::from(self.0[at]);
        if byte % 4 == 3 { choices[byte / 4 % choices.len()].clone() } else { choices[0].clone() }
    }

    /// Any choice.
    pub(crate) fn any<T: Clone>(&self, at: usize, choices: &[T]) -> T {
        choices[usize::from(self.0[at]) % choices.len()].clone()
    }

    fn actions(&self) -> Vec<Action> {
        let commit = Commitment::new(&Salt::new([3; 32]), b"a long patch", "text/plain");
        let mut beside = action("apply_patch", &[]);
        beside.bodies.insert("patch".into(), commit);
        let file = |lines: Value| action("read_file", &[("path", json!("a")), ("lines", lines)]);
        let choices = [
            vec![],
            vec![file(json!(1))],
            vec![file(json!(2.0))],
            vec![file(json!(2.5))],
            vec![action("apply_patch", &[("patch", json!("x"))])],
            vec![beside],
            vec![action("run_tests", &[("quick", json!(true))]), action("apply_patch", &[("patch", json!("x"))])],
            vec![action("publish", &[("path", json!("out"))])],
            vec![action("rm", &[("path", json!("/"))])],
            vec![action("echo", &[("message", json!(""))])],
        ];
        self.any(0, &choices)
    }

    fn observations(&self) -> Vec<Observation> {
        let text = self.mostly(1, &["the test fails", "", " "]);
        let seen = Observation {
            text: Text::Inline(text.into()),
            kind: None,
            cites: self.mostly(2, &[vec![], vec![0], vec![3, 900]]),
        };
        self.mostly(3, &[vec![seen], vec![]])
    }

    /// The proposal of this shape.
    pub(crate) fn proposal(&self, name: &str) -> Proposal {
        let claim = |confidence| Claim { confidence, claim: Content::Inline(json!({"n": 1.0, "deep": [[{}]]})) };
        let mut proposal = plain(name, self.mostly(4, &["Casey", "Jordan", "Human", "Mallory", "lee"]), &[]);
        let mut tags: Vec<&str> = Vec::new();
        for at in 5..8 {
            tags.push(self.mostly(at, &EFFECTS));
        }
        proposal.effects = effects(&tags);
        if self.0[8] == 255 {
            proposal.effects.clear();
        }
        proposal.actions = self.actions();
        proposal.truth_account.observations = self.observations();
        proposal.truth_account.claims =
            self.mostly(9, &[vec![], vec![claim(Some(1.0))], vec![claim(None)], vec![claim(Some(2.0))]]);
        proposal.risk_score =
            self.mostly(10, &[None, Some(0.0), Some(0.3), Some(1.0), Some(-0.0), Some(1.5), Some(f64::NAN)]);
        let class = self.mostly(11, &["REVERSIBLE", "IRREVERSIBLE", "PARTIALLY_REVERSIBLE", "", "MAYBE"]);
        proposal.reversibility_class = (!class.is_empty()).then(|| class.to_owned());
        proposal.rollback_proof = self.mostly(
            12,
            &[
                Some(json!({"description": "undo", "manual_steps": ["git revert"]})),
                None,
                Some(json!({"n": 3.0})),
                Some(json!({"n": u64::MAX})),
                Some((0..40).fold(json!(1), |inner, _| json!([inner]))),
                Some(Value::Null),
            ],
        );
        proposal.deployment_envelope = self.mostly(
            13,
            &[
                None,
                Some(json!({"model_id": "m", "autonomy_budget": {"max_write_scope": "staging", "max_steps": 9.0}})),
                Some(json!({"model_id": "m", "model_source": "open"})),
                Some(json!({"model_id": 7})),
                Some(json!("\u{7f}".repeat(900))),
            ],
        );
        proposal.execution_mode = self.mostly(14, &[None, Some("draft".to_owned()), Some("yolo".to_owned())]);
        proposal.cleanup_cost = self.mostly(15, &[None, Some("HIGH".to_owned()), Some("?".to_owned())]);
        proposal.supersedes = self.mostly(16, &[None, Some(NAMES[0]), Some(NAMES[3])]).map(id);
        proposal
    }

    /// What a sensor found.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let finding = Finding { place: "/summary".into(), kind: "jwt".into() };
        if self.0[17] % 8 == 7 { vec![finding; usize::from(self.0[17] / 4)] } else { Vec::new() }
    }

    /// A submission with an API key.
    pub(crate) fn submission(&self, name: &str) -> Command {
        Command::SubmitProposal {
            by: by(self.mostly(18, &KEYS)),
            proposal: Box::new(self.proposal(name)),
            findings: self.findings(),
            authored: None,
        }
    }

    /// The same as if it came from whoever signs with a key, but without a signature.
    pub(crate) fn signerless(&self, name: &str, key: &proof::key::SecretKey) -> Command {
        Command::SubmitProposal {
            by: by_signature(key),
            proposal: Box::new(self.proposal(name)),
            findings: self.findings(),
            authored: None,
        }
    }
}
