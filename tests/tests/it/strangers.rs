//! Signed commands that are not what they pretend to be: refused, recorded nowhere, and nothing of them is kept.

use crate::bad_input::{assert_detail, assert_problem, size};
use countersign_tests::people::{asked, committed, new_key, new_salt, seen};
use countersign_tests::raw::Answer;
use countersign_tests::server::{ADMIN_KEY, Server};
use countersign_tests::{binary, data, proposals};
use domain::authored::{SeenHead, StatementKind};
use domain::event::PrincipalKind;
use domain::event::approval::{Answer as Yes, Verb};
use domain::event::key::{Credential, NewKey, Principal, Scope};
use proof::dsse::Envelope;
use proof::{Hash, TreeSize};
use schemas::body::Body;
use schemas::{SIGNED_MEDIA_TYPE, Signed};
use serde_json::json;
use tempfile::TempDir;

async fn server() -> (TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    server.admin().submit_intent(&proposals::intent("the-intent", "Sign")).await.unwrap();
    (dir, server)
}

async fn post(server: &Server, path: &str, envelope: Envelope, bodies: Vec<Body>) -> Answer {
    let body = serde_json::to_vec(&Signed { envelope, bodies }).unwrap();
    server.raw().request("POST", path).header("content-type", SIGNED_MEDIA_TYPE).body(body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_by_a_key_that_nobody_enrolled_is_refused_and_nothing_of_it_is_kept() {
    let (_dir, server) = server().await;
    let before = size(&server).await;
    let content = "nobody should be able to fill this disk\n".repeat(2_000);
    let (proposal, bodies) = committed(proposals::write("stranger-1", "a.txt", &content));
    let stranger = server.author_with(new_key("Casey")).await;
    let envelope = stranger.sign_now(StatementKind::Proposal, &proposal).await;
    assert_problem(&post(&server, "/api/v1/proposals", envelope, bodies.clone()).await, 401, "KEY_UNKNOWN");
    // The same under the name of a key that is enrolled.
    let casey = server.author(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    let mut envelope = stranger.sign_now(StatementKind::Proposal, &proposal).await;
    envelope.signatures[0].keyid = casey.key.verifier().key().key_id();
    assert_problem(&post(&server, "/api/v1/proposals", envelope, bodies).await, 401, "SIGNATURE_INVALID");
    let intent = domain::event::intent::Intent {
        intent_id: "stranger-2".parse().unwrap(),
        from: None,
        mode: None,
        goal: domain::content::Text::Inline("g".into()),
        constraints: None,
    };
    let envelope = stranger.sign_now(StatementKind::Intent, &intent).await;
    assert_problem(&post(&server, "/api/v1/intents", envelope, Vec::new()).await, 401, "KEY_UNKNOWN");
    // The one event is Casey's enrolment.
    assert_eq!(size(&server).await, before + 1);
    let kept = data::files_with(server.dir(), content.lines().next().unwrap().as_bytes());
    assert!(kept.is_empty(), "the body of a refused command is kept in {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_unknown_says_anything_in_a_prod_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let (data_dir, root) = (dir.path().join("data"), dir.path().join("root.key"));
    let made = binary::run(
        binary::command("countersign")
            .args(["init", "--profile", "prod", "--data"])
            .arg(&data_dir)
            .arg("--root")
            .arg(&root)
            .env("COUNTERSIGN_API_KEY", ADMIN_KEY),
    );
    binary::printed(&made);
    let server = Server::serve(&data_dir).await;
    let goal = "nobody should be able to fill this disk\n".repeat(2_000);
    let intent = json!({"intent_id": "stranger", "from": "me", "mode": "fix", "goal": goal});
    let native = json!({"goal": goal});
    let answer = server.raw().request("POST", "/api/v1/intents").json(&native).send().await;
    assert_problem(&answer, 401, "KEY_REQUIRED");
    assert_detail(&server.raw().request("POST", "/v1/intent").json(&intent).send().await, 401);
    // Nor does anybody read.
    assert_problem(&server.raw().get("/api/v1/stream?once=true").await, 401, "KEY_REQUIRED");
    assert_eq!(size(&server).await, 1);
    assert!(data::files_with(server.dir(), goal.lines().next().unwrap().as_bytes()).is_empty());
    assert_eq!(server.raw().post("/api/v1/intents", ADMIN_KEY, &native).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_changed_after_signing_is_refused() {
    let (_dir, server) = server().await;
    let casey = server.author(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    let (proposal, bodies) = committed(proposals::read("tampered-1", "a.txt"));
    let honest = casey.sign_now(StatementKind::Proposal, &proposal).await;
    let before = size(&server).await;
    let path = "/api/v1/proposals";

    let mut changed = honest.clone();
    let text = String::from_utf8(changed.payload.clone()).unwrap();
    changed.payload = text.replace("a.txt", "b.txt").into_bytes();
    assert_ne!(changed.payload, honest.payload);
    assert_problem(&post(&server, path, changed, bodies.clone()).await, 401, "SIGNATURE_INVALID");
    for (bit, at) in [(1, 0), (0x80, 31), (1, 32), (0x10, 63)] {
        let mut changed = honest.clone();
        let mut bytes = *changed.signatures[0].sig.as_bytes();
        bytes[at] ^= bit;
        changed.signatures[0].sig = proof::Signature::new(bytes);
        assert_problem(&post(&server, path, changed, bodies.clone()).await, 401, "SIGNATURE_INVALID");
    }
    // The same statement spelt otherwise is not the one that was signed, nor is it canonical.
    let mut changed = honest.clone();
    changed.payload.push(b' ');
    assert_problem(&post(&server, path, changed, bodies.clone()).await, 422, "MALFORMED");
    let mut changed = honest.clone();
    changed.payload_type = "application/json".into();
    assert_problem(&post(&server, path, changed, bodies.clone()).await, 422, "MALFORMED");
    // Two signatures: which of them should speak?
    let mut changed = honest.clone();
    changed.signatures.push(changed.signatures[0]);
    assert_problem(&post(&server, path, changed, bodies.clone()).await, 422, "MALFORMED");
    // Bodies that do not open what was signed, or that nobody asked for.
    let stray = Body::new(new_salt(), "text/plain; charset=utf-8", b"stray");
    assert_problem(&post(&server, path, honest.clone(), vec![stray]).await, 422, "MALFORMED");
    let (long, _) = committed(proposals::write("tampered-2", "a.txt", &"x".repeat(2_000)));
    let envelope = casey.sign_now(StatementKind::Proposal, &long).await;
    assert_problem(&post(&server, path, envelope.clone(), Vec::new()).await, 422, "MALFORMED");
    let other = Body::new(new_salt(), "text/plain; charset=utf-8", "x".repeat(2_000).as_bytes());
    assert_problem(&post(&server, path, envelope, vec![other]).await, 422, "MALFORMED");
    assert_eq!(size(&server).await, before);
    // The honest one is good.
    assert_eq!(post(&server, path, honest, bodies).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_for_one_thing_is_none_for_another() {
    let (_dir, server) = server().await;
    let both = [Scope::ProposalCreate, Scope::ProposalApprove];
    let bob = server.author(PrincipalKind::Human, "bob", &both).await;
    let casey = server.agent("Casey").await;
    let ruled = casey.submit_proposal(&proposals::irreversible("other-1", "a.txt", "x")).await.unwrap();
    let pending = asked(&server.admin(), &ruled.proposal_id).await;
    let before = size(&server).await;
    let challenge = pending.challenge.clone();
    let answer = Yes { proposal_id: pending.proposal_id.clone(), verb: Verb::Grant, challenge, reason: None };
    let (proposal, _) = committed(proposals::read("other-2", "a.txt"));

    // Of another kind.
    let as_proposal = bob.sign_now(StatementKind::Proposal, &answer).await;
    assert_problem(&post(&server, "/api/v1/approvals", as_proposal, Vec::new()).await, 422, "STATEMENT_MISMATCH");
    let as_answer = bob.sign_now(StatementKind::Answer, &proposal).await;
    assert_problem(&post(&server, "/api/v1/proposals", as_answer, Vec::new()).await, 422, "STATEMENT_MISMATCH");
    // For another ledger.
    let mut elsewhere = bob.clone();
    elsewhere.origin = "elsewhere.example".into();
    let envelope = elsewhere.sign(StatementKind::Answer, seen(&server.anonymous()).await, &answer);
    assert_problem(&post(&server, "/api/v1/approvals", envelope, Vec::new()).await, 422, "STATEMENT_MISMATCH");
    // Having seen a history that this log never had: it convicts whoever showed it.
    let now = seen(&server.anonymous()).await;
    for never in [
        SeenHead { root: Hash::new([7; 32]), ..now },
        SeenHead { size: TreeSize::new(now.size.get() - 1), ..now },
        SeenHead { size: TreeSize::new(now.size.get() + 1), ..now },
    ] {
        let envelope = bob.sign(StatementKind::Answer, never, &answer);
        assert_problem(&post(&server, "/api/v1/approvals", envelope, Vec::new()).await, 409, "STATEMENT_MISMATCH");
    }
    // To another challenge than the open one.
    let mut other = answer.clone();
    other.challenge.preview_digest = Hash::new([7; 32]);
    let envelope = bob.sign_now(StatementKind::Answer, &other).await;
    assert_problem(&post(&server, "/api/v1/approvals", envelope, Vec::new()).await, 409, "CHALLENGE_MISMATCH");
    assert_eq!(size(&server).await, before);
    let envelope = bob.sign_now(StatementKind::Answer, &answer).await;
    assert_eq!(post(&server, "/api/v1/approvals", envelope, Vec::new()).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_speaks_for_its_owner_only() {
    let (_dir, server) = server().await;
    // An agent's key for another agent: a refusal that is recorded, for somebody known did it.
    let jordan = server.author(PrincipalKind::Agent, "Jordan", &[Scope::ProposalCreate]).await;
    let ruled = jordan.propose(proposals::read("foreign-1", "a.txt")).await.unwrap();
    assert_eq!(ruled.ruling.as_str(), "DENY");
    let reasons: Vec<&str> = ruled.reasons.iter().map(|reason| reason.code()).collect();
    assert!(reasons.contains(&"AGENT_KEY_MISMATCH"), "{reasons:?}");
    let by_key = server.agent("Jordan").await.submit_proposal(&proposals::read("foreign-2", "a.txt")).await.unwrap();
    assert_eq!(by_key.ruling.as_str(), "DENY");

    let before = size(&server).await;
    // A key without the scope.
    let reader = server.author(PrincipalKind::Agent, "Casey", &[Scope::LogRead]).await;
    let refused = reader.propose(proposals::read("foreign-3", "a.txt")).await.unwrap_err();
    assert_eq!(refused.reason(), Some("SCOPE_MISSING"));
    // Only root enrols.
    let newcomer = new_key("newcomer");
    let public = *newcomer.verifier().key();
    let record = NewKey {
        key_id: public.key_id().to_string().parse().unwrap(),
        credential: Credential::Ed25519(public),
        principal: Principal { kind: PrincipalKind::Human, id: "newcomer".parse().unwrap() },
        scopes: [Scope::ProposalApprove].into(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    };
    let by_itself = server.author_with(newcomer).await.sign_now(StatementKind::Key, &record).await;
    assert_problem(&post(&server, "/api/v1/keys", by_itself, Vec::new()).await, 401, "SIGNATURE_INVALID");
    // The ledger's own event key is nobody's voice.
    let event_key = server.author_with(server.key(ledger::keys::KeyRole::Event)).await;
    let refused = event_key.propose(proposals::read("foreign-4", "a.txt")).await.unwrap_err();
    assert_eq!(refused.reason(), Some("KEY_UNKNOWN"));
    // The one event is the reader's enrolment.
    assert_eq!(size(&server).await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_what_they_proposed() {
    let (_dir, server) = server().await;
    let both = [Scope::ProposalCreate, Scope::ProposalApprove];
    // Under two keys of the same person, of different kinds.
    let signs = server.author(PrincipalKind::Human, "dana", &both).await;
    let types = server.person(PrincipalKind::Human, "dana", &both).await;
    let mut proposal = proposals::irreversible("own-1", "a.txt", "x");
    proposal.agent = "Human".parse().unwrap();
    let ruled = types.submit_proposal(&proposal).await.unwrap();
    assert_eq!(ruled.ruling.as_str(), "REQUIRE_HUMAN");
    let pending = asked(&server.admin(), &ruled.proposal_id).await;
    let before = size(&server).await;
    assert_eq!(signs.answer(&pending, Verb::Grant).await.unwrap_err().reason(), Some("SELF_APPROVAL"));
    let answer = schemas::approval::SubmitAnswer {
        proposal_id: pending.proposal_id.clone(),
        verb: Verb::Grant,
        nonce: pending.challenge.nonce.clone(),
        reason: None,
    };
    assert_eq!(types.answer(&answer).await.unwrap_err().reason(), Some("SELF_APPROVAL"));
    assert_eq!(size(&server).await, before);
    let other = server.author(PrincipalKind::Human, "erin", &both).await;
    assert!(other.answer(&pending, Verb::Grant).await.unwrap().job_id.is_some());
}
