//! What the tests are made of: keys, the policy, a small manifest, and proposals that would be ruled mildly.

use domain::content::Text;
use domain::effect::{Effect, Effects};
use domain::event::PrincipalKind;
use domain::event::job::Job;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::proposal::{Action, Observation, Proposal, TruthAccount};
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
use domain::manifest::Manifest;
use domain::policy::Bundle;
use proof::hash::sha256;
use proof::index::LeafIndex;
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::str::FromStr;

/// The log's name.
pub(crate) const ORIGIN: &str = "ledger.example/test";

/// The files of the default policy.
pub(crate) const DEFAULT_POLICY: [(&str, &str); 3] = [
    ("agents.toml", include_str!("../../../policy/default/agents.toml")),
    ("approvals.toml", include_str!("../../../policy/default/approvals.toml")),
    ("effects.toml", include_str!("../../../policy/default/effects.toml")),
];

const MANIFEST: &str = r#"{
  "version": "1",
  "tools": {
    "echo": {
      "description": "Says it back", "effects": [], "timeout_seconds": 5, "write_scope": "none",
      "modes": ["commit", "draft", "preview"],
      "inputs": {"message": {"type": "string", "required": true, "max_length": 4000}}
    },
    "read_file": {
      "description": "Reads a file", "effects": ["READ_REPO"], "timeout_seconds": 10, "write_scope": "none",
      "modes": ["commit"],
      "inputs": {"path": {"type": "string", "required": true, "max_length": 512}, "lines": {"type": "integer"}}
    },
    "apply_patch": {
      "description": "Applies a patch", "effects": ["WRITE_PATCH"], "timeout_seconds": 30, "write_scope": "sandbox",
      "modes": ["commit", "draft"], "inputs": {"patch": {"type": "string", "required": true}}
    },
    "run_tests": {
      "description": "Runs the tests", "effects": ["RUN_TESTS"], "timeout_seconds": 600, "write_scope": "sandbox",
      "modes": ["commit"], "inputs": {"quick": {"type": "boolean"}, "options": {"type": "object"}}
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

pub(crate) fn vkey(name: &str, key: &SecretKey) -> String {
    SignerKey::new(KeyName::new(name).unwrap(), key.clone()).verifier().to_string()
}

pub(crate) fn default_bundle() -> Bundle {
    Bundle::compile(&DEFAULT_POLICY).unwrap()
}

pub(crate) fn manifest() -> Manifest {
    Manifest::parse(MANIFEST.as_bytes()).unwrap()
}

pub(crate) fn effects(tags: &[&str]) -> Effects {
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

pub(crate) fn action(tool: &str, inputs: &[(&str, Value)]) -> Action {
    Action {
        tool: id(tool),
        inputs: inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        bodies: std::collections::BTreeMap::new(),
    }
}

/// A proposal without actions.
pub(crate) fn plain(name: &str, agent: &str, tags: &[&str]) -> Proposal {
    Proposal {
        proposal_id: id(name),
        intent_id: id("intent-1"),
        agent: id(agent),
        summary: Text::Inline("as agreed".into()),
        effects: effects(tags),
        truth_account: TruthAccount { observations: vec![seen("the test fails")], claims: Vec::new() },
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

pub(crate) fn seen(text: &str) -> Observation {
    Observation { text: Text::Inline(text.into()), kind: None, cites: Vec::new() }
}

/// Casey reads a file: ALLOW, and may be tried again.
pub(crate) fn read(name: &str) -> Proposal {
    Proposal {
        actions: vec![action("read_file", &[("path", json!("src/lib.rs"))])],
        ..plain(name, "Casey", &["READ_REPO"])
    }
}

/// Casey patches the working copy: ALLOW, reversible with proof, tried once.
pub(crate) fn patch(name: &str) -> Proposal {
    Proposal {
        actions: vec![action("apply_patch", &[("patch", json!("--- a\n+++ b\n"))])],
        reversibility_class: Some("REVERSIBLE".into()),
        rollback_proof: Some(json!({"description": "reverse the patch", "rollback_tool": "apply_patch"})),
        ..plain(name, "Casey", &["WRITE_PATCH"])
    }
}

/// Jordan publishes: `REQUIRE_HUMAN`, since it cannot be undone and the tool says so.
pub(crate) fn publish(name: &str) -> Proposal {
    Proposal {
        actions: vec![action("publish", &[("path", json!("target/tool"))])],
        reversibility_class: Some("IRREVERSIBLE".into()),
        deployment_envelope: Some(json!({"model_id": "m", "autonomy_budget": {"max_write_scope": "staging"}})),
        ..plain(name, "Jordan", &["BUILD_ARTIFACT"])
    }
}

/// A runner's report on a whole job.
pub(crate) fn report(job: &Job, lease: Option<LeafIndex>, attempt: u32, status: ResultStatus) -> JobResult {
    let completed = status == ResultStatus::Completed;
    let done = |action: &Action| ActionResult {
        tool: action.tool.clone(),
        completed,
        exit_code: completed.then_some(0),
        output: Some(Text::Inline("done".into())),
        detail: None,
        duration_ms: 12,
    };
    let log = Artifact { kind: "log".into(), path: "run.log".into(), sha256: sha256(b"log"), length: 3 };
    JobResult {
        job_id: job.job_id.clone(),
        attempt,
        lease,
        status,
        actions: job.actions.iter().map(done).collect(),
        artifacts: if completed { vec![log] } else { Vec::new() },
        confinement: None,
        detail: (!completed).then(|| "it did not work".into()),
    }
}
