//! Whatever is sent, the answer says what, where and what would be right, and the log is as it was.

use countersign_tests::proposals;
use countersign_tests::raw::{Answer, Raw};
use countersign_tests::server::{ADMIN_KEY, Server, Start};
use domain::event::PrincipalKind;
use domain::event::key::Scope;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server, and how many events its log has.
async fn server() -> (TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    (dir, server)
}

pub(crate) async fn size(server: &Server) -> u64 {
    server.anonymous().head().await.unwrap().size.get()
}

/// A refusal of a native route: a problem document (RFC 9457) that names its reason.
pub(crate) fn assert_problem(answer: &Answer, status: u16, reason: &str) -> Value {
    let text = answer.text();
    assert_eq!(answer.status, status, "{text}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{text}");
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["reason"]), (&json!(status), &json!(reason)), "{text}");
    assert_eq!(problem["type"], format!("/docs/reasons#{reason}"), "{text}");
    for name in ["title", "detail"] {
        assert!(problem[name].as_str().is_some_and(|said| !said.trim().is_empty()), "`{name}`: {text}");
    }
    problem
}

/// A refusal of a compatible route: the predecessor's `detail`.
pub(crate) fn assert_detail(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    let mut body = answer.json();
    assert_eq!(answer.header("content-type"), Some("application/json"), "{body}");
    assert!(!body["detail"].is_null(), "{body}");
    body["detail"].take()
}

async fn post(raw: Raw, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    raw.request("POST", path).key(ADMIN_KEY).header("content-type", "application/json").body(body).send().await
}

const NATIVE: [&str; 7] = [
    "/api/v1/intents",
    "/api/v1/proposals",
    "/api/v1/approvals",
    "/api/v1/keys",
    "/api/v1/runners",
    "/api/v1/jobs/lease",
    "/api/v1/jobs/some-job/result",
];

const COMPATIBLE: [&str; 4] = ["/v1/intent", "/v1/govern/proposal", "/v1/runner/result", "/v1/admin/keys"];

#[tokio::test(flavor = "multi_thread")]
async fn json_that_cannot_be_read_is_refused_with_its_place() {
    let (_dir, server) = server().await;
    let before = size(&server).await;
    let cases: [(&[u8], u64); 9] = [
        (b"{\"goal\": }", 9),
        (b"{\"goal\":\"x\"", 11),
        (b"{\"goal\":\"x\"} ]", 13),
        (b"{'goal':1}", 1),
        (b"", 0),
        (b"   ", 3),
        (b"{\"goal\":01}", 8),
        (b"{\"goal\":\"\\x\"}", 9),
        (b"{\"goal\":\"a\nb\"}", 10),
    ];
    for path in NATIVE {
        for (body, offset) in cases {
            let answer = post(server.raw(), path, body).await;
            let problem = assert_problem(&answer, 400, "MALFORMED");
            assert_eq!(problem["offset"], json!(offset), "{path} {:?}: {problem}", String::from_utf8_lossy(body));
        }
        let answer = post(server.raw(), path, b"{\"goal\":\"\xff\xfe\"}".to_vec()).await;
        assert_eq!(assert_problem(&answer, 400, "MALFORMED")["offset"], json!(9), "{path}");
    }
    for path in COMPATIBLE {
        let answer = post(server.raw(), path, "{\"goal\": }").await;
        let detail = assert_detail(&answer, 422);
        assert_eq!((&detail[0]["type"], &detail[0]["loc"]), (&json!("json_invalid"), &json!(["body", 9])), "{detail}");
        assert_detail(&post(server.raw(), path, "").await, 422);
        assert_detail(&post(server.raw(), path, "[1]").await, 422);
    }
    assert_eq!(size(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_does_not_survive_is_refused_with_its_place() {
    let (_dir, server) = server().await;
    let before = size(&server).await;
    let goal = |constraints: &str| format!("{{\"goal\":\"x\",\"constraints\":{constraints}}}");
    let start = u64::try_from("{\"goal\":\"x\",\"constraints\":".len()).unwrap();
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let cases = [
        (goal("NaN"), start),
        (goal("-Infinity"), start + 1),
        (goal("1e999"), start),
        (goal("-1e999"), start),
        (goal("9007199254740993"), start),
        (goal("{\"a\":1,\"b\":2,\"a\":3}"), start + 13),
        (goal("{\"a\":1,\"\\u0061\":3}"), start + 7),
        (goal("\"\\ud800\""), start + 1),
        (goal("\"\\udc00\\ud800\""), start + 1),
        (goal(&deep(64)), start + 63),
        (deep(100_000), 64),
    ];
    for path in NATIVE {
        for (body, offset) in &cases {
            let problem = assert_problem(&post(server.raw(), path, body.clone()).await, 422, "MALFORMED");
            let shown: String = body.chars().take(60).collect();
            assert_eq!(problem["offset"], json!(offset), "{path} {shown}: {problem}");
        }
    }
    // What can be read is still bounded: a log must not hold what nobody can wrap and read back.
    let answer = post(server.raw(), "/api/v1/intents", goal(&deep(40))).await;
    assert_problem(&answer, 422, "MALFORMED");
    for path in COMPATIBLE {
        for (body, _) in &cases {
            assert_detail(&post(server.raw(), path, body.clone()).await, 422);
        }
    }
    assert_eq!(size(&server).await, before);
    // The nearest that does survive.
    for good in ["9007199254740991", "-9007199254740991", "1e308", "\"\\ud83d\\ude00\"", &deep(20)] {
        let answer = post(server.raw(), "/api/v1/intents", goal(good)).await;
        assert_eq!(answer.status, 201, "{good}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_as_such() {
    let (_dir, server) = server().await;
    let before = size(&server).await;
    let huge = format!("{{\"goal\":\"{}\"}}", "x".repeat(7 * 1024 * 1024));
    for path in NATIVE {
        assert_problem(&post(server.raw(), path, huge.clone()).await, 413, "TOO_LARGE");
    }
    for path in COMPATIBLE {
        assert_detail(&post(server.raw(), path, huge.clone()).await, 413);
    }
    // One text of a command that fits as a whole.
    let text = format!("{{\"goal\":\"{}\"}}", "x".repeat(1024 * 1024 + 1));
    let problem = assert_problem(&post(server.raw(), "/api/v1/intents", text).await, 413, "TOO_LARGE");
    assert_eq!(problem["pointer"], "/goal");
    assert_eq!(size(&server).await, before);
    let text = format!("{{\"goal\":\"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(post(server.raw(), "/api/v1/intents", text).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_type_is_refused_with_a_pointer_to_it() {
    let (_dir, server) = server().await;
    let before = size(&server).await;
    let proposal = |pointer: &str, value: Value| {
        let actions = json!([{"tool": "read_file", "inputs": {"path": "a.txt"}}]);
        let mut proposal = proposals::bare("Casey", "p-1", &["READ_REPO"], &actions);
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match proposal.pointer_mut(parent).unwrap() {
            Value::Object(members) => drop(members.insert(name.to_owned(), value)),
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            other => panic!("{other}"),
        }
        proposal
    };
    let long = "x".repeat(129);
    let cases = [
        ("/proposal_id", json!(7)),
        ("/proposal_id", json!("")),
        ("/proposal_id", json!(long)),
        ("/proposal_id", json!("a b")),
        ("/proposal_id", json!("a\u{0}")),
        ("/intent_id", json!(["x"])),
        ("/agent", json!(long)),
        ("/effects", json!("READ_REPO")),
        ("/effects/0", json!(7)),
        ("/effects/0", json!("not an effect")),
        ("/actions/0", json!("read_file")),
        ("/actions/0/tool", json!({})),
        ("/actions/0/inputs", json!([])),
        ("/risk_score", json!("0.5")),
        ("/truth_account", json!("none")),
        ("/truth_account/claims", json!("sure")),
        ("/artifacts", json!([{"content": 7}])),
    ];
    for (pointer, value) in cases {
        let answer = server.raw().post("/api/v1/proposals", ADMIN_KEY, &proposal(pointer, value.clone())).await;
        let problem = assert_problem(&answer, 422, "MALFORMED");
        let told = problem["pointer"].as_str().unwrap_or_default();
        assert!(told.starts_with(pointer), "{pointer} {value}: {problem}");
    }
    for risk in [-0.1, 1.1, 1e308] {
        let answer = server.raw().post("/api/v1/proposals", ADMIN_KEY, &proposal("/risk_score", json!(risk))).await;
        assert_problem(&answer, 422, "MALFORMED");
    }
    // A member that nobody knows is a spelling mistake, not a wish.
    let answer = server.raw().post("/api/v1/proposals", ADMIN_KEY, &proposal("/reversibilty_class", json!("x"))).await;
    let problem = assert_problem(&answer, 422, "MALFORMED");
    assert!(problem["detail"].as_str().unwrap().contains("reversibilty_class"), "{problem}");
    let missing = json!({"proposal_id": "p-1"});
    let answer = server.raw().post("/api/v1/proposals", ADMIN_KEY, &missing).await;
    assert!(assert_problem(&answer, 422, "MALFORMED")["detail"].as_str().unwrap().contains("intent_id"));
    for (path, body) in [
        ("/api/v1/intents", json!([])),
        ("/api/v1/intents", json!({"goal": null})),
        ("/api/v1/approvals", json!({"proposal_id": "p-1", "verb": "maybe", "nonce": "x"})),
        ("/api/v1/keys", json!({"principal": {"kind": "robot", "id": "x"}, "scopes": []})),
        ("/api/v1/keys", json!({"principal": {"kind": "human", "id": "x"}, "scopes": ["everything"]})),
        ("/api/v1/keys", json!({"principal": {"kind": "human", "id": "x"}, "scopes": [], "max_risk": 2})),
        ("/api/v1/runners", json!({"envelope": 7})),
        ("/api/v1/jobs/lease", json!({})),
    ] {
        assert_problem(&server.raw().post(path, ADMIN_KEY, &body).await, 422, "MALFORMED");
    }
    for path in ["/api/v1/proposals?limit=x", "/api/v1/consistency?old=2&new=1", "/api/v1/consistency?old=0&new=99"] {
        let answer = server.raw().get(path).await;
        assert!(matches!(answer.status, 400 | 422), "{path}: {}", answer.text());
        assert_problem(&answer, answer.status, "MALFORMED");
    }
    assert_eq!(size(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_batch_that_is_refused_stops_no_other() {
    let (_dir, server) = server().await;
    let before = size(&server).await;
    let lines = [
        json!({"intent": {"intent_id": "b-1", "goal": "one"}}).to_string(),
        "{\"intent\": }".into(),
        json!({"intent": {"intent_id": 7, "goal": "x"}}).to_string(),
        json!({"proposal": proposals::bare("Casey", "b-2", &["READ_SECRETS"], &json!([]))}).to_string(),
        json!({"intent": {"goal": "x"}, "proposal": {}}).to_string(),
        json!({"intent": {"intent_id": "b-1", "goal": "another"}}).to_string(),
        json!({"intent": {"intent_id": "b-1", "goal": "one"}}).to_string(),
        "[1, 2]".into(),
        "\"\\ud800\"".into(),
        json!({"intent": {"intent_id": "b-3", "goal": "last"}}).to_string(),
    ];
    let answer = post(server.raw(), "/api/v1/batch", lines.join("\n")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let statuses: Vec<u64> = told.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 400, 422, 201, 422, 409, 200, 422, 422, 201], "{}", answer.text());
    for line in told.iter().filter(|line| line["status"].as_u64().unwrap() >= 400) {
        for name in ["type", "title", "detail", "reason"] {
            assert!(line["body"][name].is_string(), "{line}");
        }
    }
    assert_eq!(told[3]["body"]["ruling"], "DENY");
    assert_eq!(told[0]["body"]["seq"], told[6]["body"]["seq"]);
    assert_eq!(size(&server).await, before + 4);
    let anonymous = server.raw().request("POST", "/api/v1/batch").body(lines[0].clone()).send().await;
    assert_problem(&anonymous, 401, "KEY_REQUIRED");
    let many = format!("{}\n", lines[0]).repeat(1025);
    assert_problem(&post(server.raw(), "/api/v1/batch", many).await, 413, "TOO_LARGE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_is_not_found() {
    let (_dir, server) = server().await;
    let before = size(&server).await;
    let hash = "0".repeat(64);
    for (path, reason) in [
        ("/api/v1/proposals/none", "PROPOSAL_UNKNOWN"),
        ("/api/v1/receipts/proposals/none", "PROPOSAL_UNKNOWN"),
        ("/api/v1/jobs/none", "JOB_UNKNOWN"),
        ("/api/v1/jobs/none/result", "JOB_UNKNOWN"),
        ("/api/v1/receipts/events/999999", "NOT_FOUND"),
        ("/api/v1/nothing", "NOT_FOUND"),
        ("/nothing", "NOT_FOUND"),
        ("/log/tile/0/999", "NOT_FOUND"),
        ("/log/tile/0/../../keys/root.key", "NOT_FOUND"),
        ("/log/tile/..%2f..%2fkeys%2froot.key", "NOT_FOUND"),
        (&format!("/log/blob/{hash}"), "NOT_FOUND"),
        ("/log/blob/none", "NOT_FOUND"),
    ] {
        let answer = server.raw().request("GET", path).key(ADMIN_KEY).send().await;
        assert_problem(&answer, 404, reason);
    }
    let answer = server
        .raw()
        .post("/api/v1/approvals", ADMIN_KEY, &json!({"proposal_id": "none", "verb": "grant", "nonce": "x"}))
        .await;
    assert_problem(&answer, 404, "PROPOSAL_UNKNOWN");
    let erase = server.raw().request("DELETE", &format!("/api/v1/bodies/{hash}")).key(ADMIN_KEY).body("why");
    assert_problem(&erase.send().await, 404, "BLOB_UNKNOWN");
    for path in ["/v1/approve/none", "/v1/deny/none"] {
        let answer = server.raw().request("POST", path).key(ADMIN_KEY).send().await;
        assert_eq!(assert_detail(&answer, 404), "No pending proposal found");
    }
    let result = json!({"job_id": "no-such-job", "proposal_id": "none", "status": "failed"});
    assert_detail(&server.raw().post("/v1/runner/result", ADMIN_KEY, &result).await, 404);
    // Ids that cannot be any.
    for path in [
        format!("/api/v1/proposals/{}", "x".repeat(60_000)),
        "/api/v1/proposals/a%20b".into(),
        "/api/v1/jobs/%00".into(),
    ] {
        assert_problem(&server.raw().get(&path).await, 422, "MALFORMED");
    }
    assert_problem(&server.raw().get("/api/v1/receipts/events/x").await, 400, "MALFORMED");
    let answer = server.raw().request("PUT", "/api/v1/intents").body("{}").send().await;
    assert_problem(&answer, 405, "METHOD_NOT_ALLOWED");
    assert_eq!(size(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_why_and_leaves_no_event() {
    let (_dir, server) = server().await;
    let bystander = server.api_key(PrincipalKind::Human, "bystander", &[Scope::LogRead]).await;
    let fired = server.api_key(PrincipalKind::Human, "fired", &[Scope::ProposalCreate]).await;
    let keys = server.raw().request("GET", "/v1/admin/keys").key(ADMIN_KEY).send().await.json();
    let fired_id = keys["keys"].as_array().unwrap().iter().find(|key| key["principal_id"] == "fired").unwrap();
    let disable = format!("/v1/admin/keys/{}/disable", fired_id["key_id"].as_str().unwrap());
    assert_eq!(server.raw().request("POST", &disable).key(ADMIN_KEY).send().await.status, 200);
    let before = size(&server).await;
    let key = json!({"principal": {"kind": "human", "id": "x"}, "scopes": []});
    let answer = json!({"proposal_id": "none", "verb": "grant", "nonce": "x"});
    let hash = format!("/api/v1/bodies/{}", "0".repeat(64));
    let proposal = proposals::bare("Casey", "p-1", &["READ_REPO"], &json!([]));
    for (method, path, body) in [
        ("POST", "/api/v1/proposals", &proposal),
        ("POST", "/api/v1/keys", &key),
        ("DELETE", &hash, &json!("why")),
        ("POST", "/api/v1/approvals", &answer),
        ("GET", "/api/v1/jobs/some-job/result", &json!(null)),
    ] {
        let request = || server.raw().request(method, path).json(body);
        let none = request().send().await;
        assert_problem(&none, 401, "KEY_REQUIRED");
        assert_eq!(none.header("www-authenticate"), Some("Bearer"));
        assert_problem(&request().key("not-a-key").send().await, 401, "KEY_UNKNOWN");
        assert_problem(&request().header("X-Countersign-Key", "not-a-key").send().await, 401, "KEY_UNKNOWN");
        assert_problem(&request().header("authorization", "Bearer not-a-key").send().await, 401, "KEY_UNKNOWN");
        assert_problem(&request().key(&fired).send().await, 403, "KEY_DISABLED");
        let without_scope = request().key(&bystander).send().await;
        // Two of them look first at what it is about.
        match path {
            "/api/v1/approvals" => assert_problem(&without_scope, 404, "PROPOSAL_UNKNOWN"),
            "/api/v1/jobs/some-job/result" => assert_problem(&without_scope, 404, "JOB_UNKNOWN"),
            _ => assert_problem(&without_scope, 403, "SCOPE_MISSING"),
        };
    }
    // A key that is shown must be good even where none is needed.
    let intent = server.raw().post("/api/v1/intents", "not-a-key", &json!({"goal": "x"})).await;
    assert_problem(&intent, 401, "KEY_UNKNOWN");
    let signed_for_others = json!({"proposal_id": "p", "intent_id": "i", "agent": "Casey", "summary": "s",
        "effects": ["READ_REPO"], "truth_account": {"observations": [], "claims": []}});
    for (key, status, detail) in [
        (None, 401, "API key required"),
        (Some("not-a-key"), 401, "Invalid API key"),
        (Some(fired.as_str()), 403, "API key is disabled"),
        (Some(bystander.as_str()), 403, "Key not authorized for endpoint: proposal:create"),
    ] {
        let request = server.raw().request("POST", "/v1/govern/proposal").json(&signed_for_others);
        let answer = key.map_or(request.clone(), |key| request.key(key)).send().await;
        assert_eq!(assert_detail(&answer, status), detail);
    }
    assert_eq!(size(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_not_open_to_all_reads_nothing_out_without_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::serve(&dir.path().join("data")).with(["--open-reads", "false"]).start().await;
    for path in ["/api/v1/proposals", "/api/v1/approvals", "/api/v1/jobs", "/api/v1/stream"] {
        assert_problem(&server.raw().get(path).await, 401, "KEY_REQUIRED");
        let with_key = server.raw().request("GET", &format!("{path}?once=true")).key(ADMIN_KEY).send().await;
        assert_eq!(with_key.status, 200, "{path}: {}", with_key.text());
    }
    for path in ["/v1/events", "/v1/jobs", "/v1/pending-approvals", "/v1/agents", "/v1/tools"] {
        assert_detail(&server.raw().get(path).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_are_for_everybody_even_then() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::serve(&dir.path().join("data")).with(["--open-reads", "false"]).start().await;
    // Whoever holds one must be able to have it checked.
    let policy = format!("/log/blob/{}", server.anonymous().head().await.unwrap().policy);
    for path in ["/api/v1/receipts/events/0", "/api/v1/consistency?old=0&new=1", "/log/vkey", &policy] {
        assert_eq!(server.raw().get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_folder_is_refused_and_told_who_has_it() {
    let (_dir, server) = server().await;
    let refused = Start::serve(server.dir()).attempt().await.unwrap_err();
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(refused.said.contains(&format!("is held by process {}", server.pid())), "{}", refused.said);
    // The first one has noticed nothing.
    server.admin().submit_intent(&proposals::intent("still-here", "Go on")).await.unwrap();
}
