//! A history written again with the ledger's own keys: every signature, link and tile of it is right, and `replay` still
//! names the event that could not have happened.

use countersign_tests::audit::{verify, verify_url};
use countersign_tests::forge::{StolenKeys, index_of, shift};
use countersign_tests::server::Server;
use countersign_tests::{data, proposals};
use domain::event::PrincipalKind;
use domain::event::approval::Verb;
use domain::event::key::Scope;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A dead ledger in which a secret was denied, a read allowed, and a write waits for a human.
async fn history() -> (TempDir, StolenKeys) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(dir.path()).await;
    let casey = server.agent("Casey").await;
    let bob = server.author(PrincipalKind::Human, "bob", &[Scope::ProposalApprove, Scope::ProposalDeny]).await;
    server.person(PrincipalKind::Human, "carol", &[Scope::ProposalApprove]).await;
    server.admin().submit_intent(&proposals::intent("the-intent", "Something to lie about")).await.unwrap();
    casey.submit_proposal(&proposals::read("f-read", "a.txt")).await.unwrap();
    casey.submit_proposal(&proposals::secrets("f-secrets")).await.unwrap();
    for id in ["f-denied", "f-waits"] {
        casey.submit_proposal(&proposals::irreversible(id, "a.txt", id)).await.unwrap();
    }
    let asked = countersign_tests::people::asked(&server.admin(), &"f-denied".parse().unwrap()).await;
    bob.answer(&asked, Verb::Deny).await.unwrap();
    // The last event of all is a denial: no later signed statement gives a change of it away.
    casey.submit_proposal(&proposals::secrets("f-last")).await.unwrap();
    server.stop().await;
    verify(dir.path(), "replay").assert_valid();
    let keys = StolenKeys::export(dir.path());
    (dir, keys)
}

/// `log` lets it pass, `replay` does not, and names the event.
fn assert_caught(dir: &TempDir, index: usize, rule: &str) {
    verify(dir.path(), "log").assert_valid();
    let replay = verify(dir.path(), "replay");
    replay.assert_invalid_at(index.try_into().unwrap());
    assert_eq!(replay.rule(), rule, "{}", replay.report);
}

/// Makes a denial an approval, in the ruling, its reasons, the gates and what is allowed.
fn allow(decision: &mut Value) {
    assert_eq!(decision["data"]["ruling"], "DENY");
    let data = &mut decision["data"];
    data["ruling"] = json!("ALLOW");
    data["reasons"] = json!([]);
    data["allowed_effects"] = json!(["READ_SECRETS"]);
    for gate in data["gates"].as_array_mut().unwrap() {
        gate["ruling"] = json!("ALLOW");
        gate["reasons"] = json!([]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_made_again_without_a_change_is_the_same_history() {
    let (dir, keys) = history().await;
    let (before, note) = (data::leaves(dir.path()), std::fs::read(dir.path().join("public/checkpoint")).unwrap());
    keys.rewrite(dir.path(), |_| ());
    assert_eq!(data::leaves(dir.path()), before);
    assert_eq!(std::fs::read(dir.path().join("public/checkpoint")).unwrap(), note);
    verify(dir.path(), "replay").assert_valid();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_that_became_an_allow_fails_replay_at_its_index() {
    for id in ["f-secrets", "f-last"] {
        let (dir, keys) = history().await;
        let mut index = 0;
        keys.rewrite(dir.path(), |payloads| {
            index = index_of(payloads, "decision.recorded", id);
            allow(&mut payloads[index]);
        });
        assert_caught(&dir, index, "payload_differs");
        assert_eq!(verify(dir.path(), "replay").number("/decisions/mismatched"), 1);
    }
    // Only the word.
    let (dir, keys) = history().await;
    let mut index = 0;
    keys.rewrite(dir.path(), |payloads| {
        index = index_of(payloads, "decision.recorded", "f-last");
        payloads[index]["data"]["ruling"] = json!("ALLOW");
    });
    assert_caught(&dir, index, "payload_differs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_log_that_was_forged_fails_replay_over_http_too() {
    let (dir, keys) = history().await;
    let mut index = 0;
    keys.rewrite(dir.path(), |payloads| {
        index = index_of(payloads, "decision.recorded", "f-last");
        allow(&mut payloads[index]);
    });
    // The forger's own server sees nothing wrong with it.
    let server = Server::serve(dir.path()).await;
    verify_url(&server.url(), "log").assert_valid();
    let replay = verify_url(&server.url(), "replay");
    replay.assert_invalid_at(index.try_into().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invented_approval_fails_replay() {
    // That carol did not use her API key nobody can tell: it is the server's word, and counted as such. But what follows
    // from a yes is no matter of anybody's word.
    let (dir, keys) = history().await;
    let mut invented = 0;
    keys.rewrite(dir.path(), |payloads| {
        let asked = index_of(payloads, "approval.requested", "f-waits");
        invented = asked + 1;
        let made = index_of(payloads, "key.created", "carol");
        let mut yes = payloads[asked].clone();
        let challenge = yes["data"]["challenge"].clone();
        yes["type"] = json!("approval.granted");
        yes["version"] = json!(yes["version"].as_u64().unwrap() + 1);
        yes["actor"] = json!({"id": "carol", "kind": "human", "key_id": payloads[made]["data"]["key"]["key_id"]});
        yes["causes"] = json!([asked - 1]);
        yes["data"] = json!({"answer": {"challenge": challenge, "proposal_id": "f-waits", "verb": "grant"},
            "seed": "7".repeat(64), "strength": "api_key"});
        shift(payloads, invented, 1);
        yes["seq"] = json!(invented);
        yes["group"] = json!(invented);
        payloads.insert(invented, yes);
    });
    // The yes alone: policy asks for one, so a decision and a job must follow.
    assert_caught(&dir, invented + 1, "event_count_differs");

    // A no by bob's own key that became a yes: nobody else can have said it.
    let (dir, keys) = history().await;
    let mut index = 0;
    keys.rewrite(dir.path(), |payloads| {
        index = index_of(payloads, "approval.denied", "f-denied");
        payloads[index]["type"] = json!("approval.granted");
        payloads[index]["data"]["answer"]["verb"] = json!("grant");
        let decision = &mut payloads[index + 1]["data"];
        decision["ruling"] = json!("ALLOW");
        decision["reasons"] = json!(["HUMAN_APPROVED"]);
        decision["allowed_effects"] = json!(["WRITE_PATCH"]);
        decision["approvals"] = json!([index]);
    });
    assert_caught(&dir, index, "authorship");
    // Without his signature it is not the command that his key can give.
    let (dir, keys) = history().await;
    keys.rewrite(dir.path(), |payloads| {
        let data = &mut payloads[index]["data"];
        data.as_object_mut().unwrap().remove("authored");
        data["strength"] = json!("api_key");
        data["answer"]["verb"] = json!("grant");
        payloads[index]["type"] = json!("approval.granted");
    });
    assert_caught(&dir, index, "command_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_no_decision_allows_fails_replay() {
    let mint = |payloads: &mut Vec<Value>, place: usize, group: usize| {
        let model = index_of(payloads, "job.created", "f-read");
        let mut job = payloads[model].clone();
        let id = "00000000-0000-8000-a000-000000000000";
        job["subject"] = json!(format!("job/{id}"));
        job["data"]["job"]["job_id"] = json!(id);
        job["data"]["job"]["proposal_id"] = json!("f-secrets");
        job["data"]["decision"] = json!(place - 1);
        job["causes"] = json!([place - 1]);
        job["time"] = payloads[place - 1]["time"].clone();
        shift(payloads, place, 1);
        job["seq"] = json!(place);
        job["group"] = json!(group);
        payloads.insert(place, job);
    };
    // Behind the denial, as if it followed from it.
    let (dir, keys) = history().await;
    let mut place = 0;
    keys.rewrite(dir.path(), |payloads| {
        place = index_of(payloads, "decision.recorded", "f-secrets") + 1;
        mint(payloads, place, place - 2);
    });
    assert_caught(&dir, place, "event_count_differs");
    // By itself.
    let (dir, keys) = history().await;
    keys.rewrite(dir.path(), |payloads| {
        place = index_of(payloads, "decision.recorded", "f-secrets") + 1;
        mint(payloads, place, place);
    });
    assert_caught(&dir, place, "group_has_no_command");
    // With the denial forged as well: the denial comes first.
    let (dir, keys) = history().await;
    keys.rewrite(dir.path(), |payloads| {
        let decision = index_of(payloads, "decision.recorded", "f-secrets");
        allow(&mut payloads[decision]);
        mint(payloads, decision + 1, decision - 1);
        place = decision;
    });
    assert_caught(&dir, place, "payload_differs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_left_out_fails_replay() {
    // A whole group of a forged log can be left out: who knows a receipt of it, or was asked to sign what followed, can
    // tell. A part of a group cannot.
    let (dir, keys) = history().await;
    let mut place = 0;
    keys.rewrite(dir.path(), |payloads| {
        place = index_of(payloads, "decision.recorded", "f-last");
        assert_eq!(place, payloads.len() - 1);
        payloads.pop();
    });
    assert_caught(&dir, place, "event_count_differs");
    // And a signed statement names the head that its author had seen.
    let (dir, keys) = history().await;
    let mut answer = 0;
    keys.rewrite(dir.path(), |payloads| {
        let intent = index_of(payloads, "intent.created", "the-intent");
        payloads[intent]["data"]["intent"]["goal"] = json!("Something else altogether");
        answer = index_of(payloads, "approval.denied", "f-denied");
    });
    assert_caught(&dir, answer, "forked_head");
}
