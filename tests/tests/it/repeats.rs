//! The same command again gets the same answer, and nothing happens twice. Another one under the same name is refused.

use crate::bad_input::{assert_detail, assert_problem, size};
use countersign_tests::people::committed;
use countersign_tests::proposals;
use countersign_tests::server::{ADMIN_KEY, Server};
use domain::authored::StatementKind;
use domain::event::PrincipalKind;
use domain::event::key::Scope;
use proof::Receipt;
use serde_json::{Value, json};
use tempfile::TempDir;

async fn server() -> (TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    server.admin().submit_intent(&proposals::intent("the-intent", "Repeat")).await.unwrap();
    (dir, server)
}

/// Everything of an answer but its receipt, and that the receipt holds.
fn without_receipt(server: &Server, mut answer: Value) -> (Value, Vec<u64>) {
    let receipt: Receipt = serde_json::from_value(answer["receipt"].take()).unwrap();
    let proven = receipt.verify(&server.pinned()).unwrap();
    (answer, proven.entries().iter().map(|(index, _)| index.get()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_proposal_again_has_one_ruling_and_one_job() {
    let (_dir, server) = server().await;
    let casey = server.api_key(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    let actions = json!([{"tool": "file_write", "inputs": {"path": "a.txt", "content": "x".repeat(5_000)}}]);
    let mut write = proposals::bare("Casey", "again-1", &["WRITE_PATCH"], &actions);
    write["reversibility_class"] = json!("REVERSIBLE");
    write["rollback_proof"] = json!({"description": "delete it", "manual_steps": ["rm a.txt"]});
    write["risk_score"] = json!(0.5);
    let first = server.raw().post("/api/v1/proposals", &casey, &write).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let after = size(&server).await;
    let (told, proven) = without_receipt(&server, first.json());
    assert_eq!(told["ruling"], "ALLOW", "{told}");
    // In whatever order its members stand, and however its numbers are spelt.
    let text = write.to_string().replacen("\"risk_score\":0.5", "\"risk_score\":5e-1", 1);
    assert_ne!(text, write.to_string());
    let request = || server.raw().request("POST", "/api/v1/proposals").header("content-type", "application/json");
    for _ in 0..3 {
        let again = request().key(&casey).body(text.clone()).send().await;
        assert_eq!(again.status, 200, "{}", again.text());
        assert_eq!(without_receipt(&server, again.json()), (told.clone(), proven.clone()));
    }
    // Eight at once.
    let at_once: Vec<_> = (0..8).map(|_| tokio::spawn(request().key(&casey).json(&write).send())).collect();
    for again in at_once {
        assert_eq!(without_receipt(&server, again.await.unwrap().json()).0, told);
    }
    assert_eq!(size(&server).await, after);
    let jobs = server.raw().get("/v1/jobs").await.json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");

    // Other content, or somebody else, under the same name.
    let mut other = write.clone();
    other["actions"][0]["inputs"]["content"] = json!("y".repeat(5_000));
    assert_problem(&server.raw().post("/api/v1/proposals", &casey, &other).await, 409, "CONTENT_CONFLICT");
    assert_problem(&server.raw().post("/api/v1/proposals", ADMIN_KEY, &write).await, 409, "CONTENT_CONFLICT");
    assert_eq!(size(&server).await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_proposal_eight_times_at_once_has_one_job() {
    let (_dir, server) = server().await;
    let casey = server.agent("Casey").await;
    let proposal = proposals::write("at-once", "a.txt", "short");
    let before = size(&server).await;
    let submit = |client: client::Client, proposal| async move { client.submit_proposal(&proposal).await };
    let at_once: Vec<_> = (0..8).map(|_| tokio::spawn(submit(casey.clone(), proposal.clone()))).collect();
    let mut jobs = std::collections::BTreeSet::new();
    for one in at_once {
        jobs.insert(one.await.unwrap().unwrap().job_id.unwrap());
    }
    assert_eq!((jobs.len(), size(&server).await), (1, before + 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_and_a_waiting_proposal_are_repeated_as_they_are() {
    let (_dir, server) = server().await;
    let casey = server.agent("Casey").await;
    for (proposal, ruling) in
        [(proposals::secrets("no-1"), "DENY"), (proposals::irreversible("maybe-1", "a.txt", "x"), "REQUIRE_HUMAN")]
    {
        let first = casey.submit_proposal(&proposal).await.unwrap();
        assert_eq!(first.ruling.as_str(), ruling);
        let before = size(&server).await;
        let mut again = casey.submit_proposal(&proposal).await.unwrap();
        again.receipt = first.receipt.clone();
        assert_eq!(again, first);
        assert_eq!(size(&server).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_proposal_again_has_the_same_answer() {
    let (_dir, server) = server().await;
    let casey = server.author(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    let (proposal, bodies) = committed(proposals::write("signed-1", "a.txt", &"x".repeat(3_000)));
    let envelope = casey.sign_now(StatementKind::Proposal, &proposal).await;
    let anonymous = server.anonymous();
    let first = anonymous.submit_signed_proposal(envelope.clone(), bodies.clone()).await.unwrap();
    let before = size(&server).await;
    let mut again = anonymous.submit_signed_proposal(envelope, bodies.clone()).await.unwrap();
    again.receipt = first.receipt.clone();
    assert_eq!(again, first);
    // Signed anew, having seen more.
    let anew = casey.sign_now(StatementKind::Proposal, &proposal).await;
    let mut again = anonymous.submit_signed_proposal(anew, bodies).await.unwrap();
    again.receipt = first.receipt.clone();
    assert_eq!(again, first);
    assert_eq!(size(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_intent_again_is_one_intent() {
    let (_dir, server) = server().await;
    let wanted = json!({"intent_id": "i-1", "goal": "x".repeat(2_000), "constraints": {"no_deploy": true}});
    let first = server.raw().post("/api/v1/intents", ADMIN_KEY, &wanted).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let again = server.raw().post("/api/v1/intents", ADMIN_KEY, &wanted).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(without_receipt(&server, again.json()), without_receipt(&server, first.json()));
    let before = size(&server).await;
    let other = json!({"intent_id": "i-1", "goal": "something else"});
    assert_problem(&server.raw().post("/api/v1/intents", ADMIN_KEY, &other).await, 409, "CONTENT_CONFLICT");
    let unknown = server.raw().request("POST", "/api/v1/intents").json(&wanted).send().await;
    assert_problem(&unknown, 409, "CONTENT_CONFLICT");
    let compatible = json!({"intent_id": "i-2", "from": "alice", "mode": "fix", "goal": "g"});
    for _ in 0..2 {
        let answer = server.raw().request("POST", "/v1/intent").json(&compatible).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "{\"accepted\":true,\"intent_id\":\"i-2\"}"));
    }
    assert_eq!(size(&server).await, before + 1);
    let mut other = compatible;
    other["goal"] = json!("another");
    assert_detail(&server.raw().request("POST", "/v1/intent").json(&other).send().await, 409);
}
