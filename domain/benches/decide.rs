//! `cargo bench -p countersign-domain`: how long the pure function takes, on the default policy. `countersign bench
//! decide` says more; this one needs nothing but the crate.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made should say where")]
#![expect(clippy::print_stdout, reason = "a measurement is for whoever runs it")]

use countersign_domain as domain;
use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command};
use domain::decide::{Context, decide, run};
use domain::event::PrincipalKind;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::ledger::{Genesis, Profile};
use domain::event::proposal::{Proposal, Seed};
use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use domain::state::State;
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;
use serde_json::json;
use std::hint::black_box;
use std::time::Instant;

const ORIGIN: &str = "ledger.example/bench";
const POLICY: [(&str, &str); 3] = [
    ("agents.toml", include_str!("../../policy/default/agents.toml")),
    ("approvals.toml", include_str!("../../policy/default/approvals.toml")),
    ("effects.toml", include_str!("../../policy/default/effects.toml")),
];
const MANIFEST: &str = include_str!("../../policy/default/manifest.json");
const ROUNDS: u32 = 5000;

fn context(policy: &Policy) -> Context<'_> {
    Context { now: domain::time::Timestamp::from_ms(1_790_000_000_000), seed: Seed::new([7; 32]), policy }
}

fn founded(policy: &Policy) -> State {
    let key = |seed| SignerKey::new(KeyName::new(ORIGIN).unwrap(), SecretKey::from_seed([seed; 32]));
    let root = key(1);
    let admin = NewKey {
        key_id: "key_admin".parse().unwrap(),
        credential: Credential::Api(proof::sha256(b"admin")),
        principal: Principal { kind: PrincipalKind::Admin, id: "admin".parse().unwrap() },
        scopes: Scope::ALL.into_iter().collect(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    };
    let genesis = Genesis {
        origin: ORIGIN.into(),
        profile: Profile::Dev,
        root: root.verifier().to_string(),
        event: key(2).verifier().to_string(),
        checkpoint: key(3).verifier().to_string(),
        policy: policy.bundle_digest(),
        manifest: policy.manifest_digest(),
        keys: vec![admin],
    };
    let authored = authored::sign(StatementKind::Genesis, ORIGIN, SeenHead::empty(), &genesis, root.secret()).unwrap();
    let mut state = State::new();
    run(&mut state, &Command::CreateLedger { genesis, authored }, &context(policy)).unwrap();
    let intent = serde_json::from_value(json!({"intent_id": "bench", "goal": "measure"})).unwrap();
    let by = Caller::key("key_admin".parse().unwrap());
    run(&mut state, &Command::CreateIntent { by, intent, authored: None }, &context(policy)).unwrap();
    state
}

fn main() {
    let policy = Policy::new(Bundle::compile(&POLICY).unwrap(), Manifest::parse(MANIFEST.as_bytes()).unwrap());
    let state = founded(&policy);
    for (name, effect) in [("allowed", "READ_REPO"), ("denied", "READ_SECRETS"), ("escalated", "MERGE")] {
        let agent = if name == "escalated" { "Human" } else { "Casey" };
        let proposal: Proposal = serde_json::from_value(json!({
            "proposal_id": name, "intent_id": "bench", "agent": agent, "summary": "measure", "effects": [effect],
            "truth_account": {"observations": [{"text": "it was seen"}], "claims": []},
        }))
        .unwrap();
        let by = Caller::key("key_admin".parse().unwrap());
        let proposal = Box::new(proposal);
        let command = Command::SubmitProposal { by, proposal, findings: Vec::new(), authored: None };
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(decide(black_box(&state), black_box(&command), &context(&policy))).unwrap();
        }
        let each = start.elapsed() / ROUNDS;
        println!("decide {name:<10} {:>8.2} µs", each.as_secs_f64() * 1e6);
    }
}
