//! The predecessor's own clients run unmodified: what its scripts, adapters and dashboard send, byte for byte, and what
//! they look at.

use crate::bad_input::{assert_detail, size};
use countersign_tests::raw::{Answer, Raw, Request};
use countersign_tests::server::{ADMIN_KEY, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tempfile::TempDir;

async fn server() -> (TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    (dir, server)
}

/// As `curl -d` sends it.
fn curl(raw: Raw, path: &str, key: Option<&str>, body: &str) -> Request {
    let request = raw.request("POST", path).header("user-agent", "curl/8.5.0").header("accept", "*/*");
    let request = if body.is_empty() { request } else { request.header("content-type", "application/json").body(body) };
    key.into_iter().fold(request, Request::key)
}

async fn govern(raw: Raw, body: &Value) -> Answer {
    curl(raw, "/v1/govern/proposal", Some(ADMIN_KEY), &body.to_string()).send().await
}

fn deploy(id: &str) -> Value {
    json!({"proposal_id": id, "intent_id": "i-1", "agent": "Human", "summary": "Deploy demo",
        "effects": ["RUN_TESTS", "DEPLOY"], "truth_account": {"observations": ["test"], "claims": []}})
}

fn read_repo(id: &str) -> Value {
    json!({"proposal_id": id, "intent_id": "i-hash-test", "agent": "Casey", "summary": "Test manifest hash pinning",
        "effects": ["READ_REPO"], "truth_account": {"observations": ["test"], "claims": []}})
}

async fn jobs_of(raw: Raw, proposal: &str) -> Vec<Value> {
    let jobs = raw.get("/v1/jobs").await.json();
    jobs["jobs"].as_array().unwrap().iter().filter(|job| job["proposal_id"] == proposal).cloned().collect()
}

/// The members of a `GovernanceDecision`: all of them, always.
const DECISION: [&str; 8] = [
    "allowed_effects",
    "decision",
    "job_id",
    "proposal_id",
    "reasons",
    "required_approvals",
    "reversibility_gate",
    "safe_alternative",
];

fn assert_decision(answer: &Answer, decision: &str) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["decision"], decision, "{told}");
    let members: BTreeSet<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, DECISION.into_iter().collect::<BTreeSet<_>>());
    assert!(!told["reasons"].as_array().unwrap().is_empty());
    // The scripts look for members without a space.
    assert!(answer.text().contains(&format!("\"decision\":\"{decision}\"")), "{}", answer.text());
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proof_test_script_finds_what_it_looks_for() {
    let (_dir, server) = server().await;
    let raw = server.raw();
    let health = raw.get("/health").await;
    assert!(health.text().contains("\"ok\":true"), "{}", health.text());
    assert_eq!(health.json()["postgres"], "connected");
    assert_eq!(health.json()["persistence_available"], true);

    // No approval, no job.
    let told = assert_decision(&govern(raw, &deploy("p-deploy-1")).await, "REQUIRE_HUMAN");
    assert_eq!((&told["job_id"], &told["required_approvals"]), (&Value::Null, &json!(["mac"])), "{told}");
    let pending = raw.get("/v1/pending-approvals").await.json();
    assert_eq!(pending["pending"][0]["proposal_id"], "p-deploy-1", "{pending}");
    assert_eq!(jobs_of(raw, "p-deploy-1").await, Vec::<Value>::new());
    // Approval needs a key.
    let refused = curl(raw, "/v1/approve/p-deploy-1", None, "").send().await;
    assert_eq!(assert_detail(&refused, 401), "API key required");
    assert_eq!(jobs_of(raw, "p-deploy-1").await, Vec::<Value>::new());
    // Nobody feeds events in.
    let emit = json!({"type": "proposal.allowed", "payload": {"proposal_id": "FAKE", "decision": "ALLOW"}});
    assert_eq!(curl(raw, "/v1/admin/emit", Some(ADMIN_KEY), &emit.to_string()).send().await.status, 404);
    // With the key, and an empty body.
    let approved = curl(raw, "/v1/approve/p-deploy-1", Some(ADMIN_KEY), "").send().await;
    assert_eq!(approved.status, 200, "{}", approved.text());
    let told = approved.json();
    assert_eq!((&told["approved"], &told["proposal_id"]), (&json!(true), &json!("p-deploy-1")), "{told}");
    let jobs = jobs_of(raw, "p-deploy-1").await;
    assert_eq!((jobs.len(), &jobs[0]["job_id"], &jobs[0]["tool"]), (1, &told["job_id"], &json!("echo")), "{jobs:?}");
    assert_eq!((&jobs[0]["human_approved"], &jobs[0]["status"]), (&json!(true), &json!("pending")), "{jobs:?}");
    assert!(raw.get("/v1/pending-approvals").await.text().contains("\"pending\":[]"));

    // Jobs are pinned to the manifest.
    let tools = raw.get("/v1/tools").await.json();
    let hash = tools["manifest_hash"].as_str().unwrap().to_owned();
    assert_eq!(hash.len(), 64);
    let echo = tools["tools"].as_array().unwrap().iter().filter(|tool| tool["tool"] == "echo").count();
    assert_eq!(echo, 1, "{tools}");
    let told = assert_decision(&govern(raw, &read_repo("p-hash-test-1")).await, "ALLOW");
    assert_eq!(told["allowed_effects"], json!(["READ_REPO"]));
    let job = jobs_of(raw, "p-hash-test-1").await.remove(0);
    assert_eq!((&job["job_id"], &job["manifest_hash"]), (&told["job_id"], &json!(hash)), "{job}");

    // Results are bounded, and their secrets are cut out.
    let big = json!({"job_id": "job-big-test-1", "proposal_id": "p-big-test", "status": "failed",
        "output": {"stdout": "A".repeat(80_000)}, "manifest_hash": hash});
    let refused = curl(raw, "/v1/runner/result", Some(ADMIN_KEY), &big.to_string()).send().await;
    assert!(assert_detail(&refused, 413).as_str().unwrap().starts_with("Result too large ("), "{}", refused.text());
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", "MC4CAQAwBQYDK2VwBCIEIN".repeat(3));
    let result = json!({"job_id": told["job_id"], "proposal_id": "p-hash-test-1", "status": "completed",
        "output": {"stdout": format!("tests passed\n{key}\nAPI_KEY=correct-horse-9")}, "manifest_hash": hash,
        "manifest_version": "1.1", "envelope_hash": null, "autonomy_budget": null, "autonomy_usage": null,
        "deh_evidence": null, "completion_artifacts": {"files": [], "diffs": [], "receipts": [],
            "logs": [{"source": "stdout", "sha256": "0".repeat(64)}]}});
    let report = || curl(raw, "/v1/runner/result", Some(ADMIN_KEY), &result.to_string()).send();
    let accepted = report().await;
    assert!(accepted.text().contains("\"ok\":true"), "{}", accepted.text());
    assert_eq!(accepted.json()["effective_status"], "completed", "{}", accepted.text());
    let before = size(&server).await;
    let again = report().await;
    assert_eq!(again.status, 200);
    assert!(again.text().contains("\"ok\":true"), "{}", again.text());
    assert_eq!(size(&server).await, before, "a second result of a finished job is not recorded");

    let job = jobs_of(raw, "p-hash-test-1").await.remove(0);
    let output = job["output"].as_str().expect("`output` is text, or its own clients break");
    assert!(
        output.contains("tests passed") && !output.contains("MC4CAQAw") && !output.contains("correct-horse"),
        "{output}"
    );
    assert!(countersign_tests::data::files_with(server.dir(), b"MC4CAQAwBQYDK2VwBCIEIN").is_empty());
    assert!(countersign_tests::data::files_with(server.dir(), b"correct-horse-9").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_script_finds_its_status_codes() {
    let (_dir, server) = server().await;
    let raw = server.raw();
    let propose =
        async |key: Option<&str>, body: Value| curl(raw, "/v1/govern/proposal", key, &body.to_string()).send().await;
    assert_eq!(assert_detail(&propose(None, read_repo("p-1")).await, 401), "API key required");
    assert_eq!(assert_detail(&propose(Some("not-a-key"), read_repo("p-1")).await, 401), "Invalid API key");
    let make = async |body: Value| {
        let made = curl(raw, "/v1/admin/keys", Some(ADMIN_KEY), &body.to_string()).send().await;
        assert_eq!(made.status, 200, "{}", made.text());
        made.json()
    };
    let no_scope = make(json!({"principal_type": "service", "principal_id": "noscope",
        "endpoint_scopes": ["runner:result"], "effect_scopes": [], "max_risk": 0.0}))
    .await;
    let key = no_scope["key"].as_str().unwrap();
    assert!(key.starts_with("m87_") && key.len() == 68, "{no_scope}");
    let key_id = no_scope["key_id"].as_str().unwrap();
    assert!(key_id.starts_with("key_") && key_id.len() == 20, "{no_scope}");
    let refused = propose(Some(key), read_repo("p-1")).await;
    assert_eq!(assert_detail(&refused, 403), "Key not authorized for endpoint: proposal:create");
    let casey =
        make(json!({"principal_type": "adapter", "principal_id": "Casey", "endpoint_scopes": ["proposal:create"],
        "effect_scopes": ["READ_REPO", "WRITE_PATCH"], "max_risk": 0.6, "description": "verify phase 1"}))
        .await;
    assert_eq!(casey["effect_scopes"], json!(["READ_REPO", "WRITE_PATCH"]));
    let key = casey["key"].as_str().unwrap();
    let mut tests = read_repo("p-1");
    tests["effects"] = json!(["RUN_TESTS", "READ_REPO"]);
    assert_eq!(assert_detail(&propose(Some(key), tests).await, 403), "Key not authorized for effects: ['RUN_TESTS']");
    let mut risky = read_repo("p-1");
    risky["risk_score"] = json!(0.9);
    assert_eq!(assert_detail(&propose(Some(key), risky).await, 403), "Risk 0.9 exceeds key max 0.6");
    assert_decision(&propose(Some(key), read_repo("p-1")).await, "ALLOW");

    // The key's life.
    let change = async |method: &str, path: &str| raw.request(method, path).key(ADMIN_KEY).send().await;
    let casey_id = casey["key_id"].as_str().unwrap();
    let listed = change("GET", "/v1/admin/keys").await;
    assert!(listed.text().contains(casey_id) && !listed.text().contains(key), "{}", listed.text());
    assert_eq!(change("POST", &format!("/v1/admin/keys/{casey_id}/disable")).await.json()["disabled"], true);
    assert_eq!(assert_detail(&propose(Some(key), read_repo("p-2")).await, 403), "API key is disabled");
    assert_eq!(change("POST", &format!("/v1/admin/keys/{casey_id}/enable")).await.json()["enabled"], true);
    assert_decision(&propose(Some(key), read_repo("p-2")).await, "ALLOW");
    assert_eq!(change("DELETE", &format!("/v1/admin/keys/{casey_id}")).await.json()["deleted"], true);
    assert_eq!(assert_detail(&propose(Some(key), read_repo("p-3")).await, 401), "Invalid API key");
    assert_eq!(assert_detail(&change("DELETE", &format!("/v1/admin/keys/{casey_id}")).await, 404), "Key not found");
    assert_eq!(assert_detail(&change("POST", "/v1/admin/keys/key_none/disable").await, 404), "Key not found");
}

/// Milliseconds and leaf index of a stream id.
fn parts(id: &Value) -> (u64, u64) {
    let (ms, seq) = id.as_str().unwrap().split_once('-').unwrap();
    (ms.parse().unwrap(), seq.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_poll_events_without_a_key_and_miss_none() {
    let (_dir, server) = server().await;
    let raw = server.raw();
    for number in 0..4 {
        let intent = json!({"intent_id": format!("i-{number}"), "from": "Mac", "mode": "fix", "goal": "mend it"});
        let answer = curl(raw, "/v1/intent", None, &intent.to_string()).send().await;
        assert_eq!(answer.text(), format!("{{\"accepted\":true,\"intent_id\":\"i-{number}\"}}"));
    }
    // A real key was an error once; a wrong one is.
    let intent = json!({"intent_id": "i-4", "from": "Mac", "mode": "fix", "goal": "mend it", "unheard_of": 1});
    assert_eq!(curl(raw, "/v1/intent", Some(ADMIN_KEY), &intent.to_string()).send().await.status, 200);
    assert_detail(&curl(raw, "/v1/intent", Some("not-a-key"), &intent.to_string()).send().await, 401);
    let missing = curl(raw, "/v1/intent", None, "{\"intent_id\":\"i-5\"}").send().await;
    let detail = assert_detail(&missing, 422);
    assert_eq!((&detail[0]["type"], &detail[0]["loc"]), (&json!("missing"), &json!(["body", "from"])), "{detail}");

    let told = assert_decision(&govern(raw, &read_repo("p-1")).await, "ALLOW");
    let mut secrets = read_repo("p-2");
    secrets["effects"] = json!(["READ_SECRETS"]);
    assert_decision(&govern(raw, &secrets).await, "DENY");
    assert_decision(&govern(raw, &deploy("p-3")).await, "REQUIRE_HUMAN");
    let failed = json!({"job_id": told["job_id"], "proposal_id": "p-1", "status": "failed",
        "output": {"error": "it broke", "stdout": "a lot"}});
    assert_eq!(curl(raw, "/v1/runner/result", Some(ADMIN_KEY), &failed.to_string()).send().await.status, 200);

    let all = raw.get("/v1/events?limit=50").await.json();
    let all = all["events"].as_array().unwrap().clone();
    let kinds: Vec<&str> = all.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = [
        "intent.created",
        "intent.created",
        "intent.created",
        "intent.created",
        "intent.created",
        "proposal.allowed",
        "job.created",
        "proposal.denied",
        "proposal.needs_approval",
        "job.failed",
    ];
    assert_eq!(kinds, expected);
    assert!(all.windows(2).all(|pair| parts(&pair[0]["id"]) < parts(&pair[1]["id"])), "{all:?}");
    assert!(all.iter().all(|event| event["payload"].is_object()));
    assert_eq!(all[0]["payload"]["goal"], "mend it");
    let last = &all.last().unwrap()["payload"];
    assert_eq!((&last["output"], &last["error"]), (&json!("a lot"), &json!("it broke")), "{last}");
    assert_eq!(last["tool"], "echo");

    // Page by page, from any id on, with what was seen last handed back verbatim.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = raw.get(&format!("/v1/events?limit=3{after}")).await.json();
        let page = page["events"].as_array().unwrap().clone();
        if after.is_empty() {
            // Without `after`: the newest.
            assert_eq!(page, all[all.len() - 3..]);
            after = "&after=0-0".into();
            seen.clear();
            continue;
        }
        let Some(last) = page.last() else { break };
        after = format!("&after={}", last["id"].as_str().unwrap());
        seen.extend(page);
    }
    assert_eq!(seen, all);
    assert_detail(&raw.get("/v1/events?after=nonsense").await, 422);
    let agents = raw.get("/v1/agents").await.json();
    let names: Vec<&Value> = agents["agents"].as_array().unwrap().iter().map(|agent| &agent["name"]).collect();
    assert_eq!(names, ["Casey", "Jordan", "Riley", "Human"]);
    assert_eq!(agents["agents"][0]["allowed_effects"], json!(["READ_REPO", "RUN_TESTS", "WRITE_PATCH"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_lists_denies_and_approves() {
    let (_dir, server) = server().await;
    let raw = server.raw();
    for id in ["p-old", "p-middle", "p-new"] {
        assert_decision(&govern(raw, &deploy(id)).await, "REQUIRE_HUMAN");
    }
    let pending = raw.get("/v1/pending-approvals").await.json();
    let ids: Vec<&Value> = pending["pending"].as_array().unwrap().iter().map(|asked| &asked["proposal_id"]).collect();
    assert_eq!(ids, ["p-new", "p-middle", "p-old"], "newest first");
    let first = &pending["pending"][0];
    assert!(parts(&first["id"]).0 > 1_600_000_000_000, "{first}");
    assert_eq!((&first["payload"]["summary"], &first["payload"]["agent"]), (&json!("Deploy demo"), &json!("Human")));

    // A browser asks first.
    let preflight = |origin: &str| {
        raw.request("OPTIONS", "/v1/approve/p-new")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-m87-key")
            .send()
    };
    let allowed = preflight("http://localhost:3000").await;
    assert_eq!((allowed.status, allowed.text().as_str()), (200, "OK"));
    for (name, value) in [
        ("access-control-allow-origin", "http://localhost:3000"),
        ("access-control-allow-methods", "GET, POST, DELETE"),
        ("access-control-allow-headers", "content-type,x-m87-key"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(allowed.header(name), Some(value), "{name}");
    }
    let foreign = preflight("http://evil.example").await;
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (400, None));
    let read = raw.request("GET", "/v1/jobs").header("origin", "http://127.0.0.1:3000").send().await;
    assert_eq!(read.header("access-control-allow-origin"), Some("http://127.0.0.1:3000"));
    let read = raw.request("GET", "/v1/jobs").header("origin", "http://evil.example").send().await;
    assert_eq!(read.header("access-control-allow-origin"), None);

    // No, with a reason in the query.
    let denied = curl(raw, "/v1/deny/p-old?reason=Not%20today", Some(ADMIN_KEY), "").send().await;
    assert_eq!(denied.status, 200, "{}", denied.text());
    assert_eq!((&denied.json()["denied"], &denied.json()["reason"]), (&json!(true), &json!("Not today")));
    let after = curl(raw, "/v1/approve/p-old", Some(ADMIN_KEY), "").send().await;
    assert_eq!(assert_detail(&after, 404), "No pending proposal found");
    let silent = curl(raw, "/v1/deny/p-middle", Some(ADMIN_KEY), "").send().await;
    assert_eq!(silent.json()["reason"], "Denied by human");
    assert_eq!(jobs_of(raw, "p-old").await, Vec::<Value>::new());
    // Yes, once.
    let body = json!({"challenge_answer": null}).to_string();
    assert_eq!(curl(raw, "/v1/approve/p-new", Some(ADMIN_KEY), &body).send().await.status, 200);
    let twice = curl(raw, "/v1/approve/p-new", Some(ADMIN_KEY), "").send().await;
    assert_eq!(assert_detail(&twice, 404), "No pending proposal found");
    assert_eq!(
        assert_detail(&curl(raw, "/v1/approve/none", Some(ADMIN_KEY), "").send().await, 404),
        "No pending proposal found"
    );
    // The key comes before the question whether there is anything.
    assert_eq!(assert_detail(&curl(raw, "/v1/approve/none", None, "").send().await, 401), "API key required");
    assert_eq!(jobs_of(raw, "p-new").await.len(), 1);
    let events = raw.get("/v1/events").await.text();
    assert!(events.contains("\"proposal.approved\"") && events.contains("\"proposal.denied_by_human\""), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn six_approvals_at_once_mint_one_job() {
    let (_dir, server) = server().await;
    let raw = server.raw();
    for round in 0..5 {
        let id = format!("p-race-{round}");
        assert_decision(&govern(raw, &deploy(&id)).await, "REQUIRE_HUMAN");
        let path = format!("/v1/approve/{id}");
        let at_once: Vec<_> = (0..6).map(|_| tokio::spawn(curl(raw, &path, Some(ADMIN_KEY), "").send())).collect();
        let mut statuses = Vec::new();
        for one in at_once {
            let answer = one.await.unwrap();
            if answer.status != 200 {
                // Who was too late is told so, however it was too late.
                assert!(matches!(answer.status, 404 | 409), "{}", answer.text());
                assert_detail(&answer, answer.status);
            }
            statuses.push(answer.status);
        }
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(jobs_of(raw, &id).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_says_why_in_words_that_its_clients_know() {
    let (_dir, server) = server().await;
    let raw = server.raw();
    let with = |id: &str, name: &str, value: Value| {
        let mut body = read_repo(id);
        body[name] = value;
        body
    };
    let reasons = |told: &Value| {
        told["reasons"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let told = assert_decision(&govern(raw, &with("d-1", "effects", json!(["READ_SECRETS"]))).await, "DENY");
    assert!(reasons(&told).contains(&"READ_SECRETS is forbidden.".to_owned()), "{told}");
    let told = assert_decision(&govern(raw, &with("d-2", "effects", json!(["DEPLOY"]))).await, "DENY");
    assert!(reasons(&told).contains(&"Agent 'Casey' not allowed effects: ['DEPLOY']".to_owned()), "{told}");
    let told = assert_decision(&govern(raw, &with("d-3", "effects", json!(["WRITE_PATCH"]))).await, "DENY");
    let expected = "Reversibility Gate: Non-read action missing reversibility_class declaration.";
    assert!(reasons(&told).contains(&expected.to_owned()), "{told}");
    assert_eq!(
        (&told["safe_alternative"], &told["reversibility_gate"]["allowed"]),
        (&json!("proposal"), &json!(false))
    );
    let told = assert_decision(&govern(raw, &with("d-4", "risk_score", json!(0.9))).await, "REQUIRE_HUMAN");
    assert!(
        reasons(&told).contains(&"Risk 0.9 exceeds agent 'Casey' max 0.6. Requires human review.".to_owned()),
        "{told}"
    );
    let told = assert_decision(&govern(raw, &read_repo("d-5")).await, "ALLOW");
    let allowed = [
        "Allowed by policy. Agent 'Casey' within scope.",
        "Reversibility Gate: Read-only action; reversibility gate bypassed.",
    ];
    assert_eq!(reasons(&told), allowed);
}
