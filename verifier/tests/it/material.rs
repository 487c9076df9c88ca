//! What the tests are made of: keys, the policy, a small manifest, and proposals that would be ruled mildly.

use domain::content::Text;
use domain::effect::{Effect, Effects};
use domain::event::PrincipalKind;
use domain::event::job::Job;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::proposal::{Action, Observation, Proposal, TruthAccount};
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use proof::{KeyName, LeafIndex, SecretKey, SignerKey, sha256};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::str::FromStr;

/// The log's name.
pub(crate) const ORIGIN: &str = "ledger.example/test";

const FILES: [(&str, &str); 3] = [
    ("agents.toml", include_str!("../../../policy/default/agents.toml")),
    ("approvals.toml", include_str!("../../../policy/default/approvals.toml")),
    ("effects.toml", include_str!("../../../policy/default/effects.toml")),
];

const MANIFEST: &str = r#"{
  "version": "1",
  "tools": {
    "read_file": {
      "description": "Reads a file", "effects": ["READ_REPO"], "timeout_seconds": 10, "write_scope": "none",
      "modes": ["commit"], "inputs": {"path": {"type": "string", "required": true, "max_length": 512}}
    },
    "apply_patch": {
      "description": "Applies a patch", "effects": ["WRITE_PATCH"], "timeout_seconds": 30, "write_scope": "sandbox",
      "modes": ["commit", "draft"], "inputs": {"patch": {"type": "string", "required": true}}
    },
    "publish": {
      "description": "Publishes a built file", "effects": ["BUILD_ARTIFACT"], "timeout_seconds": 60,
      "requires_human": true, "write_scope": "staging", "modes": ["commit"],
      "inputs": {"path": {"type": "string", "required": true}}
    }
  }
}"#;

pub(crate) fn id<T: FromStr>(text: &str) -> T
where
    T::Err: Debug,
{
    text.parse().unwrap()
}

pub(crate) fn secret(byte: u8) -> SecretKey {
    SecretKey::from_seed([byte; 32])
}

pub(crate) fn signer(name: &str, key: &SecretKey) -> SignerKey {
    SignerKey::new(KeyName::new(name).unwrap(), key.clone())
}

pub(crate) fn policy() -> Policy {
    // Read back from its blob, so that numbers are spelt as a verifier reads them.
    let bundle = Bundle::parse(&Bundle::compile(&FILES).unwrap().to_bytes()).unwrap();
    Policy::new(bundle, Manifest::parse(MANIFEST.as_bytes()).unwrap())
}

fn effects(tags: &[&str]) -> Effects {
    tags.iter().map(|tag| Effect::new(*tag).unwrap()).collect()
}

pub(crate) fn api_key(key_id: &str, kind: PrincipalKind, principal: &str, scopes: &[Scope]) -> NewKey {
    NewKey {
        key_id: id(key_id),
        credential: Credential::Api(sha256(key_id.as_bytes())),
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

fn action(tool: &str, input: &str, value: &str) -> Action {
    Action {
        tool: id(tool),
        inputs: [(input.to_owned(), json!(value))].into(),
        bodies: std::collections::BTreeMap::new(),
    }
}

fn plain(name: &str, agent: &str, tags: &[&str]) -> Proposal {
    let seen = Observation { text: Text::Inline("the test fails".into()), kind: None, cites: Vec::new() };
    Proposal {
        proposal_id: id(name),
        intent_id: id("intent-1"),
        agent: id(agent),
        summary: Text::Inline("as agreed".into()),
        effects: effects(tags),
        truth_account: TruthAccount { observations: vec![seen], claims: Vec::new() },
        artifacts: Vec::new(),
        actions: Vec::new(),
        risk_score: None,
        deployment_envelope: None,
        reversibility_class: None,
        rollback_proof: None,
        execution_mode: None,
        cleanup_cost: None,
        supersedes: None,
    }
}

/// Casey reads a file: ALLOW.
pub(crate) fn read(name: &str) -> Proposal {
    Proposal { actions: vec![action("read_file", "path", "src/lib.rs")], ..plain(name, "Casey", &["READ_REPO"]) }
}

/// Casey patches the working copy: ALLOW, reversible with proof.
pub(crate) fn patch(name: &str) -> Proposal {
    Proposal {
        actions: vec![action("apply_patch", "patch", "--- a\n+++ b\n")],
        reversibility_class: Some("REVERSIBLE".into()),
        rollback_proof: Some(json!({"description": "reverse the patch", "rollback_tool": "apply_patch"})),
        risk_score: Some(0.35),
        ..plain(name, "Casey", &["WRITE_PATCH"])
    }
}

/// Casey asks for secrets: DENY.
pub(crate) fn secrets(name: &str) -> Proposal {
    Proposal {
        actions: vec![action("read_file", "path", ".env")],
        ..plain(name, "Casey", &["READ_REPO", "READ_SECRETS"])
    }
}

/// Jordan publishes: `REQUIRE_HUMAN`.
pub(crate) fn publish(name: &str) -> Proposal {
    let budget: Value = json!({"model_id": "m", "autonomy_budget": {"max_write_scope": "staging"}});
    Proposal {
        actions: vec![action("publish", "path", "target/tool")],
        reversibility_class: Some("IRREVERSIBLE".into()),
        deployment_envelope: Some(budget),
        ..plain(name, "Jordan", &["BUILD_ARTIFACT"])
    }
}

/// A runner's report on a whole job.
pub(crate) fn report(job: &Job, lease: LeafIndex, attempt: u32) -> JobResult {
    let done = |action: &Action| ActionResult {
        tool: action.tool.clone(),
        completed: true,
        exit_code: Some(0),
        output: Some(Text::Inline("done".into())),
        detail: None,
        duration_ms: 12,
    };
    let log = Artifact { kind: "log".into(), path: "run.log".into(), sha256: sha256(b"log"), length: 3 };
    JobResult {
        job_id: job.job_id.clone(),
        attempt,
        lease: Some(lease),
        status: ResultStatus::Completed,
        actions: job.actions.iter().map(done).collect(),
        artifacts: vec![log],
        confinement: None,
        detail: None,
    }
}
