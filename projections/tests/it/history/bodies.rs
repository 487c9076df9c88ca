//! What the commands of a test are made of: keys, the manifest, proposals, results.

use domain::content::{Content, Text};
use domain::event::PrincipalKind;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::proposal::{Action, Claim, Observation, Proposal, TruthAccount};
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
use proof::{Commitment, LeafIndex, Salt, SecretKey, sha256};
use serde_json::{Value, json};

use super::{Kind, Report};

/// What the runner can do.
pub(crate) const MANIFEST: &str = r#"{
  "version": "1",
  "tools": {
    "echo": {
      "description": "Says it back", "effects": [], "timeout_seconds": 5, "write_scope": "none",
      "modes": ["commit", "draft", "preview"], "inputs": {"message": {"type": "string", "required": true}}
    },
    "read_file": {
      "description": "Reads a file", "effects": ["READ_REPO"], "timeout_seconds": 5, "write_scope": "none",
      "modes": ["commit"], "inputs": {"path": {"type": "string", "required": true}, "options": {"type": "object"}}
    },
    "write_file": {
      "description": "Writes a file", "effects": ["WRITE_PATCH"], "timeout_seconds": 10, "write_scope": "sandbox",
      "modes": ["commit"], "inputs": {"path": {"type": "string", "required": true}, "text": {"type": "string"}}
    },
    "publish": {
      "description": "Publishes a built file", "effects": ["BUILD_ARTIFACT"], "timeout_seconds": 10,
      "write_scope": "staging", "modes": ["commit"], "inputs": {"path": {"type": "string", "required": true}}
    }
  }
}"#;

pub(crate) fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

pub(crate) fn secret(byte: u8) -> SecretKey {
    SecretKey::from_seed([byte; 32])
}

pub(crate) fn api_key(name: &str, kind: PrincipalKind, principal: &str, scopes: &[Scope]) -> NewKey {
    NewKey {
        key_id: id(name),
        credential: Credential::Api(sha256(name.as_bytes())),
        principal: Principal { kind, id: id(principal) },
        scopes: scopes.iter().copied().collect(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    }
}

pub(crate) fn public_key(key: &SecretKey, kind: PrincipalKind, principal: &str, scopes: &[Scope]) -> NewKey {
    NewKey {
        key_id: id(&key.public().key_id().to_string()),
        credential: Credential::Ed25519(key.public()),
        ..api_key("key_unused", kind, principal, scopes)
    }
}

pub(crate) fn effect(name: &str) -> domain::effect::Effect {
    domain::effect::Effect::new(name).unwrap()
}

fn body(text: &str) -> Commitment {
    Commitment::new(&Salt::new([7; 32]), text.as_bytes(), "text/plain; charset=utf-8")
}

fn action(tool: &str, inputs: Value, bodies: &[(&str, &str)]) -> Action {
    Action {
        tool: id(tool),
        inputs: serde_json::from_value(inputs).unwrap(),
        bodies: bodies.iter().map(|(name, text)| ((*name).to_owned(), body(text))).collect(),
    }
}

/// Numbers that a careless reader of JSON would read back as their neighbours.
fn odd() -> Value {
    json!({"share": 0.1, "tiny": 5e-324, "near": 4.35, "third": 1.0 / 3.0, "whole": 2.0})
}

fn actions(kind: Kind) -> Vec<Action> {
    match kind {
        Kind::Read => vec![action("read_file", json!({"path": "a", "options": odd()}), &[])],
        Kind::Write => vec![action("write_file", json!({"path": "a"}), &[("text", "new text")])],
        Kind::Publish => vec![action("publish", json!({"path": "target/a"}), &[])],
        Kind::Plain | Kind::Merge | Kind::Secrets | Kind::Blind | Kind::Leaky => Vec::new(),
    }
}

fn truth_account(kind: Kind) -> TruthAccount {
    let seen = Observation {
        text: Text::Inline("the test `adds` fails".into()),
        kind: Some("test_run".into()),
        cites: vec![0],
    };
    let long = Text::Committed { commit: body("long") };
    let long = Observation { text: long, kind: None, cites: Vec::new() };
    let claim = Claim { confidence: Some(0.9), claim: Content::Inline(json!("it will pass")) };
    let long_claim = Claim { confidence: Some(1.0), claim: Content::Committed(body("claim")) };
    TruthAccount {
        observations: if kind == Kind::Blind { Vec::new() } else { vec![seen, long] },
        claims: vec![claim, long_claim],
    }
}

fn deployment_envelope(kind: Kind) -> Option<Value> {
    match kind {
        Kind::Write => Some(json!({"model_id": "m", "model_source": "open"})),
        Kind::Publish => Some(json!({"model_id": "m", "autonomy_budget": {"max_write_scope": "staging"}})),
        Kind::Read | Kind::Plain | Kind::Merge | Kind::Secrets | Kind::Blind | Kind::Leaky => None,
    }
}

/// A proposal of a kind.
pub(crate) fn proposal(name: &str, kind: Kind) -> Proposal {
    let (agent, effects): (_, &[&str]) = match kind {
        Kind::Read => ("Casey", &["READ_REPO"]),
        Kind::Write | Kind::Blind => ("Casey", &["WRITE_PATCH"]),
        Kind::Plain => ("Riley", &["READ_REPO"]),
        Kind::Publish | Kind::Leaky => ("Jordan", &["BUILD_ARTIFACT"]),
        Kind::Secrets => ("Casey", &["READ_SECRETS"]),
        Kind::Merge => ("Human", &["MERGE"]),
    };
    let class = if kind == Kind::Publish { "IRREVERSIBLE" } else { "REVERSIBLE" };
    let back = json!({"description": "git revert", "manual_steps": ["revert"], "n": odd()});
    Proposal {
        proposal_id: id(name),
        intent_id: id("i1"),
        agent: id(agent),
        summary: Text::Inline(format!("{kind:?}")),
        effects: effects.iter().map(|name| effect(name)).collect(),
        truth_account: truth_account(kind),
        artifacts: vec![[("name".to_owned(), Text::Inline("plan.md".into()))].into()],
        actions: actions(kind),
        risk_score: Some(0.25),
        deployment_envelope: deployment_envelope(kind),
        reversibility_class: Some(class.into()),
        rollback_proof: Some(back),
        execution_mode: Some("commit".into()),
        cleanup_cost: Some("MEDIUM".into()),
        supersedes: None,
    }
}

pub(crate) fn result(
    job: &domain::event::job::Job,
    attempt: u32,
    lease: Option<LeafIndex>,
    report: Report,
) -> JobResult {
    let completed = report == Report::Completed;
    let actions = job.actions.iter().map(|action| ActionResult {
        tool: action.tool.clone(),
        completed,
        exit_code: Some(i32::from(!completed)),
        output: Some(Text::Committed { commit: body("output") }),
        detail: (!completed).then(|| "exit code 1".to_owned()),
        duration_ms: 12,
    });
    let file = Artifact { kind: "file".into(), path: "target/a".into(), sha256: sha256(b"a"), length: 1 };
    JobResult {
        job_id: job.job_id.clone(),
        attempt,
        lease,
        status: match report {
            Report::Completed => ResultStatus::Completed,
            Report::Failed => ResultStatus::Failed,
            Report::Rejected => ResultStatus::Rejected,
        },
        actions: if report == Report::Rejected { Vec::new() } else { actions.collect() },
        artifacts: if completed { vec![file] } else { Vec::new() },
        confinement: Some("landlock".into()),
        detail: (!completed).then(|| "did not succeed".to_owned()),
    }
}
