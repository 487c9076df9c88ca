//! What the server counts about itself, as a scraper sees it.
#![expect(clippy::float_cmp, reason = "the samples that are compared are whole numbers")]

use countersign_tests::proposals;
use countersign_tests::raw::{Answer, Request};
use countersign_tests::server::{ADMIN_KEY, Server, Start};
use domain::event::PrincipalKind;
use domain::event::key::Scope;
use std::collections::BTreeMap;

/// The samples of a scrape, by name and labels.
fn samples(answer: &Answer) -> BTreeMap<String, f64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.into(), value.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_numbers_move_with_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    let before = samples(&server.raw().get("/metrics").await);
    assert_eq!(before["countersign_writer_up"], 1.0);
    let version = format!("countersign_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(before[&version], 1.0);

    let admin = server.admin();
    for n in 0..5 {
        admin.submit_intent(&proposals::intent(&format!("intent-{n}"), "measure")).await.unwrap();
    }
    let other = proposals::intent("intent-0", "something else");
    assert_eq!(admin.submit_intent(&other).await.unwrap_err().reason(), Some("CONTENT_CONFLICT"));
    let head = admin.head().await.unwrap();
    // Read models are waited for by what reads them.
    let at_least = format!("/api/v1/proposals?at_least={}", head.size);
    admin.get::<serde_json::Value>(&at_least).await.unwrap();

    let after = samples(&server.raw().get("/metrics").await);
    let moved = |name: &str| after[name] - before[name];
    assert!(moved("countersign_events_total") >= 5.0 && moved("countersign_commits_total") >= 5.0);
    assert_eq!(moved("countersign_log_size"), moved("countersign_events_total"));
    assert_eq!(moved("countersign_commit_events_sum"), moved("countersign_events_total"));
    assert_eq!(moved("countersign_commit_events_count"), moved("countersign_commits_total"));
    assert_eq!(moved("countersign_journal_append_seconds_count"), moved("countersign_commits_total"));
    assert!(moved("countersign_journal_append_seconds_sum") > 0.0);
    assert!(moved("countersign_commit_latency_seconds_count") >= 5.0);
    assert!(moved("countersign_commit_latency_seconds_sum") >= moved("countersign_journal_append_seconds_sum"));
    assert_eq!(moved("countersign_refusals_total{reason=\"repeated\"}"), 1.0);
    assert_eq!(moved("countersign_refusals_total{reason=\"forbidden\"}"), 0.0);
    let size: f64 = head.size.to_string().parse().unwrap();
    assert!(after["countersign_read_models_position"] >= size);
    assert_eq!(after["countersign_queue_depth"], 0.0);
    assert!(after["countersign_head_age_seconds"] < 60.0);
    server.stop().await;
}

#[tokio::test]
async fn closed_reads_need_a_key_that_may_read_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::serve(&dir.path().join("data")).with(["--open-reads", "false"]).start().await;
    let agent = server.api_key(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    let get = |key: Option<&str>| {
        let request = server.raw().request("GET", "/metrics");
        key.into_iter().fold(request, Request::key).send()
    };
    let refused = get(None).await;
    assert_eq!((refused.status, refused.json()["reason"].clone()), (401, "KEY_REQUIRED".into()));
    let refused = get(Some(&agent)).await;
    assert_eq!((refused.status, refused.json()["reason"].clone()), (403, "SCOPE_MISSING".into()));
    assert!(samples(&get(Some(ADMIN_KEY)).await)["countersign_log_size"] >= 1.0);
    server.stop().await;
}
