//! From an intent to work that was done, by everybody's own means: API keys, signed commands, a real runner.

use client::Client;
use countersign_tests::audit::{verify, verify_receipt, verify_with};
use countersign_tests::people::asked;
use countersign_tests::server::{Server, Start};
use countersign_tests::{data, proposals};
use domain::event::PrincipalKind;
use domain::event::approval::Verb;
use domain::event::decision::Ruling;
use domain::event::key::Scope;
use domain::id::JobId;
use ledger::keys::KeyRole;
use proof::{Hash, Leaf, LeafIndex, Receipt};
use schemas::approval::SubmitAnswer;
use schemas::job::JobOutput;
use schemas::proposal::ProposalRuled;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait at the server for a job's end; asked for again while the machine is busy.
const WAIT: Duration = Duration::from_secs(25);

/// A cargo package whose test fails until it is mended.
pub(crate) fn project(dir: &Path) -> PathBuf {
    let project = dir.join("project");
    fs::create_dir_all(project.join("src")).unwrap();
    let manifest = "[package]\nname = \"sum\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n";
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    let library =
        "pub fn sum(a: u64, b: u64) -> u64 {\n    a - b\n}\n\n#[test]\nfn adds() {\n    assert_eq!(sum(5, 3), 8);\n}\n";
    fs::write(project.join("src/lib.rs"), library).unwrap();
    project
}

/// The change that mends it.
const PATCH: &str = "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1,3 +1,3 @@\n pub fn sum(a: u64, b: u64) -> u64 {\n-    a - b\n+    a + b\n }\n";

/// A server with a runner on a project.
async fn up() -> (TempDir, PathBuf, Server) {
    let dir = tempfile::tempdir().unwrap();
    let project = project(dir.path());
    let server = Start::up(&dir.path().join("data"), &project).start().await;
    (dir, project, server)
}

pub(crate) async fn finished(client: &Client, job_id: &JobId) -> JobOutput {
    for _ in 0..6 {
        let output = client.job_output(job_id.as_str(), WAIT).await.unwrap();
        if output.result.is_some() || output.status == "unknown" {
            return output;
        }
    }
    panic!("job {job_id} did not end");
}

fn job_of(ruled: &ProposalRuled) -> JobId {
    assert_eq!(ruled.ruling, Ruling::Allow, "{ruled:?}");
    ruled.job_id.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_read_mend_and_test_a_project_and_every_step_is_proven() {
    let (_dir, project, server) = up().await;
    let alice = server.person(PrincipalKind::Human, "alice", &[Scope::ProposalCreate]).await;
    let stated = alice.submit_intent(&proposals::intent("the-intent", "Make the sum right")).await.unwrap();
    verify_receipt(&stated.receipt, &server.pinned()).assert_valid();
    // Casey signs with a key of its own, and fetches what it read with an API key.
    let casey = server.author(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    let caseys = server.agent("Casey").await;

    let read = casey.propose(proposals::read("read-1", "src/lib.rs")).await.unwrap();
    let output = finished(&caseys, &job_of(&read)).await;
    assert_eq!(output.status, "completed", "{output:?}");
    assert!(output.outputs[0].as_ref().unwrap().contains("a - b"), "{output:?}");
    // Somebody else's agent may not see it.
    let jordan = server.agent("Jordan").await;
    let refused = jordan.job_output(job_of(&read).as_str(), Duration::ZERO).await.unwrap_err();
    assert_eq!(refused.reason(), Some("SCOPE_MISSING"));

    let untested = caseys.submit_proposal(&proposals::tests("test-1")).await.unwrap();
    let output = finished(&caseys, &job_of(&untested)).await;
    assert_eq!(output.status, "failed", "the test must fail before: {output:?}");
    let patched = caseys.submit_proposal(&proposals::patch("patch-1", PATCH)).await.unwrap();
    assert_eq!(finished(&caseys, &job_of(&patched)).await.status, "completed");
    assert!(fs::read_to_string(project.join("src/lib.rs")).unwrap().contains("a + b"));
    let tested = caseys.submit_proposal(&proposals::tests("test-2")).await.unwrap();
    let output = finished(&caseys, &job_of(&tested)).await;
    assert_eq!(output.status, "completed", "the test must pass after: {output:?}");
    assert!(output.outputs[0].as_ref().unwrap().contains("test adds ... ok"), "{output:?}");

    let (admin, pinned) = (server.admin(), server.pinned());
    let size = admin.head().await.unwrap().size;
    for seq in 0..size.get() {
        let receipt = admin.event_receipt(LeafIndex::new(seq)).await.unwrap();
        assert_eq!(receipt.entries[0].index.get(), seq);
        receipt.verify(&pinned).unwrap();
    }
    let story = admin.proposal_receipt("test-2").await.unwrap();
    let verdict = verify_receipt(&story, &pinned);
    let kinds: Vec<&str> = verdict.assert_valid().report["receipts"][0]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["type"].as_str())
        .collect();
    let expected =
        ["proposal.submitted", "decision.recorded", "job.created", "job.leased", "result.recorded", "job.completed"];
    assert_eq!(kinds, expected);
    let other = countersign_tests::people::new_key(pinned.name().as_str()).verifier();
    assert_eq!(verify_receipt(&story, &other).code, 2, "another key of the same name must not do");

    let dir = server.dir().to_owned();
    server.stop().await;
    verify(&dir, "log").assert_valid();
    let replay = verify(&dir, "replay");
    replay.assert_valid();
    assert_eq!(replay.number("/statements/proposals/signed"), 1);
    assert_eq!(replay.number("/statements/proposals/asserted"), 3);
    assert_eq!(replay.number("/statements/results/signed"), 4);
    assert_eq!(replay.number("/decisions/mismatched"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_human_says_yes_by_signature_or_by_key_or_says_no() {
    let (_dir, project, server) = up().await;
    server.admin().submit_intent(&proposals::intent("the-intent", "Write for good")).await.unwrap();
    let casey = server.agent("Casey").await;
    let answers = [Scope::ProposalApprove, Scope::ProposalDeny];
    let bob = server.author(PrincipalKind::Human, "bob", &answers).await;
    let carol = server.person(PrincipalKind::Human, "carol", &answers).await;

    // With a key that only bob has.
    let ruled = casey.submit_proposal(&proposals::irreversible("signed", "signed.txt", "by bob\n")).await.unwrap();
    assert_eq!((ruled.ruling, &ruled.job_id), (Ruling::RequireHuman, &None));
    let pending = asked(&server.admin(), &ruled.proposal_id).await;
    assert_eq!(proof::sha256(&proof::canonical::value_to_vec(&pending.preview)), pending.challenge.preview_digest);
    assert!(!project.join("signed.txt").exists());
    let accepted = bob.answer(&pending, Verb::Grant).await.unwrap();
    verify_receipt(&accepted.receipt, &server.pinned()).assert_valid();
    assert_eq!(finished(&casey, &accepted.job_id.unwrap()).await.status, "completed");
    assert_eq!(fs::read_to_string(project.join("signed.txt")).unwrap(), "by bob\n");
    // A challenge is good for one answer.
    assert_eq!(bob.answer(&pending, Verb::Grant).await.unwrap_err().reason(), Some("NOT_PENDING"));

    // With an API key, the weaker kind.
    let ruled = casey.submit_proposal(&proposals::irreversible("by-key", "by-key.txt", "by carol\n")).await.unwrap();
    let pending = asked(&server.admin(), &ruled.proposal_id).await;
    let nonce = pending.challenge.nonce.clone();
    let answer = |nonce: &str, verb| SubmitAnswer {
        proposal_id: ruled.proposal_id.clone(),
        verb,
        nonce: nonce.to_owned(),
        reason: Some("looked at it".into()),
    };
    let another = carol.answer(&answer("00000000000000000000000000000000", Verb::Grant)).await.unwrap_err();
    assert_eq!(another.reason(), Some("CHALLENGE_MISMATCH"));
    let by_agent = casey.answer(&answer(&nonce, Verb::Grant)).await.unwrap_err();
    assert_eq!(by_agent.reason(), Some("SCOPE_MISSING"));
    let accepted = carol.answer(&answer(&nonce, Verb::Grant)).await.unwrap();
    assert_eq!(finished(&casey, &accepted.job_id.unwrap()).await.status, "completed");
    assert_eq!(fs::read_to_string(project.join("by-key.txt")).unwrap(), "by carol\n");

    // No.
    let ruled = casey.submit_proposal(&proposals::irreversible("denied", "denied.txt", "never\n")).await.unwrap();
    let pending = asked(&server.admin(), &ruled.proposal_id).await;
    let denied = bob.answer(&pending, Verb::Deny).await.unwrap();
    assert_eq!((denied.verb, denied.job_id), (Verb::Deny, None));
    assert!(server.admin().pending_approvals().await.unwrap().is_empty());
    let row: Value = server.admin().get("/api/v1/proposals/denied").await.unwrap();
    assert_eq!(row["ruling"], "DENY", "{row}");

    let dir = server.dir().to_owned();
    server.stop().await;
    assert!(!project.join("denied.txt").exists());
    let replay = verify(&dir, "replay");
    replay.assert_valid();
    assert_eq!(replay.number("/statements/approvals/signed"), 2);
    assert_eq!(replay.number("/statements/approvals/asserted"), 1);
}

/// Reads Server-Sent Events until one with this id, checking that ids and events agree and none is left out.
async fn messages(server: &Server, headers: &str, first: u64, last: u64) -> Vec<String> {
    let mut lines = server.raw().follow("/api/v1/stream", headers).await;
    let mut seen = Vec::new();
    for id in first..=last {
        assert_eq!(lines.next().await.unwrap(), format!("id: {id}"));
        assert_eq!(lines.next().await.unwrap(), "event: event");
        let data = lines.next().await.unwrap();
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((event["seq"].as_u64(), event["payload"]["seq"].as_u64()), (Some(id), Some(id)));
        assert_eq!(lines.next().await.unwrap(), "");
        seen.push(data);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_exactly_where_it_broke() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    let admin = server.admin();
    for number in 0..5 {
        admin.submit_intent(&proposals::intent(&format!("intent-{number}"), "Want something")).await.unwrap();
    }
    let last = admin.head().await.unwrap().size.get() - 1;
    let whole = messages(&server, "", 0, last).await;
    let resumed = messages(&server, "last-event-id: 2\r\n", 3, last).await;
    assert_eq!(resumed, whole[3..]);
    // Whoever is there already hears of what comes.
    let mut lines = server.raw().follow("/api/v1/stream", &format!("last-event-id: {last}\r\n")).await;
    admin.submit_intent(&proposals::intent("intent-new", "Want more")).await.unwrap();
    assert_eq!(lines.next().await.unwrap(), format!("id: {}", last + 1));
    drop(lines);

    // The same as NDJSON; and the same bytes as the log holds.
    let accept = server.raw().request("GET", "/api/v1/stream?once=true").header("accept", "application/x-ndjson");
    let answer = accept.send().await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let text = answer.text();
    let lines: Vec<&str> = text.lines().collect();
    let told: Vec<String> = lines.iter().map(|line| format!("data: {line}")).collect();
    assert_eq!(told[..whole.len()], whole);
    // A restarted server goes on where the one before was.
    let path = server.dir().to_owned();
    server.kill();
    let server = Server::serve(&path).await;
    let resumed = messages(&server, "last-event-id: 4\r\n", 5, last).await;
    assert_eq!(resumed, whole[5..]);
    let leaves = data::leaves(&path);
    assert_eq!(lines.len(), leaves.len());
    for (seq, (line, leaf)) in lines.iter().zip(&leaves).enumerate() {
        let leaf = String::from_utf8(leaf.clone()).unwrap();
        assert_eq!(**line, format!("{{\"seq\":{seq},{}", leaf.strip_prefix('{').unwrap()));
    }
    let bad = server.raw().request("GET", "/api/v1/stream").header("last-event-id", "x").send().await;
    assert_eq!(bad.status, 400);
}

/// The processes that a process started.
fn children(pid: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let parent = format!("PPid:\t{pid}\n");
    all.filter(|pid: &u32| fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|s| s.contains(&parent)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_does_not_outlive_the_server_that_started_it() {
    for kill in [true, false] {
        let (_dir, _project, server) = up().await;
        // It listens before it starts its runner.
        let started = async {
            loop {
                match children(server.pid()).as_slice() {
                    [] => tokio::task::yield_now().await,
                    [runner] => break *runner,
                    more => panic!("{more:?}"),
                }
            }
        };
        let runner = tokio::time::timeout(WAIT, started).await.expect("no runner was started");
        if kill {
            server.kill();
        } else {
            // As soon as it listens it also hears that it should end.
            server.stop().await;
        }
        // It hears of a death by a signal, and ends in its own time.
        let gone = async {
            let proc = PathBuf::from(format!("/proc/{runner}"));
            while fs::read_to_string(proc.join("status")).is_ok_and(|status| !status.contains("State:\tZ")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT, gone).await.expect("the runner lives on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_its_own_writes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    let casey = server.agent("Casey").await;
    server.admin().submit_intent(&proposals::intent("the-intent", "Read")).await.unwrap();
    for number in 0..40 {
        let id = format!("own-{number}");
        let ruled = casey.submit_proposal(&proposals::read(&id, "a.txt")).await.unwrap();
        let last = ruled.receipt.entries.last().unwrap().index.size_after();
        let row: Value = casey.get(&format!("/api/v1/proposals/{id}?at_least={last}")).await.unwrap();
        assert_eq!((row["proposal_id"].as_str(), row["ruling"].as_str()), (Some(id.as_str()), Some("ALLOW")), "{row}");
        let job = ruled.job_id.unwrap();
        let row: Value = casey.get(&format!("/api/v1/jobs/{job}?at_least={last}")).await.unwrap();
        assert_eq!(row["status"], "ready", "{row}");
        let page: Value = casey.get(&format!("/api/v1/proposals?limit=1&at_least={last}")).await.unwrap();
        assert_eq!(page["proposals"][0]["proposal_id"], *id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_body_is_gone_and_every_proof_still_holds() {
    let (_dir, project, server) = up().await;
    server.admin().submit_intent(&proposals::intent("the-intent", "Write")).await.unwrap();
    let casey = server.author(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    let caseys = server.agent("Casey").await;
    let content = "a line that somebody will want forgotten\n".repeat(100);
    let ruled = casey.propose(proposals::write("erase-1", "long.txt", &content)).await.unwrap();
    assert_eq!(finished(&caseys, &job_of(&ruled)).await.status, "completed");
    assert_eq!(fs::read_to_string(project.join("long.txt")).unwrap(), content, "the body came with the warrant");
    let before = server.admin().proposal_receipt("erase-1").await.unwrap();

    let dir = server.dir().to_owned();
    let needle = content.lines().next().unwrap().as_bytes();
    // It was written as the file's content, and the tool's output shows it once more.
    let input = "/proposal/actions/0/bodies/content/sha256";
    let output = "/result/actions/0/output/commit/sha256";
    let stored: Vec<Hash> = [("proposal.submitted", input), ("result.recorded", output)]
        .into_iter()
        .map(|(kind, pointer)| sha256_in(&before, kind, pointer))
        .collect();
    assert_eq!(data::files_with(&dir.join("content"), needle).len(), stored.len());
    for sha256 in &stored {
        let erased = server.admin().erase_body(sha256, "the author asked for it").await.unwrap();
        verify_receipt(&erased.receipt, &server.pinned()).assert_valid();
    }
    assert_eq!(data::files_with(&dir, needle), Vec::<PathBuf>::new(), "somewhere the body is left");
    let shown = server.admin().job_output(job_of(&ruled).as_str(), Duration::ZERO).await.unwrap();
    assert_eq!(shown.outputs, [None], "what was erased cannot be shown");
    let sha256 = stored[0];
    let again = server.admin().erase_body(&sha256, "again").await.unwrap_err();
    assert_eq!(again.reason(), Some("BLOB_UNKNOWN"));
    let stranger = caseys.erase_body(&sha256, "mine").await.unwrap_err();
    assert_eq!(stranger.reason(), Some("SCOPE_MISSING"));

    let (pinned, event_key) = (server.pinned(), server.key(KeyRole::Event).verifier());
    server.stop().await;
    verify(&dir, "log").assert_valid();
    verify(&dir, "replay").assert_valid();
    let file = project.join("receipt.json");
    fs::write(&file, before.to_json()).unwrap();
    let with_keys =
        ["receipt", file.to_str().unwrap(), "--key", &pinned.to_string(), "--event-key", &event_key.to_string()];
    verify_with(with_keys).assert_valid();
}

/// A body's digest, as an event of a receipt commits to it.
fn sha256_in(receipt: &Receipt, kind: &str, pointer: &str) -> Hash {
    let payload = |leaf: &str| serde_json::from_slice::<Value>(Leaf::parse(leaf.as_bytes()).unwrap().payload).unwrap();
    let event =
        receipt.entries.iter().map(|entry| payload(&entry.leaf)).find(|payload| payload["type"] == kind).unwrap();
    event["data"].pointer(pointer).and_then(Value::as_str).unwrap().parse().unwrap()
}
