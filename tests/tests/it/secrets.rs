//! A secret in a command is found before anything is written: it is refused by name, and its bytes are nowhere.

use crate::bad_input::{assert_detail, assert_problem, size};
use countersign_tests::people::committed;
use countersign_tests::server::{ADMIN_KEY, Server};
use countersign_tests::{data, proposals};
use domain::authored::StatementKind;
use domain::event::PrincipalKind;
use domain::event::key::Scope;
use schemas::{SIGNED_MEDIA_TYPE, Signed};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

/// Secrets of several shapes. Made up here in parts, so that no scanner takes this file for a leak.
fn secrets() -> [(&'static str, String); 4] {
    let hex = "0123456789abcdef".repeat(4);
    let letters = "wJalrXUtnFEMIK7MDENGbPxRfiCYzzQ9vT4k8LmN";
    [
        ("countersign_key", format!("cs_{hex}")),
        ("github_token", format!("ghp_{}", letters.split_at(36).0)),
        ("pem_private_key", format!("-----BEGIN PRIVATE KEY-----\n{letters}{letters}\n-----END PRIVATE KEY-----")),
        ("assigned_secret", format!("password = \"{letters}\"")),
    ]
}

/// The part of a secret that must be nowhere.
fn core(secret: &str) -> &[u8] {
    let middle = secret.len() / 2;
    &secret.as_bytes()[middle - 12..middle + 12]
}

async fn server() -> (TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    server.admin().submit_intent(&proposals::intent("the-intent", "Keep it to yourself")).await.unwrap();
    (dir, server)
}

/// Stops the server, so that everything it would write is written.
async fn assert_nowhere(server: Server) {
    let dir = server.dir().to_owned();
    server.stop().await;
    for (kind, secret) in secrets() {
        assert_eq!(data::files_with(&dir, core(&secret)), Vec::<PathBuf>::new(), "{kind}");
    }
    countersign_tests::audit::verify(&dir, "replay").assert_valid();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_proposal_is_denied_by_name_and_stored_nowhere() {
    let (_dir, server) = server().await;
    let casey = server.api_key(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    let long = |text: &str| format!("{}\n{text}\n{}", "a line before\n".repeat(100), "a line after\n".repeat(100));
    for (kind, secret) in secrets() {
        let places: [(&str, Value); 5] = [
            ("/summary", json!(format!("use {secret} for it"))),
            ("/actions/0/inputs/content", json!(long(&secret))),
            ("/truth_account/observations/0", json!(secret)),
            ("/truth_account/claims/0", json!({"claim": {"deep": [secret]}, "confidence": 0.9})),
            ("/artifacts/0/content", json!(long(&secret))),
        ];
        for (number, (pointer, value)) in places.into_iter().enumerate() {
            let id = format!("leak-{kind}-{number}");
            let actions = json!([{"tool": "file_write", "inputs": {"path": "a.txt", "content": "x"}}]);
            let mut proposal = proposals::bare("Casey", &id, &["WRITE_PATCH"], &actions);
            proposal["truth_account"]["claims"] = json!([{}]);
            proposal["artifacts"] = json!([{"content": ""}]);
            *proposal.pointer_mut(pointer).unwrap() = value;
            let answer = server.raw().post("/api/v1/proposals", &casey, &proposal).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            let ruled = answer.json();
            assert_eq!(ruled["ruling"], "DENY", "{kind} at {pointer}: {ruled}");
            assert!(ruled["reasons"].as_array().unwrap().contains(&json!("SECRET_IN_COMMAND")), "{ruled}");
            assert!(ruled.to_string().contains(pointer) && ruled.to_string().contains(kind), "{ruled}");
            assert!(data::find(&answer.body, core(&secret)).is_none(), "the answer repeats the secret");
        }
        let mut compatible = proposals::bare("Casey", &format!("leak-{kind}-compat"), &["READ_REPO"], &json!([]));
        compatible["summary"] = json!(secret);
        let answer = server.raw().post("/v1/govern/proposal", &casey, &compatible).await;
        assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!("DENY")), "{}", answer.text());
        assert!(data::find(&answer.body, core(&secret)).is_none());
    }
    assert_nowhere(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_signed_proposal_is_denied_and_its_envelope_is_not_kept() {
    let (_dir, server) = server().await;
    let casey = server.author(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    for (kind, secret) in secrets() {
        let inline = proposals::write(&format!("signed-{kind}"), "a.txt", &secret);
        let beside =
            proposals::write(&format!("beside-{kind}"), "a.txt", &format!("{}{secret}", "x y z\n".repeat(300)));
        for proposal in [inline, beside] {
            let ruled = casey.propose(proposal).await.unwrap();
            let reasons: Vec<&str> = ruled.reasons.iter().map(|reason| reason.code()).collect();
            assert_eq!(ruled.ruling.as_str(), "DENY", "{kind}");
            assert!(reasons.contains(&"SECRET_IN_COMMAND"), "{reasons:?}");
        }
    }
    // A stranger's is not even recorded.
    let before = size(&server).await;
    let (proposal, bodies) = committed(proposals::write("stranger", "a.txt", &secrets()[0].1));
    let stranger = server.author_with(countersign_tests::people::new_key("Casey")).await;
    let envelope = stranger.sign_now(StatementKind::Proposal, &proposal).await;
    let body = serde_json::to_vec(&Signed { envelope, bodies }).unwrap();
    let request = server.raw().request("POST", "/api/v1/proposals").header("content-type", SIGNED_MEDIA_TYPE);
    assert_problem(&request.body(body).send().await, 401, "KEY_UNKNOWN");
    assert_eq!(size(&server).await, before);
    // In base64 it would look like nothing in particular.
    let dir = server.dir().to_owned();
    for (kind, secret) in secrets() {
        for shift in 0..3 {
            let spelt = proof::base64::encode(&secret.as_bytes()[shift..]);
            let middle = spelt.len() / 2;
            assert!(data::files_with(&dir, &spelt.as_bytes()[middle - 12..middle + 12]).is_empty(), "{kind}");
        }
    }
    assert_nowhere(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_where_no_ruling_could_say_so_is_refused_with_its_place() {
    let (_dir, server) = server().await;
    let before = size(&server).await;
    for (_, secret) in secrets() {
        let goal = json!({"goal": format!("log in with {secret}")});
        let problem =
            assert_problem(&server.raw().post("/api/v1/intents", ADMIN_KEY, &goal).await, 422, "SECRET_IN_COMMAND");
        assert_eq!(problem["pointer"], "/goal");
        let deep = json!({"goal": "g", "constraints": {"a": ["b", {"c": secret}]}});
        let answer = server.raw().post("/api/v1/intents", ADMIN_KEY, &deep).await;
        assert_eq!(assert_problem(&answer, 422, "SECRET_IN_COMMAND")["pointer"], "/constraints/a/1/c");
        assert!(data::find(&answer.body, core(&secret)).is_none());
        let old = json!({"intent_id": "i", "from": "a", "mode": "fix", "goal": secret});
        assert_detail(&server.raw().request("POST", "/v1/intent").json(&old).send().await, 422);
        let hash = format!("/api/v1/bodies/{}", "0".repeat(64));
        let erase = server.raw().request("DELETE", &hash).key(ADMIN_KEY).body(secret.clone());
        assert_problem(&erase.send().await, 422, "SECRET_IN_COMMAND");
    }
    assert_eq!(size(&server).await, before);
    assert_nowhere(server).await;
}
